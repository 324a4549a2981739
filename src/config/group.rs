//! One declaration for each key: macros that make the struct of the settings, its keys and the
//! conversion from values and back of the same lines.
//!
//! ```text
//! section! {
//!     /// Documentation of the section.
//!     pub struct Server = "server" {
//!         /// Documentation of the key, on the page and of the field.
//!         listen: SocketAddr = Key::preset("listen", Kind::Address, "127.0.0.1:50051"),
//!         /// A field that several keys make up: another group declares them.
//!         limits: Limits => Limits,
//!     }
//! }
//! ```

use std::collections::BTreeMap;

use super::field::FieldValue;
use super::key::Key;
use super::kind::Setting;
use super::values::Part;

/// Keys of one table that make up a value of the settings.
pub(super) trait Group {
    /// The value.
    type Value;

    /// The keys, in the order of the documentation.
    fn keys() -> Vec<Key>;

    /// Makes the value of validated values.
    ///
    /// # Panics
    /// If a value is missing or has another type than the field.
    fn read(values: &Part<'_>) -> Self::Value;

    /// Writes the values of all keys that are set.
    fn write(value: &Self::Value, output: &mut Output<'_>);
}

/// A group that is a section of the file.
pub(super) trait Section: Group {
    /// Name of the section.
    const NAME: &'static str;
    /// Documentation of the section.
    const DOC: &'static str;
}

/// Values by path, and the path of the table that is written.
pub(super) struct Output<'a> {
    pub path: String,
    pub values: &'a mut BTreeMap<String, Setting>,
}

impl Output<'_> {
    /// Writes the value of `key` if it is set.
    pub fn put<T: FieldValue>(&mut self, key: &Key, value: &T) {
        if let Some(setting) = value.to_setting(key) {
            let path = format!("{}.{}", self.path, key.name);
            self.values.insert(path, setting);
        }
    }

    /// Output for the nested table `name`.
    pub fn table(&mut self, name: &str) -> Output<'_> {
        Output {
            path: format!("{}.{name}", self.path),
            values: self.values,
        }
    }
}

/// Declares a section of the file and the struct of its settings.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident = $section:literal { $($fields:tt)+ }
    ) => {
        $crate::config::group::group! {
            $(#[doc = $about])*
            pub struct $name { $($fields)+ }
        }

        impl $crate::config::group::Section for $name {
            const NAME: &'static str = $section;
            const DOC: &'static str = concat!($($about),+).trim_ascii();
        }
    };
}
pub(super) use section;

/// Declares a struct of the settings and its keys.
macro_rules! group {
    (
        $(#[doc = $about:literal])*
        $(#[derive($($derived:ident),+)])?
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($serde:ident $(= $function:literal)?)])?
                $field:ident: $type:ty $(= $key:expr)? $(=> $nested:ty)?,
            )+
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        $(#[derive($($derived),+)])?
        pub struct $name {
            $($(#[doc = $doc])+ $(#[serde($serde $(= $function)?)])? pub $field: $type,)+
        }

        $crate::config::group::group_for! {
            $name: $name { $($(#[doc = $doc])+ $field $(= $key)? $(=> $nested)?,)+ }
        }
    };
}
pub(super) use group;

/// Declares the keys that make up the fields of the struct `$value`.
macro_rules! group_for {
    (
        $group:ident: $value:ident {
            $($(#[doc = $doc:literal])+ $field:ident $(= $key:expr)? $(=> $nested:ty)?,)+
        }
    ) => {
        impl $crate::config::group::Group for $group {
            type Value = $value;

            fn keys() -> Vec<$crate::config::key::Key> {
                [$($crate::config::group::field!(
                    keys $(= $key)? $(=> $nested)?; concat!($($doc),+)
                ),)+]
                .concat()
            }

            fn read(values: &$crate::config::values::Part<'_>) -> $value {
                $value {
                    $($field: $crate::config::group::field!(
                        read values $(= $key)? $(=> $nested)?
                    ),)+
                }
            }

            fn write(value: &$value, output: &mut $crate::config::group::Output<'_>) {
                let $value { $($field),+ } = value;
                $($crate::config::group::field!(
                    write output, $field $(= $key)? $(=> $nested)?
                );)+
            }
        }
    };
}
pub(super) use group_for;

/// One field of a group: `= KEY` for a single key, `=> GROUP` for several.
macro_rules! field {
    (keys => $nested:ty; $doc:expr) => {
        <$nested as $crate::config::group::Group>::keys()
    };
    (keys = $key:expr; $doc:expr) => {
        vec![$key.doc($doc)]
    };
    (read $values:ident => $nested:ty) => {
        <$nested as $crate::config::group::Group>::read($values)
    };
    (read $values:ident = $key:expr) => {
        $values.read(&$key)
    };
    (write $output:ident, $field:ident => $nested:ty) => {
        <$nested as $crate::config::group::Group>::write($field, $output)
    };
    (write $output:ident, $field:ident = $key:expr) => {
        $output.put(&$key, $field)
    };
}
pub(super) use field;

/// Declares keys for groups that are written by hand, as their fields and keys do not match.
macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident = $key:expr;)+) => {
        $($(#[doc = $doc])+ const $name: $crate::config::key::Key = $key.doc(concat!($($doc),+));)+
    };
}
pub(super) use keys;
