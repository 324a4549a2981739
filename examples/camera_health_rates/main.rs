//! Measures detection rates and false alarm rates of the camera health checks on real images with degradations
//! of increasing strength. Writes Markdown and a figure.
//!
//! `cargo run --release --example camera_health_rates -- [--line FOLDER] [--scenes FOLDER] [--svg FILE]`
//!
//! There are three sets of images. The limits of each come from `HealthLimits::suggested` on good frames of the set
//! that are not measured afterwards:
//! - `--line`: photographs of one part after the other (MVTec AD's bottle, `train/good`). The first is the
//!   reference, every second one of the others is used for the limits, the rest is measured.
//! - `--scenes`: photographs of different scenes. Each is a separate camera with itself as the reference; its
//!   good frames differ in noise, brightness, and a part from another image in the centre.
//! - the simulated line, treated like the first set.

// It measures the real time.
#![allow(clippy::disallowed_methods)]

mod cameras;
mod degrade;
mod report;
mod series;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use cameras::{NOISE, Set, share, straight};
use degrade::{expose, other_part};
use inspectd::camera::health::{HealthFault, HealthMonitor};
use inspectd::config::settings::HealthLimits;
use inspectd_core::frame::Frame;
use inspectd_core::image_file;
use inspectd_simulator::ProductionLine;
use report::Fault;
use series::{FAULTS, Series};

/// Uses every n-th photograph of the scenes, because there are many and each is a camera.
const EVERY_SCENE: usize = 10;

/// Number of parts of the simulated line, and side of its images.
const PARTS: u64 = 60;
const SIDE: u32 = 384;

/// Exposure of a still scene. With it most values are between grey levels, as in any real scene. The
/// photographs have integer values, so weak noise would be rounded away.
const STILL_EXPOSURE: f32 = 0.937;

/// Number of repeated frames that count as a frozen camera, as for a device.
const FROZEN_AFTER: u32 = 10;

fn main() -> ExitCode {
    let mut options = BTreeMap::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next();
        let (true, Some(value)) = (
            ["--line", "--scenes", "--svg"].contains(&name.as_str()),
            value,
        ) else {
            eprintln!("usage: camera_health_rates [--line FOLDER] [--scenes FOLDER] [--svg FILE]");
            return ExitCode::from(64);
        };
        options.insert(name, PathBuf::from(value));
    }
    match measure(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &BTreeMap<String, PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    let mut sets = Vec::new();
    if let Some(frames) = images(options.get("--line"), 1)? {
        sets.push(Set::line("photographed line", &frames));
    }
    if let Some(frames) = images(options.get("--scenes"), EVERY_SCENE)? {
        sets.push(Set::scenes("photographed scenes", &frames));
    }
    let line = ProductionLine::new(1);
    let parts: Vec<_> = (0..PARTS)
        .map(|n| line.part(n, &[]).render(SIDE, SIDE))
        .collect();
    sets.push(Set::line("simulated line", &parts));
    for set in &sets {
        set.print_summary();
    }
    let names: Vec<String> = sets.iter().map(|set| set.name.to_owned()).collect();
    print!("{}", good_frames(&sets));
    let faults: Vec<Fault> = FAULTS.iter().map(|fault| rates(fault, &sets)).collect();
    println!("{}", report::tables(&names, &faults));
    println!("{}", frozen(&sets));
    println!("{}", cost());
    if let Some(file) = options.get("--svg") {
        std::fs::write(file, report::figure(&names, &faults))?;
    }
    Ok(())
}

/// Images of a folder, sorted by name; `None` if the folder does not exist.
fn images(
    folder: Option<&PathBuf>,
    every: usize,
) -> Result<Option<Vec<Frame>>, Box<dyn std::error::Error>> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    if !Path::new(folder).is_dir() {
        eprintln!("{}: not found, skipped", folder.display());
        return Ok(None);
    }
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let frames: Result<Vec<_>, _> = files
        .iter()
        .step_by(every)
        .map(|file| image_file::decode(file))
        .collect();
    Ok(Some(frames?))
}

