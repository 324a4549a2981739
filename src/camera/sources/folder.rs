//! The images of a folder and its subfolders.

use std::fs;
use std::path::{Path, PathBuf};

use inspectd_core::image_file;
use tracing::{info, warn};

use super::error::{IMAGE_EXTENSIONS, SourceError};
use super::source::{Shot, Source};
use crate::camera::event::CaptureError;
use crate::clock::SharedClock;

/// Extensions of JPEG files, whose orientation tags cameras and telephones write.
const JPEG_EXTENSIONS: [&str; 2] = ["jpg", "jpeg"];

/// The images in the order of their paths, listed when the folder was opened.
pub struct Folder {
    root: PathBuf,
    /// Paths relative to the root, at least one.
    images: Vec<PathBuf>,
    repeat: bool,
    next: usize,
    /// Whether images are searched for orientation tags: until one is found, or all were read.
    examines_tags: bool,
    clock: SharedClock,
}

/// What a folder and its subfolders contain.
#[derive(Default)]
struct Listing {
    images: Vec<PathBuf>,
    /// Folders that are still to be listed.
    folders: Vec<PathBuf>,
    /// Images and folders whose names begin with a dot.
    hidden: usize,
}

impl Folder {
    /// Lists a folder's images. Links to files are followed; links to folders are not, because they may
    /// form a cycle. Names that begin with a dot are skipped: other systems store their own data in such files, as macOS
    /// does in `._1.png`.
    ///
    /// # Errors
    /// When the folder or a subfolder cannot be read, or contains no image.
    pub fn open(root: &Path, repeat: bool, clock: &SharedClock) -> Result<Self, SourceError> {
        let mut listing = Listing::default();
        let mut next = Some(root.to_owned());
        while let Some(folder) = next {
            listing.add(&folder).map_err(|source| SourceError::Path {
                path: folder,
                source,
            })?;
            next = listing.folders.pop();
        }
        let Listing {
            mut images, hidden, ..
        } = listing;
        if hidden > 0 {
            info!(
                folder = %root.display(),
                skipped = hidden,
                "images and folders whose names begin with a dot are skipped"
            );
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
            examines_tags: true,
            clock: clock.clone(),
        })
    }

    /// Warns of the first image with an orientation tag, which is ignored.
    fn examine_tag(&mut self, image: &Path) {
        // What cannot be read is reported by the decoder.
        if has_extension(image, &JPEG_EXTENSIONS)
            && image_file::header(image).is_ok_and(|header| header.oriented)
        {
            self.examines_tags = false;
            warn!(
                image = %image.display(),
                "the image has an orientation tag, which is ignored: the pixels are used as they are stored; \
                 further images of the folder are not searched for one"
            );
        }
    }
}

impl Listing {
    /// Adds the images and the subfolders of one folder.
    fn add(&mut self, folder: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let is_folder = entry.file_type()?.is_dir();
            if !is_folder && !has_extension(&path, &IMAGE_EXTENSIONS) {
                continue;
            }
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.hidden += 1;
            } else if is_folder {
                self.folders.push(path);
            } else if path.is_file() {
                self.images.push(path);
            }
        }
        Ok(())
    }
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| {
        extensions
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
            self.examines_tags = false;
        }
        let path = self.root.join(&self.images[self.next]);
        if self.examines_tags {
            self.examine_tag(&path);
        }
        let frame = image_file::decode(&path);
        let relative = &self.images[self.next];
        self.next += 1;
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
