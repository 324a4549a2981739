//! Inspections that clients requested, until their verdicts are made.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use uuid::Uuid;

use super::context::RemoteContext;

/// Requests that are kept, the newest. More never wait: their queues and the open parts are bounded. A request that is
/// forgotten costs its trace the span of the wait and the client's context.
const CAPACITY: usize = 4096;

/// A requested inspection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RequestedPart {
    /// When it was accepted, since the start of the daemon.
    pub(super) at: Duration,
    /// The client's span that the request belongs to.
    pub(super) parent: Option<RemoteContext>,
}

/// Requested inspections by trigger. All views of a part and the part itself ask for it, so it stays until newer ones
/// replace it.
#[derive(Debug, Default)]
pub(super) struct RequestedParts {
    parts: HashMap<Uuid, RequestedPart>,
    /// Oldest first.
    order: VecDeque<Uuid>,
}

impl RequestedParts {
    pub(super) fn insert(&mut self, trigger: Uuid, part: RequestedPart) {
        self.parts.insert(trigger, part);
        self.order.push_back(trigger);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.parts.remove(&oldest);
        }
    }

    pub(super) fn get(&self, trigger: Uuid) -> Option<RequestedPart> {
        self.parts.get(&trigger).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_request_is_forgotten_at_capacity() {
        let mut parts = RequestedParts::default();
        let part = |index: u128| RequestedPart {
            at: Duration::from_millis(index as u64),
            parent: None,
        };
        for index in 0..=CAPACITY as u128 {
            parts.insert(Uuid::from_u128(index), part(index));
        }
        assert_eq!(parts.get(Uuid::from_u128(0)), None);
        assert_eq!(parts.get(Uuid::from_u128(1)), Some(part(1)));
        assert_eq!(parts.parts.len(), CAPACITY);
    }
}
