//! The handshake of a station: a state machine without IO. Its inputs are what the PLC writes, events of the
//! daemon and the time; its outputs are registers and commands.

mod outputs;
mod presence;
mod recipe;
mod result;
mod state;
mod trigger;

use std::time::{Duration, Instant};

pub use self::outputs::Outputs;
pub use self::presence::NotOwner;
use self::presence::Presence;
pub use self::recipe::Activation;
use self::recipe::RecipeSelection;
pub use self::result::{Decision, Defect, Judged, Score, ShownResult};
#[cfg(test)]
pub use self::state::OpenTrigger;
pub use self::state::{Command, Memory, Mode, Settings};
use self::state::{Pending, Shown, State};
use crate::map::{self, Named};
use crate::registers::{PartNumber, PlcWords};

/// The pause before the memory is stored again after a failure.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// The handshake of one station.
#[derive(Clone, Debug)]
pub struct Machine {
    settings: Settings,
    state: State,
    plc: PlcWords,
    presence: Presence,
    recipe: RecipeSelection,
    daemon_connected: bool,
    memory: Memory,
    /// The content of `memory`, what was stored of it, and when a failed attempt is repeated.
    revision: u64,
    stored: u64,
    save_again: Option<Instant>,
    /// Mode `follow`: the verdict that was not acknowledged yet.
    pending: Option<Pending>,
    trigger_lost: bool,
    lost: u16,
    results: u32,
    heartbeat: u16,
    commands: Vec<Command>,
}

impl Machine {
    /// Returns a station after the start of the program.
    pub fn new(settings: Settings, memory: Memory) -> Self {
        let part = PartNumber {
            number: memory.part_number,
            text: memory.part_text,
        };
        // The PLC may have written these before the restart, and write only its control word again.
        let mut plc = PlcWords {
            recipe_select: memory.recipe_select,
            ..PlcWords::default()
        };
        if let Some(open) = &memory.open {
            plc.command = open.command;
            plc.part = part;
        }
        let mut recipe = RecipeSelection::new(settings.recipes.clone());
        recipe.select(memory.recipe_select);
        Self {
            state: State::Start,
            plc,
            presence: Presence::new(settings.heartbeat_timeout),
            recipe,
            settings,
            daemon_connected: false,
            memory,
            revision: 0,
            stored: 0,
            save_again: None,
            pending: None,
            trigger_lost: false,
            lost: 0,
            results: 0,
            heartbeat: 0,
            commands: Vec::new(),
        }
    }

    /// Returns what the PLC has written.
    pub fn plc(&self) -> &PlcWords {
        &self.plc
    }

    /// Returns the commands since the last call.
    pub fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Takes what the PLC wrote: all its words, and whether the control word is among those that it wrote now.
    ///
    /// # Errors
    /// If another connection writes this station; nothing is changed then.
    pub fn write(
        &mut self,
        connection: u64,
        plc: PlcWords,
        control_written: bool,
        now: Instant,
    ) -> Result<(), NotOwner> {
        if self.presence.write(connection, plc.heartbeat, now)?
            && let State::Result(shown) = &mut self.state
        {
            shown.since = now;
            shown.plc_was_there = true;
        }
        let was_ready = self.is_ready();
        let before = std::mem::replace(&mut self.plc, plc);
        self.select_recipe();
        if self.control(map::RESET) {
            self.trigger_lost = false;
            self.recipe.retry();
        }
        let raised = self.control(map::TRIGGER) && before.control & map::TRIGGER.mask() == 0;
        match self.state {
            State::Start if control_written => self.first_control_word(now),
            State::Start => {}
            _ if raised => self.trigger_raised(was_ready, now),
            _ => {}
        }
        self.settle(now);
        Ok(())
    }

    /// Records that a connection was closed.
    pub fn closed(&mut self, connection: u64, now: Instant) {
        self.presence.closed(connection, now);
    }

