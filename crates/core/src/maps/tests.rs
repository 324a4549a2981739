use proptest::prelude::*;

use super::*;

fn quantiles(a: f32, b: f32) -> Quantiles {
    Quantiles::try_new(a, b).expect("ordered")
}

fn calibration() -> MapCalibration {
    MapCalibration {
        structural: quantiles(1.0, 3.0),
        logical: Some(quantiles(-2.0, 2.0)),
        weights: [1.0, 0.5],
    }
}

fn close(left: &[f32], right: &[f32]) -> bool {
    let near = |(l, r): (&f32, &f32)| (l - r).abs() <= 1e-4 * l.abs().max(1.0);
    left.len() == right.len() && left.iter().zip(right).all(near)
}

#[test]
fn quantiles_must_be_finite_and_ascending() {
    let check = |a, b, allowed| assert_eq!(Quantiles::try_new(a, b).is_ok(), allowed, "{a} {b}");
    check(0.0, 1.0, true);
    check(1.0, 1.0, false);
    check(2.0, 1.0, false);
    check(f32::NAN, 1.0, false);
    check(0.0, f32::INFINITY, false);
    check(f32::NEG_INFINITY, 0.0, false);
    check(f32::MIN, f32::MAX, false);
}

#[test]
fn combined_map_is_the_weighted_sum_of_normalised_maps() {
    // Structural 3 is the upper quantile: 0.1. Logical 0 is half way between the quantiles: 0.5 x 0.05.
    let combined = combine(&[3.0, 1.0], &[0.0, -2.0], &calibration());
    assert!(close(&combined, &[0.125, 0.0]));
}

#[test]
fn upsample_agrees_with_pytorch() {
    let map = [0.0, 1.0, 4.0, 2.0, -3.0, 8.0];
    let size = MapSize {
        width: 3,
        height: 2,
    };
    let check = |width, height, expected: &[f32]| {
        let resized = upsample(&map, size, width, height);
        assert!(close(&resized, expected), "{width}x{height}: {resized:?}");
    };
    check(
        5,
        3,
        &[
            0.0, 0.4, 1.0, 2.8, 4.0, 1.0, 0.2, -1.0, 3.2, 6.0, 2.0, 0.0, -3.0, 3.6, 8.0,
        ],
    );
    check(2, 4, &[0.25, 3.25, 0.375, 3.75, 0.625, 4.75, 0.75, 5.25]);
    check(1, 1, &[-1.0]);
}

#[test]
fn score_is_the_maximum_of_the_resized_sum_with_the_shares_of_both_branches() {
    let structural = [1.0, 1.0, 5.0, 1.0];
    let logical = [-2.0, -2.0, 2.0, -2.0];
    let size = MapSize::square(2);
    let score = image_score(&structural, &logical, size, &calibration(), 8, 8);
    assert!(close(
        &[score.score, score.structural, score.logical],
        &[0.25, 0.2, 0.05]
    ));
}

#[test]
fn score_without_a_logical_map_is_the_structural_share() {
    let calibration = MapCalibration {
        logical: None,
        ..calibration()
    };
    let size = MapSize {
        width: 3,
        height: 1,
    };
    // The values of the logical map are ignored.
    let score = image_score(&[1.0, 5.0, 1.0], &[9.0; 3], size, &calibration, 3, 1);
    assert!(close(&[score.score, score.structural], &[0.2, 0.2]));
    assert_eq!(score.logical.to_bits(), 0);
    let combined = combine(&[1.0, 5.0, 1.0], &[9.0; 3], &calibration);
    assert!(close(&combined, &[0.0, 0.2, 0.0]));
}

#[test]
fn map_with_a_non_finite_value_scores_nan() {
    let size = MapSize::square(2);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let structural = [1.0, bad, 1.0, 1.0];
        let score = image_score(&structural, &[0.0; 4], size, &calibration(), 8, 8);
        assert!(score.score.is_nan(), "{bad}");
    }
}

/// The size of a small map, also of one that is not square.
pub(crate) fn any_size() -> impl Strategy<Value = MapSize> {
    (1usize..9, 1usize..9).prop_map(|(width, height)| MapSize { width, height })
}

fn pair() -> impl Strategy<Value = (MapSize, Vec<f32>, Vec<f32>)> {
    any_size().prop_flat_map(|size| {
        let map = || prop::collection::vec(-10.0f32..10.0, size.cells());
        (Just(size), map(), map())
    })
}

proptest! {
    #[test]
    fn upsampled_constant_map_is_constant(value in -1e3f32..1e3, size in any_size(), w in 1u32..40, h in 1u32..40) {
        let resized = upsample(&vec![value; size.cells()], size, w, h);
        prop_assert!(resized.iter().all(|v| v.total_cmp(&value).is_eq()));
    }

    #[test]
    fn upsampling_to_the_same_size_keeps_every_value((size, map, _) in pair()) {
        prop_assert_eq!(upsample(&map, size, size.width as u32, size.height as u32), map);
    }

    #[test]
    fn upsampling_is_linear((size, one, two) in pair(), w in 1u32..30, h in 1u32..30) {
        let sum: Vec<f32> = one.iter().zip(&two).map(|(a, b)| a + 3.0 * b).collect();
        let apart = upsample(&one, size, w, h).into_iter()
            .zip(upsample(&two, size, w, h))
            .map(|(a, b)| a + 3.0 * b)
            .collect::<Vec<f32>>();
        prop_assert!(close(&upsample(&sum, size, w, h), &apart));
    }

    #[test]
    fn score_is_the_maximum_of_the_upsampled_map((size, s, l) in pair(), w in 1u32..30, h in 1u32..30) {
        let combined = combine(&s, &l, &calibration());
        let largest = |map: &[f32]| map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let score = image_score(&s, &l, size, &calibration(), w, h);
        let resized = largest(&upsample(&combined, size, w, h));
        prop_assert!(close(&[score.score], &[resized]));
        prop_assert!(score.score <= largest(&combined) + 1e-5);
        prop_assert!(close(&[score.structural + score.logical], &[score.score]));
    }
}
