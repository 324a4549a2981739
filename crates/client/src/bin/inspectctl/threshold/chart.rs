//! Histogram of scores with thresholds: bars in text, and an SVG file.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use inspectd_client::proto::{Decision, ScoreBin, SuggestThresholdResponse, ThresholdBasis};

use crate::format;

/// Bins per line of text.
const PER_LINE: usize = 2;

/// The longest bar of validation images, in characters.
const CALIBRATION_WIDTH: usize = 20;

/// The longest bar of the journal's scores, in characters.
const JOURNAL_WIDTH: usize = 40;

/// The size of the drawing, in pixels.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 360.0;

/// Space for the axis and the labels, in pixels.
const LEFT: f64 = 20.0;
const TOP: f64 = 90.0;
const BOTTOM: f64 = 40.0;

/// A threshold with its label.
struct ThresholdMark {
    at: f64,
    name: &'static str,
    colour: &'static str,
}

fn marks(response: &SuggestThresholdResponse) -> Vec<ThresholdMark> {
    let mut marks = vec![ThresholdMark {
        at: f64::from(response.present_threshold),
        name: "present",
        colour: "#000000",
    }];
    for suggestion in &response.suggestions {
        let (name, colour) = match suggestion.basis() {
            ThresholdBasis::Calibration => ("calibration", "#1f5fa8"),
            ThresholdBasis::JournalLower => ("journal, unknown bad", "#2e8b57"),
            ThresholdBasis::JournalUpper => ("journal, unknown good", "#b22222"),
            ThresholdBasis::Unspecified => ("other", "#666666"),
        };
        let at = suggestion.estimate.unwrap_or_default().threshold;
        marks.push(ThresholdMark { at, name, colour });
    }
    marks
}

fn journal(bin: &ScoreBin) -> u64 {
    bin.pass + bin.review + bin.reject
}

/// Characters of a bar: at least one unless the count is 0.
fn length(count: u64, most: u64, width: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let share = count as f64 / most.max(1) as f64;
    ((share * width as f64).round() as usize).max(1)
}

fn merged(bins: &[ScoreBin]) -> ScoreBin {
    let mut all = bins.first().copied().unwrap_or_default();
    for bin in bins.iter().skip(1) {
        all.to = bin.to;
        all.calibration += bin.calibration;
        all.pass += bin.pass;
        all.review += bin.review;
        all.reject += bin.reject;
    }
    all
}