    /// Records whether the daemon answers, and its active recipe (empty: none).
    pub fn daemon(&mut self, connected: bool, active_recipe: &str, now: Instant) {
        self.daemon_connected = connected;
        if connected {
            self.recipe.reported(active_recipe);
        }
        self.settle(now);
    }

    /// Records whether the memory was stored.
    pub fn saved(&mut self, revision: u64, success: bool, now: Instant) {
        if success {
            self.stored = self.stored.max(revision);
            if self.stored == self.revision {
                self.save_again = None;
            }
        } else if self.stored < self.revision {
            self.save_again = Some(now + SAVE_AGAIN);
            if let State::Busy(busy) = &self.state
                && busy.revision <= revision
                && !busy.sent
            {
                self.end_busy(map::FAULT_STATE_FILE, now);
            }
        }
        self.settle(now);
    }

    /// Takes the verdict of a trigger. A verdict of an earlier trigger is not shown. Returns whether it is shown.
    pub fn judged(&mut self, judged: Judged, now: Instant) -> bool {
        let State::Busy(busy) = &self.state else {
            return false;
        };
        if !busy.sent || busy.key != judged.key {
            return false;
        }
        let recipe = busy.recipe.as_ref();
        let recipe_differs = recipe.is_some_and(|id| *id != judged.recipe);
        let objections = [
            (busy.mismatched, map::FAULT_DOUBLE_TRIGGER),
            (busy.part_id != judged.part_id, map::FAULT_WRONG_PART),
            (recipe_differs, map::FAULT_WRONG_RECIPE),
        ];
        let objection = objections.into_iter().find(|(applies, _)| *applies);
        let objection = objection.map(|(_, code)| code.number);
        let latency = now.saturating_duration_since(busy.since);
        let result = ShownResult::judged(judged, objection, busy.part, busy.command, latency);
        self.show(result, now);
        self.settle(now);
        true
    }

    /// Records that the daemon refused a trigger.
    pub fn refused(&mut self, key: &str, now: Instant) {
        if self.is_waiting_for(key) {
            self.end_busy(map::FAULT_REFUSED, now);
            self.settle(now);
        }
    }

    /// Returns whether the verdict of the trigger with this key is awaited.
    pub fn is_waiting_for(&self, key: &str) -> bool {
        matches!(&self.state, State::Busy(busy) if busy.sent && busy.key == key)
    }

    /// Returns whether the next verdict of the stream can be taken, in mode `follow`.
    pub fn wants_verdict(&self) -> bool {
        self.settings.mode == Mode::Follow && self.pending.is_none()
    }

    /// Takes the next verdict of the stream, in mode `follow`.
    pub fn follow(&mut self, judged: Judged, now: Instant) {
        self.pending = Some(Pending {
            judged,
            received: now,
        });
        self.settle(now);
    }

    /// Records verdicts that the stream could not deliver.
    pub fn missed(&mut self, verdicts: u64) {
        let verdicts = u16::try_from(verdicts).unwrap_or(u16::MAX);
        self.lost = self.lost.saturating_add(verdicts);
        self.trigger_lost = true;
    }

    /// Records the answer to an activation.
    pub fn activated(&mut self, number: u16, answer: Activation, now: Instant) {
        self.recipe.activated(number, answer);
        self.settle(now);
    }

    /// Advances the heartbeat of the server.
    pub fn beat(&mut self) {
        self.heartbeat = self.heartbeat.wrapping_add(1);
    }

    /// Checks all time limits.
    pub fn tick(&mut self, now: Instant) {
        self.presence.check(now);
        let plc_left = self.presence.away_for(now) > Some(self.settings.reconnect);
        match &self.state {
            State::Busy(_) if plc_left => self.fail(map::FAULT_PLC_AWAY),
            State::Result(shown) if plc_left && shown.plc_was_there => {
                self.fail(map::FAULT_PLC_AWAY);
            }
            State::Busy(busy) if expired(busy.since, self.settings.verdict_timeout, now) => {
                let code = match busy.sent {
                    _ if !self.daemon_connected => map::FAULT_DAEMON_AWAY,
                    true => map::FAULT_DEADLINE,
                    false => map::FAULT_STATE_FILE,
                };
                self.end_busy(code, now);
            }
            State::Result(shown)
                if self.presence.is_there()
                    && expired(shown.since, self.settings.acknowledge_timeout, now) =>
            {
                self.fail(map::FAULT_NO_ACKNOWLEDGE);
            }
            _ => {}
        }
        if self.save_again.is_some_and(|moment| now >= moment) {
            self.save();
        }
        self.settle(now);
    }

