//! A server that runs the model (`engine.remote`).
//!
//! A thread owns the connection. It uses a connection only after the server gave the maps of the local engine for test pictures
//! (`probe.rs`), and repeats that every minute. A connection that is lost is never made again without that, so an answer always
//! comes from a server that was checked.

mod plan;
mod probe;
mod server_thread;

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use inspectd_core::manifest::Manifest;
use inspectd_engine::RawMaps;
use inspectd_kserve::{Answer, Error, ServedModel, ServerAddress};
use parking_lot::Mutex;
use thiserror::Error as ThisError;
use tokio::sync::mpsc;

use crate::config::settings;

pub(super) use plan::{Limits, Plan, plan};
pub use probe::Probe;
use server_thread::ServerThread;

/// Name of the provider in verdicts that were judged by a server.
pub const PROVIDER: &str = "kserve";

/// Runs in progress on the server. The inspector waits for one; others were answered by the local engine meanwhile.
const RUNS_LIMIT: usize = 4;

/// Why a server cannot be used as configured.
#[derive(Debug, ThisError)]
pub enum RemoteError {
    /// The file with the certificates of CAs cannot be read.
    #[error("{}: {source}", .path.display())]
    Ca {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The address or the certificates are not valid.
    #[error(transparent)]
    Address(Error),
    /// The thread cannot be started.
    #[error("the thread of the server cannot be started: {0}")]
    Thread(io::Error),
}

/// Whether a server is used.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// It was not checked yet.
    Checking,
    /// It gives the maps of the local engine.
    Used,
    /// It is not used, for this reason.
    Unused(String),
}

/// Why a run on the server gave no maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerFailure {
    /// Whether there was no answer in time.
    pub(super) timed_out: bool,
    /// For people.
    pub(super) reason: String,
}

impl From<&Error> for ServerFailure {
    fn from(error: &Error) -> Self {
        Self {
            timed_out: error.is_timeout(),
            reason: error.to_string(),
        }
    }
}

/// Takes the result of a run.
type Done = Box<dyn FnOnce(Result<RawMaps, ServerFailure>) + Send>;

/// The caller of a run. One that gets no result hears of a failure.
struct Caller(Option<Done>);

impl Caller {
    fn answer(mut self, result: Result<RawMaps, ServerFailure>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(ServerFailure {
                timed_out: false,
                reason: "the server is not used".to_owned(),
            }));
        }
    }
}

/// A run for the server. One that is dropped fails.
struct ServerRun {
    pixels: Vec<u8>,
    count: usize,
    limit: Duration,
    caller: Caller,
}

/// A server that runs one model. Dropping it ends its thread.
#[derive(Debug)]
pub struct RemoteEngine {
    runs: mpsc::Sender<ServerRun>,
    standing: Arc<Mutex<Standing>>,
    /// Whether a run had no answer in time, and none was answered since.
    late: Arc<AtomicBool>,
    name: String,
    url: String,
    timeout: Duration,
    hedge_after: Option<Duration>,
}

impl RemoteEngine {
    /// Checks the address and reads the certificates of CAs; `None` without a server.
    ///
    /// # Errors
    /// When one of them is not usable.
    pub fn address(settings: &settings::Remote) -> Result<Option<ServerAddress>, RemoteError> {
        let Some(url) = &settings.url else {
            return Ok(None);
        };
        let read = |path: &std::path::PathBuf| {
            let path = path.clone();
            fs::read(&path).map_err(|source| RemoteError::Ca { path, source })
        };
        let ca = settings.ca.as_ref().map(read).transpose()?;
        let address = ServerAddress::new(url, ca.as_deref());
        address.map(Some).map_err(RemoteError::Address)
    }

    /// Starts the thread of a server, which connects and checks the server; `None` without a server. `make_probe` runs the local
    /// engine. The server runs batches of all `batch_sizes`.
    ///
    /// # Errors
    /// When the address or the certificates are not usable, the probe cannot be made, or the thread cannot be started.
    pub fn start<E: From<RemoteError>>(
        settings: &settings::Remote,
        manifest: &Manifest,
        batch_sizes: &[usize],
        make_probe: impl FnOnce() -> Result<Probe, E>,
    ) -> Result<Option<Self>, E> {
        let Some(address) = Self::address(settings)? else {
            return Ok(None);
        };
        let own = || manifest.model_id().served_name();
        let model = ServedModel {
            name: settings.model.clone().unwrap_or_else(own),
            version: settings.version.clone(),
            frame_size: [manifest.input.width, manifest.input.height],
            map_size: [manifest.maps.width, manifest.maps.height],
            has_logical: manifest.maps.logical.is_some(),
        };
        let (runs, received) = mpsc::channel(RUNS_LIMIT);
        let remote = Self {
            runs,
            standing: Arc::new(Mutex::new(Standing::Checking)),
            late: Arc::default(),
            name: model.name.clone(),
            url: settings.url.clone().unwrap_or_default(),
            timeout: settings.timeout,
            hedge_after: settings.hedge_after,
        };
        let thread = ServerThread {
            address,
            model,
            probe: make_probe()?,
            batch_sizes: batch_sizes.to_vec(),
            timeout: settings.timeout,
            url: remote.url.clone(),
            standing: Arc::clone(&remote.standing),
            late: Arc::clone(&remote.late),
        };
        thread.start(received).map_err(RemoteError::Thread)?;
        Ok(Some(remote))
    }

    /// Name of the model on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server is used now.
    pub fn is_used(&self) -> bool {
        *self.standing.lock() == Standing::Used
    }

    /// Why the server is not used; `None` if it is, or was not checked yet.
    pub fn unused_reason(&self) -> Option<String> {
        match &*self.standing.lock() {
            Standing::Unused(reason) => Some(format!(
                "the local engine runs the model, not the server at {}: {reason}",
                self.url
            )),
            Standing::Used | Standing::Checking => None,
        }
    }

    /// Maximum time of a run on the server.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Time without an answer after which the local engine runs as well. While the server is late, that is at once: an outage
    /// costs the time limit once, not with each frame until the server is left alone.
    pub(super) fn hedge_after(&self) -> Option<Duration> {
        if self.late.load(Ordering::Relaxed) {
            return Some(Duration::ZERO);
        }
        self.hedge_after
    }

    /// Notes that a run had no answer in time.
    pub(super) fn note_late(&self) {
        self.late.store(true, Ordering::Relaxed);
    }

    /// Sends the pixels of `count` frames to the server. `done` is called with the result, by another thread, after about `limit`
    /// at the latest; at once if the server is not used.
    pub(super) fn run(&self, pixels: Vec<u8>, count: usize, limit: Duration, done: Done) {
        let run = ServerRun {
            pixels,
            count,
            limit,
            caller: Caller(Some(done)),
        };
        // Sent with the lock: after the thread has written that the server is not used, no run follows.
        let standing = self.standing.lock();
        if *standing == Standing::Used {
            // A run that finds no place is dropped.
            let _ = self.runs.try_send(run);
        }
    }
}

/// The maps of an answer, as those of the local engine: without a logical map, it is zeros.
fn raw_maps(model: &ServedModel, answer: Answer, count: usize) -> RawMaps {
    let [width, height] = model.map_size.map(|side| side as usize);
    let logical = answer
        .logical
        .unwrap_or_else(|| vec![0.0; answer.structural.len()]);
    RawMaps {
        structural: answer.structural,
        logical,
        count,
        width,
        height,
    }
}
