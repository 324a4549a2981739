//! Where each value of the configuration comes from, also of one that is not valid; without secrets, for support.

use std::fs;
use std::path::{Path, PathBuf};

use ::config::{Map, Source, Value, ValueKind};

use super::kind::Setting;
use super::layer::{self, Layer};
use super::sources::{self, Sources, is_configuration_file};
use super::table::{self, Node};
use super::{Fault, merge, relation, walk};

/// Shown instead of a secret.
const HIDDEN: &str = "(not shown)";

/// Place of a value that is not set.
const DEFAULT: &str = "default";

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Path of the key: `cameras.left.queue`.
    pub key: String,
    /// The value; of a secret at most the host.
    pub value: String,
    /// `FILE:LINE`, `environment variable NAME` or `default`.
    pub place: String,
}

/// The configuration as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// All keys that have a valid value, by path.
    pub values: Vec<Explained>,
    /// All faults.
    pub faults: Vec<Fault>,
    /// The files, in the order of the layers, also those that cannot be read.
    pub files: Vec<PathBuf>,
    /// All texts of keys that may hold a secret, also of values that are not valid or overridden. Not to be shown.
    pub secrets: Vec<String>,
}

impl Explanation {
    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        let found = self.values.iter().find(|explained| explained.key == key);
        found.map(|explained| explained.value.as_str())
    }
}

/// Reads the configuration. A file that cannot be read or is not TOML is left out, and is among the faults.
pub fn explain(sources: &Sources) -> Explanation {
    let mut explanation = Explanation::default();
    let main = std::path::absolute(&sources.file).unwrap_or_else(|_| sources.file.clone());
    let folder = main.parent().unwrap_or(Path::new("/"));
    if sources.required || main.try_exists().unwrap_or(true) {
        explanation.files.push(main.clone());
    }
    explanation
        .files
        .extend(further_files(&folder.join(sources::FOLDER)));
    let mut faults = Vec::new();
    let mut layers: Vec<Layer> = Vec::new();
    for path in &explanation.files {
        match read(path, &mut faults) {
            Ok(layer) => layers.push(layer),
            Err(fault) => faults.push(fault),
        }
    }
    layers.push(layer::variables(&sources.environment, &mut faults));
    for layer in &layers {
        let values = layer.collect().unwrap_or_default();
        secrets("", &values, &mut explanation.secrets);
    }
    let values = walk::walk(&merge(layers), &main.display().to_string(), &mut faults);
    relation::check(&values, &mut faults);
    explanation.faults = faults;
    explanation.values = values
        .keys
        .iter()
        .filter_map(|(key, value)| {
            Some(Explained {
                key: key.clone(),
                value: shown(key, value.value.as_ref()?),
                place: value.place.clone().unwrap_or_else(|| DEFAULT.to_owned()),
            })
        })
        .collect();
    explanation
}

