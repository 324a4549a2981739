//! Figure of the scores: one histogram per image type.

use super::Figure;
use crate::evaluate::GOOD;
use crate::evaluate::result::Evaluation;
use crate::figure::axis::{Axis, Tick};
use crate::figure::plot::{TEXT, ticks_below};
use crate::figure::{Align, Colour, Drawing};

/// Width in pixels.
const WIDTH: u32 = 640;
/// Number of bins over the whole range of scores.
const BINS: usize = 60;
/// Height of a row in pixels.
const ROW: f32 = 78.0;
/// Height of the highest bar in pixels.
const BARS: f32 = 42.0;
/// Ratio of the largest to the smallest score above which the axis is logarithmic.
const LOG_FROM: f64 = 40.0;

/// Histograms of the scores of each type in rows, with the threshold across all rows.
pub(super) fn score_histogram(evaluation: &Evaluation) -> Figure {
    let kinds: Vec<&str> = evaluation.kinds().collect();
    let (left, right, top) = (22.0, 618.0, 78.0);
    let bottom = top + ROW * kinds.len() as f32;
    let mut drawing = Drawing::new(WIDTH, (bottom + 66.0) as u32, "Scores by type");
    drawing.text(
        "Scores by type",
        (left, 30.0),
        Align::Left,
        24.0,
        Colour::Ink,
    );
    let scale = ScoreScale::of(evaluation, (left, right));
    ticks_below(&mut drawing, &scale.axis, &scale.ticks(), (top, bottom));
    for (row, kind) in kinds.iter().enumerate() {
        histogram(
            &mut drawing,
            evaluation,
            kind,
            &scale,
            top + ROW * row as f32,
        );
    }
    let name = if scale.log {
        "score (log scale)"
    } else {
        "score"
    };
    let below = (f32::midpoint(left, right), bottom + 54.0);
    drawing.text(name, below, Align::Centre, TEXT, Colour::Label);
    threshold(&mut drawing, evaluation, &scale, (left, right), top);
    Figure {
        name: "scores",
        caption:
            "Number of images by score; each type is scaled to its own largest bin. Images to the \
                      right of the dashed line are rejected."
                .to_owned(),
        drawing,
    }
}

/// Horizontal axis of the scores.
struct ScoreScale {
    axis: Axis,
    low: f64,
    high: f64,
    log: bool,
}

impl ScoreScale {
    fn of(evaluation: &Evaluation, sides: (f32, f32)) -> Self {
        let scores = || evaluation.scores.iter().map(|scored| scored.score);
        let low = scores().fold(evaluation.threshold, f64::min);
        let high = scores().fold(evaluation.threshold, f64::max);
        let log = low > 0.0 && high / low > LOG_FROM;
        let place = |score: f64| if log { score.log10() } else { score };
        let (low, high) = (place(low), place(high));
        let room = 0.02 * (high - low).max(f64::MIN_POSITIVE);
        let (low, high) = (low - room, high + room);
        Self {
            axis: Axis::new((low, high), sides),
            low,
            high: if high > low { high } else { low + 1.0 },
            log,
        }
    }

    fn place(&self, score: f64) -> f64 {
        if self.log { score.log10() } else { score }
    }

    fn px(&self, score: f64) -> f32 {
        self.axis.px(self.place(score))
    }

    fn ticks(&self) -> Vec<Tick> {
        if self.log {
            self.axis.log_ticks()
        } else {
            self.axis.ticks(6.0)
        }
    }

    fn bin(&self, score: f64) -> usize {
        let share = (self.place(score) - self.low) / (self.high - self.low);
        ((share * BINS as f64) as usize).min(BINS - 1)
    }

    fn edge(&self, bin: usize) -> f32 {
        let share = bin as f64 / BINS as f64;
        self.axis.px(self.low + share * (self.high - self.low))
    }
}

fn histogram(
    drawing: &mut Drawing,
    evaluation: &Evaluation,
    kind: &str,
    scale: &ScoreScale,
    top: f32,
) {
    let mut bins = [0_u32; BINS];
    let of_kind = || {
        evaluation
            .scores
            .iter()
            .filter(|scored| scored.kind == kind)
    };
    for scored in of_kind() {
        bins[scale.bin(scored.score)] += 1;
    }
    let colour = Colour::Series(usize::from(kind != GOOD));
    let floor = top + ROW - 6.0;
    let fullest = bins.iter().copied().max().unwrap_or(1).max(1);
    for (bin, count) in bins.into_iter().enumerate().filter(|(_, count)| *count > 0) {
        // Keep a single image visible next to a hundred.
        let height = (BARS * count as f32 / fullest as f32).max(2.0);
        let (from, to) = (scale.edge(bin) + 0.5, scale.edge(bin + 1) - 0.5);
        drawing.bar((from, floor - height), (to, floor), colour);
    }
    let [left, right] = [0, BINS].map(|bin| scale.edge(bin));
    drawing.hairline((left, floor), (right, floor), Colour::Frame);
    let rejected = of_kind()
        .filter(|scored| scored.score > evaluation.threshold)
        .count();
    let images = of_kind().count();
    let line = top + 20.0;
    let name = format!("{} ({images})", kind.replace('_', " "));
    drawing.text(&name, (left, line), Align::Left, TEXT, Colour::Ink);
    let word = if kind == GOOD { "rejected" } else { "detected" };
    let note = format!("{rejected} of {images} {word}");
    drawing.text(&note, (right, line), Align::Right, TEXT, Colour::Label);
}

/// Draws the threshold line through the bars of all rows, with its label above.
fn threshold(
    drawing: &mut Drawing,
    evaluation: &Evaluation,
    scale: &ScoreScale,
    (left, right): (f32, f32),
    top: f32,
) {
    let at = scale.px(evaluation.threshold);
    drawing.hairline((at, top - 9.0), (at, top), Colour::Ink);
    for row in 0..evaluation.kinds().count() {
        let floor = top + ROW * (row + 1) as f32 - 6.0;
        drawing.dashes([(at, floor), (at, floor - BARS - 2.0)], Colour::Ink, 1.5);
    }
    let text = format!("threshold {:.3}", evaluation.threshold);
    let (place, align) = if at > f32::midpoint(left, right) {
        ((at + 4.0, top - 16.0), Align::Right)
    } else {
        ((at - 4.0, top - 16.0), Align::Left)
    };
    drawing.text(&text, place, align, TEXT, Colour::Ink);
}
