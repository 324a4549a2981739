//! The handshake with a simulated PLC, daemon and clock.

mod faults;
mod follow;
mod follow_properties;
mod properties;
mod restart;
mod triggered;

use std::time::{Duration, Instant};

use super::*;

/// Milliseconds.
const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn settings(mode: Mode) -> Settings {
    Settings {
        mode,
        verdict_timeout: ms(1000),
        acknowledge_timeout: ms(2000),
        heartbeat_timeout: Some(ms(500)),
        reconnect: ms(3000),
        outdated_after: ms(5000),
        recipes: [(1, "juice".to_owned()), (2, "water".to_owned())].into(),
    }
}

pub(super) fn memory() -> Memory {
    Memory {
        key_prefix: "k".to_owned(),
        keys: 0,
        open: None,
        last_command: 0,
        part_number: 0,
        part_text: [0; 32],
        recipe_select: 0,
    }
}

pub(super) fn part(text: &str) -> PartNumber {
    PartNumber::of_id(text).expect("a short text")
}

/// A machine with its surroundings.
pub(super) struct Bench {
    pub machine: Machine,
    pub plc: PlcWords,
    pub now: Instant,
    /// What was stored last.
    pub stored: Memory,
    /// Triggers that the daemon received: key and part id.
    pub triggers: Vec<(String, String)>,
    pub acknowledged: Vec<u64>,
    pub activations: Vec<(u16, String)>,
    /// Whether the disk works.
    pub disk: bool,
}

impl Bench {
    /// A station whose PLC has written a control word without bits, with a daemon.
    pub fn ready(mode: Mode) -> Self {
        let mut bench = Self::started(settings(mode), memory());
        bench.machine.daemon(true, "", bench.now);
        bench.control(&[]);
        bench
    }

    /// A station after its start.
    pub fn started(settings: Settings, memory: Memory) -> Self {
        let machine = Machine::new(settings, memory.clone());
        Self {
            plc: machine.plc().clone(),
            machine,
            now: Instant::now(),
            stored: memory,
            triggers: Vec::new(),
            acknowledged: Vec::new(),
            activations: Vec::new(),
            disk: true,
        }
    }

    /// The PLC writes everything, with these control bits on.
    pub fn control(&mut self, bits: &[Named]) {
        self.plc.control = bits.iter().map(Named::mask).sum();
        self.plc.heartbeat = self.plc.heartbeat.wrapping_add(1);
        self.write(1).expect("the owner");
    }

    /// A connection writes everything.
    pub fn write(&mut self, connection: u64) -> Result<(), NotOwner> {
        let written = self
            .machine
            .write(connection, self.plc.clone(), true, self.now);
        self.execute();
        written
    }

    /// Raises `TRIGGER` for a part.
    pub fn trigger(&mut self, text: &str) {
        self.plc.part = part(text);
        self.control(&[map::TRIGGER]);
    }

    /// Executes the commands of the machine.
    pub fn execute(&mut self) {
        loop {
            let commands = self.machine.take_commands();
            if commands.is_empty() {
                return;
            }
            for command in commands {
                match command {
                    Command::Save { revision, memory } => {
                        if self.disk {
                            self.stored = memory;
                        }
                        self.machine.saved(revision, self.disk, self.now);
                    }
                    Command::Trigger { key, part_id } => self.triggers.push((key, part_id)),
                    Command::Activate { number, id } => self.activations.push((number, id)),
                    Command::Acknowledge(sequence) => self.acknowledged.push(sequence),
                }
            }
        }
    }

    /// Time passes, in steps of 10 ms; the heartbeat of the PLC continues if `alive`.
    pub fn pass(&mut self, milliseconds: u64, alive: bool) {
        for step in 0..milliseconds / 10 {
            self.now += ms(10);
            if alive && step % 10 == 0 {
                self.plc.heartbeat = self.plc.heartbeat.wrapping_add(1);
                let plc = self.plc.clone();
                let written = self.machine.write(1, plc, false, self.now);
                written.expect("the owner");
            }
            self.machine.tick(self.now);
            self.execute();
        }
    }

    /// The daemon answers the last trigger.
    pub fn answer(&mut self, decision: Decision) -> bool {
        let (key, part_id) = self.triggers.last().cloned().expect("a trigger");
        let judged = verdict(&key, &part_id, decision, self.triggers.len() as u64);
        let shown = self.machine.judged(judged, self.now);
        self.execute();
        shown
    }

    /// The names of the bits of the status that are on.
    pub fn status(&self) -> Vec<&'static str> {
        let outputs = self.machine.outputs();
        let on = map::STATUS_BITS.iter().filter(|bit| outputs.is(**bit));
        on.map(|bit| bit.name).collect()
    }

    /// Decision and fault code of the valid result.
    pub fn result(&self) -> Option<(Decision, u16)> {
        let result = self.machine.outputs().result?;
        Some((result.decision, result.fault_code))
    }

    pub fn station_fault(&self) -> u16 {
        self.machine.outputs().station_fault
    }

    /// A whole part.
    pub fn inspect(&mut self, text: &str, decision: Decision) {
        self.trigger(text);
        assert!(self.answer(decision));
        self.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
        self.control(&[]);
    }
}

pub(super) fn verdict(key: &str, part_id: &str, decision: Decision, sequence: u64) -> Judged {
    Judged {
        key: key.to_owned(),
        part_id: part_id.to_owned(),
        decision: Some(decision),
        sequence,
        score: Some(Score {
            value: 0.25,
            threshold: 0.5,
        }),
        ..Judged::default()
    }
}

/// The status of a station that can inspect.
const READY: [&str; 2] = ["READY", "DAEMON_CONNECTED"];
