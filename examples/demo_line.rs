//! An inspection line without a camera: rendered parts, the demo model, verdicts as they come.
//!
//! `FRAMES=50 cargo run --release --example demo_line` ends after 50 parts, without `FRAMES` on Ctrl-C.
//! The heatmap of the last rejected part is written to `target/demo/last_reject.png`.

use std::error::Error;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use inspectd::bundle::Bundle;
use inspectd::engine::{Engine, EngineOptions};
use inspectd::frame::Frame;
use inspectd::maps::{MapCalibration, Score, combine, image_score, upsample};
use inspectd::preprocess::resize;
use inspectd::simulator::{Defect, Feed};

/// Of the parts that the line shows; another one than the model was trained on.
const SEED: u64 = 2026;
/// Every third part has a defect: many for a line, few enough to watch.
const DEFECT_RATE: f64 = 1.0 / 3.0;
/// Side of a rendered frame, pixels: that of the images that the model was trained on. A finer camera
/// has less noise once resized, which the model takes for an anomaly; it would want a model of its own.
const CAMERA_SIDE: u32 = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundle = Bundle::open(&root.join("models/demo"))?;
    let mut line = Line::new(&bundle, root.join("target/demo"))?;
    let frames = std::env::var("FRAMES")
        .ok()
        .map(|text| text.parse::<u64>())
        .transpose();
    let frames = frames.map_err(|error| format!("FRAMES must be a number of parts: {error}"))?;
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    ctrlc::set_handler(move || set.store(true, Ordering::Relaxed))?;
    println!(
        "{} {}: {} on {}, threshold {:.4}\n",
        bundle.manifest().name,
        bundle.manifest().version,
        bundle
            .dir()
            .strip_prefix(root)
            .unwrap_or(bundle.dir())
            .display(),
        line.engine.provider(),
        line.threshold
    );
    println!(
        "{:>5}  {:<7} {:>8} {:>10} {:>8} {:>8}  truth",
        "part", "verdict", "score", "structural", "logical", "ms"
    );
    for (index, (scene, defect)) in
        (0..frames.unwrap_or(u64::MAX)).zip(Feed::new(SEED, DEFECT_RATE))
    {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        line.inspect(index, &scene.render(CAMERA_SIDE, CAMERA_SIDE), defect)?;
    }
    line.summarise();
    Ok(())
}

/// The engine with what it has seen.
struct Line {
    engine: Engine,
    calibration: MapCalibration,
    threshold: f32,
    input: (u32, u32),
    folder: PathBuf,
    tally: Tally,
}

/// What came of the parts.
#[derive(Default)]
struct Tally {
    found: u64,
    missed: u64,
    false_alarms: u64,
    passed: u64,
    latencies: Vec<Duration>,
    last_reject: Option<(u64, PathBuf)>,
}

impl Line {
    fn new(bundle: &Bundle, folder: PathBuf) -> Result<Self, Box<dyn Error>> {
        std::fs::create_dir_all(&folder)?;
        let input = &bundle.manifest().input;
        let mut engine = Engine::load(bundle, &EngineOptions::default())?;
        // The first run allocates; the second is as fast as all others.
        let grey = Frame::new(
            input.width,
            input.height,
            vec![128; (input.width * input.height * 3) as usize],
        )?;
        for _ in 0..2 {
            engine.run(&[&grey])?;
        }
        Ok(Self {
            engine,
            calibration: bundle.manifest().maps.calibration(),
            threshold: bundle.manifest().threshold.value,
            input: (input.width, input.height),
            folder,
            tally: Tally::default(),
        })
    }

