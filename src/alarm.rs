//! Alarms: states that need a person, until they are over. Logged once when they begin and when they end; status and
//! metrics show those that are active.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use tracing::{info, warn};

use crate::clock::SharedClock;

/// The kind of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The cameras of a group may count different parts: their parts are FAULT.
    GroupOutOfStep,
    /// The file of the active recipe, or its model, is not what was activated.
    RecipeChanged,
    /// The wall clock jumped: the time of the jump does not count towards the age of earlier verdicts.
    ClockJumped,
    /// The journal removes verdicts that a consumer has not acknowledged.
    UnacknowledgedRemoved,
    /// The journal holds unacknowledged verdicts beyond its limits.
    Held,
    /// A reader keeps the journal's write-ahead log from being checkpointed.
    WalGrows,
    /// A changed file of clients or certificates is not valid: the old content stays active.
    AccessFile,
    /// A damaged journal was set aside, or the journal was replaced.
    JournalDamaged,
    /// Pictures of known parts were judged wrongly.
    ChallengeFailed,
    /// A camera is paused: its parts are not inspected.
    CameraPaused,
    /// The server of `engine.remote` is not used: the local engine runs the model.
    RemoteUnused,
}

impl AlarmKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::GroupOutOfStep,
        Self::RecipeChanged,
        Self::ClockJumped,
        Self::UnacknowledgedRemoved,
        Self::Held,
        Self::WalGrows,
        Self::AccessFile,
        Self::JournalDamaged,
        Self::ChallengeFailed,
        Self::CameraPaused,
        Self::RemoteUnused,
    ];

    /// Name in status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::GroupOutOfStep => "group_out_of_step",
            Self::RecipeChanged => "recipe_changed",
            Self::ClockJumped => "clock_jumped",
            Self::UnacknowledgedRemoved => "unacknowledged_removed",
            Self::Held => "held",
            Self::WalGrows => "wal_grows",
            Self::AccessFile => "access_file",
            Self::JournalDamaged => "journal_damaged",
            Self::ChallengeFailed => "challenge_failed",
            Self::CameraPaused => "camera_paused",
            Self::RemoteUnused => "remote_unused",
        }
    }
}

/// An active alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its kind.
    pub kind: AlarmKind,
    /// What it is about, such as the id of a group; empty if there is only one of its kind.
    pub subject: String,
    /// Explanation for people.
    pub message: String,
    /// When it began.
    pub since: SystemTime,
}

type AlarmKey = (AlarmKind, String);

/// The active alarms of a daemon.
#[derive(Clone, Debug)]
pub struct Alarms {
    active: Arc<Mutex<BTreeMap<AlarmKey, Alarm>>>,
    clock: SharedClock,
}

impl Alarms {
    /// No alarms.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            active: Arc::default(),
            clock,
        }
    }

    /// Begins an alarm; one that is active keeps its beginning and has the new message.
    pub fn raise(&self, kind: AlarmKind, subject: &str, message: impl Into<String>) {
        let message = message.into();
        let mut active = self.active.lock();
        if let Some(alarm) = active.get_mut(&(kind, subject.to_owned())) {
            alarm.message = message;
            return;
        }
        warn!(alarm = kind.name(), subject, "{message}");
        let alarm = Alarm {
            kind,
            subject: subject.to_owned(),
            message,
            since: self.clock.now().utc,
        };
        active.insert((kind, subject.to_owned()), alarm);
    }

    /// Ends an alarm, if it is active.
    pub fn clear(&self, kind: AlarmKind, subject: &str) {
        if self
            .active
            .lock()
            .remove(&(kind, subject.to_owned()))
            .is_some()
        {
            info!(alarm = kind.name(), subject, "the alarm is over");
        }
    }

    /// Ends the alarms of a kind about these subjects.
    pub fn clear_where(&self, kind: AlarmKind, subject: impl Fn(&str) -> bool) {
        let active = self.active();
        let ended = active
            .iter()
            .filter(|alarm| alarm.kind == kind && subject(&alarm.subject));
        for alarm in ended {
            self.clear(kind, &alarm.subject);
        }
    }

    /// The active alarms, by kind and subject.
    pub fn active(&self) -> Vec<Alarm> {
        self.active.lock().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::clock::tests::ManualClock;

    #[test]
    fn an_alarm_keeps_its_beginning_until_it_is_cleared() {
        let clock = ManualClock::new();
        let alarms = Alarms::new(clock.clone());
        let began = clock.now().utc;
        alarms.raise(AlarmKind::GroupOutOfStep, "cell", "a frame was lost");
        clock.advance(Duration::from_secs(5));
        alarms.raise(AlarmKind::GroupOutOfStep, "cell", "two frames were lost");
        alarms.raise(AlarmKind::RecipeChanged, "", "it was edited");
        let active = alarms.active();
        assert_eq!(active.len(), 2);
        assert_eq!(
            (active[0].since, active[0].message.as_str()),
            (began, "two frames were lost")
        );
        alarms.clear(AlarmKind::GroupOutOfStep, "cell");
        alarms.clear(AlarmKind::GroupOutOfStep, "cell");
        assert_eq!(alarms.active().len(), 1);
    }
}
