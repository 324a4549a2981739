//! Weights that others have trained: a checkpoint's tensors under their names, as f32 on the host.
//!
//! Reads `.safetensors` and what `torch.save(model.state_dict(), ..)` writes. A pickle is a program;
//! here only the few instructions of a state dict are understood and nothing is ever run, so a
//! checkpoint from anywhere can be read without trusting it.

mod archive;
mod cursor;
mod element_type;
mod error;
mod objects;
mod pickle;
mod safetensors;
mod state_dict_check;
mod strides;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use element_type::Element;
pub use error::{FormatError, ImportError};
pub use state_dict_check::{Checked, Report, check};

/// A tensor in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Its sides, the outermost first; empty of a single number.
    pub shape: Vec<usize>,
    /// Its values, the last side's next to each other.
    pub data: Vec<f32>,
    /// What they were in the file.
    pub element: Element,
}

/// A checkpoint's tensors by name.
pub type Tensors = BTreeMap<String, HostTensor>;

/// Reads the checkpoint at `path`; which of the formats it has is seen from its content. The step
/// counters of batch normalisation (`num_batches_tracked`) are left out: integers that no forward pass
/// reads.
///
/// # Errors
/// When the file cannot be read or is not such a checkpoint. The message says what it is instead.
pub fn read(path: &Path) -> Result<Tensors, ImportError> {
    read_any(path).map_err(|reason| ImportError::File {
        path: path.to_owned(),
        reason,
    })
}

fn read_any(path: &Path) -> Result<Tensors, FormatError> {
    const ZIP: &[u8] = b"PK\x03\x04";
    // The magic number of the format before PyTorch 1.6, as a pickled integer.
    const LEGACY: &[u8] = b"\x80\x02\x8a\x0a";
    let mut start = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut start)?;
    match &start[..] {
        start if start.starts_with(ZIP) => archive::read(File::open(path)?),
        start if start.starts_with(LEGACY) => Err(FormatError::Legacy),
        // The header's length, then its JSON.
        [_, _, _, _, _, _, _, _, b'{'] => safetensors::read(&std::fs::read(path)?),
        _ => Err(FormatError::Unknown),
    }
}

/// Whether an integer tensor of this name may be left out.
fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}
