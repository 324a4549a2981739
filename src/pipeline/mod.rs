//! The pipeline: takes captures in, inspects and judges them, and publishes one verdict for each.
//!
//! `camera -> capture_intake -> intake -> inspector -> judge -> publisher`; `timekeeper` acts when time passes.

mod active;
mod answers;
mod camera_changes;
mod camera_frame;
mod camera_lane;
pub mod camera_stats;
pub mod camera_view;
mod capture_intake;
mod client_image;
mod counted_group;
mod groups;
mod handle;
mod heartbeat;
mod idempotency_cache;
mod inspector;
mod intake;
mod job;
mod judge;
mod lanes;
mod local_engine;
pub mod model;
mod model_run;
mod notice;
mod observer;
mod part_assembler;
pub mod publisher;
mod rate;
pub mod remote;
mod requests;
pub mod response_slot;
#[cfg(test)]
mod simulation;
mod snapshot;
mod threads;
mod timekeeper;
mod trigger;
pub mod worker;

pub use active::{Active, PreparedRecipe};
pub use camera_frame::CameraFrame;
pub use camera_lane::Brightness;
pub use client_image::{InspectError, PendingImage};
pub use counted_group::ResynchronizeError;
pub use handle::{CLIENT_IMAGES, Pipeline, PipelineOptions};
pub use job::JudgedMapsSlot;
pub use observer::{Observer, ServerUse};
pub use requests::{
    AcceptedTrigger, AwaitedVerdict, CLIENT_DATA_LIMIT, NAME_LIMIT, RequestedRecipe, Target,
    Trigger, TriggerError,
};
pub use snapshot::{JournalSnapshot, Snapshot};
