//! `inspectctl dataset export`: labelled verdicts as a dataset for the trainer.

mod folder;

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use inspectd_client::proto::export_dataset_response::Event;
use inspectd_client::proto::{DatasetSummary, ExportDatasetRequest};
use inspectd_client::{Client, Error};

use crate::failure::Failure;
use crate::format;
use crate::time_arg::TimeArg;
use folder::DatasetFolder;

/// Arguments of `dataset`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the labelled verdicts of a camera as a dataset in the layout of MVTec AD, for mhkd. A repeated export to the
    /// same folder fetches only what is new, and removes files that do not belong to it.
    Export(Export),
}

/// Arguments of `dataset export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The folder of the dataset: new, empty, or an earlier export of the same camera.
    folder: PathBuf,
    /// The camera.
    #[arg(long, value_name = "ID")]
    camera: String,
    /// Only verdicts of this recipe.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    recipe: String,
    /// Only verdicts journalled at or after this time: a date and time, or an age ("7d").
    #[arg(long, value_name = "TIME")]
    from: Option<TimeArg>,
    /// Only verdicts journalled before this time: a date and time, or an age.
    #[arg(long, value_name = "TIME")]
    to: Option<TimeArg>,
    /// About one of N good parts is a test image, the others are training images.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    test_every: u32,
}

/// Runs the subcommand.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.action {
        Action::Export(arguments) => export(client, arguments).await,
    }
}

async fn export(client: &Client, arguments: &Export) -> Result<(), Failure> {
    let folder = DatasetFolder::open(&arguments.folder, &arguments.camera)?;
    let now = SystemTime::now();
    let request = ExportDatasetRequest {
        camera_id: arguments.camera.clone(),
        recipe_id: arguments.recipe.clone(),
        from_time: arguments.from.map(|from| from.timestamp(now)),
        to_time: arguments.to.map(|to| to.timestamp(now)),
        test_every: arguments.test_every,
        known_paths: folder.pictures()?,
    };
    let mut inspection = client.inspection();
    let call = inspection.export_dataset(request);
    let mut events = client.answer(call).await?;
    let bar = ProgressBar::new(0).with_style(style());
    while let Some(response) = events
        .message()
        .await
        .map_err(|status| Error::from_stream(&status))?
    {
        match response.event {
            Some(Event::Plan(plan)) => bar.set_length(plan.verdicts),
            Some(Event::Progress(progress)) => bar.set_position(progress.verdicts),
            Some(Event::File(file)) if file.moved_from.is_empty() => {
                folder.write(&file.path, &file.content)?;
            }
            Some(Event::File(file)) => folder.move_file(&file.moved_from, &file.path)?,
            Some(Event::Summary(summary)) => {
                bar.finish_and_clear();
                let removed = folder.keep_only(&summary.paths)?;
                return Ok(describe(arguments, &summary, removed)?);
            }
            None => {}
        }
    }
    bar.abandon();
    Err(Error::stream_closed().into())
}

fn style() -> ProgressStyle {
    let template = "{bar:30} {pos}/{len} verdicts, {per_sec}, {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn describe(arguments: &Export, summary: &DatasetSummary, removed: usize) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    let count = |folder: &str| {
        let of = summary.paths.iter().filter(|path| path.starts_with(folder));
        of.count() as u64
    };
    let (train, good) = (count("train/good/"), count("test/good/"));
    let defective = count("test/") - good;
    writeln!(
        out,
        "{}: {} for training; test: {good} good, {defective} defective ({})",
        arguments.folder.display(),
        format::count(train, "good part"),
        format::count(count("ground_truth/"), "mask"),
    )?;
    if removed > 0 {
        writeln!(
            out,
            "{} of earlier exports removed",
            format::count(removed as u64, "file")
        )?;
    }
    let warning = format::warning_style();
    if summary.without_picture > 0 {
        writeln!(
            out,
            "{warning}{} left out: their pictures were removed (see [evidence] in docs/configuration.md){warning:#}",
            format::count(summary.without_picture, "labelled verdict"),
        )?;
    }
    if summary.verdicts == 0 {
        writeln!(
            out,
            "{warning}no verdict of camera {} has a label{warning:#}",
            arguments.camera
        )?;
    }
    Ok(())
}
