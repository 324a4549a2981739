//! Embedded font of figures.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

/// Roboto Regular (Google, Apache-2.0), reduced to printable ASCII, so that figures look the same on machines
/// without fonts.
const FONT: &[u8] = include_bytes!("roboto-ascii.ttf");

/// Returns the embedded font.
pub(super) fn font() -> FontRef<'static> {
    FontRef::try_from_slice(FONT).expect("the embedded font is valid")
}

/// Width of `text` in pixels. `size` is the line height: from the top of the highest letter to the bottom of
/// the lowest.
pub(crate) fn text_width(text: &str, size: f32) -> f32 {
    let font = font().into_scaled(PxScale::from(size));
    text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
}

/// Converts the line height to an em size for CSS and SVG.
pub(super) fn em(size: f32) -> f32 {
    let font = font();
    size * font.units_per_em().unwrap_or(1.0) / font.height_unscaled()
}
