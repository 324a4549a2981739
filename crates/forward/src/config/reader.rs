//! Reads the tables of a TOML file by declared keys. Every fault is collected with its line, and reading continues, so
//! that all faults of a file are reported at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{Default, Key, Kind};

/// The most bytes of a value in a message.
const LONGEST_SHOWN: usize = 80;

/// A fault of the configuration: where it is and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1; `None` if the fault is a missing key.
    pub line: Option<usize>,
    /// The path of the key, such as `sinks.mes.url`.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// The faults of one file, and its lines.
#[derive(Debug)]
pub struct Document {
    line_ends: Vec<usize>,
    folder: PathBuf,
    faults: RefCell<Vec<Fault>>,
}

impl Document {
    /// Prepares to read `text`. Relative paths in it are relative to `folder`.
    pub fn new(text: &str, folder: &Path) -> Self {
        Self {
            line_ends: text.match_indices('\n').map(|(offset, _)| offset).collect(),
            folder: folder.to_owned(),
            faults: RefCell::default(),
        }
    }

    /// Records a fault at this offset of the text.
    pub fn fault(&self, offset: Option<usize>, key: impl Into<String>, message: impl Into<String>) {
        let line = offset.map(|offset| self.line_ends.partition_point(|end| *end < offset) + 1);
        self.faults.borrow_mut().push(Fault {
            line,
            key: key.into(),
            message: message.into(),
        });
    }

    /// Returns the faults, by line.
    pub fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults
    }
}

/// A table that is being read. Unknown keys are faults.
#[derive(Debug)]
pub struct Table<'a> {
    document: &'a Document,
    values: Option<&'a DeTable<'a>>,
    offset: Option<usize>,
    path: String,
    known: RefCell<BTreeSet<&'static str>>,
}

