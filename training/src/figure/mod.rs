//! Figures: a list of shapes that is rendered as PNG or SVG with the same result.
//!
//! [`Drawing`] is the list. [`raster`] renders pixels with an embedded font, so that a figure looks the same
//! on machines without fonts. [`svg`] writes SVG that can be embedded in a page, scales without loss and
//! supports the page's light and dark colours. [`plot`] lays out axes, grid and legend.

pub(crate) mod axis;
mod colour;
mod font;
pub(crate) mod plot;
mod raster;
mod svg;

pub(crate) use colour::Colour;
#[cfg(test)]
pub(crate) use colour::PALETTE;
pub(crate) use font::text_width;

/// Position in pixels from the upper left corner.
pub(crate) type Point = (f32, f32);

/// Horizontal alignment of text at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

/// One shape.
#[derive(Clone, Debug)]
enum Shape {
    /// A polyline.
    Lines {
        points: Vec<Point>,
        colour: Colour,
        opacity: f32,
        width: f32,
        dashed: bool,
    },
    /// A filled polygon.
    Area {
        outline: Vec<Point>,
        colour: Colour,
        opacity: f32,
    },
    /// A line of text with its baseline at `at`.
    Text {
        text: String,
        at: Point,
        align: Align,
        size: f32,
        colour: Colour,
    },
}

/// An image size with shapes; later shapes are drawn over earlier ones.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    width: u32,
    height: u32,
    title: String,
    shapes: Vec<Shape>,
}

impl Drawing {
    /// Creates an empty drawing. `title` is its accessible name.
    pub(crate) fn new(width: u32, height: u32, title: &str) -> Self {
        Self {
            width,
            height,
            title: title.to_owned(),
            shapes: Vec::new(),
        }
    }

    /// Draws a polyline with `width` in pixels. Does nothing for fewer than two points.
    pub(crate) fn lines(
        &mut self,
        points: impl IntoIterator<Item = Point>,
        colour: Colour,
        opacity: f32,
        width: f32,
    ) {
        self.connect(points, (colour, opacity), width, false);
    }

    /// Draws a dashed polyline, as [`Self::lines`].
    pub(crate) fn dashes(
        &mut self,
        points: impl IntoIterator<Item = Point>,
        colour: Colour,
        width: f32,
    ) {
        self.connect(points, (colour, 1.0), width, true);
    }

    fn connect(
        &mut self,
        points: impl IntoIterator<Item = Point>,
        (colour, opacity): (Colour, f32),
        width: f32,
        dashed: bool,
    ) {
        let points: Vec<Point> = points.into_iter().collect();
        if points.len() > 1 {
            self.shapes.push(Shape::Lines {
                points,
                colour,
                opacity,
                width,
                dashed,
            });
        }
    }

    /// Draws a horizontal or vertical line exactly one pixel wide.
    pub(crate) fn hairline(&mut self, from: Point, to: Point, colour: Colour) {
        let middle = |(x, y): Point| (x.floor() + 0.5, y.floor() + 0.5);
        self.lines([middle(from), middle(to)], colour, 1.0, 1.0);
    }

    /// Fills a polygon. Does nothing for fewer than three points.
    pub(crate) fn area(
        &mut self,
        outline: impl IntoIterator<Item = Point>,
        colour: Colour,
        opacity: f32,
    ) {
        let outline: Vec<Point> = outline.into_iter().collect();
        if outline.len() > 2 {
            self.shapes.push(Shape::Area {
                outline,
                colour,
                opacity,
            });
        }
    }

    /// Fills the rectangle between two opposite corners.
    pub(crate) fn bar(&mut self, (left, top): Point, (right, bottom): Point, colour: Colour) {
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        self.area(corners, colour, 1.0);
    }

    /// Draws `text` with its baseline at `at`; returns its width in pixels.
    pub(crate) fn text(
        &mut self,
        text: &str,
        at: Point,
        align: Align,
        size: f32,
        colour: Colour,
    ) -> f32 {
        if !text.is_empty() {
            self.shapes.push(Shape::Text {
                text: text.to_owned(),
                at,
                align,
                size,
                colour,
            });
        }
        text_width(text, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_has_the_same_size_as_png_and_svg() {
        let mut drawing = Drawing::new(80, 40, "a & b");
        drawing.bar((10.0, 10.0), (70.0, 30.0), Colour::Series(0));
        let image = drawing.raster(2.0);
        assert_eq!(image.dimensions(), (160, 80));
        assert_eq!(image.get_pixel(80, 40).0, PALETTE[0]);
        assert_eq!(image.get_pixel(4, 4).0, [255, 255, 255]);
        let svg = drawing.svg_file();
        assert!(svg.contains("viewBox=\"0 0 80 40\""), "{svg}");
        assert!(svg.contains("a &amp; b"), "{svg}");
    }

    #[test]
    fn too_few_points_draw_nothing() {
        let mut drawing = Drawing::new(10, 10, "");
        drawing.lines([(1.0, 1.0)], Colour::Ink, 1.0, 1.0);
        drawing.area([(1.0, 1.0), (5.0, 5.0)], Colour::Ink, 1.0);
        drawing.text("", (1.0, 1.0), Align::Left, 10.0, Colour::Ink);
        assert!(drawing.shapes.is_empty());
    }
}
