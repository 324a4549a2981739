//! Image-level metrics of small examples, compared with results computed by hand.

use super::*;

fn scores(good: &[f64], types: &[(&str, &[f64])]) -> Vec<ImageScore> {
    let of = |anomaly: Option<&str>, scores: &[f64]| {
        scores
            .iter()
            .map(|&score| ImageScore {
                anomaly: anomaly.map(str::to_owned),
                score,
            })
            .collect::<Vec<_>>()
    };
    let mut all = of(None, good);
    for (name, scores) in types {
        all.extend(of(Some(name), scores));
    }
    all
}

fn example() -> ImageMetrics {
    let images = scores(
        &[1.0, 2.0, 3.0, 4.0],
        &[("dent", &[2.5, 5.0, 6.0]), ("stain", &[0.5, 3.5])],
    );
    let options = Options {
        threshold: Some(3.0),
        ..Options::default()
    };
    evaluate(&images, &options).expect("good and anomalous images")
}

#[test]
fn each_type_is_compared_with_all_good_images() {
    let metrics = example();
    let check = |found: Estimate, expected: f64| {
        assert!((found.value - expected).abs() < 1e-15, "{found:?}");
        let [low, high] = found.interval.expect("resampled");
        assert!(low < found.value && found.value < high, "{found:?}");
    };
    let (dent, stain) = (&metrics.types["dent"], &metrics.types["stain"]);
    check(dent.au_roc, 10.0 / 12.0);
    check(stain.au_roc, 3.0 / 8.0);
    check(metrics.mean.au_roc, f64::midpoint(10.0 / 12.0, 3.0 / 8.0));
    check(metrics.all.au_roc, 13.0 / 20.0);
    assert_eq!((dent.images, stain.images, metrics.all.images), (3, 2, 5));
}

#[test]
fn score_equal_to_the_threshold_counts_as_anomalous() {
    let metrics = example();
    let point = metrics.types["dent"]
        .at_threshold
        .expect("a threshold was given");
    assert_eq!(
        (
            point.true_positives,
            point.false_positives,
            point.true_negatives,
            point.false_negatives
        ),
        (2, 2, 2, 1)
    );
    let shares = [
        point.accuracy,
        point.sensitivity,
        point.specificity,
        point.f1,
    ];
    let expected = [4.0 / 7.0, 2.0 / 3.0, 0.5, 4.0 / 7.0];
    assert_eq!(shares.map(f64::to_bits), expected.map(f64::to_bits));
    let best = metrics.types["dent"].at_max_f1;
    assert_eq!(best.threshold.to_bits(), 5.0_f64.to_bits());
    assert_eq!(
        best.f1.to_bits(),
        metrics.types["dent"].max_f1.value.to_bits()
    );
}

#[test]
fn roc_curve_has_every_point_once() {
    let roc = &example().types["stain"].roc;
    assert_eq!(roc.fpr, [0.0, 0.25, 0.25, 0.5, 0.75, 1.0, 1.0]);
    assert_eq!(roc.value, [0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 1.0]);
}

#[test]
fn intervals_depend_only_on_the_seed() {
    let images = scores(&[1.0, 2.0, 3.0, 4.0], &[("dent", &[2.5, 3.5, 6.0])]);
    let with = |seed, resamples| {
        let options = Options {
            resamples,
            seed,
            ..Options::default()
        };
        evaluate(&images, &options)
            .expect("good and anomalous images")
            .all
            .au_roc
    };
    assert_eq!(with(1, 101), with(1, 101));
    assert_ne!(with(1, 101), with(2, 101));
    assert_eq!(with(1, 0).interval, None);
}

/// The bootstrap interval agrees with theory: Hanley and McNeil, 1982, give a standard error of 0.033 for
/// 100 good and 80 anomalous images and an area of 0.8.
#[test]
fn interval_width_agrees_with_hanley_and_mcneil() {
    let normal = |i: usize, n: usize| {
        // Quantiles of the logistic distribution, a close approximation of the normal distribution.
        let p = (i as f64 + 0.5) / n as f64;
        (p / (1.0 - p)).ln() / 1.702
    };
    let good: Vec<f64> = (0..100).map(|i| normal(i, 100)).collect();
    let anomalous: Vec<f64> = (0..80).map(|i| normal(i, 80) + 1.19).collect();
    let images = scores(&good, &[("dent", &anomalous)]);
    let metrics = evaluate(&images, &Options::default()).expect("good and anomalous images");
    let [low, high] = metrics.all.au_roc.interval.expect("resampled");
    let width = high - low;
    assert!((0.11..0.15).contains(&width), "{:?}", metrics.all.au_roc);
}

#[test]
fn invalid_scores_and_options_are_rejected() {
    let check = |images: &[ImageScore], options: Options, expected: &str| {
        let error = evaluate(images, &options)
            .expect_err("rejected")
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    let default = Options::default();
    check(&scores(&[1.0], &[]), default, "0 anomalous");
    check(&scores(&[], &[("dent", &[1.0])]), default, "0 good");
    check(
        &scores(&[1.0, f64::NAN], &[("dent", &[1.0])]),
        default,
        "image 1 is NaN",
    );
    let images = scores(&[1.0], &[("dent", &[1.0])]);
    let too_many = Options {
        resamples: 100_001,
        ..default
    };
    check(&images, too_many, "at most 100000");
    let certain = Options {
        confidence: 1.0,
        ..default
    };
    check(&images, certain, "below 1");
    let infinite = Options {
        threshold: Some(f64::INFINITY),
        ..default
    };
    check(&images, infinite, "threshold = inf");
}
