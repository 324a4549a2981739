//! Widths and heights, which are set both or not at all.

use crate::config::group::Output;
use crate::config::key::Key;
use crate::config::values::Part;

/// Maximum side of a frame: more than any camera's.
pub(super) const LARGEST_SIDE: u64 = 32_768;

/// Reads a width and a height, both or none.
pub(super) fn read_size(values: &Part<'_>, width: &Key, height: &Key) -> Option<[u32; 2]> {
    let side = |key| values.read::<Option<u32>>(key);
    Some([side(width)?, side(height)?])
}

/// Writes a width and a height, both or none.
pub(super) fn write_size(
    size: Option<[u32; 2]>,
    output: &mut Output<'_>,
    width: &Key,
    height: &Key,
) {
    output.put(width, &size.map(|[width, _]| width));
    output.put(height, &size.map(|[_, height]| height));
}
