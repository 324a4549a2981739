//! Inference: runs the graph of a model bundle in ONNX Runtime and returns the anomaly maps of frames. This is
//! the only crate that uses `ort`.
//!
//! ONNX Runtime is a shared library that is loaded with the first graph; see [`EngineOptions::library`].
//!
//! # Example
//! ```no_run
//! use std::path::Path;
//!
//! use inspectd_core::bundle::Bundle;
//! use inspectd_core::image_file;
//! use inspectd_core::preprocess::resize;
//! use inspectd_engine::{Engine, EngineOptions};
//!
//! let bundle = Bundle::open(Path::new("models/demo"))?;
//! let mut engine = Engine::load(&bundle, &EngineOptions::default())?;
//! let input = &bundle.manifest().input;
//! let frame = image_file::decode(Path::new("part.png"))?;
//! let frame = resize(&frame, None, input.width, input.height)?;
//! let maps = engine.run(&[&frame])?;
//! for (structural, logical) in maps.frames() {
//!     println!("{} and {} cells", structural.len(), logical.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod library;
mod session;

use std::path::PathBuf;

use thiserror::Error;

use inspectd_core::bundle::Bundle;
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::manifest::Manifest;

pub use library::{LIBRARY_VARIABLE, LibraryError};
pub use session::{Elements, Port, Session, Tensor};

/// Execution provider of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// The CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda {
        /// CUDA device number.
        device_id: i32,
        /// Whether multiplications may round their factors to 10 bits (TF32): several times faster, and the
        /// scores differ from those of the CPU from the fourth digit on.
        tf32: bool,
        /// Maximum memory of the arena in bytes; unlimited if unset.
        memory_limit: Option<usize>,
    },
    /// The CPU, with Intel's OpenVINO. Requires a build of ONNX Runtime with OpenVINO.
    OpenVino {
        /// Whether to compute in bfloat16 if the CPU supports it: twice as fast, and the scores differ in the
        /// third digit.
        bf16: bool,
    },
}

impl Provider {
    /// Returns the name: `cpu`, `cuda` or `openvino`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda { .. } => "cuda",
            Self::OpenVino { .. } => "openvino",
        }
    }
}

/// Options for running a graph.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// CPU threads per inference; 0 for all cores that this process may use.
    pub threads: usize,
    /// Execution provider.
    pub provider: Provider,
    /// Path of the ONNX Runtime library. If unset, [`LIBRARY_VARIABLE`] names it; if that is unset too, the
    /// default file name is searched next to the executable, then in the system's library folders. A process
    /// can use only one library.
    pub library: Option<PathBuf>,
}

/// Why a graph could not be loaded or run.
#[derive(Debug, Error)]
pub enum EngineError {
    /// ONNX Runtime could not be loaded.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The execution provider is not available.
    #[error("provider {provider}: {reason}")]
    Provider {
        /// Name of the provider.
        provider: &'static str,
        /// ONNX Runtime's message.
        reason: String,
    },
    /// ONNX Runtime rejected the graph.
    #[error("ONNX Runtime rejected the graph: {reason}")]
    Rejected {
        /// ONNX Runtime's message.
        reason: String,
    },
    /// The inputs or outputs of the graph do not match the manifest.
    #[error("the graph has {found}, must be {expected}")]
    Ports {
        /// Inputs or outputs found.
        found: String,
        /// Inputs or outputs that match the manifest.
        expected: String,
    },
    /// The batch is empty.
    #[error("a batch must contain at least one frame")]
    NoFrames,
    /// A frame does not have the graph's input size.
    #[error("frame {index} is {width}x{height}, must be {expected_width}x{expected_height}")]
    FrameSize {
        /// Index of the frame in the batch, from 0.
        index: usize,
        /// Width of the frame in pixels.
        width: u32,
        /// Height of the frame in pixels.
        height: u32,
        /// Input width of the graph in pixels.
        expected_width: u32,
        /// Input height of the graph in pixels.
        expected_height: u32,
    },
    /// Inference failed.
    #[error("ONNX Runtime failed: {reason}")]
    Run {
        /// ONNX Runtime's message.
        reason: String,
    },
    /// A map contains a non-finite value.
    #[error("the {map} map of frame {index} contains a non-finite value")]
    NotFinite {
        /// The map: `structural` or `logical`.
        map: &'static str,
        /// Index of the frame in the batch, from 0.
        index: usize,
    },
}

/// The anomaly maps of a batch, before quantile normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct RawMaps {
    /// Structural maps `A_s`, `[count, height, width]`.
    pub structural: Vec<f32>,
    /// Logical maps `A_g`, `[count, height, width]`; zeros if the model has no logical map.
    pub logical: Vec<f32>,
    /// Number of frames in the batch.
    pub count: usize,
    /// Width of a map in cells.
    pub width: usize,
    /// Height of a map in cells.
    pub height: usize,
}

impl RawMaps {
    /// Iterates over the structural and the logical map of each frame, in the order of the batch.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = (&[f32], &[f32])> {
        let cells = self.width * self.height;
        self.structural
            .chunks_exact(cells)
            .zip(self.logical.chunks_exact(cells))
    }
}

/// A loaded graph of a bundle. It reuses its buffers, so it runs one batch at a time.
#[derive(Debug)]
pub struct Engine {
    session: Session,
    frame_size: [u32; 2],
    map_size: [u32; 2],
    /// Whether the graph has a logical map.
    has_logical: bool,
    batch: Vec<u8>,
}

