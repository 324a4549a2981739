//! The thread that acts when time passes: deadlines of frames, requests without a frame, windows of parts,
//! and a journal whose writes are stalled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use inspectd_core::record::{Fault, FaultReason, Outcome, Subject};

use super::answers::Shared;
use super::notice::{Deadline, NOTICE_QUEUE, Notice};
use super::part_assembler::{DecidedPart, PartAssembler};

/// Longest sleep. The journal is checked at this interval.
const INTERVAL: Duration = Duration::from_millis(10);

/// How often the server of the active model is checked for its alarm.
const SERVER_INTERVAL: Duration = Duration::from_millis(200);

/// A deadline ordered by time. The heap returns its largest element, so the order is reversed.
struct HeapEntry(Reverse<Instant>, Box<Deadline>);

impl PartialEq for HeapEntry {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for HeapEntry {}

impl PartialOrd for HeapEntry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HeapEntry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// The deadlines of frames that are in progress.
struct Deadlines {
    heap: BinaryHeap<HeapEntry>,
    /// Size from which deadlines that were met are removed.
    prune_at: usize,
}

impl Deadlines {
    fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            prune_at: NOTICE_QUEUE,
        }
    }

    fn push(&mut self, deadline: Box<Deadline>) {
        if self.heap.len() >= self.prune_at {
            self.heap.retain(|entry| entry.1.slot.is_open());
            self.prune_at = NOTICE_QUEUE.max(2 * self.heap.len());
        }
        self.heap.push(HeapEntry(Reverse(deadline.due), deadline));
    }

    fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.0.0)
    }

    /// The next deadline that is due at `now`.
    fn pop_due(&mut self, now: Instant) -> Option<Deadline> {
        let due = self.next_due()?;
        if due > now {
            return None;
        }
        self.heap.pop().map(|HeapEntry(_, deadline)| *deadline)
    }
}

/// Runs until the end is notified or all senders are gone.
pub(super) fn run(shared: &Shared, parts: PartAssembler, notices: &Receiver<Notice>) {
    let mut timekeeper = Timekeeper::new(parts);
    loop {
        let sleep = timekeeper.act(shared);
        match notices.recv_timeout(sleep) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => {
                return timekeeper.end(shared);
            }
            Ok(notice) => timekeeper.take(shared, notice),
        }
        shared.set_late_views(timekeeper.parts.late());
    }
}

/// What waits for its time.
pub(super) struct Timekeeper {
    deadlines: Deadlines,
    parts: PartAssembler,
    /// When the server of the active model was checked last.
    server_checked: Option<Instant>,
}

impl Timekeeper {
    pub(super) fn new(parts: PartAssembler) -> Self {
        Self {
            deadlines: Deadlines::new(),
            parts,
            server_checked: None,
        }
    }

    /// Does what is due. Returns the time until something else is due.
    pub(super) fn act(&mut self, shared: &Shared) -> Duration {
        let now = shared.clock.now().monotonic;
        shared.publisher.check_stalled(now);
        if self
            .server_checked
            .is_none_or(|at| now.saturating_duration_since(at) >= SERVER_INTERVAL)
        {
            shared.check_server();
            self.server_checked = Some(now);
        }
        while let Some(deadline) = self.deadlines.pop_due(now) {
            miss(shared, deadline);
        }
        for decided in self.parts.due(now) {
            publish(shared, decided);
        }
        let next = [self.deadlines.next_due(), self.parts.next_due()]
            .into_iter()
            .flatten();
        next.min().map_or(INTERVAL, |at| {
            at.saturating_duration_since(now).min(INTERVAL)
        })
    }

    /// Takes a notice.
    pub(super) fn take(&mut self, shared: &Shared, notice: Notice) {
        let now = shared.clock.now().monotonic;
        match notice {
            Notice::Deadline(deadline) => self.deadlines.push(deadline),
            Notice::Expect(group, tag, cameras) => {
                if let Some(decided) = self.parts.expect(&group, &tag, cameras, now) {
                    publish(shared, decided);
                }
            }
            Notice::Group(change) => {
                let (group, cameras, from) = *change;
                self.parts.change_group(group, cameras, from);
            }
            Notice::Published(verdict) => {
                for decided in self.parts.view(&verdict, now) {
                    publish(shared, decided);
                }
            }
            Notice::End => {}
        }
    }

