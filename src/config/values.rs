//! Validated values by path, between the files and the settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::table::Setting;
use inspectd_core::id::CameraId;

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Its value; none if that was refused.
    pub value: Option<Setting>,
    /// Where it is set; none for a default.
    pub place: Option<String>,
}

/// All keys that have a value, by path.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// By path: `cameras.left.queue`.
    pub entries: BTreeMap<String, Entry>,
    /// The cameras.
    pub cameras: Vec<CameraId>,
}

impl Values {
    /// The part below `path`: `server`, `cameras.left`.
    pub fn part(&self, path: impl Into<String>) -> Part<'_> {
        Part {
            values: self,
            path: path.into(),
        }
    }
}

/// The values of one table.
#[derive(Debug)]
pub(super) struct Part<'a> {
    values: &'a Values,
    path: String,
}

impl Part<'_> {
    /// The path of a key of this part.
    pub fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        self.values.entries.get(&self.path(key))
    }

    /// Where `key` is set, if it is.
    pub fn place(&self, key: &str) -> Option<&str> {
        self.entry(key)?.place.as_deref()
    }

    /// The value of `key`, if it has a valid one of this type.
    pub fn get<T: FromSetting>(&self, key: &str) -> Option<T> {
        T::from_setting(self.entry(key)?.value.as_ref()?)
    }

    /// The value of a key that has one.
    ///
    /// # Panics
    /// If it has none: the table of keys and its reader disagree.
    pub fn must<T: FromSetting>(&self, key: &str) -> T {
        let Some(value) = self.get(key) else {
            panic!(
                "the table of keys gives {}.{key} a value of this type",
                self.path
            );
        };
        value
    }
}

/// A type that a setting may have.
pub(super) trait FromSetting: Sized {
    /// The value, if the setting has this type.
    fn from_setting(setting: &Setting) -> Option<Self>;
}

macro_rules! from_setting {
    ($($type:ty: $variant:ident),+ $(,)?) => {
        $(impl FromSetting for $type {
            fn from_setting(setting: &Setting) -> Option<Self> {
                match setting {
                    Setting::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
        })+
    };
}

from_setting!(
    u64: Whole,
    f64: Number,
    bool: Flag,
    String: Text,
    PathBuf: Path,
    Option<SocketAddr>: Address,
);
