//! A graph loaded in ONNX Runtime, and the process-wide state of ONNX Runtime.

use std::path::PathBuf;

use ort::environment::Environment;
use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider};
use ort::session::builder::SessionBuilder;
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef};
use parking_lot::Mutex;

use super::library::{self, LibraryError};
use super::{EngineError, EngineOptions, Provider};

/// The loaded ONNX Runtime. It stays loaded until the process exits, because `ort` allows one environment per
/// process.
#[derive(Clone)]
struct Runtime {
    library: PathBuf,
    version: String,
    environment: Environment,
}

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

fn runtime(options: &EngineOptions) -> Result<Runtime, EngineError> {
    let path = library::resolve(options.library.as_deref());
    let mut loaded = RUNTIME.lock();
    if let Some(runtime) = loaded.as_ref() {
        if runtime.library == path {
            return Ok(runtime.clone());
        }
        let loaded = runtime.library.clone();
        return Err(LibraryError::AlreadyLoaded { path, loaded }.into());
    }
    let version = library::version(&path)?;
    let builder = ort::init_from(&path).map_err(|error| LibraryError::Open {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    // No data leaves the machine.
    let environment = builder.with_telemetry(false).build().map_err(rejected)?;
    let runtime = Runtime {
        library: path,
        version,
        environment,
    };
    Ok(loaded.insert(runtime).clone())
}

fn rejected(error: impl std::fmt::Display) -> EngineError {
    EngineError::Rejected {
        reason: error.to_string(),
    }
}

/// A loaded graph of any kind.
pub struct Session {
    graph: OrtSession,
    version: String,
    provider: Provider,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name.
    pub name: String,
    /// Element type: `u8`, `f32`, or ONNX Runtime's name of another type.
    pub element: String,
    /// Shape; -1 for a free dimension.
    pub shape: Vec<i64>,
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}{:?}", self.name, self.element, self.shape)
    }
}

/// Elements of an input tensor, row-major.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Bytes.
    U8(&'a [u8]),
    /// 32-bit floats.
    F32(&'a [f32]),
}

/// An output tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Shape, outermost dimension first.
    pub shape: Vec<i64>,
    /// Elements; their number is the product of the shape.
    pub elements: Vec<f32>,
}

impl Session {
    /// Loads `graph`, the bytes of an ONNX file.
    ///
    /// # Errors
    /// When ONNX Runtime or the execution provider is not available, or ONNX Runtime rejects the graph.
    pub fn load(graph: &[u8], options: &EngineOptions) -> Result<Self, EngineError> {
        let runtime = runtime(options)?;
        let mut builder = builder(&runtime.environment, options)?;
        Ok(Self {
            graph: builder.commit_from_memory(graph).map_err(rejected)?,
            version: runtime.version,
            provider: options.provider,
        })
    }

    /// Returns the inputs of the graph.
    pub fn inputs(&self) -> Vec<Port> {
        self.graph.inputs().iter().map(port).collect()
    }

    /// Returns the outputs of the graph.
    pub fn outputs(&self) -> Vec<Port> {
        self.graph.outputs().iter().map(port).collect()
    }

    /// Computes the outputs `names` (all f32) from the only input, `input` with the shape `shape`.
    ///
    /// # Errors
    /// When the input does not match the graph, an output does not exist, or inference fails.
    ///
    /// # Panics
    /// Never: there is one tensor for each name.
    pub fn run<const N: usize>(
        &mut self,
        shape: &[i64],
        input: Elements<'_>,
        names: [&str; N],
    ) -> Result<[Tensor; N], EngineError> {
        let tensors = self.run_named(shape, input, &names)?;
        Ok(tensors.try_into().expect("one tensor for each name"))
    }

    /// As [`Self::run`], for names that are known only at run time. The tensors are in the order of the names.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn run_named(
        &mut self,
        shape: &[i64],
        input: Elements<'_>,
        names: &[&str],
    ) -> Result<Vec<Tensor>, EngineError> {
        let failed = |error: ort::Error| EngineError::Run {
            reason: error.to_string(),
        };
        let input = match input {
            Elements::U8(bytes) => {
                TensorRef::from_array_view((shape, bytes)).map(SessionInputValue::from)
            }
            Elements::F32(values) => {
                TensorRef::from_array_view((shape, values)).map(SessionInputValue::from)
            }
        };
        let outputs = self.graph.run([input.map_err(failed)?]).map_err(failed)?;
        let tensor = |name: &str| -> Result<Tensor, EngineError> {
            let value = outputs.get(name).ok_or_else(|| EngineError::Run {
                reason: format!("the graph does not have an output {name}"),
            })?;
            let (shape, elements) = value.try_extract_tensor::<f32>().map_err(failed)?;
            Ok(Tensor {
                shape: shape.to_vec(),
                elements: elements.to_vec(),
            })
        };
        names.iter().copied().map(tensor).collect()
    }

    /// Returns the version of ONNX Runtime.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the execution provider.
    pub fn provider(&self) -> Provider {
        self.provider
    }
}

fn builder(
    environment: &Environment,
    options: &EngineOptions,
) -> Result<SessionBuilder, EngineError> {
    let threads = match options.threads {
        // Not ONNX Runtime's default, which ignores the CPU limit of a cgroup.
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let builder = OrtSession::builder(environment).map_err(rejected)?;
    let builder = builder.with_intra_threads(threads).map_err(rejected)?;
    // Flushes subnormal floats to zero in the threads of the pool, and in the thread that creates the first
    // session of the process: five times faster for a graph with many subnormal values.
    let builder = builder.with_flush_to_zero().map_err(rejected)?;
    let Some(provider) = execution_provider(options.provider, threads) else {
        return Ok(builder);
    };
    // Without this, ONNX Runtime falls back to the CPU if a GPU is missing, and only logs it.
    builder
        .with_execution_providers([provider.error_on_failure()])
        .map_err(|error| EngineError::Provider {
            provider: options.provider.name(),
            reason: error.to_string(),
        })
}

/// Returns the execution provider to request; `None` for the CPU, which is the default.
fn execution_provider(provider: Provider, threads: usize) -> Option<ep::ExecutionProviderDispatch> {
    match provider {
        Provider::Cpu => None,
        Provider::Cuda {
            device_id,
            tf32,
            memory_limit,
        } => {
            let cuda = ep::CUDA::default()
                .with_device_id(device_id)
                .with_tf32(tf32);
            Some(match memory_limit {
                Some(bytes) => cuda.with_memory_limit(bytes).build(),
                None => cuda.build(),
            })
        }
        Provider::OpenVino { bf16 } => {
            let precision = if bf16 { "bf16" } else { "f32" };
            // The value is the JSON itself, although the documentation says that it is a file.
            let config = format!(
                r#"{{"CPU":{{"INFERENCE_PRECISION_HINT":"{precision}","INFERENCE_NUM_THREADS":{threads}}}}}"#
            );
            Some(
                ep::OpenVINO::default()
                    .with_device_type("CPU")
                    .with_arbitrary_config("load_config", config)
                    .build(),
            )
        }
    }
}

fn port(outlet: &Outlet) -> Port {
    let dtype = outlet.dtype();
    let element = match dtype.tensor_type() {
        Some(TensorElementType::Uint8) => "u8".to_owned(),
        Some(TensorElementType::Float32) => "f32".to_owned(),
        Some(other) => other.to_string(),
        None => "not a tensor".to_owned(),
    };
    Port {
        name: outlet.name().to_owned(),
        element,
        shape: dtype
            .tensor_shape()
            .map(|shape| shape.to_vec())
            .unwrap_or_default(),
    }
}
