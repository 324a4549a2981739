//! `inspectd bench`: compares the whole pipeline with a bare ONNX Runtime loop on the same graph, input and
//! threads, alternating between them. Each runs in its own process, so that its memory can be measured.

// Benchmarks measure the real time.
#![allow(clippy::disallowed_methods)]

mod bare_loop;
mod fixtures;
mod journal;
mod pipeline;
mod stored_journal;
mod streams;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use inspectd_core::bundle::Bundle;
use inspectd_core::precision::Precision;
use inspectd_core::score::quantile_sorted;
use serde::{Deserialize, Serialize};

pub use bare_loop::{BareLoopArguments, run as run_bare_loop};
pub use journal::{JournalArguments, run as run_journal};
pub use streams::{StreamsArguments, run as run_streams};

/// Arguments of the benchmark.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model bundle
    #[arg(long, value_name = "FOLDER", default_value = "models/demo")]
    bundle: PathBuf,
    /// Frames of a throughput measurement
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=100_000))]
    frames: u32,
    /// Rounds; each measures the bare loop and the pipeline
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Frames of the latency measurement, paced so that none waits for another
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    latency_frames: u32,
    /// Threads of an inference run; 0 for all cores
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Precision of the bundle's graph, as `engine.precision`
    #[arg(long, value_enum, default_value_t = GraphChoice::Auto)]
    precision: GraphChoice,
    /// Cameras of the pipeline; the frames of a throughput measurement are those of all cameras
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    cameras: u32,
    /// Width of the frames of the latency measurement, pixels
    #[arg(long, default_value_t = 1280, value_parser = clap::value_parser!(u32).range(32..=16_384))]
    width: u32,
    /// Height of the frames of the latency measurement, pixels
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(32..=16_384))]
    height: u32,
    /// Print a JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// The graph of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum GraphChoice {
    /// The fastest one on a CPU
    Auto,
    /// 32-bit floats
    F32,
    /// 8-bit integers
    Int8,
}

impl GraphChoice {
    /// The name, as in `engine.precision`.
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }

    /// Opens a bundle with this graph.
    fn open(self, bundle: &Path) -> Result<Bundle> {
        let wanted: &[Precision] = match self {
            Self::Auto => &[Precision::Int8, Precision::F32],
            Self::F32 => &[Precision::F32],
            Self::Int8 => &[Precision::Int8],
        };
        Ok(Bundle::open_in(bundle, wanted)?)
    }
}

/// Result of one throughput measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Throughput {
    /// Frames per second.
    frames_per_second: f64,
    /// Median inference time, milliseconds.
    inference_ms: f64,
    /// Resident memory at the end, MiB.
    resident_mib: f64,
}

/// Result of the latency measurement: times from capture to receipt by a client, milliseconds.
#[derive(Clone, Debug, Serialize)]
struct Latency {
    frames: usize,
    frames_per_second: f64,
    total_ms_p50: f64,
    inference_ms_p50: f64,
    /// The total minus the inference time of each frame.
    beyond_inference_ms_p50: f64,
    beyond_inference_ms_p99: f64,
    beyond_inference_ms_max: f64,
    /// Medians of the stages.
    preprocess_ms_p50: f64,
    judge_ms_p50: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    bundle: String,
    /// Precision of the graph.
    precision: Precision,
    cameras: u32,
    frame_size: [u32; 2],
    threads: usize,
    bare: Vec<Throughput>,
    line: Vec<Throughput>,
    /// Frames per second of the pipeline divided by those of the bare loop, median of the rounds.
    throughput_ratio: f64,
    /// Resident memory of the pipeline minus that of the bare loop, maximum of the rounds, MiB.
    extra_resident_mib: f64,
    latency: Latency,
}

