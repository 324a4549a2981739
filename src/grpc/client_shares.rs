//! What each client may have at the same time, so that one does not take all from the others.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::access::{AuthMethod, Identity};

/// A semaphore for each client with credentials. Local clients without access control have no names, and no limit.
#[derive(Debug)]
pub(super) struct ClientShares {
    limit: usize,
    /// Those that are in use.
    clients: Mutex<HashMap<Arc<str>, Weak<Semaphore>>>,
}

impl ClientShares {
    /// Shares of `limit` permits.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            clients: Mutex::default(),
        }
    }

    /// The permits of a client; `None` if it has no limit.
    pub(super) fn of(&self, identity: &Identity) -> Option<Arc<Semaphore>> {
        if identity.method == AuthMethod::Local {
            return None;
        }
        let mut clients = self.clients.lock();
        if let Some(share) = clients.get(&identity.name).and_then(Weak::upgrade) {
            return Some(share);
        }
        clients.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.limit));
        clients.insert(Arc::clone(&identity.name), Arc::downgrade(&share));
        Some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;

    fn identity(name: &str, method: AuthMethod) -> Identity {
        Identity {
            name: name.into(),
            role: Role::Viewer,
            method,
            local: true,
        }
    }

    #[test]
    fn each_client_has_a_share_as_long_as_it_uses_it() {
        let shares = ClientShares::new(1);
        let client = |name| shares.of(&identity(name, AuthMethod::Token));
        let mes = client("mes").expect("a share");
        let held = Arc::clone(&mes).try_acquire_owned().expect("a permit");
        drop(mes);
        let again = client("mes").expect("a share");
        assert!(again.try_acquire().is_err());
        let other = client("screen").expect("a share");
        assert!(other.try_acquire().is_ok());
        drop((held, again, other));
        client("next").expect("a share");
        assert_eq!(shares.clients.lock().len(), 1);
        assert!(shares.of(&identity("", AuthMethod::Local)).is_none());
    }
}
