//! The pictures that are shown: PNG files in a folder next to the configuration.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::{ImageFormat, Rgb, RgbImage};
use inspectd::config::settings::Crop;
use inspectd_core::atomic_file;
use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;

/// Folder of the pictures, next to the configuration.
const FOLDER: &str = "commissioning";

/// Pictures of each camera that are written.
const MOST_WRITTEN: usize = 6;

/// Colour of the rectangle, and of the lines around it, which make it visible on every background.
const RECTANGLE: Rgb<u8> = Rgb([255, 120, 0]);
const OUTLINE: Rgb<u8> = Rgb([0, 0, 0]);

/// The folder of the pictures. New files are removed again unless they are kept.
#[derive(Debug)]
pub struct PictureFolder {
    folder: PathBuf,
    /// Files that did not exist before, and the folder if it did not.
    created: Vec<PathBuf>,
    kept: bool,
}

impl PictureFolder {
    /// The folder next to a configuration. Nothing is written yet.
    pub fn of(configuration: &Path) -> Self {
        Self {
            folder: configuration.with_file_name(FOLDER),
            created: Vec::new(),
            kept: false,
        }
    }

    /// Writes some of a camera's pictures, evenly spaced. Returns the files.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn add(&mut self, camera: &CameraId, pictures: &[Frame]) -> Result<Vec<PathBuf>> {
        let shown = pictures.len().min(MOST_WRITTEN);
        let chosen = (0..shown).map(|number| &pictures[number * pictures.len() / shown]);
        let mut files = Vec::new();
        for (number, picture) in (1..).zip(chosen) {
            let file = self.folder.join(format!("{camera}-{number}.png"));
            self.write(&file, &image_of(picture))?;
            files.push(file);
        }
        Ok(files)
    }

    /// Writes a picture with a rectangle around the crop. Returns the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_crop(&mut self, camera: &CameraId, picture: &Frame, crop: Crop) -> Result<PathBuf> {
        let file = self.folder.join(format!("{camera}-crop.png"));
        let mut image = image_of(picture);
        draw(&mut image, crop);
        self.write(&file, &image)?;
        Ok(file)
    }

    /// Keeps the files.
    pub fn keep(mut self) {
        self.kept = true;
    }

    fn write(&mut self, file: &Path, image: &RgbImage) -> Result<()> {
        let cannot = || format!("{}: cannot be written", file.display());
        if !self.folder.exists() {
            fs::create_dir(&self.folder).with_context(cannot)?;
            self.created.push(self.folder.clone());
        }
        if !file.exists() {
            self.created.push(file.to_owned());
        }
        let mut png = Cursor::new(Vec::new());
        image
            .write_to(&mut png, ImageFormat::Png)
            .with_context(cannot)?;
        atomic_file::write(file, png.into_inner()).with_context(cannot)
    }
}

impl Drop for PictureFolder {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for path in self.created.iter().rev() {
            // What cannot be removed stays; it is a whole picture.
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
}

fn image_of(frame: &Frame) -> RgbImage {
    let (width, height) = (frame.width(), frame.height());
    RgbImage::from_raw(width, height, frame.rgb().to_vec()).expect("a frame has all its pixels")
}

/// Draws the edge of a crop: lines of about 1/300 of the frame, dark on both sides.
fn draw(image: &mut RgbImage, crop: Crop) {
    let (width, height) = image.dimensions();
    let thick = width.max(height).div_ceil(300).max(1);
    let (right, bottom) = (crop.right.min(width), crop.bottom.min(height));
    let edge = |x: u32, y: u32| {
        let outside = [
            crop.left.saturating_sub(x),
            crop.top.saturating_sub(y),
            (x + 1).saturating_sub(right),
            (y + 1).saturating_sub(bottom),
        ];
        let outside = outside.into_iter().max().unwrap_or(0);
        if outside > 0 {
            return (outside <= thick).then_some(OUTLINE);
        }
        let inside = [x - crop.left, y - crop.top, right - 1 - x, bottom - 1 - y];
        let inside = inside.into_iter().min().unwrap_or(0);
        match inside / thick {
            0 => Some(RECTANGLE),
            1 => Some(OUTLINE),
            _ => None,
        }
    };
    for y in 0..height {
        for x in 0..width {
            if let Some(colour) = edge(x, y) {
                image.put_pixel(x, y, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Frame {
        Frame::new(60, 40, vec![200; 60 * 40 * 3]).expect("sized")
    }

    #[test]
    fn files_are_removed_unless_they_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = folder.path().join("inspectd.toml");
        let id = "left".parse().expect("an id");
        let mut dropped = PictureFolder::of(&configuration);
        let files = dropped.add(&id, &[picture(), picture()]).expect("written");
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|file| file.exists()));
        drop(dropped);
        assert!(!folder.path().join(FOLDER).exists());
        let mut kept = PictureFolder::of(&configuration);
        kept.add(&id, &vec![picture(); 20]).expect("written");
        kept.keep();
        let written = fs::read_dir(folder.path().join(FOLDER)).expect("a folder");
        assert_eq!(written.count(), MOST_WRITTEN);
        // Pictures of before are not removed.
        let mut again = PictureFolder::of(&configuration);
        again.add(&id, &[picture()]).expect("written");
        drop(again);
        assert!(folder.path().join(FOLDER).join("left-1.png").exists());
    }

    #[test]
    fn rectangle_is_on_the_edge_of_the_crop() {
        let mut image = image_of(&picture());
        let crop = Crop {
            left: 10,
            top: 5,
            right: 50,
            bottom: 40,
        };
        draw(&mut image, crop);
        let at = |x, y| *image.get_pixel(x, y);
        assert_eq!(at(10, 20), RECTANGLE);
        assert_eq!(at(49, 20), RECTANGLE);
        assert_eq!(at(30, 5), RECTANGLE);
        assert_eq!(at(30, 39), RECTANGLE);
        assert_eq!((at(9, 20), at(11, 20)), (OUTLINE, OUTLINE));
        assert_eq!((at(30, 20), at(0, 0)), (Rgb([200; 3]), Rgb([200; 3])));
    }
}
