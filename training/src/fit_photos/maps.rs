//! Maps of several images.

use tch::Tensor;

use crate::fit::checkpoint::host;

/// Anomaly maps of N images before calibration.
#[derive(Debug)]
pub(super) struct Maps {
    /// Structural maps, `[N, HW]`.
    pub(super) structural: Tensor,
    /// Logical maps, `[N, HW]`; `None` for a method with one map.
    pub(super) logical: Option<Tensor>,
}

/// The logical maps, image after image; zeros if there are none.
pub(super) fn logical(maps: &Maps) -> Vec<f32> {
    match &maps.logical {
        Some(logical) => host(logical),
        None => vec![0.0; maps.structural.numel()],
    }
}
