//! Reproduction of the paper's tables and figures, one command each: trains and evaluates a set of
//! experiments, which can be interrupted and resumed, and compares the results with the paper's.
//!
//! | file in the output folder | contents |
//! |---|---|
//! | `cells/CATEGORY-VARIANT-seedN/` | an experiment: a training (`run/`) and its evaluation (`metrics.json`) |
//! | `TARGET.md`, `TARGET.json` | the table as Markdown and as JSON |
//! | `fig7.svg`, `fig7.png` | the loss weights of Fig. 7 as a bar chart |
//! | `efficiency.json` | all timings for Table V |

mod bar_chart;
mod comparison_table;
mod efficiency;
mod experiment;
mod paper_tables;
mod paper_values;
mod results;
mod runner;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};

use crate::files;
use crate::settings::value_name;
use crate::train::settings::Settings;

pub use comparison_table::Table;
pub use efficiency::TimingOptions;
pub use experiment::Target;
pub use runner::{ComputeOptions, RunOutcome};

/// Options of a reproduction.
#[derive(Clone, Debug)]
pub struct ReproduceOptions {
    /// Table or figure.
    pub target: Target,
    /// Settings shared by all experiments.
    pub settings: Settings,
    /// Categories; empty means all categories of the dataset.
    pub categories: Vec<String>,
    /// Seeds of each experiment.
    pub seeds: Vec<u64>,
    /// Whether finished experiments are evaluated again.
    pub evaluate_again: bool,
    /// Where and how trainings compute.
    pub compute: ComputeOptions,
    /// How inference is timed.
    pub timing: TimingOptions,
}

/// Runs the unfinished experiments in `out` and returns the table of all finished ones.
///
/// # Errors
/// Returns an error if the dataset or the teacher is not found, an experiment's folder has a training with
/// other settings, or a file cannot be written. A failed experiment is not an error; it is listed in the
/// result.
pub fn reproduce(
    options: &ReproduceOptions,
    out: &Path,
    interrupted: &AtomicBool,
) -> Result<(Table, RunOutcome)> {
    let settings = &options.settings;
    if let Some(teacher) = &settings.teacher {
        ensure!(
            teacher.is_file(),
            "teacher = \"{}\": file not found; `mhkd teacher distill` creates one",
            teacher.display()
        );
    }
    let experiments = experiment::experiments(
        options.target,
        out,
        settings,
        &options.categories,
        &options.seeds,
    )?;
    if options.evaluate_again {
        runner::remove_results(&experiments)?;
    }
    let mut outcome = runner::run(&experiments, &options.compute, interrupted)?;
    let results = results::Results::read(&experiments)?;
    let mut categories: Vec<String> = experiments
        .iter()
        .map(|experiment| experiment.category.clone())
        .collect();
    categories.sort();
    categories.dedup();
    let data = paper_tables::TableData {
        results: &results,
        categories: &categories,
    };
    let mut table = paper_tables::table(options.target, &data);
    if options.target == Target::Table5 && !outcome.interrupted {
        outcome.interrupted = !efficiency::measure(&experiments, &options.timing, out, &mut table)?;
    }
    let file = |extension| out.join(format!("{}.{extension}", value_name(&options.target)));
    files::replace_text(&file("md"), &table.markdown())?;
    files::replace_text(&file("json"), &serde_json::to_string_pretty(&table)?)?;
    if options.target == Target::Fig7 {
        let drawing = bar_chart::bars(&table);
        files::replace_text(&file("svg"), &drawing.svg_file())?;
        files::replace(&file("png"), |part| {
            Ok(drawing
                .raster(2.0)
                .save_with_format(part, image::ImageFormat::Png)?)
        })?;
    }
    Ok((table, outcome))
}
