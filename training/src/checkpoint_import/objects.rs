//! Object model of the pickle of a state dict.

use super::element_type::ElementType;
use super::error::FormatError;

/// Index of a value in [`super::pickle::Objects`]. Values refer to each other by index instead of owning each
/// other, so deep nesting cannot overflow the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) usize);

/// A pickled value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// None, True or a float, which do not contain weights.
    Opaque,
    /// False.
    False,
    List(Vec<Id>),
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Tensor),
}

/// Supported classes and functions of a state dict.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageOf(StorageKind),
}

/// Element kind of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum StorageKind {
    Weights(ElementType),
    /// Integers or bools, with the name of the class.
    Other(String),
}

/// A storage: an array of values in a separate file of the archive.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) kind: StorageKind,
    pub(super) key: String,
    /// Number of values.
    pub(super) len: usize,
}

/// A tensor: a strided view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) storage: Id,
    /// Offset in values. The strides are in values too.
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
            "HalfStorage" => Self::Weights(ElementType::F16),
            "BFloat16Storage" => Self::Weights(ElementType::Bf16),
            "FloatStorage" => Self::Weights(ElementType::F32),
            "DoubleStorage" => Self::Weights(ElementType::F64),
            other => Self::Other(other.to_owned()),
        }
    }
}
