//! The challenge by the active model and by a new one, side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::Cell;
use inspectd_client::proto::{ChallengeResult, InstallResult};

use super::place;
use crate::format;
use crate::table::{self, Column, styled};

const COLUMNS: [Column; 3] = [
    Column::text("challenge"),
    Column::text("active model"),
    Column::text("new model"),
];

/// Describes the result of an installation. `accepted`: the new model is active, or would be.
pub fn describe(result: &InstallResult, accepted: bool) -> String {
    let mut out = challenge(result);
    if let Some(installation) = &result.installation {
        let _ = writeln!(
            out,
            "\nactivated: {}, {}, folder {}\nto undo it: inspectctl model undo",
            format::model(installation.model.as_ref()),
            place(installation),
            installation.folder
        );
    } else if accepted {
        out += "\ndry run: nothing is changed, the new model would be activated\n";
    }
    out
}

/// The table of both challenges.
fn challenge(result: &InstallResult) -> String {
    let new = result.challenge.as_ref();
    let active = result.active_challenge.as_ref();
    if new.is_none() && active.is_none() {
        let model = format::model(result.model.as_ref());
        return format!("new model: {model}\nno challenge is configured\n");
    }
    let cells = |of: fn(&ChallengeResult) -> Cell| {
        [active, new].map(|one| one.map_or_else(|| Cell::new("-"), of))
    };
    let row = |name: &str, [active, new]: [Cell; 2]| [Cell::new(name), active, new];
    let mut rows = vec![
        row(
            "model",
            [
                Cell::new(format::model(active.and_then(|one| one.model.as_ref()))),
                Cell::new(format::model(result.model.as_ref())),
            ],
        ),
        row("result", cells(outcome)),
        row(
            "good parts rejected",
            cells(|one| wrong(one.false_rejects, one.good)),
        ),
        row(
            "defective parts passed",
            cells(|one| wrong(one.misses, one.defective)),
        ),
    ];
    rows.extend(failures(active, new));
    table::render(COLUMNS, rows)
}

fn outcome(result: &ChallengeResult) -> Cell {
    let warning = format::warning_style();
    match (result.error.as_str(), result.passed) {
        ("", true) => Cell::new("passed"),
        ("", false) => styled("failed", warning),
        (error, _) => styled(format!("not carried out: {error}"), warning),
    }
}

fn wrong(count: u64, all: u64) -> Cell {
    let text = format!("{count} of {all}");
    match count {
        0 => Cell::new(text),
        _ => styled(text, format::warning_style()),
    }
}

/// A row for each picture that one of the models judged wrongly, by name.
fn failures(active: Option<&ChallengeResult>, new: Option<&ChallengeResult>) -> Vec<[Cell; 3]> {
    let mut pictures: BTreeMap<&str, [Option<&str>; 2]> = BTreeMap::new();
    for (column, result) in [active, new].into_iter().enumerate() {
        for failure in result.into_iter().flat_map(|result| &result.failures) {
            // `dent/a.png: PASS (0.2)`
            let (name, decision) = failure
                .rsplit_once(": ")
                .unwrap_or((failure.as_str(), "wrong"));
            pictures.entry(name).or_default()[column] = Some(decision);
        }
    }
    let cell = |decision: Option<&str>, result: Option<&ChallengeResult>| match decision {
        Some(decision) => styled(decision, format::warning_style()),
        None if result.is_some_and(is_complete) => Cell::new("correct"),
        None => Cell::new("-"),
    };
    pictures
        .into_iter()
        .map(|(name, decisions)| {
            let [of_active, of_new] = decisions;
            [Cell::new(name), cell(of_active, active), cell(of_new, new)]
        })
        .collect()
}

/// Whether all pictures were judged, and all that were judged wrongly are listed.
fn is_complete(result: &ChallengeResult) -> bool {
    let wrong = result.false_rejects + result.misses;
    result.error.is_empty() && result.failures.len() as u64 == wrong
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{Installation, Model};

    use super::*;

    fn model(version: &str) -> Model {
        Model {
            name: "cells".to_owned(),
            version: version.to_owned(),
            sha256: "0123456789abcdef".to_owned(),
            precision: "f32".to_owned(),
        }
    }

    fn result() -> InstallResult {
        InstallResult {
            model: Some(model("2")),
            active_challenge: Some(ChallengeResult {
                passed: true,
                good: 2,
                defective: 3,
                model: Some(model("1")),
                ..ChallengeResult::default()
            }),
            challenge: Some(ChallengeResult {
                passed: false,
                good: 2,
                defective: 3,
                misses: 1,
                failures: vec!["dent/a.png: PASS (0.2)".to_owned()],
                model: Some(model("2")),
                ..ChallengeResult::default()
            }),
            ..InstallResult::default()
        }
    }

    fn plain(result: &InstallResult, accepted: bool) -> String {
        anstream::adapter::strip_str(&describe(result, accepted)).to_string()
    }

    #[test]
    fn both_challenges_are_side_by_side_with_the_failures_by_name() {
        assert_eq!(
            plain(&result(), false),
            "challenge               active model            new model\n\
             model                   cells 1 (0123456789ab)  cells 2 (0123456789ab)\n\
             result                  passed                  failed\n\
             good parts rejected     0 of 2                  0 of 2\n\
             defective parts passed  0 of 3                  1 of 3\n\
             dent/a.png              correct                 PASS (0.2)\n"
        );
    }

    #[test]
    fn picture_is_not_called_correct_if_not_all_failures_are_listed() {
        let mut result = result();
        result.active_challenge.get_or_insert_default().misses = 1;
        let text = plain(&result, false);
        assert!(text.contains("dent/a.png              -  "), "{text}");
        let active = result.active_challenge.get_or_insert_default();
        *active = ChallengeResult {
            error: "no folder".to_owned(),
            ..ChallengeResult::default()
        };
        let text = plain(&result, false);
        assert!(
            text.contains("  not carried out: no folder  failed\n"),
            "{text}"
        );
    }

    #[test]
    fn end_says_what_was_activated_and_how_to_undo_it() {
        let mut result = result();
        let end = "\n\ndry run: nothing is changed, the new model would be activated\n";
        assert!(plain(&result, true).ends_with(end));
        result.activated = true;
        result.installation = Some(Installation {
            model: Some(model("2")),
            recipe_id: "juice".to_owned(),
            folder: "/bundles/cells-2".to_owned(),
            ..Installation::default()
        });
        let end = "\n\nactivated: cells 2 (0123456789ab), bundle of recipe juice, folder /bundles/cells-2\n\
                   to undo it: inspectctl model undo\n";
        let text = plain(&result, true);
        assert!(text.ends_with(end), "{text}");
        let without = InstallResult {
            model: Some(model("2")),
            ..InstallResult::default()
        };
        assert_eq!(
            plain(&without, true),
            "new model: cells 2 (0123456789ab)\nno challenge is configured\n\
             \ndry run: nothing is changed, the new model would be activated\n"
        );
    }
}
