//! `inspectctl shadow list`: the verdicts that the shadow decides otherwise.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use comfy_table::Cell;
use inspectd_client::Client;
use inspectd_client::proto::{Decision, Disagreement, ListDisagreementsRequest};

use crate::failure::{Failure, note};
use crate::table::{self, Column, styled};
use crate::{format, image_file, json};

/// Verdicts per call: those whose heatmaps are in one message.
const PAGE: u32 = 100;

/// Arguments of `shadow list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only verdicts of this camera.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    camera: String,
    /// List at most this number of verdicts. The daemon keeps the last 1000.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Also write the heatmaps of the shadow to this folder, as SEQUENCE.jpg.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

/// Lists the verdicts, and writes their heatmaps.
pub async fn run(client: &Client, arguments: &List, json: bool) -> Result<(), Failure> {
    let found = fetch(client, arguments).await?;
    let mut out = anstream::stdout();
    if json {
        for one in &found {
            json::write(&mut out, &json::Disagreement::from(one))?;
        }
    } else {
        write!(out, "{}", describe(&found))?;
    }
    if let Some(folder) = &arguments.save {
        let saved = save(folder, &found)?;
        let heatmaps = format::count(saved, "heatmap");
        note(&format!("{heatmaps} in {}", folder.display()));
    }
    Ok(())
}

/// The verdicts, page by page.
async fn fetch(client: &Client, arguments: &List) -> Result<Vec<Disagreement>, Failure> {
    let mut models = client.models();
    let mut found: Vec<Disagreement> = Vec::new();
    loop {
        let remaining = arguments.limit - found.len() as u32;
        let page_size = remaining.min(PAGE);
        let call = models.list_disagreements(ListDisagreementsRequest {
            page_size,
            before_sequence: found.last().map_or(0, |last| last.sequence),
            camera_id: arguments.camera.clone(),
        });
        let mut page = client.answer(call).await?.disagreements;
        page.truncate(page_size as usize);
        let complete = page.len() < page_size as usize || page_size == remaining;
        found.append(&mut page);
        if complete {
            return Ok(found);
        }
    }
}

/// Writes the heatmaps that are kept, and returns their number.
fn save(folder: &Path, found: &[Disagreement]) -> Result<u64, anyhow::Error> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut saved = 0;
    for one in found.iter().filter(|one| !one.heatmap.is_empty()) {
        let file = folder.join(format!("{}.jpg", one.sequence));
        image_file::write(&file, &one.heatmap)?;
        saved += 1;
    }
    Ok(saved)
}

fn describe(found: &[Disagreement]) -> String {
    const COLUMNS: [Column; 11] = [
        Column::number("sequence"),
        Column::text("camera"),
        Column::text("captured"),
        Column::text("part"),
        Column::text("active"),
        Column::number("score"),
        Column::number("threshold"),
        Column::text("shadow"),
        Column::number("score"),
        Column::number("threshold"),
        Column::text("region"),
    ];
    table::render(COLUMNS, found.iter().map(row).collect())
}

fn row(one: &Disagreement) -> [Cell; 11] {
    let text = |text: &str| Cell::new(if text.is_empty() { "-" } else { text });
    let time = one.capture_time.as_ref();
    [
        Cell::new(one.sequence),
        Cell::new(&one.camera_id),
        Cell::new(time.map_or_else(|| "-".to_owned(), format::second)),
        text(&one.part_id),
        decision(one.active()),
        number(one.active_score),
        number(one.active_threshold),
        decision(one.shadow()),
        number(one.shadow_score),
        number(one.shadow_threshold),
        text(&one.shadow_region),
    ]
}

fn decision(decision: Decision) -> Cell {
    let name = format::decision(decision).to_uppercase();
    styled(name, format::decision_style(decision))
}

fn number(value: f32) -> Cell {
    Cell::new(format!("{value:.4}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disagreement() -> Disagreement {
        Disagreement {
            sequence: 4711,
            camera_id: "top".to_owned(),
            capture_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 1,
            }),
            active: Decision::Pass.into(),
            active_score: 0.25,
            active_threshold: 0.5,
            shadow: Decision::Reject.into(),
            shadow_score: 0.75,
            shadow_threshold: 0.625,
            shadow_region: "pin".to_owned(),
            ..Disagreement::default()
        }
    }

    #[test]
    fn disagreement_has_a_row_with_both_decisions() {
        let table = anstream::adapter::strip_str(&describe(&[disagreement()])).to_string();
        assert_eq!(
            table,
            "sequence  camera  captured              part  active   score  threshold  shadow   score  threshold  region\n    \
             4711  top     2026-11-18T11:06:40Z  -     PASS    0.2500     0.5000  REJECT  0.7500     0.6250  pin\n"
        );
    }

    #[test]
    fn heatmaps_are_written_by_sequence_and_a_missing_one_is_left_out() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("new/maps");
        let with = Disagreement {
            heatmap: vec![1, 2],
            ..disagreement()
        };
        let without = Disagreement {
            sequence: 4712,
            ..disagreement()
        };
        assert_eq!(save(&folder, &[with, without]).expect("written"), 1);
        assert_eq!(fs::read(folder.join("4711.jpg")).expect("a file"), [1, 2]);
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    }
}
