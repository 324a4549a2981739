//! What the timekeeper is notified of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{Fault, FaultReason, PartTag, Subject, Verdict};

use super::part_assembler::GroupCameras;
use super::response_slot::ResponseSlot;

/// Capacity of the timekeeper's queue. The timekeeper does nothing that takes long, so a sender waits for
/// a moment at most; a verdict's notice is dropped instead, and its part then lacks a view, which its
/// window reports.
pub(super) const NOTICE_QUEUE: usize = 8192;

/// A notice to the timekeeper.
pub(super) enum Notice {
    /// A frame was captured or requested, and its verdict is due.
    Deadline(Box<Deadline>),
    /// A part of this group was requested: these cameras were asked for a view.
    Expect(Arc<str>, Arc<PartTag>, BTreeSet<CameraId>),
    /// The cameras of a group, for parts that are captured from this time after the start on.
    Group(Box<(Arc<str>, GroupCameras, Duration)>),
    /// A verdict was published.
    Published(Arc<Verdict>),
    /// No further verdicts follow: open parts are decided with the views that they have.
    End,
}

/// The time at which a frame's verdict is due, and the fault that it is otherwise.
pub(super) struct Deadline {
    pub(super) due: Instant,
    pub(super) slot: ResponseSlot,
    pub(super) moment: Moment,
    pub(super) subject: Subject,
    pub(super) fault: Fault,
}

/// The fault of a frame that was not judged within `limit` of its capture.
pub(super) fn deadline_missed(limit: Duration, rejects: bool) -> Fault {
    let message = format!(
        "no judgement within {} ms of the capture",
        limit.as_millis()
    );
    Fault {
        rejects,
        ..Fault::new(FaultReason::DeadlineMissed, message)
    }
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deadline(deadline) => f.debug_tuple("Deadline").field(&deadline.subject).finish(),
            Self::Expect(group, tag, _) => f.debug_tuple("Expect").field(group).field(tag).finish(),
            Self::Group(change) => f.debug_tuple("Group").field(change).finish(),
            Self::End => f.write_str("End"),
            Self::Published(verdict) => {
                f.debug_tuple("Published").field(&verdict.sequence).finish()
            }
        }
    }
}
