//! Values of NumPy and SciPy; among the data are published examples.

use serde::Deserialize;

use crate::acceptance::agreement::{cohen_kappa, fleiss_kappa};
use crate::acceptance::gauge::gauge;
use crate::acceptance::interval::{clopper_pearson, upper_bound, wilson};
use crate::acceptance::plan::Series;
use crate::acceptance::type1::{BiasFrom, Scores, Tolerance, study};

#[derive(Deserialize)]
struct Reference {
    type1: Vec<Type1>,
    gauges: Vec<Gauge>,
    rates: Vec<Rate>,
    fleiss: Vec<Fleiss>,
    cohen: Vec<Cohen>,
}

#[derive(Deserialize)]
struct Type1 {
    scores: Vec<f64>,
    threshold: f64,
    good_mean: f64,
    reference: f64,
    mean: f64,
    deviation: f64,
    interval: [f64; 2],
    cg: f64,
    cgk: f64,
    q_ms_percent: f64,
}

#[derive(Deserialize)]
struct Gauge {
    parts: Vec<Vec<f64>>,
    between: f64,
    within: f64,
    freedom: [u64; 2],
    f: f64,
    p: f64,
    ev: f64,
    pv: f64,
    tv: f64,
    ev_percent: f64,
    categories: u64,
}

#[derive(Deserialize)]
struct Rate {
    events: u64,
    count: u64,
    confidence: f64,
    exact: [f64; 2],
    wilson: [f64; 2],
    upper_bound: f64,
}

#[derive(Deserialize)]
struct Fleiss {
    subjects: Vec<Vec<u64>>,
    kappa: f64,
}

#[derive(Deserialize)]
struct Cohen {
    table: [[u64; 2]; 2],
    kappa: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference.json")).expect("the reference values")
}

/// Fails unless the values are equal, relative to their size.
fn close(found: f64, expected: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(
        error <= 1e-9 * expected.abs().max(1e-6),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn type_1_studies_equal_the_reference() {
    for expected in reference().type1 {
        let scores = Scores {
            series: Series::Moved,
            part: "a".to_owned(),
            one_picture: false,
            values: expected.scores,
        };
        let tolerance = Tolerance {
            threshold: expected.threshold,
            good_mean: expected.good_mean,
            distance: expected.threshold - expected.good_mean,
        };
        let from = Some((expected.reference, BiasFrom::StatedValue));
        let found = study(scores, from, Some(tolerance), 0.95).expect("scores");
        let capability = found.capability.expect("a tolerance");
        close(found.mean, expected.mean, "mean");
        close(found.deviation, expected.deviation, "deviation");
        for (bound, expected) in found.deviation_interval.into_iter().zip(expected.interval) {
            close(bound, expected, "interval of the deviation");
        }
        close(capability.cg.expect("limited"), expected.cg, "Cg");
        close(capability.cgk.expect("limited"), expected.cgk, "Cgk");
        close(capability.q_ms_percent, expected.q_ms_percent, "Q_MS");
    }
}

#[test]
fn gauges_equal_the_reference_and_the_published_sums_of_squares() {
    for expected in reference().gauges {
        let parts: Vec<&[f64]> = expected.parts.iter().map(|part| &part[..]).collect();
        let found = gauge(&parts, None).expect("repeated scores");
        close(found.between.squares, expected.between, "between");
        close(found.within.squares, expected.within, "within");
        assert_eq!(
            [found.between.freedom, found.within.freedom],
            expected.freedom
        );
        close(found.f.expect("a ratio"), expected.f, "F");
        let p = found.p.expect("a probability");
        assert!((p - expected.p).abs() < 1e-9, "{p} {}", expected.p);
        close(found.ev, expected.ev, "EV");
        close(found.pv, expected.pv, "PV");
        close(found.tv, expected.tv, "TV");
        close(
            found.ev_percent.expect("scatter"),
            expected.ev_percent,
            "%EV",
        );
        assert_eq!(found.categories, Some(expected.categories));
    }
    // AIAG, Measurement Systems Analysis, 4th edition: parts 88.3619, total 94.6471.
    let aiag = &reference().gauges[0];
    let parts: Vec<&[f64]> = aiag.parts.iter().map(|part| &part[..]).collect();
    let found = gauge(&parts, None).expect("repeated scores");
    assert!((found.between.squares - 88.3619).abs() < 1e-4, "{found:?}");
    assert!(
        (found.between.squares + found.within.squares - 94.6471).abs() < 1e-4,
        "{found:?}"
    );
}

#[test]
fn intervals_of_rates_equal_the_reference() {
    for expected in reference().rates {
        let Rate {
            events,
            count,
            confidence,
            ..
        } = expected;
        let pairs = [
            (clopper_pearson(events, count, confidence), expected.exact),
            (wilson(events, count, confidence), expected.wilson),
        ];
        for (found, expected) in pairs {
            for (found, expected) in found.into_iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{events}/{count}: {found} {expected}"
                );
            }
        }
        let bound = upper_bound(events, count, confidence);
        assert!(
            (bound - expected.upper_bound).abs() < 1e-9,
            "{events}/{count}: {bound}"
        );
    }
    for [low, high] in [clopper_pearson(0, 0, 0.95), wilson(0, 0, 0.95)] {
        assert!(
            low.abs() < 1e-12 && (high - 1.0).abs() < 1e-12,
            "{low} {high}"
        );
    }
}

#[test]
fn kappas_equal_the_reference_and_published_examples() {
    let reference = reference();
    for expected in &reference.fleiss {
        close(
            fleiss_kappa(&expected.subjects).expect("defined"),
            expected.kappa,
            "Fleiss",
        );
    }
    for expected in &reference.cohen {
        close(
            cohen_kappa(&expected.table).expect("defined"),
            expected.kappa,
            "Cohen",
        );
    }
    // Fleiss (1971), as commonly published, and the usual example of Cohen's kappa.
    assert!((reference.fleiss[0].kappa - 0.210).abs() < 5e-4);
    assert!((reference.cohen[0].kappa - 0.4).abs() < 1e-12);
    // Without a choice, kappa is not defined.
    assert_eq!(cohen_kappa(&[[7, 0], [0, 0]]), None);
    assert_eq!(fleiss_kappa(&[vec![3, 0], vec![3, 0]]), None);
    assert_eq!(fleiss_kappa(&[vec![1, 0], vec![0, 1]]), None);
}
