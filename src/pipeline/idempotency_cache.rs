//! Recent requests by idempotency key, and the callers that wait for the verdict of a part.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use inspectd_core::record::Verdict;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use uuid::Uuid;

use super::requests::{AcceptedTrigger, Trigger, TriggerError, reply};
use super::response_slot::Reply;

/// Requests with a key that are kept in memory; older ones are looked up in the journal.
const CAPACITY: usize = 4096;

#[derive(Debug)]
struct CachedRequest {
    request: Trigger,
    accepted: AcceptedTrigger,
}

#[derive(Debug, Default)]
struct CacheState {
    requests: HashMap<String, CachedRequest>,
    /// Keys of `requests`, oldest first.
    order: VecDeque<String>,
    /// Callers that wait for a part's verdict, by trigger.
    parts: HashMap<Uuid, watch::Sender<Option<Arc<Verdict>>>>,
}

/// Recent requests by idempotency key.
#[derive(Debug, Default)]
pub(super) struct IdempotencyCache {
    state: Mutex<CacheState>,
    accepting: Mutex<()>,
}

impl IdempotencyCache {
    /// Requests are accepted one at a time, while this guard is held: of two requests with the same key
    /// the second finds the first, and a free place in a queue is not given away twice.
    pub(super) fn accepting(&self) -> MutexGuard<'_, ()> {
        self.accepting.lock()
    }

    /// The accepted request with the same key.
    ///
    /// # Errors
    /// When the key belongs to another request.
    pub(super) fn get(&self, request: &Trigger) -> Result<Option<AcceptedTrigger>, TriggerError> {
        let state = self.state.lock();
        let Some(cached) = state.requests.get(&request.idempotency_key) else {
            return Ok(None);
        };
        if cached.request != *request {
            return Err(TriggerError::Key(request.idempotency_key.clone()));
        }
        Ok(Some(AcceptedTrigger {
            repeated: true,
            ..cached.accepted.clone()
        }))
    }

    /// Keeps a request that has a key.
    pub(super) fn insert(&self, request: &Trigger, accepted: &AcceptedTrigger) {
        if request.idempotency_key.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        let cached = CachedRequest {
            request: request.clone(),
            accepted: accepted.clone(),
        };
        let key = &request.idempotency_key;
        state.requests.insert(key.clone(), cached);
        state.order.push_back(key.clone());
        if state.order.len() > CAPACITY
            && let Some(oldest) = state.order.pop_front()
        {
            state.requests.remove(&oldest);
        }
    }

    /// Registers `sender` for the verdict of the part that `trigger` requested.
    pub(super) fn await_part(&self, trigger: Uuid, sender: watch::Sender<Option<Arc<Verdict>>>) {
        self.state.lock().parts.insert(trigger, sender);
    }

    /// The reply for the verdict of the part that `trigger` requested.
    pub(super) fn part_reply(&self, trigger: Uuid) -> Option<Reply> {
        let sender = self.state.lock().parts.remove(&trigger)?;
        Some(reply(sender))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::requests::Target;

    fn request(key: &str, part: &str) -> Trigger {
        Trigger {
            target: Target::Group("cell".to_owned()),
            recipe: None,
            part_id: part.to_owned(),
            client_data: Vec::new(),
            idempotency_key: key.to_owned(),
        }
    }

    fn accepted() -> AcceptedTrigger {
        AcceptedTrigger {
            trigger: Uuid::now_v7(),
            verdict: watch::channel(None).1,
            repeated: false,
        }
    }

    #[test]
    fn a_key_returns_its_request_and_refuses_another() {
        let cache = IdempotencyCache::default();
        let first = accepted();
        cache.insert(&request("k", "1"), &first);
        let again = cache.get(&request("k", "1")).expect("the same request");
        let again = again.expect("cached");
        assert!(again.repeated);
        assert_eq!(again.trigger, first.trigger);
        let other = cache.get(&request("k", "2"));
        assert!(matches!(other, Err(TriggerError::Key(key)) if key == "k"));
        assert!(cache.get(&request("l", "1")).expect("unknown").is_none());
    }

    #[test]
    fn the_oldest_key_is_dropped_at_capacity_and_an_empty_key_is_not_kept() {
        let cache = IdempotencyCache::default();
        cache.insert(&request("", "1"), &accepted());
        for key in 0..=CAPACITY {
            cache.insert(&request(&key.to_string(), "1"), &accepted());
        }
        let known = |key: &str| cache.get(&request(key, "1")).expect("one part").is_some();
        assert!(!known(""));
        assert!(!known("0"));
        assert!(known("1"));
    }
}
