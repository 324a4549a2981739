//! Reading a TOML document key by key. Every fault is collected with its line, and reading continues, so
//! that all faults of a file are reported at once.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::error::Fault;
use super::spelling::nearest;

/// Longer texts are shortened in messages.
const LONGEST_SHOWN: usize = 80;

/// Parses the text of `file`.
///
/// # Errors
/// When it is not TOML. The fault does not quote the text, which may contain a password.
pub(crate) fn parse<'a>(
    file: &str,
    text: &'a str,
) -> Result<(Spanned<DeTable<'a>>, DocumentReader), Fault> {
    let reader = DocumentReader {
        file: file.to_owned(),
        line_ends: text.match_indices('\n').map(|(offset, _)| offset).collect(),
        faults: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => Ok((table, reader)),
        Err(error) => Err(Fault::Syntax {
            place: reader.place(error.span().map_or(0, |span| span.start)),
            reason: error.message().replace('\n', ", "),
        }),
    }
}

/// Collects the faults of a document.
#[derive(Debug)]
pub(crate) struct DocumentReader {
    file: String,
    /// Offsets of the ends of lines, bytes.
    line_ends: Vec<usize>,
    /// The faults, each with its line.
    faults: Vec<(usize, Fault)>,
}

/// A table and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    values: &'a DeTable<'a>,
    /// Prefix of its keys' paths: empty, or `regions[0].`.
    prefix: &'a str,
    /// Offset of its start, bytes.
    offset: usize,
}

/// A value and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// The value.
    pub value: &'a DeValue<'a>,
    /// Offset of its start, bytes.
    pub offset: usize,
}

impl<'a> Item<'a> {
    pub fn new(value: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            value: value.get_ref(),
            offset: value.span().start,
        }
    }

    pub fn list(self) -> Option<&'a DeArray<'a>> {
        match self.value {
            DeValue::Array(values) => Some(values),
            _ => None,
        }
    }

    pub fn table(self) -> Option<&'a DeTable<'a>> {
        match self.value {
            DeValue::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn text(self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// A number, whole or not, within the range of single precision.
    pub fn number(self) -> Option<f64> {
        let number: f64 = match self.value {
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                number.ok()? as f64
            }
            DeValue::Float(number) => number.as_str().parse().ok()?,
            _ => return None,
        };
        (f64::from(f32::MIN)..=f64::from(f32::MAX))
            .contains(&number)
            .then_some(number)
    }

    pub fn whole(self) -> Option<u32> {
        match self.value {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        }
    }

    /// Description of the value, for messages.
    pub fn found(self) -> String {
        match self.value {
            DeValue::String(text) => quoted(text),
            DeValue::Integer(number) => shortened(number.as_str()),
            DeValue::Float(number) => shortened(number.as_str()),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                self.type_name().to_owned()
            }
        }
    }

    /// Description of the type, for messages that must not show the value.
    pub fn type_name(self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

/// The text in quotes, shortened.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().count() > LONGEST_SHOWN {
        let start: String = text.chars().take(LONGEST_SHOWN).collect();
        return format!("{start:?} and more");
    }
    format!("{text:?}")
}

fn shortened(number: &str) -> String {
    if number.len() > LONGEST_SHOWN {
        return "a number of many digits".to_owned();
    }
    number.to_owned()
}

/// Whether TOML allows the name of a key without quotes.
pub(super) fn is_bare(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

/// The name of a key as TOML writes it, shortened.
pub(crate) fn key_name(key: &str) -> Cow<'_, str> {
    if key.len() <= LONGEST_SHOWN && is_bare(key) {
        return Cow::Borrowed(key);
    }
    let start: String = key.chars().take(LONGEST_SHOWN).collect();
    Cow::Owned(format!("{start:?}"))
}

impl<'a> Table<'a> {
    /// The whole document.
    pub fn root(document: &'a Spanned<DeTable<'a>>) -> Self {
        Self::new(document.get_ref(), "", 0)
    }

    pub fn new(table: &'a DeTable<'a>, prefix: &'a str, offset: usize) -> Self {
        Self {
            values: table,
            prefix,
            offset,
        }
    }

