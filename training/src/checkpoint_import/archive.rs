//! Reads tensors from the zip archive that `torch.save` writes: `NAME/data.pkl` contains the objects and
//! `NAME/data/KEY` the values of each storage.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Read, Seek};

use zip::ZipArchive;

use super::element_type::ElementType;
use super::error::FormatError;
use super::objects::{Id, Storage, StorageKind, Tensor, Value};
use super::pickle::{self, Objects};
use super::{HostTensor, Tensors, is_counter, strides};

/// Maximum size of the pickle, sufficient for about 30,000 tensors.
const MAX_PICKLE_BYTES: u64 = 4 << 20;
/// Maximum number of values in all storages and tensors together: 4 GiB of f32. The size of the file does not
/// bound it, because a view can repeat a value and zeros can be compressed.
const MAX_VALUES: u64 = 1 << 30;

pub(super) fn read(file: impl Read + Seek) -> Result<Tensors, FormatError> {
    let mut zip = ZipArchive::new(file)?;
    let suffix = "/data.pkl";
    let name = zip
        .file_names()
        .find(|name| name.as_ref().is_ok_and(|name| name.ends_with(suffix)));
    let Some(name) = name.transpose()? else {
        return Err(FormatError::Unknown);
    };
    let folder = name.strip_suffix(suffix).unwrap_or(&name).to_owned();
    drop(name);
    if zip.by_name(&format!("{folder}/constants.pkl")).is_ok() {
        return Err(FormatError::TorchScript);
    }
    // The byte order is written since PyTorch 2.1. Earlier versions always wrote little-endian.
    if let Ok(mut order) = zip.by_name(&format!("{folder}/byteorder")) {
        let mut text = String::new();
        order.by_ref().take(16).read_to_string(&mut text)?;
        if text.trim() != "little" {
            return Err(FormatError::BigEndian);
        }
    }
    let pickle = read_entry(&mut zip, &format!("{folder}/data.pkl"), MAX_PICKLE_BYTES)?;
    let (objects, root) = pickle::load(&pickle)?;
    let state_dict = state_dict(&objects, root)?;
    let mut storages = Storages {
        zip,
        folder,
        decoded: HashMap::new(),
        remaining_values: MAX_VALUES,
    };
    let mut tensors = Tensors::new();
    for (name, tensor) in state_dict {
        if let Some(tensor) = storages.tensor(&objects, name, tensor)? {
            tensors.insert(name.to_owned(), tensor);
        }
    }
    Ok(tensors)
}

/// Reads an archive entry of at most `limit` bytes. The size in its header is not trusted.
fn read_entry<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    name: &str,
    limit: u64,
) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    zip.by_name(name)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FormatError::TooLarge {
            what: "bytes in an entry of the archive",
            limit,
        });
    }
    Ok(bytes)
}

/// Returns the tensors by name, from the root dictionary or from its only entry that is a dictionary of
/// tensors (`state_dict`, `model`).
fn state_dict(objects: &Objects, root: Id) -> Result<Vec<(&str, &Tensor)>, FormatError> {
    if let Some(tensors) = tensors(objects, root) {
        return Ok(tensors);
    }
    let Value::Dict(entries) = objects.get(root) else {
        return Err(FormatError::NotAStateDict);
    };
    let mut inner = entries
        .iter()
        .filter_map(|(_, value)| tensors(objects, *value));
    match (inner.next(), inner.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(FormatError::NotAStateDict),
    }
}

/// Returns the entries of a dictionary if it is not empty and every entry is a named tensor.
fn tensors(objects: &Objects, id: Id) -> Option<Vec<(&str, &Tensor)>> {
    let Value::Dict(entries) = objects.get(id) else {
        return None;
    };
    let named = |(key, value): &(Id, Id)| match (objects.get(*key), objects.get(*value)) {
        (Value::Text(name), Value::Tensor(tensor)) => Some((name.as_str(), tensor)),
        _ => None,
    };
    let tensors: Option<Vec<_>> = entries.iter().map(named).collect();
    tensors.filter(|tensors| !tensors.is_empty())
}

/// Storages of the archive. Each storage is decoded once, also if several tensors share it.
struct Storages<R> {
    zip: ZipArchive<R>,
    folder: String,
    decoded: HashMap<(String, ElementType), Vec<f32>>,
    remaining_values: u64,
}

impl<R: Read + Seek> Storages<R> {
    fn tensor(
        &mut self,
        objects: &Objects,
        name: &str,
        tensor: &Tensor,
    ) -> Result<Option<HostTensor>, FormatError> {
        let Value::Storage(storage) = objects.get(tensor.storage) else {
            return Err(FormatError::Pickle("contains a tensor without a storage"));
        };
        let element = match &storage.kind {
            StorageKind::Weights(element) => *element,
            StorageKind::Other(_) if is_counter(name) => return Ok(None),
            StorageKind::Other(kind) => {
                return Err(FormatError::UnsupportedElementType {
                    name: name.to_owned(),
                    element: kind.clone(),
                });
            }
        };
        let out_of_bounds = || FormatError::Storage {
            name: name.to_owned(),
        };
        self.reserve(strides::count(&tensor.shape).ok_or_else(out_of_bounds)?)?;
        let values = self.values(storage, element, name)?;
        let data = strides::gather(values, tensor.offset, &tensor.shape, &tensor.strides);
        Ok(Some(HostTensor {
            shape: tensor.shape.clone(),
            data: data.ok_or_else(out_of_bounds)?,
            element,
        }))
    }

    fn reserve(&mut self, values: usize) -> Result<(), FormatError> {
        self.remaining_values =
            self.remaining_values
                .checked_sub(values as u64)
                .ok_or(FormatError::TooLarge {
                    what: "values in all tensors",
                    limit: MAX_VALUES,
                })?;
        Ok(())
    }

    fn values(
        &mut self,
        storage: &Storage,
        element: ElementType,
        name: &str,
    ) -> Result<&[f32], FormatError> {
        let key = (storage.key.clone(), element);
        if !self.decoded.contains_key(&key) {
            self.reserve(storage.len)?;
        }
        match self.decoded.entry(key) {
            Entry::Occupied(decoded) => Ok(decoded.into_mut()),
            Entry::Vacant(vacant) => {
                let size = (storage.len * element.size()) as u64;
                let bytes = read_entry(
                    &mut self.zip,
                    &format!("{}/data/{}", self.folder, storage.key),
                    size,
                )?;
                if bytes.len() as u64 != size {
                    return Err(FormatError::Storage {
                        name: name.to_owned(),
                    });
                }
                Ok(vacant.insert(element.decode(&bytes)))
            }
        }
    }
}