/// Returns the histogram as text: validation images on the left, the journal's scores in the middle, thresholds
/// on the right. Scores beyond the range are in the first and the last line.
pub fn text(response: &SuggestThresholdResponse) -> String {
    let lines: Vec<ScoreBin> = response.histogram.chunks(PER_LINE).map(merged).collect();
    let most = |count: fn(&ScoreBin) -> u64| lines.iter().map(count).max().unwrap_or(0);
    let (most_calibrated, most_stored) = (most(|bin| bin.calibration), most(journal));
    let marks = marks(response);
    let mut out = String::new();
    for (index, bin) in lines.iter().enumerate() {
        let _ = write!(out, "{:>9.4} |", bin.from);
        if most_calibrated > 0 {
            let bar = "#".repeat(length(bin.calibration, most_calibrated, CALIBRATION_WIDTH));
            let blue = Style::new().fg_color(Some(AnsiColor::Blue.into()));
            let pad = CALIBRATION_WIDTH.saturating_sub(bar.len());
            let _ = write!(out, "{blue}{bar}{blue:#}{}|", " ".repeat(pad));
        }
        if most_stored > 0 {
            out += &stored_bar(bin, most_stored);
        }
        let last = index + 1 == lines.len();
        let here = |mark: &&ThresholdMark| {
            mark.at >= bin.from && (mark.at < bin.to || (last && mark.at <= bin.to))
        };
        for mark in marks.iter().filter(here) {
            let _ = write!(out, " <- {} {:.4}", mark.name, mark.at);
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    if !lines.is_empty() {
        out += "the first and the last line include the scores beyond the range\n";
    }
    if most_calibrated > 0 {
        let _ = writeln!(out, "left: validation images, # up to {most_calibrated}");
    }
    if most_stored > 0 {
        let _ = writeln!(
            out,
            "right: the journal, + PASS, ? REVIEW, x REJECT, up to {most_stored}"
        );
    }
    out
}

fn stored_bar(bin: &ScoreBin, most: u64) -> String {
    let parts = [
        (Decision::Pass, bin.pass, "+"),
        (Decision::Review, bin.review, "?"),
        (Decision::Reject, bin.reject, "x"),
    ];
    let mut out = String::new();
    let mut width = 0;
    for (decision, count, letter) in parts {
        let length = length(count, most, JOURNAL_WIDTH);
        let style = format::decision_style(decision);
        let _ = write!(out, "{style}{}{style:#}", letter.repeat(length));
        width += length;
    }
    out + &" ".repeat(JOURNAL_WIDTH.saturating_sub(width)) + "|"
}

/// Returns the histogram as an SVG file.
pub fn svg(response: &SuggestThresholdResponse) -> String {
    let bins = &response.histogram;
    let low = bins.first().map_or(0.0, |bin| bin.from);
    let high = bins.last().map_or(1.0, |bin| bin.to);
    let x = |score: f64| LEFT + (score - low) / (high - low) * (WIDTH - 2.0 * LEFT);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let base = HEIGHT - BOTTOM;
    let most = |count: fn(&ScoreBin) -> u64| bins.iter().map(count).max().unwrap_or(0).max(1);
    let scale = |most: u64| (base - TOP) / most as f64;
    let (calibrated, stored) = (scale(most(|bin| bin.calibration)), scale(most(journal)));
    for bin in bins {
        let (left, width) = (x(bin.from), x(bin.to) - x(bin.from));
        let mut bottom = base;
        let mut bar = |count: u64, scale: f64, colour: &str, from: f64| {
            let height = count as f64 * scale;
            let top = from - height;
            if count > 0 {
                let _ = writeln!(
                    out,
                    "<rect x=\"{left:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" \
                     height=\"{height:.2}\" fill=\"{colour}\" fill-opacity=\"0.6\"/>"
                );
            }
            top
        };
        bottom = bar(bin.pass, stored, "#2e8b57", bottom);
        bottom = bar(bin.review, stored, "#e0a800", bottom);
        bar(bin.reject, stored, "#b22222", bottom);
        bar(bin.calibration, calibrated, "#1f5fa8", base);
    }
    let _ = writeln!(
        out,
        "<line x1=\"{LEFT}\" y1=\"{base}\" x2=\"{}\" y2=\"{base}\" stroke=\"black\"/>",
        WIDTH - LEFT
    );
    for (score, anchor) in [
        (low, "start"),
        (f64::midpoint(low, high), "middle"),
        (high, "end"),
    ] {
        let _ = writeln!(
            out,
            "<text x=\"{:.2}\" y=\"{}\" text-anchor=\"{anchor}\">{score:.4}</text>",
            x(score),
            base + 16.0
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\">score; blue: validation images; green, yellow, red: PASS, REVIEW, \
         REJECT of the journal; each with its own scale</text>",
        base + 34.0
    );
    let seen = marks(response).into_iter();
    let seen = seen.filter(|mark| (low..=high).contains(&mark.at));
    for (index, mark) in seen.enumerate() {
        let (at, label) = (x(mark.at), 16.0 + 18.0 * index as f64);
        let colour = mark.colour;
        // Towards the middle, where there is space for the text.
        let (anchor, text) = if at > WIDTH / 2.0 {
            ("end", at - 4.0)
        } else {
            ("start", at + 4.0)
        };
        let _ = writeln!(
            out,
            "<line x1=\"{at:.2}\" y1=\"{:.0}\" x2=\"{at:.2}\" y2=\"{base}\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{text:.2}\" y=\"{label:.0}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{} {:.4}</text>",
            label - 10.0,
            mark.name,
            mark.at
        );
    }
    out + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{FalseRejectEstimate, ThresholdSuggestion};

    use super::*;

    fn response() -> SuggestThresholdResponse {
        let bin = |from: f64, calibration, pass, reject| ScoreBin {
            from,
            to: from + 0.25,
            calibration,
            pass,
            reject,
            ..ScoreBin::default()
        };
        SuggestThresholdResponse {
            present_threshold: 0.75,
            suggestions: vec![ThresholdSuggestion {
                basis: ThresholdBasis::Calibration.into(),
                estimate: Some(FalseRejectEstimate {
                    threshold: 0.25,
                    ..FalseRejectEstimate::default()
                }),
                ..ThresholdSuggestion::default()
            }],
            histogram: vec![
                bin(0.0, 10, 1000, 0),
                bin(0.25, 0, 0, 0),
                bin(0.5, 0, 1, 0),
                bin(0.75, 0, 0, 500),
            ],
            ..SuggestThresholdResponse::default()
        }
    }

    #[test]
    fn single_score_among_a_thousand_has_a_bar() {
        let shown = anstream::adapter::strip_str(&text(&response())).to_string();
        let lines: Vec<_> = shown.lines().collect();
        let full = "#".repeat(CALIBRATION_WIDTH);
        let (many, half) = ("+".repeat(JOURNAL_WIDTH), "x".repeat(JOURNAL_WIDTH / 2));
        assert_eq!(
            lines[0],
            format!("   0.0000 |{full}|{many}| <- calibration 0.2500")
        );
        let room = " ".repeat(CALIBRATION_WIDTH);
        let rest = " ".repeat(JOURNAL_WIDTH / 2 - 1);
        assert_eq!(
            lines[1],
            format!("   0.5000 |{room}|+{half}{rest}| <- present 0.7500")
        );
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn drawing_has_each_threshold_once_and_only_finite_coordinates() {
        let drawn = svg(&response());
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
        for label in ["present 0.7500", "calibration 0.2500"] {
            assert_eq!(drawn.matches(label).count(), 1, "{label}");
        }
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        let nothing = svg(&SuggestThresholdResponse::default());
        assert!(!nothing.contains("NaN"), "{nothing}");
    }
}
