//! The device to compute on, with the same words in every command: `auto`, `cpu`, `cuda` or `cuda:N`.

use anyhow::{Context, Result, ensure};
use inspectd_core::bundle::Bundle;
use inspectd_engine::{Engine, EngineOptions, Provider};
use tch::Device;
use thiserror::Error;

use crate::torch;

/// A device on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU if there is one, or else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU with this index.
    Cuda(u16),
}

/// A text that is not a device.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("device {0}: must be auto, cpu, cuda or cuda:N")]
pub struct DeviceError(String);

impl std::str::FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| DeviceError(text.to_owned())),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// The device of libtorch.
    ///
    /// # Errors
    /// When the GPU is not available.
    pub fn libtorch(self) -> Result<Device> {
        torch::flush_denormals();
        let available = self != Self::Cpu && torch::open_cuda();
        // The default of libtorch rounds the factors of convolutions on a GPU to 10 bits. A training may allow it.
        torch::allow_tf32(false);
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => Ok(Device::cuda_if_available()),
            Self::Cuda(index) => {
                ensure!(
                    available,
                    "device {self}: no CUDA device found; libtorch_cuda.so of PyTorch {} must be on LD_LIBRARY_PATH",
                    torch::VERSION
                );
                let count = tch::Cuda::device_count();
                ensure!(
                    i64::from(index) < count,
                    "device {self}: only {count} CUDA devices found"
                );
                Ok(Device::Cuda(index.into()))
            }
        }
    }

    /// Loads `bundle` into ONNX Runtime on this device.
    ///
    /// # Errors
    /// When the bundle or the device cannot be used.
    pub fn engine(self, bundle: &Bundle) -> Result<Engine> {
        let load = |provider| {
            let options = EngineOptions {
                provider,
                ..EngineOptions::default()
            };
            Engine::load(bundle, &options)
        };
        match self {
            Self::Cpu => Ok(load(Provider::Cpu)?),
            Self::Cuda(index) => load(cuda(index)).with_context(|| format!("device {self}")),
            Self::Auto => match load(cuda(0)) {
                Ok(engine) => Ok(engine),
                // No GPU, or an ONNX Runtime without CUDA. A fault of the bundle occurs on the CPU, too.
                Err(_) => Ok(load(Provider::Cpu)?),
            },
        }
    }

    /// The execution provider of ONNX Runtime; the CPU for `auto`.
    pub fn provider(self) -> Provider {
        match self {
            Self::Auto | Self::Cpu => Provider::Cpu,
            Self::Cuda(index) => cuda(index),
        }
    }
}

/// Sets the number of CPU threads of libtorch: `given`, or all cores, but not more than a quota of the control group
/// allows. Returns the number for ONNX Runtime; 0 is its default, all cores.
///
/// # Errors
/// When `given` is 0.
pub fn set_threads(given: Option<u16>) -> Result<usize> {
    let threads = match given {
        Some(threads) => {
            ensure!(threads > 0, "threads = 0: must be at least 1");
            usize::from(threads)
        }
        None => quota(tch::get_num_threads()),
    };
    if threads > 0 {
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    }
    Ok(threads)
}

/// Number of threads that the quota allows if it is below `default`; 0 otherwise. libtorch and ONNX Runtime count
/// cores and do not know quotas.
fn quota(default: i32) -> usize {
    let allowed = std::thread::available_parallelism().map_or(0, usize::from);
    if usize::try_from(default).is_ok_and(|default| allowed < default) {
        allowed
    } else {
        0
    }
}

/// TF32 is off, which is the default of inspectd.
fn cuda(index: u16) -> Provider {
    Provider::Cuda {
        device_id: index.into(),
        tf32: false,
        memory_limit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_limited_only_if_fewer_are_allowed() {
        let allowed = std::thread::available_parallelism().expect("a number of cores");
        let allowed = i32::try_from(allowed.get()).expect("a small number");
        assert_eq!(quota(allowed), 0);
        assert_eq!(quota(allowed + 1), allowed as usize);
        assert!(set_threads(Some(0)).is_err());
    }

    #[test]
    fn words_are_parsed_and_written_back() {
        for (text, device) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda:0", DeviceChoice::Cuda(0)),
            ("cuda:3", DeviceChoice::Cuda(3)),
        ] {
            assert_eq!(text.parse(), Ok(device));
            assert_eq!(device.to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "1"] {
            let error = text.parse::<DeviceChoice>().expect_err(text).to_string();
            assert!(error.contains("auto, cpu, cuda or cuda:N"), "{error}");
        }
    }
}
