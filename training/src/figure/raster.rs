//! Rasterises a drawing: white background, antialiased, with the embedded font.

use ab_glyph::{Font, PxScale, ScaleFont, point};
use image::RgbImage;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash,
    Transform,
};

use super::font::{font, text_width};
use super::{Align, Colour, Drawing, Point, Shape};

/// Lengths of dashes and gaps in pixels.
pub(super) const DASHES: [f32; 2] = [6.0, 5.0];

impl Drawing {
    /// Renders the drawing with `scale` pixels per unit.
    pub(crate) fn raster(&self, scale: f32) -> RgbImage {
        let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
        let mut canvas = Canvas::new(side(self.width), side(self.height), scale);
        for shape in &self.shapes {
            canvas.draw(shape);
        }
        canvas.into_image()
    }
}

struct Canvas {
    pixels: Pixmap,
    scale: f32,
}

impl Canvas {
    fn new(width: u32, height: u32, scale: f32) -> Self {
        let mut pixels = Pixmap::new(width, height).expect("the canvas has at least one pixel");
        pixels.fill(Color::WHITE);
        Self { pixels, scale }
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Lines {
                points,
                colour,
                opacity,
                width,
                dashed,
            } => self.lines(points, &paint(*colour, *opacity), *width, *dashed),
            Shape::Area {
                outline,
                colour,
                opacity,
            } => self.area(outline, &paint(*colour, *opacity)),
            Shape::Text {
                text,
                at,
                align,
                size,
                colour,
            } => self.text(text, *at, *align, *size, colour.rgb()),
        }
    }

    fn lines(&mut self, points: &[Point], paint: &Paint, width: f32, dashed: bool) {
        let Some(path) = path(points, false) else {
            return;
        };
        let stroke = Stroke {
            width,
            // Round caps would close the gaps between dashes.
            line_cap: if dashed {
                LineCap::Butt
            } else {
                LineCap::Round
            },
            line_join: LineJoin::Round,
            dash: dashed
                .then(|| StrokeDash::new(DASHES.to_vec(), 0.0))
                .flatten(),
            ..Stroke::default()
        };
        let scale = self.transform();
        self.pixels.stroke_path(&path, paint, &stroke, scale, None);
    }

    fn area(&mut self, outline: &[Point], paint: &Paint) {
        if let Some(path) = path(outline, true) {
            let scale = self.transform();
            self.pixels
                .fill_path(&path, paint, FillRule::Winding, scale, None);
        }
    }

    fn transform(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }

    /// Draws text. Characters missing in the font are drawn as its placeholder box.
    fn text(&mut self, text: &str, at: Point, align: Align, size: f32, colour: [u8; 3]) {
        let (size, at) = (size * self.scale, (at.0 * self.scale, at.1 * self.scale));
        let font = font().into_scaled(PxScale::from(size));
        let width = text_width(text, size);
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
    }

    /// Blends a colour into a pixel. The canvas is opaque, so stored colours are not premultiplied.
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

    fn into_image(self) -> RgbImage {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        let rgb = self
            .pixels
            .data()
            .chunks_exact(4)
            .flat_map(|rgba| &rgba[..3])
            .copied()
            .collect();
        RgbImage::from_raw(width, height, rgb).expect("the buffer has three bytes per pixel")
    }
}

fn paint(colour: Colour, opacity: f32) -> Paint<'static> {
    let [red, green, blue] = colour.rgb();
    let mut paint = Paint {
        anti_alias: true,
        ..Paint::default()
    };
    paint.set_color_rgba8(red, green, blue, (opacity * 255.0).round() as u8);
    paint
}

fn path(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for &(x, y) in points {
        if path.is_empty() {
            path.move_to(x, y);
        } else {
            path.line_to(x, y);
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}
