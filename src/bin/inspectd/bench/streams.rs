//! `inspectd bench-streams`: many clients that each read all verdicts of a running line.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Args;
use inspectd_client::proto::StreamVerdictsRequest;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::stream_verdicts_response::Event;
use serde::Serialize;

use super::pipeline::{Line, Scene};
use super::quantile;

/// Unit of the times in `/proc/PID/stat` (proc(5)), which is the same on all common architectures.
const TICKS_PER_SECOND: f64 = 100.0;

/// Arguments of the measurement.
#[derive(Debug, Args)]
pub struct StreamsArguments {
    #[command(flatten)]
    line: super::Arguments,
    /// Clients, each with a connection of its own
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=4000))]
    clients: u32,
    /// Verdicts per second of the line, from all cameras together
    #[arg(long, default_value_t = 150.0)]
    rate: f64,
    /// Duration of the measurement, seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

/// What one client received.
#[derive(Debug, Default)]
struct Received {
    sequences: BTreeSet<u64>,
    /// Verdicts that the daemon reported as missed by this client.
    gaps: u64,
    /// Times from capture to receipt, milliseconds.
    latencies: Vec<f64>,
}

/// Result of the measurement.
#[derive(Debug, Serialize)]
struct Report {
    clients: u32,
    cameras: u32,
    /// Verdicts that at least one client received.
    verdicts: usize,
    verdicts_per_second: f64,
    /// Verdicts that all clients received together, per second.
    deliveries_per_second: f64,
    /// Pairs of a client and a verdict that it did not receive, although others did.
    lost: usize,
    /// Verdicts that the gap events report as missed.
    gaps: u64,
    /// Time from capture to receipt over all clients, milliseconds.
    latency_ms_p50: f64,
    latency_ms_p99: f64,
    latency_ms_max: f64,
    /// CPU time of the daemon for a second of the line, seconds.
    daemon_cpu: f64,
    /// Resident memory of the daemon at the end, MiB.
    daemon_mib: f64,
}

/// Runs the measurement and prints its report.
///
/// # Errors
/// When the bundle is not usable, or the daemon or a client fails.
pub fn run(arguments: &StreamsArguments) -> Result<()> {
    let report = measure(arguments)?;
    if arguments.line.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    println!(
        "{} clients, {} cameras: {:.1} verdicts/s, {:.0} deliveries/s, {} lost, {} in gaps",
        report.clients,
        report.cameras,
        report.verdicts_per_second,
        report.deliveries_per_second,
        report.lost,
        report.gaps
    );
    println!(
        "capture to receipt: median {:.2} ms, p99 {:.2} ms, maximum {:.2} ms; daemon: {:.2} s of CPU time per second, {:.0} MiB",
        report.latency_ms_p50,
        report.latency_ms_p99,
        report.latency_ms_max,
        report.daemon_cpu,
        report.daemon_mib
    );
    Ok(())
}

fn measure(arguments: &StreamsArguments) -> Result<Report> {
    let (input, _) = super::graph(&arguments.line)?;
    let scene = Scene::make(input[0], input[1])?;
    let cameras = arguments.line.cameras;
    let fps = arguments.rate / f64::from(cameras);
    let clients = arguments.clients;
    let line = Line {
        server: format!(
            "stream_limit = {}\nconnection_limit = {}\n",
            clients + 8,
            4 * clients + 64
        ),
        top: "[journal]\nfolder = \"journal\"\n".to_owned(),
        camera: format!("mode = \"triggered\"\nqueue = 16\nfps = {fps:.6}"),
    };
    let daemon = scene.start(&arguments.line, &line)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let duration = Duration::from_secs(u64::from(arguments.seconds));
    let before = cpu_seconds(daemon.id())?;
    let started = Instant::now();
    let received = runtime.block_on(receive_all(daemon.url(), arguments.clients, duration))?;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(daemon.id())? - before;
    report(
        arguments,
        &received,
        [elapsed, cpu],
        super::resident_mib(daemon.id())?,
    )
}

fn report(
    arguments: &StreamsArguments,
    received: &[Received],
    [elapsed, cpu]: [f64; 2],
    daemon_mib: f64,
) -> Result<Report> {
    // All clients were connected from the latest first sequence to the earliest last one.
    let first = received
        .iter()
        .filter_map(|client| client.sequences.first());
    let last = received.iter().filter_map(|client| client.sequences.last());
    let (first, last) = (first.max().copied(), last.min().copied());
    let (first, last) = first.zip(last).context("no verdict was received")?;
    let all: BTreeSet<u64> = received
        .iter()
        .flat_map(|client| client.sequences.range(first..=last).copied())
        .collect();
    let deliveries: usize = received
        .iter()
        .map(|client| client.sequences.range(first..=last).count())
        .sum();
    let latencies: Vec<f64> = received
        .iter()
        .flat_map(|client| client.latencies.iter().copied())
        .collect();
    let seconds = f64::from(arguments.seconds);
    Ok(Report {
        clients: arguments.clients,
        cameras: arguments.line.cameras,
        verdicts: all.len(),
        verdicts_per_second: all.len() as f64 / seconds,
        deliveries_per_second: deliveries as f64 / seconds,
        lost: all.len() * received.len() - deliveries,
        gaps: received.iter().map(|client| client.gaps).sum(),
        latency_ms_p50: quantile(latencies.clone(), 0.5),
        latency_ms_p99: quantile(latencies.clone(), 0.99),
        latency_ms_max: quantile(latencies, 1.0),
        daemon_cpu: cpu / elapsed,
        daemon_mib,
    })
}

/// Connects all clients, and reads their streams for `duration` after the last one was connected.
async fn receive_all(url: &str, clients: u32, duration: Duration) -> Result<Vec<Received>> {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let mut client = InspectionServiceClient::connect(url.to_owned()).await?;
        let request = StreamVerdictsRequest::default();
        let stream = client.stream_verdicts(request).await?.into_inner();
        tasks.push(tokio::spawn(receive(stream, stopped.clone())));
    }
    tokio::time::sleep(duration).await;
    stop.send(true)?;
    let mut received = Vec::new();
    for task in tasks {
        received.push(task.await??);
    }
    Ok(received)
}

async fn receive(
    mut stream: tonic::Streaming<inspectd_client::proto::StreamVerdictsResponse>,
    mut stopped: tokio::sync::watch::Receiver<bool>,
) -> Result<Received> {
    let mut received = Received::default();
    loop {
        let message = tokio::select! {
            message = stream.message() => message?,
            _ = stopped.changed() => return Ok(received),
        };
        match message.and_then(|message| message.event) {
            Some(Event::Verdict(verdict)) => {
                let captured = verdict.capture_time.context("a capture time")?;
                let captured = SystemTime::try_from(captured)?;
                let total = SystemTime::now()
                    .duration_since(captured)
                    .unwrap_or_default();
                received.latencies.push(total.as_secs_f64() * 1e3);
                received.sequences.insert(verdict.sequence);
            }
            Some(Event::Gap(gap)) => received.gaps += gap.missed,
            Some(_) => {}
            None => bail!("the stream ended"),
        }
    }
}

/// CPU time of a process so far, seconds.
fn cpu_seconds(process: u32) -> Result<f64> {
    let file = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&file).with_context(|| file.clone())?;
    let (_, fields) = stat.rsplit_once(") ").with_context(|| file.clone())?;
    let ticks = |index: usize| fields.split(' ').nth(index)?.parse::<f64>().ok();
    let ticks = ticks(11).zip(ticks(12)).with_context(|| file.clone())?;
    Ok((ticks.0 + ticks.1) / TICKS_PER_SECOND)
}
