//! The daemon's side of a capture process.
//!
//! OpenCV, FFMPEG, GStreamer and drivers can hang for ever or crash, and FFMPEG holds a lock of its process while it opens
//! a source. So each of their sources is read by a process of its own, which can be ended from outside: a source that
//! hangs or crashes affects no other camera and leaves nothing behind. Folders and the simulator are read by this process.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use inspectd_core::frame::{CHANNELS, Frame};
use rustix::fs::{MemfdFlags, memfd_create};

use super::capture_message::{Answer, Stamp};
use super::error::SourceError;
use super::library_log;
use super::source::{Shot, Source, Timeouts};
use super::video_settings::{OpenedVideo, VideoSettings};
use crate::camera::event::CaptureError;
use crate::clock::SharedClock;
use crate::message_line::{receive, send};

/// The hidden command of `inspectd` that runs a capture process.
pub const COMMAND: &str = "capture";

/// The limits of the process are longer than the supervisor's by this margin: the supervisor reports the stall first, and
/// the process is ended afterwards.
const MARGIN: Duration = Duration::from_secs(1);

/// Time for closing the source; then the process is killed.
const CLOSING: Duration = Duration::from_secs(1);

/// A running capture process. It ends when this is dropped.
struct CaptureProcess {
    process: Child,
    control: BufReader<UnixStream>,
    /// The pixels of the last frame.
    memory: File,
    clock: SharedClock,
    /// Whether it is killed without time for closing.
    hangs: bool,
}

/// Starts a process that opens the source.
///
/// # Errors
/// When the process cannot be started or ends, or the source cannot be opened.
pub fn open(settings: &VideoSettings, clock: &SharedClock) -> Result<OpenedVideo, SourceError> {
    let Timeouts { open, read } = settings.timeouts;
    let mut capture = CaptureProcess::start(settings, clock)?;
    capture.limit(open)?;
    send(capture.control.get_mut(), settings).map_err(SourceError::Process)?;
    match capture.answer()? {
        Answer::Opened { native_fps } => {
            capture.limit(read)?;
            let source = Box::new(capture);
            Ok(OpenedVideo { source, native_fps })
        }
        answer => Err(unexpected(&answer)),
    }
}

impl CaptureProcess {
    fn start(settings: &VideoSettings, clock: &SharedClock) -> Result<Self, SourceError> {
        let (control, theirs) = UnixStream::pair().map_err(SourceError::Process)?;
        let memory = memfd_create("inspectd-frame", MemfdFlags::CLOEXEC);
        let memory = File::from(memory.map_err(|error| SourceError::Process(error.into()))?);
        let shared = memory.try_clone().map_err(SourceError::Process)?;
        // This executable, even if its file was replaced meanwhile. In a process group of its own it does not get the
        // signals of a terminal: the daemon ends it.
        let process = library_log::configure(&mut Command::new("/proc/self/exe"))
            .arg0("inspectd")
            .arg(COMMAND)
            .envs(settings.environment())
            .stdin(OwnedFd::from(theirs))
            .stdout(shared)
            .process_group(0)
            .spawn()
            .map_err(SourceError::Process)?;
        Ok(Self {
            process,
            control: BufReader::new(control),
            memory,
            clock: clock.clone(),
            hangs: false,
        })
    }

    /// Limits the time until an answer.
    fn limit(&self, limit: Duration) -> Result<(), SourceError> {
        let limited = self
            .control
            .get_ref()
            .set_read_timeout(Some(limit + MARGIN));
        limited.map_err(SourceError::Process)
    }

    fn answer(&mut self) -> Result<Answer, SourceError> {
        match receive(&mut self.control) {
            Ok(Some(Answer::Failed { reason })) => Err(SourceError::Reported(reason)),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.ended()),
            // It ended before it had read the last request.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(self.ended()),
            Err(error) => {
                self.hangs = true;
                Err(match error.kind() {
                    ErrorKind::WouldBlock => SourceError::ProcessHangs,
                    _ => SourceError::Process(error),
                })
            }
        }
    }

    /// How the process ended, which has closed its side of the socket: it ends, or is about to.
    fn ended(&mut self) -> SourceError {
        let _ = self.process.kill();
        match self.process.wait() {
            Ok(status) => SourceError::ProcessEnded(status),
            Err(error) => SourceError::Process(error),
        }
    }

    fn shot(
        &self,
        captured: Stamp,
        frame: Result<Frame, CaptureError>,
        item: String,
        lost: u64,
    ) -> Shot {
        Shot {
            lost,
            moment: self.clock.now().before(captured.age()),
            frame,
            item,
            truth: String::new(),
        }
    }

    fn pixels(&self, [width, height]: [u32; 2]) -> Result<Frame, SourceError> {
        let mut rgb = vec![0; width as usize * height as usize * CHANNELS];
        self.memory
            .read_exact_at(&mut rgb, 0)
            .map_err(SourceError::Process)?;
        let frame = Frame::new(width, height, rgb);
        Ok(frame.expect("the other side has sent a frame of this size"))
    }
}

impl Source for CaptureProcess {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        // If it has ended, the answer says why.
        let _ = self.control.get_mut().write_all(b"\n");
        Ok(match self.answer()? {
            Answer::Frame {
                size,
                captured,
                item,
                lost,
            } => Some(self.shot(captured, Ok(self.pixels(size)?), item, lost)),
            Answer::Unusable {
                reason,
                captured,
                item,
                lost,
            } => Some(self.shot(captured, Err(CaptureError::Unusable(reason)), item, lost)),
            Answer::Ended => None,
            answer => return Err(unexpected(&answer)),
        })
    }
}

fn unexpected(answer: &Answer) -> SourceError {
    SourceError::Reported(format!(
        "the capture process gave a wrong answer: {answer:?}"
    ))
}

impl Drop for CaptureProcess {
    fn drop(&mut self) {
        let control = self.control.get_mut();
        if !self.hangs && control.shutdown(Shutdown::Write).is_ok() {
            // It closes the source and ends, which closes the connection.
            let _ = control.set_read_timeout(Some(CLOSING));
            let _ = control.read(&mut [0]);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
