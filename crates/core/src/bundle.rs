//! Model bundle: a folder with `manifest.toml`, `model.onnx`, and a graph for each variant in another precision. It is the
//! only thing that the trainer hands to the daemon.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::atomic_file;
use crate::manifest::{Manifest, ManifestError};
use crate::precision::Precision;

/// File name of the manifest in a bundle.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// Maximum size of a manifest. A manifest contains at most some thousand numbers.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// Maximum size of a graph: protobuf messages are limited to 2 GiB.
const MAX_GRAPH_BYTES: u64 = 2 << 30;

/// A bundle with a valid manifest and graphs whose SHA-256 are the manifest's.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
    /// The main graph, then those of the variants in the order of the manifest.
    graphs: Vec<Vec<u8>>,
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
    /// A graph does not have the manifest's SHA-256: it is truncated, modified, or another graph.
    #[error("{}: SHA-256 is {found}, but the manifest has {expected}", .path.display())]
    Hash {
        /// The graph's file.
        path: PathBuf,
        /// SHA-256 in the manifest.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// The bundle has another number of graphs than the manifest.
    #[error("{}: {found} graphs, but the manifest has {expected}", .path.display())]
    Count {
        /// The bundle's folder.
        path: PathBuf,
        /// Number of graphs in the manifest.
        expected: usize,
        /// Number of graphs.
        found: usize,
    },
    /// The bundle does not have a graph in a requested precision.
    #[error("{}: has a graph in {}, but not in {}", .path.display(), listed(.available, " and "), listed(.wanted, " or "))]
    Precision {
        /// The bundle's folder.
        path: PathBuf,
        /// The precisions that it has.
        available: Vec<Precision>,
        /// The requested precisions.
        wanted: Vec<Precision>,
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

fn listed(precisions: &[Precision], separator: &str) -> String {
    let names: Vec<&str> = precisions
        .iter()
        .map(|precision| precision.name())
        .collect();
    names.join(separator)
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
    /// Reads the bundle in `dir` with all its graphs and verifies it.
    ///
    /// # Errors
    /// When a file cannot be read, the manifest is not valid, or a graph has another SHA-256 than in the
    /// manifest.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let manifest = Self::read_manifest(dir)?;
        let files = files(&manifest).into_iter();
        let graphs = files.map(|(file, _)| read(&dir.join(file), MAX_GRAPH_BYTES));
        let graphs = graphs.collect::<Result<_, _>>()?;
        Self::new(dir, manifest, graphs)
    }

    /// Reads the bundle in `dir` with only one graph: that in the first of the precisions `wanted` that it has. Other graphs
    /// may be missing.
    ///
    /// # Errors
    /// As for [`Self::open`], and when the bundle has none of these precisions.
    pub fn open_in(dir: &Path, wanted: &[Precision]) -> Result<Self, BundleError> {
        let manifest = Self::read_manifest_in(dir, wanted)?;
        let graph = read(&dir.join(&manifest.graph.file), MAX_GRAPH_BYTES)?;
        Self::new(dir, manifest, vec![graph])
    }

    /// Reads only the manifest, and selects from it as [`Self::open_in`].
    ///
    /// # Errors
    /// When the manifest cannot be read, is not valid, or has none of these precisions.
    pub fn read_manifest_in(dir: &Path, wanted: &[Precision]) -> Result<Manifest, BundleError> {
        let manifest = Self::read_manifest(dir)?;
        let mut selected = wanted.iter().map(|&precision| manifest.select(precision));
        selected
            .find_map(|manifest| manifest)
            .ok_or_else(|| BundleError::Precision {
                path: dir.to_owned(),
                available: manifest.precisions().collect(),
                wanted: wanted.to_vec(),
            })
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
    /// never a partial one: see [`atomic_file::replace_folder`]. `graphs` are as for [`Self::new`].
    ///
    /// # Errors
    /// When a graph has another SHA-256 than in the manifest, `dir` exists and is not a bundle, or a file
    /// cannot be written. The old bundle is then unchanged.
    pub fn write(
        dir: &Path,
        manifest: Manifest,
        graphs: Vec<Vec<u8>>,
    ) -> Result<Self, BundleError> {
        let bundle = Self::new(dir, manifest, graphs)?;
        if dir.file_name().is_none() {
            return Err(BundleError::NoName {
                path: dir.to_owned(),
            });
        }
        refuse_other_folders(dir)?;
        let manifest = bundle.manifest.to_toml();
        atomic_file::replace_folder(dir, |new| {
            for ((file, _), graph) in files(&bundle.manifest).iter().zip(&bundle.graphs) {
                fs::write(new.join(file), graph)?;
            }
            fs::write(new.join(MANIFEST_FILE), manifest)
        })
        .map_err(failed("writing", dir))?;
        Ok(bundle)
    }

    /// Builds a bundle in memory, as if it were read from `dir`. `graphs` has the main graph, then those of the variants in
    /// the order of the manifest.
    ///
    /// # Errors
    /// When a graph is missing or has another SHA-256 than in the manifest.
    pub fn new(dir: &Path, manifest: Manifest, graphs: Vec<Vec<u8>>) -> Result<Self, BundleError> {
        let files = files(&manifest);
        if files.len() != graphs.len() {
            return Err(BundleError::Count {
                path: dir.to_owned(),
                expected: files.len(),
                found: graphs.len(),
            });
        }
        for ((file, expected), graph) in files.into_iter().zip(&graphs) {
            let found = sha256(graph);
            if found != expected {
                return Err(BundleError::Hash {
                    path: dir.join(file),
                    expected: expected.to_owned(),
                    found,
                });
            }
        }
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            graphs,
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

    /// Bytes of the main graph.
    pub fn graph(&self) -> &[u8] {
        &self.graphs[0]
    }

    /// Bytes of all graphs: the main one, then those of the variants in the order of the manifest.
    pub fn graphs(&self) -> &[Vec<u8>] {
        &self.graphs
    }
}

/// File names and SHA-256 of the graphs of a manifest: the main one, then those of the variants.
fn files(manifest: &Manifest) -> Vec<(&str, &str)> {
    let variants = manifest.variants.values();
    let variants = variants.map(|variant| (variant.file.as_str(), variant.sha256.as_str()));
    let main = (manifest.graph.file.as_str(), manifest.graph.sha256.as_str());
    std::iter::once(main).chain(variants).collect()
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
