//! Model bundle: a folder with `manifest.toml` and `model.onnx`. It is the only thing that the trainer
//! hands to the daemon.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::atomic_file;
use crate::manifest::{GRAPH_FILE, Manifest, ManifestError};

/// File name of the manifest in a bundle.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// Maximum size of a manifest. A manifest contains at most some thousand numbers.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// Maximum size of a graph: protobuf messages are limited to 2 GiB.
const MAX_GRAPH_BYTES: u64 = 2 << 30;

/// A bundle with a valid manifest and a graph whose SHA-256 is the manifest's.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
    graph: Vec<u8>,
}

/// Why a bundle could not be read or written.
#[derive(Debug, Error)]
pub enum BundleError {
    /// A file system operation failed.
    #[error("{}: {action}: {source}", .path.display())]
    Io {
        /// The operation.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is larger than its limit.
    #[error("{}: larger than {limit} bytes", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// The manifest is not valid.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The graph does not have the manifest's SHA-256: it is truncated, modified, or another graph.
    #[error("{}: SHA-256 is {found}, but the manifest has {expected}", .path.display())]
    Hash {
        /// The graph's file.
        path: PathBuf,
        /// SHA-256 in the manifest.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// The folder to replace is not empty and not a bundle. It is kept, because its content is unknown.
    #[error("{}: not replaced, because it is not a bundle (it has no {MANIFEST_FILE})", .path.display())]
    NotABundle {
        /// The folder.
        path: PathBuf,
    },
    /// The path has no last component, so it cannot name a folder.
    #[error("{}: does not name a folder", .path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
}

/// Converts an I/O error into a [`BundleError`] with the operation and the path.
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

/// Returns the SHA-256 of `bytes` in the manifest's format: 64 lower-case hexadecimal digits.
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
    /// When a file cannot be read, the manifest is not valid, or the graph has another SHA-256 than in the
    /// manifest.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let manifest = Self::read_manifest(dir)?;
        let graph = read(&dir.join(GRAPH_FILE), MAX_GRAPH_BYTES)?;
        Self::new(dir, manifest, graph)
    }

    /// Reads only the manifest of the bundle in `dir`; its graph may be missing or another one.
    ///
    /// # Errors
    /// When the manifest cannot be read or is not valid.
    pub fn read_manifest(dir: &Path) -> Result<Manifest, BundleError> {
        let file = dir.join(MANIFEST_FILE);
        let text = read(&file, MAX_MANIFEST_BYTES)?;
        let text = String::from_utf8(text).map_err(|error| {
            failed("reading", &file)(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        Ok(Manifest::parse(&file, &text)?)
    }

    /// Writes a bundle to `dir`. A reader sees the old bundle, for a moment no bundle, or the new one, but
    /// never a partial one: see [`atomic_file::replace_folder`].
    ///
    /// # Errors
    /// When the graph has another SHA-256 than in the manifest, `dir` exists and is not a bundle, or a file
    /// cannot be written. The old bundle is then unchanged.
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

    /// Builds a bundle in memory, as if it were read from `dir`.
    ///
    /// # Errors
    /// When the graph has another SHA-256 than in the manifest.
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

    /// Path of the folder.
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
