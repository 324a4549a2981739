//! The places of connections: a limit for all, a limit for connections of one address that have made no call, and places
//! that only addresses with known clients may take. So one address cannot keep the others out.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Connections without a call that each address may have, however few places there are.
const SILENT_AT_LEAST: usize = 8;

/// Addresses of known clients that are remembered; the oldest is forgotten.
const KNOWN_LIMIT: usize = 1024;

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// All places are taken.
    #[error("the limit of connections is reached")]
    Full,
    /// All places but those reserved for addresses of known clients are taken.
    #[error("the other places are reserved for addresses of known clients")]
    Reserved,
    /// The address has too many connections that have made no call.
    #[error("too many connections of this address have made no call")]
    Address,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// Connections of each address that have made no call.
    silent: HashMap<IpAddr, usize>,
    known: VecDeque<IpAddr>,
}

/// The places of one listener.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    silent_limit: usize,
    reserved: usize,
    state: Mutex<State>,
}

impl Places {
    /// `limit` places. An address may have a quarter of them (8 at least) without a call, and a quarter is reserved for addresses of
    /// known clients.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            silent_limit: (limit / 4).max(SILENT_AT_LEAST).min(limit),
            reserved: limit / 4,
            state: Mutex::default(),
        })
    }

    /// Takes a place for a connection of `address`; `None` for a Unix socket.
    ///
    /// # Errors
    /// Why there is none.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, NoPlace> {
        let mut state = self.state.lock();
        if state.open >= self.limit {
            return Err(NoPlace::Full);
        }
        if let Some(address) = address {
            let known = state.known.contains(&address);
            if !known && state.open + self.reserved >= self.limit {
                return Err(NoPlace::Reserved);
            }
            let silent = state.silent.entry(address).or_default();
            if *silent >= self.silent_limit {
                return Err(NoPlace::Address);
            }
            *silent += 1;
        }
        state.open += 1;
        Ok(Place {
            places: Arc::clone(self),
            address,
            silent: address.is_some(),
        })
    }
}

impl State {
    fn end_silence(&mut self, address: IpAddr) {
        if let Some(silent) = self.silent.get_mut(&address) {
            *silent -= 1;
            if *silent == 0 {
                self.silent.remove(&address);
            }
        }
    }
}

/// A place of a connection, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: Option<IpAddr>,
    silent: bool,
}

impl Place {
    /// Whether no known client has made a call.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// A known client has made a call.
    pub fn identified(&mut self) {
        let Some(address) = self.address.filter(|_| self.silent) else {
            return;
        };
        self.silent = false;
        let mut state = self.places.state.lock();
        state.end_silence(address);
        if !state.known.contains(&address) {
            if state.known.len() >= KNOWN_LIMIT {
                state.known.pop_front();
            }
            state.known.push_back(address);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state.lock();
        state.open -= 1;
        if let Some(address) = self.address.filter(|_| self.silent) {
            state.end_silence(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn address_without_calls_takes_a_quarter_at_most() {
        let places = Places::new(32);
        let mut held: Vec<Place> = (0..8)
            .map(|_| places.take(Some(address(1))).expect("a place"))
            .collect();
        assert_eq!(places.take(Some(address(1))).err(), Some(NoPlace::Address));
        held[0].identified();
        held.push(places.take(Some(address(1))).expect("a place"));
        assert_eq!(places.take(Some(address(1))).err(), Some(NoPlace::Address));
        held.pop();
        assert!(places.take(Some(address(1))).is_ok());
    }

    #[test]
    fn last_places_are_for_addresses_of_known_clients() {
        let places = Places::new(8);
        let mut known = places.take(Some(address(1))).expect("a place");
        known.identified();
        drop(known);
        let _others: Vec<Place> = (2..8_u8)
            .map(|last| places.take(Some(address(last))).expect("a place"))
            .collect();
        assert_eq!(places.take(Some(address(9))).err(), Some(NoPlace::Reserved));
        let _one = places.take(Some(address(1))).expect("reserved");
        let _two = places.take(Some(address(1))).expect("reserved");
        assert_eq!(places.take(Some(address(1))).err(), Some(NoPlace::Full));
        assert_eq!(places.take(None).err(), Some(NoPlace::Full));
    }
}
