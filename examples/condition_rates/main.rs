//! Measures how often the checks of a camera's frames find faults, and how often they find one in good
//! frames, on real pictures that are made worse in strengths. Writes Markdown, and a figure.
//!
//! `cargo run --release --example condition_rates -- [--line FOLDER] [--scenes FOLDER] [--svg FILE]`
//!
//! Three sets of pictures, each with limits by `Limits::suggested` from good frames of its own, which are
//! not those that are then measured:
//! - `--line`: photographs of one part after the other (MVTec AD's bottle, `train/good`). The first is the
//!   reference, every second of the others gives the limits, the rest is measured.
//! - `--scenes`: photographs of anything. Each is a camera of its own with itself as the reference, and its
//!   good frames differ by noise, light, and another picture's part in the middle.
//! - the simulated line, as the first.

mod degrade;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use degrade::{defocus, expose, other_part, smear, view};
use inspectd::condition::{Condition, ConditionKind, Limits, Measurements};
use inspectd::frame::Frame;
use inspectd::image_file;
use inspectd::simulator::Line;
use report::Fault;

/// The noise of every frame, grey levels: a good sensor's.
const NOISE: f32 = 1.5;

/// Every so many photographs of the scenes: they are many, and each is a camera.
const EVERY_SCENE: usize = 4;

/// Parts of the simulated line, and their side.
const PARTS: u64 = 60;
const SIDE: u32 = 384;

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
            eprintln!("usage: condition_rates [--line FOLDER] [--scenes FOLDER] [--svg FILE]");
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

/// A camera: its reference, its limits, and the scenes that it is tried on.
struct Camera {
    reference: Frame,
    limits: Limits,
    scenes: Vec<Frame>,
}

/// Cameras whose rates are told together.
struct Set {
    name: &'static str,
    cameras: Vec<Camera>,
    /// A scene of another camera, for another part; empty where every scene shows another part.
    others: Vec<Frame>,
}

impl Set {
    fn line(name: &'static str, scenes: &[Frame]) -> Self {
        let reference = straight(&scenes[0]);
        let good: Vec<Frame> = scenes[1..].iter().step_by(2).map(straight).collect();
        let limits = limits(&reference, &good);
        let scenes = scenes[2..].iter().step_by(2).cloned().collect();
        let camera = Camera {
            reference,
            limits,
            scenes,
        };
        Self {
            name,
            cameras: vec![camera],
            others: Vec::new(),
        }
    }

    fn scenes(name: &'static str, scenes: &[Frame]) -> Self {
        let others: Vec<Frame> = (0..scenes.len())
            .map(|at| straight(&scenes[(at + 1) % scenes.len()]))
            .collect();
        let camera = |(scene, other): (&Frame, &Frame)| {
            let reference = straight(scene);
            let factors = [0.9, 1.0, 1.1];
            let mut good: Vec<_> = (1..)
                .zip(factors)
                .map(|(seed, factor)| expose(&reference, factor, NOISE, seed))
                .collect();
            good.push(expose(&other_part(&reference, other), 1.0, NOISE, 9));
            let limits = limits(&reference, &good);
            Camera {
                reference,
                limits,
                scenes: vec![scene.clone()],
            }
        };
        let cameras = scenes.iter().zip(&others).map(camera).collect();
        Self {
            name,
            cameras,
            others,
        }
    }

    fn introduce(&self) {
        let scenes: usize = self.cameras.iter().map(|camera| camera.scenes.len()).sum();
        eprintln!(
            "{}: {scenes} scenes, {} cameras, first limits {:?}",
            self.name,
            self.cameras.len(),
            self.cameras[0].limits
        );
    }

    /// What the checks find in every scene after `change`, which is told the scene's number.
    fn findings(&self, change: &dyn Fn(&Frame, u64) -> Frame) -> Vec<Vec<ConditionKind>> {
        let mut all = Vec::new();
        for camera in &self.cameras {
            let mut condition = Condition::new(Some(&camera.reference));
            for scene in &camera.scenes {
                let frame = change(scene, all.len() as u64);
                all.push(found(&camera.limits, &condition.measure(&frame, 0.0)));
            }
        }
        all
    }
}

/// All that is found, not the first alone: each check is measured for itself.
fn found(limits: &Limits, measured: &Measurements) -> Vec<ConditionKind> {
    let off = Limits::default();
    let alone = [
        Limits {
            dark_below: limits.dark_below,
            ..off
        },
        Limits {
            saturated_above: limits.saturated_above,
            ..off
        },
        Limits {
            blurred_below: limits.blurred_below,
            ..off
        },
        Limits {
            shift_above: limits.shift_above,
            turn_above_deg: limits.turn_above_deg,
            ..off
        },
    ];
    alone
        .iter()
        .filter_map(|limits| Some(limits.judge(measured)?.kind))
        .collect()
}

fn straight(scene: &Frame) -> Frame {
    view(scene, [0.0, 0.0], 0.0)
}

