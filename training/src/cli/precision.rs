//! Precisions on the command line.

use std::collections::BTreeSet;

use clap::ValueEnum;
use inspectd_core::bundle::Bundle;
use inspectd_core::manifest::{Int8Parity, Manifest, Precision};

/// Precision of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphPrecision {
    /// 32-bit floats, as in training
    #[value(name = "f32")]
    F32,
    /// 8-bit integers, except for the last convolution of each network: smaller and faster on a CPU, with a calibration of
    /// its own, because its scores differ slightly
    #[value(name = "int8")]
    Int8,
}

impl From<GraphPrecision> for Precision {
    fn from(precision: GraphPrecision) -> Self {
        match precision {
            GraphPrecision::F32 => Self::F32,
            GraphPrecision::Int8 => Self::Int8,
        }
    }
}

/// The precisions of an option.
pub(super) fn precisions(given: &[GraphPrecision]) -> BTreeSet<Precision> {
    given.iter().copied().map(Precision::from).collect()
}

/// Describes the graphs of a bundle: `f32 11.5 MB, int8 6.2 MB`.
pub(super) fn graphs(bundle: &Bundle) -> String {
    let sizes = bundle.graphs().iter().map(|graph| graph.len() as f64 / 1e6);
    let graphs = bundle.manifest().precisions().zip(sizes);
    let graphs: Vec<String> = graphs
        .map(|(precision, size)| format!("{precision} {size:.1} MB"))
        .collect();
    graphs.join(", ")
}

/// Describes the agreement of the graph in 8 bits of a bundle with that in f32, one line; `None` without such a graph.
pub(super) fn agreement(manifest: &Manifest) -> Option<String> {
    let int8 = manifest.select(Precision::Int8)?;
    int8.parity.int8.as_ref().map(described)
}

fn described(parity: &Int8Parity) -> String {
    let mut facts = vec![format!(
        "correlation {:.4} of the maps over {} images, largest difference {:.1e} of the largest value, mean {:.1e}",
        parity.map_correlation, parity.images, parity.largest_relative, parity.mean_relative,
    )];
    facts.extend(
        parity
            .score_correlation
            .map(|correlation| format!("correlation of the scores {correlation:.4}")),
    );
    facts.extend(parity.defect_auroc.map(|found| {
        format!(
            "image AUROC of artificial defects {:.4} and {:.4} in f32",
            found.variant, found.main
        )
    }));
    facts.push(format!(
        "ranges measured on {} images",
        parity.calibration_images
    ));
    format!("int8 agrees with f32: {}", facts.join("; "))
}
