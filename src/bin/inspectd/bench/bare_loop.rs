//! The bare loop: runs only the graph in ONNX Runtime, repeatedly on one input.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use inspectd_engine::{Elements, EngineOptions, Session};
use inspectd_simulator::Feed;

use super::{Arguments, GraphChoice, Throughput, median, resident_mib};

/// Number of runs before the measurement.
const WARM_UP: u32 = 3;

/// Arguments of the bare loop, which `inspectd bench` starts.
#[derive(Debug, Args)]
pub struct BareLoopArguments {
    #[arg(long)]
    bundle: PathBuf,
    #[arg(long)]
    frames: u32,
    #[arg(long)]
    threads: usize,
    #[arg(long, value_enum)]
    precision: GraphChoice,
}

/// Runs the loop and prints one JSON object.
///
/// # Errors
/// When the bundle or ONNX Runtime is not usable.
pub fn run(arguments: &BareLoopArguments) -> Result<()> {
    let bundle = arguments.precision.open(&arguments.bundle)?;
    let options = EngineOptions {
        threads: arguments.threads,
        ..EngineOptions::default()
    };
    let mut session = Session::load(bundle.graph(), &options)?;
    let [width, height] = [
        bundle.manifest().input.width,
        bundle.manifest().input.height,
    ];
    let has_logical = bundle.manifest().maps.logical.is_some();
    drop(bundle);
    let shape = [1, i64::from(height), i64::from(width), 3];
    // A part, as the pipeline's camera sees it.
    let part = Feed::new(1, 0.0).at(0).0;
    let input = part.render(width, height).into_rgb();
    let mut step = || {
        let started = Instant::now();
        let input = Elements::U8(&input);
        if has_logical {
            session.run(&shape, input, ["structural", "logical"])?;
        } else {
            session.run(&shape, input, ["structural"])?;
        }
        Ok::<_, inspectd_engine::EngineError>(started.elapsed().as_secs_f64() * 1e3)
    };
    for _ in 0..WARM_UP {
        step()?;
    }
    let started = Instant::now();
    let times = (0..arguments.frames)
        .map(|_| step())
        .collect::<Result<Vec<f64>, _>>()?;
    let throughput = Throughput {
        frames_per_second: f64::from(arguments.frames) / started.elapsed().as_secs_f64(),
        inference_ms: median(times.into_iter()),
        resident_mib: resident_mib(std::process::id())?,
    };
    println!("{}", serde_json::to_string(&throughput)?);
    Ok(())
}

/// Runs the loop in its own process.
pub(super) fn measure(arguments: &Arguments) -> Result<Throughput> {
    let output = Command::new(std::env::current_exe()?)
        .arg("bench-bare")
        .arg("--bundle")
        .arg(&arguments.bundle)
        .args(["--frames", &arguments.frames.to_string()])
        .args(["--threads", &arguments.threads.to_string()])
        .args(["--precision", arguments.precision.name()])
        .output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the bare loop failed: {log}");
    serde_json::from_slice(&output.stdout).context("the output of the bare loop")
}
