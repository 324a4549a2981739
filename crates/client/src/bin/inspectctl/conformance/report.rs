//! The results, as a table and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::Cell;
use serde::Serialize;

use super::outcome::Outcome;
use super::scenarios::Scenario;
use crate::table::{Column, render, styled};

/// The page with the rules.
const PAGE: &str = "docs/conformance.md";

/// The scenarios, one line each.
pub fn list(scenarios: &[Scenario]) -> String {
    let rows = scenarios
        .iter()
        .map(|scenario| [scenario.name, scenario.about, scenario.rule].map(Cell::new));
    let columns = ["scenario", "what the client must do", "rule"].map(Column::text);
    render(columns, rows.collect())
}

/// A table, the reasons of the scenarios that failed, and a summary.
pub fn text(outcomes: &[Outcome], verbose: bool) -> String {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let rows = outcomes.iter().map(|outcome| {
        let result = if outcome.passed() {
            styled("passed", colour(AnsiColor::Green))
        } else {
            styled("FAILED", colour(AnsiColor::Red))
        };
        let seconds = Cell::new(format!("{:.1}", outcome.seconds));
        let reason = outcome.failure.as_deref().unwrap_or_default();
        [Cell::new(outcome.name), result, seconds, Cell::new(reason)]
    });
    let columns = [
        Column::text("scenario"),
        Column::text("result"),
        Column::number("seconds"),
        Column::text("reason"),
    ];
    let mut out = render(columns, rows.collect());
    for outcome in outcomes.iter().filter(|_| verbose) {
        let _ = writeln!(out, "\n{}", outcome.name);
        for event in &outcome.events {
            let _ = writeln!(out, "  {event}");
        }
    }
    out.push('\n');
    for outcome in outcomes.iter().filter(|outcome| !outcome.passed()) {
        let _ = writeln!(out, "{}: {PAGE}, {}", outcome.name, outcome.rule);
    }
    let passed = outcomes.iter().filter(|outcome| outcome.passed()).count();
    let _ = writeln!(out, "{passed} of {} scenarios passed", outcomes.len());
    out
}

/// The output of `--json`.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    program: &'a [String],
    passed: bool,
    scenarios: Vec<ScenarioReport<'a>>,
}

/// A scenario in the output of `--json`.
#[derive(Debug, Serialize)]
struct ScenarioReport<'a> {
    name: &'a str,
    passed: bool,
    reason: Option<&'a str>,
    rule: String,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a [String]>,
}

/// The results for programs.
pub fn json<'a>(program: &'a [String], outcomes: &'a [Outcome], verbose: bool) -> Report<'a> {
    let scenario = |outcome: &'a Outcome| ScenarioReport {
        name: outcome.name,
        passed: outcome.passed(),
        reason: outcome.failure.as_deref(),
        rule: format!("{PAGE}, {}", outcome.rule),
        seconds: outcome.seconds,
        events: verbose.then_some(&outcome.events),
    };
    Report {
        program,
        passed: outcomes.iter().all(Outcome::passed),
        scenarios: outcomes.iter().map(scenario).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &'static str, failure: Option<&str>) -> Outcome {
        Outcome {
            name,
            rule: "Delivery",
            failure: failure.map(str::to_owned),
            seconds: 1.25,
            events: vec!["0.100 request".to_owned()],
        }
    }

    #[test]
    fn reason_and_rule_of_a_failed_scenario_are_printed() {
        let outcomes = [
            outcome("delivery", None),
            outcome("gap", Some("no loss was reported")),
        ];
        let text = anstream::adapter::strip_str(&text(&outcomes, false)).to_string();
        assert!(text.contains("delivery  passed      1.2\n"), "{text}");
        assert!(
            text.contains("gap       FAILED      1.2  no loss was reported\n"),
            "{text}"
        );
        assert!(
            text.contains("\ngap: docs/conformance.md, Delivery\n"),
            "{text}"
        );
        assert!(text.ends_with("\n1 of 2 scenarios passed\n"), "{text}");
        assert!(!text.contains("request"), "{text}");
    }

    #[test]
    fn json_has_events_only_on_request() {
        let outcomes = [outcome("gap", Some("no loss"))];
        let program = ["client".to_owned()];
        let of = |verbose| {
            let report = json(&program, &outcomes, verbose);
            serde_json::to_value(report).expect("plain data")
        };
        let report = of(true);
        assert_eq!(report["passed"], false);
        assert_eq!(report["scenarios"][0]["reason"], "no loss");
        assert_eq!(report["scenarios"][0]["events"][0], "0.100 request");
        assert_eq!(of(false)["scenarios"][0].get("events"), None);
    }
}
