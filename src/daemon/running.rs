//! The running daemon: servers, periodic checks, and the stop in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};

use super::challenge_schedule::ChallengeSchedule;
use super::components::{Core, Endpoints};
use super::descriptors::PAGE_CONNECTIONS;
use super::failure::Failure;
use super::listeners::{LOOKOUT_SOCKET, SocketFile};
use super::servers::Servers;
use super::signals::{SignalAction, Signals};
use super::systemd::{Watchdog, notify};
use crate::access::{self, Access};
use crate::clock::SharedClock;
use crate::config::settings::Settings;
use crate::config::{self, Watch};
use crate::control::Control;
use crate::control::actor::Actor;
use crate::control::lifecycle::{Lifecycle, Phase, stalled_for};
use crate::control::running_cameras::RunningCameras;
use crate::evidence::DiskStore;
use crate::grpc::{
    Acceptance, Calls, EdgeAgent, GrpcService, Health, Listeners, Services, StreamRegistry, serve,
    serve_edge_agent,
};
use crate::http::listener::LimitedListener;
use crate::http::metrics::Metrics;
use crate::http::page::listener::PageListener;
use crate::http::page::{PAGE_LISTEN, PagePeer, PageState};
use crate::http::{DiskReader, HttpState};
use crate::on_panic::Failed;
use crate::pipeline::{Pipeline, Snapshot};
use crate::shadow::{ShadowThread, SharedShadow};
use crate::telemetry::traces::Traces;

/// Interval of the checks of health and cameras.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// How long the start waits for the first attempt to open each camera: one that hangs does not count as a failed start.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long clients may take to receive their last messages after all verdicts are made. After that, a
/// client that does not answer no longer delays the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Minimum time for recording the stop, and time for writing the counts of the shadow.
const RECORD_TIMEOUT: Duration = Duration::from_millis(500);

/// Time for sending the last spans: a collector that does not answer does not delay the stop further.
const TRACES_TIMEOUT: Duration = Duration::from_millis(500);

/// Everything that runs, in the order in which it stops.
pub(super) struct Daemon {
    settings: Settings,
    clock: SharedClock,
    /// When the daemon is ready, even if a camera is still being opened.
    ready_by: Instant,
    config_watch: Option<Watch>,
    challenge: Option<ChallengeSchedule>,
    shadow: SharedShadow,
    shadow_thread: Option<ShadowThread>,
    cameras: Arc<RunningCameras>,
    pipeline: Arc<Pipeline>,
    /// Reports that a thread has failed.
    failed: Failed,
    thread_failed: Arc<Notify>,
    control: Arc<Control>,
    lifecycle: Arc<Lifecycle>,
    streams: Arc<StreamRegistry>,
    health: Health,
    metrics: Arc<Metrics>,
    traces: Traces,
    servers: Servers,
    /// Held for their effect when dropped.
    _access_watch: access::Watch,
    sockets: Vec<SocketFile>,
}

impl Daemon {
    /// Starts the servers, then the cameras, and watches the configuration files.
    pub(super) async fn start(core: Core, endpoints: Endpoints) -> Result<Self, Failure> {
        let Core {
            settings,
            clock,
            pipeline,
            cameras,
            control,
            shadow,
            metrics,
            traces,
            failed,
            thread_failed,
        } = core;
        let mut daemon = Self {
            config_watch: None,
            challenge: None,
            shadow_thread: None,
            cameras,
            control,
            lifecycle: Arc::new(Lifecycle::new()),
            streams: Arc::new(StreamRegistry::new(settings.server.stream_limit)),
            health: Health::new().await,
            metrics,
            traces,
            servers: Servers::default(),
            _access_watch: endpoints.access.watch(Arc::clone(&failed)),
            failed,
            shadow,
            sockets: endpoints.sockets,
            pipeline,
            thread_failed,
            settings,
            ready_by: clock.now().monotonic + READY_TIMEOUT,
            clock,
        };
        let page = endpoints.page;
        daemon.serve_grpc(endpoints.grpc, endpoints.lookout, &endpoints.access, page);
        if let Some(listener) = endpoints.http {
            daemon.serve_http(listener, &endpoints.access);
        }
        daemon.control.restore_challenge();
        if daemon.settings.challenge.folder.is_some() {
            let failed = Arc::clone(&daemon.failed);
            let schedule = ChallengeSchedule::start(Arc::clone(&daemon.control), failed);
            daemon.challenge = Some(schedule.map_err(Failure::threads("challenge"))?);
        }
        let shadow = ShadowThread::start(
            Arc::clone(&daemon.shadow),
            Arc::clone(&daemon.pipeline),
            Arc::clone(&daemon.failed),
        );
        daemon.shadow_thread = Some(shadow.map_err(Failure::threads("shadow"))?);
        daemon
            .control
            .start_cameras()
            .map_err(Failure::threads("cameras"))?;
        if daemon.settings.life.watch_files {
            daemon.watch_config();
        }
        Ok(daemon)
    }

