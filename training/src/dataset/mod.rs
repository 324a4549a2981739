//! Datasets on disk: the files for training, validation and test, and their loading as frames.
//!
//! [`open`] finds the files of a dataset by its layout and decodes none of them.
//! [`image_cache::ImageCache`] decodes and resizes images; [`loader::Loader`] prefetches them.

mod category;
mod fingerprint;
mod folder;
pub mod image_cache;
mod layout;
mod listing;
pub mod loader;
pub mod masks;
mod mvtec_ad;
mod mvtec_loco;
mod retinal_oct;
pub mod sampler;
mod validation_split;
mod visa;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use inspectd_core::frame::Frame;
use rayon::prelude::*;

pub use category::categories;
pub use layout::{Layout, MvtecLayout};
pub use listing::images_below;

/// Width and height of the network's input images in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageSize {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl ImageSize {
    /// A square of `side` x `side` pixels.
    pub const fn square(side: u32) -> Self {
        Self {
            width: side,
            height: side,
        }
    }
}

impl std::fmt::Display for ImageSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Files of one category. Every list is sorted by the bytes of the file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Layout of the files.
    pub layout: Layout,
    /// Name of the category: the name of its folder.
    pub category: String,
    /// Folder of the category.
    pub root: PathBuf,
    /// Good training images, at least one.
    pub train: Vec<PathBuf>,
    /// Good validation images for the calibration, disjoint from `train`; at least one, except after
    /// [`Dataset::without_held_out`].
    pub validation: Vec<PathBuf>,
    /// Whether the validation images were held out of the training images, because the dataset has none.
    pub held_out: bool,
    /// Test images. May be empty in the `folder` layout.
    pub test: Vec<TestItem>,
}

/// A test image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestItem {
    /// Path of the image.
    pub path: PathBuf,
    /// Good or anomalous.
    pub kind: Kind,
    /// Ground-truth masks, with the size of the image. Empty for good images and for images without a mask,
    /// which only the pixel-level metrics ignore.
    pub masks: Vec<PathBuf>,
}

/// Kind of a test image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A good part.
    Good,
    /// A defective part.
    Anomalous {
        /// Name of the defect type in the dataset.
        type_name: String,
        /// Structural or logical.
        group: Group,
    },
}

/// Group of a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Visible locally: a scratch, a stain.
    Structural,
    /// Visible only in the context of the image: a surplus part, mixed-up parts.
    Logical,
    /// Not specified by the dataset.
    Unspecified,
}

/// Files of a category as found by a layout. If `validation` is empty, [`open`] holds out training images.
struct DatasetFiles {
    train: Vec<PathBuf>,
    validation: Vec<PathBuf>,
    test: Vec<TestItem>,
}

/// Finds the files of a category. `path` is the folder of the category, or the folder of a dataset with
/// `category` as the name of one of its categories. The name may be omitted if the dataset has a single
/// category. If `layout` is `None`, it is detected. If the dataset has no validation images, a tenth of the
/// training images is held out, selected by `seed`.
///
/// # Errors
/// When a folder or file required by the layout is missing or empty, or the category does not exist. The
/// message names the path and what is required.
pub fn open(
    path: &Path,
    category: Option<&str>,
    layout: Option<Layout>,
    seed: u64,
) -> Result<Dataset> {
    let root = category::locate(path, category)?;
    let layout = match layout {
        Some(layout) => layout,
        None => Layout::detect(&root)?,
    };
    let files = match layout {
        Layout::MvtecAd => mvtec_ad::find(&root),
        Layout::MvtecLoco => mvtec_loco::find(&root),
        Layout::Visa => visa::find(&root),
        Layout::RetinalOct => retinal_oct::find(&root),
        Layout::Folder => folder::find(&root),
    }?;
    let held_out = files.validation.is_empty();
    let (train, validation) = if held_out {
        validation_split::hold_out(files.train, seed, &root)?
    } else {
        (files.train, files.validation)
    };
    Ok(Dataset {
        layout,
        category: category::name(&root),
        root,
        train,
        validation,
        held_out,
        test: files.test,
    })
}

