//! The pipeline: the daemon in its own process, with a camera and a client.
//!
//! The camera is a folder of BMP files: reading one costs about as much as copying a frame from a driver's
//! buffer, so the pipeline is measured and not a decoder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{StreamVerdictsRequest, Timings, Verdict};
use inspectd_simulator::Feed;

use super::{Arguments, Latency, Throughput, median, quantile, resident_mib};

/// Number of different images, so that results cannot be cached.
const PICTURES: u64 = 4;

/// Number of verdicts before the measurement.
const WARM_UP: u32 = 3;

/// A folder with a camera's images and a configuration; deleted when dropped.
pub(super) struct Scene {
    folder: PathBuf,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Clients in addition to the one that measures.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Crowd {
    /// Number of clients that read their streams.
    pub(super) reading: usize,
    /// Number of clients that subscribe and never read.
    pub(super) stalled: usize,
}

/// The connected clients; their streams and tasks end when dropped.
struct ConnectedClients {
    _stalled: Vec<tonic::Streaming<inspectd_client::proto::StreamVerdictsResponse>>,
    reading: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for ConnectedClients {
    fn drop(&mut self) {
        for task in &self.reading {
            task.abort();
        }
    }
}

impl Crowd {
    /// Connects all clients, each with its own connection.
    async fn connect(self, address: &str) -> Result<ConnectedClients> {
        let mut streams = Vec::new();
        for _ in 0..self.reading + self.stalled {
            let mut client = InspectionServiceClient::connect(address.to_owned()).await?;
            let request = StreamVerdictsRequest::default();
            streams.push(client.stream_verdicts(request).await?.into_inner());
        }
        let stalled = streams.split_off(self.reading);
        let read = |mut stream: tonic::Streaming<_>| {
            tokio::spawn(async move { while let Ok(Some(_)) = stream.message().await {} })
        };
        Ok(ConnectedClients {
            _stalled: stalled,
            reading: streams.into_iter().map(read).collect(),
        })
    }
}

/// A received verdict.
struct Receipt {
    verdict: Verdict,
    /// Time from capture to receipt.
    total: Duration,
}

impl Scene {
    /// Renders the images of a camera of the given size.
    pub(super) fn make(width: u32, height: u32) -> Result<Self> {
        let name = format!("inspectd-bench-{}-{width}x{height}", std::process::id());
        let scene = Self {
            folder: std::env::temp_dir().join(name),
        };
        let pictures = scene.folder.join("pictures");
        fs::create_dir_all(&pictures).with_context(|| pictures.display().to_string())?;
        for index in 0..PICTURES {
            let frame = Feed::new(1, 0.0).at(index).0;
            let frame = frame.render(width, height);
            let (width, height) = (frame.width(), frame.height());
            let picture = image::RgbImage::from_raw(width, height, frame.into_rgb())
                .context("a frame's bytes")?;
            picture.save(pictures.join(format!("{index}.bmp")))?;
        }
        Ok(scene)
    }

    /// Measures the frames per second with `top` in the configuration and a crowd of clients.
    pub(super) fn rate(&self, arguments: &Arguments, top: &str, crowd: Crowd) -> Result<f64> {
        let camera = "mode = \"triggered\"\nqueue = 2\npace = \"fast\"";
        let (_, elapsed, _) = self.run_with(arguments, top, camera, arguments.frames, crowd)?;
        Ok(f64::from(arguments.frames) / elapsed.as_secs_f64())
    }

    /// Measures the throughput, with a camera that delivers as fast as the pipeline takes frames.
    pub(super) fn throughput(&self, arguments: &Arguments) -> Result<Throughput> {
        let (receipts, elapsed, resident_mib) = self.run(
            arguments,
            "mode = \"triggered\"\nqueue = 2\npace = \"fast\"",
            arguments.frames,
        )?;
        Ok(Throughput {
            frames_per_second: f64::from(arguments.frames) / elapsed.as_secs_f64(),
            inference_ms: median(
                receipts
                    .iter()
                    .map(|receipt| inference_ms(&receipt.verdict)),
            ),
            resident_mib,
        })
    }

    /// Measures the latency of frames that do not wait for each other.
    pub(super) fn latency(&self, arguments: &Arguments, fps: f64) -> Result<Latency> {
        let camera = format!("mode = \"free-running\"\nfps = {fps:.6}");
        let (receipts, elapsed, _) = self.run(arguments, &camera, arguments.latency_frames)?;
        let total = |receipt: &Receipt| receipt.total.as_secs_f64() * 1e3;
        let beyond: Vec<f64> = receipts
            .iter()
            .map(|receipt| total(receipt) - inference_ms(&receipt.verdict))
            .collect();
        let stage = |of: fn(&Timings) -> Option<prost_types::Duration>| {
            median(receipts.iter().map(|receipt| {
                let timings = receipt.verdict.timings.as_ref();
                milliseconds(timings.and_then(of))
            }))
        };
        Ok(Latency {
            frames: receipts.len(),
            frames_per_second: f64::from(arguments.latency_frames) / elapsed.as_secs_f64(),
            total_ms_p50: median(receipts.iter().map(total)),
            inference_ms_p50: stage(|timings| timings.inference),
            beyond_inference_ms_p50: quantile(beyond.clone(), 0.5),
            beyond_inference_ms_p99: quantile(beyond.clone(), 0.99),
            beyond_inference_ms_max: quantile(beyond, 1.0),
            preprocess_ms_p50: stage(|timings| timings.preprocess),
            judge_ms_p50: stage(|timings| timings.judge),
        })
    }

