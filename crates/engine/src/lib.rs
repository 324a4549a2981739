//! From frames to anomaly maps: a bundle's graph in ONNX Runtime, which is loaded as a shared
//! library when the first engine is. The only place that names `ort`.

mod library;
mod session;

use std::path::PathBuf;

use thiserror::Error;

use inspectd_core::bundle::Bundle;
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::manifest::Manifest;

pub use library::{LIBRARY_VARIABLE, LibraryError};
pub use session::{Elements, Port, Session, Tensor};

/// Where a graph runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// On the processor.
    #[default]
    Cpu,
    /// On an NVIDIA GPU.
    Cuda {
        /// Which one, as CUDA counts them.
        device_id: i32,
        /// Whether products may round their factors to 10 bits: several times faster, and other
        /// scores than those of the processor from the fourth digit on.
        tf32: bool,
        /// The most memory that its arena may take, bytes; without a limit if unset.
        memory_limit: Option<usize>,
    },
    /// On the processor, by Intel's OpenVINO. Needs a build of ONNX Runtime that has it.
    OpenVino {
        /// Whether to compute in bfloat16 where the processor has it: twice as fast, and scores that
        /// differ in the third digit.
        bf16: bool,
    },
}

impl Provider {
    /// `cpu`, `cuda` or `openvino`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda { .. } => "cuda",
            Self::OpenVino { .. } => "openvino",
        }
    }
}

/// How to run a graph.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Threads of one inference on the processor; 0 for all cores that this process may use.
    pub threads: usize,
    /// Where it runs.
    pub provider: Provider,
    /// The file of ONNX Runtime; without it, what [`LIBRARY_VARIABLE`] names; without that, the
    /// usual name, beside the program or where the system looks. One process can use one file.
    pub library: Option<PathBuf>,
}

/// Why there are no maps.
#[derive(Debug, Error)]
pub enum EngineError {
    /// ONNX Runtime is not there.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The provider is not there.
    #[error("provider {provider}: {reason}")]
    Provider {
        /// Its name.
        provider: &'static str,
        /// ONNX Runtime's words.
        reason: String,
    },
    /// ONNX Runtime refuses the graph.
    #[error("ONNX Runtime refuses the graph: {reason}")]
    Rejected {
        /// Its words.
        reason: String,
    },
    /// The graph is not of the kind that the manifest describes.
    #[error("the graph has {found}, must be {expected}")]
    Ports {
        /// Inputs or outputs found.
        found: String,
        /// Inputs or outputs that fit the manifest.
        expected: String,
    },
    /// There is nothing to run.
    #[error("a batch needs a frame")]
    NoFrames,
    /// A frame is not of the graph's size.
    #[error("frame {index} is {width}x{height}, must be {expected_width}x{expected_height}")]
    FrameSize {
        /// Its place in the batch, from 0.
        index: usize,
        /// Its pixels a row.
        width: u32,
        /// Its rows.
        height: u32,
        /// The graph's pixels a row.
        expected_width: u32,
        /// The graph's rows.
        expected_height: u32,
    },
    /// The computation failed.
    #[error("ONNX Runtime failed: {reason}")]
    Run {
        /// Its words.
        reason: String,
    },
    /// The graph gave something that is no judgement.
    #[error("the {map} map of frame {index} has a value that is no number")]
    NotFinite {
        /// Which map.
        map: &'static str,
        /// The frame's place in the batch, from 0.
        index: usize,
    },
}

/// The anomaly maps of a batch, before quantile normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct RawMaps {
    /// `A_s`, `[count, height, width]`.
    pub structural: Vec<f32>,
    /// `A_g`, `[count, height, width]`.
    pub logical: Vec<f32>,
    /// Frames in the batch.
    pub count: usize,
    /// Cells a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl RawMaps {
    /// The structural and the logical map of each frame, in the batch's order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = (&[f32], &[f32])> {
        let cells = self.width * self.height;
        self.structural
            .chunks_exact(cells)
            .zip(self.logical.chunks_exact(cells))
    }
}

/// A bundle's graph, ready to run. It keeps its buffers between runs: one owner, one run at a time.
#[derive(Debug)]
pub struct Engine {
    session: Session,
    frame_size: [u32; 2],
    map_size: [u32; 2],
    batch: Vec<u8>,
}

impl Engine {
    /// Loads the graph of `bundle`.
    ///
    /// # Errors
    /// When ONNX Runtime or the provider is not there, or the graph is not what the manifest says.
    pub fn load(bundle: &Bundle, options: &EngineOptions) -> Result<Self, EngineError> {
        let manifest = bundle.manifest();
        let session = Session::load(bundle.graph(), options)?;
        check_ports(&session, manifest)?;
        Ok(Self {
            session,
            frame_size: [manifest.input.width, manifest.input.height],
            map_size: [manifest.maps.width, manifest.maps.height],
            batch: Vec::new(),
        })
    }

    /// The maps of `frames`, each exactly of the manifest's input size.
    ///
    /// # Errors
    /// When there is no frame, one has another size, or the computation fails.
    pub fn run(&mut self, frames: &[&Frame]) -> Result<RawMaps, EngineError> {
        self.check_frames(frames)?;
        self.batch.clear();
        for frame in frames {
            self.batch.extend_from_slice(frame.rgb());
        }
        let [width, height] = self.frame_size.map(i64::from);
        let shape = [frames.len() as i64, height, width, CHANNELS as i64];
        let input = Elements::U8(&self.batch);
        let [structural, logical] = self.session.run(&shape, input, ["structural", "logical"])?;
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

    /// Takes the two outputs for maps if they are of the right size and all numbers.
    fn maps(
        &self,
        count: usize,
        structural: Tensor,
        logical: Tensor,
    ) -> Result<RawMaps, EngineError> {
        let [width, height] = self.map_size.map(|side| side as usize);
        let cells = width * height;
        for (map, tensor) in [("structural", &structural), ("logical", &logical)] {
            if tensor.shape != [count as i64, height as i64, width as i64] {
                return Err(EngineError::Run {
                    reason: format!(
                        "the {map} maps of {count} frames have the shape {:?}",
                        tensor.shape
                    ),
                });
            }
            if let Some(cell) = tensor.elements.iter().position(|value| !value.is_finite()) {
                let index = cell / cells;
                return Err(EngineError::NotFinite { map, index });
            }
        }
        Ok(RawMaps {
            structural: structural.elements,
            logical: logical.elements,
            count,
            width,
            height,
        })
    }

    /// Where the graph runs: `cpu`, `cuda` or `openvino`.
    pub fn provider(&self) -> &'static str {
        self.session.provider().name()
    }

    /// Version of ONNX Runtime.
    pub fn version(&self) -> &str {
        self.session.version()
    }
}

/// Compares the graph's inputs and outputs with the manifest's sizes.
fn check_ports(session: &Session, manifest: &Manifest) -> Result<(), EngineError> {
    let (input, maps) = (&manifest.input, &manifest.maps);
    let port = |name: &str, element: &str, shape: &[u32]| Port {
        name: name.to_owned(),
        element: element.to_owned(),
        // Free in the batch.
        shape: std::iter::once(-1)
            .chain(shape.iter().copied().map(i64::from))
            .collect(),
    };
    let map_shape = [maps.height, maps.width];
    let frame = port("frame", "u8", &[input.height, input.width, CHANNELS as u32]);
    let outputs = ["structural", "logical"].map(|name| port(name, "f32", &map_shape));
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