fn limits(reference: &Frame, good: &[Frame]) -> Limits {
    let mut condition = Condition::new(Some(reference));
    let measured: Vec<_> = (100..)
        .zip(good)
        .map(|(seed, frame)| condition.measure(&expose(frame, 1.0, NOISE, seed), 0.0))
        .collect();
    Limits::suggested(&measured).expect("there are good frames")
}

fn share(findings: &[Vec<ConditionKind>], kind: ConditionKind) -> f32 {
    findings
        .iter()
        .filter(|found| found.contains(&kind))
        .count() as f32
        / findings.len() as f32
}

struct Series {
    name: &'static str,
    kind: ConditionKind,
    strengths: &'static [f32],
    worsen: fn(&Frame, f32, u64) -> Frame,
}

const FAULTS: [Series; 6] = [
    Series {
        name: "dark: share of the light",
        kind: ConditionKind::Dark,
        strengths: &[0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03],
        worsen: |scene, factor, seed| expose(&straight(scene), factor, NOISE, seed),
    },
    Series {
        name: "saturated: times the light",
        kind: ConditionKind::Saturated,
        strengths: &[1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0],
        worsen: |scene, factor, seed| expose(&straight(scene), factor, NOISE, seed),
    },
    Series {
        name: "defocus: sigma, % of the longer side",
        kind: ConditionKind::Blurred,
        strengths: &[0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0],
        worsen: |scene, sigma, seed| {
            let sharp = straight(scene);
            let longer = sharp.width().max(sharp.height()) as f32;
            expose(&defocus(&sharp, sigma / 100.0 * longer), 1.0, NOISE, seed)
        },
    },
    Series {
        name: "motion blur: path, % of the longer side",
        kind: ConditionKind::Blurred,
        strengths: &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0],
        worsen: |scene, path, seed| {
            let sharp = straight(scene);
            let longer = sharp.width().max(sharp.height()) as f32;
            let length = (path / 100.0 * longer).round() as usize;
            expose(&smear(&sharp, length.max(1)), 1.0, NOISE, seed)
        },
    },
    Series {
        name: "shift: % of the longer side",
        kind: ConditionKind::ViewMoved,
        strengths: &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0],
        worsen: |scene, percent, seed| {
            let (sin, cos) = (seed as f32).sin_cos();
            let shift = percent / 100.0;
            expose(
                &view(scene, [cos * shift, sin * shift], 0.0),
                1.0,
                NOISE,
                seed,
            )
        },
    },
    Series {
        name: "turn: degrees",
        kind: ConditionKind::ViewMoved,
        strengths: &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0],
        worsen: |scene, degrees, seed| {
            let turn = if seed % 2 == 0 { degrees } else { -degrees };
            expose(&view(scene, [0.0, 0.0], turn), 1.0, NOISE, seed)
        },
    },
];

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
    use ConditionKind::{Blurred, Dark, Saturated, ViewMoved};
    let kinds = [Dark, Saturated, Blurred, ViewMoved];
    let mut text = format!(
        "\n| good frames | number | {} |\n|---|---:|{}\n",
        kinds.map(ConditionKind::name).join(" | "),
        "---:|".repeat(kinds.len())
    );
    for set in sets {
        let mut row = |name: &str, change: &dyn Fn(&Frame, u64) -> Frame| {
            let findings = set.findings(change);
            let cells = kinds.map(|kind| report::percent(share(&findings, kind)));
            text += &format!(
                "| {}, {name} | {} | {} |\n",
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
    let limits = Limits {
        frozen_after: Some(FROZEN_AFTER),
        ..Limits::default()
    };
    let mut text = format!(
        "| still scene, noise of so many grey levels | {} |\n|---|{}\n",
        noises.map(|noise| noise.to_string()).join(" | "),
        "---:|".repeat(noises.len())
    );
    for set in sets {
        let scenes: Vec<&Frame> = set
            .cameras
            .iter()
            .flat_map(|camera| &camera.scenes)
            .take(100)
            .collect();
        let cells = noises.map(|noise| {
            let froze = |scene: &&&Frame| {
                let mut condition = Condition::new(None);
                (0..=u64::from(FROZEN_AFTER))
                    .filter_map(|seed| condition.examine(&expose(scene, 1.0, noise, seed), &limits))
                    .count()
                    > 0
            };
            report::percent(scenes.iter().filter(froze).count() as f32 / scenes.len() as f32)
        });
        text += &format!("| {} | {} |\n", set.name, cells.join(" | "));
    }
    text
}

/// What measuring costs, on this machine.
fn cost() -> String {
    let frame = Line::new(3).part(0, &[]).render(1280, 1024);
    let mut condition = Condition::new(Some(&frame));
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(condition.measure(std::hint::black_box(&frame), 0.0));
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    format!(
        "A frame of 1280x1024 pixels: {:.2} ms (median of 200), {:.2} ms (99 %).",
        times[100], times[198]
    )
}
