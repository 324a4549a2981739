//! `inspectctl inspect`: inspects image files with the loaded model.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use inspectd_client::proto::{Decision, Region, RegionScore, Verdict};
use inspectd_client::{Client, Error};

use crate::failure::Failure;
use crate::{format, json, verdict_row};

/// Shown below the help.
pub const EXIT_CODES: &str = "\
Exit codes, the first that applies to any of the images:
   1  cannot be read, or was refused
   4  FAULT
   2  REJECT
   3  REVIEW
   0  all PASS, or --exit-zero
  64  wrong arguments
  69  no daemon answers";

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Image files: PNG, JPEG, TIFF or BMP.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Apply the crop, rotation and thresholds of this camera.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    camera: String,
    /// Print one JSON object per image, one per line.
    #[arg(long)]
    json: bool,
    /// Exit with 0 for every decision.
    #[arg(long)]
    exit_zero: bool,
}

/// The worst result of several images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorstResult {
    /// All images are PASS.
    Pass,
    /// One is REVIEW.
    Review,
    /// One is REJECT.
    Reject,
    /// One is a FAULT.
    Fault,
    /// One could not be read, or was refused.
    Failed,
}

impl WorstResult {
    /// The result of one image.
    pub fn of(decision: Decision) -> Self {
        match decision {
            Decision::Pass => Self::Pass,
            Decision::Review => Self::Review,
            Decision::Reject => Self::Reject,
            // A decision unknown to this version must not be taken for PASS.
            Decision::Fault | Decision::Unspecified => Self::Fault,
        }
    }

    /// Returns the exit code.
    pub fn exit_code(self, exit_zero: bool) -> u8 {
        match self {
            Self::Failed => 1,
            _ if exit_zero => 0,
            Self::Pass => 0,
            Self::Reject => 2,
            Self::Review => 3,
            Self::Fault => 4,
        }
    }
}

/// Inspects the images one after the other. One that fails does not stop the others.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut worst = WorstResult::Pass;
    for path in &arguments.images {
        let result = match inspect(client, path, &arguments.camera).await {
            Ok(verdict) => {
                print(path, &verdict, arguments.json)?;
                WorstResult::of(verdict.decision())
            }
            Err(failure @ (Failure::Client(Error::Refused(_)) | Failure::Local(_))) => {
                let failure = anyhow::Error::from(failure).context(path.display().to_string());
                Failure::Local(failure).report();
                WorstResult::Failed
            }
            Err(failure) => return Err(failure),
        };
        worst = worst.max(result);
    }
    Ok(ExitCode::from(worst.exit_code(arguments.exit_zero)))
}

async fn inspect(client: &Client, path: &Path, camera: &str) -> Result<Verdict, Failure> {
    let bytes = std::fs::read(path).context("cannot be read")?;
    Ok(client.inspect_file(bytes, camera).await?)
}

fn print(path: &Path, verdict: &Verdict, json: bool) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    let image = path.display().to_string();
    if !json {
        return Ok(write!(out, "{image}: {}", describe(verdict))?);
    }
    let inspected = json::Inspected {
        image: &image,
        verdict: verdict.into(),
    };
    Ok(json::write(&mut out, &inspected)?)
}

/// Describes a verdict in full.
pub fn describe(verdict: &Verdict) -> String {
    let style = format::decision_style(verdict.decision());
    let decision = format::decision(verdict.decision()).to_uppercase();
    let mut out = format!("{style}{decision}{style:#}");
    if let Some(score) = &verdict.score {
        let _ = write!(
            out,
            ", score {:.4} (structural {:.4}, logical {:.4}), threshold {:.4}",
            score.value, score.structural, score.logical, score.threshold
        );
        if let Some(from) = score.review_from {
            let _ = write!(out, ", review from {from:.4}");
        }
    }
    if let Some(fault) = &verdict.fault {
        let _ = write!(
            out,
            ", {}: {}",
            format::fault_reason(fault.reason()),
            fault.message
        );
    }
    let _ = write!(out, "\n  verdict {}", verdict.sequence);
    if !verdict.part_id.is_empty() {
        let _ = write!(out, ", part {}", verdict.part_id);
    }
    if verdict.views.is_empty() {
        let _ = writeln!(
            out,
            ", {}x{} pixels, on {}",
            verdict.width, verdict.height, verdict.provider
        );
    } else {
        let _ = writeln!(out, "\n  views: {}", verdict_row::views(&verdict.views));
    }
    let scores = verdict.score.iter().flat_map(|score| &score.regions);
    // Without regions of the recipe it would repeat the score.
    if scores.clone().count() > 1 {
        for score in scores {
            let _ = writeln!(out, "  {}", describe_score(score));
        }
    }
    for (index, region) in verdict.regions.iter().enumerate() {
        let _ = writeln!(out, "  region {}: {}", index + 1, describe_region(region));
    }
    if let Some(timings) = timings(verdict) {
        let _ = writeln!(out, "  {timings}");
    }
    out
}

/// Describes the score of a recipe region, or of the rest of the frame.
fn describe_score(score: &RegionScore) -> String {
    let style = format::decision_style(score.decision());
    let decision = format::decision(score.decision()).to_uppercase();
    let place = match score.region.as_str() {
        "" => "the rest",
        name => name,
    };
    let value = score.value.map(|value| format!("score {value:.4}"));
    let value = value.unwrap_or_else(|| "no score".to_owned());
    format!(
        "{place}: {style}{decision}{style:#}, {value}, threshold {:.4}",
        score.threshold
    )
}

