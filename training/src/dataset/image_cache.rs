//! A list of images, decoded and resized to the network's input, each kept in memory while there is
//! room: a training of 80,000 steps over 209 images of 256x256 (41 MB) then decodes each one once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use inspectd::frame::Frame;
use inspectd::image_file::{ImageError, decode};
use inspectd::preprocess;

/// One image of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its place in the list.
    pub index: usize,
    /// Resized to the input's side.
    pub frame: Arc<Frame>,
    /// Width and height of the file's own picture, pixels.
    pub size: (u32, u32),
}

/// Images by their place in a list; threads may share it.
#[derive(Debug)]
pub struct Frames {
    paths: Vec<PathBuf>,
    side: u32,
    kept: Mutex<Kept>,
}

/// When there is no more room, what is kept stays: every epoch asks for every image once, so to drop
/// one for another would gain nothing.
#[derive(Debug)]
struct Kept {
    images: Vec<Option<Loaded>>,
    room_bytes: usize,
}

impl Frames {
    /// The images at `paths`, resized to `side` x `side` pixels, of which up to `cache_bytes` are kept.
    ///
    /// # Panics
    /// When `side` is 0.
    pub fn new(paths: Vec<PathBuf>, side: u32, cache_bytes: usize) -> Self {
        assert!(side > 0, "an input with an area");
        let kept = Mutex::new(Kept {
            images: vec![None; paths.len()],
            room_bytes: cache_bytes,
        });
        Self { paths, side, kept }
    }

    /// The files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Image `index`, from memory where it is kept.
    ///
    /// # Errors
    /// When the file is not a usable image; it is named.
    ///
    /// # Panics
    /// When there is no image `index`.
    pub fn load(&self, index: usize) -> Result<Loaded, ImageError> {
        if let Some(loaded) = &self.kept().images[index] {
            return Ok(loaded.clone());
        }
        // Not under the lock: decoding is what the threads are for.
        let (frame, size) = resized(&self.paths[index], self.side)?;
        let loaded = Loaded {
            index,
            frame: Arc::new(frame),
            size,
        };
        let mut kept = self.kept();
        let bytes = loaded.frame.rgb().len();
        if kept.images[index].is_none() && bytes <= kept.room_bytes {
            kept.room_bytes -= bytes;
            kept.images[index] = Some(loaded.clone());
        }
        Ok(loaded)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing panics under the lock half-way through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The image at `path` resized to `side` x `side` pixels, `side` at least 1, and its own size.
pub(super) fn resized(path: &Path, side: u32) -> Result<(Frame, (u32, u32)), ImageError> {
    let frame = decode(path)?;
    let resized =
        preprocess::resize(&frame, None, side, side).expect("no crop, and a side of at least 1");
    Ok((resized, (frame.width(), frame.height())))
}
