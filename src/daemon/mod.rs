//! The life of the daemon's process, from its configuration to its end.

mod exit;
pub mod failure;
mod signals;
mod sockets;
mod start;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout_at};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::access::{self, Access};
use crate::clock::{SharedClock, SystemClock};
use crate::config::settings::Settings;
use crate::config::{self, Loaded, Sources, Watch};
use crate::control::actor::Actor;
use crate::control::audit_sink::AuditSink;
use crate::control::lifecycle::{Phase, Stage};
use crate::control::persisted_state::StateFile;
use crate::control::recipe_cache::Prepared;
use crate::control::running_cameras::Cameras;
use crate::control::{Beginning, Control};
use crate::grpc::{Doors, Health, Services, StreamRegistry, serve};
use crate::http::Pages;
use crate::http::metrics::Metrics;
use crate::pipeline::model::{Model, ModelError};
use crate::pipeline::publisher::open_journal;
use crate::pipeline::worker::Worker;
use crate::pipeline::{Active, Line, Observer, PipelineOptions, Snapshot};
use crate::telemetry::{self, Telemetry};
pub use exit::leave;
use failure::Failure;
use inspectd_core::bundle::Bundle;
use signals::{SignalAction, Signals};
use sockets::{SocketFile, bind, bind_unix};

/// How often health is told and the cameras are looked after.
const ROUND: Duration = Duration::from_millis(200);

/// How long clients may take for their last messages, once all verdicts are made; a client that does not
/// answer any more holds the end up no longer.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs the daemon until a signal, or until all cameras have ended where the settings say so.
///
/// # Errors
/// Why it could not start, or did not end well.
pub fn run(sources: Sources) -> Result<(), Failure> {
    let loaded = config::load(&sources)?;
    let telemetry = telemetry::init(&loaded.settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("serve")
        .worker_threads(2)
        .build()
        .map_err(internal)?;
    let result = runtime.block_on(live(sources, loaded, telemetry));
    // A hung thread of a blocking call must not hold up the end.
    runtime.shutdown_background();
    result
}

#[allow(clippy::needless_pass_by_value)] // As map_err wants it.
fn internal(error: impl ToString) -> Failure {
    Failure::Internal(error.to_string())
}

async fn live(sources: Sources, loaded: Loaded, telemetry: Telemetry) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(internal)?;
    let server = &loaded.settings.server;
    let clock: SharedClock = Arc::new(SystemClock);
    let access = Access::open(&loaded.settings, Arc::clone(&clock))?;
    access.log_startup();
    let tcp = bind("server.listen", server.listen).await?;
    let (unix, socket) = match &server.unix_socket {
        Some(path) => {
            let (listener, file) = bind_unix("server.unix_socket", path)?;
            (Some(listener), Some(file))
        }
        None => (None, None),
    };
    let entrance = Entrance {
        doors: Doors { tcp, unix },
        access: Arc::new(access),
        socket,
    };
    let pages_listener = match server.metrics_listen {
        Some(address) => Some(bind("server.metrics_listen", address).await?),
        None => None,
    };
    let worker = Worker::start("inspector").map_err(internal)?;
    let state = StateFile::new(loaded.settings.journal.folder.as_deref())
        .read()
        .map_err(Failure::Memory)?;
    let recipe = start::recipe(&loaded.settings, &state)?;
    let bundle = recipe.as_ref().map(|recipe| recipe.bundle.clone());
    let bundle = bundle.unwrap_or_else(|| loaded.settings.model.bundle.clone());
    let model = tokio::select! {
        model = load_model(bundle, &loaded.settings, &worker) => Arc::new(model?),
        () = signals.end() => return Ok(()),
    };
    greet(&loaded, &model);
    let broken = Arc::new(Notify::new());
    let tell = Arc::clone(&broken);
    let settings = loaded.settings.clone();
    let active = Active::new(
        loaded.settings,
        loaded.hash,
        1,
        Arc::clone(&model),
        recipe.clone(),
        clock.now().utc,
    );
    let run_id = Uuid::now_v7();
    let journal = open_journal(&settings, run_id)?;
    let failed = move || tell.notify_one();
    let metrics = Arc::new(Metrics::new().map_err(internal)?);
    let options = PipelineOptions {
        active,
        worker,
        run_id,
        journal,
        observer: Arc::clone(&metrics) as Arc<dyn Observer>,
        clock,
        failed: Arc::new(failed),
    };
    let line = Line::start(options).map_err(internal)?;
    let beginning = Beginning {
        state,
        recipe: recipe.map(|recipe| Prepared { recipe, model }),
        audit_sink: AuditSink::new(settings.journal.folder.as_deref()),
    };
    let line = Arc::new(line);
    let cameras = Arc::new(Cameras::new(line.sink()));
    let control = Control::new(
        Arc::clone(&line),
        Arc::clone(&cameras),
        sources,
        telemetry,
        beginning,
    );
    control.record_start();
    let mut daemon = Daemon::start(
        line,
        settings,
        cameras,
        control,
        metrics,
        entrance,
        pages_listener,
    )
    .await?;
    let outcome = daemon.watch_over(&mut signals, &broken).await;
    tokio::select! {
        ended = daemon.stop() => outcome.and(ended),
        () = signals.end() => {
            warn!("told twice to end: ending at once");
            leave(130)
        }
    }
}

