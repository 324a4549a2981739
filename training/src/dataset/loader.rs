//! Prefetching loader: worker threads decode and resize images in the order of the training steps, ahead
//! of the step that needs them.

use std::iter::FusedIterator;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use inspectd_core::image_file::ImageError;

use super::image_cache::ImageCache;
pub use super::image_cache::LoadedImage;
use super::sampler::Sampler;

type LoadResult = std::result::Result<LoadedImage, ImageError>;

/// Number of worker threads and of images loaded in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// Number of threads, at least 1.
    pub workers: usize,
    /// Number of loaded images that wait in the queues, rounded up to a multiple of `workers`. A worker
    /// blocks while its queue is full.
    pub depth: usize,
}

/// Iterator over the images of the steps. Worker w of n loads every nth image and has its own channel, so
/// the order does not depend on the number and speed of the workers.
#[derive(Debug)]
pub struct Loader {
    receivers: Vec<Receiver<LoadResult>>,
    workers: Vec<JoinHandle<()>>,
    next_worker: usize,
    remaining: u64,
    waited: Duration,
}

impl Loader {
    /// Starts the workers for the images of `steps`. The range `start..u64::MAX` is unlimited.
    ///
    /// # Panics
    /// When `sampler` and `images` differ in the number of images, or a thread cannot be started.
    pub fn new(
        images: &Arc<ImageCache>,
        sampler: Sampler,
        steps: Range<u64>,
        prefetch: Prefetch,
    ) -> Self {
        assert_eq!(
            sampler.len(),
            images.paths().len(),
            "the sampler covers these images"
        );
        let workers = prefetch.workers.max(1);
        let queue_length = prefetch.depth.div_ceil(workers).max(1);
        let remaining = steps.end.saturating_sub(steps.start);
        let spawn = |worker: usize| {
            let (sender, receiver) = sync_channel(queue_length);
            let images = Arc::clone(images);
            let indices = (0..remaining)
                .zip(sampler.from_step(steps.start))
                .map(|(_, index)| index);
            let indices = indices.skip(worker).step_by(workers);
            let work = move || run_worker(&images, indices, &sender);
            let thread = thread::Builder::new().name(format!("loader-{worker}"));
            (
                receiver,
                thread
                    .spawn(work)
                    .expect("the system can start another thread"),
            )
        };
        let (receivers, workers) = (0..workers).map(spawn).unzip();
        Self {
            receivers,
            workers,
            next_worker: 0,
            remaining,
            waited: Duration::ZERO,
        }
    }

    /// Returns the image of the next step.
    ///
    /// # Errors
    /// When the file cannot be decoded as an image (the message names it), or when all steps are done.
    pub fn next_image(&mut self) -> Result<LoadedImage> {
        Ok(self.next().context("the loader has no more images")??)
    }

    /// Total time that the caller has waited for images.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

fn run_worker(
    images: &ImageCache,
    indices: impl Iterator<Item = usize>,
    sender: &SyncSender<LoadResult>,
) {
    for index in indices {
        // Sending fails only if the loader was dropped.
        if sender.send(images.load(index)).is_err() {
            return;
        }
    }
}

impl Iterator for Loader {
    type Item = LoadResult;

    fn next(&mut self) -> Option<LoadResult> {
        self.remaining = self.remaining.checked_sub(1)?;
        let started = Instant::now();
        let received = self.receivers[self.next_worker].recv();
        self.waited += started.elapsed();
        let Ok(image) = received else {
            // A worker that stops before its last step has panicked; the panic is propagated.
            let panic = self.workers.swap_remove(self.next_worker).join();
            resume_unwind(panic.expect_err("a worker sends all of its images"));
        };
        self.next_worker = (self.next_worker + 1) % self.receivers.len();
        Some(image)
    }
}

impl FusedIterator for Loader {}

impl Drop for Loader {
    fn drop(&mut self) {
        // A worker with a closed channel stops after its current image.
        self.receivers.clear();
        for worker in self.workers.drain(..) {
            // The images are no longer needed, so a panic of the worker is ignored.
            drop(worker.join());
        }
    }
}
