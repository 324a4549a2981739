//! The paper's tables and figures, each by one command: a plan of trainings and evaluations that can be
//! interrupted and resumed, and ours beside what the paper reports.
//!
//! | file in the output folder | what |
//! |---|---|
//! | `cells/CATEGORY-VARIANT-seedN/` | one training (`run/`) and its evaluation (`metrics.json`) |
//! | `TARGET.md`, `TARGET.json` | the table, for people and for programs |
//! | `fig7.svg`, `fig7.png` | the sweep as a picture |
//! | `efficiency.json` | all that was timed for Table V |

mod efficiency;
mod paper;
mod picture;
mod plan;
mod results;
mod run;
mod table;
mod tables;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};

use crate::files;
use crate::settings::value_name;
use crate::train::settings::Settings;

pub use efficiency::Timing;
pub use plan::Target;
pub use run::{Compute, Ended};
pub use table::Table;

/// What is to be reproduced, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which table or figure.
    pub target: Target,
    /// The settings that all cells share.
    pub settings: Settings,
    /// Categories; all that the dataset has where empty.
    pub categories: Vec<String>,
    /// Seeds of each cell.
    pub seeds: Vec<u64>,
    /// Whether cells that are done are evaluated again.
    pub evaluate_again: bool,
    /// How trainings compute.
    pub compute: Compute,
    /// How inference is timed.
    pub timing: Timing,
}

/// Does what is left of `order` in `out`, and gives the table of what is there by then.
///
/// # Errors
/// When the dataset or the teacher is not there, a folder has a training with other settings, or a file
/// cannot be written. A cell that fails is no error here: it is named in what is returned.
pub fn reproduce(order: &Order, out: &Path, interrupted: &AtomicBool) -> Result<(Table, Ended)> {
    let settings = &order.settings;
    ensure!(
        settings.teacher.is_file(),
        "teacher = \"{}\": no such file; `mhkd teacher distill` makes one",
        settings.teacher.display()
    );
    let cells = plan::cells(order.target, out, settings, &order.categories, &order.seeds)?;
    if order.evaluate_again {
        run::forget_results(&cells)?;
    }
    let mut ended = run::run(&cells, &order.compute, interrupted)?;
    let results = results::Results::read(&cells)?;
    let mut categories: Vec<String> = cells.iter().map(|cell| cell.category.clone()).collect();
    categories.sort();
    categories.dedup();
    let material = tables::Material {
        results: &results,
        categories: &categories,
    };
    let mut table = tables::table(order.target, &material);
    if order.target == Target::Table5 && !ended.interrupted {
        ended.interrupted = !efficiency::measure(&cells, &order.timing, out, &mut table)?;
    }
    let file = |extension| out.join(format!("{}.{extension}", value_name(&order.target)));
    files::replace_text(&file("md"), &table.markdown())?;
    files::replace_text(&file("json"), &serde_json::to_string_pretty(&table)?)?;
    if order.target == Target::Fig7 {
        let drawing = picture::bars(&table);
        files::replace_text(&file("svg"), &drawing.svg_file())?;
        files::replace(&file("png"), |part| {
            Ok(drawing
                .raster(2.0)
                .save_with_format(part, image::ImageFormat::Png)?)
        })?;
    }
    Ok((table, ended))
}
