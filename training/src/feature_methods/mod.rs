//! Anomaly detection on the features of a frozen backbone, without training: `PaDiM`, `PatchCore`, FRE, and all of
//! them. A fit takes seconds and needs good images only.

mod cross_fit;
pub mod extractor;
mod fitted;
mod map_scale;
mod normalisation;
mod padim;
mod patch_core;
mod subspace;

pub use cross_fit::Copies;
pub use fitted::{FeatureMaps, FeatureMethods, FittedMethod, MethodSettings, Terms};
pub use map_scale::MapScale;
pub use normalisation::ChannelNormalisation;
pub use padim::{Padim, PadimSettings};
pub use patch_core::{PatchCore, PatchCoreSettings};
pub use subspace::{Subspace, SubspaceSettings};
