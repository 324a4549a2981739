//! Graphs in 8 bits: quantisation, their own calibration, and their agreement with the graph in f32.

use anyhow::{Context, Result, ensure};
use inspectd_core::manifest::{DefectAuroc, Int8Parity, Precision};
use inspectd_core::maps::MapCalibration;
use inspectd_core::score::auroc;
use prost::Message;

use super::agreement::{Agreement, LoadedGraph, Model};
use super::quantize::{RangeMeter, last_convolutions, quantize};
use super::{CalibratedGraph, RunGraph, parity};
use crate::calibrate::without_frame;
use crate::dataset::loader::LoadedImage;
use crate::log::progress::Progress;
use crate::train::run::Run;

/// Largest number of good images on which the ranges of the activations are measured.
const CALIBRATION_IMAGES: usize = 64;

/// Largest accepted loss of image AUROC of artificial defects. They are at most 40, so that a smaller difference says little.
const AUROC_LOSS: f64 = 0.01;

/// Quantises the graph of `source`, calibrates it by its own maps, and compares it with `reference`, the graph of the same
/// networks in f32. The last convolution of each network stays in f32.
///
/// # Errors
/// When an image cannot be read, ONNX Runtime rejects the graph, a map is not finite, or the maps of the two graphs do
/// not agree.
pub(super) fn of_run(
    source: &RunGraph<'_>,
    reference: &CalibratedGraph,
) -> Result<CalibratedGraph> {
    let run = source.run;
    let plain = source.model(None, &reference.calibration)?;
    let keep = last_convolutions(plain.graph.as_ref().context("the model has no graph")?);
    let mut meter = RangeMeter::new(&plain, &keep)?;
    let train = &run.dataset().train;
    let paths: Vec<_> = evenly(train.len())
        .map(|index| train[index].clone())
        .collect();
    let mut progress = Progress::new("ranges of activations", paths.len() as u64, 0);
    for image in run.sequential_loader(&paths) {
        meter.add(&image?.frame)?;
        progress.set(meter.images() as u64, "");
    }
    progress.finish();
    let calibration_images = meter.images();
    let ranges = meter.finish();

    // The maps before location normalisation, so that its statistics are those of the maps in 8 bits.
    let graph = quantize(&plain, &keep, &ranges)?.encode_to_vec();
    let mut graph = LoadedGraph::new(Precision::Int8, &graph)?;
    let frame = run.origin.architecture.frame();
    let measured = run.measure_calibration(|image| {
        let maps = graph.maps(image)?;
        Ok(without_frame(maps, frame))
    })?;
    let model = source.model(measured.location, &measured.calibration)?;
    let mut quantised = CalibratedGraph {
        graph: quantize(&model, &keep, &ranges)?.encode_to_vec(),
        calibration: measured.calibration,
        int8: None,
    };
    let agreement = compare(run, reference, &quantised)?;
    agreement.check()?;
    quantised.int8 = Some(agreement.entry(calibration_images, None));
    Ok(quantised)
}

/// Indices of an even selection of 64 of `count` images, or of all if there are fewer, because neighbours are often similar.
pub fn evenly(count: usize) -> impl Iterator<Item = usize> {
    let selected = count.min(CALIBRATION_IMAGES);
    (0..selected).map(move |index| index * count / selected)
}

/// Compares two graphs, each with its own calibration: the maps of the images of the parity check, and the scores of the
/// images that calibrate the run.
fn compare(
    run: &Run,
    reference: &CalibratedGraph,
    quantised: &CalibratedGraph,
) -> Result<Agreement> {
    let model = |precision, graph: &CalibratedGraph| {
        Model::new(precision, &graph.graph, graph.calibration.maps()?)
    };
    let mut reference = model(Precision::F32, reference)?;
    let mut quantised = model(Precision::Int8, quantised)?;
    let validation = run.dataset().calibration_images();
    let total = parity::IMAGES + validation.len();
    let mut progress = Progress::new("comparing with f32", total as u64, 0);
    let mut agreement = Agreement::default();
    for image in parity::images(run)? {
        let maps = [&mut reference, &mut quantised].map(|model| model.inspect(&image));
        let [reference, quantised] = maps;
        agreement.add(&reference?.map, &quantised?.map);
        progress.set(agreement.images(), "");
    }
    for (done, image) in run.sequential_loader(validation).enumerate() {
        let image = image?;
        let scores = [reference.inspect(&image)?, quantised.inspect(&image)?];
        agreement.add_scores(scores.map(|inspected| inspected.score));
        progress.set(agreement.images() + done as u64 + 1, "");
    }
    progress.finish();
    Ok(agreement)
}

