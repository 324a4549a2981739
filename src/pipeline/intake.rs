//! Where captures wait for the engine: one bounded queue for each camera, and one for clients' images.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::SharedClock;

/// How often a blocked push checks whether it should stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What a queue does when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueuePolicy {
    /// Capacity 1. A newer item replaces the older one.
    Latest,
    /// Refuses the new item.
    RefuseNew(usize),
    /// Drops the oldest item in favour of the new one.
    DropOldest(usize),
}

/// The outcome of a push.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// The item waits.
    Queued,
    /// The item waits and replaced this one.
    Replaced(T),
    /// The queue is full; the item is returned.
    Full(T),
    /// The intake is closed; the item is returned.
    Closed(T),
}

#[derive(Debug)]
struct Queue<T> {
    policy: QueuePolicy,
    items: VecDeque<T>,
    /// Whether its camera was removed.
    released: bool,
}

impl<T> Queue<T> {
    fn new(policy: QueuePolicy) -> Self {
        Self {
            policy,
            items: VecDeque::new(),
            released: false,
        }
    }
}

#[derive(Debug)]
struct Queues<T> {
    all: Vec<Queue<T>>,
    /// The queue that the next round starts with.
    next: usize,
    closed: bool,
}

/// Bounded queues with many writers and one reader, who serves them in turn.
#[derive(Debug)]
pub struct Intake<T> {
    queues: Mutex<Queues<T>>,
    filled: Condvar,
    emptied: Condvar,
    clock: SharedClock,
}

