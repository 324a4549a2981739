//! Reads the format of `torch.save` before `PyTorch` 1.6: five pickles (a magic number, a version, a
//! description of the machine, the objects, the keys of the storages), then the storages in the order of
//! their keys, each with its number of values before it.

use std::collections::HashMap;
use std::ops::Range;

use super::Tensors;
use super::archive::MAX_PICKLE_BYTES;
use super::error::FormatError;
use super::objects::{Id, StorageKind, Value};
use super::pickle::{Objects, load_first};
use super::storages::{self, StorageSource};

/// The pickle at the start of a file: the number 0x1950a86a20f9469cfc6c.
pub(super) const MAGIC: [u8; 15] = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The only version of the format.
const VERSION: i64 = 1001;

pub(super) fn read(bytes: &[u8]) -> Result<Tensors, FormatError> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(FormatError::Unknown)?;
    // A pickle ends with its own instruction, so only its start is limited.
    let mut next = || -> Result<(Objects, Id), FormatError> {
        let limited = &rest[..rest.len().min(MAX_PICKLE_BYTES as usize)];
        let (objects, root, length) = load_first(limited)?;
        rest = &rest[length..];
        Ok((objects, root))
    };
    let (objects, version) = next()?;
    if *objects.get(version) != Value::Int(VERSION) {
        return Err(FormatError::Pickle("has an unknown version of the format"));
    }
    let (objects, machine) = next()?;
    if is_big_endian(&objects, machine) {
        return Err(FormatError::BigEndian);
    }
    let (objects, root) = next()?;
    let (keys, list) = next()?;
    let places = places(
        bytes,
        bytes.len() - rest.len(),
        &objects,
        keys_of(&keys, list)?,
    )?;
    storages::read(&objects, root, FlatStorages { bytes, places })
}

/// Returns whether the entry `little_endian` of the dictionary is False.
fn is_big_endian(objects: &Objects, id: Id) -> bool {
    let Value::Dict(entries) = objects.get(id) else {
        return false;
    };
    entries.iter().any(|(key, value)| {
        *objects.get(*key) == Value::Text("little_endian".into())
            && *objects.get(*value) == Value::False
    })
}

fn keys_of(objects: &Objects, list: Id) -> Result<Vec<String>, FormatError> {
    let not_a_list = FormatError::Pickle("does not list the keys of the storages");
    let Value::List(items) = objects.get(list) else {
        return Err(not_a_list);
    };
    let text = |id: &Id| match objects.get(*id) {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    items
        .iter()
        .map(text)
        .collect::<Option<_>>()
        .ok_or(not_a_list)
}

/// Finds the bytes of every storage from `start` on.
fn places(
    bytes: &[u8],
    start: usize,
    objects: &Objects,
    keys: Vec<String>,
) -> Result<HashMap<String, Range<usize>>, FormatError> {
    let sizes = element_sizes(objects);
    let mut places = HashMap::new();
    let mut at = start;
    for key in keys {
        let damaged = || FormatError::Storage { name: key.clone() };
        let (count, _) = bytes[at..].split_first_chunk::<8>().ok_or_else(damaged)?;
        let count = usize::try_from(i64::from_le_bytes(*count)).map_err(|_| damaged())?;
        let size = sizes.get(&key).and_then(|size| size.checked_mul(count));
        let from = at + 8;
        let end = size.and_then(|size| from.checked_add(size));
        at = end.filter(|&end| end <= bytes.len()).ok_or_else(damaged)?;
        places.insert(key.clone(), from..at);
    }
    Ok(places)
}

/// Bytes of an element of each storage, by its key.
fn element_sizes(objects: &Objects) -> HashMap<String, usize> {
    let storage = |value: &Value| match value {
        Value::Storage(storage) => Some((storage.key.clone(), bytes_of(&storage.kind)?)),
        _ => None,
    };
    objects.iter().filter_map(storage).collect()
}

fn bytes_of(kind: &StorageKind) -> Option<usize> {
    match kind {
        StorageKind::Weights(element) => Some(element.size()),
        StorageKind::Other(name) => match name.as_str() {
            "LongStorage" => Some(8),
            "IntStorage" => Some(4),
            "ShortStorage" => Some(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Some(1),
            _ => None,
        },
    }
}

struct FlatStorages<'a> {
    bytes: &'a [u8],
    places: HashMap<String, Range<usize>>,
}

impl StorageSource for FlatStorages<'_> {
    fn bytes(&mut self, key: &str, size: u64) -> Result<Vec<u8>, FormatError> {
        let place = self.places.get(key).cloned().unwrap_or_default();
        let bytes = &self.bytes[place];
        Ok(bytes[..bytes.len().min(size as usize)].to_vec())
    }
}
