//! Timings of Table V: exports a bundle of the first finished experiment of each method and times them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::comparison_table::{Table, TableEntry};
use super::experiment::{Experiment, Variant};
use super::runner::{executable, run_to_completion};

/// How inference is timed; passed to `mhkd bench inference`.
#[derive(Clone, Debug)]
pub struct TimingOptions {
    /// Batch size for the throughput.
    pub batch: usize,
    /// Value of `--provider`.
    pub provider: String,
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
    for (name, variant) in [
        ("EfficientAD", Variant::EfficientAd),
        ("MHKD", Variant::Full),
    ] {
        let done = experiments
            .iter()
            .find(|experiment| experiment.variant == variant && experiment.result().exists());
        let Some(experiment) = done else { continue };
        let bundle = experiment.folder.join("bundle");
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
        .args(["--provider", &timing.provider])
        .args(["--repeats", &timing.repeats.to_string()])
        .arg("--json")
        .arg(&json);
    if !run_to_completion(&mut bench, "the timing")? {
        return Ok(false);
    }
    fill(table, &bundles, &json, timing)?;
    Ok(true)
}

fn fill(
    table: &mut Table,
    bundles: &[(&str, PathBuf)],
    json: &Path,
    timing: &TimingOptions,
) -> Result<()> {
    let text =
        std::fs::read_to_string(json).with_context(|| format!("cannot read {}", json.display()))?;
    let result: serde_json::Value =
        serde_json::from_str(&text).with_context(|| json.display().to_string())?;
    for ((name, _), speed) in bundles
        .iter()
        .zip(result["bundles"].as_array().into_iter().flatten())
    {
        let timed = |batch: usize| {
            let timings = speed["timings"].as_array().into_iter().flatten();
            timings
                .into_iter()
                .find(move |timed| timed["batch"].as_u64() == Some(batch as u64))
        };
        let number = |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_f64);
        let scaled = |value: Option<f64>, by: f64, digits: usize| {
            let text = value.map(|value| format!("{:.*}", digits, value / by));
            TableEntry::reported(text.as_deref())
        };
        let latency = timed(1);
        let spread = latency.map(|timed| &timed["p5_p95_ms"]);
        let quantile = |at: usize| number(spread.and_then(|spread| spread.get(at)));
        let latency = match (
            number(latency.map(|timed| &timed["median_ms"])),
            quantile(0),
            quantile(1),
        ) {
            (Some(median), Some(low), Some(high)) => {
                TableEntry::Reported(format!("{median:.1} ({low:.1}-{high:.1})"))
            }
            _ => TableEntry::None,
        };
        let rate = timed(timing.batch).map(|timed| &timed["images_per_second"]);
        let row = table.rows.iter_mut().find(|row| row.name == *name);
        let row = row.context("Table V has a row for each method")?;
        row.entries.extend([
            scaled(number(speed.get("parameters")), 1e6, 1),
            scaled(number(speed.get("flops")), 1e9, 1),
            latency,
            scaled(number(rate), 1.0, 1),
        ]);
    }
    table.notes.push(format!(
        "Measured on {} with ONNX Runtime {}, {} cores: median (5 to 95 %) of {} runs with one image, and \
         images/s in batches of {}, round-robin. GFLOP counts the convolutions of the exported graph. The \
         paper's values are for an RTX 3090.",
        timing.provider,
        result["onnxruntime_version"].as_str().unwrap_or_default(),
        result["cores"],
        timing.repeats,
        timing.batch,
    ));
    Ok(())
}