impl<T> Intake<T> {
    /// One queue for each policy.
    pub fn new(policies: impl IntoIterator<Item = QueuePolicy>, clock: SharedClock) -> Self {
        Self {
            queues: Mutex::new(Queues {
                all: policies.into_iter().map(Queue::new).collect(),
                next: 0,
                closed: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            clock,
        }
    }

    /// Adds a queue, and returns its index.
    pub fn add(&self, policy: QueuePolicy) -> usize {
        let all = &mut self.queues.lock().all;
        let is_free = |queue: &Queue<T>| queue.released && queue.items.is_empty();
        if let Some(index) = all.iter().position(is_free) {
            all[index] = Queue::new(policy);
            return index;
        }
        all.push(Queue::new(policy));
        all.len() - 1
    }

    /// Gives the queue `index` up. Items that wait in it can still be taken.
    pub fn release(&self, index: usize) {
        self.queues.lock().all[index].released = true;
    }

    /// Puts `item` into the queue `index`. Never waits.
    pub fn push(&self, index: usize, item: T) -> Pushed<T> {
        let pushed = self.queues.lock().push(index, item);
        self.filled.notify_one();
        pushed
    }

    /// Puts `item` into the queue `index`. Waits for room until `stopped` returns true.
    pub fn push_wait(&self, index: usize, item: T, stopped: &dyn Fn() -> bool) -> Pushed<T> {
        let mut queues = self.queues.lock();
        while !queues.closed && queues.is_full(index) {
            if stopped() {
                return Pushed::Closed(item);
            }
            self.emptied.wait_for(&mut queues, POLL_INTERVAL);
        }
        let pushed = queues.push(index, item);
        drop(queues);
        self.filled.notify_one();
        pushed
    }

    /// Keeps only the items of the queue `index` that `keeps` selects.
    pub fn retain(&self, index: usize, keeps: impl FnMut(&T) -> bool) {
        self.queues.lock().all[index].items.retain(keeps);
        self.emptied.notify_all();
    }

    /// Takes up to `limit` items from all queues in turn. Waits for the first item, then up to `window`
    /// for more. Returns `None` once the intake is closed and empty.
    pub fn take(&self, limit: usize, window: Duration) -> Option<Vec<T>> {
        let mut queues = self.queues.lock();
        while queues.count() == 0 {
            if queues.closed {
                return None;
            }
            self.filled.wait(&mut queues);
        }
        let deadline = self.clock.now().monotonic + window;
        while queues.count() < limit && !queues.closed {
            let left = deadline.saturating_duration_since(self.clock.now().monotonic);
            if left.is_zero() {
                break;
            }
            self.filled.wait_for(&mut queues, left);
        }
        let taken = queues.take(limit);
        drop(queues);
        self.emptied.notify_all();
        Some(taken)
    }

    /// Closes the intake. Items that wait can still be taken.
    pub fn close(&self) {
        self.queues.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Whether the intake is closed.
    pub fn is_closed(&self) -> bool {
        self.queues.lock().closed
    }

    /// Takes all items that wait.
    pub fn drain(&self) -> Vec<T> {
        let mut queues = self.queues.lock();
        let queues_in_order = queues.all.iter_mut();
        let drained = queues_in_order
            .flat_map(|queue| queue.items.drain(..))
            .collect();
        drop(queues);
        self.emptied.notify_all();
        drained
    }

    /// Number of items in the queue `index`.
    pub fn queued(&self, index: usize) -> usize {
        self.queues.lock().all[index].items.len()
    }
}

impl<T> Queues<T> {
    fn count(&self) -> usize {
        self.all.iter().map(|queue| queue.items.len()).sum()
    }

    fn is_full(&self, index: usize) -> bool {
        let queue = &self.all[index];
        match queue.policy {
            QueuePolicy::Latest => false,
            QueuePolicy::RefuseNew(capacity) | QueuePolicy::DropOldest(capacity) => {
                queue.items.len() >= capacity
            }
        }
    }

    fn push(&mut self, index: usize, item: T) -> Pushed<T> {
        if self.closed {
            return Pushed::Closed(item);
        }
        let full = self.is_full(index);
        let queue = &mut self.all[index];
        let replaced = match queue.policy {
            QueuePolicy::Latest => queue.items.pop_front(),
            QueuePolicy::RefuseNew(_) if full => return Pushed::Full(item),
            QueuePolicy::DropOldest(_) if full => queue.items.pop_front(),
            QueuePolicy::RefuseNew(_) | QueuePolicy::DropOldest(_) => None,
        };
        queue.items.push_back(item);
        replaced.map_or(Pushed::Queued, Pushed::Replaced)
    }

    /// Takes one item of each queue in turn, starting after the queue that was served last.
    fn take(&mut self, limit: usize) -> Vec<T> {
        let mut taken = Vec::new();
        let mut idle = 0;
        while taken.len() < limit && idle < self.all.len() {
            match self.all[self.next].items.pop_front() {
                Some(item) => {
                    taken.push(item);
                    idle = 0;
                }
                None => idle += 1,
            }
            self.next = (self.next + 1) % self.all.len();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::clock::SystemClock;

    fn intake<const N: usize>(policies: [QueuePolicy; N]) -> Intake<u32> {
        Intake::new(policies, Arc::new(SystemClock))
    }

    fn take(intake: &Intake<u32>, limit: usize) -> Vec<u32> {
        intake.take(limit, Duration::ZERO).expect("open")
    }

    #[test]
    fn latest_replaces_the_waiting_item() {
        let intake = intake([QueuePolicy::Latest]);
        assert_eq!(intake.push(0, 1), Pushed::Queued);
        assert_eq!(intake.push(0, 2), Pushed::Replaced(1));
        assert_eq!(take(&intake, 8), [2]);
        assert_eq!(intake.push(0, 3), Pushed::Queued);
    }

    #[test]
    fn refuse_new_keeps_the_order_and_returns_the_item_that_does_not_fit() {
        let intake = intake([QueuePolicy::RefuseNew(2)]);
        assert_eq!(intake.push(0, 1), Pushed::Queued);
        assert_eq!(intake.push(0, 2), Pushed::Queued);
        assert_eq!(intake.push(0, 3), Pushed::Full(3));
        assert_eq!(intake.queued(0), 2);
        assert_eq!(take(&intake, 8), [1, 2]);
    }

    #[test]
    fn drop_oldest_returns_the_oldest_item() {
        let intake = intake([QueuePolicy::DropOldest(2)]);
        assert_eq!(intake.push(0, 1), Pushed::Queued);
        assert_eq!(intake.push(0, 2), Pushed::Queued);
        assert_eq!(intake.push(0, 3), Pushed::Replaced(1));
        assert_eq!(take(&intake, 8), [2, 3]);
    }

    #[test]
    fn released_queue_is_emptied_before_another_camera_has_it() {
        let intake = intake([QueuePolicy::RefuseNew(9), QueuePolicy::RefuseNew(9)]);
        assert_eq!(intake.push(1, 7), Pushed::Queued);
        intake.release(1);
        assert_eq!(intake.add(QueuePolicy::Latest), 2);
        assert_eq!(take(&intake, 9), [7]);
        assert_eq!(intake.add(QueuePolicy::Latest), 1);
        assert_eq!(
            (intake.push(1, 8), intake.push(2, 9)),
            (Pushed::Queued, Pushed::Queued)
        );
        assert_eq!(intake.add(QueuePolicy::Latest), 3);
        let mut taken = take(&intake, 9);
        taken.sort_unstable();
        assert_eq!(taken, [8, 9]);
    }

    #[test]
    fn queues_are_served_in_turn() {
        let intake = intake([
            QueuePolicy::RefuseNew(9),
            QueuePolicy::RefuseNew(9),
            QueuePolicy::Latest,
        ]);
        for (lane, item) in [(0, 1), (0, 2), (0, 3), (1, 11), (1, 12), (2, 21)] {
            intake.push(lane, item);
        }
        assert_eq!(take(&intake, 2), [1, 11]);
        assert_eq!(take(&intake, 2), [21, 2]);
        assert_eq!(take(&intake, 9), [12, 3]);
    }

    #[test]
    fn items_that_wait_at_close_can_still_be_taken() {
        let intake = intake([QueuePolicy::RefuseNew(2)]);
        intake.push(0, 1);
        intake.close();
        assert_eq!(intake.push(0, 2), Pushed::Closed(2));
        assert_eq!(take(&intake, 1), [1]);
        assert_eq!(intake.take(1, Duration::ZERO), None);
    }

    #[test]
    fn a_blocked_push_continues_when_there_is_room_or_it_is_stopped() {
        let intake = Arc::new(intake([QueuePolicy::RefuseNew(1)]));
        intake.push(0, 1);
        assert_eq!(intake.push_wait(0, 2, &|| true), Pushed::Closed(2));
        let pusher = {
            let intake = Arc::clone(&intake);
            thread::spawn(move || intake.push_wait(0, 3, &|| false))
        };
        assert_eq!(take(&intake, 1), [1]);
        assert_eq!(take(&intake, 1), [3]);
        assert_eq!(pusher.join().expect("no panic"), Pushed::Queued);
    }

    #[test]
    fn a_window_collects_items_until_the_limit_is_reached() {
        let intake = Arc::new(intake([
            QueuePolicy::RefuseNew(8),
            QueuePolicy::RefuseNew(8),
        ]));
        let pusher = {
            let intake = Arc::clone(&intake);
            thread::spawn(move || {
                for item in 0..4 {
                    intake.push(item as usize % 2, item);
                }
            })
        };
        // The window is long: only the limit ends it.
        let taken = intake.take(4, Duration::from_mins(1)).expect("open");
        assert_eq!(taken.len(), 4);
        pusher.join().expect("no panic");
    }
}
