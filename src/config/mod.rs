//! The configuration: files and environment variables become [`Settings`], or a list of all faults.
//!
//! Layers in rising order of precedence: defaults, the main file, the files of `conf.d` next to it,
//! variables. Each value keeps its place; the merged values are validated key by key. Each key is
//! declared once, in [`settings`].

mod change;
pub(crate) mod document;
#[cfg(test)]
mod documentation;
mod error;
mod explanation;
mod field;
mod group;
mod key;
mod kind;
mod layer;
mod man_page;
mod reference;
mod relation;
mod section;
pub mod settings;
mod sources;
mod spelling;
mod table;
pub(crate) mod toml_text;
mod values;
mod walk;
mod watch;

use std::path::{Path, PathBuf};

use ::config::{Config, Map, Source, Value};

pub use change::{Changed, Changes, applied, changed, changes};
pub use error::{ConfigError, Fault};
pub use explanation::{Explained, Explanation, explain};
pub use man_page::man_page;
pub use settings::Settings;
pub use sources::Sources;
pub use watch::{Watch, watch};

use layer::Layer;
use sources::Found;
use values::Values;

/// A valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The [`hash`] of the settings.
    pub hash: String,
    /// The files of the configuration, in the order of the layers.
    pub files: Vec<PathBuf>,
    /// Folder of the main file, absolute.
    pub folder: PathBuf,
}

/// Reads the configuration.
///
/// # Errors
/// All its faults. If a file cannot be read or is not TOML, only such faults.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut faults = Vec::new();
    let found = sources.read(&mut faults)?;
    validated(found, faults, reference::check)
}

/// As [`load`], as if some of the files had other texts.
///
/// # Errors
/// As [`load`].
pub fn load_with(sources: &Sources, texts: &[(&Path, &str)]) -> Result<Loaded, ConfigError> {
    let mut faults = Vec::new();
    let found = sources.read_with(texts, &mut faults)?;
    validated(found, faults, reference::check)
}

/// As [`load`], from the text of the main file and variables. No file is read; reference images of cameras
/// are not checked.
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

/// Validates the layers. `check_files` notes the faults of files that values name.
fn validated(
    found: Found,
    mut faults: Vec<Fault>,
    check_files: fn(&Values, &mut Vec<Fault>),
) -> Result<Loaded, ConfigError> {
    let merged = merge(found.layers);
    let main = found.main.display().to_string();
    let values = walk::walk(&merged, &main, &mut faults);
    relation::check(&values, &mut faults);
    check_files(&values, &mut faults);
    if !faults.is_empty() {
        return Err(ConfigError { faults });
    }
    let settings = Settings::read(&values);
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
    merged.expect("layers are tables of known keys and cannot fail")
}

/// Returns the SHA-256 of the settings as JSON, fields in their order and cameras by id: 64 lower-case
/// hexadecimal digits. The user and password of a URL do not affect it.
///
/// # Panics
/// Never: settings contain texts, numbers and paths made of texts.
pub fn hash(settings: &Settings) -> String {
    let json = serde_json::to_vec(settings).expect("paths are made of texts");
    inspectd_core::bundle::sha256(&json)
}

/// Returns the documentation of a key by its path, such as `verdict.threshold` or `cameras.left.deadline_ms`; none if there is no
/// such key.
pub fn documentation_of(path: &str) -> Option<&'static str> {
    match table::look_up(path) {
        table::Node::Key(key) => Some(key.doc),
        table::Node::Table | table::Node::Unknown => None,
    }
}

#[cfg(test)]
mod tests;
