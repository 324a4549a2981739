//! The places of connections: a limit for all, limits for one address, and places that only addresses with known
//! clients may take. So one address cannot keep the others out.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Connections that each address may have, however few places there are.
const ADDRESS_AT_LEAST: usize = 8;

/// Addresses of known clients that are remembered; the oldest is forgotten.
const KNOWN_LIMIT: usize = 1024;

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// All places are taken.
    #[error("the limit of connections is reached")]
    Full,
    /// All places but those reserved for known addresses are taken.
    #[error("the other places are reserved for addresses of known clients")]
    Reserved,
    /// The address has too many connections that have made no call.
    #[error("too many connections of this address have made no call")]
    Silent,
    /// The address has too many connections.
    #[error("this address has its share of the connections")]
    Share,
}

/// The connections of an address.
#[derive(Debug, Default)]
struct Connections {
    open: usize,
    /// Those that have made no call.
    silent: usize,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// The addresses with open connections.
    addresses: HashMap<IpAddr, Connections>,
    known: VecDeque<IpAddr>,
}

/// The places of one listener.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    address_limit: usize,
    silent_limit: usize,
    /// Places for known addresses only.
    reserved: usize,
    /// Whether the addresses of this machine are known without a call.
    knows_loopback: bool,
    state: Mutex<State>,
}

impl Places {
    /// `limit` places. An address may have half of them, and a quarter without a call (8 at least of each). A quarter
    /// is reserved for addresses of known clients.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            address_limit: (limit / 2).max(ADDRESS_AT_LEAST),
            silent_limit: (limit / 4).max(ADDRESS_AT_LEAST),
            reserved: limit / 4,
            knows_loopback: false,
            state: Mutex::default(),
        })
    }

    /// `limit` places of a listener that does not identify clients. An address may have a quarter of them (8 at least). A
    /// quarter is reserved for this machine and for addresses that were answered before.
    pub fn anonymous(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            address_limit: (limit / 4).max(ADDRESS_AT_LEAST),
            silent_limit: limit,
            reserved: limit / 4,
            knows_loopback: true,
            state: Mutex::default(),
        })
    }

    /// Number of open connections.
    pub fn open(&self) -> usize {
        self.state.lock().open
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
            let local = self.knows_loopback && address.is_loopback();
            let known = local || state.known.contains(&address);
            if !known && state.open + self.reserved >= self.limit {
                return Err(NoPlace::Reserved);
            }
            // No limit is 0, so an address that is refused has an entry already.
            let connections = state.addresses.entry(address).or_default();
            if connections.open >= self.address_limit {
                return Err(NoPlace::Share);
            }
            if connections.silent >= self.silent_limit {
                return Err(NoPlace::Silent);
            }
            connections.open += 1;
            connections.silent += 1;
        }
        state.open += 1;
        Ok(Place {
            places: Arc::clone(self),
            address,
            silent: address.is_some(),
        })
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

    /// A known client has made a call, or a client was answered where clients are not identified.
    pub fn identified(&mut self) {
        let Some(address) = self.address.filter(|_| self.silent) else {
            return;
        };
        self.silent = false;
        let mut state = self.places.state.lock();
        if let Some(connections) = state.addresses.get_mut(&address) {
            connections.silent -= 1;
        }
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
        let Some(address) = self.address else {
            return;
        };
        if let Some(connections) = state.addresses.get_mut(&address) {
            connections.open -= 1;
            connections.silent -= usize::from(self.silent);
            if connections.open == 0 {
                state.addresses.remove(&address);
            }
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
        assert_eq!(places.take(Some(address(1))).err(), Some(NoPlace::Silent));
        held[0].identified();
        held.push(places.take(Some(address(1))).expect("a place"));
        assert_eq!(places.take(Some(address(1))).err(), Some(NoPlace::Silent));
        held.pop();
        assert!(places.take(Some(address(1))).is_ok());
    }

    #[test]
    fn address_of_a_known_client_takes_half_at_most() {
        let places = Places::new(32);
        let mut held = Vec::new();
        for _ in 0..16 {
            let mut place = places.take(Some(address(1))).expect("a place");
            place.identified();
            held.push(place);
        }
        assert_eq!(places.take(Some(address(1))).err(), Some(NoPlace::Share));
        let _other = places.take(Some(address(2))).expect("a place");
        held.pop();
        let _next = places.take(Some(address(1))).expect("a place");
        drop(held);
        assert_eq!(places.state.lock().addresses.len(), 2);
    }

    #[test]
    fn anonymous_addresses_leave_a_quarter_to_this_machine_and_those_that_were_answered() {
        let places = Places::anonymous(64);
        let mut scraper = places.take(Some(address(9))).expect("a place");
        scraper.identified();
        drop(scraper);
        let mut held = Vec::new();
        for last in 1..=3 {
            for _ in 0..16 {
                held.push(places.take(Some(address(last))).expect("a place"));
            }
            let refused = places.take(Some(address(last))).err();
            let reason = if last < 3 {
                NoPlace::Share
            } else {
                NoPlace::Reserved
            };
            assert_eq!(refused, Some(reason));
        }
        assert_eq!(places.take(Some(address(4))).err(), Some(NoPlace::Reserved));
        let loopback = IpAddr::from([127, 0, 0, 1]);
        held.push(places.take(Some(loopback)).expect("reserved"));
        held.push(places.take(Some(address(9))).expect("reserved"));
        drop(held);
        assert!(places.state.lock().addresses.is_empty());
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