/// Runs the benchmark and prints its report.
///
/// # Errors
/// When the bundle is not usable, or a measured process fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let (input, precision) = graph(arguments)?;
    // For throughput the camera delivers the size that the model takes, as in the bare loop; for latency
    // a typical camera size.
    let small = pipeline::Scene::make(input[0], input[1])?;
    let typical = pipeline::Scene::make(arguments.width, arguments.height)?;
    let (mut bare_sides, mut line_sides) = (Vec::new(), Vec::new());
    for round in 1..=arguments.rounds {
        eprintln!("bench: round {round} of {}: bare loop", arguments.rounds);
        bare_sides.push(bare_loop::measure(arguments)?);
        eprintln!("bench: round {round} of {}: pipeline", arguments.rounds);
        line_sides.push(small.throughput(arguments)?);
    }
    // Half as slow again as the model: a frame never finds the engine busy with the previous one.
    let inference_ms = median(line_sides.iter().map(|side| side.inference_ms));
    let fps = 1000.0 / (inference_ms * 1.5 + 10.0);
    eprintln!(
        "bench: latency of {} frames at {fps:.2} frames/s",
        arguments.latency_frames
    );
    let latency = typical.latency(arguments, fps)?;
    let rounds = bare_sides.iter().zip(&line_sides);
    let ratios = rounds
        .clone()
        .map(|(bare, line)| line.frames_per_second / bare.frames_per_second);
    let extra = rounds.map(|(bare, line)| line.resident_mib - bare.resident_mib);
    let report = Report {
        bundle: arguments.bundle.display().to_string(),
        precision,
        cameras: arguments.cameras,
        frame_size: [arguments.width, arguments.height],
        threads: arguments.threads,
        throughput_ratio: median(ratios),
        extra_resident_mib: extra.fold(f64::NEG_INFINITY, f64::max),
        bare: bare_sides,
        line: line_sides,
        latency,
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

/// Returns the input size of the bundle's model, and the precision of its graph.
fn graph(arguments: &Arguments) -> Result<([u32; 2], Precision)> {
    let bundle = arguments.precision.open(&arguments.bundle)?;
    let manifest = bundle.manifest();
    let input = [manifest.input.width, manifest.input.height];
    Ok((input, manifest.graph.precision))
}

fn print(report: &Report) {
    println!("| round | bare frames/s | pipeline frames/s | ratio | bare MiB | pipeline MiB |");
    println!("|---|---|---|---|---|---|");
    for (round, (bare, line)) in report.bare.iter().zip(&report.line).enumerate() {
        println!(
            "| {} | {:.2} | {:.2} | {:.3} | {:.0} | {:.0} |",
            round + 1,
            bare.frames_per_second,
            line.frames_per_second,
            line.frames_per_second / bare.frames_per_second,
            bare.resident_mib,
            line.resident_mib
        );
    }
    let latency = &report.latency;
    println!(
        "\nthroughput: {:.3} of the bare loop; memory: {:+.0} MiB",
        report.throughput_ratio, report.extra_resident_mib
    );
    println!(
        "capture to receipt beyond inference, {} frames of {}x{} at {:.2} frames/s: \
         p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        latency.frames,
        report.frame_size[0],
        report.frame_size[1],
        latency.frames_per_second,
        latency.beyond_inference_ms_p50,
        latency.beyond_inference_ms_p99,
        latency.beyond_inference_ms_max
    );
    println!(
        "thereof p50: preprocess {:.2} ms, judge {:.2} ms; inference {:.2} ms, total {:.2} ms",
        latency.preprocess_ms_p50,
        latency.judge_ms_p50,
        latency.inference_ms_p50,
        latency.total_ms_p50
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values.collect(), 0.5)
}

/// Returns a quantile of the values; 0 if there are none.
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    quantile_sorted(&values, q)
}

/// Returns the resident memory of a process, MiB.
fn resident_mib(process: u32) -> Result<f64> {
    let file = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&file).with_context(|| file.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    match kib {
        Some(kib) => Ok(kib / 1024.0),
        None => bail!("{file} does not contain the resident memory"),
    }
}
