//! `manifest.toml`, the part of a model bundle that people can read: which model it is, what its
//! graph takes and gives, how its maps become a score, and where it comes from.
//!
//! A [`Manifest`] exists only validated: by [`Manifest::parse`] from a file's text, or from
//! [`Contents`] that the trainer filled in. Nothing downstream checks again.

mod contents;
mod validation;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use contents::{
    ColourOrder, Contents, Graph, Input, Maps, Parity, Provenance, Quantiles, Resize,
    ScoreQuantile, Scores, Teacher, Threshold,
};

/// The one version of the format that this code reads and writes.
pub const FORMAT_VERSION: u32 = 1;

/// The one name that a bundle's graph has.
pub const GRAPH_FILE: &str = "model.onnx";

/// Valid contents.
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
    /// Where it is: `maps.structural.a`.
    pub key: String,
    /// The value.
    pub found: String,
    /// What may be there instead.
    pub allowed: String,
}

impl std::fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}, must be {}", self.key, self.found, self.allowed)
    }
}

/// Why a text is no manifest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ManifestError {
    /// Not TOML, or a key is missing, unknown, or of the wrong type.
    #[error("{}: {message}", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The parser's words, with the line and the key, and what is allowed there.
        message: String,
    },
    /// Values that are not allowed, all of them.
    #[error("{}: {}", .file.display(), listed(.faults))]
    Values {
        /// The file.
        file: PathBuf,
        /// One entry a value.
        faults: Vec<ManifestFault>,
    },
}

fn listed(faults: &[ManifestFault]) -> String {
    let lines: Vec<String> = faults.iter().map(ManifestFault::to_string).collect();
    lines.join("; ")
}

impl Manifest {
    /// Reads the text of the manifest `file`; the name is for messages alone.
    ///
    /// # Errors
    /// When the text is not TOML, has other keys than a manifest, or values that are not allowed.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ManifestError> {
        let syntax = |message: String| ManifestError::Syntax {
            file: file.to_owned(),
            message: message.trim_end().to_owned(),
        };
        // The version comes first: another format's keys are not this one's faults.
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

    /// Takes `contents` if every value is allowed.
    ///
    /// # Errors
    /// Every value that is not.
    pub fn try_new(contents: Contents) -> Result<Self, Vec<ManifestFault>> {
        let faults = validation::faults(&contents);
        if faults.is_empty() {
            Ok(Self(contents))
        } else {
            Err(faults)
        }
    }

    /// The text that [`Manifest::parse`] reads.
    ///
    /// # Panics
    /// Never: whatever TOML cannot hold is refused when a manifest is made.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.0).expect("a manifest holds nothing that TOML cannot")
    }
}

#[cfg(test)]
pub(crate) mod tests;
