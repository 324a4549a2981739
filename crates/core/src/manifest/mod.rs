//! `manifest.toml`, the human-readable part of a model bundle: the model's identity, the input and output
//! of its graph, the calibration of its maps, and its origin.
//!
//! A [`Manifest`] is always valid: [`Manifest::parse`] reads and checks a file's text, and
//! [`Manifest::try_new`] checks [`Contents`] that the trainer filled in. No other code checks again.

mod contents;
mod validation;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::maps::MapSize;
use crate::record::ModelId;

pub use crate::precision::Precision;
pub use contents::{
    ColourOrder, Contents, DefectAuroc, Graph, Input, Int8Parity, Maps, Parity, Provenance,
    Quantiles, Resize, ScoreQuantile, Scores, Teacher, Threshold, Variant,
};

/// The only version of the format that this code reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// File name of the graph in a bundle.
pub const GRAPH_FILE: &str = "model.onnx";

/// Validated contents of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest(Contents);

impl Deref for Manifest {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0
    }
}

/// A value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFault {
    /// The key, with its tables: `maps.structural.a`.
    pub key: String,
    /// The value.
    pub found: String,
    /// The allowed values.
    pub allowed: String,
}

impl std::fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}, must be {}", self.key, self.found, self.allowed)
    }
}

/// Why a text is not a manifest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ManifestError {
    /// The text is not TOML, or a key is missing, unknown, or of the wrong type.
    #[error("{}: {message}", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The parser's message, with the line, the key and the allowed values.
        message: String,
    },
    /// Values that are not allowed.
    #[error("{}: {}", .file.display(), listed(.faults))]
    Values {
        /// The file.
        file: PathBuf,
        /// All such values.
        faults: Vec<ManifestFault>,
    },
}

fn listed(faults: &[ManifestFault]) -> String {
    let lines: Vec<String> = faults.iter().map(ManifestFault::to_string).collect();
    lines.join("; ")
}

impl Manifest {
    /// The identity of the model.
    pub fn model_id(&self) -> ModelId {
        ModelId {
            name: self.name.clone(),
            version: self.version.clone(),
            sha256: self.graph.sha256.clone(),
            precision: self.graph.precision,
        }
    }

    /// The precisions of the graphs of the bundle, the main one first.
    pub fn precisions(&self) -> impl Iterator<Item = Precision> {
        let variants = self.variants.keys().copied();
        std::iter::once(self.graph.precision).chain(variants)
    }

    /// The manifest of a bundle that has only the graph in `precision`, with its calibration; `None` if the bundle does not
    /// have one.
    pub fn select(&self, precision: Precision) -> Option<Self> {
        let mut contents = self.0.clone();
        let variants = std::mem::take(&mut contents.variants);
        if precision == self.graph.precision {
            return Some(Self(contents));
        }
        let variant = variants.into_iter().find(|(key, _)| *key == precision)?.1;
        contents.graph = Graph {
            file: variant.file,
            sha256: variant.sha256,
            precision,
        };
        contents.maps = variant.maps;
        contents.scores = variant.scores;
        contents.threshold = variant.threshold;
        contents.parity.int8 = Some(variant.parity);
        Some(Self(contents))
    }

    /// The size of the anomaly maps, cells.
    pub fn map_size(&self) -> MapSize {
        MapSize {
            width: self.maps.width as usize,
            height: self.maps.height as usize,
        }
    }

    /// Reads the text of the manifest `file`; the path is used only in messages.
    ///
    /// # Errors
    /// When the text is not TOML, has other keys than a manifest, or values that are not allowed.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ManifestError> {
        let syntax = |message: String| ManifestError::Syntax {
            file: file.to_owned(),
            message: message.trim_end().to_owned(),
        };
        // The version is checked first: keys of another version of the format are not faults.
        let table: toml::Table = toml::from_str(text).map_err(|error| syntax(error.to_string()))?;
        let version = table
            .get("format_version")
            .map_or("absent".to_owned(), ToString::to_string);
        if version != FORMAT_VERSION.to_string() {
            let faults = vec![validation::format_version(version)];
            return Err(ManifestError::Values {
                file: file.to_owned(),
                faults,
            });
        }
        let contents: Contents = toml::from_str(text).map_err(|error| syntax(error.to_string()))?;
        Self::try_new(contents).map_err(|faults| ManifestError::Values {
            file: file.to_owned(),
            faults,
        })
    }

    /// Builds a manifest from `contents`.
    ///
    /// # Errors
    /// When values are not allowed: all of them.
    pub fn try_new(contents: Contents) -> Result<Self, Vec<ManifestFault>> {
        let faults = validation::faults(&contents);
        if faults.is_empty() {
            Ok(Self(contents))
        } else {
            Err(faults)
        }
    }

    /// Returns the text that [`Manifest::parse`] reads.
    ///
    /// # Panics
    /// Never: a manifest rejects values that TOML cannot represent.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.0)
            .expect("a validated manifest has only values that TOML can represent")
    }
}

#[cfg(test)]
pub(crate) mod tests;
