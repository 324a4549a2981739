//! The heatmap of the last rejected part, fetched in the background so that the stream is not delayed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use inspectd_client::Client;
use inspectd_client::proto::{ImageFormat, Verdict};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::{Failure, note};
use crate::image_file;

/// How long the end of a watch waits for a heatmap that is being fetched.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps a file up to date with the heatmap of the newest REJECT. One heatmap is fetched at a time; then the
/// newest of the meantime.
#[derive(Debug)]
pub struct LastReject {
    file: PathBuf,
    newest: watch::Sender<Option<Verdict>>,
    task: JoinHandle<FetchResult>,
}

/// The heatmap written last, and the first failure.
#[derive(Debug, Default)]
struct FetchResult {
    sequence: Option<u64>,
    failure: Option<String>,
}

impl LastReject {
    /// Starts without a REJECT. Must be called inside a runtime.
    pub fn new(client: Client, file: PathBuf) -> Self {
        let (newest, requested) = watch::channel(None);
        let task = tokio::spawn(run(client, file.clone(), requested));
        Self { file, newest, task }
    }

    /// Requests the heatmap of a rejected part.
    pub fn rejected(&self, verdict: &Verdict) {
        self.newest.send_replace(Some(verdict.clone()));
    }

    /// Waits for the heatmap that is being fetched. Returns a line that describes the file.
    pub async fn finish(self) -> Option<String> {
        let Self {
            file,
            newest,
            mut task,
        } = self;
        drop(newest);
        let Ok(joined) = tokio::time::timeout(FINISH_TIMEOUT, &mut task).await else {
            task.abort();
            return Some(format!("no heatmap within {} s", FINISH_TIMEOUT.as_secs()));
        };
        let result = joined.expect("fetching does not panic");
        match (result.sequence, result.failure) {
            (Some(sequence), _) => Some(format!("heatmap of {sequence}: {}", file.display())),
            (None, Some(failure)) => Some(format!("no heatmap: {failure}")),
            (None, None) => None,
        }
    }
}

/// Runs until no more requests can come and the newest heatmap is written.
async fn run(
    client: Client,
    file: PathBuf,
    mut requested: watch::Receiver<Option<Verdict>>,
) -> FetchResult {
    let mut result = FetchResult::default();
    while requested.changed().await.is_ok() {
        let Some(verdict) = requested.borrow_and_update().clone() else {
            continue;
        };
        match write(&client, &verdict, file.clone()).await {
            Ok(()) => {
                if result.sequence.replace(verdict.sequence).is_none() {
                    note(&format!(
                        "the heatmap of the last reject is kept in {}",
                        file.display()
                    ));
                }
            }
            Err(failure) => {
                // Reported once: a full disk stays full.
                if result.failure.replace(failure.to_string()).is_none() {
                    note(&format!(
                        "inspectctl: verdict {}: {failure}",
                        verdict.sequence
                    ));
                }
            }
        }
    }
    result
}

async fn write(client: &Client, verdict: &Verdict, file: PathBuf) -> Result<(), Failure> {
    let evidence = client.evidence(verdict.sequence, ImageFormat::Png).await?;
    if evidence.verdict.run_id != verdict.run_id {
        return Err(anyhow::anyhow!("the daemon was restarted in the meantime").into());
    }
    let heatmap = evidence.heatmap.context("the verdict has no heatmap")?;
    // Decoding and encoding take time, during which the stream must be read.
    let task = tokio::task::spawn_blocking(move || {
        let frame = evidence.frame.unwrap_or_default();
        image_file::write(&file, &image_file::side_by_side(&frame, &heatmap))
    });
    Ok(task.await.context("the image cannot be encoded")??)
}
