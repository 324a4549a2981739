//! Parts that pass the cameras of the simulated line, and the frames that they deliver.

use std::time::Duration;

use inspectd_core::frame::Frame;
use rand::Rng;

use super::{OTHERS, Scene, World, id};
use crate::camera::{Captured, Sink};
use crate::clock::Clock;

impl World {
    /// A camera delivers a frame that was exposed `age` ago.
    pub(super) fn deliver(&mut self, camera: &str, item: String, level: u8, age: Duration) {
        let camera = id(camera);
        let frame_id = self.run.frames.entry(camera.clone()).or_default();
        *frame_id += 1;
        let frame_id = *frame_id;
        let scene = Scene {
            item: item.clone(),
            level,
            recipe: self.active_id(),
            group: self.settings().cameras.len() - OTHERS.len(),
        };
        *self.run.delivered.entry(camera.clone()).or_default() += 1;
        self.run
            .knowledge
            .scenes
            .insert((camera.clone(), frame_id), scene);
        let captured = Captured {
            lost: 0,
            frame_id,
            moment: self.clock.now().before(age),
            frame: Ok(Frame::new(32, 32, vec![level; 32 * 32 * 3]).expect("an area")),
            item,
            truth: String::new(),
        };
        self.run
            .shared
            .captured(&camera, captured, false, &|| false);
    }

    /// A part passes the cameras of the group.
    pub(super) fn belt(&mut self) {
        self.parts += 1;
        let item = format!("part {}", self.parts);
        let level = self.level();
        if !self.chance(30) {
            self.deliver("left", item.clone(), level, Duration::ZERO);
        }
        let between = self.random.random_range(0..15);
        self.advance(between);
        if !self.chance(30) {
            self.deliver("right", item.clone(), level, Duration::ZERO);
        }
        // Also a frame of a thread that did not stop when its camera was removed.
        if self.has_top && !self.chance(30) || self.chance(20) {
            self.deliver("top", item, level, Duration::ZERO);
        }
        self.part_distance();
    }

    /// The distance after which the next part comes, as it must be: more than twice the spread.
    fn part_distance(&mut self) {
        let gap = self.random.random_range(50..120);
        self.advance(gap);
    }

    /// Two parts pass the cameras of the group closer than twice the spread. A camera may lose one of the frames.
    pub(super) fn close_parts(&mut self) {
        let cameras = ["left", "right", "top"];
        let cameras = &cameras[..if self.has_top { 3 } else { 2 }];
        let lost = self.random.random_range(0..3 * cameras.len());
        for part in 0..2 {
            self.parts += 1;
            let item = format!("part {}", self.parts);
            let level = self.level();
            for (index, camera) in cameras.iter().enumerate() {
                if part * cameras.len() + index != lost {
                    self.deliver(camera, item.clone(), level, Duration::ZERO);
                }
                let between = self.random.random_range(0..7);
                self.advance(between);
            }
            let gap = self.random.random_range(0..15);
            self.advance(gap);
        }
        self.part_distance();
    }
}
