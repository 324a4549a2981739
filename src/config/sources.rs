//! Where the configuration comes from: the main file, `conf.d` beside it, and variables.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Fault};
use super::layer::{self, Layer};

/// The folder of further files, beside the main one.
pub(super) const FOLDER: &str = "conf.d";

/// A larger file is none that anybody wrote.
const LARGEST_FILE: u64 = 1 << 20;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The main file; `conf.d/*.toml` beside it follow, by name.
    pub file: PathBuf,
    /// Whether the main file must exist; otherwise the rest may do without.
    pub required: bool,
    /// Names and values of environment variables; those count that begin with `INSPECTD__`.
    pub environment: Vec<(String, String)>,
}

/// What was found.
pub(super) struct Found {
    pub layers: Vec<Layer>,
    pub files: Vec<PathBuf>,
    pub main: PathBuf,
    pub folder: PathBuf,
}

impl Sources {
    /// These, with the variables of the process. What is not UTF-8 in them is replaced by U+FFFD.
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

    /// Reads everything; faults of single keys are noted.
    ///
    /// # Errors
    /// Every file that cannot be read or is not TOML.
    pub(super) fn read(&self, faults: &mut Vec<Fault>) -> Result<Found, ConfigError> {
        let alone = |fault| ConfigError {
            faults: vec![fault],
        };
        let main = std::path::absolute(&self.file)
            .map_err(|error| alone(unreadable(&self.file, &error)))?;
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
            match read_file(file, faults) {
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

/// One file's text, and variables.
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

/// The files of `conf.d`, by name; none if there is no such folder.
fn further_files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries.map_err(|error| unreadable(folder, &error))?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| is_ours(path) && !path.is_dir())
        .collect();
    files.sort();
    Ok(files)
}

/// Whether a file of `conf.d` is part of the configuration: `*.toml`, and not hidden, as the temporary
/// files of editors are.
pub(super) fn is_ours(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden
        && path
            .extension()
            .is_some_and(|extension| extension == "toml")
}

fn read_file(path: &Path, faults: &mut Vec<Fault>) -> Result<Layer, Fault> {
    let text = read_text(path).map_err(|error| unreadable(path, &error))?;
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
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::Unreadable {
        place: path.display().to_string(),
        reason: error.to_string(),
    }
}
