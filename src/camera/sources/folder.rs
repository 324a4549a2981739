//! The images of a folder and its subfolders.

use std::fs;
use std::path::{Path, PathBuf};

use inspectd_core::image_file;

use super::error::{IMAGE_EXTENSIONS, SourceError};
use super::source::{Shot, Source};
use crate::camera::event::CaptureError;
use crate::clock::SharedClock;

/// The images in the order of their paths, listed when the folder was opened.
pub struct Folder {
    root: PathBuf,
    /// Paths relative to the root, at least one.
    images: Vec<PathBuf>,
    repeat: bool,
    next: usize,
    clock: SharedClock,
}

impl Folder {
    /// Lists a folder's images. Links to files are followed; links to folders are not, because they may
    /// form a cycle.
    ///
    /// # Errors
    /// When the folder or a subfolder cannot be read, or contains no image.
    pub fn open(root: &Path, repeat: bool, clock: &SharedClock) -> Result<Self, SourceError> {
        let mut images = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            list(&folder, &mut images, &mut folders).map_err(|source| SourceError::Path {
                path: folder,
                source,
            })?;
        }
        if images.is_empty() {
            let path = root.to_owned();
            return Err(SourceError::NoImage { path });
        }
        for image in &mut images {
            let relative = image.strip_prefix(root);
            *image = relative.expect("it was found below the root").to_owned();
        }
        images.sort();
        Ok(Self {
            root: root.to_owned(),
            images,
            repeat,
            next: 0,
            clock: clock.clone(),
        })
    }
}

/// Adds the images and the subfolders of one folder.
fn list(
    folder: &Path,
    images: &mut Vec<PathBuf>,
    folders: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            folders.push(path);
        } else if is_image(&path) && path.is_file() {
            images.push(path);
        }
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        IMAGE_EXTENSIONS
            .iter()
            .any(|allowed| extension.eq_ignore_ascii_case(allowed))
    })
}

impl Source for Folder {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        if self.next == self.images.len() {
            if !self.repeat {
                return Ok(None);
            }
            self.next = 0;
        }
        let relative = &self.images[self.next];
        self.next += 1;
        let frame = image_file::decode(&self.root.join(relative));
        let names: Vec<_> = relative.iter().map(|name| name.to_string_lossy()).collect();
        Ok(Some(Shot {
            lost: 0,
            moment: self.clock.now(),
            frame: frame.map_err(CaptureError::from),
            item: names.join("/"),
            truth: String::new(),
        }))
    }
}
