//! Sessions: a browser that has signed in with a token sends a cookie instead of the token.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use inspectd_core::bundle::sha256;
use parking_lot::Mutex;
use rand::RngCore;

use crate::clock::SharedClock;

/// The name of the cookie.
pub(super) const COOKIE_NAME: &str = "inspectd_session";

/// Sessions that may be open; the one that ends first is removed for the next one.
const LIMIT: usize = 1000;

/// Random bytes of an id.
const ID_BYTES: usize = 32;

/// The open sessions. They end with the daemon.
pub(super) struct Sessions {
    lasting: Duration,
    clock: SharedClock,
    open: Mutex<HashMap<String, Session>>,
}

struct Session {
    /// The header with the token. It is checked at each call: a token that is revoked ends its sessions.
    authorization: HeaderValue,
    ends: Instant,
}

impl Sessions {
    /// Sessions that last this long.
    pub(super) fn new(lasting: Duration, clock: SharedClock) -> Self {
        Self {
            lasting,
            clock,
            open: Mutex::default(),
        }
    }

    /// Opens a session; returns its id.
    pub(super) fn open(&self, authorization: HeaderValue) -> String {
        let mut bytes = [0; ID_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let id = sha256(&bytes);
        let now = self.clock.now().monotonic;
        let ends = now + self.lasting;
        let mut open = self.open.lock();
        open.retain(|_, session| session.ends > now);
        if open.len() >= LIMIT {
            let first = open.iter().min_by_key(|(_, session)| session.ends);
            let first = first.map(|(id, _)| id.clone());
            first.map(|id| open.remove(&id));
        }
        let session = Session {
            authorization,
            ends,
        };
        open.insert(id.clone(), session);
        id
    }

    /// The header of a session; none if it has ended.
    pub(super) fn find(&self, id: &str) -> Option<HeaderValue> {
        let open = self.open.lock();
        let session = open.get(id)?;
        let open = session.ends > self.clock.now().monotonic;
        open.then(|| session.authorization.clone())
    }

    /// Ends a session.
    pub(super) fn close(&self, id: &str) {
        self.open.lock().remove(id);
    }

    /// How long sessions last.
    pub(super) fn lasting(&self) -> Duration {
        self.lasting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::tests::ManualClock;

    #[test]
    fn session_ends_after_its_time_and_when_it_is_closed() {
        let clock = ManualClock::new();
        let sessions = Sessions::new(Duration::from_mins(1), clock.clone());
        let token = HeaderValue::from_static("Bearer secret");
        let (one, other) = (sessions.open(token.clone()), sessions.open(token.clone()));
        assert_ne!(one, other);
        assert_eq!(sessions.find(&one), Some(token.clone()));
        sessions.close(&other);
        assert_eq!(sessions.find(&other), None);
        clock.advance(Duration::from_secs(61));
        assert_eq!(sessions.find(&one), None);
        assert_eq!(sessions.find("no session"), None);
    }

    #[test]
    fn number_of_sessions_is_limited() {
        let clock = ManualClock::new();
        let sessions = Sessions::new(Duration::from_mins(1), clock.clone());
        let token = HeaderValue::from_static("Bearer secret");
        let first = sessions.open(token.clone());
        clock.advance(Duration::from_secs(1));
        for _ in 0..LIMIT {
            sessions.open(token.clone());
        }
        assert_eq!(sessions.find(&first), None);
        assert_eq!(sessions.open.lock().len(), LIMIT);
    }
}