impl Engine {
    /// Loads the graph of `bundle`.
    ///
    /// # Errors
    /// When ONNX Runtime or the execution provider is not available, or the graph does not match the manifest.
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self, EngineError> {
        let manifest = bundle.manifest();
        let session = Session::load(bundle.graph(), options)?;
        check_ports(&session, manifest)?;
        Ok(Self {
            session,
            frame_size: [manifest.input.width, manifest.input.height],
            map_size: [manifest.maps.width, manifest.maps.height],
            has_logical: manifest.maps.logical.is_some(),
            batch: Vec::new(),
        })
    }

    /// Computes the maps of `frames`. Each frame must have the manifest's input size. Without a logical map in
    /// the manifest, the logical maps are zeros.
    ///
    /// # Errors
    /// When the batch is empty, a frame has another size, or inference fails.
    pub fn run(&mut self, frames: &[&Frame]) -> Result<RawMaps, EngineError> {
        self.check_frames(frames)?;
        self.batch.clear();
        for frame in frames {
            self.batch.extend_from_slice(frame.rgb());
        }
        let [width, height] = self.frame_size.map(i64::from);
        let shape = [frames.len() as i64, height, width, CHANNELS as i64];
        let input = Elements::U8(&self.batch);
        let (structural, logical) = if self.has_logical {
            let names = ["structural", "logical"];
            let [structural, logical] = self.session.run(&shape, input, names)?;
            (structural, Some(logical))
        } else {
            let [structural] = self.session.run(&shape, input, ["structural"])?;
            (structural, None)
        };
        self.maps(frames.len(), structural, logical)
    }

    fn check_frames(&self, frames: &[&Frame]) -> Result<(), EngineError> {
        let [expected_width, expected_height] = self.frame_size;
        let size = |frame: &Frame| [frame.width(), frame.height()];
        match frames
            .iter()
            .position(|frame| size(frame) != self.frame_size)
        {
            _ if frames.is_empty() => Err(EngineError::NoFrames),
            None => Ok(()),
            Some(index) => Err(EngineError::FrameSize {
                index,
                width: frames[index].width(),
                height: frames[index].height(),
                expected_width,
                expected_height,
            }),
        }
    }

    /// Checks the outputs and builds the maps. The logical maps of a graph with one output are zeros.
    fn maps(
        &self,
        count: usize,
        structural: Tensor,
        logical: Option<Tensor>,
    ) -> Result<RawMaps, EngineError> {
        let structural = self.checked("structural", count, structural)?;
        let logical = match logical {
            Some(logical) => self.checked("logical", count, logical)?,
            None => vec![0.0; structural.len()],
        };
        let [width, height] = self.map_size.map(|side| side as usize);
        Ok(RawMaps {
            structural,
            logical,
            count,
            width,
            height,
        })
    }

    /// Returns the elements of the output `map`, which must have the expected size and only finite values.
    fn checked(
        &self,
        map: &'static str,
        count: usize,
        tensor: Tensor,
    ) -> Result<Vec<f32>, EngineError> {
        let [width, height] = self.map_size.map(i64::from);
        if tensor.shape != [count as i64, height, width] {
            return Err(EngineError::Run {
                reason: format!(
                    "the {map} maps of {count} frames have the shape {:?}",
                    tensor.shape
                ),
            });
        }
        if let Some(cell) = tensor.elements.iter().position(|value| !value.is_finite()) {
            let index = cell / (width * height) as usize;
            return Err(EngineError::NotFinite { map, index });
        }
        Ok(tensor.elements)
    }

    /// Returns the name of the execution provider: `cpu`, `cuda` or `openvino`.
    pub fn provider(&self) -> &'static str {
        self.session.provider().name()
    }

    /// Returns the version of ONNX Runtime.
    pub fn version(&self) -> &str {
        self.session.version()
    }
}

/// Compares the inputs and outputs of the graph with the manifest.
fn check_ports(session: &Session, manifest: &Manifest) -> Result<(), EngineError> {
    let (input, maps) = (&manifest.input, &manifest.maps);
    let port = |name: &str, element: &str, shape: &[u32]| Port {
        name: name.to_owned(),
        element: element.to_owned(),
        // The batch size is free.
        shape: std::iter::once(-1)
            .chain(shape.iter().copied().map(i64::from))
            .collect(),
    };
    let map_shape = [maps.height, maps.width];
    let frame = port("frame", "u8", &[input.height, input.width, CHANNELS as u32]);
    let mut outputs = vec![port("structural", "f32", &map_shape)];
    if maps.logical.is_some() {
        outputs.push(port("logical", "f32", &map_shape));
    }
    let check = |kind: &str, found: Vec<Port>, expected: &[Port]| {
        let listed = |ports: &[Port]| {
            let texts: Vec<String> = ports.iter().map(Port::to_string).collect();
            format!("the {kind} {}", texts.join(", "))
        };
        if found == expected {
            return Ok(());
        }
        Err(EngineError::Ports {
            found: listed(&found),
            expected: listed(expected),
        })
    };
    check("input", session.inputs(), &[frame])?;
    check("outputs", session.outputs(), &outputs)
}

#[cfg(test)]
mod tests;
