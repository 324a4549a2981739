//! Inference speed of bundles (Table V of the paper): latency of one image and throughput in batches, through
//! the engine that the daemon uses, together with the cost of an image according to the graph.
//!
//! Bundles, providers and batch sizes are measured round-robin, a few runs of each per round, so that other load on a
//! shared machine affects all of them alike. Before each, the program rests: the threads of ONNX Runtime wait for more work
//! in a loop for a while after a run, and would take a core from the next case.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use inspectd_core::bundle::Bundle;
use inspectd_core::frame::Frame;
use inspectd_core::manifest::Precision;
use inspectd_core::score::quantile_sorted;
use inspectd_engine::{Engine, EngineOptions, Provider};
use prost::Message;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::graph_cost::{GraphCost, count};
use crate::export::onnx::ModelProto;

/// Timed runs of a case in a round.
const TURN: usize = 5;

/// Time after which no thread of ONNX Runtime looks for more work in a loop.
const REST: Duration = Duration::from_millis(50);

/// What to measure.
#[derive(Clone, Debug)]
pub struct InferenceBench {
    /// Batch sizes, each at least 1.
    pub batches: Vec<usize>,
    /// Execution providers with their names on the command line.
    pub providers: Vec<(String, Provider)>,
    /// Threads per inference on the CPU; 0 for all cores.
    pub threads: usize,
    /// Number of warm-up runs of each case.
    pub warm_up: usize,
    /// Number of timed runs of each case, at least 1.
    pub repeats: usize,
}

/// The result for one bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BundleSpeed {
    /// Name in the manifest.
    pub name: String,
    /// Version in the manifest.
    pub version: String,
    /// Precision of the graph.
    #[serde(default)]
    pub precision: Precision,
    /// The networks' preset.
    pub preset: String,
    /// Width and height of the input in pixels.
    pub input: [u32; 2],
    /// Cost of one image according to the graph.
    #[serde(flatten)]
    pub cost: GraphCost,
    /// Floating-point operations of the convolutions: two per multiply-accumulate.
    pub flops: u64,
    /// Floating-point operations of the matrix products, which implement resizing and means over channels in exported graphs.
    pub product_flops: u64,
    /// Timings of each provider and batch size, in the requested order.
    pub timings: Vec<Timing>,
}

/// Timed runs of one batch size on one provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Name of the provider on the command line.
    pub provider: String,
    /// Images per run.
    pub batch: usize,
    /// Duration of the median run in milliseconds.
    pub median_ms: f64,
    /// 0.05 and 0.95 quantiles of the run durations in milliseconds.
    pub p5_p95_ms: [f64; 2],
    /// Number of images divided by the total duration of all runs.
    pub images_per_second: f64,
    /// Number of timed runs.
    pub runs: usize,
}

/// Complete result, as written with `--json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InferenceSpeed {
    /// Version of ONNX Runtime.
    pub onnxruntime_version: String,
    /// Requested threads per inference; 0 for all cores.
    pub threads: usize,
    /// Number of cores available to this process.
    pub cores: usize,
    /// Number of warm-up runs of each case.
    pub warm_up: usize,
    /// Results of the bundles, in the requested order.
    pub bundles: Vec<BundleSpeed>,
}

/// A bundle on a provider with a batch size, and its timed runs.
struct BenchCase {
    bundle: usize,
    provider: String,
    engine: Engine,
    frames: Vec<Frame>,
    batch: usize,
    seconds: Vec<f64>,
}

/// Measures `bundles`. Calls `progress` with the number of completed runs of each case and the total.
///
/// # Errors
/// Returns an error if a graph has an unsupported operator, a provider is not available, or a run fails.
pub fn inference(
    bundles: &[Bundle],
    bench: &InferenceBench,
    mut progress: impl FnMut(u64, u64),
) -> Result<InferenceSpeed> {
    ensure!(bench.repeats > 0, "repeats = 0: must be at least 1");
    ensure!(
        bench.batches.iter().all(|&batch| batch > 0),
        "batch = 0: must be at least 1"
    );
    let costs = bundles.iter().map(cost).collect::<Result<Vec<_>>>()?;
    let mut cases = cases(bundles, bench)?;
    let total = (bench.warm_up + bench.repeats) as u64;
    for case in &mut cases {
        for _ in 0..bench.warm_up {
            case.run()?;
        }
    }
    progress(bench.warm_up as u64, total);
    let mut timed = 0;
    while timed < bench.repeats {
        let runs = TURN.min(bench.repeats - timed);
        for case in &mut cases {
            sleep(REST);
            // Wakes the threads.
            case.run()?;
            for _ in 0..runs {
                let seconds = case.run()?;
                case.seconds.push(seconds);
            }
        }
        timed += runs;
        progress((bench.warm_up + timed) as u64, total);
    }
    let version = cases.first().map(|case| case.engine.version().to_owned());
    let of = |(number, (bundle, cost)): (usize, (&Bundle, GraphCost))| BundleSpeed {
        name: bundle.manifest().name.clone(),
        version: bundle.manifest().version.clone(),
        precision: bundle.manifest().graph.precision,
        preset: bundle.manifest().provenance.preset.clone(),
        input: [
            bundle.manifest().input.width,
            bundle.manifest().input.height,
        ],
        cost,
        flops: cost.flops(),
        product_flops: cost.product_flops(),
        timings: cases
            .iter()
            .filter(|case| case.bundle == number)
            .map(BenchCase::timing)
            .collect(),
    };
    Ok(InferenceSpeed {
        onnxruntime_version: version.unwrap_or_default(),
        threads: bench.threads,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        warm_up: bench.warm_up,
        bundles: bundles.iter().zip(costs).enumerate().map(of).collect(),
    })
}