fn describe_region(region: &Region) -> String {
    let kind = format::kind(region.kind());
    let mut line = format!(
        "{kind}, peak {:.4}, area {:.2} %",
        region.peak,
        100.0 * region.area
    );
    if !region.region.is_empty() {
        let _ = write!(line, ", in {}", region.region);
    }
    if let Some(bounds) = region.r#box {
        let _ = write!(
            line,
            ", x {:.3} to {:.3}, y {:.3} to {:.3}",
            bounds.left,
            bounds.left + bounds.width,
            bounds.top,
            bounds.top + bounds.height
        );
    }
    line
}

fn timings(verdict: &Verdict) -> Option<String> {
    let timings = verdict.timings.as_ref()?;
    let stages = [
        ("total", timings.total),
        ("queue", timings.queue),
        ("preprocess", timings.preprocess),
        ("inference", timings.inference),
        ("judge", timings.judge),
    ];
    let stages: Vec<_> = stages
        .into_iter()
        .filter_map(|(name, time)| Some(format!("{name} {:.1}", format::milliseconds(time?))))
        .collect();
    (!stages.is_empty()).then(|| format!("ms: {}", stages.join(", ")))
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{AnomalyKind, Box, Fault, FaultReason, Score, Timings, View};

    use super::*;

    #[test]
    fn worst_image_selects_the_exit_code() {
        let check = |images: &[WorstResult], exit_zero, expected| {
            let worst = images.iter().copied().max().expect("clap requires one");
            assert_eq!(worst.exit_code(exit_zero), expected, "{images:?}");
        };
        check(&[WorstResult::Pass], false, 0);
        check(&[WorstResult::Pass, WorstResult::Review], false, 3);
        check(&[WorstResult::Review, WorstResult::Reject], false, 2);
        check(&[WorstResult::Fault, WorstResult::Reject], false, 4);
        check(&[WorstResult::Failed, WorstResult::Fault], false, 1);
        check(&[WorstResult::Fault, WorstResult::Reject], true, 0);
        check(&[WorstResult::Failed, WorstResult::Pass], true, 1);
        check(&[WorstResult::of(Decision::Unspecified)], false, 4);
    }

    fn check(verdict: &Verdict, expected: &str) {
        let shown = anstream::adapter::strip_str(&describe(verdict)).to_string();
        assert_eq!(shown, expected);
    }

    #[test]
    fn reject_shows_its_regions_and_times() {
        let verdict = Verdict {
            sequence: 7,
            decision: Decision::Reject.into(),
            score: Some(Score {
                value: 0.75,
                structural: 0.5,
                logical: 0.25,
                threshold: 0.5,
                review_from: Some(0.4),
                dominant: AnomalyKind::Structural.into(),
                ..Default::default()
            }),
            regions: vec![Region {
                r#box: Some(Box {
                    left: 0.25,
                    top: 0.5,
                    width: 0.25,
                    height: 0.25,
                }),
                area: 0.0125,
                peak: 0.75,
                kind: AnomalyKind::Structural.into(),
                ..Default::default()
            }],
            provider: "cpu".into(),
            timings: Some(Timings {
                total: Some(prost_types::Duration {
                    seconds: 0,
                    nanos: 12_300_000,
                }),
                ..Timings::default()
            }),
            width: 640,
            height: 480,
            ..Verdict::default()
        };
        check(
            &verdict,
            "REJECT, score 0.7500 (structural 0.5000, logical 0.2500), threshold 0.5000, review from 0.4000\n\
             \x20 verdict 7, 640x480 pixels, on cpu\n\
             \x20 region 1: structural, peak 0.7500, area 1.25 %, x 0.250 to 0.500, y 0.500 to 0.750\n\
             \x20 ms: total 12.3\n",
        );
    }

    #[test]
    fn part_shows_its_views_and_frame_its_recipe_regions() {
        let part = Verdict {
            sequence: 9,
            part_id: "P-1".into(),
            decision: Decision::Pass.into(),
            views: vec![View {
                camera_id: "left".into(),
                decision: Decision::Pass.into(),
                ..View::default()
            }],
            ..Verdict::default()
        };
        check(&part, "PASS\n  verdict 9, part P-1\n  views: left PASS\n");
        let score = |region: &str, value| RegionScore {
            region: region.into(),
            value,
            threshold: 0.5,
            decision: Decision::Pass.into(),
            ..RegionScore::default()
        };
        let frame = Verdict {
            sequence: 8,
            decision: Decision::Pass.into(),
            score: Some(Score {
                regions: vec![score("pin", Some(0.25)), score("", None)],
                ..Score::default()
            }),
            ..Verdict::default()
        };
        let shown = anstream::adapter::strip_str(&describe(&frame)).to_string();
        for line in [
            "\n  pin: PASS, score 0.2500, threshold 0.5000\n",
            "\n  the rest: PASS, no score, threshold 0.5000\n",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
    }

    #[test]
    fn fault_shows_its_reason() {
        let verdict = Verdict {
            sequence: 8,
            decision: Decision::Fault.into(),
            fault: Some(Fault {
                reason: FaultReason::Engine.into(),
                message: "the model returned NaN".into(),
            }),
            provider: "cuda".into(),
            width: 64,
            height: 64,
            ..Verdict::default()
        };
        check(
            &verdict,
            "FAULT, engine: the model returned NaN\n  verdict 8, 64x64 pixels, on cuda\n",
        );
    }
}
