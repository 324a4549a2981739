//! SVG output: a separate file, or an element for a page with its own colours.

use std::fmt::Write as _;

use super::font::em;
use super::raster::DASHES;
use super::{Align, Colour, Drawing, Point, Shape};

/// Fonts with widths similar to the embedded font.
const FONTS: &str = "Roboto, 'Helvetica Neue', Arial, sans-serif";

impl Drawing {
    /// Returns an SVG file with a white background.
    pub(crate) fn svg_file(&self) -> String {
        let paper = "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
        self.svg(paper)
    }

    /// Returns an SVG element for a page, without background. Shapes have a class for the purpose of their
    /// colour (`ink`, `label`, `frame`, `grid`, `fine`, `s0` to `s4`); `fill` and `stroke` in a style for these
    /// classes override the default colours.
    pub(crate) fn svg_element(&self) -> String {
        self.svg("")
    }

    fn svg(&self, paper: &str) -> String {
        let (width, height) = (self.width, self.height);
        let title = escaped(&self.title);
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" font-family=\"{FONTS}\">\n\
             <title>{title}</title>\n{paper}"
        );
        for shape in &self.shapes {
            text.push_str(&element(shape));
            text.push('\n');
        }
        text.push_str("</svg>\n");
        text
    }
}

fn element(shape: &Shape) -> String {
    match shape {
        Shape::Lines {
            points,
            colour,
            opacity,
            width,
            dashed,
        } => {
            let dashes = if *dashed {
                format!(" stroke-dasharray=\"{} {}\"", DASHES[0], DASHES[1])
            } else {
                " stroke-linecap=\"round\"".to_owned()
            };
            format!(
                "<polyline class=\"{} line\" points=\"{}\" fill=\"none\" stroke=\"{}\"{} stroke-width=\"{width}\" stroke-linejoin=\"round\"{dashes}/>",
                colour.class(),
                places(points),
                hex(*colour),
                transparency("stroke", *opacity),
            )
        }
        Shape::Area {
            outline,
            colour,
            opacity,
        } => format!(
            "<polygon class=\"{} area\" points=\"{}\" fill=\"{}\"{}/>",
            colour.class(),
            places(outline),
            hex(*colour),
            transparency("fill", *opacity)
        ),
        Shape::Text {
            text,
            at: (x, y),
            align,
            size,
            colour,
        } => format!(
            "<text class=\"{} area\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{:.2}\" text-anchor=\"{}\" fill=\"{}\">{}</text>",
            colour.class(),
            em(*size),
            match align {
                Align::Left => "start",
                Align::Centre => "middle",
                Align::Right => "end",
            },
            hex(*colour),
            escaped(text)
        ),
    }
}

fn transparency(of: &str, opacity: f32) -> String {
    if opacity < 1.0 {
        format!(" {of}-opacity=\"{opacity}\"")
    } else {
        String::new()
    }
}

fn places(points: &[Point]) -> String {
    let mut text = String::with_capacity(12 * points.len());
    for (x, y) in points {
        // Writing to a string cannot fail.
        let _ = write!(text, "{x:.1},{y:.1} ");
    }
    text.truncate(text.trim_end().len());
    text
}

fn hex(colour: Colour) -> String {
    let [red, green, blue] = colour.rgb();
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Escapes `text` for XML and removes control characters, which XML forbids.
fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .fold(String::new(), |mut escaped, c| {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                other => escaped.push(other),
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("juice_bottle", "juice_bottle");
        check(
            "<b a=\"x\">&</b>",
            "&lt;b a=&quot;x&quot;&gt;&amp;&lt;/b&gt;",
        );
        check("a\u{0}\u{1b}[31mb\n", "a[31mb");
    }

    #[test]
    fn shapes_have_a_class_and_their_default_colour() {
        let mut drawing = Drawing::new(20, 10, "t");
        drawing.lines([(0.0, 1.0), (2.25, 3.0)], Colour::Series(6), 0.5, 2.0);
        let svg = drawing.svg_element();
        for part in [
            "class=\"s1 line\"",
            "points=\"0.0,1.0 2.2,3.0\"",
            "stroke=\"#d55e00\"",
            "stroke-opacity=\"0.5\"",
        ] {
            assert!(svg.contains(part), "{part} is missing in {svg}");
        }
        assert!(!svg.contains("<rect"), "the element has no background");
    }
}
