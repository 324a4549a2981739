//! Settings of a run: defaults, then a TOML file, then command-line flags. They are saved with the run
//! and compared when it is resumed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::files;

/// Merges three layers: the defaults of `S`, the TOML file at `file`, and the flags that were given (the
/// fields of `flags` that serialise to a value). A later layer overrides an earlier one.
///
/// # Errors
/// When the file cannot be read or has an unknown key or a value of the wrong type. The message names
/// the file and the key.
pub fn layered<S: Default + Serialize + DeserializeOwned>(
    file: Option<&Path>,
    flags: &impl Serialize,
) -> Result<S> {
    let mut table = Table::try_from(S::default())?;
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        // Parsed on its own first, so that the error points into the file.
        toml::from_str::<S>(&text)
            .with_context(|| format!("{}: invalid settings file", file.display()))?;
        table.extend(toml::from_str::<Table>(&text)?);
    }
    table.extend(Table::try_from(flags)?);
    table
        .try_into()
        .context("invalid combination of settings file and flags")
}

/// Returns the settings saved at `path`, without and with the given flags applied.
///
/// # Errors
/// When `path` cannot be read.
pub fn saved<S: Default + Serialize + DeserializeOwned>(
    path: &Path,
    flags: &impl Serialize,
) -> Result<(S, S)> {
    Ok((
        layered(Some(path), &Table::new())?,
        layered(Some(path), flags)?,
    ))
}

/// Writes `settings` to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn save(settings: &impl Serialize, path: &Path) -> Result<()> {
    files::replace_text(path, &toml::to_string_pretty(settings)?)
}

/// Checks that a run is resumed with the settings that it was started with. The `changeable` keys, which
/// do not change the training, may differ.
///
/// # Errors
/// When another key differs. The message names every such key with both values.
pub fn check_resumable<S: Serialize>(saved: &S, requested: &S, changeable: &[&str]) -> Result<()> {
    let (saved, requested) = (Table::try_from(saved)?, Table::try_from(requested)?);
    let keys = saved
        .keys()
        .chain(requested.keys().filter(|key| !saved.contains_key(*key)));
    let show =
        |value: Option<&toml::Value>| value.map_or_else(|| "unset".into(), toml::Value::to_string);
    let differences: Vec<String> = keys
        .filter(|key| saved.get(*key) != requested.get(*key) && !changeable.contains(&key.as_str()))
        .map(|key| {
            format!(
                "{key} = {} (the run has {})",
                show(requested.get(key)),
                show(saved.get(key))
            )
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    bail!(
        "cannot resume with different settings: {}. Settings that may change: {}. Start a new run to change others",
        differences.join(", "),
        changeable.join(", ")
    )
}

/// Name of `value` on the command line and in settings.
///
/// # Panics
/// When the value is hidden from the command line. This crate hides none.
pub fn value_name(value: &impl clap::ValueEnum) -> String {
    let possible = value.to_possible_value().expect("no value is hidden");
    possible.get_name().to_owned()
}

/// Path of the settings file in the folder of a run.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("settings.toml")
}

/// Defines two types from one table: the settings with their defaults, and the command-line flags, which
/// are all optional. The comments become the documentation of the settings and the help of the flags.
macro_rules! settings {
    (
        $(#[$about:meta])* settings $settings:ident;
        $(#[$flags_about:meta])* flags $flags:ident;
        $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr,)*
        ;
        $($(#[$optional_doc:meta])* $optional:ident: $optional_type:ty,)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $settings {
            $($(#[$doc])* pub $field: $type,)*
            $($(#[$optional_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $optional: Option<$optional_type>,)*
        }

        impl Default for $settings {
            fn default() -> Self {
                Self { $($field: $default,)* $($optional: None,)* }
            }
        }

        $(#[$flags_about])*
        #[derive(Clone, Debug, Default, clap::Args, serde::Serialize)]
        pub struct $flags {
            $($(#[$doc])* #[arg(long)] #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
            $($(#[$optional_doc])* #[arg(long)] #[serde(skip_serializing_if = "Option::is_none")] pub $optional: Option<$optional_type>,)*
        }
    };
}
pub(crate) use settings;
