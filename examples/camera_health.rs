//! Prints the measurements of the camera health checks for every image in a folder of good frames, their
//! quantiles, and the limits derived from them (docs/camera-faults.md).
//!
//! `cargo run --release --example camera_health -- FOLDER [--reference FILE]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use inspectd::camera::health::{HealthMonitor, Measurements};
use inspectd::config::settings::HealthLimits;
use inspectd_core::image_file;

const USAGE: &str = "usage: camera_health FOLDER [--reference FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (folder, reference) = match words[..] {
        [folder] => (folder, None),
        [folder, "--reference", file] | ["--reference", file, folder] => (folder, Some(file)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match print(Path::new(folder), reference.map(Path::new)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print(folder: &Path, reference: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let files = images(folder)?;
    let reference = reference.map(image_file::decode).transpose()?;
    let mut monitor = HealthMonitor::new(reference.as_ref());
    let mut all = Vec::new();
    println!(
        "{}  image",
        HEADINGS.map(|name| format!("{name:>10}")).join(" ")
    );
    for file in files {
        match image_file::decode(&file) {
            Ok(frame) => {
                let measured = monitor.measure(&frame, 0.0);
                let name = file.strip_prefix(folder).unwrap_or(&file);
                println!("{}  {}", row(&values(&measured)), name.display());
                all.push(measured);
            }
            Err(error) => eprintln!("{error}"),
        }
    }
    println!();
    let rows: Vec<Values> = all.iter().map(values).collect();
    for (share, name) in QUANTILES {
        let values = std::array::from_fn(|column| quantile(&rows, column, share));
        println!("{}  {name}", row(&values));
    }
    if let Some(limits) = HealthLimits::suggested(&all) {
        suggest(&limits);
    }
    Ok(())
}

/// Prints the limits as lines of a camera's configuration table.
fn suggest(limits: &HealthLimits) {
    println!("\n# Suggested limits, assuming that all frames are good:");
    let lines = [
        ("check.dark_below", limits.dark_below),
        ("check.saturated_above", limits.saturated_above),
        ("check.blurred_below", limits.blurred_below),
        ("check.shift_above", limits.shift_above),
        ("check.turn_above_deg", limits.turn_above_deg),
    ];
    for (key, value) in lines {
        if let Some(value) = value {
            println!("{key} = {value:.3}");
        }
    }
}

const HEADINGS: [&str; 7] = [
    "difference",
    "brightness",
    "clipped",
    "sharpness",
    "shift",
    "turn_deg",
    "likeness",
];

const QUANTILES: [(f32, &str); 5] = [
    (0.0, "least"),
    (0.01, "1 %"),
    (0.5, "median"),
    (0.99, "99 %"),
    (1.0, "largest"),
];

type Values = [Option<f32>; HEADINGS.len()];

fn values(measured: &Measurements) -> Values {
    let view = measured.view;
    [
        measured.difference,
        Some(measured.brightness),
        Some(measured.clipped),
        measured.sharpness,
        view.map(|view| view.shift),
        view.map(|view| view.turn_deg),
        view.map(|view| view.likeness),
    ]
}

fn row(values: &Values) -> String {
    let cell = |value: &Option<f32>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let cells: Vec<String> = values
        .iter()
        .map(|value| format!("{:>10}", cell(value)))
        .collect();
    cells.join(" ")
}

/// Value that the given share of the images does not exceed; `None` if all images lack the value.
fn quantile(all: &[Values], column: usize, share: f32) -> Option<f32> {
    let mut values: Vec<f32> = all.iter().filter_map(|values| values[column]).collect();
    values.sort_by(f32::total_cmp);
    let rank = (values.len().saturating_sub(1) as f32 * share).round() as usize;
    values.get(rank).copied()
}

/// Files in a folder, sorted by name.
fn images(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let named = |error| std::io::Error::other(format!("{}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(named)?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}
