//! Whole frames through all checks, and the precedence of faults.

use inspectd_core::frame::CHANNELS;
use inspectd_core::image_file;
use inspectd_simulator::ProductionLine;
use inspectd_test_support::{external_data, require};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const SIDE: u32 = 256;

/// A detailed scene, 320 pixels per side: uniform rectangles of all sizes, overlapping.
fn scene(seed: u64) -> Frame {
    const WIDTH: usize = 320;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rgb = vec![90; WIDTH * WIDTH * CHANNELS];
    for _ in 0..80 {
        let [left, top] = [0; 2].map(|_| rng.random_range(0..WIDTH - 10));
        let [width, height] = [0; 2].map(|_| rng.random_range(8..90));
        let colour: [u8; CHANNELS] = rng.random();
        for row in rgb
            .chunks_exact_mut(WIDTH * CHANNELS)
            .skip(top)
            .take(height)
        {
            for pixel in row.chunks_exact_mut(CHANNELS).skip(left).take(width) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
    Frame::new(WIDTH as u32, WIDTH as u32, rgb).expect("sized")
}

/// What a camera sees of a scene that has moved by `shift` pixels and rotated by `turn_deg` degrees.
fn seen(scene: &Frame, shift: [f32; 2], turn_deg: f32) -> Frame {
    let (sin, cos) = turn_deg.to_radians().sin_cos();
    let middle = (SIDE - 1) as f32 / 2.0;
    let centre = (scene.width() - 1) as f32 / 2.0;
    let mut rgb = Vec::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (x as f32 - middle - shift[0], y as f32 - middle - shift[1]);
            let from = [cos * dx + sin * dy, cos * dy - sin * dx];
            let [x, y] = from.map(|at| (at + centre).round().clamp(0.0, 2.0 * centre) as usize);
            let at = (y * scene.width() as usize + x) * CHANNELS;
            rgb.extend_from_slice(&scene.rgb()[at..at + CHANNELS]);
        }
    }
    Frame::new(SIDE, SIDE, rgb).expect("sized")
}

fn map(frame: &Frame, value: impl Fn(usize, u8) -> f32) -> Frame {
    let bytes = frame.rgb().iter().enumerate();
    let rgb = bytes.map(|(at, &byte)| value(at, byte) as u8).collect();
    Frame::new(frame.width(), frame.height(), rgb).expect("sized")
}

fn measured(frame: &Frame, reference: Option<&Frame>) -> Measurements {
    HealthMonitor::new(reference).measure(frame, 0.0)
}

fn kinds(frames: &[&Frame], limits: &HealthLimits) -> Vec<Option<HealthFault>> {
    let mut monitor = HealthMonitor::new(None);
    let mut kind = |frame: &&Frame| monitor.examine(frame, limits).map(|finding| finding.kind);
    frames.iter().map(&mut kind).collect()
}

#[test]
fn repeated_frames_are_frozen_from_the_limit_on() {
    let (one, other) = (scene(1), scene(2));
    let limits = HealthLimits {
        frozen_after: Some(2),
        ..HealthLimits::default()
    };
    let frozen = Some(HealthFault::Frozen);
    let check = |frames: &[&Frame], expected: &[Option<HealthFault>]| {
        assert_eq!(kinds(frames, &limits), expected);
    };
    check(&[&one, &one, &one, &one], &[None, None, frozen, frozen]);
    check(&[&one, &one, &other, &one, &one], &[None; 5]);
    let never = HealthLimits {
        frozen_after: Some(0),
        ..limits
    };
    assert_eq!(kinds(&[&one; 9], &never), [None; 9]);
}

#[test]
fn a_scene_that_changes_slowly_is_not_frozen() {
    let still = scene(1);
    let limits = HealthLimits {
        frozen_after: Some(3),
        frozen_difference: 1.0,
        ..HealthLimits::default()
    };
    // Each frame is within the limit of the previous one, but not of the one before that.
    let frames: Vec<Frame> = (0..9)
        .map(|step| map(&still, |_, byte| f32::from(byte / 2) + step as f32))
        .collect();
    let frames: Vec<&Frame> = frames.iter().collect();
    assert_eq!(kinds(&frames, &limits), [None; 9]);
}

