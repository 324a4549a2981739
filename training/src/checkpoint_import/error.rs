//! Errors of the checkpoint import.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Error of the checkpoint import.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be read as a checkpoint.
    #[error("{}: {reason}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// Reason.
        reason: FormatError,
    },
    /// A tensor of the network is missing in the checkpoint.
    #[error("the checkpoint does not match the network: missing {name}")]
    Missing {
        /// Name of the tensor.
        name: String,
    },
    /// The checkpoint has a tensor that the network does not have.
    #[error("the checkpoint does not match the network: unexpected {name}")]
    Unexpected {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor has a different shape in the checkpoint and in the network.
    #[error(
        "the checkpoint does not match the network: {name} has shape {found:?}, expected {expected:?}"
    )]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the checkpoint.
        found: Vec<usize>,
        /// Shape in the network.
        expected: Vec<usize>,
    },
    /// A tensor has NaN or infinite values.
    #[error("the checkpoint is damaged: {name} has non-finite values")]
    NonFinite {
        /// Name of the tensor.
        name: String,
    },
}

/// Reason why a file cannot be read as a checkpoint.
#[derive(Debug, Error)]
pub enum FormatError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The format is unknown.
    #[error("neither a safetensors file nor a checkpoint of torch.save")]
    Unknown,
    /// A compiled program instead of weights.
    #[error(
        "a TorchScript program; save its weights instead, in Python: torch.save(torch.jit.load(\"OLD.pt\", map_location=\"cpu\").state_dict(), \"NEW.pth\")"
    )]
    TorchScript,
    /// The safetensors library cannot read the file.
    #[error("a damaged safetensors file: {0}")]
    Safetensors(#[from] ::safetensors::SafeTensorError),
    /// The zip library cannot read the file.
    #[error("a damaged checkpoint of torch.save: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The pickle in the checkpoint is invalid.
    #[error("a damaged checkpoint of torch.save: its pickle {0}")]
    Pickle(&'static str),
    /// The pickle has an unsupported instruction.
    #[error(
        "its pickle has instruction {opcode:#04x} at byte {at}, which does not occur in a state dict that torch.save wrote with its default protocol"
    )]
    Opcode {
        /// Code of the instruction.
        opcode: u8,
        /// Position of the instruction, bytes.
        at: usize,
    },
    /// The pickle uses an unsupported class or function.
    #[error(
        "contains a {0}, but only a state dict can be read; save the state dict instead, in Python: torch.save(model.state_dict(), \"NEW.pth\")"
    )]
    Global(String),
    /// The pickle does not contain a state dict.
    #[error(
        "not a state dict: the root must be a dictionary of tensors, or have exactly one entry that is one"
    )]
    NotAStateDict,
    /// The byte order is big-endian.
    #[error("the values are big-endian; save the checkpoint on a little-endian machine")]
    BigEndian,
    /// A tensor has an element type that is not a supported float.
    #[error("{name} has elements of type {element}; must be F16, BF16, F32 or F64")]
    UnsupportedElementType {
        /// Name of the tensor.
        name: String,
        /// Element type, as named in the file.
        element: String,
    },
    /// A tensor exceeds its storage, or a storage has an unexpected size.
    #[error("a damaged checkpoint of torch.save: {name} does not fit its storage")]
    Storage {
        /// Name of the tensor.
        name: String,
    },
    /// A size exceeds the limit.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// Name of the limited quantity.
        what: &'static str,
        /// Maximum.
        limit: u64,
    },
}
