//! A loaded and warmed model bundle.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use inspectd_core::bundle::{Bundle, BundleError};
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_core::manifest::Manifest;
use inspectd_core::maps::{MapCalibration, MapSize};
use inspectd_core::record::ModelId;
use inspectd_engine::{Engine, EngineError, EngineOptions, Provider};
use parking_lot::{Mutex, MutexGuard};
use thiserror::Error;

use super::remote::{self, Probe, RemoteEngine, RemoteError};
use crate::clock::{Clock, SystemClock};
use crate::config::settings::{self, Precision, ProviderChoice};

/// Runs of each batch size before a model counts as warm: the first allocates, the second finds everything
/// allocated.
const WARM_UP_RUNS: usize = 2;

/// Why a model cannot be loaded.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The bundle is not valid.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// ONNX Runtime or the execution provider is not available.
    #[error(transparent)]
    Runtime(EngineError),
    /// The bundle is not the one that was loaded.
    #[error("{bundle}: was changed since it was loaded")]
    Changed {
        /// The bundle's folder.
        bundle: String,
    },
    /// The server that is to run the model cannot be used as configured.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// ONNX Runtime rejects the graph.
    #[error("{}: {source}", .bundle)]
    Engine {
        /// The bundle's folder.
        bundle: String,
        /// The reason.
        source: EngineError,
    },
}

impl ModelError {
    /// The configuration key that the error is about.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Runtime(_) => "engine",
            Self::Remote(_) => "engine.remote",
            Self::Bundle(_) | Self::Changed { .. } | Self::Engine { .. } => "model.bundle",
        }
    }
}

/// What a run of the model says about the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunOutcome {
    /// It works.
    Succeeded,
    /// Nothing: one of several frames has non-finite maps, and the others are run again.
    Repeated,
    /// No frame of a batch has finite maps.
    NotFinite {
        /// Whether the last frame is an image that a client sent.
        of_client: bool,
    },
    /// The run failed.
    Failed,
}

/// What ran a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RanOn {
    /// The local engine.
    Local,
    /// The server of `engine.remote`.
    Server,
}

/// A model that is loaded and warm.
#[derive(Debug)]
pub struct Model {
    /// Identity.
    pub id: ModelId,
    /// The manifest of its bundle.
    pub manifest: Manifest,
    /// Width and height of its input.
    pub input: [u32; 2],
    /// Size of its maps.
    pub map_size: MapSize,
    /// Normalisation and weights that combine its maps.
    pub calibration: MapCalibration,
    /// The threshold of its bundle.
    pub threshold: f32,
    /// The execution provider of the local engine.
    pub provider: &'static str,
    /// The server that runs it too, if one is configured.
    pub remote: Option<RemoteEngine>,
    /// Why it does not run on the configured provider; `None` if it does.
    pub fallback_reason: Option<String>,
    /// Version of ONNX Runtime.
    pub runtime_version: String,
    /// The batch sizes that it was warmed for, ascending from 1.
    batch_sizes: Vec<usize>,
    /// The folder of its bundle.
    folder: PathBuf,
    /// Only the inspector runs it; it is locked because the model is shared.
    engine: Mutex<Engine>,
    /// Runs that failed since the last one that succeeded.
    failed_runs: AtomicU64,
    /// Time of a run on the local engine, by batch size.
    local_times: Mutex<BTreeMap<usize, Duration>>,
    /// What the last run ran on: 0 for none, 1 for the local engine, 2 for the server.
    last_run: AtomicU8,
}

impl Model {
    /// Loads a bundle and runs it until it is warm.
    ///
    /// # Errors
    /// When ONNX Runtime or the provider is not available (and a fallback is not allowed), or the graph fails
    /// on a grey frame.
    pub fn load(bundle: &Bundle, settings: &settings::Engine) -> Result<Self, ModelError> {
        let name = bundle.dir().display().to_string();
        let manifest = bundle.manifest();
        let failed = |source| match source {
            EngineError::Library(_) | EngineError::Provider { .. } => ModelError::Runtime(source),
            _ => ModelError::Engine {
                bundle: name.clone(),
                source,
            },
        };
        let (mut engine, fallback_reason) = start(bundle, settings).map_err(failed)?;
        let batch_sizes = batch_sizes(settings.batch_limit);
        let input = [manifest.input.width, manifest.input.height];
        let local_times = warm_up(&mut engine, input, &batch_sizes).map_err(failed)?;
        let remote = RemoteEngine::start(&settings.remote, manifest, &batch_sizes, || {
            Probe::new(&mut engine, input).map_err(failed)
        })?;
        Ok(Self {
            id: manifest.model_id(),
            manifest: manifest.clone(),
            input,
            map_size: manifest.map_size(),
            calibration: manifest.maps.calibration(),
            threshold: manifest.threshold.value,
            provider: engine.provider(),
            remote,
            fallback_reason,
            runtime_version: engine.version().to_owned(),
            batch_sizes,
            folder: bundle.dir().to_owned(),
            engine: Mutex::new(engine),
            failed_runs: AtomicU64::new(0),
            local_times: Mutex::new(local_times),
            last_run: AtomicU8::new(0),
        })
    }

    /// The engine, for one run.
    pub fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// Counts a run that succeeded.
    pub fn run_succeeded(&self) {
        self.failed_runs.store(0, Ordering::Relaxed);
    }

