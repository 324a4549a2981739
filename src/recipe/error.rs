//! Errors of recipes.

use std::io;
use std::path::PathBuf;

use inspectd_core::id::{RecipeId, RecipeIdError};
use thiserror::Error;

use super::{Fault, LARGEST_RECIPE_BYTES, MOST_RECIPES};

/// Maximum number of faults that are reported. A file with more is probably not a recipe.
pub const MOST_FAULTS: usize = 200;

/// A recipe that cannot be read.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// The folder does not contain the recipe.
    #[error("{}: recipe {id} does not exist", .folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
        /// The recipe.
        id: RecipeId,
    },
    /// The name of the file is not a recipe id.
    #[error("{}: {source}", .file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// The fault of the name.
        source: RecipeIdError,
    },
    /// The file cannot be read, or is not UTF-8 text.
    #[error("{}: cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file is larger than [`LARGEST_RECIPE_BYTES`].
    #[error("{}: larger than {LARGEST_RECIPE_BYTES} bytes, the maximum of a recipe", .file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// It is not TOML, or its keys or values are not allowed.
    #[error("{}", listed(.faults, *.left_out))]
    Invalid {
        /// The faults, by line; at least one and at most [`MOST_FAULTS`].
        faults: Vec<Fault>,
        /// Number of further faults.
        left_out: usize,
    },
}

impl RecipeError {
    /// Returns the text of each fault.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Invalid { faults, .. } => faults.iter().map(Fault::to_string).collect(),
            _ => vec![self.to_string()],
        }
    }

    /// The faults of a text, in the order of lines.
    pub(super) fn invalid(mut faults: Vec<Fault>) -> Self {
        let left_out = faults.len().saturating_sub(MOST_FAULTS);
        faults.truncate(MOST_FAULTS);
        Self::Invalid { faults, left_out }
    }
}

fn listed(faults: &[Fault], left_out: usize) -> String {
    let mut lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    if left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    lines.join("\n")
}

/// A folder of recipes that cannot be listed.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The folder cannot be read.
    #[error("{}: cannot be read: {source}", .folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The folder contains more than [`MOST_RECIPES`] files.
    #[error("{}: more than {MOST_RECIPES} recipes", .folder.display())]
    TooMany {
        /// The folder.
        folder: PathBuf,
    },
}
