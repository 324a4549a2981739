//! A station: its registers and its handshake, for the Modbus server on one side and the daemon on the other.

use std::time::Instant;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::watch;

use crate::config::StationSettings;
use crate::handshake::{Machine, Memory, NotOwner};
use crate::map;
use crate::registers::Block;

/// A table of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Holding registers: those of the PLC, and those of the server from [`map::MIRROR`] on.
    Holding,
    /// Input registers: those of the server.
    Input,
}

/// A table of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitTable {
    /// Coils: the bits of `CONTROL`.
    Coils,
    /// Discrete inputs: the bits of `STATUS`.
    DiscreteInputs,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// An address does not exist, or may not be written.
    #[error("an address does not exist, or may not be written")]
    Address,
    /// A number of values, or a value, is not allowed.
    #[error("a number of values, or a value, is not allowed")]
    Value,
    /// Another connection writes this station.
    #[error(transparent)]
    Busy(#[from] NotOwner),
}

/// The most registers that one request reads.
const MOST_REGISTERS: u16 = 125;
/// The most bits that one request reads.
const MOST_BITS: u16 = 2000;

/// A station.
#[derive(Debug)]
pub struct Station {
    /// Its id.
    pub id: String,
    /// Its settings.
    pub settings: StationSettings,
    core: Mutex<Core>,
    changes: watch::Sender<u64>,
}

#[derive(Debug)]
struct Core {
    machine: Machine,
    /// What the PLC has written.
    plc: Block,
    /// When the time limits were checked last.
    ticked: Instant,
}

impl Station {
    /// Returns a station after the start of the program.
    pub fn new(id: String, settings: StationSettings, memory: Memory, now: Instant) -> Self {
        let machine = Machine::new(settings.handshake.clone(), memory);
        let mut plc = Block::new(map::PLC_WORDS, settings.encoding);
        plc.put_plc_words(machine.plc());
        Self {
            id,
            settings,
            core: Mutex::new(Core {
                machine,
                plc,
                ticked: now,
            }),
            changes: watch::Sender::new(0),
        }
    }

    /// Returns a receiver that is notified of each change of the station.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Changes the handshake.
    pub fn apply<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        let outcome = change(&mut self.core.lock().machine);
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        outcome
    }

    /// Changes the handshake without a notification.
    pub fn apply_quietly<T>(&self, change: impl FnOnce(&mut Machine) -> T) -> T {
        change(&mut self.core.lock().machine)
    }

    /// Reads a value of the handshake.
    pub fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.core.lock().machine)
    }

    /// Checks all time limits.
    pub fn tick(&self, now: Instant) {
        let mut core = self.core.lock();
        core.ticked = now;
        core.machine.tick(now);
    }

    /// Returns when the time limits were checked last.
    pub fn ticked(&self) -> Instant {
        self.core.lock().ticked
    }

    /// Returns the registers of the server: one consistent state.
    fn server_block(&self) -> Block {
        let outputs = self.look(Machine::outputs);
        outputs.block(self.settings.encoding)
    }

    /// Reads registers.
    ///
    /// # Errors
    /// If the number of registers is not allowed, or an address does not exist.
    pub fn read(&self, table: Table, address: u16, count: u16) -> Result<Vec<u16>, Refusal> {
        if !(1..=MOST_REGISTERS).contains(&count) {
            return Err(Refusal::Value);
        }
        match table {
            Table::Input => slice(self.server_block().words(), address, count),
            Table::Holding => match address.checked_sub(map::MIRROR) {
                Some(address) => slice(self.server_block().words(), address, count),
                None => slice(self.core.lock().plc.words(), address, count),
            },
        }
    }

    /// Reads bits.
    ///
    /// # Errors
    /// If the number of bits is not allowed, or an address does not exist.
    pub fn read_bits(
        &self,
        table: BitTable,
        address: u16,
        count: u16,
    ) -> Result<Vec<bool>, Refusal> {
        if !(1..=MOST_BITS).contains(&count) {
            return Err(Refusal::Value);
        }
        let (word, bits) = match table {
            BitTable::Coils => (self.look(|machine| machine.plc().control), map::COILS),
            BitTable::DiscreteInputs => (
                self.look(|machine| machine.outputs().status),
                map::DISCRETE_INPUTS,
            ),
        };
        let bits: Vec<bool> = (0..bits).map(|bit| word >> bit & 1 == 1).collect();
        slice(&bits, address, count)
    }

    /// Writes registers of the PLC.
    ///
    /// # Errors
    /// If an address may not be written, a value is not allowed, or another connection writes this station.
    pub fn write(
        &self,
        connection: u64,
        address: u16,
        words: &[u16],
        now: Instant,
    ) -> Result<(), Refusal> {
        if words.is_empty() {
            return Err(Refusal::Value);
        }
        let mut core = self.core.lock();
        let mut plc = core.plc.clone();
        if !plc.write(address, words) {
            return Err(Refusal::Address);
        }
        let values = plc.plc_words();
        if values.control & !map::CONTROL_MASK != 0 {
            return Err(Refusal::Value);
        }
        let control_written = address == map::CONTROL.address;
        core.machine
            .write(connection, values, control_written, now)?;
        core.plc = plc;
        drop(core);
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Writes coils: bits of `CONTROL`.
    ///
    /// # Errors
    /// As for [`Station::write`].
    pub fn write_bits(
        &self,
        connection: u64,
        address: u16,
        bits: &[bool],
        now: Instant,
    ) -> Result<(), Refusal> {
        let count = u16::try_from(bits.len()).map_err(|_| Refusal::Value)?;
        if count == 0 {
            return Err(Refusal::Value);
        }
        let end = address.checked_add(count).ok_or(Refusal::Address)?;
        if end > map::COILS {
            return Err(Refusal::Address);
        }
        let mut control = self.look(|machine| machine.plc().control);
        for (bit, on) in (address..).zip(bits) {
            control = if *on {
                control | 1 << bit
            } else {
                control & !(1 << bit)
            };
        }
        self.write(connection, map::CONTROL.address, &[control], now)
    }

    /// Changes bits of one register of the PLC: `(register AND and_mask) OR (or_mask AND NOT and_mask)`.
    ///
    /// # Errors
    /// As for [`Station::write`].
    pub fn write_masked(
        &self,
        connection: u64,
        address: u16,
        [and_mask, or_mask]: [u16; 2],
        now: Instant,
    ) -> Result<(), Refusal> {
        let old = slice(self.core.lock().plc.words(), address, 1)?[0];
        let word = old & and_mask | or_mask & !and_mask;
        self.write(connection, address, &[word], now)
    }

    /// Records that a connection was closed.
    pub fn closed(&self, connection: u64, now: Instant) {
        self.apply(|machine| machine.closed(connection, now));
    }
}

fn slice<T: Clone>(values: &[T], address: u16, count: u16) -> Result<Vec<T>, Refusal> {
    let start = usize::from(address);
    let values = values.get(start..start + usize::from(count));
    values.map(<[T]>::to_vec).ok_or(Refusal::Address)
}

#[cfg(test)]
mod tests;
