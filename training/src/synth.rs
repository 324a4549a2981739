//! Writes pictures of the simulated line as a data set in the layout of `MVTec` LOCO AD, so that what
//! reads the one reads the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use image::{GrayImage, RgbImage};
use inspectd_simulator::{Defect, ProductionLine, Scene};
use rayon::prelude::*;

/// The category that the data set has.
pub const CATEGORY: &str = "line";

/// How many pictures of which size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthOptions {
    /// Which line; equal seeds write equal bytes.
    pub seed: u64,
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Good pictures to train on.
    pub train: u32,
    /// Good pictures to calibrate with.
    pub validation: u32,
    /// Good pictures to test with.
    pub good_test: u32,
    /// Pictures of each defect to test with.
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

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The category's folder.
    pub category: PathBuf,
    /// How many pictures, ground truth not counted.
    pub images: u64,
    /// How many ground-truth channels.
    pub channels: u64,
}

/// One picture to be written.
struct Shot {
    /// The split and class, which are the folders' names.
    split: &'static str,
    class: &'static str,
    /// The file's number in its folder.
    number: u32,
    /// The part on the line.
    index: u64,
    defect: Option<Defect>,
}

/// Writes the data set to `out`, which must be absent or empty. It appears there whole or not at
/// all. `progress` is called with the pictures done and their total, from several threads.
///
/// # Errors
/// When `out` holds something, when a side is zero, or when a file cannot be written.
pub fn write(
    options: &SynthOptions,
    out: &Path,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<Summary> {
    ensure!(
        options.width > 0 && options.height > 0,
        "a picture of {}x{} pixels has no area",
        options.width,
        options.height
    );
    refuse_content(out)?;
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let draft = tempfile::Builder::new()
        .prefix(".synth-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot create a folder in {}", parent.display()))?;
    let whole = draft.path().join("whole");
    let shots = shots(options);
    let channels = fill(options, &whole.join(CATEGORY), &shots, progress)?;
    // Renaming a folder over an empty one is allowed on Unix only, so it goes first.
    if out.exists() {
        fs::remove_dir(out).with_context(|| format!("cannot replace {}", out.display()))?;
    }
    fs::rename(&whole, out)
        .with_context(|| format!("cannot move the finished data set to {}", out.display()))?;
    Ok(Summary {
        category: out.join(CATEGORY),
        images: shots.len() as u64,
        channels,
    })
}