    /// Returns what the registers show.
    pub fn outputs(&self) -> Outputs {
        let result = match &self.state {
            State::Result(shown) => Some(shown.result.clone()),
            _ => None,
        };
        let (part, command) = match &self.state {
            State::Busy(busy) => (busy.part, busy.command),
            State::Result(shown) => (shown.result.part, shown.result.command),
            _ => (PartNumber::default(), 0),
        };
        Outputs {
            status: self.status(),
            heartbeat: self.heartbeat,
            result,
            part,
            command,
            results: self.results,
            lost: self.lost,
            active_recipe: self.recipe.active_number(),
            recipe_state: self.recipe.state().named().number,
            station_state: self.state.named().number,
            station_fault: self.station_fault().map_or(0, |fault| fault.number),
        }
    }

    fn status(&self) -> u16 {
        let fault = self.station_fault().is_some();
        let mut status = match &self.state {
            State::Busy(_) => map::BUSY.mask(),
            State::Result(shown) => outputs::result_bits(&shown.result, fault),
            State::Error(_) => map::STATION_ERROR.mask(),
            State::Idle if self.is_ready() => map::READY.mask(),
            State::Start | State::Idle | State::Release => 0,
        };
        for (on, bit) in [
            (fault, map::FAULT),
            (self.daemon_connected, map::DAEMON_CONNECTED),
            (self.trigger_lost, map::TRIGGER_LOST),
            (self.recipe.state().is_error(), map::RECIPE_ERROR),
        ] {
            status |= if on { bit.mask() } else { 0 };
        }
        status
    }

    /// Why the station cannot inspect, apart from its recipe.
    fn station_fault(&self) -> Option<Named> {
        match self.state {
            State::Error(code) => Some(code),
            _ if !self.daemon_connected => Some(map::FAULT_DAEMON_AWAY),
            _ => self.save_again.map(|_| map::FAULT_STATE_FILE),
        }
    }

    /// Whether `TRIGGER` may be raised, or a verdict of the stream may be shown.
    fn is_ready(&self) -> bool {
        matches!(self.state, State::Idle)
            && self.station_fault().is_none()
            && self.recipe.is_ready()
    }

    fn control(&self, bit: Named) -> bool {
        self.plc.control & bit.mask() != 0
    }

    fn show(&mut self, result: ShownResult, now: Instant) {
        self.results = self.results.wrapping_add(1);
        // Also if it went away before the verdict arrived.
        let triggered = self.settings.mode == Mode::Triggered;
        self.state = State::Result(Box::new(Shown {
            result,
            since: now,
            acknowledge_was_off: !self.control(map::ACKNOWLEDGE),
            plc_was_there: triggered || self.presence.is_there(),
        }));
    }

    /// Ends the part with an error, until `RESET`.
    fn fail(&mut self, code: Named) {
        self.close();
        self.state = State::Error(code);
    }

    /// Selects the recipe of the PLC, and stores a new selection.
    fn select_recipe(&mut self) {
        let number = self.plc.recipe_select;
        self.recipe.select(number);
        if number != self.memory.recipe_select {
            self.memory.recipe_select = number;
            self.revision += 1;
            self.save();
        }
    }

    /// Removes the open trigger from the memory. `READY` is set only when that is stored.
    fn close(&mut self) {
        if self.memory.open.take().is_some() {
            self.revision += 1;
            self.save();
        }
    }

    fn save(&mut self) {
        self.save_again = None;
        self.commands.push(Command::Save {
            revision: self.revision,
            memory: self.memory.clone(),
        });
    }

