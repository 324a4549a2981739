//! What the libraries of a capture process print: FFMPEG reports damaged and lost data there and nowhere else.
//!
//! With unsafe code: what C code prints waits in a buffer of the C library, which only its `fflush` empties.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{Result as IoResult, Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::ptr;

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::stdio::{dup2_stderr, dup2_stdout};

use crate::camera::redact::redact;

/// Bytes after which a file is emptied.
const LENGTH: u64 = 1 << 20;

/// Environment variable with the level of FFMPEG's messages, which OpenCV then prints on standard output.
const LEVEL_VARIABLE: &str = "OPENCV_FFMPEG_LOGLEVEL";

/// `AV_LOG_DEBUG`: FFMPEG does not report a missing picture of H.264 at a lower level.
const DEBUG: &str = "48";

/// What OpenCV writes before a message of FFMPEG; the level follows.
const FFMPEG: &str = "[OPENCV:FFMPEG:";

/// `AV_LOG_ERROR`: the messages up to this level are passed on.
const ERROR_LEVEL: u32 = 16;

/// Parts of messages about damaged and lost data.
const DAMAGE: [&str; 9] = [
    "error while decoding",
    "Error at MB",
    "damaged at",
    "Could not find ref",
    "Missing reference picture",
    "overread",
    // Slices of a picture are missing.
    "concealing",
    // Pictures of H.264 are missing.
    "Frame num gap",
    // Packets of RTP over UDP are missing.
    "RTP: missed",
];

/// Makes the capture process print what [`LibraryLog`] reads.
pub fn configure(command: &mut Command) -> &mut Command {
    command.env(LEVEL_VARIABLE, DEBUG)
}

/// Standard output and error as files in memory: nothing that prints waits, and what was printed during a read is known
/// after it.
pub struct LibraryLog {
    /// Standard output, on which OpenCV prints the messages of FFMPEG.
    ffmpeg: Printed,
    /// Standard error, on which other libraries print.
    other: Printed,
    /// The standard error of the process before.
    original: File,
}

impl LibraryLog {
    /// Redirects standard output and error of this process.
    ///
    /// # Errors
    /// When the system cannot create a file in memory.
    pub fn capture() -> IoResult<Self> {
        let original = File::from(stderr().as_fd().try_clone_to_owned()?);
        let (ffmpeg, other) = (Printed::new()?, Printed::new()?);
        dup2_stdout(&ffmpeg.file)?;
        dup2_stderr(&other.file)?;
        Ok(Self {
            ffmpeg,
            other,
            original,
        })
    }

    /// Passes on what was printed since the last call, without passwords; returns the first message about damaged or lost
    /// data.
    pub fn take_damage(&mut self) -> Option<String> {
        // SAFETY: a null pointer stands for all streams, and the function may be called from any thread.
        unsafe { libc::fflush(ptr::null_mut()) };
        let (ffmpeg, other) = (self.ffmpeg.take(), self.other.take());
        let errors = ffmpeg.lines().filter(|line| is_error(line));
        let passed_on = errors.chain(other.lines()).map(|line| redact(line) + "\n");
        // The reader of standard error may have ended.
        let _ = self
            .original
            .write_all(passed_on.collect::<String>().as_bytes());
        let mut lines = ffmpeg.lines().chain(other.lines());
        lines.find(|line| reports_damage(line)).map(redact)
    }
}

impl Drop for LibraryLog {
    fn drop(&mut self) {
        // Passes on the rest.
        let _ = self.take_damage();
    }
}

/// A file in memory that is written at its end.
struct Printed {
    file: File,
    /// Bytes that were taken.
    taken: u64,
}

impl Printed {
    fn new() -> IoResult<Self> {
        let file = File::from(memfd_create("inspectd-capture-log", MemfdFlags::CLOEXEC)?);
        // Writing continues at the beginning after the file was emptied.
        fcntl_setfl(&file, OFlags::APPEND)?;
        Ok(Self { file, taken: 0 })
    }

    /// What was written since the last call.
    fn take(&mut self) -> String {
        let length = self.file.metadata().map_or(0, |file| file.len());
        let mut bytes = vec![0; length.saturating_sub(self.taken) as usize];
        if bytes.is_empty() || self.file.read_exact_at(&mut bytes, self.taken).is_err() {
            return String::new();
        }
        self.taken = length;
        if length > LENGTH && self.file.set_len(0).is_ok() {
            self.taken = 0;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Whether a line is a message of FFMPEG about an error.
fn is_error(line: &str) -> bool {
    let level = line.strip_prefix(FFMPEG).and_then(|rest| rest.get(..2));
    let level = level.and_then(|level| level.parse::<u32>().ok());
    level.is_some_and(|level| level <= ERROR_LEVEL)
}

/// Whether a message says that data are damaged or missing.
fn reports_damage(line: &str) -> bool {
    DAMAGE.iter().any(|part| line.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_about_damaged_and_lost_data_are_recognised() {
        for (line, expected) in [
            (
                "[OPENCV:FFMPEG:16] error while decoding MB 6 0, bytestream 754",
                true,
            ),
            ("[OPENCV:FFMPEG:16] Could not find ref with POC 30", true),
            ("[OPENCV:FFMPEG:16] Error at MB: 231", true),
            ("[OPENCV:FFMPEG:16] ac-tex damaged at 12 8", true),
            ("[mjpeg @ 0x7f5a28125400] overread 8", true),
            (
                "[OPENCV:FFMPEG:32] concealing 160 DC, 160 AC, 160 MV errors in P frame",
                true,
            ),
            ("[OPENCV:FFMPEG:48] Frame num gap 7 5", true),
            ("[OPENCV:FFMPEG:24] RTP: missed 3 packets", true),
            ("[OPENCV:FFMPEG:16] mmco: unref short failure", false),
            ("[OPENCV:FFMPEG:16] method SETUP failed: 461", false),
            ("", false),
        ] {
            assert_eq!(reports_damage(line), expected, "{line}");
        }
    }

    #[test]
    fn errors_of_ffmpeg_are_passed_on_and_its_other_messages_are_not() {
        for (line, expected) in [
            ("[OPENCV:FFMPEG:16] method SETUP failed: 461", true),
            ("[OPENCV:FFMPEG:08] a fatal error", true),
            ("[OPENCV:FFMPEG:24] RTP: missed 3 packets", false),
            (
                "[OPENCV:FFMPEG:48] nal_unit_type: 1(Coded slice of a non-IDR picture), nal_ref_idc: 2",
                false,
            ),
            // The rest of a message that another thread has interrupted.
            ("ice of a non-IDR picture), nal_ref_idc: 0", false),
            ("[OPENCV:FFMPEG:", false),
        ] {
            assert_eq!(is_error(line), expected, "{line}");
        }
    }
}
