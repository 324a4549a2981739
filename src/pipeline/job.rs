//! A captured frame on its way to the engine.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;
use inspectd_core::moment::Moment;
use inspectd_core::record::{PartTag, Subject};
use inspectd_core::verdict::JudgedMaps;

use super::active::Active;
use super::camera_view::CameraView;
use super::response_slot::ResponseSlot;

/// Receives the maps of a judged frame before its verdict is published. It stays empty for a FAULT.
pub type JudgedMapsSlot = Arc<OnceLock<JudgedMaps>>;

/// A captured frame that waits for the engine. Its size was checked against the view.
pub struct Job {
    /// The pixels as the source delivered them.
    pub frame: Frame,
    /// Everything else.
    pub ticket: Ticket,
}

/// What is known about a frame apart from its pixels.
pub struct Ticket {
    /// The camera; `None` for an image that a client sent.
    pub camera: Option<CameraId>,
    /// The camera whose thresholds apply, looked up when the frame is judged. For a client's image, the
    /// camera that the client names.
    pub thresholds_of: Option<CameraId>,
    /// The part of the frame that is inspected.
    pub view: Arc<CameraView>,
    /// Number of the capture, counted for each camera from 1; 0 for a client's image.
    pub frame_id: u64,
    /// Time of capture.
    pub moment: Moment,
    /// Width and height of the frame as the source delivered it.
    pub size: [u32; 2],
    /// Whether the frame was rendered by the simulator.
    pub simulated: bool,
    /// Name of the frame at its source, such as a file name; empty if it has none.
    pub item: String,
    /// Defect of a rendered part, `good` if it has none; empty for any other source.
    pub truth: String,
    /// The group whose part the frame shows.
    pub group: Option<Arc<str>>,
    /// The part, if it is known.
    pub tag: Option<Arc<PartTag>>,
    /// Whether it is a picture of a known part, which is judged also after a failed challenge.
    pub challenge: bool,
    /// Settings, model and recipe that were active at capture. The frame is judged by them.
    pub active: Arc<Active>,
    /// Where the maps are put once the frame is judged, if a client wants them.
    pub maps: Option<JudgedMapsSlot>,
    /// The right to the frame's verdict.
    pub slot: ResponseSlot,
}

impl Ticket {
    /// When the frame's verdict is due, if its camera has a deadline.
    pub(super) fn due(&self) -> Option<Instant> {
        let camera = self.active.settings.cameras.get(self.camera.as_ref()?)?;
        Some(self.moment.monotonic + camera.deadline?)
    }

    /// The subject of the frame's verdict before inspection.
    pub fn subject(&self) -> Subject {
        Subject {
            frame_id: self.frame_id,
            group: self.group.clone(),
            tag: self.tag.clone(),
            simulated: self.simulated,
            size: Some(self.view.part_size(self.size)),
            item: self.item.clone(),
            truth: self.truth.clone(),
            ..Subject::new(self.camera.clone(), Arc::clone(&self.active.stamp))
        }
    }
}
