//! A model bundle: a folder with `manifest.toml` and `model.onnx`, all that passes from the trainer
//! to the line.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::atomic_file;
use crate::manifest::{GRAPH_FILE, Manifest, ManifestError};

/// The manifest's name in a bundle.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// A manifest holds some thousand numbers at most; a larger file is something else.
const LARGEST_MANIFEST_BYTES: u64 = 16 << 20;

/// The format of the graph ends there (protobuf's messages stay below 2 GiB).
const LARGEST_GRAPH_BYTES: u64 = 2 << 30;

/// A bundle whose manifest is valid and whose graph is the one that the manifest names.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
    graph: Vec<u8>,
}

/// Why a folder is no bundle, or none could be written.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The file system refused.
    #[error("{}: {action}: {source}", .path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is larger than any of its kind.
    #[error("{}: larger than {limit} bytes", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The manifest is not valid.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The graph is not the one that the manifest names: cut short, altered, or another one.
    #[error("{}: SHA-256 is {found}, but the manifest has {expected}", .path.display())]
    Hash {
        /// The graph.
        path: PathBuf,
        /// The manifest's hash.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The folder to be replaced is not a bundle, and may be anything.
    #[error("{}: not replaced, as it is no bundle (it has no {MANIFEST_FILE})", .path.display())]
    NotABundle {
        /// The folder.
        path: PathBuf,
    },
    /// The path has no last part to name a folder by.
    #[error("{}: names no folder", .path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
}

/// Turns an I/O error into one that says what was done to which path.
fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> BundleError + use<'a> {
    move |source| BundleError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// SHA-256 of a graph as a manifest has it: 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

impl Bundle {
    /// Reads the bundle in `dir` and verifies it.
    ///
    /// # Errors
    /// When a file cannot be read, the manifest is not valid, or the graph is not the manifest's.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let file = dir.join(MANIFEST_FILE);
        let text = read(&file, LARGEST_MANIFEST_BYTES)?;
        let text = String::from_utf8(text).map_err(|error| {
            failed("reading", &file)(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        let manifest = Manifest::parse(&file, &text)?;
        let graph = read(&dir.join(GRAPH_FILE), LARGEST_GRAPH_BYTES)?;
        Self::new(dir, manifest, graph)
    }

    /// Writes a bundle to `dir`. A reader sees the old bundle, no bundle for a moment, or the new one, and
    /// never a half: see [`atomic_file::replace_folder`].
    ///
    /// # Errors
    /// When the graph is not the manifest's, `dir` exists and is not a bundle, or a file cannot be
    /// written; the old bundle is then unchanged.
    pub fn write(dir: &Path, manifest: Manifest, graph: Vec<u8>) -> Result<Self, BundleError> {
        let bundle = Self::new(dir, manifest, graph)?;
        if dir.file_name().is_none() {
            return Err(BundleError::NoName {
                path: dir.to_owned(),
            });
        }
        refuse_other_folders(dir)?;
        let manifest = bundle.manifest.to_toml();
        atomic_file::replace_folder(dir, |new| {
            fs::write(new.join(GRAPH_FILE), &bundle.graph)?;
            fs::write(new.join(MANIFEST_FILE), manifest)
        })
        .map_err(failed("writing", dir))?;
        Ok(bundle)
    }

    /// A bundle in memory, as if read from `dir`.
    ///
    /// # Errors
    /// When the graph is not the manifest's.
    pub fn new(dir: &Path, manifest: Manifest, graph: Vec<u8>) -> Result<Self, BundleError> {
        let found = sha256(&graph);
        if found != manifest.graph.sha256 {
            return Err(BundleError::Hash {
                path: dir.join(GRAPH_FILE),
                expected: manifest.graph.sha256.clone(),
                found,
            });
        }
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            graph,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The graph's bytes.
    pub fn graph(&self) -> &[u8] {
        &self.graph
    }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let file = File::open(path).map_err(failed("opening", path))?;
    let mut bytes = Vec::new();
    let length = file
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed("reading", path))?;
    if length as u64 > limit {
        return Err(BundleError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

fn refuse_other_folders(dir: &Path) -> Result<(), BundleError> {
    let replaceable = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none() || dir.join(MANIFEST_FILE).is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed("replacing", dir)(error)),
    };
    if replaceable {
        return Ok(());
    }
    Err(BundleError::NotABundle {
        path: dir.to_owned(),
    })
}

#[cfg(test)]
mod tests;
