//! What a state dict's pickle is made of.

use super::element_type::Element;
use super::error::FormatError;

/// A value's place among [`super::pickle::Objects`]. Values name each other by it, so none owns another
/// and no depth of nesting is too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) usize);

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// None, a truth value, a float, a list: nothing that weights are found in.
    Opaque,
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Tensor),
}

/// The classes and functions that a state dict may name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageOf(StorageKind),
}

/// What a storage is of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum StorageKind {
    Weights(Element),
    /// Integers or truth values, by the class's name.
    Other(String),
}

/// A run of numbers in a file of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) kind: StorageKind,
    pub(super) key: String,
    /// Values in it.
    pub(super) len: usize,
}

/// A view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) storage: Id,
    /// In values, as are the strides.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl Global {
    pub(super) fn named(module: &str, name: &str) -> Result<Self, FormatError> {
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("torch" | "torch.cuda", name) if name.ends_with("Storage") => {
                Ok(Self::StorageOf(StorageKind::named(name)))
            }
            _ => Err(FormatError::Global(format!("{module}.{name}"))),
        }
    }
}

impl StorageKind {
    fn named(name: &str) -> Self {
        match name {
            "HalfStorage" => Self::Weights(Element::F16),
            "BFloat16Storage" => Self::Weights(Element::Bf16),
            "FloatStorage" => Self::Weights(Element::F32),
            "DoubleStorage" => Self::Weights(Element::F64),
            other => Self::Other(other.to_owned()),
        }
    }
}
