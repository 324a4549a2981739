//! Temporary folders with small images.

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, Rgb, RgbImage};
use mhkd::dataset::{Dataset, open};
use tempfile::TempDir;

pub(crate) const MVTEC_AD: [&str; 7] = [
    "nut/train/good/001.png",
    "nut/train/good/000.png",
    "nut/test/good/000.png",
    "nut/test/bent/001.png",
    "nut/test/bent/000.png",
    "nut/ground_truth/bent/000_mask.png",
    "nut/ground_truth/bent/001_mask.png",
];

/// Temporary folder, removed when dropped.
pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new(images: &[&str]) -> Self {
        let tree = Self(TempDir::new().expect("a temporary folder"));
        for (shade, name) in images.iter().enumerate() {
            tree.image(name, 40, 32, shade as u8);
        }
        tree
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.path().canonicalize().expect("the folder exists")
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    }

    pub(crate) fn image(&self, name: &str, width: u32, height: u32, shade: u8) -> PathBuf {
        let image = RgbImage::from_fn(width, height, |x, y| Rgb([shade, x as u8, y as u8]));
        self.encoded(name, &image.into())
    }

    pub(crate) fn encoded(&self, name: &str, image: &DynamicImage) -> PathBuf {
        let path = self.file(name, &[]);
        image.save(&path).expect("an encodable image");
        path
    }

    pub(crate) fn open(&self, category: Option<&str>) -> Dataset {
        open(self.0.path(), category, None, 1).expect("a dataset")
    }
}

pub(crate) fn names(paths: &[PathBuf], root: &Path) -> Vec<String> {
    let name = |path: &PathBuf| {
        path.strip_prefix(root)
            .expect("below the root")
            .display()
            .to_string()
    };
    paths.iter().map(name).collect()
}