/// Returns the test images of the category in folder `root`, in one of the `MVTec` layouts. The training
/// images may be missing: published results are often checked without them.
///
/// # Errors
/// When a folder or file of the test set is missing or empty.
pub fn test_items(root: &Path, layout: MvtecLayout) -> Result<Vec<TestItem>> {
    match layout {
        MvtecLayout::Ad => folder::test_items(root),
        MvtecLayout::Loco => mvtec_loco::test_items(root),
    }
}

/// Returns the anomalous test images of an `MVTec` LOCO AD category that have ground truth. The image files
/// themselves may be missing, as in the official evaluation.
///
/// # Errors
/// When a folder of masks is empty.
pub fn items_with_masks(root: &Path) -> Result<Vec<TestItem>> {
    mvtec_loco::items_with_masks(root)
}

/// Returns the SHA-256 of the paths relative to `root` and lengths of `files`: a fingerprint for a folder that is
/// too large to be read.
///
/// # Errors
/// When a file does not exist.
pub fn listing_fingerprint<'a>(
    root: &Path,
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<String> {
    fingerprint::of_listing(root, files)
}

/// Returns the fingerprint of `files` with their paths relative to `root`, as [`Dataset::fingerprint`].
///
/// # Errors
/// When a file cannot be read. The message names the file.
pub fn fingerprint_of<'a>(root: &Path, files: impl Iterator<Item = &'a PathBuf>) -> Result<String> {
    fingerprint::of(root, files)
}

/// Returns the SHA-256 of the content of the file at `path`.
///
/// # Errors
/// When the file cannot be read. The message names it.
pub fn file_sha256(path: &Path) -> Result<[u8; 32]> {
    fingerprint::content(path)
}

impl Dataset {
    /// The dataset with all good images in `train`, for a calibration by folds.
    ///
    /// # Errors
    /// When the dataset has validation images of its own.
    pub fn without_held_out(self) -> Result<Self> {
        ensure!(
            self.held_out,
            "{}: the dataset has {} validation images, which calibrate the run; folds are for a dataset without validation images",
            self.root.display(),
            self.validation.len()
        );
        let mut train = [self.train, self.validation].concat();
        train.sort();
        Ok(Self {
            train,
            validation: Vec::new(),
            held_out: false,
            ..self
        })
    }

    /// The images whose scores calibrate a run: the validation images, or with folds all training images.
    pub fn calibration_images(&self) -> &[PathBuf] {
        if self.validation.is_empty() {
            &self.train
        } else {
            &self.validation
        }
    }

    /// Decodes every training and validation image, on all cores. Calls `progress` with the number done.
    ///
    /// # Errors
    /// When images are damaged or not supported. The message names all of them.
    pub fn check_images(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let done = AtomicU64::new(0);
        let paths: Vec<&PathBuf> = self.train.iter().chain(&self.validation).collect();
        let errors: Vec<String> = paths
            .par_iter()
            .filter_map(|path| {
                let error = inspectd_core::image_file::decode(path).err();
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                error.map(|error| format!("{:#}", anyhow::Error::from(error)))
            })
            .collect();
        ensure!(
            errors.is_empty(),
            "{} of {} images cannot be used; repair or remove them:\n  {}",
            errors.len(),
            paths.len(),
            errors.join("\n  ")
        );
        Ok(())
    }

    /// Fingerprint of the training and validation images: SHA-256, hexadecimal, over their paths within the
    /// category and their content. It depends neither on the location of the dataset nor on the validation
    /// split.
    ///
    /// # Errors
    /// When a file cannot be read. The message names the file.
    pub fn fingerprint(&self) -> Result<String> {
        fingerprint::of(&self.root, self.train.iter().chain(&self.validation))
    }

    /// The same over the training images alone, without those that are held out for validation.
    ///
    /// # Errors
    /// When a file cannot be read. The message names the file.
    pub fn train_fingerprint(&self) -> Result<String> {
        fingerprint::of(&self.root, self.train.iter())
    }
}

/// Loads the image at `path`, resized to `side` x `side` pixels.
///
/// # Errors
/// When the image cannot be decoded. The message names the file.
///
/// # Panics
/// When `side` is 0.
pub fn load(path: &Path, side: u32) -> Result<Frame> {
    Ok(image_cache::resized(path, ImageSize::square(side))?.0)
}
