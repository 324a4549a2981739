//! `inspectctl model install`: sends a bundle to the daemon, which judges the challenge by it and activates it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures_util::stream;
use inspectd_client::proto::install_model_response::Event;
use inspectd_client::proto::{InstallHeader, InstallResult};
use inspectd_client::{Client, Error};

use super::comparison;
use super::progress::InstallationDisplay;
use super::upload::Upload;
use crate::failure::Failure;
use crate::json;

/// The daemon may answer only when it has the whole graph. 2 GiB take half an hour at 10 Mbit/s. A connection that breaks is
/// noticed earlier.
const UPLOAD_TIMEOUT: Duration = Duration::from_hours(1);

/// Shown below the help.
pub const EXIT_CODES: &str = "\
Exit codes:
   0  the new model is active; with --dry-run: it would be activated
   1  the bundle is not valid, or the daemon refused
   5  the new model did not pass the challenge, and is not active
  64  wrong arguments
  69  no daemon answers, or the connection was lost";

/// Arguments of `model install`.
#[derive(Debug, Args)]
pub struct Install {
    /// Folder of the bundle, with manifest.toml and model.onnx.
    bundle: PathBuf,
    /// Activate the model although no challenge is configured.
    #[arg(long)]
    without_challenge: bool,
    /// Verify and judge only: nothing is changed.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Install {
    /// Whether the new model is active, or would be.
    fn accepts(&self, result: &InstallResult) -> bool {
        let passed = match &result.challenge {
            Some(challenge) => challenge.passed,
            None => self.without_challenge,
        };
        result.activated || (self.dry_run && passed)
    }

    /// A model that is not accepted is a failure of the command.
    fn conclude(&self, result: &InstallResult) -> Result<(), Failure> {
        if self.accepts(result) {
            return Ok(());
        }
        let not = if self.dry_run {
            "would not be activated"
        } else {
            "is not activated"
        };
        Err(Failure::NotActivated(match result.reason.as_str() {
            "" => not.to_owned(),
            reason => format!("{not}: {reason}"),
        }))
    }
}

/// Sends the bundle, and prints how the challenge went with both models.
pub async fn run(client: &Client, arguments: &Install) -> Result<(), Failure> {
    let options = InstallHeader {
        without_challenge: arguments.without_challenge,
        dry_run: arguments.dry_run,
        ..InstallHeader::default()
    };
    let upload = Upload::open(&arguments.bundle, options)?;
    let mut display = InstallationDisplay::new(upload.size());
    let result = send(client, upload, &mut display).await;
    display.finish();
    let result = result?;
    let mut out = anstream::stdout();
    if arguments.json {
        json::write(&mut out, &json::InstallResult::from(&result))?;
    } else {
        let accepted = arguments.accepts(&result);
        write!(out, "{}", comparison::describe(&result, accepted))?;
    }
    arguments.conclude(&result)
}

/// Sends the bundle, and waits for the result.
async fn send(
    client: &Client,
    upload: Upload,
    display: &mut InstallationDisplay,
) -> Result<InstallResult, Error> {
    let mut models = client.models();
    let call = models.install_model(stream::iter(upload.with_bar(display.upload())));
    let mut events = client.answer_within(UPLOAD_TIMEOUT, call).await?;
    while let Some(response) = events
        .message()
        .await
        .map_err(|status| Error::from_stream(&status))?
    {
        match response.event {
            Some(Event::Progress(progress)) => display.show(&progress),
            Some(Event::Result(result)) => return Ok(result),
            None => {}
        }
    }
    Err(Error::stream_closed())
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::ChallengeResult;

    use super::*;

    fn arguments(without_challenge: bool, dry_run: bool) -> Install {
        Install {
            bundle: PathBuf::from("bundle"),
            without_challenge,
            dry_run,
            json: false,
        }
    }

    fn result(activated: bool, challenge: Option<bool>) -> InstallResult {
        InstallResult {
            activated,
            reason: "1 of 2 defective parts passed".to_owned(),
            challenge: challenge.map(|passed| ChallengeResult {
                passed,
                ..ChallengeResult::default()
            }),
            ..InstallResult::default()
        }
    }

    #[test]
    fn dry_run_is_accepted_if_the_challenge_passed() {
        let run = arguments(false, false);
        assert!(run.accepts(&result(true, Some(true))));
        assert!(!run.accepts(&result(false, Some(true))));
        assert!(!run.accepts(&result(false, Some(false))));
        let dry_run = arguments(false, true);
        assert!(dry_run.accepts(&result(false, Some(true))));
        assert!(!dry_run.accepts(&result(false, Some(false))));
        assert!(!dry_run.accepts(&result(false, None)));
        let without_challenge = arguments(true, true);
        assert!(without_challenge.accepts(&result(false, None)));
        assert!(!without_challenge.accepts(&result(false, Some(false))));
    }

    #[test]
    fn failure_has_the_reason_of_the_daemon() {
        let check = |dry_run, expected: &str| {
            let failure = arguments(false, dry_run).conclude(&result(false, Some(false)));
            assert_eq!(failure.expect_err("it failed").to_string(), expected);
        };
        check(
            false,
            "the new model is not activated: 1 of 2 defective parts passed",
        );
        check(
            true,
            "the new model would not be activated: 1 of 2 defective parts passed",
        );
    }
}
