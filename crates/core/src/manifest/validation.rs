//! Checks of the values of a manifest.

use std::fmt::Debug;

use toml::value::{Datetime, Offset};

use super::{
    Contents, FORMAT_VERSION, GRAPH_FILE, Int8Parity, ManifestFault, Maps, Parity, Precision,
    Provenance, Quantiles, Scores, Threshold, Variant,
};

/// Maximum side: larger than the input of any network of this project (512), and small enough that no
/// product of sides overflows.
const MAX_SIDE: u32 = 4096;

/// Maximum length of the name and the version, in bytes.
const MAX_NAME_LENGTH: usize = 64;

/// Collects the faults.
#[derive(Default)]
struct Checker(Vec<ManifestFault>);

impl Checker {
    fn require(&mut self, holds: bool, key: &str, found: impl Debug, allowed: &str) {
        if !holds {
            self.0.push(fault(key, format!("{found:?}"), allowed));
        }
    }

    fn name(&mut self, key: &str, text: &str) {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let holds = (1..=MAX_NAME_LENGTH).contains(&text.len()) && text.bytes().all(legal);
        self.require(holds, key, text, "1 to 64 letters, digits, '.', '_' or '-'");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.require(!text.trim().is_empty(), key, text, "a non-empty text");
    }

    fn sha256(&mut self, key: &str, text: &str) {
        let legal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let holds = text.len() == 64 && text.bytes().all(legal);
        self.require(holds, key, text, "64 lower-case hexadecimal digits");
    }

    fn side(&mut self, key: &str, side: u32) {
        let allowed = format!("1 to {MAX_SIDE}");
        self.require((1..=MAX_SIDE).contains(&side), key, side, &allowed);
    }

    fn finite(&mut self, key: &str, value: f64) {
        self.require(value.is_finite(), key, value, "a finite number");
    }

    fn not_negative(&mut self, key: &str, value: f64) {
        self.require(
            value.is_finite() && value >= 0.0,
            key,
            value,
            "a finite number, 0 or above",
        );
    }

    fn share(&mut self, key: &str, value: f64) {
        self.require((0.0..=1.0).contains(&value), key, value, "0 to 1");
    }

    fn correlation(&mut self, key: &str, value: f64) {
        self.require((-1.0..=1.0).contains(&value), key, value, "-1 to 1");
    }

    fn count(&mut self, key: &str, count: u32) {
        self.require(count > 0, key, count, "1 or more");
    }
}

fn fault(key: &str, found: String, allowed: &str) -> ManifestFault {
    ManifestFault {
        key: key.to_owned(),
        found,
        allowed: allowed.to_owned(),
    }
}

/// Returns the fault of a file with another version of the format.
pub(super) fn format_version(found: String) -> ManifestFault {
    fault("format_version", found, &FORMAT_VERSION.to_string())
}

/// Returns all faults of `contents`, in the order of the file.
pub(super) fn faults(contents: &Contents) -> Vec<ManifestFault> {
    let mut checker = Checker::default();
    if contents.format_version != FORMAT_VERSION {
        checker
            .0
            .push(format_version(contents.format_version.to_string()));
    }
    checker.name("name", &contents.name);
    checker.name("version", &contents.version);
    let file = &contents.graph.file;
    checker.require(
        file == GRAPH_FILE,
        "graph.file",
        file,
        &format!("{GRAPH_FILE:?}"),
    );
    checker.sha256("graph.sha256", &contents.graph.sha256);
    checker.side("input.width", contents.input.width);
    checker.side("input.height", contents.input.height);
    maps(&mut checker, &contents.maps);
    scores(&mut checker, &contents.scores);
    threshold(&mut checker, &contents.threshold);
    provenance(&mut checker, &contents.provenance);
    parity(&mut checker, &contents.parity);
    let precision = contents.graph.precision;
    int8_parity(&mut checker, precision, contents.parity.int8.as_ref());
    for (precision, found) in &contents.variants {
        variant(&mut checker, contents, *precision, found);
    }
    checker.0
}

