//! `inspectd bench`: the whole line beside a bare ONNX Runtime loop on the same graph, input and
//! threads, in turns. Each side runs in a process of its own, so that its memory can be told.

mod bare_loop;
mod journal;
mod pipeline;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use inspectd_core::bundle::Bundle;
use inspectd_core::score::quantile_sorted;
use serde::{Deserialize, Serialize};

pub use bare_loop::{BareArguments, run as run_bare};
pub use journal::{JournalArguments, run as run_journal};

/// What to measure.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model bundle
    #[arg(long, value_name = "FOLDER", default_value = "models/demo")]
    bundle: PathBuf,
    /// Frames of a round's throughput
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=100_000))]
    frames: u32,
    /// Rounds of bare loop and line, one after the other
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Frames of the latency's run, which are paced so that none waits for another
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    latency_frames: u32,
    /// Threads of a run of the model; 0 for all cores
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Width of the frames of the latency's run, pixels
    #[arg(long, default_value_t = 1280, value_parser = clap::value_parser!(u32).range(32..=16_384))]
    width: u32,
    /// Height of the frames of the latency's run, pixels
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(32..=16_384))]
    height: u32,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// One side of a round.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Side {
    /// Frames a second.
    frames_per_second: f64,
    /// Median time of the model's run, milliseconds.
    inference_ms: f64,
    /// Resident memory at the end, MiB.
    resident_mib: f64,
}

/// The times of the latency's run, from a frame's capture to a client's receipt, milliseconds.
#[derive(Clone, Debug, Serialize)]
struct Latency {
    frames: usize,
    frames_per_second: f64,
    total_ms_p50: f64,
    inference_ms_p50: f64,
    /// The total less the model's run, frame by frame.
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
    frame_size: [u32; 2],
    threads: usize,
    bare: Vec<Side>,
    line: Vec<Side>,
    /// The line's frames a second over the bare loop's, median of the rounds.
    throughput_ratio: f64,
    /// The line's resident memory less the bare loop's, largest of the rounds, MiB.
    extra_resident_mib: f64,
    latency: Latency,
}

/// Measures, and prints what came out.
///
/// # Errors
/// When the bundle is not usable, or a process does not do as it is told.
pub fn run(arguments: &Arguments) -> Result<()> {
    let input = input(&arguments.bundle)?;
    // The throughput's camera gives what the bare loop takes; the latency's is a usual one.
    let small = pipeline::Scene::make(input[0], input[1])?;
    let usual = pipeline::Scene::make(arguments.width, arguments.height)?;
    let (mut bare_sides, mut line_sides) = (Vec::new(), Vec::new());
    for round in 1..=arguments.rounds {
        eprintln!("bench: round {round} of {}: bare loop", arguments.rounds);
        bare_sides.push(bare_loop::measure(arguments)?);
        eprintln!("bench: round {round} of {}: line", arguments.rounds);
        line_sides.push(small.throughput(arguments)?);
    }
    // Slower than the model by half: a frame never finds the engine busy with the one before.
    let inference_ms = median(line_sides.iter().map(|side| side.inference_ms));
    let fps = 1000.0 / (inference_ms * 1.5 + 10.0);
    eprintln!(
        "bench: latency of {} frames at {fps:.2} frames/s",
        arguments.latency_frames
    );
    let latency = usual.latency(arguments, fps)?;
    let rounds = bare_sides.iter().zip(&line_sides);
    let ratios = rounds
        .clone()
        .map(|(bare, line)| line.frames_per_second / bare.frames_per_second);
    let extra = rounds.map(|(bare, line)| line.resident_mib - bare.resident_mib);
    let report = Report {
        bundle: arguments.bundle.display().to_string(),
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

/// The size of the frames that a bundle's model takes.
fn input(bundle: &Path) -> Result<[u32; 2]> {
    let bundle = Bundle::open(bundle)?;
    let input = &bundle.manifest().input;
    Ok([input.width, input.height])
}

fn print(report: &Report) {
    println!("| round | bare frames/s | line frames/s | ratio | bare MiB | line MiB |");
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
        "of it p50: preprocess {:.2} ms, judge {:.2} ms; inference {:.2} ms, total {:.2} ms",
        latency.preprocess_ms_p50,
        latency.judge_ms_p50,
        latency.inference_ms_p50,
        latency.total_ms_p50
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values.collect(), 0.5)
}

/// The quantile of some values; 0 of none.
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    quantile_sorted(&values, q)
}

/// Resident memory of a process, MiB.
fn resident_mib(process: u32) -> Result<f64> {
    let file = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&file).with_context(|| file.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    match kib {
        Some(kib) => Ok(kib / 1024.0),
        None => bail!("{file} does not tell the resident memory"),
    }
}
