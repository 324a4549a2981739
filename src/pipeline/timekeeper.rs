//! The thread that answers in time: deadlines of frames, requests that no frame came for, windows of
//! parts, and a journal that stands still.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::parts::{Decided, Parts};
use super::response_slot::ResponseSlot;
use super::shared::Shared;
use inspectd_core::moment::Moment;
use inspectd_core::record::{Fault, FaultReason, Outcome, PartTag, Subject, Verdict};

/// Notices that may wait for the thread, which does nothing that takes time. One more waits; but a
/// verdict's is dropped then: a part lacks a view, which its window tells.
pub(super) const QUEUE: usize = 8192;

/// How long it sleeps at most: the journal is watched so often.
const ROUND: Duration = Duration::from_millis(10);

/// What the thread is told.
pub(super) enum Notice {
    /// A frame is on its way, or was asked for.
    Deadline(Box<Deadline>),
    /// A part was asked for.
    Expect(Arc<str>, Arc<PartTag>),
    /// A verdict was announced.
    Made(Arc<Verdict>),
    /// No more verdicts come: parts are decided by the views that they have.
    End,
}

/// When a frame's verdict is due, and what it is if it does not come.
pub(super) struct Deadline {
    pub(super) due: Instant,
    pub(super) claim: ResponseSlot,
    pub(super) moment: Moment,
    pub(super) subject: Subject,
    pub(super) fault: Fault,
}

/// By time: the heap's largest is the latest, so it is turned round.
struct Due(Reverse<Instant>, Box<Deadline>);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// Keeps time until all who send notices are gone.
pub(super) fn keep_time(shared: &Shared, mut parts: Parts, notices: &Receiver<Notice>) {
    let mut deadlines: BinaryHeap<Due> = BinaryHeap::new();
    let mut room = QUEUE;
    loop {
        let now = Instant::now();
        shared.publisher.watch(now);
        while deadlines.peek().is_some_and(|due| due.0.0 <= now)
            && let Some(Due(_, deadline)) = deadlines.pop()
        {
            missed(shared, *deadline);
        }
        for decided in parts.due(now) {
            publish(shared, decided);
        }
        let next = deadlines.peek().map(|due| due.0.0);
        let wake = [next, parts.next_due()].into_iter().flatten().min();
        let sleep = wake.map_or(ROUND, |at| at.saturating_duration_since(now).min(ROUND));
        match notices.recv_timeout(sleep) {
            Ok(Notice::Deadline(deadline)) => {
                // Those that were met in time are let go when the heap has grown.
                if deadlines.len() >= room {
                    deadlines.retain(|due| due.1.claim.is_open());
                    room = QUEUE.max(2 * deadlines.len());
                }
                deadlines.push(Due(Reverse(deadline.due), deadline));
            }
            Ok(Notice::Expect(group, tag)) => {
                if let Some(decided) = parts.expect(&group, &tag, now) {
                    publish(shared, decided);
                }
            }
            Ok(Notice::Made(verdict)) => {
                for decided in parts.view(&verdict, now) {
                    publish(shared, decided);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Notice::End) | Err(RecvTimeoutError::Disconnected) => {
                for Due(_, deadline) in deadlines {
                    missed(shared, stopped(*deadline));
                }
                for decided in parts.all() {
                    publish(shared, decided);
                }
                return;
            }
        }
        shared.late_views(parts.late());
    }
}

fn missed(shared: &Shared, deadline: Deadline) {
    let Deadline {
        claim,
        moment,
        subject,
        fault,
        ..
    } = deadline;
    if let Some(reply) = claim.take() {
        shared.publish_at_once(moment, subject, Outcome::Fault(fault), reply);
    }
}

/// Nothing comes any more: who asked for an inspection waits no longer for a frame.
fn stopped(deadline: Deadline) -> Deadline {
    let message = "the daemon stopped before a frame was judged";
    Deadline {
        fault: Fault::new(FaultReason::Shutdown, message),
        ..deadline
    }
}

fn publish(shared: &Shared, decided: Decided) {
    let outcome = decided.outcome();
    let Decided {
        group, tag, views, ..
    } = decided;
    // A part is as old as its first frame.
    let first = views.iter().min_by_key(|view| view.since_start);
    let moment = first.map_or_else(Moment::now, |view| shared.moment_of(view));
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
    shared.publish_at_once(moment, subject, outcome, reply);
}

/// The deadline's fault.
pub(super) fn too_late(limit: Duration, rejects: bool) -> Fault {
    Fault {
        rejects,
        ..Fault::new(
            FaultReason::DeadlineMissed,
            format!(
                "no judgement within {} ms of the capture",
                limit.as_millis()
            ),
        )
    }
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deadline(deadline) => f.debug_tuple("Deadline").field(&deadline.subject).finish(),
            Self::Expect(group, tag) => f.debug_tuple("Expect").field(group).field(tag).finish(),
            Self::End => f.write_str("End"),
            Self::Made(verdict) => f.debug_tuple("Made").field(&verdict.sequence).finish(),
        }
    }
}