/// Checks a variant as if it were the main graph.
fn variant(checker: &mut Checker, contents: &Contents, precision: Precision, variant: &Variant) {
    let table = format!("variants.{precision}");
    let key = |name: &str| format!("{table}.{name}");
    let main = contents.graph.precision;
    checker.require(
        precision != main && !precision.is_f32(),
        &table,
        precision.name(),
        &format!("another precision than graph.precision ({main}) and f32"),
    );
    let file = precision.variant_file();
    checker.require(
        variant.file == file,
        &key("file"),
        &variant.file,
        &format!("{file:?}"),
    );
    checker.sha256(&key("sha256"), &variant.sha256);
    let size = |maps: &Maps| [maps.width, maps.height];
    checker.require(
        size(&variant.maps) == size(&contents.maps),
        &key("maps"),
        size(&variant.maps),
        &format!("the width and height of maps, {:?}", size(&contents.maps)),
    );
    let mut inner = Checker::default();
    maps(&mut inner, &variant.maps);
    scores(&mut inner, &variant.scores);
    threshold(&mut inner, &variant.threshold);
    agreement(&mut inner, "parity", &variant.parity);
    let inner = inner.0.into_iter();
    checker.0.extend(inner.map(|fault| ManifestFault {
        key: key(&fault.key),
        ..fault
    }));
}

fn maps(checker: &mut Checker, maps: &Maps) {
    checker.side("maps.width", maps.width);
    checker.side("maps.height", maps.height);
    let weights = maps.weights;
    let legal = weights
        .iter()
        .all(|weight| weight.is_finite() && *weight >= 0.0);
    let any = weights.iter().any(|weight| *weight > 0.0);
    checker.require(
        legal && any,
        "maps.weights",
        weights,
        "two finite numbers, 0 or above, not both 0",
    );
    if maps.logical.is_none() {
        checker.require(
            weights[1] == 0.0,
            "maps.weights",
            weights,
            "two numbers of which the second is 0, because maps.logical is absent",
        );
    }
    quantiles(checker, "maps.structural", maps.structural);
    if let Some(logical) = maps.logical {
        quantiles(checker, "maps.logical", logical);
    }
}

fn quantiles(checker: &mut Checker, table: &str, Quantiles { a, b }: Quantiles) {
    checker.finite(&format!("{table}.a"), f64::from(a));
    checker.finite(&format!("{table}.b"), f64::from(b));
    if a.is_finite() && b.is_finite() {
        checker.require(
            a < b,
            &format!("{table}.b"),
            b,
            &format!("above {table}.a = {a:?}"),
        );
    }
}

fn scores(checker: &mut Checker, scores: &Scores) {
    let sorted = &scores.sorted;
    let count = sorted.len();
    let allowed = format!("the number of scores.sorted ({count}), 1 or more");
    checker.require(
        count > 0 && scores.count as usize == count,
        "scores.count",
        scores.count,
        &allowed,
    );
    checker.finite("scores.mean", scores.mean);
    checker.not_negative("scores.std", scores.std);
    if let Some(index) = sorted.iter().position(|score| !score.is_finite()) {
        checker.require(
            false,
            &format!("scores.sorted[{index}]"),
            sorted[index],
            "a finite number",
        );
    } else if let Some(index) = sorted.windows(2).position(|pair| pair[0] > pair[1]) {
        let allowed = format!("at least the score before it, {:?}", sorted[index]);
        checker.require(
            false,
            &format!("scores.sorted[{}]", index + 1),
            sorted[index + 1],
            &allowed,
        );
    }
    for (index, quantile) in scores.quantiles.iter().enumerate() {
        let key = format!("scores.quantiles[{index}]");
        checker.share(&format!("{key}.fraction"), quantile.fraction);
        checker.finite(&format!("{key}.score"), f64::from(quantile.score));
    }
    for (index, pair) in scores.quantiles.windows(2).enumerate() {
        let key = format!("scores.quantiles[{}].fraction", index + 1);
        let ascending = pair[0].fraction < pair[1].fraction;
        checker.require(
            ascending,
            &key,
            pair[1].fraction,
            "above the fraction before it",
        );
    }
}