    /// The path of a key.
    pub fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        self.values.get(key).map(Item::new)
    }

    /// All keys: names, offsets and values.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, usize, Item<'a>)> {
        self.values
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, Item::new(value)))
    }
}

impl DocumentReader {
    /// `FILE:LINE`.
    pub fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.file, self.line(offset))
    }

    /// The line, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.line_ends.partition_point(|end| *end < offset) + 1
    }

    /// Returns the faults, sorted by line.
    pub fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|(line, _)| *line);
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }

    /// Number of faults so far.
    pub fn fault_count(&self) -> usize {
        self.faults.len()
    }

    fn note(&mut self, offset: usize, fault: Fault) {
        self.faults.push((self.line(offset), fault));
    }

    /// Notes a value that is not allowed.
    pub fn refuse(
        &mut self,
        offset: usize,
        key: impl Into<String>,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        let fault = Fault::Value {
            place: self.place(offset),
            key: key.into(),
            found: found.into(),
            allowed: allowed.into(),
        };
        self.note(offset, fault);
    }

    /// Notes a key that must be set and is not.
    pub fn missing(&mut self, table: Table<'_>, key: &str, allowed: impl Into<String>) {
        let fault = Fault::Missing {
            place: self.place(table.offset),
            key: table.path(key),
            allowed: allowed.into(),
        };
        self.note(table.offset, fault);
    }

    /// Notes a key that does not exist.
    pub fn unknown(&mut self, offset: usize, key: impl Into<String>, suggestion: Option<&str>) {
        let fault = Fault::Unknown {
            place: self.place(offset),
            key: key.into(),
            suggestion: suggestion.map(str::to_owned),
        };
        self.note(offset, fault);
    }

    /// Notes all keys that are not among `known`, each with the most similar of them.
    pub fn known(&mut self, table: Table<'_>, known: &[&str]) {
        for (key, offset, _) in table.entries() {
            if !known.contains(&key) {
                let suggestion = nearest(key, known.iter().copied());
                self.unknown(offset, table.path(&key_name(key)), suggestion);
            }
        }
    }

    /// Reads a key with `accept`. Returns none if the key is not set; none, and notes a fault, if `accept`
    /// returns none.
    pub fn optional<'a, T>(
        &mut self,
        table: Table<'a>,
        key: &str,
        allowed: impl Display,
        accept: impl FnOnce(Item<'a>) -> Option<T>,
    ) -> Option<T> {
        let item = table.get(key)?;
        let accepted = accept(item);
        if accepted.is_none() {
            let allowed = allowed.to_string();
            self.refuse(item.offset, table.path(key), item.found(), allowed);
        }
        accepted
    }

    /// As [`Self::optional`], but a key that is not set is a fault.
    pub fn required<'a, T>(
        &mut self,
        table: Table<'a>,
        key: &str,
        allowed: impl Display,
        accept: impl FnOnce(Item<'a>) -> Option<T>,
    ) -> Option<T> {
        if table.get(key).is_none() {
            self.missing(table, key, allowed.to_string());
        }
        self.optional(table, key, allowed, accept)
    }

    /// Reads a number of single precision.
    pub fn finite(&mut self, table: Table<'_>, key: &str) -> Option<f32> {
        let number = self.optional(table, key, "a finite number", Item::number);
        number.map(|number| number as f32)
    }

    /// Reads a number from 0 to 1.
    pub fn fraction(&mut self, table: Table<'_>, key: &str) -> Option<f32> {
        let accept = |item: Item<'_>| item.number().filter(|n| (0.0..=1.0).contains(n));
        let fraction = self.optional(table, key, "a fraction of the frame, 0 to 1", accept);
        fraction.map(|fraction| fraction as f32)
    }

    /// Reads a whole number within `range`.
    pub fn whole(
        &mut self,
        table: Table<'_>,
        key: &str,
        range: &RangeInclusive<u32>,
    ) -> Option<u32> {
        let allowed = format!("a whole number, {} to {}", range.start(), range.end());
        let accept = |item: Item<'_>| item.whole().filter(|number| range.contains(number));
        self.optional(table, key, allowed, accept)
    }
}
