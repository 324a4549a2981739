//! What only a clock tells of Table V: bundles of the first done experiment of each method, timed in turns.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::comparison_table::{Table, TableEntry};
use super::experiment::{Experiment, Variant};
use super::runner::{ends, own_path};

/// How inference is timed; passed on to `mhkd bench inference`.
#[derive(Clone, Debug)]
pub struct TimingOptions {
    /// Images a run of the throughput's.
    pub batch: usize,
    /// As its `--provider`.
    pub provider: String,
    /// Timed runs.
    pub repeats: usize,
}

/// Exports and times a bundle of each method of `experiments` and adds the figures to `table`; its full result
/// is in `out`. False after an interrupt.
///
/// # Errors
/// When a bundle cannot be exported or does not run.
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
            let mut export = Command::new(own_path()?);
            export.arg("export").arg(experiment.run());
            export.arg("--out").arg(&bundle);
            if !ends(&mut export, "the export")? {
                return Ok(false);
            }
        }
        bundles.push((name, bundle));
    }
    if bundles.is_empty() {
        return Ok(true);
    }
    let json = out.join("efficiency.json");
    let mut bench = Command::new(own_path()?);
    bench
        .args(["bench", "inference"])
        .args(bundles.iter().map(|(_, bundle)| bundle))
        .args(["--batch", &format!("1,{}", timing.batch)])
        .args(["--provider", &timing.provider])
        .args(["--repeats", &timing.repeats.to_string()])
        .arg("--json")
        .arg(&json);
    if !ends(&mut bench, "the timing")? {
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
        "Measured on {} with ONNX Runtime {}, {} cores: median (5 to 95 %) of {} runs of one image, and \
         images a second in batches of {}, in turns. FLOPs are those of the convolutions in the exported \
         graph. The paper's figures are of an RTX 3090.",
        timing.provider,
        result["onnxruntime_version"].as_str().unwrap_or_default(),
        result["cores"],
        timing.repeats,
        timing.batch,
    ));
    Ok(())
}
