//! Every key that can be set: its type, range, default and meaning. Reading, faults, what a reload
//! applies and `docs/configuration.md` all come from this table.

mod access;
mod camera;
mod condition;
mod daemon;
mod kind;
mod record;

pub(super) use kind::{Kind, Setting, either, found, hidden};

use super::spelling;

/// The section whose tables are named by their users.
pub(super) const CAMERAS: &str = "cameras";

/// A section of the file.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test makes the documentation")
    )]
    pub doc: &'static str,
    /// Its keys; those of one camera for `cameras`.
    pub keys: &'static [Key],
}

/// All sections, in the order of the documentation.
pub(super) const SECTIONS: &[Section] = &[
    daemon::SERVER,
    access::TLS,
    access::ACCESS,
    daemon::MODEL,
    daemon::ENGINE,
    daemon::VERDICT,
    camera::CAMERAS,
    record::RECIPES,
    record::PARTS,
    record::JOURNAL,
    record::EVIDENCE,
    daemon::LIFE,
    daemon::LOG,
];

/// What holds where a key is not set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// A value, written as in an environment variable.
    Value(&'static str),
    /// Nothing: the documentation of the key says what that means.
    Unset,
    /// It must be set.
    Required,
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Its name in the section, `crop.left` for a key of a table of its own.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// What the values count, if that needs to be said.
    pub unit: &'static str,
    /// What holds where it is not set.
    pub fallback: Fallback,
    /// Whether a reload applies it; else it waits for a restart.
    pub live: bool,
    /// Whether its value may hold a password, and is never shown.
    pub secret: bool,
    /// The kinds of camera that have it; all if empty.
    pub sources: &'static [&'static str],
    /// What it does.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test makes the documentation")
    )]
    pub doc: &'static str,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            unit: "",
            fallback,
            live: false,
            secret: false,
            sources: &[],
            doc,
        }
    }

    const fn preset(
        name: &'static str,
        kind: Kind,
        value: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(name, kind, Fallback::Value(value), doc)
    }

    const fn unset(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self::new(name, kind, Fallback::Unset, doc)
    }

    const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self::new(name, kind, Fallback::Required, doc)
    }

    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn of(mut self, sources: &'static [&'static str]) -> Self {
        self.sources = sources;
        self
    }

    /// Whether a camera with this source has the key.
    pub fn fits(&self, source: Option<&str>) -> bool {
        self.sources.is_empty() || source.is_some_and(|source| self.sources.contains(&source))
    }
}

/// What stands at a path such as `cameras.left.crop`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    /// A key. Keys of the same name, of different kinds of camera, have the same type.
    Key(&'static Key),
    /// A table.
    Table,
    /// Nothing.
    Unknown,
}

/// Splits `cameras.left.crop.left` into its section and `crop.left`; the latter is empty for a table.
fn split(path: &str) -> Option<(&'static Section, &str)> {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let section = SECTIONS.iter().find(|section| section.name == name)?;
    if section.name != CAMERAS {
        return Some((section, rest));
    }
    let (_id, rest) = rest.split_once('.').unwrap_or((rest, ""));
    Some((section, rest))
}

/// What stands at `path`, a camera's id being any.
pub(super) fn look_up(path: &str) -> Node {
    let Some((section, name)) = split(path) else {
        return Node::Unknown;
    };
    if name.is_empty() {
        return Node::Table;
    }
    if let Some(key) = section.keys.iter().find(|key| key.name == name) {
        return Node::Key(key);
    }
    let within = |key: &Key| {
        let rest = key.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    if section.keys.iter().any(within) {
        Node::Table
    } else {
        Node::Unknown
    }
}

/// The known name beside `path` that is most like its last part.
pub(super) fn suggestion(path: &str) -> Option<&'static str> {
    let Some((section, name)) = split(path) else {
        return spelling::nearest(path, SECTIONS.iter().map(|section| section.name));
    };
    let (table, last) = name.rsplit_once('.').unwrap_or(("", name));
    let siblings = section.keys.iter().filter_map(|key| {
        let rest = key.name.strip_prefix(table)?;
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        rest.split('.').next()
    });
    spelling::nearest(last, siblings)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::mem::discriminant;

    use super::*;

    #[test]
    fn every_default_is_allowed() {
        for key in SECTIONS.iter().flat_map(|section| section.keys) {
            if let Fallback::Value(text) = key.fallback {
                let parsed = key.kind.parse(&key.kind.typed(text));
                assert!(parsed.is_some(), "{}: {text}", key.name);
            }
        }
    }

    #[test]
    fn keys_of_the_same_name_belong_to_different_sources_and_have_the_same_type() {
        for section in SECTIONS {
            let mut names: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
            for key in section.keys {
                names.entry(key.name).or_default().push(key);
            }
            for (name, keys) in names {
                let alike = |key: &&Key| {
                    discriminant(&key.kind) == discriminant(&keys[0].kind)
                        && key.live == keys[0].live
                };
                assert!(keys.iter().all(alike), "{name}");
                let mut sources: Vec<&str> =
                    keys.iter().flat_map(|key| key.sources).copied().collect();
                assert!(
                    keys.len() == 1 || keys.iter().all(|key| !key.sources.is_empty()),
                    "{name}"
                );
                sources.sort_unstable();
                let all = sources.len();
                sources.dedup();
                assert_eq!(sources.len(), all, "{name}");
            }
        }
    }

    #[test]
    fn paths_lead_to_keys_tables_or_nothing() {
        let check = |path: &str, expected: &str| {
            let seen = match look_up(path) {
                Node::Key(key) => key.name,
                Node::Table => "table",
                Node::Unknown => "unknown",
            };
            assert_eq!(seen, expected, "{path}");
        };
        check("server", "table");
        check("server.listen", "listen");
        check("server.listen.port", "unknown");
        check("sever", "unknown");
        check("cameras", "table");
        check("cameras.left", "table");
        check("cameras.left.queue", "queue");
        check("cameras.left.crop", "table");
        check("cameras.left.crop.top", "crop.top");
        check("cameras.left.cro", "unknown");
        check("", "unknown");
    }

    #[test]
    fn near_misses_are_named() {
        let check = |path: &str, expected| assert_eq!(suggestion(path), expected, "{path}");
        check("sever", Some("server"));
        check("server.lisen", Some("listen"));
        check("server.message_limit", Some("message_limit_mib"));
        check("cameras.left.treshold", Some("threshold"));
        check("cameras.left.crp", Some("crop"));
        check("cameras.left.crop.botom", Some("bottom"));
        check("server.nothing_like_it", None);
    }
}
