//! Commissioning: what `inspectd init` finds out about cameras, what it proposes, and the files that it writes.
//!
//! Pictures are taken with the camera module of the daemon, so that a camera that works here works there. Measurements and
//! proposals are pure.

mod capture;
mod crop;
mod devices;
mod drop_in;
mod exposure;
mod grey;
mod install;
mod measurements;
mod plan;
mod text;

pub use capture::{Album, CaptureFailure, Wanted, take};
pub use crop::{CropProposal, propose_crop};
pub use devices::{DeviceFormat, DeviceInfo, ExposureRange, KeptControls, list_devices, query};
pub use drop_in::{DROP_IN_FILE, Sandbox, drop_in};
pub use exposure::{ExposureMeasurement, ExposureResult, ExposureSearch};
pub use install::{
    CONFIGURATION_MODE, DROP_IN_MODE, InstallError, Installed, check_target, install, is_untouched,
};
pub use measurements::{PictureMeasurements, suggested_limits};
pub use plan::{CameraPlan, ExposurePlan, Plan, PlannedMode, PlannedSource};
pub use text::configuration_text;
