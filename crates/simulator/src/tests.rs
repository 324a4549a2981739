//! Tests of the public interface of the simulator.

use proptest::prelude::*;

use super::{Defect, ProductionLine, Scene, clutter};

/// Returns the mean absolute difference of the pixels that `is` selects, on the scale 0 to 255.
fn difference(a: &Scene, b: &Scene, side: u32, is: impl Fn(usize) -> bool) -> f64 {
    let (a, b) = (a.render(side, side), b.render(side, side));
    let pixels = a.rgb().chunks_exact(3).zip(b.rgb().chunks_exact(3));
    let (mut sum, mut count) = (0.0, 0.0);
    for (_, (a, b)) in pixels.enumerate().filter(|(pixel, _)| is(*pixel)) {
        for (a, b) in a.iter().zip(b) {
            sum += f64::from(a.abs_diff(*b));
            count += 1.0;
        }
    }
    sum / f64::max(count, 1.0)
}

#[test]
fn equal_seed_and_index_give_equal_bytes_and_others_differ() {
    let bytes = |seed, index| ProductionLine::new(seed).part(index, &[]).render(64, 48);
    assert_eq!(bytes(1, 2), bytes(1, 2));
    assert_ne!(bytes(1, 2), bytes(1, 3));
    assert_ne!(bytes(1, 2), bytes(2, 2));
}

#[test]
fn rendered_bytes_are_the_same_in_every_release() {
    // A dataset that is written again must be the same. A deliberate change of the images changes these sums
    // too.
    let sum = |bytes: &[u8]| {
        bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3) // FNV-1a
        })
    };
    let part = ProductionLine::new(1).part(7, &Defect::ALL).render(64, 64);
    assert_eq!(sum(part.rgb()), PART_SUM, "{:#x}", sum(part.rgb()));
    let other = clutter::clutter(1, 7, 64, 64);
    assert_eq!(sum(other.rgb()), CLUTTER_SUM, "{:#x}", sum(other.rgb()));
}

const PART_SUM: u64 = 0xF92A_53B4_6780_641E;
const CLUTTER_SUM: u64 = 0x9F48_E0FB_F1DC_0B11;

#[test]
fn large_image_reduced_in_size_agrees_with_small_image() {
    const FACTOR: usize = 4;
    const SIDE: usize = 128;
    let mut scene = ProductionLine::new(3).part(4, &[Defect::Scratch]);
    scene.camera.read_noise = 0.0;
    scene.camera.shot_noise = 0.0;
    let small = scene.render(SIDE as u32, SIDE as u32);
    let large = scene.render((SIDE * FACTOR) as u32, (SIDE * FACTOR) as u32);
    let mut sums = vec![0_u32; SIDE * SIDE * 3];
    for (place, byte) in large.rgb().iter().enumerate() {
        let (pixel, channel) = (place / 3, place % 3);
        let (row, column) = (pixel / (SIDE * FACTOR), pixel % (SIDE * FACTOR));
        sums[(row / FACTOR * SIDE + column / FACTOR) * 3 + channel] += u32::from(*byte);
    }
    let total: f64 = small
        .rgb()
        .iter()
        .zip(&sums)
        .map(|(byte, sum)| (f64::from(*byte) - f64::from(*sum) / (FACTOR * FACTOR) as f64).abs())
        .sum();
    let mean = total / sums.len() as f64;
    assert!(mean < 4.0, "differs by {mean} of 255 on average");
}

#[test]
fn structural_defect_changes_pixels_inside_its_mask_only() {
    const SIDE: u32 = 128;
    for defect in Defect::STRUCTURAL {
        for index in 0..3 {
            let line = ProductionLine::new(8);
            let (good, broken) = (line.part(index, &[]), line.part(index, &[defect]));
            let truth = broken.truth(SIDE, SIDE);
            let inside = difference(&good, &broken, SIDE, |pixel| truth[0].pixels[pixel]);
            let outside = difference(&good, &broken, SIDE, |pixel| !truth[0].pixels[pixel]);
            assert!(inside > 10.0, "{defect} {index}: {inside}");
            assert!(outside < 0.3, "{defect} {index}: {outside}");
        }
    }
}

#[test]
fn logical_defect_changes_pixels_mainly_inside_its_mask() {
    const SIDE: u32 = 128;
    for defect in Defect::LOGICAL {
        for index in 0..3 {
            let line = ProductionLine::new(8);
            let (good, broken) = (line.part(index, &[]), line.part(index, &[defect]));
            let truth = broken.truth(SIDE, SIDE);
            let inside = difference(&good, &broken, SIDE, |pixel| truth[0].pixels[pixel]);
            let outside = difference(&good, &broken, SIDE, |pixel| !truth[0].pixels[pixel]);
            // An additional part casts a shadow outside its mask.
            assert!(inside > 6.0, "{defect} {index}: {inside}");
            assert!(outside < 1.0, "{defect} {index}: {outside}");
        }
    }
}

#[test]
fn mask_area_is_at_least_the_saturation_threshold() {
    for (width, height) in [(32, 32), (256, 256), (400, 320)] {
        for defect in Defect::ALL {
            for index in 0..12 {
                let truth = ProductionLine::new(2)
                    .part(index, &[defect])
                    .truth(width, height);
                assert_eq!(truth.len(), 1);
                assert_eq!(truth[0].pixels.len(), (width * height) as usize);
                let area = truth[0].pixels.iter().filter(|&&inside| inside).count() as f64;
                assert!(area >= 1.0, "{defect}");
                let saturation = truth[0].saturation;
                assert!(
                    saturation.relative || saturation.threshold <= area,
                    "{defect}"
                );
            }
        }
    }
}

#[test]
fn each_of_several_defects_has_its_own_mask() {
    let scene = ProductionLine::new(2).part(1, &[Defect::Stain, Defect::Missing]);
    let truth = scene.truth(64, 64);
    let named: Vec<Defect> = truth.iter().map(|mask| mask.defect).collect();
    assert_eq!(named, [Defect::Missing, Defect::Stain]);
    assert_eq!(named, scene.defects().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn every_part_renders_at_every_size_with_non_empty_masks(
        seed: u64,
        index: u64,
        kind in 0..=Defect::ALL.len(),
        width in 32..400_u32,
        height in 32..400_u32,
    ) {
        let defects: Vec<Defect> = Defect::ALL.get(kind).copied().into_iter().collect();
        let scene = ProductionLine::new(seed).part(index, &defects);
        let frame = scene.render(width, height);
        prop_assert_eq!((frame.width(), frame.height()), (width, height));
        for mask in scene.truth(width, height) {
            prop_assert!(mask.pixels.contains(&true));
        }
    }
}
