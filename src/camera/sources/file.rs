//! A video file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opencv::videoio::{CAP_FFMPEG, CAP_PROP_FPS, CAP_PROP_POS_FRAMES};

use super::video::Video;
use super::{Shot, Source, SourceError, open_lock};
use inspectd_core::frame::Frame;
use inspectd_core::moment::Moment;

/// The rate of a file that does not tell a sensible one, frames a second.
const UNKNOWN_FPS: f64 = 25.0;
/// Containers that do not know their rate tell their clock's, such as 90 000.
const MAX_FPS: f64 = 1000.0;

/// An open file.
pub struct VideoFile {
    path: PathBuf,
    repeat: bool,
    video: Video,
    /// Frames that were read since the file's beginning.
    position: u64,
    open_timeout: Duration,
}

impl VideoFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read or holds no video.
    pub fn open(
        path: &Path,
        repeat: bool,
        open_timeout: Duration,
        queued: &dyn Fn(bool),
    ) -> Result<Self, SourceError> {
        let _turn = open_lock::queue(open_timeout, queued)?;
        Ok(Self {
            path: path.to_owned(),
            repeat,
            video: open(path)?,
            position: 0,
            open_timeout,
        })
    }

    /// The file's own rate, frames a second.
    pub fn fps(&self) -> f64 {
        let told = self.video.get(CAP_PROP_FPS).unwrap_or(0.0);
        if told > 0.0 && told <= MAX_FPS {
            told
        } else {
            UNKNOWN_FPS
        }
    }

    /// The first frame again.
    fn rewound(&mut self) -> Result<Option<(Moment, Frame)>, SourceError> {
        self.position = 0;
        if self.video.set(CAP_PROP_POS_FRAMES, 0.0)?
            && let Some(first) = self.video.read()?
        {
            return Ok(Some(first));
        }
        // Files without an index cannot be wound back.
        let _turn = open_lock::queue(self.open_timeout, &|_| ())?;
        self.video = open(&self.path)?;
        self.video.read()
    }
}

fn open(path: &Path) -> Result<Video, SourceError> {
    // OpenCV does not say why it fails, and would take what is no file for a pattern or a protocol.
    let file = File::open(path).map_err(|source| SourceError::Path {
        path: path.to_owned(),
        source,
    });
    drop(file?);
    Video::open(path, CAP_FFMPEG, &[])?.ok_or_else(|| SourceError::Open {
        what: path.display().to_string(),
        backend: "FFMPEG",
    })
}

impl Source for VideoFile {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        let mut read = self.video.read()?;
        if read.is_none() && self.repeat && self.position > 0 {
            read = self.rewound()?;
        }
        if read.is_none() && self.position == 0 {
            let path = self.path.clone();
            return Err(SourceError::NoFrame { path });
        }
        Ok(read.map(|(moment, frame)| {
            self.position += 1;
            let item = format!("frame {}", self.position);
            Shot {
                item,
                ..Shot::unnamed(moment, frame)
            }
        }))
    }
}
