//! Formats the measured rates as Markdown and as an SVG figure.

use std::fmt::Write;

/// A fault with its detection rates at increasing strengths.
pub struct Fault {
    /// Name, and the unit of the strengths.
    pub name: &'static str,
    /// The strengths.
    pub strengths: &'static [f32],
    /// One row per set of images: the fraction of detected frames at each strength.
    pub rates: Vec<Vec<f32>>,
}

/// Formats one table per fault.
pub fn tables(sets: &[String], faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults {
        let heads: Vec<_> = fault.strengths.iter().map(f32::to_string).collect();
        let _ = writeln!(text, "\n| {} | {} |", fault.name, heads.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(heads.len()));
        for (set, rates) in sets.iter().zip(&fault.rates) {
            let cells: Vec<_> = rates.iter().map(|rate| percent(*rate)).collect();
            let _ = writeln!(text, "| {set} | {} |", cells.join(" | "));
        }
    }
    text
}

/// Formats a fraction in per cent.
pub fn percent(share: f32) -> String {
    format!("{:.1} %", share * 100.0)
}

const WIDTH: usize = 300;
const HEIGHT: usize = 190;
const COLUMNS: usize = 3;
const COLOURS: [&str; 4] = ["#0b62a4", "#d1495b", "#3f8f3f", "#8a5fbf"];

/// Draws the detection rate against the strength, one panel per fault.
pub fn figure(sets: &[String], faults: &[Fault]) -> String {
    let (width, height) = (
        COLUMNS * WIDTH,
        faults.len().div_ceil(COLUMNS) * HEIGHT + 30,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (place, fault) in faults.iter().enumerate() {
        let corner = [place % COLUMNS * WIDTH, place / COLUMNS * HEIGHT];
        panel(&mut svg, fault, corner);
    }
    for (number, set) in sets.iter().enumerate() {
        let (x, y, colour) = (40 + number * 220, height - 12, COLOURS[number % 4]);
        let _ = writeln!(
            svg,
            "<path d=\"M{x} {0}h24\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{1}\" y=\"{y}\">{set}</text>",
            y - 4,
            x + 30
        );
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, fault: &Fault, [left, top]: [usize; 2]) {
    let (left, top) = (left as f32 + 40.0, top as f32 + 24.0);
    let (across, down) = (WIDTH as f32 - 60.0, HEIGHT as f32 - 60.0);
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\">{}</text>",
        top - 8.0,
        fault.name
    );
    for share in [0.0, 0.5, 1.0] {
        let y = top + down * (1.0 - share);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y}h{across}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            left - 5.0,
            y + 4.0,
            share * 100.0
        );
    }
    // The strengths are evenly spaced, because some of them increase by factors.
    let step = across / (fault.strengths.len() - 1) as f32;
    for (at, strength) in fault.strengths.iter().enumerate() {
        let (x, y) = (left + at as f32 * step, top + down + 14.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{strength}</text>"
        );
    }
    for (rates, colour) in fault.rates.iter().zip(COLOURS) {
        let points: Vec<_> = rates
            .iter()
            .enumerate()
            .map(|(at, rate)| {
                format!(
                    "{:.1},{:.1}",
                    left + at as f32 * step,
                    top + down * (1.0 - rate)
                )
            })
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
    }
}
