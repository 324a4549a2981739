//! The picture of the last rejected part, fetched beside the stream so that it never slows it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use inspectd_client::proto::{ImageFormat, Verdict};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::Daemon;
use crate::failure::{Failure, note};
use crate::{evidence, image_file};

/// How long the end of a watch may wait for a picture that is under way.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps a file at the newest reject's picture. One is fetched at a time; of those that come meanwhile
/// only the newest is fetched next.
#[derive(Debug)]
pub struct LastReject {
    file: PathBuf,
    newest: watch::Sender<Option<Verdict>>,
    task: JoinHandle<Written>,
}

/// What became of the rejects' pictures.
#[derive(Debug, Default)]
struct Written {
    sequence: Option<u64>,
    failure: Option<String>,
}

impl LastReject {
    /// Begins with no reject. Must be called inside a runtime.
    pub fn new(daemon: Daemon, file: PathBuf) -> Self {
        let (newest, wanted) = watch::channel(None);
        let task = tokio::spawn(keep(daemon, file.clone(), wanted));
        Self { file, newest, task }
    }

    /// Another part was rejected.
    pub fn rejected(&self, verdict: &Verdict) {
        self.newest.send_replace(Some(verdict.clone()));
    }

    /// Waits for what is under way, and says what the file shows.
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
        let written = joined.expect("fetching does not panic");
        match (written.sequence, written.failure) {
            (Some(sequence), _) => Some(format!("heatmap of {sequence}: {}", file.display())),
            (None, Some(failure)) => Some(format!("no heatmap: {failure}")),
            (None, None) => None,
        }
    }
}

/// Ends once nobody can want another picture and the newest one is written.
async fn keep(
    daemon: Daemon,
    file: PathBuf,
    mut wanted: watch::Receiver<Option<Verdict>>,
) -> Written {
    let mut written = Written::default();
    while wanted.changed().await.is_ok() {
        let Some(verdict) = wanted.borrow_and_update().clone() else {
            continue;
        };
        match write(&daemon, &verdict, file.clone()).await {
            Ok(()) => {
                if written.sequence.replace(verdict.sequence).is_none() {
                    note(&format!(
                        "the last reject's heatmap is kept in {}",
                        file.display()
                    ));
                }
            }
            Err(failure) => {
                // Told once: a disk that is full stays full.
                if written.failure.replace(failure.to_string()).is_none() {
                    note(&format!(
                        "inspectctl: verdict {}: {failure}",
                        verdict.sequence
                    ));
                }
            }
        }
    }
    written
}

async fn write(daemon: &Daemon, verdict: &Verdict, file: PathBuf) -> Result<(), Failure> {
    let evidence = evidence::fetch(daemon, verdict.sequence, ImageFormat::Png).await?;
    let run_id = evidence.verdict.unwrap_or_default().run_id;
    if run_id != verdict.run_id {
        return Err(anyhow::anyhow!("the daemon was restarted meanwhile").into());
    }
    // Decoding and encoding take a while; the stream is read on.
    let task = tokio::task::spawn_blocking(move || {
        image_file::write(
            &file,
            &image_file::beside(&evidence.frame, &evidence.heatmap),
        )
    });
    Ok(task.await.context("the picture cannot be made")??)
}
