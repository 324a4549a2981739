//! Timings of Table V: exports a bundle of the first finished experiment of each method and times them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::comparison_table::{Table, TableEntry};
use super::experiment::Experiment;
use super::paper_tables::COMPARED;
use super::runner::{executable, run_to_completion};
use crate::bench::inference::{InferenceSpeed, Timing};
use crate::device::DeviceChoice;

/// How inference is timed; passed to `mhkd bench inference`.
#[derive(Clone, Debug)]
pub struct TimingOptions {
    /// Batch size for the throughput.
    pub batch: usize,
    /// Device.
    pub device: DeviceChoice,
    /// Number of timed runs.
    pub repeats: usize,
}

/// Exports and times a bundle of each method in `experiments` and adds the values to `table`. The complete
/// result is written to `out`. Returns `false` after an interrupt.
///
/// # Errors
/// Returns an error if a bundle cannot be exported or timed.
pub fn measure(
    experiments: &[Experiment],
    timing: &TimingOptions,
    out: &Path,
    table: &mut Table,
) -> Result<bool> {
    let mut bundles = Vec::new();
    for (name, variant) in COMPARED {
        let done = experiments
            .iter()
            .find(|experiment| experiment.variant == variant && experiment.result().exists());
        let Some(experiment) = done else { continue };
        let bundle = experiment.bundle();
        if !bundle.exists() {
            let mut export = Command::new(executable()?);
            export.arg("export").arg(experiment.run());
            export.arg("--out").arg(&bundle);
            if !run_to_completion(&mut export, "the export")? {
                return Ok(false);
            }
        }
        bundles.push((name, bundle));
    }
    if bundles.is_empty() {
        return Ok(true);
    }
    let json = out.join("efficiency.json");
    let mut bench = Command::new(executable()?);
    bench
        .args(["bench", "inference"])
        .args(bundles.iter().map(|(_, bundle)| bundle))
        .args(["--batch", &format!("1,{}", timing.batch)])
        .args(["--device", &timing.device.to_string()])
        .args(["--repeats", &timing.repeats.to_string()])
        .arg("--json")
        .arg(&json);
    if !run_to_completion(&mut bench, "the timing")? {
        return Ok(false);
    }
    fill(table, &bundles, &read(&json)?, timing)?;
    Ok(true)
}

/// Reads the result of `mhkd bench inference`.
fn read(json: &Path) -> Result<InferenceSpeed> {
    let text =
        std::fs::read_to_string(json).with_context(|| format!("cannot read {}", json.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: not a result of bench inference", json.display()))
}

/// Adds the columns and the note to the table.
fn fill(
    table: &mut Table,
    bundles: &[(&str, PathBuf)],
    speed: &InferenceSpeed,
    timing: &TimingOptions,
) -> Result<()> {
    for ((name, _), bundle) in bundles.iter().zip(&speed.bundles) {
        let timed = |batch: usize| bundle.timings.iter().find(|timed| timed.batch == batch);
        let row = table.rows.iter_mut().find(|row| row.name == *name);
        let row = row.context("Table V has a row for each method")?;
        row.entries.extend([
            decimal(bundle.cost.parameters as f64 / 1e6),
            decimal(bundle.flops as f64 / 1e9),
            timed(1).map_or(TableEntry::None, latency),
            timed(timing.batch).map_or(TableEntry::None, |timed| decimal(timed.images_per_second)),
        ]);
    }
    table.notes.push(format!(
        "Measured on {} with ONNX Runtime {}, {} cores: median (5 to 95 %) of {} runs with one image, and \
         images/s in batches of {}, round-robin. GFLOP counts the convolutions of the exported graph. The \
         paper's values are for an RTX 3090.",
        timing.device,
        speed.onnxruntime_version,
        speed.cores,
        timing.repeats,
        timing.batch,
    ));
    Ok(())
}

fn decimal(value: f64) -> TableEntry {
    TableEntry::Reported(format!("{value:.1}"))
}

/// Median and quantiles in milliseconds.
fn latency(timed: &Timing) -> TableEntry {
    let [low, high] = timed.p5_p95_ms;
    TableEntry::Reported(format!("{:.1} ({low:.1}-{high:.1})", timed.median_ms))
}
