//! What can be wrong with recipes.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{Fault, LARGEST_RECIPE_BYTES, MOST_RECIPES};
use inspectd_core::id::RecipeId;
use inspectd_core::id::RecipeIdError;

/// So many faults are told at once. A file with more is something else than a recipe.
pub const MOST_FAULTS: usize = 200;

/// Why a file is no recipe.
#[derive(Debug, Error)]
pub enum RecipeError {
    /// The folder has no such recipe.
    #[error("{}: there is no recipe {id}", .folder.display())]
    Absent {
        /// The folder.
        folder: PathBuf,
        /// The recipe.
        id: RecipeId,
    },
    /// The file's name is no recipe's name.
    #[error("{}: {source}", .file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// What is wrong with the name.
        source: RecipeIdError,
    },
    /// The file cannot be read, or is no text.
    #[error("{}: cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is larger than any recipe.
    #[error("{}: larger than {LARGEST_RECIPE_BYTES} bytes, which no recipe is", .file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
    /// It is not TOML, or its keys or values are not allowed.
    #[error("{}", listed(.faults, *.left_out))]
    Invalid {
        /// What is wrong, one entry a fault, by line; at least one and at most [`MOST_FAULTS`].
        faults: Vec<Fault>,
        /// How many more there are.
        left_out: usize,
    },
}

impl RecipeError {
    /// Each fault, for people.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Invalid { faults, .. } => faults.iter().map(Fault::to_string).collect(),
            _ => vec![self.to_string()],
        }
    }

    /// Everything that is wrong with a text, in the order of lines.
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

/// Why a folder of recipes cannot be listed.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The folder cannot be read.
    #[error("{}: cannot be read: {source}", .folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// More files than anybody keeps recipes.
    #[error("{}: more than {MOST_RECIPES} recipes", .folder.display())]
    TooMany {
        /// The folder.
        folder: PathBuf,
    },
}
