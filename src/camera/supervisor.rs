//! The supervisor thread of a camera: opens the source, and reopens it whenever it fails.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use inspectd_core::id::CameraId;
use tracing::{error, warn};

use super::activity::{Activity, Limits};
use super::backoff::Backoff;
use super::capture_status::{CaptureOutcome, CaptureStatus, OpeningResult};
use super::capture_thread::{CaptureJob, Open};
use super::event::{CameraTrouble, Sink};
use super::reporter::{OpeningFailure, Reporter};
use super::sources;
use crate::clock::SharedClock;
use crate::config::settings;
use crate::on_panic::{Failed, OnPanic};

/// Maximum number of abandoned capture threads of a camera that still hang. At the maximum the source is
/// not opened again until one of them has ended.
const ABANDONED_LIMIT: usize = 4;

/// Linux truncates thread names to this many bytes.
const THREAD_NAME_LIMIT: usize = 15;

/// A running camera. Dropping it stops the camera without waiting for its threads.
#[derive(Debug)]
pub struct Camera {
    stop: StopOnDrop,
    clock: SharedClock,
    /// Returns the number of threads that hang.
    supervisor: JoinHandle<usize>,
    /// Nothing is sent: the channel closes when the supervisor ends.
    ended: Receiver<()>,
}

impl Camera {
    /// Starts a camera that has delivered `frames` frames before. Its own threads deliver frames and events to `sink`;
    /// after [`CameraState::Ended`] there are none. The source is reopened until it is finished or the camera is stopped.
    /// `failed` is called if the supervisor panics.
    ///
    /// [`CameraState::Ended`]: super::CameraState::Ended
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start_after(
        frames: u64,
        id: CameraId,
        settings: settings::Camera,
        sink: Arc<dyn Sink>,
        clock: SharedClock,
        failed: Failed,
    ) -> io::Result<Self> {
        let open = Arc::new(sources::open);
        Self::start_opening(frames, id, settings, sink, clock, open, failed)
    }

    /// Like [`Self::start_after`], with the given function to open the source. A panic is not reported.
    #[cfg(test)]
    pub(super) fn start_with(
        frames: u64,
        id: CameraId,
        settings: settings::Camera,
        sink: Arc<dyn Sink>,
        clock: SharedClock,
        open: Arc<Open>,
    ) -> io::Result<Self> {
        Self::start_opening(frames, id, settings, sink, clock, open, Arc::new(|| ()))
    }

    fn start_opening(
        frames: u64,
        id: CameraId,
        settings: settings::Camera,
        sink: Arc<dyn Sink>,
        clock: SharedClock,
        open: Arc<Open>,
        failed: Failed,
    ) -> io::Result<Self> {
        let limits = Limits {
            open: settings.open_timeout,
            read: settings.read_timeout,
        };
        let status = Arc::new(CaptureStatus::new(limits, frames, clock.clone()));
        let (alive, ended) = mpsc::channel();
        let name = thread_name("cam", &id);
        let supervisor = Supervisor {
            backoff: Backoff::new(settings.reopen_after, settings.reopen_after_max),
            reporter: Reporter::new(id.clone(), sink.clone(), clock.clone()),
            abandoned: Vec::new(),
            job: CaptureJob {
                id,
                settings: Arc::new(settings),
                sink,
                status: status.clone(),
                open,
                clock: clock.clone(),
            },
        };
        let supervisor = thread::Builder::new().name(name).spawn(move || {
            let (_alive, _guard) = (alive, OnPanic(failed));
            supervisor.run()
        })?;
        Ok(Self {
            stop: StopOnDrop(status),
            clock,
            supervisor,
            ended,
        })
    }

    /// Number of delivered frames.
    pub fn frames(&self) -> u64 {
        self.stop.0.frames()
    }

    /// The first opening of its source.
    pub fn first_opening(&self) -> FirstOpening {
        FirstOpening(Arc::clone(&self.stop.0))
    }

    /// Asks the camera to stop. Does not wait.
    pub fn stop(&self) {
        self.stop.0.stop();
    }

    /// Has the camera's threads read the clock again, after a test advanced it.
    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.stop.0.wake();
    }

    /// Waits until the camera has ended by itself or after [`Self::stop`], at most until `deadline`.
    /// Returns false if one of its threads is still running: it hangs in its source, or its sink blocks.
    /// After the deadline the camera is asked to stop.
    pub fn join(self, deadline: Instant) -> bool {
        let wait = deadline.saturating_duration_since(self.clock.now().monotonic);
        match self.ended.recv_timeout(wait) {
            Err(RecvTimeoutError::Disconnected) => self.supervisor.join().is_ok_and(|n| n == 0),
            Ok(()) | Err(RecvTimeoutError::Timeout) => false,
        }
    }
}