/// Where gRPC's clients come in, and who may.
struct Entrance {
    doors: Doors,
    access: Arc<Access>,
    socket: Option<SocketFile>,
}

async fn load_model(
    folder: PathBuf,
    settings: &Settings,
    worker: &Worker,
) -> Result<Model, Failure> {
    let engine = settings.engine.clone();
    let (loaded, model) = oneshot::channel();
    worker.give(move || {
        let load = || {
            let bundle = Bundle::open(&folder).map_err(ModelError::from)?;
            Model::load(&bundle, &engine)
        };
        // Nobody waits for it any more if the daemon was told to end.
        let _ = loaded.send(load());
    });
    Ok(model.await.map_err(internal)??)
}

fn greet(loaded: &Loaded, model: &Model) {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = %loaded.hash,
        model = %model.id.name,
        model_version = %model.id.version,
        provider = model.provider,
        "inspectd starts"
    );
    if let Some(reason) = &model.fallback_reason {
        warn!(%reason, provider = model.provider, "the requested provider is not in use");
    }
}

/// Everything that runs, in the order in which it ends.
struct Daemon {
    settings: Settings,
    watch: Option<Watch>,
    cameras: Arc<Cameras>,
    line: Arc<Line>,
    control: Arc<Control>,
    stage: Arc<Stage>,
    streams: Arc<StreamRegistry>,
    health: Health,
    metrics: Arc<Metrics>,
    servers: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Held for what they do when dropped.
    _access_watch: access::Watch,
    _socket: Option<SocketFile>,
}

impl Daemon {
    async fn start(
        line: Arc<Line>,
        settings: Settings,
        cameras: Arc<Cameras>,
        control: Control,
        metrics: Arc<Metrics>,
        entrance: Entrance,
        pages_listener: Option<TcpListener>,
    ) -> Result<Self, Failure> {
        let file = control.file().to_owned();
        let Entrance {
            doors,
            access,
            socket,
        } = entrance;
        let mut daemon = Self {
            watch: None,
            cameras,
            control: Arc::new(control),
            stage: Arc::new(Stage::new()),
            streams: Arc::new(StreamRegistry::new(settings.server.stream_limit)),
            health: Health::new().await,
            metrics,
            servers: Vec::new(),
            _access_watch: access.watch(),
            _socket: socket,
            line,
            settings,
        };
        daemon.serve(doors, access);
        if let Some(listener) = pages_listener {
            daemon.serve_pages(listener);
        }
        daemon
            .cameras
            .apply(&daemon.line.active())
            .map_err(internal)?;
        if daemon.settings.life.watch_files {
            let control = Arc::clone(&daemon.control);
            // The outcome is logged and remembered.
            let changed = move || drop(control.reload(&Actor::file()));
            daemon.watch = config::watch(&file, changed)
                .map_err(|error| warn!(%error, "changed files of the configuration go unnoticed"))
                .ok();
        }
        Ok(daemon)
    }

    fn serve(&mut self, doors: Doors, access: Arc<Access>) {
        let services = Services::new(
            Arc::clone(&self.line),
            Arc::clone(&self.control),
            Arc::clone(&self.stage),
            Arc::clone(&self.streams),
        );
        let (end, ended) = oneshot::channel();
        let health = self.health.service();
        let server = self.settings.server.clone();
        let task = tokio::spawn(async move {
            let ended = async move { drop(ended.await) };
            if let Err(error) = serve(services, health, &server, &access, doors, ended).await {
                error!(%error, "gRPC ended");
            }
        });
        self.servers.push((end, task));
    }

