//! `inspectctl replay`: what another recipe would have made of stored verdicts.

use std::fmt::Write as _;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use clap::Args;
use inspectd_client::proto::replay_verdicts_request::Recipe;
use inspectd_client::proto::replay_verdicts_response::Event;
use inspectd_client::proto::{
    Decision, InlineRecipe, ReplayCell, ReplayChange, ReplayProgress, ReplaySummary,
    ReplayVerdictsRequest,
};

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;
use crate::json::ReplayEvent;
use crate::table::{self, Cell};
use crate::time_arg::When;
use crate::{format, json};

/// Progress is shown again after so long.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// What the daemon takes at most.
const LARGEST_RECIPE_BYTES: u64 = 1 << 20;

/// Back to the line's beginning, and all of it erased.
const ERASE: &str = "\r\x1b[2K";

/// Of `replay`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A recipe of the daemon's folder, or a file here whose name ends in .toml.
    #[arg(long, value_name = "ID|FILE")]
    recipe: String,
    /// Take the loaded model for the recipe's, whatever bundle it names.
    #[arg(long)]
    loaded_model: bool,
    /// Only this camera's verdicts; may be given again for more. Parts are of no camera.
    #[arg(long = "camera", value_name = "ID")]
    cameras: Vec<String>,
    /// Only verdicts journalled at or after this time, or since so long ago ("2h").
    #[arg(long, value_name = "TIME")]
    from: Option<When>,
    /// Only verdicts journalled before this time, or longer ago than that.
    #[arg(long, value_name = "TIME")]
    to: Option<When>,
    /// Show so many of the changes; --json shows all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    changes: u64,
    /// One JSON object a line, {"change": ...} and at the end {"summary": ...}.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn request(&self, now: SystemTime) -> Result<ReplayVerdictsRequest, anyhow::Error> {
        Ok(ReplayVerdictsRequest {
            recipe: Some(recipe(&self.recipe)?),
            loaded_model: self.loaded_model,
            camera_ids: self.cameras.clone(),
            from_time: self.from.map(|from| from.timestamp(now)),
            to_time: self.to.map(|to| to.timestamp(now)),
        })
    }
}

/// A recipe's id, or the text of its file.
fn recipe(text: &str) -> Result<Recipe, anyhow::Error> {
    let Some(id) = text.strip_suffix(".toml") else {
        return Ok(Recipe::RecipeId(text.to_owned()));
    };
    let id = Path::new(id).file_name().unwrap_or_default();
    let path = std::path::absolute(text).with_context(|| text.to_owned())?;
    let mut toml = String::new();
    std::fs::File::open(&path)
        .and_then(|file| {
            file.take(LARGEST_RECIPE_BYTES + 1)
                .read_to_string(&mut toml)
        })
        .with_context(|| path.display().to_string())?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    Ok(Recipe::Inline(InlineRecipe {
        id: id.to_string_lossy().into_owned(),
        toml,
        folder: folder.display().to_string(),
    }))
}

/// Replays, and shows what changes.
pub async fn run(daemon: &Daemon, arguments: &Arguments) -> Result<(), Failure> {
    let request = arguments.request(SystemTime::now())?;
    let mut tuning = daemon.tuning();
    let call = tuning.replay_verdicts(request);
    let mut events = daemon.answer(ANSWER_TIMEOUT, call).await?;
    let mut view = View::new(arguments, anstream::stdout());
    while let Some(response) = events.message().await.map_err(Failure::of_stream)? {
        match response.event {
            Some(Event::Change(change)) => view.change(&change)?,
            Some(Event::Progress(progress)) => view.progress.show(&progress, Instant::now()),
            Some(Event::Summary(summary)) => return Ok(view.summary(&summary)?),
            None => {}
        }
    }
    view.progress.erase();
    Err(Failure::Lost("the daemon closed it".to_owned()))
}

