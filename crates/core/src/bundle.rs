//! A model bundle: a folder with `manifest.toml` and `model.onnx`, all that passes from the trainer
//! to the line.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

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

    /// Writes a bundle to `dir`. A reader sees the old bundle, no bundle for a moment, or the new
    /// one, and never half of one: the files are complete and on the disk, in a folder beside `dir`,
    /// before that takes its name. A crash in the moment between leaves the old bundle as
    /// `.NAME.old`.
    ///
    /// # Errors
    /// When the graph is not the manifest's, `dir` is there and not a bundle, or a file cannot be
    /// written; the old bundle is then still there.
    pub fn write(dir: &Path, manifest: Manifest, graph: Vec<u8>) -> Result<Self, BundleError> {
        let bundle = Self::new(dir, manifest, graph)?;
        let [new, old] = siblings(dir)?;
        refuse_other_folders(dir)?;
        remove(&new)?;
        if let Err(error) = bundle
            .write_files(&new)
            .and_then(|()| replace(dir, &new, &old))
        {
            // The first error says what is wrong; the remains are removed by the next write.
            let _ = fs::remove_dir_all(&new);
            return Err(error);
        }
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

    fn write_files(&self, dir: &Path) -> Result<(), BundleError> {
        fs::create_dir(dir).map_err(failed("creating", dir))?;
        write_synced(&dir.join(GRAPH_FILE), &self.graph)?;
        write_synced(&dir.join(MANIFEST_FILE), self.manifest.to_toml().as_bytes())?;
        sync_dir(dir)
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

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(failed("writing", path))
}

/// Makes names in `dir` last through a power cut.
fn sync_dir(dir: &Path) -> Result<(), BundleError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(failed("syncing", dir))
}

fn parent(dir: &Path) -> &Path {
    dir.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The folders beside `dir` where the new bundle grows and the old one goes. Beside it, because a
/// rename is atomic within one file system alone.
fn siblings(dir: &Path) -> Result<[PathBuf; 2], BundleError> {
    let name = dir.file_name().ok_or_else(|| BundleError::NoName {
        path: dir.to_owned(),
    })?;
    let sibling = |suffix| parent(dir).join(format!(".{}.{suffix}", name.to_string_lossy()));
    Ok(["new", "old"].map(sibling))
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

fn remove(dir: &Path) -> Result<(), BundleError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removing", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Puts `new` in the place of `dir`, which goes to `old` for as long as that takes.
fn replace(dir: &Path, new: &Path, old: &Path) -> Result<(), BundleError> {
    let replaces = dir.exists();
    if replaces {
        remove(old)?;
        fs::rename(dir, old).map_err(failed("moving aside", dir))?;
    }
    if let Err(error) = fs::rename(new, dir) {
        if replaces {
            fs::rename(old, dir).map_err(failed("moving back", old))?;
        }
        return Err(failed("moving into place", dir)(error));
    }
    sync_dir(parent(dir))?;
    remove(old)
}

#[cfg(test)]
mod tests;
