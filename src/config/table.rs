//! The keys by section and path: lookup and spelling suggestions.

use std::sync::LazyLock;

use super::key::Key;
pub(super) use super::section::{CAMERAS, Section};
use super::{settings, spelling};

/// All sections, in the order of the documentation.
pub(super) fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(settings::sections);
    &SECTIONS
}

/// The thing that a path such as `cameras.left.crop` names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    /// A key. Keys of the same name, for different camera sources, have the same type.
    Key(&'static Key),
    /// A table.
    Table,
    /// Neither.
    Unknown,
}

/// Splits `cameras.left.crop.left` into its section and `crop.left`, which is empty for a table.
fn split(path: &str) -> Option<(&'static Section, &str)> {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let section = sections().iter().find(|section| section.name == name)?;
    if section.name != CAMERAS {
        return Some((section, rest));
    }
    let (_id, rest) = rest.split_once('.').unwrap_or((rest, ""));
    Some((section, rest))
}

/// Looks up `path`, with any id of a camera.
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

/// Returns the name most similar to the last part of `path` among the names of the same table.
pub(super) fn suggestion(path: &str) -> Option<&'static str> {
    let Some((section, name)) = split(path) else {
        return spelling::nearest(path, sections().iter().map(|section| section.name));
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
    use crate::config::key::Fallback;

    #[test]
    fn default_of_every_key_is_allowed() {
        for key in sections().iter().flat_map(|section| &section.keys) {
            if let Fallback::Value(text) = key.fallback {
                let parsed = key.kind.parse(&key.kind.typed(text));
                assert!(parsed.is_some(), "{}: {text}", key.name);
            }
        }
    }

    #[test]
    fn keys_of_the_same_name_have_different_sources_and_the_same_type() {
        for section in sections() {
            let mut names: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
            for key in &section.keys {
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
    fn path_is_found_as_key_table_or_unknown() {
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
    fn similar_name_is_suggested() {
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