#[test]
fn noise_of_one_grey_level_keeps_a_still_scene_from_being_frozen() {
    let still = scene(1);
    let limits = HealthLimits {
        frozen_after: Some(1),
        ..HealthLimits::default()
    };
    // One value in fifty is a grey level off, another one each time.
    let noisy = |seed: usize| {
        map(&still, move |at, byte| {
            let off = (at + seed * 7).is_multiple_of(50);
            f32::from(byte / 2) + f32::from(u8::from(off))
        })
    };
    let frames: Vec<Frame> = (0..6).map(noisy).collect();
    let frames: Vec<&Frame> = frames.iter().collect();
    assert_eq!(kinds(&frames, &limits), [None; 6]);
}

#[test]
fn brightness_and_clipping_are_measured_and_small_lamps_ignored() {
    let check = |frame: &Frame, brightness, clipped| {
        let found = measured(frame, None);
        assert_eq!((found.brightness, found.clipped), (brightness, clipped));
    };
    let uniform = |value: u8| map(&scene(1), move |_, _| f32::from(value));
    check(&uniform(0), 0.0, 0.0);
    check(&uniform(77), 77.0, 0.0);
    check(&uniform(255), 255.0, 1.0);
    // A tenth of the rows is white.
    let row = 320 * CHANNELS;
    let barred = map(&scene(1), |at, _| if at / row < 32 { 255.0 } else { 9.0 });
    check(&barred, 255.0, 0.1);
    // A lamp that covers half a percent of the image does not light the part.
    let lamp = map(&scene(1), |at, _| {
        let (x, y) = (at / CHANNELS % 320, at / row);
        if x < 20 && y < 24 { 255.0 } else { 9.0 }
    });
    check(&lamp, 9.0, 480.0 / (320.0 * 320.0));
}

fn healthy() -> Measurements {
    Measurements {
        difference: Some(3.0),
        repeats: 0,
        brightness: 200.0,
        clipped: 0.0,
        sharpness: Some(0.5),
        view: Some(ViewAlignment {
            shift: 0.0,
            turn_deg: 0.0,
            likeness: 1.0,
        }),
    }
}

const ALL: HealthLimits = HealthLimits {
    frozen_after: Some(5),
    frozen_difference: 0.0,
    dark_below: Some(40.0),
    saturated_above: Some(0.25),
    blurred_below: Some(0.3),
    shift_above: Some(0.02),
    turn_above_deg: Some(1.5),
};

#[test]
fn each_fault_message_contains_the_measured_value_and_the_limit() {
    let check = |measured: Measurements, expected: &str| {
        let finding = ALL.judge(&measured).expect("a fault");
        assert_eq!(finding.to_string(), expected);
    };
    let view = |shift, turn_deg| {
        let likeness = 0.5;
        Some(ViewAlignment {
            shift,
            turn_deg,
            likeness,
        })
    };
    let mut found = healthy();
    assert_eq!(ALL.judge(&found), None);
    found.view = view(0.0, -2.0);
    check(
        found,
        "view moved: rotated by -2.0 degrees clockwise, limit 1.5 (likeness 0.50)",
    );
    found.view = view(0.05, -2.0);
    check(
        found,
        "view moved: shifted by 0.050 of the longer side, limit 0.02 (likeness 0.50)",
    );
    found.sharpness = Some(0.1);
    check(found, "blurred: sharpness 0.100, limit 0.3");
    found.repeats = 5;
    check(
        found,
        "frozen: 5 frames in a row differ by at most 0 grey levels, limit 5",
    );
    found.clipped = 0.5;
    check(
        found,
        "saturated: a share of 0.500 of the pixels is clipped, limit 0.25",
    );
    found.brightness = 20.0;
    check(
        found,
        "dark: 99 % of the pixels are at grey level 20 or below, limit 40",
    );
}

#[test]
fn values_at_their_limit_or_not_measured_are_not_faults() {
    let at_limits = Measurements {
        repeats: 4,
        brightness: 40.0,
        clipped: 0.25,
        sharpness: Some(0.3),
        view: Some(ViewAlignment {
            shift: 0.02,
            turn_deg: -1.5,
            likeness: 0.1,
        }),
        ..healthy()
    };
    assert_eq!(ALL.judge(&at_limits), None);
    let nothing = Measurements {
        sharpness: None,
        view: None,
        ..healthy()
    };
    assert_eq!(ALL.judge(&nothing), None);
    assert!(HealthLimits::default().are_off() && !ALL.are_off());
}

