//! Why a checkpoint cannot be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a checkpoint cannot be used.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: FormatError,
    },
    /// A tensor that the network has and the checkpoint has not.
    #[error("the checkpoint is of another network: missing {name}")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor that the checkpoint has and the network has not.
    #[error("the checkpoint is of another network: unexpected {name}")]
    Unexpected {
        /// Its name.
        name: String,
    },
    /// A tensor of another shape than the network's.
    #[error(
        "the checkpoint is of another network: {name} has shape {found:?}, expected {expected:?}"
    )]
    Shape {
        /// Its name.
        name: String,
        /// The checkpoint's.
        found: Vec<usize>,
        /// The network's.
        expected: Vec<usize>,
    },
    /// A weight that is NaN or infinite.
    #[error("the checkpoint is damaged: {name} has values that are not finite")]
    NotFinite {
        /// The tensor's name.
        name: String,
    },
}

/// Why a file cannot be read as a checkpoint.
#[derive(Debug, Error)]
pub enum FormatError {
    /// The file system says no.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// No format that is known here.
    #[error("neither a safetensors file nor a checkpoint of torch.save")]
    Unknown,
    /// `PyTorch`'s format before version 1.6.
    #[error(
        "a checkpoint in PyTorch's format before version 1.6; convert it once, in Python: torch.save(torch.load(\"OLD.pth\", map_location=\"cpu\", weights_only=True), \"NEW.pth\")"
    )]
    Legacy,
    /// A compiled program instead of weights.
    #[error(
        "a TorchScript program; save its weights instead, in Python: torch.save(torch.jit.load(\"OLD.pt\", map_location=\"cpu\").state_dict(), \"NEW.pth\")"
    )]
    TorchScript,
    /// The safetensors library says no.
    #[error("a damaged safetensors file: {0}")]
    Safetensors(#[from] ::safetensors::SafeTensorError),
    /// The zip library says no.
    #[error("a damaged checkpoint of torch.save: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The pickle in the checkpoint does not hold together.
    #[error("a damaged checkpoint of torch.save: its pickle {0}")]
    Pickle(&'static str),
    /// An instruction that no state dict has.
    #[error(
        "its pickle has instruction {opcode:#04x} at byte {at}, which no state dict of torch.save in its default protocol has"
    )]
    Opcode {
        /// The instruction.
        opcode: u8,
        /// Where.
        at: usize,
    },
    /// A class or function that no state dict has.
    #[error(
        "it holds a {0}, and only a state dict can be read; save that instead, in Python: torch.save(model.state_dict(), \"NEW.pth\")"
    )]
    Global(String),
    /// No tensors where they should be.
    #[error("it holds no state dict: neither tensors by name, nor exactly one entry that does")]
    NotAStateDict,
    /// Numbers of another machine.
    #[error("its numbers are big-endian; save it on a little-endian machine")]
    BigEndian,
    /// A tensor whose numbers are no weights.
    #[error("{name} has elements of type {element}; must be F16, BF16, F32 or F64")]
    Element {
        /// The tensor.
        name: String,
        /// Its type, in the file's words.
        element: String,
    },
    /// A tensor that reaches outside its storage, or a storage of another size than announced.
    #[error("a damaged checkpoint of torch.save: {name} does not fit its storage")]
    Storage {
        /// The tensor.
        name: String,
    },
    /// More than any network for this purpose has.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
}