    fn now(&self) -> Instant {
        self.clock.now().monotonic
    }

    fn watch_config(&mut self) {
        let file = self.control.file().to_owned();
        let control = Arc::clone(&self.control);
        // The result is logged and kept for the status.
        let changed = move || drop(control.reload(&Actor::file()));
        self.config_watch = config::watch(&file, Arc::clone(&self.failed), changed)
            .map_err(|error| warn!(%error, "changes of the configuration files are not detected"))
            .ok();
    }

    /// Serves gRPC, clients of Lookout for Vision, and the page, which makes the same calls.
    fn serve_grpc(
        &mut self,
        listeners: Listeners,
        lookout: Option<UnixListener>,
        access: &Arc<Access>,
        page: Option<TcpListener>,
    ) {
        let service = GrpcService::new(
            Arc::clone(&self.pipeline),
            Arc::clone(&self.control),
            Arc::clone(&self.shadow),
            Arc::clone(&self.lifecycle),
            Arc::clone(&self.streams),
            self.clock.clone(),
            self.traces.clone(),
        );
        let health = self.health.service();
        let settings = self.settings.server.clone();
        let services = Services::new(service.clone(), health, settings.message_limit, access);
        if let Some(listener) = page {
            self.serve_page(listener, services.calls(), access);
        }
        if let Some(listener) = lookout {
            let limit = listeners.connection_limit;
            self.serve_lookout(listener, services.edge_agent(service), limit);
        }
        let failed = Arc::clone(&self.failed);
        self.servers.spawn("gRPC", |stopped| async move {
            let stopped = async move { drop(stopped.await) };
            if let Err(error) = serve(services, &settings, listeners, failed, stopped).await {
                error!(%error, "the gRPC server failed");
            }
        });
    }

    fn serve_lookout(&mut self, listener: UnixListener, agent: EdgeAgent, limit: usize) {
        let (settings, failed) = (self.settings.server.clone(), Arc::clone(&self.failed));
        self.servers
            .spawn("Lookout for Vision", |stopped| async move {
                let stopped = async move { drop(stopped.await) };
                let served = serve_edge_agent(
                    agent,
                    &settings,
                    LOOKOUT_SOCKET,
                    listener,
                    limit,
                    failed,
                    stopped,
                );
                if let Err(error) = served.await {
                    error!(%error, "the server of clients of Lookout for Vision failed");
                }
            });
    }

