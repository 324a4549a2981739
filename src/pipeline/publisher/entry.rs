//! Verdicts on their way to the journal and to the streams.

use std::sync::Arc;

use inspectd_core::moment::Moment;
use inspectd_core::record::{Outcome, Subject, Verdict};

use crate::evidence::{AnomalyMap, CapturedFrame};
use crate::pipeline::camera_stats::CameraStats;
use crate::pipeline::response_slot::Reply;

/// The images that a verdict is based on.
#[derive(Clone, Debug)]
pub struct InspectedImages {
    /// The captured frame.
    pub captured: CapturedFrame,
    /// The combined anomaly map; `None` for a frame that was not judged.
    pub anomaly_map: Option<AnomalyMap>,
}

/// A verdict without what publishing adds: sequence, time of recording, evidence.
pub struct VerdictEntry {
    /// Time of capture, or of the camera fault.
    pub moment: Moment,
    /// What the verdict is about.
    pub subject: Subject,
    /// What was decided.
    pub outcome: Outcome,
    /// The images, where there is a frame.
    pub images: Option<InspectedImages>,
    /// The statistics of the camera, where there is one.
    pub stats: Option<Arc<CameraStats>>,
    /// Delivers the verdict to the caller that waits for it.
    pub reply: Option<Reply>,
}

/// A verdict with its sequence, ready to be broadcast.
pub(super) struct ReadyVerdict {
    pub(super) verdict: Arc<Verdict>,
    pub(super) images: Option<InspectedImages>,
    pub(super) stats: Option<Arc<CameraStats>>,
    pub(super) reply: Option<Reply>,
}
