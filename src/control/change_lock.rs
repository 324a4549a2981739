//! The change lock: while it is set, only this machine may make changes.

use std::time::Duration;

use super::actor::Actor;
use super::error::ChangeError;
use super::persisted_state::{Lock, PersistedState};
use super::{Control, ControlResult};
use crate::audit::Action;

/// Maximum duration of a lock that has one.
pub const LOCK_DURATION_LIMIT: Duration = Duration::from_hours(7 * 24);

impl Control {
    /// Returns the lock that is set now.
    pub fn locked(&self) -> Option<Lock> {
        let lock = self.lock.lock();
        lock.clone()
            .filter(|lock| lock.is_set_at(self.clock.now().utc))
    }

    /// Refuses changes from other machines until the lock is released or `duration` has passed.
    ///
    /// # Errors
    /// When it is requested from another machine, or cannot be recorded or saved.
    pub fn set_lock(
        &self,
        actor: &Actor,
        who: &str,
        reason: &str,
        duration: Option<Duration>,
    ) -> ControlResult<Lock> {
        let since = self.clock.now().utc;
        let lock = Lock {
            who: who.to_owned(),
            reason: reason.to_owned(),
            since,
            until: duration.map(|duration| since + duration.min(LOCK_DURATION_LIMIT)),
        };
        self.change_lock(actor, Some(lock.clone()))?;
        Ok(lock)
    }

    /// Releases the lock.
    ///
    /// # Errors
    /// When it is requested from another machine, or cannot be recorded or saved.
    pub fn release_lock(&self, actor: &Actor) -> ControlResult<()> {
        self.change_lock(actor, None)
    }

    fn change_lock(&self, actor: &Actor, lock: Option<Lock>) -> ControlResult<()> {
        if !actor.local {
            return Err(ChangeError::NotLocal);
        }
        let mut change = self.change.lock();
        let describe = |lock: Option<&Lock>| {
            lock.map_or_else(String::new, |lock| format!("{}: {}", lock.who, lock.reason))
        };
        let (before, after) = (describe(self.locked().as_ref()), describe(lock.as_ref()));
        self.record(actor, Action::Lock, "lock", &before, &after)?;
        let state = PersistedState {
            lock: lock.clone(),
            ..change.state.clone()
        };
        self.state_file.write(&state)?;
        change.state = state;
        *self.lock.lock() = lock;
        Ok(())
    }

    /// Refuses the change if another machine requests it while a lock is set.
    pub(super) fn check_lock(&self, actor: &Actor) -> ControlResult<()> {
        match self.locked() {
            Some(lock) if !actor.local => Err(ChangeError::Locked(lock)),
            _ => Ok(()),
        }
    }
}
