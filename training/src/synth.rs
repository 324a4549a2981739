//! Writes a synthetic dataset: rendered images of the simulated inspection line, in the layout of `MVTec`
//! LOCO AD.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use image::{GrayImage, RgbImage};
use inspectd_simulator::{Defect, ProductionLine, Scene};
use rayon::prelude::*;

use crate::files;

/// Name of the only category of the dataset.
pub const CATEGORY: &str = "line";

/// Size and number of the images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthOptions {
    /// Random seed of the line. Equal seeds write identical files.
    pub seed: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Number of good training images.
    pub train: u32,
    /// Number of good validation images.
    pub validation: u32,
    /// Number of good test images.
    pub good_test: u32,
    /// Number of test images for each defect.
    pub per_defect: u32,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            width: 256,
            height: 256,
            train: 200,
            validation: 40,
            good_test: 60,
            per_defect: 12,
        }
    }
}

/// Summary of a written dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Folder of the category.
    pub category: PathBuf,
    /// Number of images, without ground-truth masks.
    pub images: u64,
    /// Number of ground-truth masks.
    pub channels: u64,
}

/// An image to be rendered and written.
struct PlannedImage {
    /// Name of the folder of the split.
    split: &'static str,
    /// Name of the folder of the class.
    class: &'static str,
    /// Number of the file in its folder.
    number: u32,
    /// Index of the part on the line.
    index: u64,
    defect: Option<Defect>,
}

/// Writes the dataset to `out`, which must not exist or must be empty. The dataset is written to a temporary
/// folder and then renamed, so `out` never contains a part of it. Calls `progress` with the number of images
/// done and their total, from several threads.
///
/// # Errors
/// When `out` is not empty, when the width or height is zero, or when a file cannot be written.
pub fn write(
    options: &SynthOptions,
    out: &Path,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<Summary> {
    ensure!(
        options.width > 0 && options.height > 0,
        "image size {}x{}: width and height must be at least 1",
        options.width,
        options.height
    );
    ensure_empty(out)?;
    let images = plan_images(options);
    let channels = files::replace_folder(out, |dataset| {
        write_category(options, &dataset.join(CATEGORY), &images, progress)
    })?;
    Ok(Summary {
        category: out.join(CATEGORY),
        images: images.len() as u64,
        channels,
    })
}

fn ensure_empty(out: &Path) -> Result<()> {
    match fs::read_dir(out) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!("{} is not empty; choose a new folder", out.display());
            }
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", out.display())),
    }
}

/// Lists all images of the dataset. Every image shows a different part.
fn plan_images(options: &SynthOptions) -> Vec<PlannedImage> {
    let mut images: Vec<PlannedImage> = Vec::new();
    let mut add = |split, class, number, defect| {
        let index = images.len() as u64;
        images.push(PlannedImage {
            split,
            class,
            number,
            index,
            defect,
        });
    };
    for (split, count) in [
        ("train", options.train),
        ("validation", options.validation),
        ("test", options.good_test),
    ] {
        for number in 0..count {
            add(split, "good", number, None);
        }
    }
    for (class, defects) in [
        ("logical_anomalies", Defect::LOGICAL.as_slice()),
        ("structural_anomalies", Defect::STRUCTURAL.as_slice()),
    ] {
        let each = defects
            .iter()
            .flat_map(|&defect| (0..options.per_defect).map(move |_| defect));
        for (number, defect) in (0..).zip(each) {
            add("test", class, number, Some(defect));
        }
    }
    images
}

/// Writes all files of the category and returns the number of ground-truth masks.
fn write_category(
    options: &SynthOptions,
    category: &Path,
    images: &[PlannedImage],
    progress: impl Fn(u64, u64) + Sync,
) -> Result<u64> {
    for folder in [
        "train/good",
        "validation/good",
        "test/good",
        "test/logical_anomalies",
        "test/structural_anomalies",
        "ground_truth/logical_anomalies",
        "ground_truth/structural_anomalies",
    ] {
        fs::create_dir_all(category.join(folder))
            .with_context(|| format!("cannot create {folder}"))?;
    }
    let line = ProductionLine::new(options.seed);
    let done = AtomicU64::new(0);
    let channels: Result<Vec<u64>> = images
        .par_iter()
        .map(|image| {
            let scene = line.part(image.index, image.defect.as_slice());
            let channels = write_image(options, category, image, &scene)?;
            progress(
                done.fetch_add(1, Ordering::Relaxed) + 1,
                images.len() as u64,
            );
            Ok(channels)
        })
        .collect();
    let channels = channels?.into_iter().sum();
    write_text(&category.join("defects_config.json"), &config(options)?)?;
    write_text(&category.join("labels.csv"), &labels(images))?;
    Ok(channels)
}

/// Writes one image and its ground-truth masks. Returns the number of masks.
fn write_image(
    options: &SynthOptions,
    category: &Path,
    image: &PlannedImage,
    scene: &Scene,
) -> Result<u64> {
    let (width, height) = (options.width, options.height);
    let name = format!("{:03}", image.number);
    let path = category
        .join(image.split)
        .join(image.class)
        .join(format!("{name}.png"));
    let frame = scene.render(width, height);
    RgbImage::from_raw(frame.width(), frame.height(), frame.into_rgb())
        .context("the frame has one RGB value per pixel")?
        .save(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let folder = category.join("ground_truth").join(image.class).join(&name);
    let mut channels = 0;
    for mask in scene.truth(width, height) {
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(format!("{channels:03}.png"));
        let value = mask.defect.pixel_value();
        let pixels = mask
            .pixels
            .iter()
            .map(|&inside| if inside { value } else { 0 });
        GrayImage::from_raw(width, height, pixels.collect())
            .context("the mask has one value per pixel")?
            .save(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        channels += 1;
    }
    Ok(channels)
}

/// Content of `defects_config.json`: pixel value and saturation threshold of each defect.
fn config(options: &SynthOptions) -> Result<String> {
    let entries: Vec<serde_json::Value> = Defect::ALL
        .into_iter()
        .map(|defect| {
            let saturation = defect.saturation(options.width, options.height);
            // The official evaluation requires integer pixel counts; relative thresholds are fractions.
            let threshold = if saturation.relative {
                serde_json::json!(saturation.threshold)
            } else {
                serde_json::json!(saturation.threshold.round() as u64)
            };
            serde_json::json!({
                "defect_name": defect.name(),
                "pixel_value": defect.pixel_value(),
                "saturation_threshold": threshold,
                "relative_saturation": saturation.relative,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&entries)? + "\n")
}

/// Content of `labels.csv`: each test image with the name of its defect, or `good`.
fn labels(images: &[PlannedImage]) -> String {
    let tests = images.iter().filter(|image| image.split == "test");
    let rows = tests.map(|image| {
        let defect = image.defect.map_or("good", Defect::name);
        format!("test/{}/{:03}.png,{defect}\n", image.class, image.number)
    });
    let header = String::from("image,defect\n");
    std::iter::once(header).chain(rows).collect()
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