/// What is shown as the replay goes on.
struct View<W> {
    out: W,
    json: bool,
    /// Changes to show.
    left: u64,
    changes: u64,
    progress: Progress,
}

impl<W: Write> View<W> {
    fn new(arguments: &Arguments, out: W) -> Self {
        Self {
            out,
            json: arguments.json,
            left: arguments.changes,
            changes: 0,
            progress: Progress {
                begun: Instant::now(),
                shown: None,
                visible: std::io::stderr().is_terminal(),
            },
        }
    }

    fn change(&mut self, change: &ReplayChange) -> std::io::Result<()> {
        self.changes += 1;
        if self.json {
            return json::write(&mut self.out, &ReplayEvent::Change(change.into()));
        }
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        self.progress.erase();
        writeln!(self.out, "{}", describe_change(change))
    }

    fn summary(&mut self, summary: &ReplaySummary) -> std::io::Result<()> {
        self.progress.erase();
        if self.json {
            return json::write(&mut self.out, &ReplayEvent::Summary(summary.into()));
        }
        write!(self.out, "{}", describe(summary, self.changes))?;
        self.out.flush()
    }
}

/// How far it is, on a terminal's last line.
struct Progress {
    begun: Instant,
    shown: Option<Instant>,
    visible: bool,
}

impl Progress {
    fn show(&mut self, progress: &ReplayProgress, now: Instant) {
        let due = self.shown.is_none_or(|at| now - at >= PROGRESS_INTERVAL);
        if !self.visible || !due {
            return;
        }
        self.shown = Some(now);
        let line = describe_progress(progress, now - self.begun);
        // There is nobody to tell where it cannot be shown.
        let _ = write!(std::io::stderr(), "{ERASE}{line}");
    }

    fn erase(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "{ERASE}");
        }
    }
}

fn describe_progress(progress: &ReplayProgress, took: Duration) -> String {
    let all = (progress.last_sequence + 1).saturating_sub(progress.first_sequence);
    let done = (progress.at_sequence + 1).saturating_sub(progress.first_sequence);
    let share = if all == 0 {
        1.0
    } else {
        done as f64 / all as f64
    };
    let seconds = took.as_secs_f64().max(1e-3);
    let rate = progress.verdicts as f64 / seconds;
    let left = Duration::from_secs_f64(seconds * (1.0 / share.max(1e-9) - 1.0).clamp(0.0, 1e6));
    let left = left
        .try_into()
        .map_or_else(|_| "-".to_owned(), format::span);
    format!(
        "{:.0} %, {}, {rate:.0} a second, {left} left",
        100.0 * share,
        format::count(progress.verdicts, "verdict")
    )
}

fn styled(decision: Decision) -> String {
    let style = format::decision_style(decision);
    let word = format::decision(decision).to_uppercase();
    format!("{style}{word}{style:#}")
}