fn cost(bundle: &Bundle) -> Result<GraphCost> {
    let graph = || {
        bundle
            .dir()
            .join(&bundle.manifest().graph.file)
            .display()
            .to_string()
    };
    let model = ModelProto::decode(bundle.graph()).with_context(graph)?;
    count(&model).with_context(graph)
}

fn cases(bundles: &[Bundle], bench: &InferenceBench) -> Result<Vec<BenchCase>> {
    let mut cases = Vec::new();
    for (number, bundle) in bundles.iter().enumerate() {
        for (name, provider) in &bench.providers {
            for &batch in &bench.batches {
                let options = EngineOptions {
                    threads: bench.threads,
                    provider: *provider,
                    library: None,
                };
                let engine = Engine::load(bundle, &options)
                    .with_context(|| bundle.dir().display().to_string())?;
                let input = &bundle.manifest().input;
                cases.push(BenchCase {
                    bundle: number,
                    provider: name.clone(),
                    engine,
                    frames: frames(batch, input.width, input.height)?,
                    batch,
                    seconds: Vec::with_capacity(bench.repeats),
                });
            }
        }
    }
    Ok(cases)
}

/// Random frames. The duration of an inference does not depend on the image contents.
fn frames(count: usize, width: u32, height: u32) -> Result<Vec<Frame>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut frame = || {
        let mut rgb = vec![0; 3 * width as usize * height as usize];
        rng.fill_bytes(&mut rgb);
        Ok(Frame::new(width, height, rgb)?)
    };
    (0..count).map(|_| frame()).collect()
}

impl BenchCase {
    /// Runs the batch once and returns the duration in seconds. The engine returns maps in main memory, so a
    /// GPU has finished when it returns.
    fn run(&mut self) -> Result<f64> {
        let frames: Vec<&Frame> = self.frames.iter().collect();
        let started = Instant::now();
        std::hint::black_box(self.engine.run(&frames)?);
        Ok(started.elapsed().as_secs_f64())
    }

    fn timing(&self) -> Timing {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let ms = |q| 1e3 * quantile_sorted(&sorted, q);
        Timing {
            provider: self.provider.clone(),
            batch: self.batch,
            median_ms: ms(0.5),
            p5_p95_ms: [ms(0.05), ms(0.95)],
            images_per_second: (self.batch * sorted.len()) as f64 / sorted.iter().sum::<f64>(),
            runs: sorted.len(),
        }
    }
}

impl InferenceSpeed {
    /// Formats the result as a text table.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<30} {:>8} {:>8} {:>9} {:>8} {:>6} {:>10} {:>17} {:>9}\n",
            "bundle",
            "params/M",
            "GFLOP",
            "+resizing",
            "on",
            "batch",
            "median/ms",
            "p5-p95/ms",
            "images/s"
        );
        for bundle in &self.bundles {
            let name = format!(
                "{} {} ({}, {})",
                bundle.name, bundle.version, bundle.preset, bundle.precision
            );
            for timing in &bundle.timings {
                let [low, high] = timing.p5_p95_ms;
                // Writing to a string does not fail.
                let _ = writeln!(
                    text,
                    "{name:<30} {:>8.2} {:>8.1} {:>9.2} {:>8} {:>6} {:>10.2} {:>17} {:>9.1}",
                    bundle.cost.parameters as f64 / 1e6,
                    bundle.flops as f64 / 1e9,
                    bundle.product_flops as f64 / 1e9,
                    timing.provider,
                    timing.batch,
                    timing.median_ms,
                    format!("{low:.2}-{high:.2}"),
                    timing.images_per_second,
                );
            }
        }
        let runs = self
            .bundles
            .first()
            .and_then(|bundle| bundle.timings.first());
        let _ = write!(
            text,
            "{} runs of each case, round-robin, after {} warm-up runs; ONNX Runtime {}, {} cores; GFLOP counts convolutions with 2 operations per multiply-accumulate; bicubic resizing is in a separate column",
            runs.map_or(0, |timing| timing.runs),
            self.warm_up,
            self.onnxruntime_version,
            if self.threads == 0 {
                self.cores
            } else {
                self.threads.min(self.cores)
            },
        );
        text
    }
}
