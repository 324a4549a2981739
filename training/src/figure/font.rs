//! The font of figures.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

/// Roboto Regular (Google, Apache-2.0), cut down to printable ASCII, so that a chart looks the same on
/// machines without any font.
const FONT: &[u8] = include_bytes!("roboto-ascii.ttf");

/// The font itself.
pub(super) fn font() -> FontRef<'static> {
    FontRef::try_from_slice(FONT).expect("the font is a part of the program")
}

/// How wide `text` is, pixels, where `size` is the height from the highest letter's top to the lowest's
/// bottom.
pub(crate) fn text_width(text: &str, size: f32) -> f32 {
    let font = font().into_scaled(PxScale::from(size));
    text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
}

/// The same size as CSS and SVG count it: by the em.
pub(super) fn em(size: f32) -> f32 {
    let font = font();
    size * font.units_per_em().unwrap_or(1.0) / font.height_unscaled()
}
