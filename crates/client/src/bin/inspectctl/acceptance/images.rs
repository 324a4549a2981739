//! A study of pictures, which are sent to the daemon one after the other.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use inspectd_client::acceptance::Step;
use inspectd_client::proto::Verdict;
use inspectd_client::{Client, Error};
use inspectd_core::bundle::sha256;

use super::recorder::{Recorded, Recorder};
use crate::failure::Failure;

/// How many times a step is tried until it stays without a result.
const ATTEMPTS: usize = 3;

/// How long a daemon that does not answer is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Pause before a picture is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// Measures all steps that are not measured yet. Returns true: nobody can stop in between.
///
/// # Errors
/// When a picture cannot be read or changed, the daemon refuses it or does not answer, or the study cannot be recorded.
pub async fn measure(
    client: &Client,
    folder: &Path,
    recorder: &mut Recorder,
) -> Result<bool, Failure> {
    let camera = recorder.study().header.camera.clone();
    for step in recorder.study().remaining() {
        let picture = read(folder, &step)?;
        for _ in 0..ATTEMPTS {
            let verdict = inspect(client, &picture, &camera).await;
            let verdict = verdict.map_err(|error| with_picture(error, &step))?;
            if recorder.record(&step, &verdict)? == Recorded::Measurement {
                break;
            }
        }
    }
    recorder.finish();
    Ok(true)
}

/// The picture of a step, which must be the one of the plan.
fn read(folder: &Path, step: &Step) -> Result<Vec<u8>, Failure> {
    let picture = step.picture().context("a part without a picture")?;
    let path = folder.join(&picture.path);
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    if sha256(&bytes) != picture.sha256 {
        return Err(anyhow!("{}: has changed since the study was begun", path.display()).into());
    }
    Ok(bytes)
}

/// Has a picture inspected; waits for a daemon that restarts or is busy.
async fn inspect(client: &Client, picture: &[u8], camera: &str) -> Result<Verdict, Error> {
    let begun = Instant::now();
    loop {
        match client.inspect_file(picture.to_vec(), camera).await {
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// A refusal names the picture; other errors do not concern it.
fn with_picture(error: Error, step: &Step) -> Failure {
    match error {
        Error::Refused(refusal) => {
            let name = step.picture().map_or("", |picture| &picture.path);
            anyhow!("{name}: {refusal}").into()
        }
        other => other.into(),
    }
}
