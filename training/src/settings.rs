//! Settings of a run: defaults, then a TOML file, then flags; saved with the run; compared on resuming.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::files;

/// Settings by three layers: `S`'s defaults, the TOML file at `file`, the flags that were given (the
/// fields of `flags` that serialise to something). A later layer wins.
///
/// # Errors
/// When the file cannot be read or has an unknown key or a value of the wrong type; file and key are
/// named.
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
            .with_context(|| format!("{} is not a settings file", file.display()))?;
        table.extend(toml::from_str::<Table>(&text)?);
    }
    table.extend(Table::try_from(flags)?);
    table.try_into().context("the settings do not fit together")
}

/// The settings saved at `path` with the flags that were given.
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

/// Refuses to resume with other settings than those that the run was started with, but for `free`
/// keys, which change no result.
///
/// # Errors
/// When another key differs; every such key is named with both values.
pub fn check_resumable<S: Serialize>(saved: &S, asked: &S, free: &[&str]) -> Result<()> {
    let (saved, asked) = (Table::try_from(saved)?, Table::try_from(asked)?);
    let keys = saved
        .keys()
        .chain(asked.keys().filter(|key| !saved.contains_key(*key)));
    let show =
        |value: Option<&toml::Value>| value.map_or_else(|| "unset".into(), toml::Value::to_string);
    let differences: Vec<String> = keys
        .filter(|key| saved.get(*key) != asked.get(*key) && !free.contains(&key.as_str()))
        .map(|key| {
            format!(
                "{key} = {} (the run has {})",
                show(asked.get(key)),
                show(saved.get(key))
            )
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    bail!(
        "cannot resume with other settings: {}. Allowed to change: {}. Start a new run for others",
        differences.join(", "),
        free.join(", ")
    )
}

/// The word that stands for `value` on the command line and in settings.
///
/// # Panics
/// When the value is hidden from the command line, which none of this crate's is.
pub fn value_name(value: &impl clap::ValueEnum) -> String {
    let possible = value.to_possible_value().expect("no value is hidden");
    possible.get_name().to_owned()
}

/// The file that a run's settings are saved in.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("settings.toml")
}

/// One table, two types: the settings with their defaults, and the flags of the command line, in which
/// everything is optional. The comments are the documentation of the one and the help of the other.
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