/// Two graphs of the same model, in f32 and in 8 bits, and what they are compared on.
#[derive(Debug)]
pub struct Compared<'a> {
    /// The serialised graphs.
    pub graphs: [&'a [u8]; 2],
    /// How their maps are combined.
    pub calibrations: [MapCalibration; 2],
    /// Scores of good images by models in both precisions that have not seen them.
    pub scores: [&'a [f64]; 2],
    /// Good images.
    pub good: &'a [LoadedImage],
    /// Images with artificial defects.
    pub defective: &'a [LoadedImage],
    /// Number of images on which the ranges of the activations were measured.
    pub measured: usize,
}

/// Compares two graphs by their combined maps, and by how well they find the artificial defects.
///
/// # Errors
/// When ONNX Runtime rejects a graph, a map is not finite, or the graph in 8 bits finds the artificial defects worse.
pub fn agreement(compared: &Compared<'_>) -> Result<Int8Parity> {
    let [f32, int8] = compared.graphs;
    let [plain, quantised] = compared.calibrations;
    let mut reference = Model::new(Precision::F32, f32, plain)?;
    let mut quantised = Model::new(Precision::Int8, int8, quantised)?;
    let total = compared.good.len() + compared.defective.len();
    let mut progress = Progress::new("comparing with f32", total as u64, 0);
    let mut agreement = Agreement::default();
    let mut inspect = |image: &LoadedImage| -> Result<[f64; 2]> {
        let inspected = [reference.inspect(image)?, quantised.inspect(image)?];
        let scores = inspected.each_ref().map(|inspected| inspected.score);
        agreement.add(&inspected[0].map, &inspected[1].map);
        agreement.add_scores(scores);
        progress.set(agreement.images(), "");
        Ok(scores)
    };
    for image in compared.good {
        inspect(image)?;
    }
    let bad = compared.defective.iter().map(&mut inspect);
    let bad: Vec<[f64; 2]> = bad.collect::<Result<_>>()?;
    progress.finish();
    let defects = defect_auroc(&bad, compared.scores)?;
    Ok(agreement.entry(compared.measured, defects))
}

/// Image AUROC of artificial defects with the scores `bad` against good images, in f32 and in 8 bits; `None` without
/// defects.
fn defect_auroc(bad: &[[f64; 2]], good: [&[f64]; 2]) -> Result<Option<DefectAuroc>> {
    if bad.is_empty() {
        return Ok(None);
    }
    let of = |side: usize| {
        let bad: Vec<f64> = bad.iter().map(|scores| scores[side]).collect();
        auroc(good[side], &bad).context("a score is not a number")
    };
    let found = DefectAuroc {
        main: of(0)?,
        variant: of(1)?,
    };
    ensure!(
        found.variant >= found.main - AUROC_LOSS,
        "the int8 graph finds artificial defects worse than the f32 graph: image AUROC {:.4} instead of {:.4}; may lose at most {AUROC_LOSS}",
        found.variant,
        found.main
    );
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_is_even_and_limited() {
        let selected = |count| evenly(count).collect::<Vec<_>>();
        assert_eq!(selected(0), Vec::<usize>::new());
        assert_eq!(selected(3), [0, 1, 2]);
        assert_eq!(selected(128), (0..64).map(|i| 2 * i).collect::<Vec<_>>());
    }

    #[test]
    fn graph_that_finds_defects_worse_is_rejected() {
        let good: Vec<f64> = (0..100).map(f64::from).collect();
        let bad = |int8| vec![[200.0, int8]; 10];
        let found = |int8| defect_auroc(&bad(int8), [&good, &good]);
        let same = found(201.0).expect("no loss").expect("defects");
        assert!(same.main > 0.999 && same.variant > 0.999);
        let error = found(90.5).expect_err("a loss").to_string();
        assert!(
            error.contains("image AUROC 0.9100 instead of 1.0000"),
            "{error}"
        );
        assert_eq!(defect_auroc(&[], [&good, &good]).expect("no defects"), None);
    }
}