fn rates(series: &Series, sets: &[Set]) -> Fault {
    let rate = |set: &Set, strength: f32| {
        let findings = set.findings(&|scene, seed| (series.worsen)(scene, strength, seed + 1000));
        share(&findings, series.kind)
    };
    let row = |set: &Set| {
        series
            .strengths
            .iter()
            .map(|&strength| rate(set, strength))
            .collect()
    };
    Fault {
        name: series.name,
        strengths: series.strengths,
        rates: sets.iter().map(row).collect(),
    }
}

/// Table of false alarm rates in good frames.
fn good_frames(sets: &[Set]) -> String {
    use HealthFault::{Blurred, Dark, Saturated, ViewMoved};
    let kinds = [Dark, Saturated, Blurred, ViewMoved];
    let mut text = format!(
        "\n| good frames | number | {} |\n|---|---:|{}\n",
        kinds.map(HealthFault::name).join(" | "),
        "---:|".repeat(kinds.len())
    );
    for set in sets {
        let mut row = |name: &str, change: &dyn Fn(&Frame, u64) -> Frame| {
            let findings = set.findings(change);
            let cells = kinds.map(|kind| report::percent(share(&findings, kind)));
            let _ = writeln!(
                text,
                "| {}, {name} | {} | {} |",
                set.name,
                findings.len(),
                cells.join(" | ")
            );
        };
        let lit = |factor, noise| {
            move |scene: &Frame, seed| expose(&straight(scene), factor, noise, seed + 500)
        };
        row("unchanged", &lit(1.0, NOISE));
        row("10 % darker", &lit(0.9, NOISE));
        row("10 % brighter", &lit(1.1, NOISE));
        row("noise of 4 grey levels", &lit(1.0, 4.0));
        if !set.others.is_empty() {
            row("another part", &|scene, seed| {
                let other = &set.others[(seed as usize + 7) % set.others.len()];
                expose(&other_part(&straight(scene), other), 1.0, NOISE, seed)
            });
        }
    }
    text
}

/// Table of still scenes: the fraction that is reported as frozen after eleven frames.
fn frozen(sets: &[Set]) -> String {
    let noises = [0.0, 0.1, 0.25, 0.5, 1.0];
    let limits = HealthLimits {
        frozen_after: Some(FROZEN_AFTER),
        ..HealthLimits::default()
    };
    let mut text = format!(
        "| still scene, noise in grey levels | {} |\n|---|{}\n",
        noises.map(|noise| noise.to_string()).join(" | "),
        "---:|".repeat(noises.len())
    );
    for set in sets {
        let scenes: Vec<&Frame> = set
            .cameras
            .iter()
            .flat_map(|camera| &camera.scenes)
            .take(30)
            .collect();
        let cells = noises.map(|noise| {
            let froze = |scene: &&&Frame| {
                let mut monitor = HealthMonitor::new(None);
                (0..=u64::from(FROZEN_AFTER))
                    .filter_map(|seed| {
                        monitor.examine(&expose(scene, STILL_EXPOSURE, noise, seed), &limits)
                    })
                    .count()
                    > 0
            };
            report::percent(scenes.iter().filter(froze).count() as f32 / scenes.len() as f32)
        });
        let _ = writeln!(text, "| {} | {} |", set.name, cells.join(" | "));
    }
    text
}

/// Duration of a measurement on this machine.
fn cost() -> String {
    let frame = ProductionLine::new(3).part(0, &[]).render(1280, 1024);
    let mut monitor = HealthMonitor::new(Some(&frame));
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(monitor.measure(std::hint::black_box(&frame), 0.0));
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    format!(
        "A frame of 1280x1024 pixels: {:.2} ms (median of 200), {:.2} ms (99 %).",
        times[100], times[198]
    )
}
