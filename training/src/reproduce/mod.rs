//! The paper's tables and figures, each by one command: a plan of trainings and evaluations that can be
//! interrupted and resumed, and ours beside what the paper reports.
//!
//! | file in the output folder | what |
//! |---|---|
//! | `experiments/CATEGORY-VARIANT-seedN/` | one training (`run/`) and its evaluation (`metrics.json`) |
//! | `TARGET.md`, `TARGET.json` | the table, for people and for programs |
//! | `fig7.svg`, `fig7.png` | the sweep as a picture |
//! | `efficiency.json` | all that was timed for Table V |

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

/// What is to be reproduced, and how.
#[derive(Clone, Debug)]
pub struct ReproduceOptions {
    /// Which table or figure.
    pub target: Target,
    /// The settings that all experiments share.
    pub settings: Settings,
    /// Categories; all that the dataset has where empty.
    pub categories: Vec<String>,
    /// Seeds of each experiment.
    pub seeds: Vec<u64>,
    /// Whether experiments that are done are evaluated again.
    pub evaluate_again: bool,
    /// How trainings compute.
    pub compute: ComputeOptions,
    /// How inference is timed.
    pub timing: TimingOptions,
}

/// Does what is left of `options` in `out`, and gives the table of what is there by then.
///
/// # Errors
/// When the dataset or the teacher is not there, a folder has a training with other settings, or a file
/// cannot be written. A experiment that fails is no error here: it is named in what is returned.
pub fn reproduce(
    options: &ReproduceOptions,
    out: &Path,
    interrupted: &AtomicBool,
) -> Result<(Table, RunOutcome)> {
    let settings = &options.settings;
    ensure!(
        settings.teacher.is_file(),
        "teacher = \"{}\": no such file; `mhkd teacher distill` makes one",
        settings.teacher.display()
    );
    let experiments = experiment::experiments(
        options.target,
        out,
        settings,
        &options.categories,
        &options.seeds,
    )?;
    if options.evaluate_again {
        runner::forget_results(&experiments)?;
    }
    let mut ended = runner::run(&experiments, &options.compute, interrupted)?;
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
    if options.target == Target::Table5 && !ended.interrupted {
        ended.interrupted = !efficiency::measure(&experiments, &options.timing, out, &mut table)?;
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
    Ok((table, ended))
}