    /// Counts a run that failed. Returns the number of runs that failed since the last one that succeeded.
    pub fn run_failed(&self) -> u64 {
        self.failed_runs.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes what a run ran on.
    pub(super) fn note_run(&self, on: RanOn) {
        let code = match on {
            RanOn::Local => 1,
            RanOn::Server => 2,
        };
        self.last_run.store(code, Ordering::Relaxed);
    }

    /// The provider of the last run; before the first one, that of the next.
    pub fn provider_in_use(&self) -> &'static str {
        let is_server = match (self.last_run.load(Ordering::Relaxed), &self.remote) {
            (0, Some(remote)) => remote.is_used(),
            (code, _) => code == 2,
        };
        if is_server {
            remote::PROVIDER
        } else {
            self.provider
        }
    }

    /// Why the configured server, or the configured provider of the local engine, is not in use.
    pub fn fallback_reasons(&self) -> Option<String> {
        let server = self.remote.as_ref().and_then(RemoteEngine::unused_reason);
        let reasons: Vec<String> = server
            .into_iter()
            .chain(self.fallback_reason.clone())
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Notes the time of a run of the local engine. A longer one counts at once, a shorter one by and by.
    pub(super) fn note_local_run(&self, count: usize, time: Duration) {
        let mut times = self.local_times.lock();
        let known = times.entry(count).or_insert(time);
        *known = time.max((*known * 7 + time) / 8);
    }

    /// Time that the local engine needs for this many frames.
    pub(super) fn local_time(&self, count: usize) -> Duration {
        let times = self.local_times.lock();
        let larger = times.range(count..).next();
        let time = larger.or_else(|| times.last_key_value());
        time.map_or(Duration::ZERO, |(_, time)| *time)
    }

    /// Replaces the session by a new one of the same graph, after the old one has failed.
    ///
    /// # Errors
    /// When the bundle was changed, or the new session fails as well.
    pub fn renew(&self, settings: &settings::Engine) -> Result<(), ModelError> {
        let bundle = Bundle::open_in(&self.folder, &[self.id.precision])?;
        if *bundle.manifest() != self.manifest {
            return Err(ModelError::Changed {
                bundle: self.folder.display().to_string(),
            });
        }
        let failed = |source| ModelError::Engine {
            bundle: self.folder.display().to_string(),
            source,
        };
        let (mut engine, _) = start(&bundle, settings).map_err(failed)?;
        warm_up(&mut engine, self.input, &self.batch_sizes).map_err(failed)?;
        *self.engine.lock() = engine;
        Ok(())
    }

    /// Number of the `waiting` frames to run together: the largest warmed batch size that fits.
    pub fn batch_size(&self, waiting: usize) -> usize {
        let fits = self.batch_sizes.iter().rfind(|&&size| size <= waiting);
        fits.copied().unwrap_or(1)
    }
}

/// Loads an engine on the configured provider; on the CPU, with the reason, where a fallback is allowed.
fn start(
    bundle: &Bundle,
    settings: &settings::Engine,
) -> Result<(Engine, Option<String>), EngineError> {
    let mut options = EngineOptions {
        threads: settings.threads,
        provider: provider(settings),
        library: settings.library.clone(),
    };
    match Engine::load(bundle, &options) {
        Err(error @ EngineError::Provider { .. }) if settings.allow_fallback => {
            options.provider = Provider::Cpu;
            Ok((Engine::load(bundle, &options)?, Some(error.to_string())))
        }
        engine => Ok((engine?, None)),
    }
}

fn provider(settings: &settings::Engine) -> Provider {
    match settings.provider {
        ProviderChoice::Cpu => Provider::Cpu,
        ProviderChoice::Cuda => Provider::Cuda {
            device_id: settings.device_id,
            tf32: settings.precision == Precision::Tf32,
            memory_limit: settings.memory_limit,
        },
        ProviderChoice::OpenVino => Provider::OpenVino {
            bf16: settings.precision == Precision::Bf16,
        },
    }
}

/// The powers of two below the limit, and the limit. Each size costs a warm-up and, on a GPU, memory.
fn batch_sizes(limit: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = std::iter::successors(Some(1), |size| Some(size * 2))
        .take_while(|&size| size < limit)
        .collect();
    sizes.push(limit.max(1));
    sizes
}

/// Runs batches of all sizes. Returns the time of the last run of each.
fn warm_up(
    engine: &mut Engine,
    input: [u32; 2],
    sizes: &[usize],
) -> Result<BTreeMap<usize, Duration>, EngineError> {
    let mut times = BTreeMap::new();
    let bytes = input[0] as usize * input[1] as usize * CHANNELS;
    let grey =
        Frame::new(input[0], input[1], vec![128; bytes]).expect("a manifest's input has an area");
    for &size in sizes {
        for _ in 0..WARM_UP_RUNS {
            let began = SystemClock.now().monotonic;
            engine.run(&vec![&grey; size])?;
            let ended = SystemClock.now().monotonic;
            times.insert(size, ended.saturating_duration_since(began));
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_sizes_are_powers_of_two_and_the_limit() {
        let check = |limit, expected: &[usize]| assert_eq!(batch_sizes(limit), expected);
        check(1, &[1]);
        check(2, &[1, 2]);
        check(6, &[1, 2, 4, 6]);
        check(8, &[1, 2, 4, 8]);
    }
}
