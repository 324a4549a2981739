//! A configuration: one TOML file to validated settings, all faults at once.

mod section;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml::de::DeTable;

pub use self::section::{Faults, Section};

/// The largest file that is read.
const LARGEST_BYTES: u64 = 1 << 20;

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The faults of the file, a line for each.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

/// Reads a file. `settings` gets its document and its folder, to which relative paths are relative; it returns `None` only
/// after it has added a fault.
///
/// # Errors
/// If the file cannot be read, or has faults; all of them are in the error.
pub fn read<T>(
    path: &Path,
    settings: impl FnOnce(&Section<'_>, &Path) -> Option<T>,
) -> Result<T, ConfigError> {
    let unreadable = |error| ConfigError::Unreadable {
        path: path.to_owned(),
        error,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > LARGEST_BYTES {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    parse(&path.display().to_string(), &text, settings)
}

/// Reads a text, as [`read`]; `file` is its name in faults.
///
/// # Errors
/// If the text has faults; all of them are in the error.
pub fn parse<T>(
    file: &str,
    text: &str,
    settings: impl FnOnce(&Section<'_>, &Path) -> Option<T>,
) -> Result<T, ConfigError> {
    let faults = Faults::new(file, text);
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let place = error.span().map_or(0, |span| span.start);
            faults.add(place, &format!("not TOML: {}", error.message()));
            return Err(ConfigError::Faults(faults.into_lines()));
        }
    };
    let settings = {
        let document = Section::document(&faults, document.get_ref());
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let settings = settings(&document, folder);
        document.finish();
        settings
    };
    let lines = faults.into_lines();
    match settings {
        Some(settings) if lines.is_empty() => Ok(settings),
        _ => Err(ConfigError::Faults(lines)),
    }
}
