//! One layer of the configuration: a file, or the environment variables. A layer records the place of
//! each value, makes paths absolute and refuses unknown keys.

use std::path::Path;

use ::config::{Map, Source, Value, ValueKind};
use inspectd_core::id::CameraId;
use toml::de::DeValue;

use super::document::{self, DocumentReader, Item, Table, is_bare};
use super::error::Fault;
use super::key::Key;
use super::kind::{self, Kind};
use super::table::{self, Node};

/// Prefix of the variables.
const PREFIX: &str = "INSPECTD__";

/// Separator of the parts of their names.
const SEPARATOR: &str = "__";

/// Allowed value of a section.
const TABLE: &str = "a table with keys of its own";

/// Allowed id of a camera.
const CAMERA_ID: &str = "an id of 1 to 64 of a-z, 0-9, '-' and '_'";

/// Replaces a value whose fault is noted, so that the key does not count as missing.
const REFUSED: ValueKind = ValueKind::Nil;

/// Values of known keys, each with its place as origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Reads the text of `file`; relative paths are relative to `folder`.
///
/// # Errors
/// When it is not TOML.
pub(super) fn file(
    file: &str,
    folder: &Path,
    text: &str,
    faults: &mut Vec<Fault>,
) -> Result<Layer, Fault> {
    let (document, reader) = document::parse(file, text)?;
    let mut reader = FileReader { folder, reader };
    let layer = Layer(reader.table("", Table::root(&document)));
    faults.extend(reader.reader.into_faults());
    Ok(layer)
}

struct FileReader<'a> {
    folder: &'a Path,
    reader: DocumentReader,
}

impl FileReader<'_> {
    // The depth is bounded: the parser refuses more than 80 levels.
    fn table(&mut self, path: &str, table: Table<'_>) -> Map<String, Value> {
        let mut values = Map::new();
        for (name, offset, item) in table.entries() {
            let path = join(path, name);
            let node = if is_bare(name) {
                table::look_up(&path)
            } else {
                Node::Unknown
            };
            if let Some(kind) = self.value(offset, &path, node, item) {
                let place = self.reader.place(offset);
                values.insert(name.to_owned(), Value::new(Some(&place), kind));
            }
        }
        values
    }

    fn value(
        &mut self,
        offset: usize,
        path: &str,
        node: Node,
        item: Item<'_>,
    ) -> Option<ValueKind> {
        match (node, item.table()) {
            (Node::Key(key), _) => match value_of(key, item) {
                Ok(kind) => return Some(absolute(key, self.folder, kind)),
                Err(found) => {
                    self.reader.refuse(offset, path, found, key.kind.allowed());
                    return Some(REFUSED);
                }
            },
            (Node::Table, Some(inner)) => match camera_id(path) {
                Ok(()) => return Some(self.table(path, Table::new(inner, "", offset)).into()),
                Err(found) => self.reader.refuse(offset, table::CAMERAS, found, CAMERA_ID),
            },
            (Node::Table, None) => {
                let found = scalar(item).map_or_else(str::to_owned, |kind| kind::found(&kind));
                self.reader.refuse(offset, path, found, TABLE);
            }
            (Node::Unknown, _) => self.reader.unknown(offset, path, table::suggestion(path)),
        }
        None
    }
}

/// Returns the value of a key, which is a list only if the key takes one; the description of a value that it does not take.
fn value_of(key: &Key, item: Item<'_>) -> Result<ValueKind, &'static str> {
    match item.list().filter(|_| key.kind.is_list()) {
        Some(list) => {
            let values = list.iter().map(|value| scalar(Item::new(value)));
            Ok(values.collect::<Result<Vec<_>, _>>()?.into())
        }
        None => scalar(item),
    }
}

/// Returns a value that is not a list; the description of one that no key takes.
fn scalar(item: Item<'_>) -> Result<ValueKind, &'static str> {
    match item.value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(ValueKind::I64)
            .map_err(|_| "a whole number beyond 64 bits"),
        DeValue::Float(number) => {
            let number = number.as_str().parse().map(ValueKind::Float);
            number.map_err(|_| "a number out of range")
        }
        DeValue::Boolean(flag) => Ok((*flag).into()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Err(item.type_name()),
    }
}

/// Reads variables; relative paths are relative to the working folder. Camera ids are lower-cased.
pub(super) fn variables(environment: &[(String, String)], faults: &mut Vec<Fault>) -> Layer {
    let mut ours: Vec<_> = environment
        .iter()
        .filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)))
        .collect();
    ours.sort();
    let mut values = Map::new();
    for (name, rest, text) in ours {
        let place = format!("environment variable {name}");
        let path = rest.replace(SEPARATOR, ".").to_lowercase();
        match variable(&place, &path, text) {
            Ok(kind) => drop(values.insert(path, Value::new(Some(&place), kind))),
            Err(fault) => faults.push(fault),
        }
    }
    Layer(values)
}

fn variable(place: &str, path: &str, text: &str) -> Result<ValueKind, Fault> {
    if !path.split('.').all(is_bare) {
        return Err(unknown(place, path));
    }
    match table::look_up(path) {
        Node::Unknown => Err(unknown(place, path)),
        Node::Table => Err(refused(place, path, kind::found(&text.into()), TABLE)),
        Node::Key(key) => {
            camera_id(path).map_err(|found| refused(place, table::CAMERAS, found, CAMERA_ID))?;
            let folder = std::path::absolute(".").unwrap_or_default();
            Ok(absolute(key, &folder, key.kind.typed(text)))
        }
    }
}

/// Makes the value absolute if the key is a path.
fn absolute(key: &Key, folder: &Path, kind: ValueKind) -> ValueKind {
    match (key.kind, kind) {
        (Kind::Path, ValueKind::String(text)) if !text.is_empty() => {
            folder.join(text).to_string_lossy().into_owned().into()
        }
        (_, kind) => kind,
    }
}

/// Checks the id in the path of a camera.
///
/// # Errors
/// The description of an id that is not allowed.
fn camera_id(path: &str) -> Result<(), String> {
    let mut parts = path.split('.');
    match (parts.next(), parts.next()) {
        (Some(table::CAMERAS), Some(id)) if id.parse::<CameraId>().is_err() => {
            Err(format!("{id:?}"))
        }
        _ => Ok(()),
    }
}

fn unknown(place: &str, path: &str) -> Fault {
    Fault::Unknown {
        place: place.to_owned(),
        key: path.to_owned(),
        suggestion: table::suggestion(path).map(str::to_owned),
    }
}

fn refused(place: &str, path: &str, found: impl Into<String>, allowed: impl Into<String>) -> Fault {
    Fault::Value {
        place: place.to_owned(),
        key: path.to_owned(),
        found: found.into(),
        allowed: allowed.into(),
    }
}

/// Appends a name to a path. A name that requires quotes gets them, as its dots do not separate.
fn join(path: &str, name: &str) -> String {
    let name = if is_bare(name) {
        name.to_owned()
    } else {
        format!("{name:?}")
    };
    if path.is_empty() {
        name
    } else {
        format!("{path}.{name}")
    }
}
