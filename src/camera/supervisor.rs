//! The thread that watches over a camera: has its source opened, and opened anew whenever it fails.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tracing::{error, warn};

use super::activity::{Activity, Limits};
use super::backoff::Backoff;
use super::capture_status::{Outcome, Verdict, Watch};
use super::capture_thread::{Job, Open};
use super::reporter::{Failure, Report};
use super::{CameraTrouble, Sink, sources};
use crate::config::settings;
use inspectd_core::id::CameraId;

/// Capture threads of a camera that were abandoned and still hang. Beyond so many, the source is not
/// opened before one of them has ended.
const HANGING_LIMIT: usize = 4;

/// Linux cuts the names of threads to so many bytes.
const THREAD_NAME_LIMIT: usize = 15;

/// A camera at work. Dropped, it stops, and nobody waits for its end.
#[derive(Debug)]
pub struct Camera {
    stop: Stop,
    /// Gives the number of threads that hang.
    supervisor: JoinHandle<usize>,
    /// Nothing is sent: it closes when the supervisor ends.
    ended: Receiver<()>,
}

impl Camera {
    /// Starts a camera. Frames and events come from its own threads; after [`CameraState::Ended`] there are
    /// none. Its source is opened anew until it comes to its end or the camera is stopped.
    ///
    /// [`CameraState::Ended`]: super::CameraState::Ended
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        id: CameraId,
        settings: settings::Camera,
        sink: Arc<dyn Sink>,
    ) -> io::Result<Self> {
        Self::start_after(0, id, settings, sink)
    }

    /// As [`Self::start`], of a camera that has given `frames` before.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_after(
        frames: u64,
        id: CameraId,
        settings: settings::Camera,
        sink: Arc<dyn Sink>,
    ) -> io::Result<Self> {
        Self::watched(frames, id, settings, sink, Arc::new(sources::open))
    }

    /// How many frames it has given.
    pub fn frames(&self) -> u64 {
        self.stop.0.frames()
    }

    /// As [`Self::start`], with sources of another kind.
    #[cfg(test)]
    pub(super) fn start_with(
        id: CameraId,
        settings: settings::Camera,
        sink: Arc<dyn Sink>,
        open: Arc<Open>,
    ) -> io::Result<Self> {
        Self::watched(0, id, settings, sink, open)
    }

    fn watched(
        frames: u64,
        id: CameraId,
        settings: settings::Camera,
        sink: Arc<dyn Sink>,
        open: Arc<Open>,
    ) -> io::Result<Self> {
        let limits = Limits {
            open: settings.open_timeout,
            read: settings.read_timeout,
        };
        let watch = Arc::new(Watch::after(limits, frames));
        let (alive, ended) = mpsc::channel();
        let name = thread_name("cam", &id);
        let supervisor = Supervisor {
            backoff: Backoff::new(settings.reopen_after, settings.reopen_after_max),
            report: Report::new(id.clone(), sink.clone()),
            hanging: Vec::new(),
            job: Job {
                id,
                settings: Arc::new(settings),
                sink,
                watch: watch.clone(),
                open,
            },
        };
        let supervisor = thread::Builder::new().name(name).spawn(move || {
            let _alive = alive;
            supervisor.run()
        })?;
        Ok(Self {
            stop: Stop(watch),
            supervisor,
            ended,
        })
    }

    /// Asks the camera to stop, at once and without waiting.
    pub fn stop(&self) {
        self.stop.0.stop();
    }

    /// Waits until the camera has ended, of itself or by [`Self::stop`], but not beyond `deadline`.
    /// False if one of its threads is left: it hangs in its source, or its sink lets it wait. Beyond the
    /// deadline the camera is asked to stop.
    pub fn join(self, deadline: Instant) -> bool {
        let wait = deadline.saturating_duration_since(Instant::now());
        match self.ended.recv_timeout(wait) {
            Err(RecvTimeoutError::Disconnected) => self.supervisor.join().is_ok_and(|n| n == 0),
            Ok(()) | Err(RecvTimeoutError::Timeout) => false,
        }
    }
}

/// Whoever lets go of a camera stops it.
#[derive(Debug)]
struct Stop(Arc<Watch>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The state of the thread that watches.
struct Supervisor {
    job: Job,
    backoff: Backoff,
    report: Report,
    /// Capture threads that were abandoned, at most [`HANGING_LIMIT`]: never joined unless finished.
    hanging: Vec<JoinHandle<()>>,
}

impl Supervisor {
    /// Opens the source until it ends or the camera is stopped; returns how many threads hang.
    fn run(mut self) -> usize {
        while let Err(failure) = self.run_once() {
            let delivered = self.job.watch.delivered();
            if delivered {
                self.backoff.reset();
            }
            let pause = self.backoff.pause();
            self.report.failed(&failure, delivered, pause);
            if !self.job.watch.pause(pause) {
                break;
            }
        }
        self.reap();
        let hanging = self.hanging.len();
        if hanging > 0 {
            warn!(camera = %self.job.id, hanging, "capture threads hang and are left behind");
        }
        hanging
    }

    /// One opening, from its beginning to its end.
    fn run_once(&mut self) -> Result<(), Failure> {
        let opening = self.job.watch.begin();
        self.reap();
        if self.hanging.len() >= HANGING_LIMIT {
            let reason = format!("{HANGING_LIMIT} openings hang; waits until one of them ends");
            return Err(stalled(reason));
        }
        self.report.opening();
        let job = self.job.clone();
        let capture = thread::Builder::new()
            .name(thread_name("cap", &self.job.id))
            .spawn(move || job.run(opening))
            .map_err(|error| lost(format!("no thread to capture with: {error}")))?;
        let verdict = self.job.watch.supervise();
        if let Verdict::Finished(outcome) = verdict {
            // Its last word was its last deed.
            let _ = capture.join();
            return self.finished(outcome);
        }
        self.hanging.push(capture);
        match verdict {
            Verdict::Stalled(activity) => Err(stalled(self.excess(activity))),
            Verdict::Stuck | Verdict::Finished(_) => Ok(()),
        }
    }

    fn finished(&self, outcome: Outcome) -> Result<(), Failure> {
        match outcome {
            Outcome::Failed(_) if self.job.watch.stopping() => Ok(()),
            Outcome::Failed(reason) => Err(lost(reason)),
            Outcome::Stopped => Ok(()),
            Outcome::Ended => {
                self.report.ended();
                Ok(())
            }
        }
    }

    /// What took too long.
    fn excess(&self, activity: Activity) -> String {
        let settings = &self.job.settings;
        match activity {
            Activity::Opening => format!("not opened within {:?}", settings.open_timeout),
            Activity::Closing => format!("not closed within {:?}", settings.read_timeout),
            _ => format!("no frame within {:?}", settings.read_timeout),
        }
    }

    /// Lets go of abandoned threads that have ended.
    fn reap(&mut self) {
        for thread in self.hanging.extract_if(.., |thread| thread.is_finished()) {
            if thread.join().is_err() {
                error!(camera = %self.job.id, "an abandoned capture thread panicked");
            }
        }
    }
}

fn lost(reason: String) -> Failure {
    let trouble = CameraTrouble::Lost;
    Failure { trouble, reason }
}

fn stalled(reason: String) -> Failure {
    let trouble = CameraTrouble::Stalled;
    Failure { trouble, reason }
}

fn thread_name(kind: &str, id: &CameraId) -> String {
    let mut name = format!("{kind}-{id}");
    // A camera's id is ASCII.
    name.truncate(THREAD_NAME_LIMIT);
    name
}
