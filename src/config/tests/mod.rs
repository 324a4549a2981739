//! Tests of reading, faults, reload and watching, over real files.

mod faults;
mod layers;
mod properties;
mod reload;
mod remote;
mod settings;
mod shifts;
mod tls;
mod traces;
mod watching;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{ConfigError, Loaded, Sources, load};

/// The smallest valid configuration.
const MINIMAL: &str = "[model]\nbundle = \"/bundle\"\n[cameras.left]\nsource = \"simulator\"\n";

/// A folder with a configuration in it.
struct Site {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Site {
    fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            environment: Vec::new(),
        }
    }

    fn with(text: &str) -> Self {
        let site = Self::empty();
        site.write("inspectd.toml", text);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(&Sources {
            file: self.path("inspectd.toml"),
            required: true,
            environment: self.environment.clone(),
        })
    }

    /// The faults as text, without the name of the folder.
    fn faults(&self) -> Vec<String> {
        let faults = self
            .load()
            .err()
            .map(|error| error.faults)
            .unwrap_or_default();
        let folder = format!("{}/", self.folder.path().display());
        faults
            .iter()
            .map(|fault| fault.to_string().replace(&folder, ""))
            .collect()
    }
}

fn loaded(text: &str) -> Loaded {
    Site::with(text)
        .load()
        .unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// One camera, whose table is `text`.
fn camera(text: &str) -> String {
    format!("[model]\nbundle = \"/bundle\"\n[cameras.left]\n{text}\n")
}