fn read(path: &Path, faults: &mut Vec<Fault>) -> Result<Layer, Fault> {
    let place = path.display().to_string();
    let unreadable = |reason: String| Fault::Unreadable {
        place: place.clone(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    layer::file(&place, folder, &text, faults)
}

/// The files of `conf.d`, by name; none if the folder cannot be read.
fn further_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut files: Vec<_> = paths
        .filter(|path| is_configuration_file(path) && !path.is_dir())
        .collect();
    files.sort();
    files
}

fn is_secret(path: &str) -> bool {
    matches!(table::look_up(path), Node::Key(key) if key.secret)
}

/// Collects the texts of secret keys.
fn secrets(path: &str, values: &Map<String, Value>, found: &mut Vec<String>) {
    for (name, value) in values {
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        match &value.kind {
            ValueKind::Table(inner) => secrets(&path, inner, found),
            ValueKind::String(text) if is_secret(&path) => found.push(text.clone()),
            _ => {}
        }
    }
}

/// A value without secrets. Of a URL, scheme and host are shown.
fn shown(key: &str, value: &Setting) -> String {
    if !is_secret(key) {
        return value.to_string();
    }
    let host = value.text().and_then(|text| {
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        // A valid URL has no @ behind its host.
        let host = authority.rsplit('@').next()?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain(scheme) && !scheme.is_empty()).then(|| format!("{scheme}://{host} {HIDDEN}"))
    });
    host.unwrap_or_else(|| HIDDEN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The explanation of a main file, a file of `conf.d`, and variables.
    fn explained(main: &str, further: &str, environment: &[(&str, &str)]) -> Explanation {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("inspectd.toml");
        fs::write(&file, main).expect("written");
        fs::create_dir(folder.path().join("conf.d")).expect("a folder");
        fs::write(folder.path().join("conf.d/10.toml"), further).expect("written");
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        explain(&Sources {
            file,
            required: true,
            environment: environment.iter().map(pair).collect(),
        })
    }

    const CAMERA: &str = "[model]\nbundle = \"b\"\n[cameras.left]\nsource = \"url\"\n";

    #[test]
    fn each_value_has_the_place_that_decides_it() {
        let explanation = explained(
            &format!(
                "[verdict]\nthreshold = 0.5\nregion_limit = 3\n{CAMERA}url = \"rtsp://a:b@cam/s?pwd=c\"\n"
            ),
            "[verdict]\nthreshold = 0.7\n",
            &[("INSPECTD__LOG__FILTER", "debug"), ("OTHER", "x")],
        );
        assert_eq!(explanation.faults, []);
        let check = |key: &str, value: &str, place: &str| {
            let found = explanation
                .values
                .iter()
                .find(|explained| explained.key == key);
            let found = found.unwrap_or_else(|| panic!("{key}"));
            assert_eq!(found.value, value, "{key}");
            assert!(found.place.ends_with(place), "{key}: {}", found.place);
        };
        check("verdict.threshold", "0.7", "conf.d/10.toml:2");
        check("verdict.region_limit", "3", "inspectd.toml:3");
        check(
            "log.filter",
            "debug",
            "environment variable INSPECTD__LOG__FILTER",
        );
        check("engine.provider", "cpu", "default");
        check(
            "cameras.left.url",
            "rtsp://cam (not shown)",
            "inspectd.toml:8",
        );
        assert_eq!(explanation.secrets, ["rtsp://a:b@cam/s?pwd=c"]);
        assert_eq!(explanation.value("cameras.left.mode"), Some("free-running"));
    }

    #[test]
    fn secrets_that_are_not_valid_or_overridden_are_known_and_not_shown() {
        let explanation = explained(
            &format!("{CAMERA}url = \"rtsp://a b:c d@cam/s\"\n"),
            "[cameras.right]\nsource = \"gstreamer\"\npipeline = \"rtspsrc user-pw=x ! appsink\"\n",
            &[("INSPECTD__CAMERAS__LEFT__URL", "http://u:v@cam")],
        );
        assert_eq!(
            explanation.secrets,
            [
                "rtsp://a b:c d@cam/s",
                "rtspsrc user-pw=x ! appsink",
                "http://u:v@cam"
            ]
        );
        assert_eq!(
            explanation.value("cameras.right.pipeline"),
            Some("(not shown)")
        );
        assert_eq!(
            explanation.value("cameras.left.url"),
            Some("http://cam (not shown)")
        );
    }

    #[test]
    fn file_that_is_not_toml_is_left_out_and_reported() {
        let explanation = explained(CAMERA, "[verdict\n", &[]);
        assert_eq!(
            explanation
                .value("model.bundle")
                .map(|path| path.ends_with("/b")),
            Some(true)
        );
        let faults: Vec<String> = explanation.faults.iter().map(ToString::to_string).collect();
        assert!(
            faults
                .iter()
                .any(|fault| fault.contains("10.toml:1: not TOML")),
            "{faults:?}"
        );
        assert!(
            faults
                .iter()
                .any(|fault| fault.contains("cameras.left.url: missing")),
            "{faults:?}"
        );
        assert_eq!(explanation.files.len(), 2);
    }
}
