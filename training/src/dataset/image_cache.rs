//! Image files decoded and resized to the network input, with a bounded cache in memory. For example, a
//! training of 80,000 steps on 209 images of 256x256 pixels (41 MB) decodes every image once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inspectd_core::frame::Frame;
use inspectd_core::image_file::{ImageError, decode};
use inspectd_core::preprocess;
use parking_lot::{Mutex, MutexGuard};

use super::ImageSize;

/// A decoded and resized image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// Index in the list of images.
    pub index: usize,
    /// Pixels, resized to the network input.
    pub frame: Arc<Frame>,
    /// Width and height of the image file, pixels.
    pub size: (u32, u32),
}

/// Loads images by index. It can be shared by threads.
#[derive(Debug)]
pub struct ImageCache {
    paths: Vec<PathBuf>,
    size: ImageSize,
    entries: Mutex<CacheEntries>,
}

/// Cached images. A full cache does not evict entries: every epoch reads every image once, so replacing
/// one entry by another saves nothing.
#[derive(Debug)]
struct CacheEntries {
    images: Vec<Option<LoadedImage>>,
    free_bytes: usize,
}

impl ImageCache {
    /// Creates a loader for the images at `paths`, resized to `size`. It caches up to `cache_bytes`.
    ///
    /// # Panics
    /// When a side is 0.
    pub fn new(paths: Vec<PathBuf>, size: ImageSize, cache_bytes: usize) -> Self {
        assert!(
            size.width > 0 && size.height > 0,
            "the sides of the input are at least 1"
        );
        let entries = Mutex::new(CacheEntries {
            images: vec![None; paths.len()],
            free_bytes: cache_bytes,
        });
        Self {
            paths,
            size,
            entries,
        }
    }

    /// Creates a loader of images that are in memory already.
    ///
    /// # Panics
    /// When `images` is empty.
    pub fn filled(images: Vec<LoadedImage>) -> Self {
        let first = &images.first().expect("at least one image").frame;
        let size = ImageSize {
            width: first.width(),
            height: first.height(),
        };
        Self {
            paths: vec![PathBuf::new(); images.len()],
            size,
            entries: Mutex::new(CacheEntries {
                images: images.into_iter().map(Some).collect(),
                free_bytes: 0,
            }),
        }
    }

    /// Paths of the image files; empty for images that were in memory already.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Returns image `index`, from the cache if it is there.
    ///
    /// # Errors
    /// When the file cannot be decoded as an image. The message names the file.
    ///
    /// # Panics
    /// When `index` is out of range.
    pub fn load(&self, index: usize) -> Result<LoadedImage, ImageError> {
        if let Some(loaded) = &self.entries().images[index] {
            return Ok(loaded.clone());
        }
        // The lock is not held, so that threads decode in parallel.
        let (frame, size) = resized(&self.paths[index], self.size)?;
        let loaded = LoadedImage {
            index,
            frame: Arc::new(frame),
            size,
        };
        let mut entries = self.entries();
        let bytes = loaded.frame.rgb().len();
        if entries.images[index].is_none() && bytes <= entries.free_bytes {
            entries.free_bytes -= bytes;
            entries.images[index] = Some(loaded.clone());
        }
        Ok(loaded)
    }

    fn entries(&self) -> MutexGuard<'_, CacheEntries> {
        self.entries.lock()
    }
}

/// Decodes the image at `path` and resizes it to `size`, whose sides must be at least 1. Also returns the
/// original width and height.
pub(super) fn resized(path: &Path, size: ImageSize) -> Result<(Frame, (u32, u32)), ImageError> {
    let frame = decode(path)?;
    let resized = preprocess::resize(&frame, None, size.width, size.height)
        .expect("no crop and sides of at least 1");
    Ok((resized, (frame.width(), frame.height())))
}
