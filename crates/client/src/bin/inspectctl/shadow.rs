//! `inspectctl shadow`: a model or recipe that judges next to the active one, and what it decides otherwise.

mod disagreements;

use std::fmt::Write as _;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::{Args, Subcommand};
use inspectd_client::Client;
use inspectd_client::proto::{GetShadowRequest, ResetShadowRequest, Shadow, ShadowState};

use crate::failure::Failure;
use crate::{decision_matrix, format, json};

/// Arguments of `shadow`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print one JSON object; for `list` one per verdict, one per line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the state of the shadow and its counts; the default.
    Show,
    /// List the verdicts that the shadow decides otherwise, the newest first.
    List(disagreements::List),
    /// Set the counts to zero, and remove the list.
    Reset,
}

/// Runs the subcommand.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        None | Some(Action::Show) => show(client, arguments.json).await,
        Some(Action::List(list)) => disagreements::run(client, list, arguments.json).await,
        Some(Action::Reset) => reset(client).await,
    }
}

async fn show(client: &Client, json: bool) -> Result<(), Failure> {
    let mut models = client.models();
    let call = models.get_shadow(GetShadowRequest {});
    let shadow = client.answer(call).await?.shadow.unwrap_or_default();
    let mut out = anstream::stdout();
    if json {
        return Ok(json::write(&mut out, &json::Shadow::from(&shadow))?);
    }
    Ok(write!(out, "{}", describe(&shadow))?)
}

async fn reset(client: &Client) -> Result<(), Failure> {
    let mut models = client.models();
    let call = models.reset_shadow(ResetShadowRequest {});
    client.answer(call).await?;
    let text = "the counts of the shadow are zero, and its list is empty";
    Ok(writeln!(anstream::stdout(), "{text}")?)
}

fn describe(shadow: &Shadow) -> String {
    let style = state_style(shadow.state());
    let warning = format::warning_style();
    let state = format::shadow_state(shadow.state()).to_uppercase();
    let mut out = format!("shadow    {style}{state}{style:#}\n");
    if !shadow.error.is_empty() {
        let _ = writeln!(out, "          {warning}{}{warning:#}", shadow.error);
    }
    let model = shadow.model.as_ref();
    let since = shadow.since_time.as_ref();
    let _ = writeln!(
        out,
        "model     {}\nrecipe    {}\nsince     {}",
        model.map_or_else(
            || "not loaded".to_owned(),
            |model| format::model(Some(model))
        ),
        format::recipe(shadow.recipe.as_ref()),
        since.map_or_else(|| "no frame yet".to_owned(), format::second)
    );
    let _ = writeln!(
        out,
        "frames    {} judged, {} skipped, {} failed, median {:.1} ms",
        shadow.judged, shadow.skipped, shadow.failed, shadow.median_ms
    );
    let _ = writeln!(
        out,
        "different {} of {} decisions ({} %)",
        shadow.disagreements,
        shadow.judged,
        per_cent(shadow.disagreements, shadow.judged)
    );
    if !shadow.pairs.is_empty() {
        let counts = shadow.pairs.iter();
        let counts = counts.map(|pair| (pair.active(), pair.shadow(), pair.count));
        out.push('\n');
        out += &decision_matrix::render("shadow:", "active", &counts.collect::<Vec<_>>());
    }
    out
}

fn state_style(state: ShadowState) -> Style {
    let colour = match state {
        ShadowState::Running => AnsiColor::Green,
        ShadowState::Failed => AnsiColor::Red,
        ShadowState::Loading | ShadowState::Unspecified => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(colour.into())).bold()
}

/// A share in per cent, with two digits; `-` without frames.
fn per_cent(count: u64, all: u64) -> String {
    match all {
        0 => "-".to_owned(),
        _ => format!("{:.2}", 100.0 * count as f64 / all as f64),
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{Decision, DecisionPair, Model};

    use super::*;

    fn pair(active: Decision, shadow: Decision, count: u64) -> DecisionPair {
        DecisionPair {
            active: active.into(),
            shadow: shadow.into(),
            count,
        }
    }

    fn plain(shadow: &Shadow) -> String {
        anstream::adapter::strip_str(&describe(shadow)).to_string()
    }

    #[test]
    fn shadow_is_described_with_its_decisions() {
        let shadow = Shadow {
            state: ShadowState::Running.into(),
            model: Some(Model {
                name: "cells".to_owned(),
                version: "2".to_owned(),
                sha256: "0123456789abcdef".to_owned(),
                precision: "f32".to_owned(),
            }),
            since_time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 1,
            }),
            judged: 300,
            skipped: 12,
            failed: 1,
            disagreements: 7,
            pairs: vec![
                pair(Decision::Pass, Decision::Pass, 290),
                pair(Decision::Pass, Decision::Reject, 7),
                pair(Decision::Reject, Decision::Reject, 3),
            ],
            median_ms: 41.5,
            ..Shadow::default()
        };
        assert_eq!(
            plain(&shadow),
            "shadow    RUNNING\n\
             model     cells 2 (0123456789ab)\n\
             recipe    none\n\
             since     2026-11-18T11:06:40Z\n\
             frames    300 judged, 12 skipped, 1 failed, median 41.5 ms\n\
             different 7 of 300 decisions (2.33 %)\n\
             \n\
             shadow:        PASS  REVIEW  REJECT  FAULT\n\
             active PASS     290       -       7      -\n\
             active REJECT     -       -       3      -\n"
        );
    }

    #[test]
    fn shadow_that_cannot_be_used_says_why_and_has_no_table() {
        let shadow = Shadow {
            state: ShadowState::Failed.into(),
            error: "shadow.bundle: no such folder".to_owned(),
            ..Shadow::default()
        };
        let text = plain(&shadow);
        assert!(
            text.starts_with(
                "shadow    FAILED\n          shadow.bundle: no such folder\nmodel     not loaded\n"
            ),
            "{text}"
        );
        assert!(
            text.ends_with("different 0 of 0 decisions (- %)\n"),
            "{text}"
        );
    }
}
