//! Anomaly detection on the features of a frozen backbone, without training: `PaDiM`, `PatchCore` and the sum
//! of both. A fit takes seconds and needs good images only.

pub mod extractor;
mod fitted;
mod normalisation;
mod padim;
mod patch_core;

pub use fitted::{FeatureMethod, FittedMethod, MapScale, MethodSettings};
pub use normalisation::ChannelNormalisation;
pub use padim::{Padim, PadimSettings};
pub use patch_core::{PatchCore, PatchCoreSettings};
