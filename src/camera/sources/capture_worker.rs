//! The capture process: opens a source and delivers its frames to the daemon that started it.

use std::fs::File;
use std::io::{BufReader, Error as IoError, ErrorKind, Read, Result as IoResult, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::stdio::dup2_stdin;

use super::capture_message::{Answer, Stamp};
use super::error::SourceError;
use super::library_log::LibraryLog;
use super::source::Shot;
use super::video_settings::VideoSettings;
use crate::camera::event::CaptureError;
use crate::camera::redact::redact;
use crate::clock::{SharedClock, SystemClock};
use crate::message_line::{receive, send};

/// Frames of a video after which damage is over: an intact picture begins at least that often, every 10 s of 25 frames
/// each.
const FRAMES_AFTER_DAMAGE: u32 = 250;

/// Runs a capture process: standard input is the connection to the daemon, standard output the memory of the pixels. Ends
/// when the daemon closes the connection, or ends.
///
/// # Errors
/// When the connection fails.
pub fn run() -> IoResult<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let control = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    control.peer_addr().map_err(|_| by_hand())?;
    if is_closed(&control)? {
        // The daemon ended before the kernel knew that this process ends with it.
        return Ok(());
    }
    let memory = File::from(stdout().as_fd().try_clone_to_owned()?);
    dup2_stdin(File::open("/dev/null")?)?;
    // From here on, what libraries print does not get into the pixels.
    let log = LibraryLog::capture()?;
    Worker {
        log,
        damage: None,
        requests: BufReader::new(control.try_clone()?),
        answers: control,
        memory,
        clock: Arc::new(SystemClock),
    }
    .serve()
}

/// Whether the other end of the connection is closed, whatever was received before.
fn is_closed(control: &UnixStream) -> IoResult<bool> {
    let mut polled = [PollFd::new(control, PollFlags::RDHUP)];
    poll(&mut polled, Some(&Timespec::default()))?;
    let closed = PollFlags::RDHUP | PollFlags::HUP;
    Ok(polled[0].revents().intersects(closed))
}

fn by_hand() -> IoError {
    IoError::new(
        ErrorKind::InvalidInput,
        "this command is not for people: the daemon starts it for each camera",
    )
}

struct Worker {
    log: LibraryLog,
    /// Frames since damaged data.
    damage: Option<u32>,
    requests: BufReader<UnixStream>,
    answers: UnixStream,
    memory: File,
    clock: SharedClock,
}

impl Worker {
    fn serve(mut self) -> IoResult<()> {
        let settings: Option<VideoSettings> = receive(&mut self.requests)?;
        let Some(settings) = settings else {
            return Err(by_hand());
        };
        let mut opened = match settings.open(&self.clock) {
            Ok(opened) => opened,
            Err(error) => return self.failed(&error),
        };
        let native_fps = opened.native_fps;
        send(&mut self.answers, &Answer::Opened { native_fps })?;
        let mut first = true;
        // Each request is one byte.
        while self.requests.read(&mut [0])? > 0 {
            if self.damage.is_some() && native_fps.is_none() {
                return self.failed(&SourceError::Damaged);
            }
            let mut shot = match opened.source.read() {
                Ok(Some(shot)) => shot,
                Ok(None) => return send(&mut self.answers, &Answer::Ended),
                Err(error) => return self.failed(&error),
            };
            // A stream may begin between two intact pictures: what comes before the first frame is not part of it.
            let damage = self.log.take_damage().filter(|_| !first);
            first = false;
            if let Some(error) = self.damaged(damage) {
                shot.frame = Err(error);
            }
            self.deliver(shot)?;
        }
        Ok(())
    }

    /// Why a frame is not usable after these messages of the decoder.
    fn damaged(&mut self, damage: Option<String>) -> Option<CaptureError> {
        if let Some(message) = damage {
            self.damage = Some(0);
            return Some(CaptureError::Damaged(message));
        }
        let frames = self.damage? + 1;
        self.damage = (frames < FRAMES_AFTER_DAMAGE).then_some(frames);
        Some(CaptureError::FollowsDamage { frames })
    }

    fn failed(&mut self, error: &SourceError) -> IoResult<()> {
        let reason = redact(&error.to_string());
        send(&mut self.answers, &Answer::Failed { reason })
    }

    fn deliver(&mut self, shot: Shot) -> IoResult<()> {
        let Shot {
            lost,
            moment,
            frame,
            item,
            truth: _,
        } = shot;
        let answer = match frame {
            Ok(frame) => {
                self.memory.write_all_at(frame.rgb(), 0)?;
                Answer::Frame {
                    size: [frame.width(), frame.height()],
                    captured: self.stamp(moment),
                    item,
                    lost,
                }
            }
            Err(error) => Answer::Unusable {
                reason: error.to_string(),
                captured: self.stamp(moment),
                item,
                lost,
            },
        };
        send(&mut self.answers, &answer)
    }

    fn stamp(&self, moment: inspectd_core::moment::Moment) -> Stamp {
        let now = self.clock.now().monotonic;
        Stamp::before_now(now.saturating_duration_since(moment.monotonic))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn closed_connection_is_seen_behind_what_was_received() {
        let (mut daemon, worker) = UnixStream::pair().expect("a pair");
        daemon.write_all(b"settings").expect("sent");
        assert!(!is_closed(&worker).expect("asked"));
        drop(daemon);
        assert!(is_closed(&worker).expect("asked"));
    }
}