    fn serve_pages(&mut self, listener: TcpListener) {
        let pages = Pages {
            line: Arc::clone(&self.line),
            stage: Arc::clone(&self.stage),
            streams: Arc::clone(&self.streams),
            metrics: Arc::clone(&self.metrics),
        };
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let ended = async move { drop(ended.await) };
            let served = axum::serve(listener, pages.router()).with_graceful_shutdown(ended);
            if let Err(error) = served.await {
                error!(%error, "metrics ended");
            }
        });
        self.servers.push((end, task));
    }

    /// Waits for a reason to end, and does what comes up meanwhile.
    async fn watch_over(&mut self, signals: &mut Signals, broken: &Notify) -> Result<(), Failure> {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut watchdog = Watchdog::new();
        loop {
            tokio::select! {
                wish = signals.next() => match wish {
                    SignalAction::End => return Ok(()),
                    SignalAction::Reload => {
                        let control = Arc::clone(&self.control);
                        // Beside the line, which goes on; the outcome is logged and remembered.
                        spawn_blocking(move || control.reload(&Actor::signal()));
                    }
                },
                () = broken.notified() => {
                    return Err(internal("a thread of the line failed; the log says why"));
                }
                _ = rounds.tick() => {
                    let snapshot = self.line.snapshot();
                    self.round(&snapshot, &mut watchdog).await;
                    if self.settings.life.exit_when_ended && snapshot.all_ended() {
                        info!("all cameras have ended");
                        return Ok(());
                    }
                }
            }
        }
    }

    /// One look at everything.
    async fn round(&mut self, snapshot: &Snapshot, watchdog: &mut Watchdog) {
        let ready = self.stage.phase() == Phase::Starting && snapshot.all_attempted();
        if ready {
            self.stage.enter(Phase::Running);
        }
        let busy = self.line.busy_for().unwrap_or_default();
        let moves = busy < self.settings.engine.hang_timeout;
        if !moves {
            error!(busy_s = busy.as_secs_f32(), "the engine hangs");
        }
        self.health
            .report(self.stage.phase(), snapshot, moves)
            .await;
        // Who hears of it finds health to say the same.
        if ready {
            notify(&[NotifyState::Ready]);
            info!("ready");
        }
        self.metrics.run_upkeep();
        watchdog.round(moves, snapshot);
    }

    /// Ends everything in order: no more captures, what waits is judged, clients are told.
    async fn stop(&mut self) -> Result<(), Failure> {
        notify(&[NotifyState::Stopping]);
        info!("stopping");
        self.stage.enter(Phase::Stopping);
        let deadline = Instant::now() + self.settings.life.shutdown_deadline;
        self.health
            .report(Phase::Stopping, &self.line.snapshot(), true)
            .await;
        // Elsewhere: it waits for a reload that may be under way, and a model takes its time to load.
        let watch = self.watch.take();
        drop(spawn_blocking(move || drop(watch)));
        let in_time = self.end_line(deadline).await;
        self.stage.end_streams();
        self.health.end().await;
        let farewell = deadline.min(Instant::now() + DRAIN_TIMEOUT);
        for (end, task) in self.servers.drain(..) {
            let _ = end.send(());
            if timeout_at(farewell.into(), task).await.is_err() {
                warn!("a client did not take its last messages in time");
            }
        }
        self.control.record_stop();
        summarise(&self.line.snapshot());
        if in_time {
            Ok(())
        } else {
            Err(Failure::Deadline)
        }
    }

    /// Ends cameras and line, and gives back whether they did in time. A camera that hangs in its
    /// driver is left behind: it does not count.
    async fn end_line(&mut self, deadline: Instant) -> bool {
        let cameras = Arc::clone(&self.cameras);
        let line = Arc::clone(&self.line);
        let farewell = DRAIN_TIMEOUT.min(self.settings.life.shutdown_deadline / 4);
        let deadline = deadline.checked_sub(farewell).unwrap_or(deadline);
        let end = move || {
            cameras.end(deadline);
            line.finish(deadline)
        };
        spawn_blocking(end).await.unwrap_or(false)
    }
}

fn summarise(snapshot: &Snapshot) {
    for (id, (facts, _)) in &snapshot.cameras {
        let frames = facts.frames;
        info!(
            camera = %id,
            captured = frames.captured,
            judged = frames.judged,
            skipped = frames.skipped,
            faulted = frames.faulted,
            late = frames.late,
            "ended"
        );
    }
}

/// Tells systemd, where it listens.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd was not told");
    }
}

/// Feeds systemd's watchdog while the line moves.
struct Watchdog {
    every: Option<Duration>,
    fed: Option<Instant>,
}

impl Watchdog {
    fn new() -> Self {
        Self {
            // Twice as often as asked for, as sd_watchdog_enabled(3) recommends.
            every: sd_notify::watchdog_enabled().map(|every| every / 2),
            fed: None,
        }
    }

    fn round(&mut self, moves: bool, snapshot: &Snapshot) {
        let Some(every) = self.every else { return };
        if !moves || self.fed.is_some_and(|fed| fed.elapsed() < every) {
            return;
        }
        self.fed = Some(Instant::now());
        let counts = snapshot.totals.decisions;
        let status = format!(
            "{} cameras; {} PASS, {} REJECT, {} REVIEW, {} FAULT",
            snapshot.cameras.len(),
            counts.pass,
            counts.reject,
            counts.review,
            counts.fault
        );
        notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
    }
}

/// What `inspectd check` does: reads the configuration and opens the bundle, and starts nothing.
///
/// # Errors
/// What a start would fail with.
pub fn check(sources: &Sources) -> Result<Settings, Failure> {
    let loaded = config::load(sources)?;
    Access::open(&loaded.settings, Arc::new(SystemClock))?;
    Bundle::open(&loaded.settings.model.bundle).map_err(ModelError::from)?;
    start::check_recipes(&loaded.settings)?;
    Ok(loaded.settings)
}
