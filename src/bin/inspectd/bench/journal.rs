//! `inspectd bench-journal`: what the journal costs the line, how much it takes, how soon it answers, and
//! what a crowd of clients costs. Things that are compared are measured in turns.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use inspectd::clock::SystemClock;
use inspectd::config::{self, Settings, Sources};
use inspectd::journal::{Batch, Filter, Order, Page, Readers, Store, file};
use inspectd::pipeline::publisher::{Publisher, PublisherOptions, VerdictEntry, open_journal};
use inspectd::pipeline::response_slot::Reply;
use inspectd_core::decision::{AnomalyKind, Decision, Thresholds};
use inspectd_core::maps::Score;
use inspectd_core::moment::Moment;
use inspectd_core::record::{ModelId, Outcome, Stamp, Subject, Timings, Verdict};
use inspectd_core::verdict::Judgement;
use serde::Serialize;
use uuid::Uuid;

use super::median;
use super::pipeline::{Crowd, Scene};

/// What to measure.
#[derive(Debug, Args)]
pub struct JournalArguments {
    #[command(flatten)]
    line: super::Arguments,
    /// Verdicts of the run without an engine
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    verdicts: u64,
    /// Verdicts of the journal that is opened and searched; 0 leaves that out
    #[arg(long, default_value_t = 5_000_000)]
    stored: u64,
    /// Clients that read beside the measured one
    #[arg(long, default_value_t = 39)]
    reading: usize,
    /// Clients that subscribe and never read
    #[arg(long, default_value_t = 10)]
    stalled: usize,
    /// Where the journals are written: on the disk that is to be measured
    #[arg(long, value_name = "FOLDER", default_value = "target/bench-journal")]
    folder: PathBuf,
}

#[derive(Debug, Serialize)]
struct Report {
    /// Frames a second without and with journal and evidence, by rounds.
    without: Vec<f64>,
    with: Vec<f64>,
    /// Median of the rounds' ratios.
    ratio: f64,
    /// Frames a second with one client and with the crowd, by rounds.
    alone: Vec<f64>,
    crowded: Vec<f64>,
    crowd_ratio: f64,
    /// Verdicts a second into the journal, and announced.
    verdicts_per_second: f64,
    /// Time from a verdict's making to its announcement in that run, milliseconds.
    waiting_ms_p50: f64,
    waiting_ms_p99: f64,
    /// Of one verdict at a time: what the journal adds to a verdict, milliseconds.
    single_ms_p50: f64,
    single_ms_p99: f64,
    stored: u64,
    stored_mib: f64,
    open_ms: f64,
    /// Pages of 100, each with its filter, milliseconds.
    pages_ms: Vec<(String, f64)>,
}

