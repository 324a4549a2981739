//! From the merged layers to validated values: each key of the table is looked for, and every fault
//! is noted.

use ::config::{Map, Value, ValueKind};

use super::error::Fault;
use super::table::{self, Fallback, Key, SECTIONS, Section};
use super::values::{Entry, Values};

/// Validates `root` key by key. `file` is named where nothing closer can be.
pub(super) fn walk(root: &Map<String, Value>, file: &str, faults: &mut Vec<Fault>) -> Values {
    let mut walker = Walker {
        file,
        values: Values::default(),
        faults,
    };
    for section in SECTIONS {
        let table = root.get(section.name).and_then(as_table);
        if section.name == table::CAMERAS {
            walker.cameras(section, table);
        } else {
            let keys = section.keys.iter().map(|key| (key, find(table, key.name)));
            walker.keys(section.name, keys, file);
        }
    }
    walker.values
}

struct Walker<'a> {
    file: &'a str,
    values: Values,
    faults: &'a mut Vec<Fault>,
}

impl Walker<'_> {
    fn cameras(&mut self, section: &'static Section, table: Option<&Map<String, Value>>) {
        let mut cameras: Vec<_> = table.into_iter().flatten().collect();
        cameras.sort_by_key(|(id, _)| *id);
        for (name, value) in &cameras {
            let id = name.parse().expect("layers refuse other names");
            self.values.cameras.push(id);
            self.camera(
                section,
                &format!("{}.{name}", section.name),
                as_table(value),
            );
        }
        if cameras.is_empty() {
            self.faults.push(Fault::Missing {
                place: self.file.to_owned(),
                key: section.name.to_owned(),
                allowed: "at least one table [cameras.ID]".to_owned(),
            });
        }
    }

    fn camera(
        &mut self,
        section: &'static Section,
        path: &str,
        table: Option<&Map<String, Value>>,
    ) {
        let given = |key: &'static Key| find(table, key.name);
        let [source, rest @ ..] = section.keys else {
            unreachable!("a camera's first key is its source");
        };
        // What is missing is missed where the camera has its source, or else any key.
        let nearest = given(source).or_else(|| rest.iter().find_map(given));
        let place = nearest
            .and_then(Value::origin)
            .unwrap_or(self.file)
            .to_owned();
        self.keys(path, [(source, given(source))].into_iter(), &place);
        let kind: Option<String> = self.values.part(path).get(source.name);
        let kind = kind.as_deref();
        self.keys(
            path,
            rest.iter()
                .filter(|key| key.fits(kind))
                .map(|key| (key, given(key))),
            &place,
        );
        if let Some(kind) = kind {
            self.misfits(path, kind, rest, given);
        }
    }

    /// Refuses keys that are given, but belong to other sources than `kind`.
    fn misfits<'v>(
        &mut self,
        path: &str,
        kind: &str,
        keys: &'static [Key],
        given: impl Fn(&'static Key) -> Option<&'v Value>,
    ) {
        let mut names: Vec<&str> = Vec::new();
        for key in keys {
            if names.contains(&key.name) {
                continue;
            }
            names.push(key.name);
            let same = keys.iter().filter(|other| other.name == key.name);
            if same.clone().any(|other| other.fits(Some(kind))) {
                continue;
            }
            if let Some(value) = given(key) {
                let owners = same.flat_map(|other| other.sources);
                let owners = table::either(owners.map(|owner| format!("{owner:?}")));
                let allowed = format!("left out for source {kind:?}: it belongs to {owners}");
                self.value_fault(&format!("{path}.{}", key.name), key, value, allowed);
            }
        }
    }

    fn keys<'v>(
        &mut self,
        path: &str,
        keys: impl Iterator<Item = (&'static Key, Option<&'v Value>)>,
        place: &str,
    ) {
        for (key, value) in keys {
            let path = format!("{path}.{}", key.name);
            let entry = match value {
                Some(value) => Some(self.given(&path, key, value)),
                None => self.absent(&path, key, place),
            };
            if let Some(entry) = entry {
                self.values.entries.insert(path, entry);
            }
        }
    }

    fn given(&mut self, path: &str, key: &Key, given: &Value) -> Entry {
        let value = key.kind.parse(&given.kind);
        // Layers have noted the fault of what they left empty.
        if value.is_none() && given.kind != ValueKind::Nil {
            self.value_fault(path, key, given, key.kind.allowed());
        }
        Entry {
            value,
            place: Some(given.origin().unwrap_or(self.file).to_owned()),
        }
    }

    fn absent(&mut self, path: &str, key: &Key, place: &str) -> Option<Entry> {
        match key.fallback {
            Fallback::Unset => None,
            Fallback::Value(text) => Some(Entry {
                value: key.kind.parse(&key.kind.typed(text)),
                place: None,
            }),
            Fallback::Required => {
                self.faults.push(Fault::Missing {
                    place: place.to_owned(),
                    key: path.to_owned(),
                    allowed: key.kind.allowed(),
                });
                None
            }
        }
    }

    fn value_fault(&mut self, path: &str, key: &Key, value: &Value, allowed: String) {
        self.faults.push(Fault::Value {
            place: value.origin().unwrap_or(self.file).to_owned(),
            key: path.to_owned(),
            found: if key.secret {
                table::hidden()
            } else {
                table::found(&value.kind)
            },
            allowed,
        });
    }
}

/// The value of `name` in `table`, in a table of its own for `crop.left`.
fn find<'v>(table: Option<&'v Map<String, Value>>, name: &str) -> Option<&'v Value> {
    match name.split_once('.') {
        Some((inner, rest)) => find(table?.get(inner).and_then(as_table), rest),
        None => table?.get(name),
    }
}

fn as_table(value: &Value) -> Option<&Map<String, Value>> {
    match &value.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    }
}
