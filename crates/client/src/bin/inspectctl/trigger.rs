//! `inspectctl trigger`: inspects the next frame of a camera, or of all cameras of a group.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use inspectd_client::proto::{Decision, TriggerInspectionResponse, Verdict};
use inspectd_client::{Client, Trigger, TriggerTarget};

use crate::failure::Failure;
use crate::inspect::{self, WorstResult};
use crate::json;

/// A frame may wait for its camera, and a part for its last view.
const VERDICT_TIMEOUT: Duration = Duration::from_mins(5);

/// Shown below the help.
pub const EXIT_CODES: &str = "\
Exit codes, with --wait:
   0  PASS, or --exit-zero
   2  REJECT
   3  REVIEW
   4  FAULT, or a verdict is not possible
Without --wait:
   0  accepted
Always:
   1  refused
  64  wrong arguments
  69  no daemon answers";

/// Arguments of `trigger`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id of a camera in mode `requested`.
    #[arg(long, value_name = "ID", required_unless_present = "group")]
    camera: Option<String>,
    /// Id of a group of such cameras.
    #[arg(long, value_name = "ID", conflicts_with = "camera")]
    group: Option<String>,
    /// Id of the part, returned in the verdict.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    part: String,
    /// Data of the client, returned in the verdict.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    data: String,
    /// Key of the request: a request with the key of an earlier one is the same request.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    idempotency_key: String,
    /// Id of a prepared recipe that judges this part. The active recipe does not change.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    recipe: String,
    /// SHA-256 of that recipe, if only that content of it may judge the part.
    #[arg(
        long,
        value_name = "HASH",
        default_value = "",
        hide_default_value = true,
        requires = "recipe"
    )]
    recipe_sha256: String,
    /// Wait for the verdict.
    #[arg(long)]
    wait: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Exit with 0 for every decision.
    #[arg(long)]
    exit_zero: bool,
}

impl Arguments {
    fn trigger(&self) -> Option<Trigger> {
        let camera = self.camera.clone().map(TriggerTarget::Camera);
        let group = self.group.clone().map(TriggerTarget::Group);
        Some(Trigger {
            part_id: self.part.clone(),
            client_data: self.data.clone().into_bytes(),
            idempotency_key: self.idempotency_key.clone(),
            recipe_id: self.recipe.clone(),
            recipe_sha256: self.recipe_sha256.clone(),
            wait: self.wait.then_some(VERDICT_TIMEOUT),
            ..Trigger::new(camera.or(group)?)
        })
    }
}

/// Triggers the inspection, and prints the request and its verdict.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let trigger = arguments.trigger();
    let trigger = trigger.context("--camera or --group is required")?;
    let response = client.trigger(&trigger).await?;
    let mut out = anstream::stdout();
    if arguments.json {
        json::write(&mut out, &triggered(&response))?;
    } else {
        write!(out, "{}", describe(&response, arguments.wait))?;
    }
    let code = exit_code(&response, arguments.wait, arguments.exit_zero);
    Ok(ExitCode::from(code))
}

fn triggered(response: &TriggerInspectionResponse) -> json::Triggered<'_> {
    json::Triggered {
        trigger_id: &response.trigger_id,
        repeated: response.repeated,
        verdict: response.verdict.as_ref().map(json::Verdict::from),
    }
}

fn describe(response: &TriggerInspectionResponse, waited: bool) -> String {
    let before = if response.repeated {
        ", repeated under its key"
    } else {
        ""
    };
    let mut out = format!("request {}{before}\n", response.trigger_id);
    match &response.verdict {
        Some(verdict) => out += &inspect::describe(verdict),
        None if waited => {
            let _ = writeln!(out, "a verdict is not possible");
        }
        None => {}
    }
    out
}

fn exit_code(response: &TriggerInspectionResponse, waited: bool, exit_zero: bool) -> u8 {
    if !waited {
        return 0;
    }
    let decision = response.verdict.as_ref().map(Verdict::decision);
    WorstResult::of(decision.unwrap_or(Decision::Fault)).exit_code(exit_zero)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(line: &str) -> Option<Arguments> {
        let line = ["trigger"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(line).ok().map(|cli| cli.arguments)
    }

    #[test]
    fn target_is_one_camera_or_one_group() {
        let check = |line: &str, expected: Option<TriggerTarget>| {
            let trigger = parse(line).and_then(|arguments| arguments.trigger());
            let target = trigger.map(|trigger| trigger.target);
            assert_eq!(target, expected, "{line}");
        };
        check("--camera top", Some(TriggerTarget::Camera("top".into())));
        check(
            "--group cell --part 7",
            Some(TriggerTarget::Group("cell".into())),
        );
        check("", None);
        check("--camera top --group cell", None);
    }

    #[test]
    fn decision_selects_the_exit_code_only_with_wait() {
        let check = |decision: Option<Decision>, waited, exit_zero, expected| {
            let response = TriggerInspectionResponse {
                verdict: decision.map(|decision| Verdict {
                    decision: decision.into(),
                    ..Verdict::default()
                }),
                ..TriggerInspectionResponse::default()
            };
            let code = exit_code(&response, waited, exit_zero);
            assert_eq!(code, expected, "{decision:?} {waited}");
        };
        check(Some(Decision::Pass), true, false, 0);
        check(Some(Decision::Reject), true, false, 2);
        check(Some(Decision::Review), true, false, 3);
        check(Some(Decision::Fault), true, false, 4);
        check(None, true, false, 4);
        check(Some(Decision::Reject), true, true, 0);
        check(Some(Decision::Reject), false, false, 0);
        check(None, false, false, 0);
    }
}
