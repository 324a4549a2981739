//! The text of a replay: one line per change, and the summary.

use std::fmt::Write as _;

use inspectd_client::proto::{Decision, ReplayCell, ReplayChange, ReplaySummary};

use crate::{decision_matrix, format};

fn styled_decision(decision: Decision) -> String {
    let style = format::decision_style(decision);
    let word = format::decision(decision).to_uppercase();
    format!("{style}{word}{style:#}")
}

/// Describes a changed decision in one line.
pub fn change(change: &ReplayChange) -> String {
    let time = change.record_time.as_ref().map(format::second);
    let mut line = format!(
        "{}  {:>8}  {:<10}  {} -> {}",
        time.unwrap_or_default(),
        change.sequence,
        if change.camera_id.is_empty() {
            "part"
        } else {
            &change.camera_id
        },
        styled_decision(change.old_decision()),
        styled_decision(change.new_decision())
    );
    if !change.part_id.is_empty() {
        let _ = write!(line, ", part {}", change.part_id);
    }
    match (change.old_score, change.new_score) {
        (Some(old), Some(new)) if old.to_bits() != new.to_bits() => {
            let _ = write!(line, ", score {old:.4} -> {new:.4}");
        }
        (_, Some(new)) => {
            let _ = write!(line, ", score {new:.4}");
        }
        (_, None) => {}
    }
    if let Some(threshold) = change.new_threshold {
        let _ = write!(line, ", threshold {threshold:.4}");
    }
    if !change.region.is_empty() {
        let _ = write!(line, ", in {}", change.region);
    }
    line
}

/// Describes the result of a replay.
pub fn summary(summary: &ReplaySummary, changes: u64) -> String {
    let recipe = summary.recipe.clone().unwrap_or_default();
    let model = summary.model.clone().unwrap_or_default();
    let frames: u64 = summary.frames.iter().map(|cell| cell.count).sum();
    let mut out = format!(
        "recipe {} {} ({}), model {} {} ({})\n",
        recipe.id,
        recipe.version,
        format::short_hash(&recipe.sha256),
        model.name,
        model.version,
        format::short_hash(&model.sha256)
    );
    let _ = writeln!(
        out,
        "{} read, {} judged again: {} by the score, {} by the map; {}",
        format::count(summary.verdicts, "verdict"),
        format::count(frames, "frame"),
        summary.by_score,
        summary.by_map,
        format::count(changes, "changed decision")
    );
    for (name, cells) in [("frames", &summary.frames), ("parts", &summary.parts)] {
        if !cells.is_empty() {
            out.push('\n');
            out += &matrix(name, cells);
        }
    }
    if !summary.skipped.is_empty() {
        out += "\nnot judged again:\n";
        for skipped in &summary.skipped {
            let _ = writeln!(
                out,
                "{:>8}  {}",
                skipped.count,
                format::obstacle_phrase(skipped.obstacle())
            );
        }
    }
    out
}

/// A matrix of decisions: stored in the rows, replayed in the columns.
fn matrix(name: &'static str, cells: &[ReplayCell]) -> String {
    let counts = cells.iter();
    let counts = counts.map(|cell| (cell.old_decision(), cell.new_decision(), cell.count));
    decision_matrix::render(name, "was", &counts.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{ReplayObstacle, ReplaySkipped};

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn change_shows_both_decisions_and_scores() {
        let change = ReplayChange {
            sequence: 7,
            camera_id: "top".into(),
            part_id: "P-1".into(),
            old_decision: Decision::Pass.into(),
            new_decision: Decision::Reject.into(),
            old_score: Some(0.25),
            new_score: Some(0.5),
            new_threshold: Some(0.375),
            region: "pin".into(),
            ..ReplayChange::default()
        };
        assert_eq!(
            plain(&super::change(&change)).trim_start(),
            "7  top         PASS -> REJECT, part P-1, score 0.2500 -> 0.5000, threshold 0.3750, in pin"
        );
    }

    #[test]
    fn summary_is_a_matrix_of_decisions_and_obstacles() {
        let cell = |old: Decision, new: Decision, count| ReplayCell {
            old_decision: old.into(),
            new_decision: new.into(),
            count,
        };
        let summary = ReplaySummary {
            verdicts: 12,
            by_score: 10,
            frames: vec![
                cell(Decision::Pass, Decision::Pass, 7),
                cell(Decision::Pass, Decision::Reject, 1),
                cell(Decision::Reject, Decision::Reject, 2),
            ],
            skipped: vec![ReplaySkipped {
                obstacle: ReplayObstacle::Fault.into(),
                count: 2,
            }],
            ..ReplaySummary::default()
        };
        let shown = plain(&super::summary(&summary, 1));
        let lines: Vec<_> = shown.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "12 verdicts read, 10 frames judged again: 10 by the score, 0 by the map; \
                 1 changed decision",
                "",
                "frames      PASS  REVIEW  REJECT  FAULT",
                "was PASS       7       -       1      -",
                "was REJECT     -       -       2      -",
                "",
                "not judged again:",
                "       2  not judged originally (a FAULT)",
            ]
        );
    }
}
