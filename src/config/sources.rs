//! Sources of the configuration: the main file, `conf.d` next to it, and environment variables.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Fault};
use super::layer::{self, Layer};

/// Folder of further files, next to the main file.
pub(super) const FOLDER: &str = "conf.d";

/// Maximum size of a file, bytes: more than anyone writes by hand.
const LARGEST_FILE: u64 = 1 << 20;

/// Sources of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The main file. `conf.d/*.toml` next to it follow, by name.
    pub file: PathBuf,
    /// Whether the main file must exist.
    pub required: bool,
    /// Names and values of environment variables. Only those that start with `INSPECTD__` are used.
    pub environment: Vec<(String, String)>,
}

/// Contents of the sources.
pub(super) struct Found {
    pub layers: Vec<Layer>,
    pub files: Vec<PathBuf>,
    pub main: PathBuf,
    pub folder: PathBuf,
}

impl Sources {
    /// The given file and the variables of the process. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn of_process(file: PathBuf, required: bool) -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os();
        Self {
            file,
            required,
            environment: variables
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        }
    }

    /// Reads all sources. Faults of single keys are added to `faults`.
    ///
    /// # Errors
    /// Every file that cannot be read or is not TOML.
    pub(super) fn read(&self, faults: &mut Vec<Fault>) -> Result<Found, ConfigError> {
        self.read_with(&[], faults)
    }

    /// As [`Self::read`], with other texts of some of the files.
    pub(super) fn read_with(
        &self,
        replaced: &[(&Path, &str)],
        faults: &mut Vec<Fault>,
    ) -> Result<Found, ConfigError> {
        let only = |fault| ConfigError {
            faults: vec![fault],
        };
        let main = std::path::absolute(&self.file)
            .map_err(|error| only(unreadable(&self.file, &error)))?;
        let folder = main.parent().unwrap_or(Path::new("/")).to_owned();
        let mut broken = Vec::new();
        let mut files = Vec::new();
        if self.required || main.try_exists().unwrap_or(true) {
            files.push(main.clone());
        }
        match further_files(&folder.join(FOLDER)) {
            Ok(further) => files.extend(further),
            Err(fault) => broken.push(fault),
        }
        let mut layers = Vec::new();
        for file in &files {
            let replaced = replaced.iter().find(|(path, _)| path == file);
            match read_file(file, replaced.map(|(_, text)| *text), faults) {
                Ok(layer) => layers.push(layer),
                Err(fault) => broken.push(fault),
            }
        }
        if !broken.is_empty() {
            return Err(ConfigError { faults: broken });
        }
        layers.push(layer::variables(&self.environment, faults));
        Ok(Found {
            layers,
            files,
            main,
            folder,
        })
    }
}

/// Reads the text of one file, and variables.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn in_memory(
    file: &Path,
    text: &str,
    environment: &[(String, String)],
    faults: &mut Vec<Fault>,
) -> Result<Found, ConfigError> {
    let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
    let main = layer::file(&file.display().to_string(), &folder, text, faults);
    let main = main.map_err(|fault| ConfigError {
        faults: vec![fault],
    })?;
    Ok(Found {
        layers: vec![main, layer::variables(environment, faults)],
        files: vec![file.to_owned()],
        main: file.to_owned(),
        folder,
    })
}

/// Returns the files of `conf.d`, by name; none if the folder does not exist.
fn further_files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries.map_err(|error| unreadable(folder, &error))?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| is_configuration_file(path) && !path.is_dir())
        .collect();
    files.sort();
    Ok(files)
}

/// Whether a file of `conf.d` is part of the configuration: `*.toml`, and not hidden, unlike temporary files
/// of editors.
pub(super) fn is_configuration_file(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden
        && path
            .extension()
            .is_some_and(|extension| extension == "toml")
}

fn read_file(path: &Path, text: Option<&str>, faults: &mut Vec<Fault>) -> Result<Layer, Fault> {
    let text = match text {
        Some(text) => Ok(text.to_owned()),
        None => read_text(path),
    };
    let text = text.map_err(|error| unreadable(path, &error))?;
    let (Some(file), Some(folder)) = (path.to_str(), path.parent()) else {
        return Err(unreadable(path, &io::Error::other("its path is not UTF-8")));
    };
    layer::file(file, folder, &text, faults)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(LARGEST_FILE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::Unreadable {
        place: path.display().to_string(),
        reason: error.to_string(),
    }
}
