//! Reading values from TOML's tables, with the line of each. What is wrong is noted, and reading goes
//! on, so that all faults of a file are told at once.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::Fault;
use crate::config::spelling::nearest;

/// Longer texts are cut in messages.
const LONGEST_SHOWN: usize = 80;

/// Where faults are noted.
pub(super) struct Reader {
    file: String,
    /// Where lines end, bytes.
    ends: Vec<usize>,
    /// What was found so far, with its line.
    faults: Vec<(usize, Fault)>,
}

/// A table, and where it is.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    table: &'a DeTable<'a>,
    /// What its keys' paths begin with: empty, or `regions[0].`.
    path: &'a str,
    /// Where it begins, bytes.
    offset: usize,
}

/// A value under a key.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// The value.
    pub value: &'a DeValue<'a>,
    /// Where it is, bytes.
    pub offset: usize,
}

impl<'a> Given<'a> {
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

    /// A number that single precision can hold; a whole one will do.
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

    /// The value in words.
    pub fn found(self) -> String {
        match self.value {
            DeValue::String(text) if text.chars().count() > LONGEST_SHOWN => {
                let start: String = text.chars().take(LONGEST_SHOWN).collect();
                format!("{start:?} and more")
            }
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => cut(number.as_str()),
            DeValue::Float(number) => cut(number.as_str()),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(_) => "a date or time".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }
}

fn cut(number: &str) -> String {
    if number.len() > LONGEST_SHOWN {
        return "a number of many digits".to_owned();
    }
    number.to_owned()
}

impl<'a> Section<'a> {
    pub fn new(table: &'a DeTable<'a>, path: &'a str, offset: usize) -> Self {
        Self {
            table,
            path,
            offset,
        }
    }

    /// A key's whole path.
    pub fn path(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    pub fn get(&self, key: &str) -> Option<Given<'a>> {
        self.table.get(key).map(Given::new)
    }

    /// All keys: their names, where they are, and their values.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, usize, Given<'a>)> {
        self.table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, Given::new(value)))
    }
}

impl Reader {
    pub fn new(file: String, text: &str) -> Self {
        Self {
            file,
            ends: text.match_indices('\n').map(|(offset, _)| offset).collect(),
            faults: Vec::new(),
        }
    }

    /// `FILE:LINE`.
    pub fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.file, self.line(offset))
    }

    /// Lines count from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.ends.partition_point(|end| *end < offset) + 1
    }

    fn note(&mut self, offset: usize, fault: Fault) {
        self.faults.push((self.line(offset), fault));
    }

    /// Everything that is wrong, in the order of lines.
    pub fn faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|(line, _)| *line);
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }

    /// Notes a value that is not allowed.
    pub fn refuse(
        &mut self,
        offset: usize,
        key: String,
        found: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        let fault = Fault::Value {
            place: self.place(offset),
            key,
            found: found.into(),
            allowed: allowed.into(),
        };
        self.note(offset, fault);
    }

    /// Refuses keys that are none of `known`, with the nearest of them.
    pub fn known(&mut self, section: Section<'_>, known: &[&str]) {
        for (key, offset, _) in section.entries() {
            if !known.contains(&key) {
                let fault = Fault::Unknown {
                    place: self.place(offset),
                    key: section.path(&shown(key)),
                    suggestion: nearest(key, known.iter().copied()).map(str::to_owned),
                };
                self.note(offset, fault);
            }
        }
    }

    /// The value of a key that `accept` makes something of; nothing, and a fault, if it does not, and
    /// nothing if the key is not there.
    pub fn optional<'a, T>(
        &mut self,
        section: Section<'a>,
        key: &str,
        allowed: impl Display,
        accept: impl FnOnce(Given<'a>) -> Option<T>,
    ) -> Option<T> {
        let given = section.get(key)?;
        let accepted = accept(given);
        if accepted.is_none() {
            let allowed = allowed.to_string();
            self.refuse(given.offset, section.path(key), given.found(), allowed);
        }
        accepted
    }

    /// As [`Self::optional`], but it is a fault, too, if the key is not there.
    pub fn required<'a, T>(
        &mut self,
        section: Section<'a>,
        key: &str,
        allowed: impl Display,
        accept: impl FnOnce(Given<'a>) -> Option<T>,
    ) -> Option<T> {
        if section.get(key).is_none() {
            let fault = Fault::Missing {
                place: self.place(section.offset),
                key: section.path(key),
                allowed: allowed.to_string(),
            };
            self.note(section.offset, fault);
        }
        self.optional(section, key, allowed, accept)
    }

    /// A number of single precision.
    pub fn finite(&mut self, section: Section<'_>, key: &str) -> Option<f32> {
        let number = self.optional(section, key, "a finite number", Given::number);
        number.map(|number| number as f32)
    }

    /// A number from 0 to 1.
    pub fn share(&mut self, section: Section<'_>, key: &str) -> Option<f32> {
        let accept = |given: Given<'_>| given.number().filter(|n| (0.0..=1.0).contains(n));
        let share = self.optional(section, key, "a fraction of the frame, 0 to 1", accept);
        share.map(|share| share as f32)
    }

    /// A whole number within `range`.
    pub fn whole(
        &mut self,
        section: Section<'_>,
        key: &str,
        range: &RangeInclusive<u32>,
    ) -> Option<u32> {
        let allowed = format!("a whole number, {} to {}", range.start(), range.end());
        let accept = |given: Given<'_>| given.whole().filter(|number| range.contains(number));
        self.optional(section, key, allowed, accept)
    }
}

/// A key's name as TOML writes it.
pub(super) fn shown(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !key.is_empty() && key.len() <= LONGEST_SHOWN && key.bytes().all(plain) {
        return key.to_owned();
    }
    let start: String = key.chars().take(LONGEST_SHOWN).collect();
    format!("{start:?}")
}