fn describe_change(change: &ReplayChange) -> String {
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
        styled(change.old_decision()),
        styled(change.new_decision())
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

fn describe(summary: &ReplaySummary, changes: u64) -> String {
    let recipe = summary.recipe.clone().unwrap_or_default();
    let model = summary.model.clone().unwrap_or_default();
    let frames: u64 = summary.frames.iter().map(|cell| cell.count).sum();
    let mut out = format!(
        "recipe {} {} ({}), model {} {} ({})\n",
        recipe.id,
        recipe.version,
        format::short(&recipe.sha256),
        model.name,
        model.version,
        format::short(&model.sha256)
    );
    let _ = writeln!(
        out,
        "{} read, {} judged once more: {} by the score, {} by the map; {} would have been made",
        format::count(summary.verdicts, "verdict"),
        format::count(frames, "frame"),
        summary.by_score,
        summary.by_map,
        format::count(changes, "other decision")
    );
    for (name, cells) in [("frames", &summary.frames), ("parts", &summary.parts)] {
        if !cells.is_empty() {
            out.push('\n');
            out += &matrix(name, cells);
        }
    }
    if !summary.skipped.is_empty() {
        out += "\nnot judged once more:\n";
        for skipped in &summary.skipped {
            let _ = writeln!(
                out,
                "{:>8}  {}",
                skipped.count,
                format::obstacle_in_words(skipped.obstacle())
            );
        }
    }
    out
}

/// Rows are what verdicts were, columns what they would have been.
fn matrix(name: &str, cells: &[ReplayCell]) -> String {
    const ALL: [Decision; 4] = [
        Decision::Pass,
        Decision::Review,
        Decision::Reject,
        Decision::Fault,
    ];
    let count = |old: Decision, new: Decision| {
        let mut found = cells.iter();
        let found = found.find(|cell| cell.old_decision() == old && cell.new_decision() == new);
        found.map_or(0, |cell| cell.count)
    };
    let row = |old: Decision| {
        let cell = |new: Decision| {
            let count = count(old, new);
            let text = match count {
                0 => "-".to_owned(),
                count => count.to_string(),
            };
            let cell = Cell::number(text);
            if count > 0 && old != new {
                cell.styled(format::decision_style(new))
            } else {
                cell
            }
        };
        let [pass, review, reject, fault] = ALL.map(cell);
        let was = Cell::text(format!("was {}", format::decision(old).to_uppercase()));
        [was, pass, review, reject, fault]
    };
    let occurs = |decision: &Decision| cells.iter().any(|cell| cell.old_decision() == *decision);
    let rows: Vec<_> = ALL.into_iter().filter(occurs).map(row).collect();
    table::render([name, "PASS", "REVIEW", "REJECT", "FAULT"], &rows)
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{ReplayObstacle, ReplaySkipped};

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_recipe_is_an_id_or_a_file() {
        assert_eq!(
            recipe("mx24").expect("an id"),
            Recipe::RecipeId("mx24".into())
        );
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mx24.toml");
        std::fs::write(&file, "product = \"x\"").expect("a file");
        let expected = Recipe::Inline(InlineRecipe {
            id: "mx24".into(),
            toml: "product = \"x\"".into(),
            folder: folder.path().display().to_string(),
        });
        assert_eq!(
            recipe(&file.display().to_string()).expect("a file"),
            expected
        );
        let error = recipe("/nowhere/a.toml").expect_err("no file");
        assert!(
            format!("{error:#}").starts_with("/nowhere/a.toml: "),
            "{error:#}"
        );
    }

    #[test]
    fn changes_say_what_was_and_what_would_have_been() {
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
            plain(&describe_change(&change)).trim_start(),
            "7  top         PASS -> REJECT, part P-1, score 0.2500 -> 0.5000, threshold 0.3750, in pin"
        );
    }

    #[test]
    fn the_end_is_a_matrix() {
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
        let shown = plain(&describe(&summary, 1));
        let lines: Vec<_> = shown.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "12 verdicts read, 10 frames judged once more: 10 by the score, 0 by the map; \
                 1 other decision would have been made",
                "",
                "frames      PASS  REVIEW  REJECT  FAULT",
                "was PASS       7       -       1      -",
                "was REJECT     -       -       2      -",
                "",
                "not judged once more:",
                "       2  not judged in the first place (a FAULT)",
            ]
        );
    }

    #[test]
    fn progress_says_how_long_it_will_take() {
        let progress = ReplayProgress {
            verdicts: 100,
            first_sequence: 101,
            last_sequence: 500,
            at_sequence: 200,
        };
        assert_eq!(
            describe_progress(&progress, Duration::from_secs(10)),
            "25 %, 100 verdicts, 10 a second, 30 s left"
        );
        let nothing = ReplayProgress {
            first_sequence: 5,
            last_sequence: 4,
            at_sequence: 4,
            ..ReplayProgress::default()
        };
        assert_eq!(
            describe_progress(&nothing, Duration::from_secs(1)),
            "100 %, 0 verdicts, 0 a second, 0 s left"
        );
    }
}
