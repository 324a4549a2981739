//! Measures how often the checks of a camera's frames find faults, and how often they find one in good
//! frames, on real pictures that are made worse in strengths. Writes Markdown, and a figure.
//!
//! `cargo run --release --example camera_health_rates -- [--line FOLDER] [--scenes FOLDER] [--svg FILE]`
//!
//! Three sets of pictures, each with limits by `HealthLimits::suggested` from good frames of its own, which are
//! not those that are then measured:
//! - `--line`: photographs of one part after the other (MVTec AD's bottle, `train/good`). The first is the
//!   reference, every second of the others gives the limits, the rest is measured.
//! - `--scenes`: photographs of anything. Each is a camera of its own with itself as the reference, and its
//!   good frames differ by noise, light, and another picture's part in the middle.
//! - the simulated line, as the first.

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
use inspectd_simulator::Line;
use report::Fault;
use series::{FAULTS, Series};

/// Step between the evaluated photographs of the scenes: there are many, and each is a camera.
const EVERY_SCENE: usize = 10;

/// Parts of the simulated line, and their side.
const PARTS: u64 = 60;
const SIDE: u32 = 384;

/// The light of a still scene. Most of its values lie between grey levels, as those of any scene do; the
/// photographs' own are whole, and so a little noise would be rounded away.
const BETWEEN: f32 = 0.937;

/// How many repeats are a frozen camera, as for a device.
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
    if let Some(frames) = pictures(options.get("--line"), 1)? {
        sets.push(Set::line("photographed line", &frames));
    }
    if let Some(frames) = pictures(options.get("--scenes"), EVERY_SCENE)? {
        sets.push(Set::scenes("photographed scenes", &frames));
    }
    let line = Line::new(1);
    let parts: Vec<_> = (0..PARTS)
        .map(|n| line.part(n, &[]).render(SIDE, SIDE))
        .collect();
    sets.push(Set::line("simulated line", &parts));
    for set in &sets {
        set.introduce();
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

/// The images of a folder, by name; none if it is not there.
fn pictures(
    folder: Option<&PathBuf>,
    every: usize,
) -> Result<Option<Vec<Frame>>, Box<dyn std::error::Error>> {
    let Some(folder) = folder else {
        return Ok(None);
    };
    if !Path::new(folder).is_dir() {
        eprintln!("{}: not there, skipped", folder.display());
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

/// How often each check finds a fault in good frames.
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
        row("as they are", &lit(1.0, NOISE));
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

/// Sequences of a still scene: the share that counts as frozen after eleven frames.
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
                        monitor.examine(&expose(scene, BETWEEN, noise, seed), &limits)
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

/// What measuring costs, on this machine.
fn cost() -> String {
    let frame = Line::new(3).part(0, &[]).render(1280, 1024);
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