/// The value of a key and its place.
type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    /// The whole file.
    pub fn root(document: &'a Document, values: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            document,
            values: Some(values.get_ref()),
            offset: None,
            path: String::new(),
            known: RefCell::default(),
        }
    }

    /// The table at `name`; without any value if the file does not have it.
    pub fn table(&self, name: &'static str) -> Table<'a> {
        self.known.borrow_mut().insert(name);
        self.child(name, self.values.and_then(|values| values.get(name)))
    }

    /// The tables in the table at `name`, by their keys.
    pub fn tables(&self, name: &'static str) -> Vec<(String, Table<'a>)> {
        let table = self.table(name);
        let Some(values) = table.values else {
            return Vec::new();
        };
        let tables = values.iter().map(|(id, value)| {
            let id = id.get_ref().to_string();
            let child = table.child(&id, Some(value));
            (id, child)
        });
        tables.collect()
    }

    fn child(&self, name: &str, value: Option<Value<'a>>) -> Table<'a> {
        let path = self.path_of(name);
        let values = value.and_then(|value| match value.get_ref() {
            DeValue::Table(values) => Some(values),
            other => {
                let message = format!("is {}, must be a table", shown(other));
                self.document
                    .fault(Some(value.span().start), &path, message);
                None
            }
        });
        Table {
            document: self.document,
            values,
            offset: value.map(|value| value.span().start),
            path,
            known: RefCell::default(),
        }
    }

    fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// Records a fault of a key, or of the table if it does not have the key.
    pub fn fault(&self, name: &str, message: impl Into<String>) {
        let value = self.values.and_then(|values| values.get(name));
        let offset = value.map(|value| value.span().start).or(self.offset);
        let key = if name.is_empty() {
            self.path.clone()
        } else {
            self.path_of(name)
        };
        self.document.fault(offset, key, message);
    }

    /// Whether the file sets the key.
    pub fn has(&self, key: &Key) -> bool {
        self.values
            .is_some_and(|values| values.contains_key(key.name))
    }

    /// Reads a key by `convert`, which returns `None` if the value is not allowed.
    fn read<T>(
        &self,
        key: &Key,
        convert: impl FnOnce(&DeValue<'a>) -> Option<T>,
        default: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.known.borrow_mut().insert(key.name);
        let Some(value) = self.values.and_then(|values| values.get(key.name)) else {
            return match key.default {
                Default::Value(text) => default(text),
                Default::Unset => None,
                Default::Required => {
                    self.fault(key.name, format!("is missing, must be {}", key.kind));
                    None
                }
            };
        };
        let converted = convert(value.get_ref());
        if converted.is_none() {
            let given = match key.kind {
                Kind::Secret(_) => "another value".to_owned(),
                _ => shown(value.get_ref()),
            };
            let message = format!("is {given}, must be {}", key.kind);
            self.fault(key.name, message);
        }
        converted
    }

    /// A text.
    pub fn text(&self, key: &Key) -> Option<String> {
        self.parsed::<String>(key)
    }

    /// A text that is parsed. The fault of a text that cannot be parsed is that of the key.
    pub fn parsed<T: FromStr>(&self, key: &Key) -> Option<T> {
        let parse = |text: &str| (!text.is_empty()).then(|| text.parse().ok()).flatten();
        self.read(key, |value| parse(value.as_str()?), parse)
    }

    /// A path.
    pub fn path(&self, key: &Key) -> Option<PathBuf> {
        let path = |text: &str| (!text.is_empty()).then(|| self.document.folder.join(text));
        self.read(key, |value| path(value.as_str()?), path)
    }

    /// A whole number.
    pub fn whole(&self, key: &Key) -> Option<u64> {
        let allowed = |number: &u64| match key.kind {
            Kind::Whole(least, most, _) => (least..=most).contains(number),
            _ => true,
        };
        let convert = |value: &DeValue<'_>| {
            let integer = value.as_integer()?;
            let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            Some(number).filter(allowed)
        };
        self.read(key, convert, |text| text.parse().ok())
    }

    /// A number.
    pub fn number(&self, key: &Key) -> Option<f64> {
        let allowed = |number: &f64| match key.kind {
            Kind::Number(least, most, _) => (least..=most).contains(number),
            _ => number.is_finite(),
        };
        let convert = |value: &DeValue<'_>| {
            let number: f64 = match value {
                DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse(),
                DeValue::Float(float) => float.as_str().parse(),
                _ => return None,
            }
            .ok()?;
            Some(number).filter(allowed)
        };
        self.read(key, convert, |text| text.parse().ok())
    }

    /// A number of seconds.
    pub fn seconds(&self, key: &Key) -> Option<Duration> {
        self.number(key).map(Duration::from_secs_f64)
    }

    /// A number of milliseconds.
    pub fn milliseconds(&self, key: &Key) -> Option<Duration> {
        self.number(key)
            .map(|number| Duration::from_secs_f64(number / 1e3))
    }

    /// One of the choices of the key, converted by `convert`, which knows all of them.
    pub fn choice<T>(&self, key: &Key, convert: impl Fn(&str) -> Option<T>) -> Option<T> {
        let allowed = |text: &str| match key.kind {
            Kind::Choice(choices) if choices.contains(&text) => convert(text),
            _ => None,
        };
        self.read(key, |value| allowed(value.as_str()?), allowed)
    }

    /// A list of texts, each converted; empty if the file does not set it.
    pub fn list<T>(&self, key: &Key, convert: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let read = |value: &DeValue<'_>| {
            let items = value.as_array()?.iter();
            let texts = items.map(|item| convert(item.get_ref().as_str()?));
            texts.collect::<Option<Vec<T>>>()
        };
        self.read(key, read, |_| None).unwrap_or_default()
    }

    /// Records the keys that were not read as faults.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (name, value) in self.values.into_iter().flatten() {
            let name = name.get_ref().as_ref();
            if !known.contains(name) {
                let known: Vec<&str> = known.iter().copied().collect();
                let message = format!("is not a key here; known are {}", known.join(", "));
                let offset = Some(value.span().start);
                self.document.fault(offset, self.path_of(name), message);
            }
        }
    }
}

/// A value in a message, shortened.
fn shown(value: &DeValue<'_>) -> String {
    let text = match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => return "a list".to_owned(),
        DeValue::Table(_) => return "a table".to_owned(),
    };
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
