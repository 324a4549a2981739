//! Training images for a distillation, cut from a few large photographs and rendered by the simulator.
//!
//! A PDN sees 33 pixels, so that its images need variety of texture rather than of scenes: squares of many sizes from a
//! few photographs serve as well as many photographs.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use inspectd_core::frame::Frame;
use inspectd_core::image_file;
use inspectd_core::preprocess::{self, Crop};
use inspectd_simulator::clutter::clutter;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::dataset;
use crate::log::progress::Progress;

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropSettings {
    /// Side of each image, pixels.
    pub side: u32,
    /// Number of squares cut from the photographs.
    pub crops: u64,
    /// Number of images rendered by the simulator.
    pub generated: u64,
    /// Random seed.
    pub seed: u64,
}

/// Writes `crop-00000.png` and so on, from the photographs in `pictures` in turn, and `clutter-00000.png` and so on, to
/// the new folder `out`. A square has a random place and size, from `side` to the shorter side of its photograph;
/// small ones are as likely as large ones (uniform in the logarithm). Equal settings give equal images.
///
/// # Errors
/// When a photograph cannot be read or is smaller than `side`, `out` is not empty, or a file cannot be written.
///
/// # Panics
/// Never: a frame has three bytes for each pixel.
pub fn write(pictures: &Path, out: &Path, settings: CropSettings) -> Result<()> {
    let paths = dataset::images_below(pictures)?;
    for path in &paths {
        check(path, settings.side)?;
    }
    let empty = !out.exists() || std::fs::read_dir(out)?.next().is_none();
    ensure!(empty, "{}: must not exist or must be empty", out.display());
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let progress = Mutex::new(Progress::new(
        "images",
        settings.crops + settings.generated,
        0,
    ));
    let written = AtomicU64::new(0);
    let save = |name: String, frame: &Frame| {
        let path = out.join(name);
        let image = RgbImage::from_raw(frame.width(), frame.height(), frame.rgb().to_vec())
            .expect("as many bytes as pixels");
        image
            .save(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        // The lock is taken before counting, so that the progress never goes backwards.
        let mut progress = progress.lock();
        progress.set(written.fetch_add(1, Ordering::Relaxed) + 1, "");
        anyhow::Ok(())
    };
    paths.par_iter().enumerate().try_for_each(|(first, path)| {
        // Each photograph is decoded once; it gives crops at equal distances.
        let photograph = image_file::decode(path)?;
        (first as u64..settings.crops)
            .step_by(paths.len())
            .try_for_each(|index| {
                let crop = square(&photograph, settings, index);
                let frame =
                    preprocess::resize(&photograph, Some(crop), settings.side, settings.side)?;
                save(format!("crop-{index:05}.png"), &frame)
            })
    })?;
    (0..settings.generated)
        .into_par_iter()
        .try_for_each(|index| {
            let frame = clutter(settings.seed, index, settings.side, settings.side);
            save(format!("clutter-{index:05}.png"), &frame)
        })?;
    progress.into_inner().finish();
    Ok(())
}

/// Fails before the first file is written if a photograph is too small.
fn check(path: &Path, side: u32) -> Result<()> {
    let header = image_file::header(path)?;
    ensure!(
        header.width.min(header.height) >= side,
        "{}: {}x{} pixels; both sides must be at least {side}",
        path.display(),
        header.width,
        header.height
    );
    Ok(())
}

/// The square of crop `index`.
fn square(photograph: &Frame, settings: CropSettings, index: u64) -> Crop {
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    rng.set_stream(index);
    let shorter = photograph.width().min(photograph.height());
    let ratio = f64::from(shorter) / f64::from(settings.side);
    let side = (f64::from(settings.side) * ratio.powf(rng.random::<f64>())) as u32;
    let side = side.clamp(settings.side, shorter);
    let mut place = |length: u32| rng.random_range(0..=length - side);
    let (left, top) = (place(photograph.width()), place(photograph.height()));
    Crop {
        left,
        top,
        right: left + side,
        bottom: top + side,
    }
}
