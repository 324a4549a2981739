//! `inspectd bench-journal`: measures the cost of the journal, its throughput, its query times, and the cost
//! of many clients. Measurements that are compared alternate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use inspectd::alarm::Alarms;
use inspectd::clock::{Clock, SystemClock};
use inspectd::config::{self, Settings, Sources};
use inspectd::pipeline::publisher::{Publisher, PublisherOptions, VerdictEntry};
use inspectd::pipeline::response_slot::Reply;
use inspectd_core::decision::Decision;
use inspectd_core::record::{Stamp, Subject, Timings, Verdict};
use parking_lot::Mutex;
use serde::Serialize;
use uuid::Uuid;

use super::fixtures::{judged, stamp};
use super::pipeline::{Crowd, Scene};
use super::{median, stored_journal};

/// Arguments of the benchmark.
#[derive(Debug, Args)]
pub struct JournalArguments {
    #[command(flatten)]
    line: super::Arguments,
    /// Verdicts of the measurement without an engine
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    verdicts: u64,
    /// Verdicts of the journal that is opened and queried; 0 to skip
    #[arg(long, default_value_t = 5_000_000)]
    stored: u64,
    /// Clients that read, in addition to the measured one
    #[arg(long, default_value_t = 39)]
    reading: usize,
    /// Clients that subscribe and never read
    #[arg(long, default_value_t = 10)]
    stalled: usize,
    /// Folder of the journals, on the disk to be measured
    #[arg(long, value_name = "FOLDER", default_value = "target/bench-journal")]
    folder: PathBuf,
}

#[derive(Debug, Serialize)]
struct Report {
    /// Frames per second without and with journal and evidence, by round.
    without: Vec<f64>,
    with: Vec<f64>,
    /// Median of the rounds' ratios.
    ratio: f64,
    /// Frames per second with one client and with many, by round.
    #[serde(rename = "alone")]
    single_client: Vec<f64>,
    crowded: Vec<f64>,
    crowd_ratio: f64,
    /// Verdicts per second that are journalled and published.
    verdicts_per_second: f64,
    /// Time from creation to publication of a verdict in that measurement, milliseconds.
    waiting_ms_p50: f64,
    waiting_ms_p99: f64,
    /// Latency that the journal adds to a single verdict, milliseconds.
    single_ms_p50: f64,
    single_ms_p99: f64,
    stored: u64,
    stored_mib: f64,
    open_ms: f64,
    /// Times of reading pages of 100, by filter, milliseconds.
    pages_ms: Vec<(String, f64)>,
}

/// Runs the benchmark and prints its report.
///
/// # Errors
/// When the bundle is not usable, the disk cannot be written, or a measured process fails.
pub fn run(arguments: &JournalArguments) -> Result<()> {
    fs::create_dir_all(&arguments.folder)?;
    let folder = fs::canonicalize(&arguments.folder)?;
    let report = measure(arguments, &folder);
    // The journals are of no use afterwards.
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
    let (input, _) = super::graph(&arguments.line)?;
    let scene = Scene::make(input[0], input[1])?;
    let journal = folder.join("line");
    let with_journal = format!(
        "[journal]\nfolder = {}\n[evidence]\npass_every = 10\n",
        toml::Value::from(journal.display().to_string())
    );
    let no_crowd = Crowd::default();
    let crowd = Crowd {
        reading: arguments.reading,
        stalled: arguments.stalled,
    };
    let (mut without, mut with, mut crowded) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=arguments.line.rounds {
        eprintln!(
            "bench: round {round} of {}: without a journal, with a journal, with many clients",
            arguments.line.rounds
        );
        without.push(scene.rate(&arguments.line, "", no_crowd)?);
        with.push(scene.rate(&arguments.line, &with_journal, no_crowd)?);
        crowded.push(scene.rate(&arguments.line, &with_journal, crowd)?);
    }
    let ratio = |over: &[f64], under: &[f64]| {
        median(over.iter().zip(under).map(|(over, under)| over / under))
    };
    eprintln!("bench: {} verdicts without an engine", arguments.verdicts);
    let throughput = throughput(folder, arguments.verdicts)?;
    let single = single(folder)?;
    eprintln!("bench: a journal of {} verdicts", arguments.stored);
    let stored = stored_journal::measure(&folder.join("stored"), arguments.stored)?;
    Ok(Report {
        ratio: ratio(&with, &without),
        crowd_ratio: ratio(&crowded, &with),
        single_client: with.clone(),
        without,
        with,
        crowded,
        verdicts_per_second: throughput.per_second,
        waiting_ms_p50: super::quantile(throughput.waiting_ms.clone(), 0.5),
        waiting_ms_p99: super::quantile(throughput.waiting_ms, 0.99),
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
        moment: SystemClock.now(),
        subject,
        outcome: judged(Decision::Pass),
        images: None,
        stats: None,
        reply: Some(reply),
    }
}

struct JournalThroughput {
    per_second: f64,
    waiting_ms: Vec<f64>,
}

/// Publishes verdicts as fast as the journal takes them; each is durable before it is published.
fn throughput(folder: &Path, count: u64) -> Result<JournalThroughput> {
    let (publisher, threads) = publisher(&folder.join("throughput"))?;
    let stamp = stamp();
    let announced = Arc::new(AtomicU64::new(0));
    let waiting = Arc::new(Mutex::new(Vec::with_capacity(count as usize)));
    let started = Instant::now();
    for frame_id in 1..=count {
        let (announced, waiting, made) =
            (Arc::clone(&announced), Arc::clone(&waiting), Instant::now());
        let reply = Box::new(move |verdict: Arc<Verdict>| {
            // An unjournalled verdict does not count.
            announced.fetch_add(u64::from(verdict.sequence > 0), Ordering::Relaxed);
            waiting.lock().push(made.elapsed().as_secs_f64() * 1e3);
        });
        publisher.publish(entry(frame_id, &stamp, reply));
    }
    publisher.flush(Instant::now() + Duration::from_mins(1));
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
    let waiting_ms = std::mem::take(&mut *waiting.lock());
    Ok(JournalThroughput {
        per_second: count as f64 / elapsed.as_secs_f64(),
        waiting_ms,
    })
}

/// Publishes one verdict at a time; returns the milliseconds until each is published.
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
    Ok(Publisher::start(PublisherOptions {
        start: SystemClock.now(),
        run,
        settings: &settings,
        on_published: Box::new(|_, _| ()),
        clock: Arc::new(SystemClock),
        alarms: Alarms::new(Arc::new(SystemClock)),
        failed: Arc::new(|| ()),
    })?)
}

fn print(report: &Report) {
    println!(
        "| round | without a journal | with journal and evidence | ratio | with many clients as well | ratio |"
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
        "\nframes/s with journal and evidence: {:.3} of those without; with many clients: {:.3} of those with one",
        report.ratio, report.crowd_ratio
    );
    println!(
        "without an engine: {:.0} verdicts/s journalled and published; from creation to publication p50 {:.1} ms, p99 {:.1} ms",
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
