//! Pictures on disk: which files are for training, validation and test, and those files as frames.
//!
//! [`open`] finds the files by a layout's published structure and decodes none. [`image_cache::Frames`]
//! decodes and resizes them, [`loader::Loader`] does so ahead of the one who asks.

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

use anyhow::Result;
use inspectd::frame::Frame;

pub use category::categories;
pub use layout::{Layout, MvtecLayout};
pub use listing::images_below;

/// The files of one category. Every list is in the order of the file names, byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// By which structure the files were found.
    pub layout: Layout,
    /// The category's name: its folder's.
    pub category: String,
    /// The category's folder.
    pub root: PathBuf,
    /// Good images to learn from; at least one.
    pub train: Vec<PathBuf>,
    /// Good images to calibrate with, none of them in `train`; at least one.
    pub validation: Vec<PathBuf>,
    /// Images to evaluate on; may be empty in the `folder` layout.
    pub test: Vec<TestItem>,
}

/// One image to evaluate on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestItem {
    /// The image.
    pub path: PathBuf,
    /// What it shows.
    pub kind: Kind,
    /// Pictures of where the defects are, as large as the image; none for a good one, and none where
    /// nobody drew them (retinal OCT; a folder without `ground_truth/TYPE`).
    pub masks: Vec<PathBuf>,
}

/// What an image shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A good part.
    Good,
    /// A defective one.
    Anomalous {
        /// The dataset's name for the defect.
        type_name: String,
        /// Which of the two families it belongs to.
        group: Group,
    },
}

/// The family of a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Visible in itself: a scratch, a stain.
    Structural,
    /// Visible only against the whole: one part too many, parts mixed up.
    Logical,
    /// The dataset does not say.
    Unspecified,
}

/// What a layout finds in a category's folder. Without validation images of its own, some of the
/// training images become them.
struct Found {
    train: Vec<PathBuf>,
    validation: Vec<PathBuf>,
    test: Vec<TestItem>,
}

/// Finds the files of a category. `path` is the category's folder, or the dataset's with `category`
/// naming one in it; a dataset of a single category needs no name. The layout is found out where it
/// is not given. `seed` chooses the validation images, a tenth of the training images, where the
/// dataset brings none of its own.
///
/// # Errors
/// When a folder or a file that the layout has is missing or empty, or the category is not there.
/// The message says what, where and what would do.
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
    let found = match layout {
        Layout::MvtecAd => mvtec_ad::find(&root),
        Layout::MvtecLoco => mvtec_loco::find(&root),
        Layout::Visa => visa::find(&root),
        Layout::RetinalOct => retinal_oct::find(&root),
        Layout::Folder => folder::find(&root),
    }?;
    let (train, validation) = if found.validation.is_empty() {
        validation_split::hold_out(found.train, seed, &root)?
    } else {
        (found.train, found.validation)
    };
    Ok(Dataset {
        layout,
        category: category::name(&root),
        root,
        train,
        validation,
        test: found.test,
    })
}

/// The test images of the category in folder `root`, of one of MVTec's layouts. Nothing else of it needs
/// to be there: published results are often checked without the training images.
///
/// # Errors
/// When a folder or a file that the layout has is missing or empty.
pub fn test_items(root: &Path, layout: MvtecLayout) -> Result<Vec<TestItem>> {
    match layout {
        MvtecLayout::Ad => folder::test_items(root, folder::Masks::Required),
        MvtecLayout::Loco => mvtec_loco::test_items(root),
    }
}

/// The anomalous test images of a category of MVTec LOCO AD that ground truth is there for. The images
/// themselves may be missing, as they may for its official evaluation.
///
/// # Errors
/// When a folder of masks has none.
pub fn drawn_items(root: &Path) -> Result<Vec<TestItem>> {
    mvtec_loco::drawn_items(root)
}

impl Dataset {
    /// What tells these training and validation images from any others: SHA-256, hexadecimal, over
    /// their paths within the category and their bytes. It depends neither on where the dataset lies
    /// nor on which images the seed has held out.
    ///
    /// # Errors
    /// When a file cannot be read; it is named.
    pub fn fingerprint(&self) -> Result<String> {
        fingerprint::of(&self.root, self.train.iter().chain(&self.validation))
    }
}

/// The image at `path`, resized to `side` x `side` pixels.
///
/// # Errors
/// When it cannot be decoded; it is named.
///
/// # Panics
/// When `side` is 0.
pub fn load(path: &Path, side: u32) -> Result<Frame> {
    Ok(image_cache::resized(path, side)?.0)
}
