//! Which connection may write, and whether its PLC is present.

use std::time::{Duration, Instant};

use thiserror::Error;

/// Another connection writes this station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("another connection writes this station")]
pub struct NotOwner;

/// The connection that writes.
#[derive(Clone, Copy, Debug)]
struct Owner {
    connection: u64,
    heartbeat: u16,
    changed: Instant,
    alive: bool,
}

/// The PLC of a station. The first connection that writes owns the station until it is closed or its heartbeat stops.
#[derive(Clone, Debug)]
pub struct Presence {
    heartbeat_timeout: Option<Duration>,
    owner: Option<Owner>,
    away_since: Option<Instant>,
}

impl Presence {
    /// Returns a station that no PLC has written yet. `heartbeat_timeout` unset: the heartbeat is not supervised.
    pub fn new(heartbeat_timeout: Option<Duration>) -> Self {
        Self {
            heartbeat_timeout,
            owner: None,
            away_since: None,
        }
    }

    /// Records a write. Returns whether the PLC has returned with this write.
    ///
    /// # Errors
    /// If another connection owns the station.
    pub fn write(
        &mut self,
        connection: u64,
        heartbeat: u16,
        now: Instant,
    ) -> Result<bool, NotOwner> {
        let was_there = self.is_there();
        match &mut self.owner {
            Some(owner) if owner.connection == connection => {
                if owner.heartbeat != heartbeat {
                    owner.heartbeat = heartbeat;
                    owner.changed = now;
                    owner.alive = true;
                }
            }
            Some(owner) if owner.alive => return Err(NotOwner),
            _ => {
                self.owner = Some(Owner {
                    connection,
                    heartbeat,
                    changed: now,
                    alive: true,
                });
            }
        }
        let returned = !was_there && self.is_there();
        if returned {
            self.away_since = None;
        }
        Ok(returned)
    }

    /// Records that a connection was closed.
    pub fn closed(&mut self, connection: u64, now: Instant) {
        let owner = self.owner.filter(|owner| owner.connection == connection);
        if let Some(owner) = owner {
            self.owner = None;
            if owner.alive {
                self.away_since = Some(now);
            }
        }
    }

    /// Checks the heartbeat.
    pub fn check(&mut self, now: Instant) {
        let (Some(limit), Some(owner)) = (self.heartbeat_timeout, &mut self.owner) else {
            return;
        };
        if owner.alive && now.saturating_duration_since(owner.changed) > limit {
            owner.alive = false;
            self.away_since = Some(now);
        }
    }

    /// Returns whether a PLC is present.
    pub fn is_there(&self) -> bool {
        self.owner.is_some_and(|owner| owner.alive)
    }

    /// Returns how long the PLC has been away. `None`: it is present, or there has been none yet.
    pub fn away_for(&self, now: Instant) -> Option<Duration> {
        self.away_since
            .map(|since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    #[test]
    fn first_writer_owns_the_station_until_its_connection_is_closed() {
        let now = Instant::now();
        let mut presence = Presence::new(Some(LIMIT));
        assert_eq!(presence.write(1, 0, now), Ok(true));
        assert_eq!(presence.write(2, 0, now), Err(NotOwner));
        presence.closed(2, now);
        assert!(presence.is_there());
        presence.closed(1, now);
        assert!(!presence.is_there());
        assert_eq!(presence.away_for(now + LIMIT), Some(LIMIT));
        assert_eq!(presence.write(2, 0, now + LIMIT), Ok(true));
        assert_eq!(presence.away_for(now + LIMIT), None);
    }

    #[test]
    fn stopped_heartbeat_releases_the_station_and_a_changed_one_takes_it_back() {
        let now = Instant::now();
        let late = now + LIMIT + Duration::from_millis(1);
        let mut presence = Presence::new(Some(LIMIT));
        assert_eq!(presence.write(1, 7, now), Ok(true));
        presence.check(now + LIMIT);
        assert!(presence.is_there());
        presence.check(late);
        assert!(!presence.is_there());
        // A write without a new heartbeat is accepted, but the program of the PLC does not run.
        assert_eq!(presence.write(1, 7, late), Ok(false));
        assert!(!presence.is_there());
        assert_eq!(presence.write(1, 8, late), Ok(true));
        assert_eq!(presence.write(2, 0, late), Err(NotOwner));
    }

    #[test]
    fn other_connection_takes_a_station_whose_heartbeat_stopped() {
        let now = Instant::now();
        let late = now + LIMIT + Duration::from_millis(1);
        let mut presence = Presence::new(Some(LIMIT));
        assert_eq!(presence.write(1, 7, now), Ok(true));
        presence.check(late);
        assert_eq!(presence.write(2, 7, late), Ok(true));
        assert_eq!(presence.write(1, 8, late), Err(NotOwner));
        presence.closed(1, late);
        assert!(presence.is_there());
    }

    #[test]
    fn heartbeat_without_supervision_does_not_matter() {
        let now = Instant::now();
        let mut presence = Presence::new(None);
        assert_eq!(presence.write(1, 7, now), Ok(true));
        presence.check(now + Duration::from_hours(1));
        assert!(presence.is_there());
    }
}
