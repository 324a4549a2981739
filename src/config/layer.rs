//! One layer of the configuration: a file, or the environment's variables. Here places get their
//! names, paths become absolute, and what is no key at all is found.

use std::path::Path;

use ::config::{Map, Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::error::Fault;
use super::table::{self, Key, Kind, Node};
use inspectd_core::id::CameraId;

/// What variables begin with.
const PREFIX: &str = "INSPECTD__";

/// What separates the parts of their names.
const SEPARATOR: &str = "__";

/// What a section may be.
const TABLE: &str = "a table with keys of its own";

/// Stands for a value whose fault is noted already, so that the key is not missed.
const REFUSED: ValueKind = ValueKind::Nil;

/// Values, each with its place as origin; known keys alone.
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
    let ends = text.match_indices('\n').map(|(offset, _)| offset).collect();
    let mut reader = FileReader {
        file,
        folder,
        ends,
        faults,
    };
    match DeTable::parse(text) {
        Ok(table) => Ok(Layer(reader.table("", table.get_ref()))),
        // Not the error's own text: that quotes the line, which may hold a password.
        Err(error) => Err(Fault::Syntax {
            place: reader.place(error.span().map_or(0, |span| span.start)),
            reason: error.message().replace('\n', ", "),
        }),
    }
}

struct FileReader<'a> {
    file: &'a str,
    folder: &'a Path,
    /// Where lines end, bytes.
    ends: Vec<usize>,
    faults: &'a mut Vec<Fault>,
}

impl FileReader<'_> {
    fn place(&self, offset: usize) -> String {
        let line = self.ends.partition_point(|end| *end < offset) + 1;
        format!("{}:{line}", self.file)
    }

    // The depth is bounded: the parser refuses more than 80 levels.
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Map<String, Value> {
        let mut values = Map::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let place = self.place(key.span().start);
            let path = join(path, name);
            let node = if bare(name) {
                table::look_up(&path)
            } else {
                Node::Unknown
            };
            if let Some(kind) = self.value(&place, &path, node, value.get_ref()) {
                values.insert(name.to_owned(), Value::new(Some(&place), kind));
            }
        }
        values
    }

    fn value(
        &mut self,
        place: &str,
        path: &str,
        node: Node,
        value: &DeValue<'_>,
    ) -> Option<ValueKind> {
        let fault = match (node, value) {
            (Node::Key(key), value) => match scalar(value) {
                Ok(kind) => return Some(absolute(key, self.folder, kind)),
                Err(found) => {
                    self.faults
                        .push(refused(place, path, found, key.kind.allowed()));
                    return Some(REFUSED);
                }
            },
            (Node::Table, DeValue::Table(inner)) => match camera_id(place, path) {
                Ok(()) => return Some(self.table(path, inner).into()),
                Err(fault) => fault,
            },
            (Node::Table, value) => {
                let found = scalar(value).map_or_else(str::to_owned, |kind| table::found(&kind));
                refused(place, path, found, TABLE)
            }
            (Node::Unknown, _) => unknown(place, path),
        };
        self.faults.push(fault);
        None
    }
}

/// The value of a key, or what it is in words if no key takes such a one.
fn scalar(value: &DeValue<'_>) -> Result<ValueKind, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(ValueKind::I64)
            .map_err(|_| "a whole number beyond 64 bits"),
        DeValue::Float(number) => {
            let number = number.as_str().parse().map(ValueKind::Float);
            number.map_err(|_| "a number beyond reach")
        }
        DeValue::Boolean(flag) => Ok((*flag).into()),
        DeValue::Datetime(_) => Err("a date or time"),
        DeValue::Array(_) => Err("a list"),
        DeValue::Table(_) => Err("a table"),
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
    if !path.split('.').all(bare) {
        return Err(unknown(place, path));
    }
    match table::look_up(path) {
        Node::Unknown => Err(unknown(place, path)),
        Node::Table => Err(refused(place, path, table::found(&text.into()), TABLE)),
        Node::Key(key) => {
            camera_id(place, path)?;
            let folder = std::path::absolute(".").unwrap_or_default();
            Ok(absolute(key, &folder, key.kind.typed(text)))
        }
    }
}

/// An absolute path where the key is a path.
fn absolute(key: &Key, folder: &Path, kind: ValueKind) -> ValueKind {
    match (key.kind, kind) {
        (Kind::Path, ValueKind::String(text)) if !text.is_empty() => {
            folder.join(text).to_string_lossy().into_owned().into()
        }
        (_, kind) => kind,
    }
}

/// Refuses a camera whose name is no id.
fn camera_id(place: &str, path: &str) -> Result<(), Fault> {
    let mut parts = path.split('.');
    match (parts.next(), parts.next()) {
        (Some(table::CAMERAS), Some(id)) if id.parse::<CameraId>().is_err() => {
            let allowed = "an id of 1 to 64 of a-z, 0-9, '-' and '_'";
            Err(refused(place, table::CAMERAS, format!("{id:?}"), allowed))
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

/// Whether a name needs no quotes in TOML. No other is known, and a dot in quotes is no separator.
fn bare(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

fn join(path: &str, name: &str) -> String {
    let name = if bare(name) {
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