fn refuse_content(out: &Path) -> Result<()> {
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

/// Every picture, each of another part.
fn shots(options: &SynthOptions) -> Vec<Shot> {
    let mut shots: Vec<Shot> = Vec::new();
    let mut add = |split, class, number, defect| {
        let index = shots.len() as u64;
        shots.push(Shot {
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
    shots
}

/// Writes everything into the category's folder and returns the number of ground-truth channels.
fn fill(
    options: &SynthOptions,
    category: &Path,
    shots: &[Shot],
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
    let channels: Result<Vec<u64>> = shots
        .par_iter()
        .map(|shot| {
            let scene = line.part(shot.index, shot.defect.as_slice());
            let channels = shoot(options, category, shot, &scene)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, shots.len() as u64);
            Ok(channels)
        })
        .collect();
    let channels = channels?.into_iter().sum();
    write_text(&category.join("defects_config.json"), &config(options)?)?;
    write_text(&category.join("labels.csv"), &labels(shots))?;
    Ok(channels)
}

/// Writes one picture and its ground truth, one image a channel.
fn shoot(options: &SynthOptions, category: &Path, shot: &Shot, scene: &Scene) -> Result<u64> {
    let (width, height) = (options.width, options.height);
    let name = format!("{:03}", shot.number);
    let path = category
        .join(shot.split)
        .join(shot.class)
        .join(format!("{name}.png"));
    let frame = scene.render(width, height);
    RgbImage::from_raw(frame.width(), frame.height(), frame.into_rgb())
        .context("a frame's bytes fit its size")?
        .save(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let folder = category.join("ground_truth").join(shot.class).join(&name);
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
            .context("a mask has one value a pixel")?
            .save(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        channels += 1;
    }
    Ok(channels)
}

/// `defects_config.json`: how each channel's pixel value counts.
fn config(options: &SynthOptions) -> Result<String> {
    let entries: Vec<serde_json::Value> = Defect::ALL
        .into_iter()
        .map(|defect| {
            let saturation = defect.saturation(options.width, options.height);
            // The official evaluation wants whole numbers of pixels, and shares of an area as they are.
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

/// `labels.csv`: each test picture and its defect's name, `good` where there is none.
fn labels(shots: &[Shot]) -> String {
    let tests = shots.iter().filter(|shot| shot.split == "test");
    let lines = tests.map(|shot| {
        let defect = shot.defect.map_or("good", Defect::name);
        format!("test/{}/{:03}.png,{defect}\n", shot.class, shot.number)
    });
    let head = String::from("image,defect\n");
    std::iter::once(head).chain(lines).collect()
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> SynthOptions {
        SynthOptions {
            width: 40,
            height: 32,
            train: 3,
            validation: 1,
            good_test: 2,
            per_defect: 2,
            ..SynthOptions::default()
        }
    }

    fn written(options: &SynthOptions) -> (tempfile::TempDir, Summary) {
        let home = tempfile::tempdir().expect("a temporary folder");
        let summary = write(options, &home.path().join("out"), |_, _| {}).expect("writes");
        (home, summary)
    }

    #[test]
    fn the_layout_is_the_datasets() {
        let (home, summary) = written(&small());
        assert_eq!((summary.images, summary.channels), (24, 18));
        for path in [
            "train/good/002.png",
            "validation/good/000.png",
            "test/good/001.png",
            "test/logical_anomalies/009.png",
            "test/structural_anomalies/007.png",
            "ground_truth/logical_anomalies/009/000.png",
            "ground_truth/structural_anomalies/000/000.png",
            "defects_config.json",
            "labels.csv",
        ] {
            assert!(summary.category.join(path).is_file(), "{path}");
        }
        let left = fs::read_dir(home.path()).expect("readable").count();
        assert_eq!(left, 1, "the draft is gone");
    }

    #[test]
    fn a_channel_holds_only_its_defects_value() {
        let (_home, summary) = written(&small());
        let path = summary
            .category
            .join("ground_truth/logical_anomalies/000/000.png");
        let channel = image::open(path).expect("a picture").into_luma8();
        let value = Defect::LOGICAL[0].pixel_value();
        assert!(channel.pixels().any(|pixel| pixel.0[0] == value));
        assert!(
            channel
                .pixels()
                .all(|pixel| [0, value].contains(&pixel.0[0]))
        );
    }

    #[test]
    fn the_configuration_names_every_defect() {
        let text = config(&small()).expect("JSON");
        let entries: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        let names: Vec<&str> = entries
            .iter()
            .filter_map(|entry| entry["defect_name"].as_str())
            .collect();
        assert_eq!(names, Defect::ALL.map(Defect::name));
        for entry in &entries {
            let threshold = &entry["saturation_threshold"];
            assert!(threshold.as_f64() > Some(0.0), "{entry}");
            assert_eq!(
                threshold.is_u64(),
                entry["relative_saturation"] == false,
                "{entry}"
            );
        }
    }

    #[test]
    fn labels_name_the_defect_of_each_test_picture() {
        let text = labels(&shots(&small()));
        assert_eq!(text.lines().count(), 1 + 2 + 18);
        assert!(text.contains("test/good/000.png,good\n"));
        assert!(text.contains("test/structural_anomalies/000.png,scratch\n"));
        assert!(text.contains("test/logical_anomalies/009.png,wrong_pairing\n"));
    }

    #[test]
    fn a_folder_with_content_is_left_alone() {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::write(home.path().join("mine.txt"), "kept").expect("writable");
        let error = write(&small(), home.path(), |_, _| {}).expect_err("refused");
        assert!(error.to_string().contains("is not empty"), "{error}");
        let left = fs::read_dir(home.path()).expect("readable").count();
        assert_eq!(left, 1);
    }
}