/// Measures, and prints what came out.
///
/// # Errors
/// When the bundle is not usable, the disk refuses, or a process does not do as it is told.
pub fn run(arguments: &JournalArguments) -> Result<()> {
    fs::create_dir_all(&arguments.folder)?;
    let folder = fs::canonicalize(&arguments.folder)?;
    let report = measure(arguments, &folder);
    // What was measured goes with the folder; it is of no use afterwards.
    let _ = fs::remove_dir_all(&folder);
    let report = report?;
    if arguments.line.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn measure(arguments: &JournalArguments, folder: &Path) -> Result<Report> {
    let input = super::input(&arguments.line.bundle)?;
    let scene = Scene::make(input[0], input[1])?;
    let journal = folder.join("line");
    let with_journal = format!(
        "[journal]\nfolder = {}\n[evidence]\npass_every = 10\n",
        toml::Value::from(journal.display().to_string())
    );
    let nobody = Crowd::default();
    let crowd = Crowd {
        reading: arguments.reading,
        stalled: arguments.stalled,
    };
    let (mut without, mut with, mut crowded) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=arguments.line.rounds {
        eprintln!(
            "bench: round {round} of {}: the line without, with a journal, and crowded",
            arguments.line.rounds
        );
        without.push(scene.rate(&arguments.line, "", nobody)?);
        with.push(scene.rate(&arguments.line, &with_journal, nobody)?);
        crowded.push(scene.rate(&arguments.line, &with_journal, crowd)?);
    }
    let ratio = |over: &[f64], under: &[f64]| {
        median(over.iter().zip(under).map(|(over, under)| over / under))
    };
    eprintln!("bench: {} verdicts without an engine", arguments.verdicts);
    let flood = flood(folder, arguments.verdicts)?;
    let single = single(folder)?;
    eprintln!("bench: a journal of {} verdicts", arguments.stored);
    let stored = stored(&folder.join("stored"), arguments.stored)?;
    Ok(Report {
        ratio: ratio(&with, &without),
        crowd_ratio: ratio(&crowded, &with),
        alone: with.clone(),
        without,
        with,
        crowded,
        verdicts_per_second: flood.per_second,
        waiting_ms_p50: super::quantile(flood.waiting_ms.clone(), 0.5),
        waiting_ms_p99: super::quantile(flood.waiting_ms, 0.99),
        single_ms_p50: super::quantile(single.clone(), 0.5),
        single_ms_p99: super::quantile(single, 0.99),
        stored: arguments.stored,
        stored_mib: stored.mib,
        open_ms: stored.open_ms,
        pages_ms: stored.pages_ms,
    })
}

/// Settings with a journal in `folder`.
fn settings(folder: &Path) -> Result<Settings> {
    fs::create_dir_all(folder)?;
    let text = "[model]\nbundle = \"none\"\n[journal]\nfolder = \"journal\"\n[cameras.a]\nsource = \"simulator\"\n";
    let file = folder.join("inspectd.toml");
    fs::write(&file, text)?;
    let sources = Sources {
        file,
        required: true,
        environment: Vec::new(),
    };
    Ok(config::load(&sources)?.settings)
}

fn stamp() -> Arc<Stamp> {
    Arc::new(Stamp {
        model: ModelId {
            name: "none".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
        },
        config_hash: "0".repeat(64),
        provider: "cpu".to_owned(),
        recipe: None,
    })
}

fn judged(decision: Decision) -> Outcome {
    Outcome::Judged(Judgement {
        decision,
        score: Score {
            score: 0.25,
            structural: 0.125,
            logical: 0.125,
        },
        thresholds: Thresholds {
            reject_above: 0.6,
            review_from: None,
        },
        decided_by: None,
        highest: 0.25,
        rules: Vec::new(),
        dominant: AnomalyKind::Structural,
        regions: Vec::new(),
    })
}

fn entry(frame_id: u64, stamp: &Arc<Stamp>, reply: Reply) -> VerdictEntry {
    let camera = "a".parse().expect("an id");
    let mut subject = Subject::new(Some(camera), Arc::clone(stamp));
    subject.frame_id = frame_id;
    subject.size = Some([256, 256]);
    subject.batch_size = 1;
    subject.timings = Timings {
        inference: Some(Duration::from_millis(1)),
        ..Timings::default()
    };
    VerdictEntry {
        moment: Moment::now(),
        subject,
        outcome: judged(Decision::Pass),
        images: None,
        stats: None,
        reply: Some(reply),
    }
}

struct Flood {
    per_second: f64,
    waiting_ms: Vec<f64>,
}

/// As many verdicts as the journal takes, each durable before it is announced.
fn flood(folder: &Path, count: u64) -> Result<Flood> {
    let (publisher, threads) = publisher(&folder.join("flood"))?;
    let stamp = stamp();
    let announced = Arc::new(AtomicU64::new(0));
    let waiting = Arc::new(std::sync::Mutex::new(Vec::with_capacity(count as usize)));
    let started = Instant::now();
    for frame_id in 1..=count {
        let (announced, waiting, made) =
            (Arc::clone(&announced), Arc::clone(&waiting), Instant::now());
        let reply = Box::new(move |verdict: Arc<Verdict>| {
            // One that could not be journalled does not count.
            announced.fetch_add(u64::from(verdict.sequence > 0), Ordering::Relaxed);
            let mut waiting = waiting
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            waiting.push(made.elapsed().as_secs_f64() * 1e3);
        });
        publisher.publish(entry(frame_id, &stamp, reply));
    }
    publisher.flush(Instant::now() + Duration::from_secs(60));
    let elapsed = started.elapsed();
    publisher.close();
    for thread in threads {
        let _ = thread.join();
    }
    let announced = announced.load(Ordering::Relaxed);
    anyhow::ensure!(
        announced == count,
        "{announced} of {count} verdicts were journalled"
    );
    let waiting_ms = std::mem::take(
        &mut *waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
    );
    Ok(Flood {
        per_second: count as f64 / elapsed.as_secs_f64(),
        waiting_ms,
    })
}

/// Verdicts that come one at a time, as from a line at 20 frames a second: milliseconds until each is
/// announced.
fn single(folder: &Path) -> Result<Vec<f64>> {
    let (publisher, threads) = publisher(&folder.join("single"))?;
    let stamp = stamp();
    let mut times = Vec::new();
    for frame_id in 1..=200 {
        std::thread::sleep(Duration::from_millis(10));
        let (sender, receiver) = std::sync::mpsc::channel();
        let reply = Box::new(move |_| {
            let _ = sender.send(());
        });
        let started = Instant::now();
        publisher.publish(entry(frame_id, &stamp, reply));
        receiver.recv().context("a verdict")?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    publisher.close();
    for thread in threads {
        let _ = thread.join();
    }
    Ok(times)
}

fn publisher(folder: &Path) -> Result<(Publisher, Vec<std::thread::JoinHandle<()>>)> {
    let settings = settings(folder)?;
    let run = Uuid::now_v7();
    let journal = open_journal(&settings, run)?;
    Ok(Publisher::start(PublisherOptions {
        start: Moment::now(),
        run,
        settings: &settings,
        journal,
        on_published: Box::new(|_| ()),
        clock: Arc::new(SystemClock),
    })?)
}

#[derive(Default)]
struct Stored {
    mib: f64,
    open_ms: f64,
    pages_ms: Vec<(String, f64)>,
}

/// Fills a journal, opens it anew, and reads pages of it.
fn stored(folder: &Path, count: u64) -> Result<Stored> {
    if count == 0 {
        return Ok(Stored::default());
    }
    let run = Uuid::now_v7();
    let (mut store, _) = Store::open(folder, run)?;
    let stamp = stamp();
    let begun = Instant::now();
    let start = SystemTime::now() - Duration::from_secs(count / 20);
    for first in (1..=count).step_by(10_000) {
        let last = count.min(first + 9999);
        let verdicts = (first..=last).map(|sequence| Arc::new(old(sequence, run, start, &stamp)));
        store.commit(&Batch {
            verdicts: verdicts.collect(),
            ..Batch::default()
        })?;
        if first % 1_000_000 == 1 {
            let rate = last as f64 / begun.elapsed().as_secs_f64();
            let left = (count - last) as f64 / rate;
            eprintln!(
                "bench: {last} of {count} verdicts written, {rate:.0} a second, {left:.0} s left"
            );
        }
    }
    drop(store);
    let started = Instant::now();
    let (store, opened) = Store::open(folder, run)?;
    let open_ms = started.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(opened.sequence == count, "{opened:?}");
    let readers = Readers::new(file(folder));
    let mut pages_ms = Vec::new();
    let camera = |name: &str| name.parse().expect("an id");
    let filter = |cameras: &[&str], decisions: &[Decision]| Filter {
        cameras: cameras.iter().map(|name| camera(name)).collect(),
        decisions: decisions.to_vec(),
        part_id: None,
    };
    let part = Filter {
        part_id: Some((count / 2).to_string()),
        ..Filter::default()
    };
    let filters = [
        ("the newest", filter(&[], &[])),
        ("REJECT", filter(&[], &[Decision::Reject])),
        (
            "FAULT, of which there is one in a million",
            filter(&[], &[Decision::Fault]),
        ),
        (
            "camera b, REJECT or REVIEW",
            filter(&["b"], &[Decision::Reject, Decision::Review]),
        ),
        ("a camera without verdicts", filter(&["z"], &[])),
        ("a part", part),
    ];
    for (name, filter) in filters {
        for (place, from, to) in [("", 0, u64::MAX), (", from the middle back", 0, count / 2)] {
            let page = Page {
                filter: filter.clone(),
                from,
                to,
                order: Order::Descending,
                limit: 100,
            };
            let started = Instant::now();
            let found = readers.page(&page)?.len();
            let ms = started.elapsed().as_secs_f64() * 1e3;
            pages_ms.push((format!("{name}{place} ({found})"), ms));
        }
    }
    let started = Instant::now();
    readers.first_since(start + Duration::from_secs(count / 40))?;
    pages_ms.push((
        "the place of a time".to_owned(),
        started.elapsed().as_secs_f64() * 1e3,
    ));
    let mib = fs::metadata(store.path())?.len() as f64 / f64::from(1 << 20);
    Ok(Stored {
        mib,
        open_ms,
        pages_ms,
    })
}

/// A verdict of a line with four cameras at 20 frames a second in all: 1 % REJECT, 0.1 % REVIEW.
fn old(sequence: u64, run: Uuid, start: SystemTime, stamp: &Arc<Stamp>) -> Verdict {
    let camera = ["a", "b", "c", "d"][(sequence % 4) as usize];
    let decision = match sequence {
        _ if sequence.is_multiple_of(1_000_000) => Decision::Fault,
        _ if sequence.is_multiple_of(1000) => Decision::Review,
        _ if sequence.is_multiple_of(99) => Decision::Reject,
        _ => Decision::Pass,
    };
    let mut subject = Subject::new(Some(camera.parse().expect("an id")), Arc::clone(stamp));
    subject.frame_id = sequence / 4;
    subject.tag = Some(Arc::new(inspectd_core::record::PartTag {
        part_id: sequence.to_string(),
        ..Default::default()
    }));
    let time = start + Duration::from_millis(50 * sequence);
    Verdict {
        sequence,
        run,
        captured: time,
        since_start: Duration::from_millis(50 * sequence),
        recorded: time,
        evidence: false,
        subject,
        outcome: judged(decision),
    }
}

fn print(report: &Report) {
    println!(
        "| round | without a journal | with journal and evidence | ratio | and with the crowd | ratio |"
    );
    println!("|---|---|---|---|---|---|");
    for (round, ((without, with), crowded)) in report
        .without
        .iter()
        .zip(&report.with)
        .zip(&report.crowded)
        .enumerate()
    {
        println!(
            "| {} | {without:.2} | {with:.2} | {:.3} | {crowded:.2} | {:.3} |",
            round + 1,
            with / without,
            crowded / with
        );
    }
    println!(
        "\nframes/s with journal and evidence: {:.3} of those without; with the crowd: {:.3} of those alone",
        report.ratio, report.crowd_ratio
    );
    println!(
        "without an engine: {:.0} verdicts/s journalled and announced; from made to announced p50 {:.1} ms, p99 {:.1} ms",
        report.verdicts_per_second, report.waiting_ms_p50, report.waiting_ms_p99
    );
    println!(
        "one at a time: p50 {:.2} ms, p99 {:.2} ms",
        report.single_ms_p50, report.single_ms_p99
    );
    if report.stored > 0 {
        println!(
            "a journal of {} verdicts ({:.0} MiB) opens in {:.1} ms; pages of 100:",
            report.stored, report.stored_mib, report.open_ms
        );
        for (name, ms) in &report.pages_ms {
            println!("  {ms:8.2} ms  {name}");
        }
    }
}
