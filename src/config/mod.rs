//! The configuration: files and variables become [`Settings`], or every fault in them at once.
//!
//! Layers in rising order: defaults, the main file, the files of `conf.d` beside it, variables. Each
//! value remembers its place; the merged tree is validated against one table of keys.

mod build;
mod change;
#[cfg(test)]
mod documentation;
mod error;
mod flatten;
mod layer;
mod reference;
mod relation;
pub mod settings;
mod sources;
pub(crate) mod spelling;
mod table;
mod values;
mod walk;
mod watch;

use std::path::{Path, PathBuf};

use ::config::{Config, Map, Source, Value};

pub use change::{Changed, Changes, applied, changed, changes};
pub use error::{ConfigError, Fault};
pub use settings::Settings;
pub use sources::Sources;
pub(crate) use spelling::nearest;
pub use watch::{Watch, watch};

use layer::Layer;
use sources::Found;
use values::Values;

/// A configuration that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Their [`hash`].
    pub hash: String,
    /// The files that were read, in the order of layers.
    pub files: Vec<PathBuf>,
    /// The main file's folder, absolute.
    pub folder: PathBuf,
}

/// Reads the configuration.
///
/// # Errors
/// Every fault in it. Files that cannot be read or are not TOML come alone: without them nothing can
/// be said about the rest.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut faults = Vec::new();
    let found = sources.read(&mut faults)?;
    validated(found, faults, reference::check)
}

/// As [`load`], from the text of the main file alone and variables: no file is touched, and so whether
/// cameras' reference images are of use is not found out.
///
/// # Errors
/// As [`load`].
pub fn parse(
    file: &Path,
    text: &str,
    environment: &[(String, String)],
) -> Result<Loaded, ConfigError> {
    let mut faults = Vec::new();
    let found = sources::in_memory(file, text, environment, &mut faults)?;
    validated(found, faults, |_, _| ())
}

/// `files` finds the faults of files that values name.
fn validated(
    found: Found,
    mut faults: Vec<Fault>,
    files: fn(&Values, &mut Vec<Fault>),
) -> Result<Loaded, ConfigError> {
    let merged = merge(found.layers);
    let main = found.main.display().to_string();
    let values = walk::walk(&merged, &main, &mut faults);
    relation::check(&values, &mut faults);
    files(&values, &mut faults);
    if !faults.is_empty() {
        return Err(ConfigError { faults });
    }
    let settings = build::settings(&values);
    Ok(Loaded {
        hash: hash(&settings),
        settings,
        files: found.files,
        folder: found.folder,
    })
}

fn merge(layers: Vec<Layer>) -> Map<String, Value> {
    let mut builder = Config::builder();
    for layer in layers {
        builder = builder.add_source(layer);
    }
    let merged = builder.build().and_then(|config| config.collect());
    merged.expect("layers are tables of known keys and never fail")
}

/// SHA-256 over the settings as JSON, fields in their order and cameras by id: 64 lower-case
/// hexadecimal digits. User and password of a URL have no part in it.
///
/// # Panics
/// Never: settings hold texts, numbers and paths that came from texts.
pub fn hash(settings: &Settings) -> String {
    let json = serde_json::to_vec(settings).expect("paths come from texts");
    inspectd_core::bundle::sha256(&json)
}

#[cfg(test)]
mod tests;