    /// Starts the daemon with one camera and receives `count` verdicts after the warm-up. Returns the
    /// verdicts, the elapsed time, and the daemon's resident memory at the end.
    fn run(
        &self,
        arguments: &Arguments,
        camera: &str,
        count: u32,
    ) -> Result<(Vec<Receipt>, Duration, f64)> {
        self.run_with(arguments, "", camera, count, Crowd::default())
    }

    fn run_with(
        &self,
        arguments: &Arguments,
        top: &str,
        camera: &str,
        count: u32,
        crowd: Crowd,
    ) -> Result<(Vec<Receipt>, Duration, f64)> {
        let line = Line {
            server: String::new(),
            top: top.to_owned(),
            camera: camera.to_owned(),
        };
        let daemon = self.start(arguments, &line)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let received = receive(daemon.url().to_owned(), count, crowd);
        let (receipts, elapsed) = runtime.block_on(received)?;
        Ok((receipts, elapsed, resident_mib(daemon.id())?))
    }

    /// Starts the daemon with cameras that read the images.
    pub(super) fn start(&self, arguments: &Arguments, line: &Line) -> Result<RunningDaemon> {
        let bundle = fs::canonicalize(&arguments.bundle)
            .with_context(|| arguments.bundle.display().to_string())?;
        let bundle = toml::Value::from(bundle.display().to_string());
        let Line {
            server,
            top,
            camera,
        } = line;
        let camera = |number| {
            format!(
                "[cameras.bench{number}]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\n\
                 allow_upscaling = true\n{camera}\n"
            )
        };
        let cameras: String = (1..=arguments.cameras).map(camera).collect();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nmetrics_listen = \"off\"\n{server}[model]\nbundle = {bundle}\n\
             [engine]\nthreads = {}\nprecision = \"{}\"\n[log]\nformat = \"json\"\n\
             [life]\nwatch_files = false\n{top}{cameras}",
            arguments.threads,
            arguments.precision.name(),
        );
        let config = self.folder.join("inspectd.toml");
        fs::write(&config, text)?;
        let mut daemon = Daemon::start(&config)?;
        let url = daemon.address()?;
        Ok(RunningDaemon { daemon, url })
    }
}

/// Parts of a configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// Further keys of the server.
    pub(super) server: String,
    /// Further tables.
    pub(super) top: String,
    /// Further keys of each camera.
    pub(super) camera: String,
}

/// A daemon that is ready; killed when dropped.
pub(super) struct RunningDaemon {
    daemon: Daemon,
    url: String,
}

impl RunningDaemon {
    /// Process id.
    pub(super) fn id(&self) -> u32 {
        self.daemon.0.id()
    }

    /// Address for clients.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// Subscribes and receives `count` verdicts.
async fn receive(address: String, count: u32, crowd: Crowd) -> Result<(Vec<Receipt>, Duration)> {
    let _crowd = crowd.connect(&address).await?;
    let mut client = InspectionServiceClient::connect(address).await?;
    let request = StreamVerdictsRequest::default();
    let mut stream = client.stream_verdicts(request).await?.into_inner();
    let mut started = Instant::now();
    let mut receipts = Vec::new();
    let mut seen = 0;
    while let Some(message) = stream.message().await? {
        let Some(Event::Verdict(verdict)) = message.event else {
            continue;
        };
        let now = SystemTime::now();
        if let Some(fault) = verdict.fault {
            bail!("FAULT: {}", fault.message);
        }
        seen += 1;
        if seen <= WARM_UP {
            started = Instant::now();
            continue;
        }
        let captured = verdict.capture_time.context("a capture time")?;
        let captured = SystemTime::try_from(captured)?;
        receipts.push(Receipt {
            verdict,
            total: now.duration_since(captured).unwrap_or_default(),
        });
        if receipts.len() == count as usize {
            return Ok((receipts, started.elapsed()));
        }
    }
    bail!("the stream ended")
}

fn milliseconds(duration: Option<prost_types::Duration>) -> f64 {
    let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
    duration.unwrap_or_default().as_secs_f64() * 1e3
}

fn inference_ms(verdict: &Verdict) -> f64 {
    milliseconds(
        verdict
            .timings
            .as_ref()
            .and_then(|timings| timings.inference),
    )
}

/// A daemon process, killed when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn start(config: &std::path::Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--config").arg(config);
        command.stderr(Stdio::piped()).stdout(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    /// Waits until the daemon is ready and returns its address. Its log is read further, so that it never
    /// blocks.
    fn address(&mut self) -> Result<String> {
        let log = BufReader::new(self.0.stderr.take().context("a pipe")?);
        let mut lines = log.lines();
        let mut address = None;
        let mut log_lines = Vec::new();
        for line in lines.by_ref() {
            let line = line?;
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            match event["message"].as_str() {
                Some("server.listen") => {
                    address = event["address"].as_str().map(|at| format!("http://{at}"));
                }
                Some("ready") => {
                    std::thread::spawn(move || lines.for_each(drop));
                    return address.context("an address in the log");
                }
                _ => {}
            }
            log_lines.push(line);
        }
        bail!("the daemon did not start:\n{}", log_lines.join("\n"))
    }
}