    fn serve_page(&mut self, listener: TcpListener, calls: Calls, access: &Arc<Access>) {
        let address = listener.local_addr();
        let (clock, failed) = (&self.clock, Arc::clone(&self.failed));
        let accepted = Acceptance::start(
            PAGE_LISTEN,
            listener,
            PAGE_CONNECTIONS,
            access,
            clock,
            failed,
        );
        let address = address.expect("it is bound");
        let listener = PageListener::new(address, accepted);
        let page = PageState::new(
            calls,
            Arc::clone(access),
            &self.settings,
            self.clock.clone(),
        );
        let service = page
            .router()
            .into_make_service_with_connect_info::<PagePeer>();
        self.servers.spawn("page", |stopped| async move {
            let stopped = async move { drop(stopped.await) };
            let served = axum::serve(listener, service).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                error!(%error, "the server of the page failed");
            }
        });
    }

    fn serve_http(&mut self, listener: TcpListener, access: &Arc<Access>) {
        let journal = self.settings.journal.folder.clone();
        let state = HttpState {
            pipeline: Arc::clone(&self.pipeline),
            lifecycle: Arc::clone(&self.lifecycle),
            streams: Arc::clone(&self.streams),
            shadow: Arc::clone(&self.shadow),
            metrics: Arc::clone(&self.metrics),
            access: Arc::clone(access),
            traces: self.traces.clone(),
            disk: journal.map(DiskReader::new),
        };
        let listener = LimitedListener::new(listener, self.clock.clone());
        self.servers.spawn("HTTP", |stopped| async move {
            let stopped = async move { drop(stopped.await) };
            let served = axum::serve(listener, state.router()).with_graceful_shutdown(stopped);
            if let Err(error) = served.await {
                error!(%error, "the HTTP server failed");
            }
        });
    }

    /// Runs until there is a reason to stop: handles signals and makes the periodic checks.
    pub(super) async fn supervise(&mut self, signals: &mut Signals) -> Result<(), Failure> {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut watchdog = Watchdog::new();
        let thread_failed = Arc::clone(&self.thread_failed);
        loop {
            tokio::select! {
                action = signals.next() => match action {
                    SignalAction::Terminate => return Ok(()),
                    SignalAction::Reload => {
                        let control = Arc::clone(&self.control);
                        // Does not block the checks; the result is logged and kept for the status.
                        spawn_blocking(move || control.reload(&Actor::signal()));
                    }
                },
                () = thread_failed.notified() => return Err(Failure::Thread),
                _ = checks.tick() => {
                    self.check_running()?;
                    let snapshot = self.pipeline.snapshot();
                    self.check(&snapshot, &mut watchdog).await;
                    if self.settings.life.exit_when_ended && snapshot.all_ended() {
                        info!("all cameras have ended");
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Checks that no server has ended, and that the thread that writes evidence has not failed.
    fn check_running(&self) -> Result<(), Failure> {
        if let Some(name) = self.servers.ended() {
            return Err(Failure::Server(name));
        }
        let store = self.pipeline.disk_store();
        if store.is_some_and(DiskStore::writer_failed) {
            return Err(Failure::Thread);
        }
        Ok(())
    }

    /// Makes one periodic check.
    async fn check(&mut self, snapshot: &Snapshot, watchdog: &mut Watchdog) {
        let starting = self.lifecycle.phase() == Phase::Starting;
        let ready = starting && (snapshot.all_attempted() || self.now() >= self.ready_by);
        if ready {
            self.lifecycle.enter(Phase::Running);
        }
        let stalled = stalled_for(&self.pipeline);
        let progresses = stalled.is_none();
        if let Some(busy) = stalled {
            error!(busy_s = busy.as_secs_f32(), "the engine is stalled");
        }
        self.health
            .report(self.lifecycle.phase(), snapshot, progresses)
            .await;
        // After the health service: a client that is notified finds the same state there.
        if ready {
            notify(&[NotifyState::Ready]);
            info!("ready");
        }
        self.metrics.run_upkeep();
        watchdog.check(progresses, snapshot, self.now());
    }

    /// Stops in order: no more captures, remaining frames are judged, clients receive their verdicts.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        notify(&[NotifyState::Stopping]);
        info!("stopping");
        self.lifecycle.enter(Phase::Stopping);
        let deadline = self.now() + self.settings.life.shutdown_deadline;
        self.health
            .report(Phase::Stopping, &self.pipeline.snapshot(), true)
            .await;
        // On another thread: dropping it waits for a reload in progress, which may be loading a model.
        self.challenge = None;
        self.shadow_thread = None;
        let config_watch = self.config_watch.take();
        drop(spawn_blocking(move || drop(config_watch)));
        let in_time = self.stop_pipeline(deadline).await;
        self.lifecycle.end_streams();
        self.health.end().await;
        let drain_deadline = deadline.min(self.now() + DRAIN_TIMEOUT);
        self.servers.stop(drain_deadline, &self.clock).await;
        self.traces.finish(TRACES_TIMEOUT).await;
        self.save_shadow().await;
        self.record_stop(deadline).await;
        self.sockets.clear();
        log_totals(&self.pipeline.snapshot());
        if in_time {
            Ok(())
        } else {
            Err(Failure::Deadline)
        }
    }

    /// Writes the counts of the shadow, if the disk answers in time.
    async fn save_shadow(&self) {
        let shadow = Arc::clone(&self.shadow);
        let saved = spawn_blocking(move || shadow.save_now());
        if timeout(RECORD_TIMEOUT, saved).await.is_err() {
            warn!("the counts of the shadow cannot be written: the disk does not answer");
        }
    }

    /// Records the stop in the audit log, if its disk answers in time.
    async fn record_stop(&self, deadline: Instant) {
        let control = Arc::clone(&self.control);
        let recorded = spawn_blocking(move || control.record_stop());
        let limit = deadline.saturating_duration_since(self.now());
        if timeout(limit.max(RECORD_TIMEOUT), recorded).await.is_err() {
            error!("the stop cannot be recorded: the disk of the audit log does not answer");
        }
    }

    /// Stops the cameras and the pipeline; returns whether the pipeline stopped in time. A camera that
    /// hangs in its driver is abandoned and does not count.
    async fn stop_pipeline(&mut self, deadline: Instant) -> bool {
        let cameras = Arc::clone(&self.cameras);
        let pipeline = Arc::clone(&self.pipeline);
        let drain = DRAIN_TIMEOUT.min(self.settings.life.shutdown_deadline / 4);
        let deadline = deadline.checked_sub(drain).unwrap_or(deadline);
        let stop = move || {
            cameras.stop_all(deadline);
            pipeline.finish(deadline)
        };
        spawn_blocking(stop).await.unwrap_or(false)
    }
}

fn log_totals(snapshot: &Snapshot) {
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use inspectd_core::moment::Moment;

    use super::*;
    use crate::alarm::Alarms;
    use crate::clock::{Clock, SystemClock};
    use crate::config::parse;

    /// A clock that panics once it is broken.
    #[derive(Debug, Default)]
    struct BreakingClock(AtomicBool);

    impl Clock for BreakingClock {
        fn now(&self) -> Moment {
            assert!(!self.0.load(Ordering::Relaxed), "the clock is broken");
            SystemClock.now()
        }
    }

    fn access(clock: &Arc<BreakingClock>) -> Arc<Access> {
        let file = Path::new("inspectd.toml");
        let text = "model.bundle = \"b\"\n[cameras.left]\nsource = \"simulator\"\n";
        let settings = parse(file, text, &[]).expect("a configuration").settings;
        let alarms = Alarms::new(clock.clone());
        let access = Access::open(&settings, clock.clone(), alarms).expect("nothing to read");
        Arc::new(access)
    }

    /// What `failed` notifies.
    fn notifies() -> (Failed, Arc<Notify>) {
        let failed = Arc::new(Notify::new());
        let reported = Arc::clone(&failed);
        (Arc::new(move || failed.notify_one()), reported)
    }

    async fn is_reported(reported: &Notify) {
        let in_time = timeout(Duration::from_secs(20), reported.notified()).await;
        in_time.expect("the panic is reported");
    }

    #[tokio::test]
    async fn panic_of_the_check_of_certificates_and_clients_is_reported() {
        let clock = Arc::new(BreakingClock::default());
        let access = access(&clock);
        clock.0.store(true, Ordering::Relaxed);
        let (failed, reported) = notifies();
        let _watch = access.watch(failed);
        is_reported(&reported).await;
    }

    #[tokio::test]
    async fn panic_of_a_loop_that_accepts_connections_is_reported() {
        let clock = Arc::new(BreakingClock::default());
        let access = access(&clock);
        let shared: SharedClock = clock.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (failed, reported) = notifies();
        let _accepted = Acceptance::start(PAGE_LISTEN, listener, 4, &access, &shared, failed);
        clock.0.store(true, Ordering::Relaxed);
        let _connection = tokio::net::TcpStream::connect(address).await;
        is_reported(&reported).await;
    }
}
