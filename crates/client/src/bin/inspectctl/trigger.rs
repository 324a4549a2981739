//! `inspectctl trigger`: has the next frame of a camera, or of a group's cameras, inspected.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use inspectd_client::proto::trigger_inspection_request::Target;
use inspectd_client::proto::{
    Decision, TriggerInspectionRequest, TriggerInspectionResponse, Verdict,
};

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;
use crate::inspect::{self, Worst};
use crate::json;

/// A frame may wait for its camera, and a part for its last view.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(300);

/// Below the help.
pub const EXIT_CODES: &str = "\
Exit codes, with --wait:
   0  PASS, or --exit-zero
   2  REJECT
   3  REVIEW
   4  FAULT, or there will be no verdict
Without it 0: accepted. Always:
   1  refused
  64  wrong arguments
  69  no daemon answers";

/// Of `trigger`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A camera whose mode is `requested`.
    #[arg(long, value_name = "ID", required_unless_present = "group")]
    camera: Option<String>,
    /// A group of such cameras.
    #[arg(long, value_name = "ID", conflicts_with = "camera")]
    group: Option<String>,
    /// The part, for the verdict.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    part: String,
    /// Anything else for the verdict to carry.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    data: String,
    /// The request's own name: made again with it, it is the same request.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    idempotency_key: String,
    /// A recipe that is prepared: it is in force from this part on.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    recipe: String,
    /// Wait for the verdict.
    #[arg(long)]
    wait: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    /// End with 0 whatever the decision is.
    #[arg(long)]
    exit_zero: bool,
}

impl Arguments {
    fn request(&self) -> TriggerInspectionRequest {
        let camera = self.camera.clone().map(Target::CameraId);
        let group = self.group.clone().map(Target::GroupId);
        TriggerInspectionRequest {
            target: camera.or(group),
            part_id: self.part.clone(),
            client_data: self.data.clone().into_bytes(),
            idempotency_key: self.idempotency_key.clone(),
            recipe_id: self.recipe.clone(),
            wait: self.wait,
        }
    }
}

/// Asks for it, and prints what came of it.
pub async fn run(daemon: &Daemon, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let limit = if arguments.wait {
        VERDICT_TIMEOUT
    } else {
        ANSWER_TIMEOUT
    };
    let mut inspection = daemon.inspection();
    let call = inspection.trigger_inspection(arguments.request());
    let response = daemon.answer(limit, call).await?;
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
        ", made before with this key"
    } else {
        ""
    };
    let mut out = format!("request {}{before}\n", response.trigger_id);
    match &response.verdict {
        Some(verdict) => out += &inspect::describe(verdict),
        None if waited => {
            let _ = writeln!(out, "there will be no verdict");
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
    Worst::of(decision.unwrap_or(Decision::Fault)).exit_code(exit_zero)
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
    fn one_camera_or_one_group_is_asked_for() {
        let check = |line: &str, expected: Option<Target>| {
            let target = parse(line).and_then(|arguments| arguments.request().target);
            assert_eq!(target, expected, "{line}");
        };
        check("--camera top", Some(Target::CameraId("top".into())));
        check(
            "--group cell --part 7",
            Some(Target::GroupId("cell".into())),
        );
        check("", None);
        check("--camera top --group cell", None);
    }

    #[test]
    fn the_decision_tells_the_exit_code_if_it_is_waited_for() {
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
