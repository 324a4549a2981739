//! Reads a TOML document table by table, and collects all faults with their lines.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The faults of a document.
#[derive(Debug)]
pub struct Faults<'a> {
    file: &'a str,
    text: &'a str,
    found: RefCell<Vec<(usize, String)>>,
}

impl<'a> Faults<'a> {
    /// Returns an empty list of faults of the document `text`; `file` is its name in the faults.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            found: RefCell::default(),
        }
    }

    /// Adds a fault at a place of the text, in bytes.
    pub fn add(&self, place: usize, fault: &str) {
        let line = 1 + self.text[..place.min(self.text.len())]
            .matches('\n')
            .count();
        let fault = format!("{}:{line}: {fault}", self.file);
        self.found.borrow_mut().push((place, fault));
    }

    /// Returns the faults in the order of the text.
    pub fn into_lines(self) -> Vec<String> {
        let mut found = self.found.into_inner();
        found.sort();
        found.into_iter().map(|(_, fault)| fault).collect()
    }
}

/// A table that is being read.
#[derive(Debug)]
pub struct Section<'a> {
    faults: &'a Faults<'a>,
    /// The path of the table: `stations.filler`. Empty: the document.
    path: String,
    place: usize,
    table: Option<&'a DeTable<'a>>,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Section<'a> {
    /// Returns the document.
    pub fn document(faults: &'a Faults<'a>, table: &'a DeTable<'a>) -> Self {
        Self::new(faults, String::new(), 0, Some(table))
    }

    fn new(
        faults: &'a Faults<'a>,
        path: String,
        place: usize,
        table: Option<&'a DeTable<'a>>,
    ) -> Self {
        Self {
            faults,
            path,
            place,
            table,
            known: RefCell::default(),
        }
    }

    fn name(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.borrow_mut().insert(key);
        self.table?.get(key)
    }

    /// Returns where a key is, or where its table begins.
    pub fn place(&self, key: &str) -> usize {
        let value = self.table.and_then(|table| table.get(key));
        value.map_or(self.place, |value| value.span().start)
    }

    /// Returns whether a key is set.
    pub fn is_set(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Adds a fault of a key.
    pub fn fault(&self, key: &str, fault: &str) {
        let name = self.name(key);
        self.faults
            .add(self.place(key), &format!("{name}: {fault}"));
    }

    fn not(&self, key: &str, value: &DeValue<'_>, allowed: &str) {
        let found = match value {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(value) => value.to_string(),
            other => format!("a value of type {}", other.type_str()),
        };
        self.fault(key, &format!("{found}, must be {allowed}"));
    }

    /// Returns a table; an empty one if it is not set.
    #[must_use]
    pub fn section(&self, key: &'static str) -> Section<'a> {
        let value = self.get(key);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            self.not(key, value.get_ref(), "a table");
        }
        Self::new(self.faults, self.name(key), self.place(key), table)
    }

    /// Returns the tables of a table, by name.
    pub fn sections(&self, key: &'static str) -> Vec<(String, Section<'a>)> {
        let section = self.section(key);
        let mut found = Vec::new();
        for (name, value) in section.table.into_iter().flatten() {
            let table = value.get_ref().as_table();
            let name = name.get_ref();
            if table.is_none() {
                section.not(name, value.get_ref(), "a table");
            }
            let start = value.span().start;
            let inner = Self::new(self.faults, section.name(name), start, table);
            found.push((name.to_string(), inner));
        }
        found
    }

    /// Returns a text that `parse` accepts. `allowed` describes such texts.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let parsed = value.get_ref().as_str().and_then(parse);
        if parsed.is_none() {
            self.not(key, value.get_ref(), allowed);
        }
        parsed
    }

    /// Returns a text that `parse` accepts, as [`Self::parsed`]; the fault does not show the value.
    pub fn secret<T>(
        &self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let parsed = self.get(key)?.get_ref().as_str().and_then(parse);
        if parsed.is_none() {
            self.fault(key, &format!("must be {allowed}"));
        }
        parsed
    }

    /// Returns a path. A relative one is relative to `folder`.
    pub fn path(&self, key: &'static str, folder: &Path) -> Option<PathBuf> {
        self.parsed(key, "a path", |text| {
            (!text.is_empty()).then(|| folder.join(text))
        })
    }

    /// Returns texts that `parse` accepts.
    pub fn list<T>(
        &self,
        key: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            self.not(key, value.get_ref(), &format!("a list, each {allowed}"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in array {
            match item.get_ref().as_str().and_then(&parse) {
                Some(parsed) => found.push(parsed),
                None => self.not(key, item.get_ref(), &format!("a list, each {allowed}")),
            }
        }
        found
    }

    /// Returns a whole number within a range.
    pub fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?;
        let number = value.get_ref().as_integer();
        let number = number.and_then(|it| u64::from_str_radix(it.as_str(), it.radix()).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let allowed = format!("a whole number, {} to {}", range.start(), range.end());
            self.not(key, value.get_ref(), &allowed);
        }
        number
    }

    /// Returns a table of texts by number. Keys such as `1` and `01` are the same number, and a fault.
    pub fn numbered(
        &self,
        key: &'static str,
        range: RangeInclusive<u16>,
        allowed: &str,
        accepts: impl Fn(&str) -> bool,
    ) -> Vec<(u16, String)> {
        let section = self.section(key);
        let mut found = Vec::new();
        let mut names = BTreeMap::<u16, Vec<&str>>::new();
        for (name, value) in section.table.into_iter().flatten() {
            let number = name.get_ref().parse().ok();
            let Some(number) = number.filter(|number| range.contains(number)) else {
                let allowed = format!("{} to {}", range.start(), range.end());
                section.fault(
                    name.get_ref(),
                    &format!("the key must be a number, {allowed}"),
                );
                continue;
            };
            names.entry(number).or_default().push(name.get_ref());
            match value.get_ref().as_str() {
                Some(text) if accepts(text) => found.push((number, text.to_owned())),
                _ => section.not(name.get_ref(), value.get_ref(), allowed),
            }
        }
        for (number, mut names) in names {
            names.sort_by_key(|name| section.place(name));
            if let [_, .., last] = names[..] {
                let fault = format!("the keys {} are the same number", names.join(", "));
                section.fault(last, &format!("{fault}, {number}"));
            }
        }
        found
    }

    /// Adds a fault for each key that was not asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref();
            if !known.contains(name.as_ref()) {
                let list: Vec<&str> = known.iter().copied().collect();
                let fault = format!("unknown key; known are {}", list.join(", "));
                let name = self.name(name);
                self.faults
                    .add(key.span().start, &format!("{name}: {fault}"));
            }
        }
    }
}