    /// Decides everything that waits, because the daemon stops.
    pub(super) fn end(mut self, shared: &Shared) {
        for HeapEntry(_, deadline) in self.deadlines.heap {
            miss(shared, shut_down(*deadline));
        }
        for decided in self.parts.all() {
            // Views that are missing because the daemon stops say nothing about the counters.
            let out_of_step = None;
            publish(
                shared,
                DecidedPart {
                    out_of_step,
                    ..decided
                },
            );
        }
    }
}

/// Publishes the fault of a deadline that was not met.
fn miss(shared: &Shared, deadline: Deadline) {
    let Deadline {
        slot,
        moment,
        subject,
        fault,
        ..
    } = deadline;
    if let Some(reply) = slot.take() {
        shared.publish_without_waiting(moment, subject, Outcome::Fault(fault), reply);
    }
}

/// The same deadline with the fault of a daemon that stops: no frame follows.
fn shut_down(deadline: Deadline) -> Deadline {
    let message = "the daemon stopped before a frame was judged";
    Deadline {
        fault: Fault::new(FaultReason::Shutdown, message),
        ..deadline
    }
}

/// Publishes the verdict of a part, with the capture time of its first view.
fn publish(shared: &Shared, mut decided: DecidedPart) {
    let counted = shared.counted.get(&decided.group);
    let counted = counted.filter(|_| decided.tag.trigger.is_none());
    if let Some(counted) = &counted
        && let Some(fault) = counted.doubt(&decided.tag.part_id)
    {
        decided.doubt(fault);
    }
    let outcome = decided.outcome();
    let DecidedPart {
        group,
        tag,
        views,
        out_of_step,
        ..
    } = decided;
    if let (Some(reason), Some(counted)) = (out_of_step, counted) {
        counted.lost(reason);
    }
    let first = views.iter().min_by_key(|view| view.since_start);
    let moment = first.map_or_else(|| shared.clock.now(), |view| shared.capture_moment(view));
    let stamp = first.map_or_else(
        || Arc::clone(&shared.active().stamp),
        |view| Arc::clone(&view.subject.stamp),
    );
    let reply = shared.part_reply(&tag);
    let subject = Subject {
        group: Some(group),
        tag: Some(tag),
        simulated: views.iter().any(|view| view.subject.simulated),
        ..Subject::new(None, stamp)
    };
    shared.publish_without_waiting(moment, subject, outcome, reply);
}

#[cfg(test)]
mod tests {
    use inspectd_core::moment::Moment;
    use inspectd_core::record::{ModelId, Stamp};

    use super::*;
    use crate::clock::Clock;
    use crate::clock::tests::ManualClock;
    use crate::pipeline::notice::deadline_missed;
    use crate::pipeline::response_slot::ResponseSlot;

    fn deadline(moment: Moment, limit: Duration) -> Box<Deadline> {
        let stamp = Stamp {
            model: ModelId {
                name: String::new(),
                version: String::new(),
                sha256: String::new(),
                precision: inspectd_core::precision::Precision::F32,
            },
            config_hash: String::new(),
            provider: String::new(),
            recipe: None,
        };
        Box::new(Deadline {
            due: moment.monotonic + limit,
            slot: ResponseSlot::new(None),
            moment,
            subject: Subject::new(None, Arc::new(stamp)),
            fault: deadline_missed(limit, false),
        })
    }

    #[test]
    fn deadlines_are_popped_in_the_order_of_time_once_they_are_due() {
        let clock = ManualClock::new();
        let start = clock.now();
        let mut deadlines = Deadlines::new();
        for limit_ms in [30, 10, 20] {
            deadlines.push(deadline(start, Duration::from_millis(limit_ms)));
        }
        let mut popped = || {
            let due = deadlines.pop_due(clock.now().monotonic)?;
            Some(due.due.duration_since(start.monotonic).as_millis())
        };
        assert_eq!(popped(), None);
        clock.advance(Duration::from_millis(20));
        assert_eq!((popped(), popped(), popped()), (Some(10), Some(20), None));
        clock.advance(Duration::from_millis(20));
        assert_eq!((popped(), popped()), (Some(30), None));
    }

    #[test]
    fn deadlines_that_were_met_are_removed_when_the_heap_is_full() {
        let start = ManualClock::new().now();
        let mut deadlines = Deadlines::new();
        for index in 0..=NOTICE_QUEUE {
            let deadline = deadline(start, Duration::from_secs(1));
            if index > 0 {
                deadline.slot.take();
            }
            deadlines.push(deadline);
        }
        assert_eq!(deadlines.heap.len(), 2);
    }
}
