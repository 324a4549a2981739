//! What the libraries of a capture process print: FFMPEG reports damaged data there and nowhere else.

use std::fs::File;
use std::io::{Result as IoResult, Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::stdio::dup2_stderr;

/// Bytes after which the file is emptied.
const LENGTH: u64 = 1 << 20;

/// Parts of messages of decoders about damaged data. Data that is lost without damage to what follows is not reported.
const DAMAGE: [&str; 6] = [
    "error while decoding",
    "Error at MB",
    "damaged at",
    "Could not find ref",
    "Missing reference picture",
    "overread",
];

/// Standard error as a file in memory: nothing that prints waits, and what was printed during a read is known after it.
pub struct LibraryLog {
    printed: File,
    /// Bytes that were taken.
    taken: u64,
    /// The standard error of the process before.
    original: File,
}

impl LibraryLog {
    /// Redirects the standard error of this process.
    ///
    /// # Errors
    /// When the system cannot create a file in memory.
    pub fn capture() -> IoResult<Self> {
        let original = File::from(stderr().as_fd().try_clone_to_owned()?);
        let printed = File::from(memfd_create("inspectd-capture-log", MemfdFlags::CLOEXEC)?);
        // Writing continues at the beginning after the file was emptied.
        fcntl_setfl(&printed, OFlags::APPEND)?;
        dup2_stderr(&printed)?;
        Ok(Self {
            printed,
            taken: 0,
            original,
        })
    }

    /// Passes on what was printed since the last call; returns the first message about damaged data.
    pub fn take_damage(&mut self) -> Option<String> {
        let length = self.printed.metadata().map_or(0, |file| file.len());
        if length <= self.taken {
            return None;
        }
        let mut bytes = vec![0; (length - self.taken) as usize];
        self.printed.read_exact_at(&mut bytes, self.taken).ok()?;
        self.taken = length;
        // The reader of standard error may have ended.
        let _ = self.original.write_all(&bytes);
        if length > LENGTH && self.printed.set_len(0).is_ok() {
            self.taken = 0;
        }
        let text = String::from_utf8_lossy(&bytes);
        text.lines()
            .find(|line| reports_damage(line))
            .map(str::to_owned)
    }
}

impl Drop for LibraryLog {
    fn drop(&mut self) {
        // Passes on the rest.
        let _ = self.take_damage();
    }
}

/// Whether a decoder says that its data are damaged.
fn reports_damage(line: &str) -> bool {
    DAMAGE.iter().any(|part| line.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_decoders_about_damaged_data_are_recognised() {
        for (line, expected) in [
            (
                "[h264 @ 0x556bb396b9c0] error while decoding MB 6 0, bytestream 754",
                true,
            ),
            (
                "[hevc @ 0x564c5f177840] Could not find ref with POC 30",
                true,
            ),
            ("[mpeg4 @ 0x5620b9b3e740] Error at MB: 231", true),
            ("[mpeg4 @ 0x5620b9b3e740] ac-tex damaged at 12 8", true),
            ("[mjpeg @ 0x7f5a28125400] overread 8", true),
            ("[h264 @ 0x556bb396b9c0] mmco: unref short failure", false),
            ("[rtsp @ 0x7f893c001440] method SETUP failed: 461", false),
            ("", false),
        ] {
            assert_eq!(reports_damage(line), expected, "{line}");
        }
    }
}
