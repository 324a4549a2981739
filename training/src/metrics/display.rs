//! Text table of the metrics.

use std::fmt::{self, Display, Formatter};

use super::Metrics;
use super::curve::LimitedArea;
use super::image::{Estimate, ImageMetrics, OperatingPoint, TypeMetrics};
use super::pixel::{PixelMetrics, SaturatedPro};

impl Display for Metrics {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        images(&self.image, f)?;
        match &self.pixel {
            Some(metrics) => pixels(metrics, f),
            None => write!(f, "\npixels: no ground truth"),
        }
    }
}

fn images(metrics: &ImageMetrics, f: &mut Formatter<'_>) -> fmt::Result {
    let options = &metrics.options;
    write!(f, "images: {} good", metrics.good_images)?;
    if options.resamples > 0 {
        write!(
            f,
            "; {} % confidence intervals from {} bootstrap resamples, seed {}",
            100.0 * options.confidence,
            options.resamples,
            options.seed
        )?;
    }
    writeln!(f)?;
    writeln!(
        f,
        "{:<24} {:>6}  {:<22} {:<22} max F1",
        "type", "images", "AUROC", "average precision"
    )?;
    let mut row = |name: &str, images: Option<usize>, figures: [Estimate; 3]| {
        let images = images.map_or_else(String::new, |images| images.to_string());
        let [one, two, three] = figures.map(estimate);
        writeln!(f, "{name:<24} {images:>6}  {one:<22} {two:<22} {three}")
    };
    let figures =
        |of_type: &TypeMetrics| [of_type.au_roc, of_type.average_precision, of_type.max_f1];
    for (name, of_type) in &metrics.types {
        row(name, Some(of_type.images), figures(of_type))?;
    }
    let mean = &metrics.mean;
    row(
        "mean over types",
        None,
        [mean.au_roc, mean.average_precision, mean.max_f1],
    )?;
    row("all", Some(metrics.all.images), figures(&metrics.all))?;
    points(metrics, f)
}

/// Writes the operating points.
fn points(metrics: &ImageMetrics, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "\n{:<32} {:>12} {:>7} {:>7} {:>7} {:>7}",
        "at the threshold of", "", "ACC", "SEN", "SPE", "F1"
    )?;
    let mut row = |name: &str, point: &OperatingPoint| {
        writeln!(
            f,
            "{name:<32} {:>12.6} {:>7.4} {:>7.4} {:>7.4} {:>7.4}",
            point.threshold, point.accuracy, point.sensitivity, point.specificity, point.f1
        )
    };
    let all = [(String::from("all"), &metrics.all)];
    let types = metrics
        .types
        .iter()
        .map(|(name, metrics)| (name.clone(), metrics));
    for (name, metrics) in types.chain(all) {
        row(&format!("{name}, max F1"), &metrics.at_max_f1)?;
        if let Some(point) = &metrics.at_threshold {
            row(&format!("{name}, given"), point)?;
        }
    }
    Ok(())
}

fn estimate(estimate: Estimate) -> String {
    match estimate.interval {
        Some([low, high]) => format!("{:.4} ({low:.3}-{high:.3})", estimate.value),
        None => format!("{:.4}", estimate.value),
    }
}

fn pixels(metrics: &PixelMetrics, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "\npixels: {} good and {} defective in {} images; {} regions",
        metrics.good_pixels, metrics.defect_pixels, metrics.images, metrics.regions
    )?;
    for (number, description) in [
        (
            metrics.images_without_masks,
            "have no masks and are ignored",
        ),
        (metrics.images_with_empty_masks, "have empty masks"),
    ] {
        if number > 0 {
            writeln!(f, "{number} anomalous images {description}")?;
        }
    }
    writeln!(
        f,
        "AUROC {:.4}   average precision {:.4}   max F1 {:.4} at {:.6}",
        metrics.au_roc, metrics.average_precision, metrics.max_f1.f1, metrics.max_f1.threshold
    )?;
    write!(f, "\n{:<24}", "area up to FPR")?;
    for area in &metrics.au_pro {
        write!(f, " {:>7}", area.fpr_limit)?;
    }
    areas("AU-PRO", &metrics.au_pro, f)?;
    metrics
        .spro
        .as_ref()
        .map_or(Ok(()), |spro| saturated(spro, f))
}

fn saturated(spro: &SaturatedPro, f: &mut Formatter<'_>) -> fmt::Result {
    for (name, subset) in [("logical", &spro.logical), ("structural", &spro.structural)] {
        if let Some(subset) = subset {
            areas(&format!("AU-sPRO, {name}"), &subset.au_spro, f)?;
        }
    }
    match &spro.mean {
        Some(mean) => areas("AU-sPRO, mean", mean, f),
        None => Ok(()),
    }
}

fn areas(name: &str, areas: &[LimitedArea], f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "\n{name:<24}")?;
    for area in areas {
        write!(f, " {:>7.4}", area.area)?;
    }
    Ok(())
}
