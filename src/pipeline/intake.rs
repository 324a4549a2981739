//! Where captures wait for the engine: one bounded lane a camera, and one for images that clients send.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a blocked push sleeps between looks at whether it is still wanted.
const PATIENCE: Duration = Duration::from_millis(50);

/// What a lane does when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It holds one, which a newer one replaces.
    Latest,
    /// It holds so many, and gives back what finds no room.
    Queue(usize),
    /// It holds so many; the newest takes the place of the oldest.
    Shift(usize),
}

/// What became of a pushed item.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// It waits.
    Queued,
    /// It waits, in the place of this one.
    Replaced(T),
    /// There was no room for it.
    Full(T),
    /// Nothing is taken in any more.
    Closed(T),
}

#[derive(Debug)]
struct Lane<T> {
    policy: Policy,
    items: VecDeque<T>,
}

#[derive(Debug)]
struct Lanes<T> {
    all: Vec<Lane<T>>,
    /// Where the next round begins.
    next: usize,
    closed: bool,
}

/// Bounded lanes with many writers and one reader, who serves them in turn.
#[derive(Debug)]
pub struct Intake<T> {
    lanes: Mutex<Lanes<T>>,
    filled: Condvar,
    emptied: Condvar,
}

impl<T> Intake<T> {
    /// One lane for each policy.
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> Self {
        let lane = |policy| Lane {
            policy,
            items: VecDeque::new(),
        };
        Self {
            lanes: Mutex::new(Lanes {
                all: policies.into_iter().map(lane).collect(),
                next: 0,
                closed: false,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<T>> {
        // Every change is one statement: the lanes are whole, whatever panicked beside them.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `item` into a lane, at once.
    pub fn push(&self, lane: usize, item: T) -> Pushed<T> {
        let mut lanes = self.lock();
        let pushed = lanes.push(lane, item);
        drop(lanes);
        self.filled.notify_one();
        pushed
    }

    /// Puts `item` into a lane, and waits for room as long as `stopped` says no.
    pub fn push_wait(&self, lane: usize, item: T, stopped: &dyn Fn() -> bool) -> Pushed<T> {
        let mut lanes = self.lock();
        while !lanes.closed && lanes.is_full(lane) {
            if stopped() {
                return Pushed::Closed(item);
            }
            lanes = self
                .emptied
                .wait_timeout(lanes, PATIENCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let pushed = lanes.push(lane, item);
        drop(lanes);
        self.filled.notify_one();
        pushed
    }

    /// Takes up to `limit` items, lane by lane in turn; waits for the first, then up to `window` for
    /// more. Nothing once the intake is closed and empty.
    pub fn take(&self, limit: usize, window: Duration) -> Option<Vec<T>> {
        let mut lanes = self.lock();
        while lanes.count() == 0 {
            if lanes.closed {
                return None;
            }
            lanes = self
                .filled
                .wait(lanes)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let deadline = Instant::now() + window;
        while lanes.count() < limit && !lanes.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            lanes = self
                .filled
                .wait_timeout(lanes, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let taken = lanes.take(limit);
        drop(lanes);
        self.emptied.notify_all();
        Some(taken)
    }

    /// Takes nothing in any more; what is there can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Whether nothing is taken in any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Takes all that waits.
    pub fn drain(&self) -> Vec<T> {
        let mut lanes = self.lock();
        let drained = lanes
            .all
            .iter_mut()
            .flat_map(|lane| lane.items.drain(..))
            .collect();
        drop(lanes);
        self.emptied.notify_all();
        drained
    }

    /// How many items wait in a lane.
    pub fn queued(&self, lane: usize) -> usize {
        self.lock().all[lane].items.len()
    }
}

impl<T> Lanes<T> {
    fn count(&self) -> usize {
        self.all.iter().map(|lane| lane.items.len()).sum()
    }

    fn is_full(&self, lane: usize) -> bool {
        let lane = &self.all[lane];
        matches!(lane.policy, Policy::Queue(room) | Policy::Shift(room) if lane.items.len() >= room)
    }

    fn push(&mut self, lane: usize, item: T) -> Pushed<T> {
        if self.closed {
            return Pushed::Closed(item);
        }
        let full = self.is_full(lane);
        let lane = &mut self.all[lane];
        let replaced = match lane.policy {
            Policy::Latest => lane.items.pop_front(),
            Policy::Queue(_) if full => return Pushed::Full(item),
            Policy::Shift(_) if full => lane.items.pop_front(),
            Policy::Queue(_) | Policy::Shift(_) => None,
        };
        lane.items.push_back(item);
        replaced.map_or(Pushed::Queued, Pushed::Replaced)
    }

    /// One item of each lane in turn, from where the last round ended, until there are enough.
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

    fn take(intake: &Intake<u32>, limit: usize) -> Vec<u32> {
        intake.take(limit, Duration::ZERO).expect("open")
    }

    #[test]
    fn the_latest_replaces_what_waits() {
        let intake = Intake::new([Policy::Latest]);
        assert_eq!(intake.push(0, 1), Pushed::Queued);
        assert_eq!(intake.push(0, 2), Pushed::Replaced(1));
        assert_eq!(take(&intake, 8), [2]);
        assert_eq!(intake.push(0, 3), Pushed::Queued);
    }

    #[test]
    fn a_queue_keeps_its_order_and_gives_back_what_finds_no_room() {
        let intake = Intake::new([Policy::Queue(2)]);
        assert_eq!(intake.push(0, 1), Pushed::Queued);
        assert_eq!(intake.push(0, 2), Pushed::Queued);
        assert_eq!(intake.push(0, 3), Pushed::Full(3));
        assert_eq!(intake.queued(0), 2);
        assert_eq!(take(&intake, 8), [1, 2]);
    }

    #[test]
    fn a_shifting_queue_gives_up_the_oldest() {
        let intake = Intake::new([Policy::Shift(2)]);
        assert_eq!(intake.push(0, 1), Pushed::Queued);
        assert_eq!(intake.push(0, 2), Pushed::Queued);
        assert_eq!(intake.push(0, 3), Pushed::Replaced(1));
        assert_eq!(take(&intake, 8), [2, 3]);
    }

    #[test]
    fn lanes_are_served_in_turn() {
        let intake = Intake::new([Policy::Queue(9), Policy::Queue(9), Policy::Latest]);
        for (lane, item) in [(0, 1), (0, 2), (0, 3), (1, 11), (1, 12), (2, 21)] {
            intake.push(lane, item);
        }
        assert_eq!(take(&intake, 2), [1, 11]);
        assert_eq!(take(&intake, 2), [21, 2]);
        assert_eq!(take(&intake, 9), [12, 3]);
    }

    #[test]
    fn what_waits_when_it_closes_is_still_taken() {
        let intake = Intake::new([Policy::Queue(2)]);
        intake.push(0, 1);
        intake.close();
        assert_eq!(intake.push(0, 2), Pushed::Closed(2));
        assert_eq!(take(&intake, 1), [1]);
        assert_eq!(intake.take(1, Duration::ZERO), None);
    }

    #[test]
    fn a_blocked_push_goes_on_when_there_is_room_or_it_is_not_wanted() {
        let intake = Arc::new(Intake::new([Policy::Queue(1)]));
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
    fn a_window_gathers_what_comes_in_it() {
        let intake = Arc::new(Intake::new([Policy::Queue(8), Policy::Queue(8)]));
        let pusher = {
            let intake = Arc::clone(&intake);
            thread::spawn(move || {
                for item in 0..4 {
                    intake.push(item as usize % 2, item);
                }
            })
        };
        // The window is long: only reaching the limit ends it.
        let taken = intake.take(4, Duration::from_secs(60)).expect("open");
        assert_eq!(taken.len(), 4);
        pusher.join().expect("no panic");
    }
}
