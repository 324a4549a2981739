//! The tensors of a state dict from its pickle and its storages.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::element_type::ElementType;
use super::error::FormatError;
use super::objects::{Id, Storage, StorageKind, Tensor, Value};
use super::pickle::Objects;
use super::{HostTensor, Tensors, is_counter, strides};

/// Maximum number of values in all storages and tensors together: 4 GiB of f32. The size of the file does not
/// bound it, because a view can repeat a value and zeros can be compressed.
const MAX_VALUES: u64 = 1 << 30;

/// Where the values of the storages are.
pub(super) trait StorageSource {
    /// Returns the bytes of the storage `key`, which should be `size`; at most that many are read.
    fn bytes(&mut self, key: &str, size: u64) -> Result<Vec<u8>, FormatError>;
}

/// Returns the tensors of the state dict `root`.
pub(super) fn read(
    objects: &Objects,
    root: Id,
    source: impl StorageSource,
) -> Result<Tensors, FormatError> {
    let mut storages = Storages {
        source,
        decoded: HashMap::new(),
        remaining_values: MAX_VALUES,
    };
    let mut tensors = Tensors::new();
    for (name, tensor) in state_dict(objects, root)? {
        if let Some(tensor) = storages.tensor(objects, name, tensor)? {
            tensors.insert(name.to_owned(), tensor);
        }
    }
    Ok(tensors)
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

/// Decoded storages. Each storage is decoded once, also if several tensors share it.
struct Storages<S> {
    source: S,
    decoded: HashMap<(String, ElementType), Vec<f32>>,
    remaining_values: u64,
}

impl<S: StorageSource> Storages<S> {
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
                let bytes = self.source.bytes(&storage.key, size)?;
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
