//! Frames that are lost although their camera runs: its group is then out of step. The random schedules have no such losses.

use std::time::Duration;

use inspectd_core::frame::Frame;
use inspectd_test_support::{onnx_runtime, require};

use super::{World, id};
use crate::alarm::AlarmKind;
use crate::camera::{Captured, Sink};
use crate::clock::Clock;
use crate::config::settings::Mode;

impl World {
    fn put_in_step(&self) {
        let cell = self.run.shared.counted.get("cell");
        let cell = cell.expect("a counted group");
        cell.resynchronize().expect("all cameras run");
    }

    fn is_in_step(&self) -> bool {
        let alarms = self.run.shared.alarms.active();
        !alarms
            .iter()
            .any(|alarm| alarm.kind == AlarmKind::GroupOutOfStep)
    }
}

#[test]
fn frame_that_the_driver_lost_puts_its_group_out_of_step() {
    require!(onnx_runtime());
    let world = World::new(0);
    world.put_in_step();
    for (frame_id, lost, in_step) in [(1, 0, true), (3, 1, false)] {
        world.clock.advance(Duration::from_millis(100));
        let captured = Captured {
            lost,
            frame_id,
            moment: world.clock.now(),
            frame: Ok(Frame::new(32, 32, vec![60; 32 * 32 * 3]).expect("an area")),
            item: String::new(),
            truth: String::new(),
        };
        let shared = &world.run.shared;
        shared.captured(&id("left"), captured, false, &|| false);
        assert_eq!(world.is_in_step(), in_step, "{lost} frames lost");
    }
}

#[test]
fn skipped_frame_puts_its_group_out_of_step() {
    require!(onnx_runtime());
    let mut world = World::new(0);
    for camera in world.settings[0].cameras.values_mut() {
        camera.mode = Mode::FreeRunning;
    }
    world.kill();
    world.put_in_step();
    // The second frame takes the place of the first one, which waits for the engine.
    for (part, in_step) in [("part 1", true), ("part 2", false)] {
        world.advance(100);
        world.deliver("left", part.to_owned(), 60, Duration::ZERO);
        assert_eq!(world.is_in_step(), in_step, "{part}");
    }
}
