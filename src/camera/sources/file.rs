//! A video file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use opencv::videoio::{CAP_FFMPEG, CAP_PROP_FPS, CAP_PROP_FRAME_COUNT, CAP_PROP_POS_FRAMES};

use super::error::SourceError;
use super::source::{Shot, Source};
use super::video::Video;
use crate::camera::event::CaptureError;
use crate::clock::SharedClock;

/// Rate of a file that reports no sensible rate, frames per second.
const UNKNOWN_FPS: f64 = 25.0;
/// Maximum sensible rate. Containers without a rate report that of their clock, such as 90 000.
const MAX_FPS: f64 = 1000.0;

/// An open file.
pub struct VideoFile {
    path: PathBuf,
    repeat: bool,
    video: Video,
    /// Frames read since the beginning of the file.
    position: u64,
    /// Frames that the file should have, if it says so.
    expected: Option<u64>,
    /// Whether the missing end of the file was reported since its beginning.
    reported: bool,
    clock: SharedClock,
}

impl VideoFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read or contains no video.
    pub fn open(path: &Path, repeat: bool, clock: &SharedClock) -> Result<Self, SourceError> {
        probe(path)?;
        let video = open(path, clock)?;
        let count = video.get(CAP_PROP_FRAME_COUNT)?;
        Ok(Self {
            path: path.to_owned(),
            repeat,
            video,
            position: 0,
            expected: (count >= 1.0).then_some(count as u64),
            reported: false,
            clock: clock.clone(),
        })
    }

    /// The file's rate, frames per second.
    pub fn fps(&self) -> f64 {
        let reported = self.video.get(CAP_PROP_FPS).unwrap_or(0.0);
        if reported > 0.0 && reported <= MAX_FPS {
            reported
        } else {
            UNKNOWN_FPS
        }
    }

    /// The fault of a file that ends too early, once.
    fn cut_short(&mut self) -> Option<Shot> {
        let (read, expected) = (self.position, self.expected?);
        // The number of some containers is computed from their duration.
        let tolerance = (expected / 100).max(2);
        if self.reported || read == 0 || read + tolerance >= expected {
            return None;
        }
        self.reported = true;
        let fault = Err(CaptureError::CutShort { read, expected });
        Some(Shot {
            item: format!("frame {}", read + 1),
            ..Shot::unnamed(self.clock.now(), fault)
        })
    }

    /// Rewinds the file and reads its first frame.
    fn rewind(&mut self) -> Result<Option<Shot>, SourceError> {
        self.position = 0;
        self.reported = false;
        if self.video.set(CAP_PROP_POS_FRAMES, 0.0)?
            && let Some(first) = self.video.read()?
        {
            return Ok(Some(first));
        }
        // Files without an index cannot be rewound.
        self.video = open(&self.path, &self.clock)?;
        self.video.read()
    }
}

/// Opens the file without OpenCV, which gives no reason for a failure, and takes the name of a missing file for a pattern
/// or a protocol.
fn probe(path: &Path) -> Result<(), SourceError> {
    let inaccessible = |source| SourceError::Path {
        path: path.to_owned(),
        source,
    };
    if !path.metadata().map_err(inaccessible)?.is_file() {
        let path = path.to_owned();
        return Err(SourceError::NotAFile { path });
    }
    let mut file = File::open(path).map_err(inaccessible)?;
    if file.read(&mut [0; 1]).map_err(inaccessible)? == 0 {
        let path = path.to_owned();
        return Err(SourceError::NoFrame { path });
    }
    Ok(())
}

fn open(path: &Path, clock: &SharedClock) -> Result<Video, SourceError> {
    Video::open(path, CAP_FFMPEG, &[], clock)?.ok_or_else(|| SourceError::Open {
        name: path.display().to_string(),
        backend: "FFMPEG",
    })
}

impl Source for VideoFile {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let mut read = self.video.read()?;
        if read.is_none()
            && let Some(fault) = self.cut_short()
        {
            return Ok(Some(fault));
        }
        if read.is_none() && self.repeat && self.position > 0 {
            read = self.rewind()?;
        }
        if read.is_none() && self.position == 0 {
            let path = self.path.clone();
            return Err(SourceError::NoFrame { path });
        }
        Ok(read.map(|shot| {
            self.position += 1;
            let item = format!("frame {}", self.position);
            Shot { item, ..shot }
        }))
    }
}