/// The first opening of a camera's source.
#[derive(Debug)]
pub struct FirstOpening(Arc<CaptureStatus>);

impl FirstOpening {
    /// Waits until the source was opened, or failed to open; at most until `deadline`.
    ///
    /// # Errors
    /// Why it is not open, for people.
    pub fn wait(&self, deadline: Instant) -> Result<(), String> {
        self.0.wait_opened(deadline)
    }
}

/// Stops the camera when dropped.
#[derive(Debug)]
struct StopOnDrop(Arc<CaptureStatus>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// State of the supervisor thread.
struct Supervisor {
    job: CaptureJob,
    backoff: Backoff,
    reporter: Reporter,
    /// Abandoned capture threads, at most [`ABANDONED_LIMIT`]; joined only after they have ended.
    abandoned: Vec<JoinHandle<()>>,
}

impl Supervisor {
    /// Opens the source until it is finished or the camera is stopped; returns the number of threads
    /// that hang.
    fn run(mut self) -> usize {
        while let Err(failure) = self.run_once() {
            let delivered = self.job.status.delivered();
            if delivered {
                self.backoff.reset();
            }
            let pause = self.backoff.pause();
            self.reporter.failed(&failure, delivered, pause);
            if !self.job.status.pause(pause) {
                break;
            }
        }
        self.reap();
        let abandoned = self.abandoned.len();
        if abandoned > 0 {
            warn!(camera = %self.job.id, threads = abandoned, "capture threads did not stop in time; threads abandoned");
        }
        abandoned
    }

    /// Runs one opening from its beginning to its end.
    fn run_once(&mut self) -> Result<(), OpeningFailure> {
        let opening = self.job.status.begin();
        self.reap();
        if self.abandoned.len() >= ABANDONED_LIMIT {
            let reason =
                format!("{ABANDONED_LIMIT} capture threads hang; waiting until one of them ends");
            return Err(stalled(reason));
        }
        self.reporter.opening();
        let job = self.job.clone();
        let capture = thread::Builder::new()
            .name(thread_name("cap", &self.job.id))
            .spawn(move || job.run(opening))
            .map_err(|error| lost(format!("the capture thread cannot be started: {error}")))?;
        let result = self.job.status.supervise();
        if let OpeningResult::Finished(outcome) = result {
            // Reporting the outcome was the thread's last action.
            let _ = capture.join();
            return self.finished(outcome);
        }
        self.abandoned.push(capture);
        match result {
            OpeningResult::Stalled(activity) => Err(stalled(self.exceeded_limit(activity))),
            OpeningResult::Stuck | OpeningResult::Finished(_) => Ok(()),
        }
    }

    fn finished(&self, outcome: CaptureOutcome) -> Result<(), OpeningFailure> {
        match outcome {
            CaptureOutcome::Failed(_) if self.job.status.stopping() => Ok(()),
            CaptureOutcome::Failed(reason) => Err(lost(reason)),
            CaptureOutcome::Stopped => Ok(()),
            CaptureOutcome::Ended => {
                self.reporter.ended();
                Ok(())
            }
        }
    }

    /// Names the limit that an activity exceeded.
    fn exceeded_limit(&self, activity: Activity) -> String {
        let settings = &self.job.settings;
        match activity {
            Activity::Opening => format!("not opened within {:?}", settings.open_timeout),
            Activity::Closing => format!("not closed within {:?}", settings.read_timeout),
            _ => format!("no frame within {:?}", settings.read_timeout),
        }
    }

    /// Joins abandoned threads that have ended.
    fn reap(&mut self) {
        for thread in self.abandoned.extract_if(.., |thread| thread.is_finished()) {
            if thread.join().is_err() {
                error!(camera = %self.job.id, "an abandoned capture thread panicked");
            }
        }
    }
}

fn lost(reason: String) -> OpeningFailure {
    let trouble = CameraTrouble::Lost;
    OpeningFailure { trouble, reason }
}

fn stalled(reason: String) -> OpeningFailure {
    let trouble = CameraTrouble::Stalled;
    OpeningFailure { trouble, reason }
}

fn thread_name(kind: &str, id: &CameraId) -> String {
    let mut name = format!("{kind}-{id}");
    // A camera id is ASCII.
    name.truncate(THREAD_NAME_LIMIT);
    name
}
