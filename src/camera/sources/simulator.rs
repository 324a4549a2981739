//! Rendered parts.

use std::thread::{ScopedJoinHandle, available_parallelism, scope};

use inspectd_core::frame::Frame;
use inspectd_simulator::Feed;

use super::error::SourceError;
use super::source::{Shot, Source};
use crate::clock::SharedClock;

/// A simulated line.
pub struct Simulator {
    renderer: Renderer,
    parts: Option<u64>,
    next: u64,
    /// Parts that are repeated in order; empty if each is rendered when it is due.
    rendered: Vec<Rendered>,
    clock: SharedClock,
}

/// Renders parts by their number.
#[derive(Clone)]
struct Renderer {
    feed: Feed,
    /// Width and height, pixels.
    size: [u32; 2],
}

/// A part before the camera.
#[derive(Clone)]
struct Rendered {
    frame: Frame,
    /// Name of its defect, or `good`.
    truth: &'static str,
}

impl Renderer {
    fn render(&self, number: u64) -> Rendered {
        let (scene, defect) = self.feed.at(number);
        let [width, height] = self.size;
        Rendered {
            frame: scene.render(width, height),
            truth: defect.map_or("good", |defect| defect.name()),
        }
    }
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
            renderer: Renderer {
                feed: Feed::new(seed, defect_rate),
                size,
            },
            parts,
            next: 0,
            rendered: Vec::new(),
            clock: clock.clone(),
        }
    }

    /// Renders the first `count` parts with all cores; they are then repeated in order.
    ///
    /// # Panics
    /// When rendering panics.
    pub fn prerendered(self, count: u64) -> Self {
        let threads = available_parallelism().map_or(1, usize::from) as u64;
        let share = count.div_ceil(threads);
        let renderer = &self.renderer;
        let rendered = scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|thread| {
                    let numbers = thread * share..count.min((thread + 1) * share);
                    let render = move || numbers.map(|number| renderer.render(number)).collect();
                    scope.spawn::<_, Vec<Rendered>>(render)
                })
                .collect();
            let parts = workers.into_iter().map(ScopedJoinHandle::join);
            parts
                .flat_map(|parts| parts.expect("rendering does not panic"))
                .collect()
        });
        Self { rendered, ..self }
    }
}

impl Source for Simulator {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        if self.parts.is_some_and(|parts| self.next >= parts) {
            return Ok(None);
        }
        let Rendered { frame, truth } = match self.rendered.len() as u64 {
            0 => self.renderer.render(self.next),
            count => self.rendered[(self.next % count) as usize].clone(),
        };
        self.next += 1;
        Ok(Some(Shot {
            lost: 0,
            moment: self.clock.now(),
            frame: Ok(frame),
            item: format!("part {}", self.next),
            truth: truth.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn prerendered_parts_are_those_of_the_line_and_repeat_in_order() {
        let clock: SharedClock = Arc::new(SystemClock);
        let line = || Simulator::new(7, 0.5, [32, 32], Some(11), &clock);
        let shots = |mut simulator: Simulator| {
            let read = || simulator.read().expect("no error");
            std::iter::from_fn(read).collect::<Vec<_>>()
        };
        let (plain, repeated) = (shots(line()), shots(line().prerendered(5)));
        assert_eq!((plain.len(), repeated.len()), (11, 11));
        let frame = |shot: &Shot| shot.frame.as_ref().expect("a frame").clone();
        for (number, shot) in repeated.iter().enumerate() {
            let same = &plain[number % 5];
            assert_eq!(frame(shot), frame(same), "{number}");
            assert_eq!(shot.truth, same.truth, "{number}");
            assert_eq!(shot.item, plain[number].item);
        }
        assert_ne!(frame(&plain[0]), frame(&plain[5]));
    }
}
