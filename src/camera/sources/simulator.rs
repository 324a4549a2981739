//! Rendered parts.

use inspectd_simulator::Feed;

use super::error::SourceError;
use super::source::{Shot, Source};
use crate::clock::SharedClock;

/// A simulated line.
pub struct Simulator {
    feed: Feed,
    /// Width and height, pixels.
    size: [u32; 2],
    parts: Option<u64>,
    next: u64,
    clock: SharedClock,
}

impl Simulator {
    /// `parts` parts of a size, endless if unset; the same seed gives the same parts.
    pub fn new(
        seed: u64,
        defect_rate: f64,
        size: [u32; 2],
        parts: Option<u64>,
        clock: &SharedClock,
    ) -> Self {
        Self {
            feed: Feed::new(seed, defect_rate),
            size,
            parts,
            next: 0,
            clock: clock.clone(),
        }
    }
}

impl Source for Simulator {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        if self.parts.is_some_and(|parts| self.next >= parts) {
            return Ok(None);
        }
        let (scene, defect) = self.feed.at(self.next);
        self.next += 1;
        let frame = scene.render(self.size[0], self.size[1]);
        Ok(Some(Shot {
            lost: 0,
            moment: self.clock.now(),
            frame: Ok(frame),
            item: format!("part {}", self.next),
            truth: defect.map_or("good", |defect| defect.name()).to_owned(),
        }))
    }
}
