//! The start of an inspection: triggers that are accepted, continued after a restart, or lost.

use std::time::{Duration, Instant};

use super::Machine;
use super::result::ShownResult;
use super::state::{Busy, Mode, OpenTrigger, State};
use crate::map::{self, Named};

impl Machine {
    /// The first control word after the start decides what happens to a trigger from before the start.
    pub(super) fn first_control_word(&mut self, now: Instant) {
        // With `ACKNOWLEDGE`, the PLC is at the end of a part whose result it already has.
        let triggers = self.control(map::TRIGGER) && !self.control(map::ACKNOWLEDGE);
        let only_trigger = self.plc.control == map::TRIGGER.mask();
        let waits = only_trigger && self.settings.mode == Mode::Triggered;
        let command = self.plc.command;
        let part_id = self.plc.part.id().unwrap_or_default();
        let named = command != 0 || !part_id.is_empty();
        match self.memory.open.clone() {
            // The trigger may have been sent: the same key is not inspected twice.
            Some(open)
                if waits && named && (open.command, &open.part_id) == (command, &part_id) =>
            {
                self.resume(open, now);
                return;
            }
            // The trigger was not stored, and therefore not sent.
            None if waits && command != 0 && command != self.memory.last_command => {
                self.start(now);
                return;
            }
            // The part is finished except for the last bit.
            None if triggers && command != 0 && command == self.memory.last_command => {}
            _ if triggers => self.lose_trigger(),
            _ => {}
        }
        self.close();
        self.state = State::Release;
    }

    /// Continues a part with its key.
    fn resume(&mut self, open: OpenTrigger, now: Instant) {
        self.state = State::Busy(Box::new(Busy {
            key: open.key,
            part: self.plc.part,
            part_id: open.part_id,
            command: open.command,
            since: now,
            // The memory that was loaded has the key.
            revision: 0,
            sent: false,
            mismatched: false,
            recipe: open.recipe,
        }));
    }

    /// `TRIGGER` was raised; `was_ready` is whether the PLC could see `READY`.
    pub(super) fn trigger_raised(&mut self, was_ready: bool, now: Instant) {
        let only_trigger = self.plc.control == map::TRIGGER.mask();
        let (part, command) = (self.plc.part, self.plc.command);
        match &mut self.state {
            State::Idle if self.settings.mode == Mode::Triggered && only_trigger => {
                if was_ready && self.is_ready() {
                    self.start(now);
                } else {
                    self.lose_trigger();
                }
                return;
            }
            State::Busy(busy) => {
                busy.mismatched |= (busy.part, busy.command) != (part, command);
            }
            State::Result(shown)
                if self.settings.mode == Mode::Triggered
                    && (shown.result.part, shown.result.command) != (part, command) =>
            {
                shown.result.spoil(map::FAULT_DOUBLE_TRIGGER.number);
            }
            _ => {}
        }
        self.lose_trigger();
    }

    fn lose_trigger(&mut self) {
        self.trigger_lost = true;
        self.lost = self.lost.saturating_add(1);
    }

    /// Begins an inspection: the key is stored before the trigger is sent.
    fn start(&mut self, now: Instant) {
        let (part, command) = (self.plc.part, self.plc.command);
        let fault = |code: Named| ShownResult::fault(code.number, part, command, Duration::ZERO);
        let Ok(part_id) = part.id() else {
            return self.show(fault(map::FAULT_PART_INVALID), now);
        };
        if command != 0 && command == self.memory.last_command {
            return self.show(fault(map::FAULT_COMMAND_REPEATED), now);
        }
        self.memory.keys += 1;
        let key = format!("{}-{}", self.memory.key_prefix, self.memory.keys);
        let recipe = self.recipe.wanted().map(str::to_owned);
        self.memory.last_command = command;
        self.memory.part_number = part.number;
        self.memory.part_text = part.text;
        self.memory.open = Some(OpenTrigger {
            key: key.clone(),
            part_id: part_id.clone(),
            command,
            recipe: recipe.clone(),
        });
        self.revision += 1;
        self.save();
        self.state = State::Busy(Box::new(Busy {
            key,
            part,
            part_id,
            command,
            since: now,
            revision: self.revision,
            sent: false,
            mismatched: false,
            recipe,
        }));
    }

    /// Ends a running inspection with a FAULT of this program.
    pub(super) fn end_busy(&mut self, code: Named, now: Instant) {
        if let State::Busy(busy) = &self.state {
            let latency = now.saturating_duration_since(busy.since);
            let result = ShownResult::fault(code.number, busy.part, busy.command, latency);
            self.show(result, now);
        }
    }
}
