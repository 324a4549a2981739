//! Images in the order of the training steps, decoded and resized by other threads ahead of the step
//! that needs them.

use std::iter::FusedIterator;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use inspectd::image_file::ImageError;

use super::image_cache::Frames;
pub use super::image_cache::Loaded;
use super::sampler::Order;

type Outcome = std::result::Result<Loaded, ImageError>;

/// How far ahead images are made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// Threads, at least 1.
    pub workers: usize,
    /// Images ready beside those being made; rounded up to a multiple of `workers`. A worker waits
    /// while its share is not taken.
    pub depth: usize,
}

/// Gives the images of the steps, one after the other. Worker w of n makes those of every nth step and
/// has a channel of its own, so the order is that of the steps whatever the workers' number and speed.
#[derive(Debug)]
pub struct Loader {
    lanes: Vec<Receiver<Outcome>>,
    workers: Vec<JoinHandle<()>>,
    lane: usize,
    left: u64,
    waited: Duration,
}

impl Loader {
    /// Starts the workers on the images of `steps`; `start..u64::MAX` has no end.
    ///
    /// # Panics
    /// When `order` is of another number of images than `frames`, or a thread cannot be started.
    pub fn new(frames: &Arc<Frames>, order: Order, steps: Range<u64>, prefetch: Prefetch) -> Self {
        assert_eq!(
            order.len(),
            frames.paths().len(),
            "an order of these images"
        );
        let workers = prefetch.workers.max(1);
        let room = prefetch.depth.div_ceil(workers).max(1);
        let left = steps.end.saturating_sub(steps.start);
        let spawn = |worker: usize| {
            let (sender, receiver) = sync_channel(room);
            let frames = Arc::clone(frames);
            let indices = (0..left)
                .zip(order.from_step(steps.start))
                .map(|(_, index)| index);
            let indices = indices.skip(worker).step_by(workers);
            let work = move || run(&frames, indices, &sender);
            let thread = thread::Builder::new().name(format!("loader-{worker}"));
            (
                receiver,
                thread
                    .spawn(work)
                    .expect("the system has room for a thread"),
            )
        };
        let (lanes, workers) = (0..workers).map(spawn).unzip();
        Self {
            lanes,
            workers,
            lane: 0,
            left,
            waited: Duration::ZERO,
        }
    }

    /// The next step's image.
    ///
    /// # Errors
    /// When the file is not a usable image, which is named, or the steps are over.
    pub fn next_image(&mut self) -> Result<Loaded> {
        Ok(self.next().context("the loader's last step is over")??)
    }

    /// For how long the one who asked has waited so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

fn run(frames: &Frames, indices: impl Iterator<Item = usize>, sender: &SyncSender<Outcome>) {
    for index in indices {
        // An error here says that the loader was dropped.
        if sender.send(frames.load(index)).is_err() {
            return;
        }
    }
}

impl Iterator for Loader {
    type Item = Outcome;

    fn next(&mut self) -> Option<Outcome> {
        self.left = self.left.checked_sub(1)?;
        let asked = Instant::now();
        let outcome = self.lanes[self.lane].recv();
        self.waited += asked.elapsed();
        let Ok(outcome) = outcome else {
            // Before its last step a worker ends only by a panic, which is passed on.
            let panic = self.workers.swap_remove(self.lane).join();
            resume_unwind(panic.expect_err("a worker sends all of its steps"));
        };
        self.lane = (self.lane + 1) % self.lanes.len();
        Some(outcome)
    }
}

impl FusedIterator for Loader {}

impl Drop for Loader {
    fn drop(&mut self) {
        // With its channel closed a worker ends after the image in hand.
        self.lanes.clear();
        for worker in self.workers.drain(..) {
            // A panic of a worker whose images nobody wants any more is of no interest.
            drop(worker.join());
        }
    }
}