    fn inspect(
        &mut self,
        index: u64,
        frame: &Frame,
        defect: Option<Defect>,
    ) -> Result<(), Box<dyn Error>> {
        let started = Instant::now();
        let input = resize(frame, None, self.input.0, self.input.1)?;
        let maps = self.engine.run(&[&input])?;
        let score = image_score(
            &maps.structural,
            &maps.logical,
            maps.width,
            &self.calibration,
            frame.width(),
            frame.height(),
        );
        let latency = started.elapsed();
        let rejected = score.score > self.threshold;
        if rejected {
            let combined = combine(&maps.structural, &maps.logical, &self.calibration);
            let heat = upsample(
                &combined,
                maps.width,
                maps.height,
                frame.width(),
                frame.height(),
            );
            let path = self.folder.join("last_reject.png");
            overlay(frame, &heat, self.threshold).save(&path)?;
            self.tally.last_reject = Some((index, path));
        }
        self.tally.count(rejected, defect.is_some(), latency);
        print(index, rejected, score, latency, defect);
        Ok(())
    }

    fn summarise(mut self) {
        let tally = &mut self.tally;
        tally.latencies.sort_unstable();
        let parts = tally.latencies.len();
        if parts == 0 {
            return println!("no part was inspected");
        }
        let busy: Duration = tally.latencies.iter().sum();
        let percentile = |share: f64| {
            tally.latencies[((parts - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3
        };
        println!(
            "\n{parts} parts: {} defects found, {} missed, {} false alarms, {} good parts passed",
            tally.found, tally.missed, tally.false_alarms, tally.passed
        );
        println!(
            "inspection: {:.1} frames/s, latency ms p50 {:.1}, p95 {:.1}, p99 {:.1}, max {:.1}",
            parts as f64 / busy.as_secs_f64(),
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(1.0)
        );
        if let Some((index, path)) = &tally.last_reject {
            println!("heatmap of part {index}: {}", path.display());
        }
    }
}

impl Tally {
    fn count(&mut self, rejected: bool, defective: bool, latency: Duration) {
        let counter = match (rejected, defective) {
            (true, true) => &mut self.found,
            (false, true) => &mut self.missed,
            (true, false) => &mut self.false_alarms,
            (false, false) => &mut self.passed,
        };
        *counter += 1;
        self.latencies.push(latency);
    }
}

fn print(index: u64, rejected: bool, score: Score, latency: Duration, defect: Option<Defect>) {
    let colour = std::io::stdout().is_terminal();
    let verdict = match (rejected, colour) {
        (true, true) => "\x1b[31mREJECT \x1b[0m",
        (true, false) => "REJECT ",
        (false, true) => "\x1b[32mPASS   \x1b[0m",
        (false, false) => "PASS   ",
    };
    let truth = defect.map_or("good", Defect::name);
    let wrong = if rejected == defect.is_some() {
        ""
    } else {
        "  <- wrong"
    };
    println!(
        "{index:>5}  {verdict} {:>8.4} {:>10.4} {:>8.4} {:>8.1}  {truth}{wrong}",
        score.score,
        score.structural,
        score.logical,
        latency.as_secs_f64() * 1e3
    );
}

/// The frame beside itself with the heat over it: nothing below the threshold's half, red from the
/// threshold on.
fn overlay(frame: &Frame, heat: &[f32], threshold: f32) -> image::RgbImage {
    let (width, height) = (frame.width(), frame.height());
    image::RgbImage::from_fn(2 * width, height, |x, y| {
        let pixel = (y * width + x % width) as usize;
        let rgb = [0, 1, 2].map(|channel| f32::from(frame.rgb()[3 * pixel + channel]));
        if x < width {
            return image::Rgb(rgb.map(|value| value as u8));
        }
        let warmth = ((heat[pixel] / threshold - 0.5) * 2.0).clamp(0.0, 1.0);
        let colour = [255.0, 200.0 * (1.0 - warmth), 0.0];
        let mix = |channel: usize| {
            (rgb[channel] * (1.0 - 0.7 * warmth) + colour[channel] * 0.7 * warmth) as u8
        };
        image::Rgb([mix(0), mix(1), mix(2)])
    })
}
