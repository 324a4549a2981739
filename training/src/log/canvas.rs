//! A white page to draw lines and text on, antialiased, with its own font.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use image::RgbImage;
use tiny_skia::{Color, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke, Transform};

/// Roboto Regular (Google, Apache-2.0), cut down to printable ASCII, so that a chart looks the same on
/// machines without any font.
const FONT: &[u8] = include_bytes!("roboto-ascii.ttf");

/// Which part of a text is at the place given.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// A drawing; coordinates in pixels from the upper left corner.
pub(super) struct Canvas {
    pixels: Pixmap,
    font: FontRef<'static>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let mut pixels = Pixmap::new(width, height).expect("a page has a size");
        pixels.fill(Color::WHITE);
        let font = FontRef::try_from_slice(FONT).expect("the font is a part of the program");
        Self { pixels, font }
    }

    /// Connects `points`, with `width` in pixels and `colour` drawn at `opacity`.
    pub(super) fn lines(
        &mut self,
        points: impl IntoIterator<Item = (f32, f32)>,
        colour: [u8; 3],
        opacity: f32,
        width: f32,
    ) {
        let mut path = PathBuilder::new();
        for (x, y) in points {
            if path.is_empty() {
                path.move_to(x, y);
            } else {
                path.line_to(x, y);
            }
        }
        // Fewer than two points are no line.
        let Some(path) = path.finish() else { return };
        let [red, green, blue] = colour;
        let mut paint = Paint {
            anti_alias: true,
            ..Paint::default()
        };
        paint.set_color_rgba8(red, green, blue, (opacity * 255.0).round() as u8);
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        self.pixels
            .stroke_path(&path, &paint, &stroke, Transform::identity(), None);
    }

    /// A horizontal or vertical line of one crisp pixel.
    pub(super) fn hairline(&mut self, from: (f32, f32), to: (f32, f32), colour: [u8; 3]) {
        let middle = |(x, y): (f32, f32)| (x.floor() + 0.5, y.floor() + 0.5);
        self.lines([middle(from), middle(to)], colour, 1.0, 1.0);
    }

    /// Writes `text` with its baseline at `at`, and gives its width in pixels. Characters that the font
    /// lacks show as its box.
    pub(super) fn text(
        &mut self,
        text: &str,
        at: (f32, f32),
        align: Align,
        size: f32,
        colour: [u8; 3],
    ) -> f32 {
        let font = self.font.clone().into_scaled(PxScale::from(size));
        let width: f32 = text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum();
        let mut x = match align {
            Align::Left => at.0,
            Align::Centre => at.0 - width / 2.0,
            Align::Right => at.0 - width,
        };
        for c in text.chars() {
            let id = font.glyph_id(c);
            let glyph = id.with_scale_and_position(font.scale(), point(x, at.1));
            x += font.h_advance(id);
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, cover| {
                    let (x, y) = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
                    self.blend(x, y, colour, cover);
                });
            }
        }
        width
    }

    pub(super) fn into_image(self) -> RgbImage {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        let rgb = self
            .pixels
            .data()
            .chunks_exact(4)
            .flat_map(|rgba| &rgba[..3])
            .copied()
            .collect();
        RgbImage::from_raw(width, height, rgb).expect("three bytes for each pixel")
    }

    /// The page is opaque, so that a pixel's stored colour is its colour.
    fn blend(&mut self, x: i32, y: i32, colour: [u8; 3], cover: f32) {
        let (width, height) = (self.pixels.width() as i32, self.pixels.height() as i32);
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let start = 4 * (y * width + x) as usize;
        for (stored, new) in self.pixels.data_mut()[start..].iter_mut().zip(colour) {
            *stored = (f32::from(*stored)
                + cover.clamp(0.0, 1.0) * (f32::from(new) - f32::from(*stored)))
            .round() as u8;
        }
    }
}