fn threshold(checker: &mut Checker, threshold: &Threshold) {
    checker.finite("threshold.value", f64::from(threshold.value));
    checker.share("threshold.false_reject_rate", threshold.false_reject_rate);
    checker.text("threshold.method", &threshold.method);
}

fn provenance(checker: &mut Checker, provenance: &Provenance) {
    let created = provenance.created;
    checker.require(
        is_utc(created),
        "provenance.created",
        created.to_string(),
        "a date and time ending in Z",
    );
    checker.text("provenance.dataset_layout", &provenance.dataset_layout);
    checker.text("provenance.category", &provenance.category);
    checker.text(
        "provenance.dataset_fingerprint",
        &provenance.dataset_fingerprint,
    );
    checker.text("provenance.preset", &provenance.preset);
    // TOML integers are signed 64-bit.
    let largest = i64::MAX as u64;
    let allowed = format!("at most {largest}");
    checker.require(
        provenance.steps <= largest,
        "provenance.steps",
        provenance.steps,
        &allowed,
    );
    checker.require(
        provenance.seed <= largest,
        "provenance.seed",
        provenance.seed,
        &allowed,
    );
    checker.text("provenance.code_version", &provenance.code_version);
    checker.text(
        "provenance.teacher.description",
        &provenance.teacher.description,
    );
    checker.sha256("provenance.teacher.sha256", &provenance.teacher.sha256);
}

fn is_utc(time: Datetime) -> bool {
    time.date.is_some() && time.time.is_some() && time.offset == Some(Offset::Z)
}

fn parity(checker: &mut Checker, parity: &Parity) {
    checker.count("parity.images", parity.images);
    checker.not_negative("parity.largest_absolute", parity.largest_absolute);
    checker.not_negative("parity.largest_relative", parity.largest_relative);
    checker.text("parity.onnxruntime_version", &parity.onnxruntime_version);
    checker.text("parity.libtorch_version", &parity.libtorch_version);
}

fn int8_parity(checker: &mut Checker, precision: Precision, parity: Option<&Int8Parity>) {
    let allowed = format!(
        "present if graph.precision is \"{}\", otherwise absent",
        Precision::Int8
    );
    match (precision, parity) {
        (Precision::F32, None) => {}
        (Precision::F32, Some(_)) => {
            checker
                .0
                .push(fault("parity.int8", "present".to_owned(), &allowed));
        }
        (Precision::Int8, None) => {
            checker
                .0
                .push(fault("parity.int8", "absent".to_owned(), &allowed));
        }
        (Precision::Int8, Some(parity)) => agreement(checker, "parity.int8", parity),
    }
}

/// Checks the agreement of a graph with another one.
fn agreement(checker: &mut Checker, table: &str, parity: &Int8Parity) {
    let key = |name: &str| format!("{table}.{name}");
    checker.count(&key("calibration_images"), parity.calibration_images);
    checker.count(&key("images"), parity.images);
    checker.not_negative(&key("largest_relative"), parity.largest_relative);
    checker.not_negative(&key("mean_relative"), parity.mean_relative);
    checker.correlation(&key("map_correlation"), parity.map_correlation);
    if let Some(correlation) = parity.score_correlation {
        checker.correlation(&key("score_correlation"), correlation);
    }
    if let Some(defects) = parity.defect_auroc {
        checker.share(&key("defect_auroc.main"), defects.main);
        checker.share(&key("defect_auroc.variant"), defects.variant);
    }
}
