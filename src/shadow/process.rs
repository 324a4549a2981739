//! The daemon's side of a shadow process.
//!
//! The daemon sends a line with the bundle, then the pixels of each frame. The process answers each with a line of JSON, which
//! the maps follow.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use inspectd_core::frame::Frame;
use inspectd_core::manifest::Manifest;
use inspectd_core::precision::Precision;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::message_line::{receive, send};

/// The hidden command of `inspectd` that runs a shadow process.
pub const COMMAND: &str = "shadow";

/// Longest time for loading a model at the lowest priority.
const LOAD_TIMEOUT: Duration = Duration::from_mins(5);

/// Longest time for a frame at the lowest priority.
const FRAME_TIMEOUT: Duration = Duration::from_mins(1);

/// What a shadow process runs.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Start {
    pub(super) bundle: PathBuf,
    /// Precision of the graph.
    pub(super) precision: Precision,
    /// ONNX Runtime, if the configuration names it.
    pub(super) library: Option<PathBuf>,
    /// CPU threads; 0 for all cores.
    pub(super) threads: usize,
}

/// An answer of a shadow process.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Answer {
    /// The model is loaded.
    Loaded {
        /// SHA-256 of its graph.
        sha256: String,
    },
    /// The maps of the frame follow: structural, then logical, as little-endian floats.
    Maps,
    /// The model cannot be loaded, or the frame cannot be inspected.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Why a shadow process does not answer as it should.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The frame, but not the process, is at fault.
    #[error("{0}")]
    Frame(String),
    /// The process is not usable.
    #[error("the process of the shadow: {0}")]
    Process(String),
}

/// A running shadow process. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct ShadowProcess {
    child: Child,
    connection: BufReader<UnixStream>,
    /// Cells of a map.
    cells: usize,
}

impl ShadowProcess {
    /// Starts a process, which loads the bundle. Must be called by a thread that lives as long as the process: the kernel ends
    /// a process with the thread that started it.
    ///
    /// # Errors
    /// When it cannot be started, or the model cannot be loaded.
    pub(super) fn start(start: &Start, manifest: &Manifest) -> Result<Self, ProcessError> {
        let failed = |error: std::io::Error| ProcessError::Process(error.to_string());
        let (connection, theirs) = UnixStream::pair().map_err(failed)?;
        let child = Command::new("/proc/self/exe")
            .arg0("inspectd")
            .arg(COMMAND)
            .stdin(OwnedFd::from(theirs))
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let mut process = Self {
            child,
            connection: BufReader::new(connection),
            cells: manifest.maps.width as usize * manifest.maps.height as usize,
        };
        process.limit(LOAD_TIMEOUT).map_err(failed)?;
        send(process.connection.get_mut(), start).map_err(failed)?;
        match process.answer()? {
            Answer::Loaded { sha256 } if sha256 == manifest.graph.sha256 => {
                process.limit(FRAME_TIMEOUT).map_err(failed)?;
                Ok(process)
            }
            Answer::Failed { reason } => Err(ProcessError::Process(reason)),
            Answer::Loaded { .. } | Answer::Maps => {
                let reason = "the bundle was changed while it was loaded";
                Err(ProcessError::Process(reason.to_owned()))
            }
        }
    }

    /// Returns the structural and the logical map of a frame of the input size of the model.
    ///
    /// # Errors
    /// When the frame cannot be inspected, or the process is not usable.
    pub(super) fn maps(&mut self, frame: &Frame) -> Result<[Vec<f32>; 2], ProcessError> {
        let failed = |error: std::io::Error| ProcessError::Process(error.to_string());
        // If it has ended, the answer says how.
        let _ = self.connection.get_mut().write_all(frame.rgb());
        match self.answer()? {
            Answer::Maps => {
                let structural = self.map().map_err(failed)?;
                Ok([structural, self.map().map_err(failed)?])
            }
            Answer::Failed { reason } => Err(ProcessError::Frame(reason)),
            Answer::Loaded { .. } => Err(ProcessError::Process("it gave a wrong answer".into())),
        }
    }

    fn map(&mut self) -> std::io::Result<Vec<f32>> {
        let mut bytes = vec![0; self.cells * size_of::<f32>()];
        self.connection.read_exact(&mut bytes)?;
        let values = bytes.as_chunks::<{ size_of::<f32>() }>().0.iter();
        Ok(values.map(|value| f32::from_le_bytes(*value)).collect())
    }

    /// Limits the time until an answer, and that in which the process takes a frame.
    fn limit(&self, limit: Duration) -> std::io::Result<()> {
        let connection = self.connection.get_ref();
        connection.set_read_timeout(Some(limit))?;
        connection.set_write_timeout(Some(limit))
    }

    fn answer(&mut self) -> Result<Answer, ProcessError> {
        let reason = match receive(&mut self.connection) {
            Ok(Some(answer)) => return Ok(answer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => "it does not answer".to_owned(),
            Err(error) if error.kind() != ErrorKind::ConnectionReset => error.to_string(),
            Ok(None) | Err(_) => {
                let _ = self.child.kill();
                match self.child.wait() {
                    Ok(status) => format!("it ended: {status}"),
                    Err(error) => error.to_string(),
                }
            }
        };
        Err(ProcessError::Process(reason))
    }
}

impl Drop for ShadowProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
