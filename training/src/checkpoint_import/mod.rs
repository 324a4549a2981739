//! Import of checkpoints from other programs: tensors by name, as f32 in host memory.
//!
//! Reads `.safetensors` files and files written by `torch.save(model.state_dict(), ..)`. A pickle is a
//! program. This reader supports only the instructions of a state dict and executes no code, so untrusted
//! checkpoints can be read safely.

mod archive;
mod cursor;
mod element_type;
mod error;
mod legacy;
mod objects;
mod pickle;
mod safetensors;
mod state_dict_check;
mod storages;
mod strides;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use element_type::ElementType;
pub use error::{FormatError, ImportError};
pub use state_dict_check::{CheckReport, CheckedTensors, check_state_dict};

/// A tensor in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Dimensions, outermost first. Empty for a scalar.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub data: Vec<f32>,
    /// Element type in the file.
    pub element: ElementType,
}

/// Tensors of a checkpoint by name.
pub type Tensors = BTreeMap<String, HostTensor>;

/// Reads the checkpoint at `path`. The format is detected from the content. The step counters of batch
/// normalisation (`num_batches_tracked`) are omitted; they are integers that the forward pass does not use.
///
/// # Errors
/// When the file cannot be read or is not a supported checkpoint. The message names the detected format.
pub fn read(path: &Path) -> Result<Tensors, ImportError> {
    read_any(path).map_err(|reason| ImportError::File {
        path: path.to_owned(),
        reason,
    })
}

fn read_any(path: &Path) -> Result<Tensors, FormatError> {
    const ZIP: &[u8] = b"PK\x03\x04";
    let mut start = Vec::new();
    let longest = legacy::MAGIC.len() as u64;
    File::open(path)?.take(longest).read_to_end(&mut start)?;
    match &start[..] {
        start if start.starts_with(ZIP) => archive::read(File::open(path)?),
        start if start.starts_with(&legacy::MAGIC) => legacy::read(&std::fs::read(path)?),
        // safetensors: 8 bytes with the length of the header, then its JSON.
        [_, _, _, _, _, _, _, _, b'{', ..] => safetensors::read(&std::fs::read(path)?),
        _ => Err(FormatError::Unknown),
    }
}

/// Returns whether an integer tensor with this name is omitted.
fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}
