//! The sections of the model and its execution.

use std::path::PathBuf;
use std::time::Duration;

use inspectd_core::precision::Precision as GraphPrecision;

use super::remote::Remote;
use crate::config::field::choice;
use crate::config::group::section;
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

section! {
    /// The model that inspects frames.
    pub struct Model = "model" {
        /// Folder of the model bundle. A reload reads it again even if the path is unchanged.
        bundle: PathBuf = Key::required("bundle", Kind::Path).live(),

        /// Folder of the bundles that `inspectctl model install` installs, one subfolder each. Unset: `models` in
        /// `journal.folder`.
        #[serde(skip_serializing_if = "Option::is_none")]
        folder: Option<PathBuf> = Key::unset("folder", Kind::Path),
    }
}

choice! {
    /// Execution provider of the model.
    pub enum ProviderChoice {
        /// The CPU.
        Cpu = "cpu",
        /// An NVIDIA GPU.
        Cuda = "cuda",
        /// Intel's OpenVINO.
        OpenVino = "openvino",
    }
}

choice! {
    /// Precision of the model's computation.
    pub enum Precision {
        /// The fastest one that the bundle was calibrated for: 8 bits on a CPU if the bundle has such a graph, otherwise
        /// 32-bit floats.
        Auto = "auto",
        /// 8-bit integers. The bundle must have a graph for it.
        Int8 = "int8",
        /// 32-bit floats.
        F32 = "f32",
        /// CUDA only: factors of products are rounded to 10 bits.
        Tf32 = "tf32",
        /// OpenVINO only: bfloat16 if the CPU supports it.
        Bf16 = "bf16",
    }
}

section! {
    /// Execution of the model.
    pub struct Engine = "engine" {
        /// Execution provider of the model.
        provider: ProviderChoice =
            Key::preset("provider", Kind::Choice(ProviderChoice::WORDS), "cpu"),

        /// Whether the CPU replaces a provider that is not available. `deny`: the daemon does not start
        /// without the provider.
        allow_fallback: bool =
            Key::preset("fallback", Kind::Either { no: "deny", yes: "allow" }, "deny"),

        /// CUDA's index of the GPU.
        device_id: i32 = Key::preset("device_id", Kind::Whole(0, 63), "0"),

        /// Threads of one run on the CPU; 0 for all cores that the process may use.
        threads: usize = Key::preset("threads", Kind::Whole(0, 1024), "0"),

        /// Maximum GPU memory of CUDA's arena. Unset: unlimited. Only with `provider = "cuda"`.
        memory_limit: Option<usize> =
            Key::unset("memory_limit_mib", Kind::Whole(64, 1_048_576)).unit(Unit::Mib),

        /// Precision of the computation. `auto`: `int8` if the bundle has a graph for it and the provider is not CUDA,
        /// otherwise `f32`. A bundle has a calibration and a threshold for each of the two. `tf32` requires CUDA, `bf16`
        /// requires OpenVINO; both use the calibration of `f32`.
        precision: Precision = Key::preset("precision", Kind::Choice(Precision::WORDS), "auto"),

        /// Maximum number of frames that share a run.
        batch_limit: usize =
            Key::preset("batch_limit", Kind::Whole(1, 64), "1").unit(Unit::Plain("frames")),

        /// Time that a run waits for more frames after the first.
        batch_window: Duration =
            Key::preset("batch_window_ms", Kind::Number(0.0, 1000.0), "0").unit(Unit::Milliseconds),

        /// Shared library of ONNX Runtime. Unset: `ORT_DYLIB_PATH`, then the usual locations.
        library: Option<PathBuf> = Key::unset("library", Kind::Path),

        /// A run that takes longer counts as hung, and systemd's watchdog is no longer notified.
        hang_timeout: Duration =
            Key::preset("hang_timeout_s", Kind::Number(1.0, 600.0), "30").unit(Unit::Seconds),

        /// `[engine.remote]`: a server that runs the model.
        #[serde(skip_serializing_if = "Remote::is_unset")]
        remote: Remote => Remote,
    }
}

impl Engine {
    /// The precisions of a bundle's graph, the preferred one first.
    pub fn graph_precisions(&self) -> &'static [GraphPrecision] {
        match (self.precision, self.provider) {
            (Precision::Auto, ProviderChoice::Cuda) => &[GraphPrecision::F32, GraphPrecision::Int8],
            (Precision::Auto, _) => &[GraphPrecision::Int8, GraphPrecision::F32],
            (Precision::Int8, _) => &[GraphPrecision::Int8],
            (Precision::F32 | Precision::Tf32 | Precision::Bf16, _) => &[GraphPrecision::F32],
        }
    }
}
