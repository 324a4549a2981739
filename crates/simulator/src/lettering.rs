//! Text made of straight strokes, like that of a plotter or an engraver.

use super::geometry::Point;
use super::shape::Shape;

/// The available characters and their strokes on a grid 2 wide and 4 high. Two digits are a point; a space
/// separates strokes.
const GLYPHS: [(char, &str); 27] = [
    ('0', "0020240400"),
    ('1', "011014 0424"),
    ('2', "0020220204 0424"),
    ('3', "00202404 0222"),
    ('4', "000222 2024"),
    ('5', "200002222404"),
    ('6', "200004242202"),
    ('7', "002014"),
    ('8', "0020240400 0222"),
    ('9', "220200202404"),
    ('A', "041024 0323"),
    ('C', "20000424"),
    ('D', "001021231404 0004"),
    ('E', "20000424 0212"),
    ('F', "200004 0212"),
    ('H', "0004 2024 0222"),
    ('I', "1014"),
    ('K', "0004 200224"),
    ('L', "000424"),
    ('M', "0400122024"),
    ('N', "04002420"),
    ('P', "0400202202"),
    ('R', "0400202202 1224"),
    ('S', "200002222404"),
    ('T', "0020 1014"),
    ('V', "001420"),
    ('X', "0024 2004"),
];

/// Returns the strokes of `text`, centred on the origin, with letters of the height `height`. Unknown characters
/// are gaps. `None` if there are no strokes.
pub(super) fn text(text: &str, height: f32, stroke: f32) -> Option<Shape> {
    let unit = height / 4.0;
    let advance = unit * 3.1;
    let width = advance * text.chars().count() as f32 - unit * 1.1;
    let mut segments = Vec::new();
    for (place, letter) in text.chars().enumerate() {
        let left = advance * place as f32 - width * 0.5;
        let strokes = GLYPHS
            .iter()
            .find(|(known, _)| *known == letter)
            .map_or("", |(_, strokes)| strokes);
        for line in strokes.split(' ') {
            let points = points(line, left, unit);
            segments.extend(points.windows(2).map(|pair| [pair[0], pair[1]]));
        }
    }
    (!segments.is_empty()).then_some(Shape::Strokes {
        segments,
        radius: stroke * 0.5,
    })
}

fn points(line: &str, left: f32, unit: f32) -> Vec<Point> {
    line.as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            let [x, y] = [pair[0], pair[1]].map(|digit| f32::from(digit - b'0'));
            [left + x * unit, (y - 2.0) * unit]
        })
        .collect()
}

/// Returns a letter for a number, for text without meaning.
pub(super) fn letter(number: u32) -> char {
    GLYPHS[number as usize % GLYPHS.len()].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_strokes_and_the_requested_height() {
        for (letter, _) in GLYPHS {
            let shape = text(&letter.to_string(), 0.1, 0.01).expect("a known letter");
            assert!((shape.reach()[1] - 0.055).abs() < 1e-5, "{letter}");
        }
        assert!(text("?", 0.1, 0.01).is_none());
    }
}
