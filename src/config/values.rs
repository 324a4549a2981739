//! Validated values by path, between the files and the settings.

use std::collections::BTreeMap;

use inspectd_core::id::CameraId;

use super::field::FieldValue;
use super::key::Key;
use super::kind::Setting;

/// Value and place of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeyValue {
    /// The value; none if it was refused.
    pub value: Option<Setting>,
    /// Where it is set; none for a default.
    pub place: Option<String>,
}

/// All keys that have a value, by path.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// By path: `cameras.left.queue`.
    pub keys: BTreeMap<String, KeyValue>,
    /// Ids of the cameras.
    pub cameras: Vec<CameraId>,
}

impl Values {
    /// Values without places.
    pub fn new(values: BTreeMap<String, Setting>, cameras: Vec<CameraId>) -> Self {
        let unplaced = |value| KeyValue {
            value: Some(value),
            place: None,
        };
        let keys = values.into_iter();
        Self {
            keys: keys.map(|(path, value)| (path, unplaced(value))).collect(),
            cameras,
        }
    }

    /// The values below `path`: `server`, `cameras.left`.
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

impl<'a> Part<'a> {
    /// Path of a key of this table.
    pub fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Ids of the cameras.
    pub fn cameras(&self) -> &'a [CameraId] {
        &self.values.cameras
    }

    /// The values of the nested table `name`.
    pub fn table(&self, name: &str) -> Part<'a> {
        self.values.part(self.path(name))
    }

    fn key(&self, key: &str) -> Option<&'a KeyValue> {
        self.values.keys.get(&self.path(key))
    }

    /// Place of `key`, if it is set.
    pub fn place(&self, key: &str) -> Option<&'a str> {
        self.key(key)?.place.as_deref()
    }

    /// Value of `key`, if it has a valid one.
    pub fn get(&self, key: &str) -> Option<&'a Setting> {
        self.key(key)?.value.as_ref()
    }

    /// Value of `key` as the type of its field.
    ///
    /// # Panics
    /// If the key has no value of this type: its declaration and its field do not match.
    pub fn read<T: FieldValue>(&self, key: &Key) -> T {
        let value = match self.get(key.name) {
            Some(setting) => T::from_setting(setting, key),
            None => T::unset(),
        };
        let path = || self.path(key.name);
        value.unwrap_or_else(|| panic!("{} has a value of its field's type", path()))
    }
}
