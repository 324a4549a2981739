//! The declaration of a configuration key.

use super::kind::Kind;

/// The value of a key that is not set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// A default, written as in an environment variable.
    Value(&'static str),
    /// No value. The documentation of the key describes the effect.
    Unset,
    /// The key must be set.
    Required,
}

/// What a number of the configuration counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nothing that needs to be documented.
    None,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Days of 24 hours.
    Days,
    /// 2^20 bytes.
    Mib,
    /// A unit that the settings keep unconverted.
    Plain(&'static str),
}

impl Unit {
    /// Name of the unit, empty for [`Unit::None`].
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Days => "days",
            Self::Mib => "MiB",
            Self::Plain(name) => name,
        }
    }
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Name within the section, `crop.left` for a key of a nested table.
    pub name: &'static str,
    /// Allowed values.
    pub kind: Kind,
    /// Unit of the value.
    pub unit: Unit,
    /// The value where the key is not set.
    pub fallback: Fallback,
    /// Whether a reload applies the key. Other keys wait for a restart.
    pub live: bool,
    /// Whether the value may contain a password. Such a value is never shown.
    pub secret: bool,
    /// The camera sources that have the key; all if empty.
    pub sources: &'static [&'static str],
    /// Documentation: `docs/configuration.md` and the doc comment of the field.
    pub doc: &'static str,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, fallback: Fallback) -> Self {
        Self {
            name,
            kind,
            unit: Unit::None,
            fallback,
            live: false,
            secret: false,
            sources: &[],
            doc: "",
        }
    }

    /// A key with a default.
    pub const fn preset(name: &'static str, kind: Kind, value: &'static str) -> Self {
        Self::new(name, kind, Fallback::Value(value))
    }

    /// A key without a default.
    pub const fn unset(name: &'static str, kind: Kind) -> Self {
        Self::new(name, kind, Fallback::Unset)
    }

    /// A key that must be set.
    pub const fn required(name: &'static str, kind: Kind) -> Self {
        Self::new(name, kind, Fallback::Required)
    }

    /// Sets the unit.
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// Marks the key as applied by a reload.
    pub const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// Marks the value as one that may contain a password.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Limits the key to cameras with one of these sources.
    pub const fn of(mut self, sources: &'static [&'static str]) -> Self {
        self.sources = sources;
        self
    }

    /// Sets the documentation.
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc.trim_ascii();
        self
    }

    /// Description of the allowed values, with their unit.
    pub fn allowed(&self) -> String {
        let allowed = self.kind.allowed();
        match self.unit.name() {
            "" => allowed,
            unit => format!("{allowed}, {unit}"),
        }
    }

    /// Whether a camera with this source has the key.
    pub fn fits(&self, source: Option<&str>) -> bool {
        self.sources.is_empty() || source.is_some_and(|source| self.sources.contains(&source))
    }
}