    /// Applies the levels of the control word and of the daemon until nothing changes.
    fn settle(&mut self, now: Instant) {
        self.spoil_outdated(now);
        // Each state leads to a later one of the same part: four steps are enough.
        for _ in 0..4 {
            self.step(now);
        }
        let between_parts = !matches!(self.state, State::Busy(_) | State::Result(_));
        if between_parts
            && self.daemon_connected
            && let Some((number, id)) = self.recipe.take_wanted()
        {
            self.commands.push(Command::Activate { number, id });
        }
    }

    fn step(&mut self, now: Instant) {
        let reset = self.control(map::RESET);
        let aborted = self.control(map::ABORT);
        let cancelled = reset || aborted;
        let follows = self.settings.mode == Mode::Follow;
        let acknowledge = self.control(map::ACKNOWLEDGE);
        let all_off = self.plc.control == 0;
        let ready = self.is_ready();
        match &mut self.state {
            State::Result(shown) if aborted && follows => {
                let sequence = shown.result.sequence();
                self.acknowledge(sequence);
            }
            State::Busy(_) | State::Result(_) if cancelled => {
                self.close();
                self.state = State::Release;
            }
            State::Busy(busy) if !busy.sent && self.stored >= busy.revision => {
                busy.sent = true;
                self.commands.push(Command::Trigger {
                    key: busy.key.clone(),
                    part_id: busy.part_id.clone(),
                });
            }
            State::Result(shown) => {
                shown.acknowledge_was_off |= !acknowledge;
                if shown.acknowledge_was_off && acknowledge {
                    let sequence = shown.result.sequence();
                    self.acknowledge(sequence);
                }
            }
            State::Error(_) if reset => self.state = State::Release,
            State::Release if all_off && self.stored >= self.revision => self.state = State::Idle,
            State::Idle if !all_off => self.state = State::Release,
            State::Idle if ready => self.show_followed(now),
            _ => {}
        }
    }

    /// Ends a result, and acknowledges its verdict to the daemon.
    fn acknowledge(&mut self, sequence: Option<u64>) {
        self.commands.extend(sequence.map(Command::Acknowledge));
        self.pending = None;
        self.close();
        self.state = State::Release;
    }

    /// Makes a shown result a FAULT when its verdict is too old, in mode `follow`: the part has already passed.
    fn spoil_outdated(&mut self, now: Instant) {
        let outdated = self.is_outdated(now);
        if let State::Result(shown) = &mut self.state
            && outdated
            && shown.result.decision != Decision::Fault
        {
            shown.result.spoil(map::FAULT_OUTDATED.number);
        }
    }

    /// Whether the verdict of the stream is too old.
    fn is_outdated(&self, now: Instant) -> bool {
        let limit = self.settings.outdated_after;
        let pending = self.pending.as_ref();
        pending.is_some_and(|pending| pending.age(now) > limit)
    }

    /// Shows the verdict that waits, in mode `follow`.
    fn show_followed(&mut self, now: Instant) {
        let outdated = self.is_outdated(now);
        let Some(Pending { judged, .. }) = self.pending.clone() else {
            return;
        };
        let recipe_differs = self.recipe.wanted().is_some_and(|id| id != judged.recipe);
        let part = PartNumber::of_id(&judged.part_id);
        let objections = [
            (part.is_none(), map::FAULT_PART_NOT_SHOWN),
            (recipe_differs, map::FAULT_WRONG_RECIPE),
            (outdated, map::FAULT_OUTDATED),
        ];
        let objection = objections.into_iter().find(|(applies, _)| *applies);
        let objection = objection.map(|(_, code)| code.number);
        let part = part.unwrap_or_default();
        self.show(
            ShownResult::judged(judged, objection, part, 0, Duration::ZERO),
            now,
        );
    }
}

fn expired(since: Instant, limit: Duration, now: Instant) -> bool {
    now.saturating_duration_since(since) >= limit
}

#[cfg(test)]
mod tests;