#[test]
fn a_frame_of_another_size_has_no_view() {
    let reference = scene(1);
    let small = seen(&reference, [0.0, 0.0], 0.0);
    assert_eq!(measured(&small, Some(&reference)).view, None);
}

#[test]
fn good_frames_satisfy_the_limits_suggested_from_them() {
    let line = ProductionLine::new(5);
    let part = |index| line.part(index, &[]).render(128, 128);
    let reference = part(0);
    let mut monitor = HealthMonitor::new(Some(&reference));
    let good: Vec<_> = (1..6)
        .map(|index| monitor.measure(&part(index), 0.0))
        .collect();
    let limits = HealthLimits::suggested(&good).expect("good frames");
    assert!(good.iter().all(|measured| limits.judge(measured).is_none()));
    assert_eq!(HealthLimits::suggested(&[]), None);
    let dark = map(&reference, |_, byte| f32::from(byte) * 0.3);
    let finding = monitor.examine(&dark, &limits).expect("a fault");
    assert_eq!(finding.kind, HealthFault::Dark);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_shift_is_measured_at_any_brightness(
        seed in 0..50_u64, x in -20.0..20.0_f32, y in -20.0..20.0_f32, gain in 0.6..1.0_f32,
    ) {
        let scene = scene(seed);
        let reference = seen(&scene, [0.0, 0.0], 0.0);
        let moved = map(&seen(&scene, [x, y], 0.0), |_, byte| f32::from(byte) * gain);
        let view = measured(&moved, Some(&reference)).view.expect("an alignment");
        let expected = x.hypot(y) / SIDE as f32;
        prop_assert!((view.shift - expected).abs() < 0.006, "{view:?}, not {expected}");
    }

    #[test]
    fn a_rotation_is_measured(seed in 0..50_u64, turn in 1.8..8.0_f32, back in any::<bool>()) {
        let scene = scene(seed);
        let turn = if back { -turn } else { turn };
        let reference = seen(&scene, [0.0, 0.0], 0.0);
        let view = measured(&seen(&scene, [3.0, -2.0], turn), Some(&reference)).view.expect("an alignment");
        prop_assert!((view.turn_deg - turn).abs() < 1.0, "{view:?}, not {turn}");
    }

    #[test]
    fn sharpness_does_not_depend_on_brightness(seed in 0..50_u64, gain in 0.3..1.0_f32) {
        let sharp = scene(seed);
        let expected = measured(&sharp, None).sharpness.expect("edges");
        let dimmed = map(&sharp, |_, byte| f32::from(byte) * gain);
        let found = measured(&dimmed, None).sharpness.expect("edges");
        prop_assert!((found - expected).abs() < 0.06, "{found}, not {expected}");
    }

    #[test]
    fn a_uniform_frame_of_any_size_has_neither_sharpness_nor_alignment(width in 1..90_u32, height in 1..90_u32, value in any::<u8>()) {
        let rgb = vec![value; (width * height) as usize * CHANNELS];
        let frame = Frame::new(width, height, rgb).expect("sized");
        let found = measured(&frame, Some(&frame));
        prop_assert_eq!((found.brightness, found.sharpness, found.view), (f32::from(value), None, None));
    }
}

#[test]
fn photographs_of_good_bottles_are_healthy_and_darkened_ones_are_not() {
    let folder = require!(external_data("mvtec_ad/bottle"));
    let photograph = |name: String| image_file::decode(&folder.join(name)).expect("an image");
    let good = |index| photograph(format!("train/good/{index:03}.png"));
    let mut monitor = HealthMonitor::new(Some(&good(0)));
    let measured: Vec<_> = (1..40)
        .map(|index| monitor.measure(&good(index), 0.0))
        .collect();
    let limits = HealthLimits::suggested(&measured).expect("good frames");
    for index in 0..20 {
        let frame = photograph(format!("test/good/{index:03}.png"));
        assert_eq!(monitor.examine(&frame, &limits), None, "{index}");
        let dark = map(&frame, |_, byte| f32::from(byte) * 0.3);
        let finding = monitor.examine(&dark, &limits).expect("a fault");
        assert_eq!(finding.kind, HealthFault::Dark, "{index}");
    }
}
