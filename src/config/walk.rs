//! Validation of the merged layers, key by key. Every fault is collected.

use ::config::{Map, Value, ValueKind};

use super::error::Fault;
use super::key::{Fallback, Key};
use super::kind::{self, Setting};
use super::table::{self, Section};
use super::values::{KeyValue, Values};

/// Validates `root` key by key. `file` is the place of faults that have no closer one.
pub(super) fn walk(root: &Map<String, Value>, file: &str, faults: &mut Vec<Fault>) -> Values {
    let mut walker = Walker {
        file,
        values: Values::default(),
        faults,
    };
    for section in table::sections() {
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
            let id = name.parse().expect("layers accept only camera ids");
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
        let [source, rest @ ..] = &section.keys[..] else {
            unreachable!("the first key of a camera is its source");
        };
        // Place of missing keys: that of the source, otherwise of any key.
        let nearest = given(source).or_else(|| rest.iter().find_map(given));
        let place = nearest
            .and_then(Value::origin)
            .unwrap_or(self.file)
            .to_owned();
        self.keys(path, [(source, given(source))].into_iter(), &place);
        let kind = self.values.part(path).get(source.name).cloned();
        let kind = kind.as_ref().and_then(Setting::text);
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

    /// Refuses keys that are set but belong to other sources than `kind`.
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
                let owners = kind::either(owners.map(|owner| format!("{owner:?}")));
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
            let value = match value {
                Some(value) => Some(self.given(&path, key, value)),
                None => self.absent(&path, key, place),
            };
            if let Some(value) = value {
                self.values.keys.insert(path, value);
            }
        }
    }

    fn given(&mut self, path: &str, key: &Key, given: &Value) -> KeyValue {
        let value = key.kind.parse(&given.kind);
        // An empty value was refused by its layer, which noted the fault.
        if value.is_none() && given.kind != ValueKind::Nil {
            self.value_fault(path, key, given, key.kind.allowed());
        }
        KeyValue {
            value,
            place: Some(given.origin().unwrap_or(self.file).to_owned()),
        }
    }

    fn absent(&mut self, path: &str, key: &Key, place: &str) -> Option<KeyValue> {
        match key.fallback {
            Fallback::Unset => None,
            Fallback::Value(text) => Some(KeyValue {
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
                kind::hidden()
            } else {
                key.kind.found(&value.kind)
            },
            allowed,
        });
    }
}

/// The value of `name` in `table`; `crop.left` is `left` in the nested table `crop`.
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
