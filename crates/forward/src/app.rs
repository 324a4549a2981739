//! The running program: one worker for each sink, the listener of the status, signals, systemd.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_client::{Client, Credentials, CredentialsError, Error};
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::config::{Daemon, Origin, Settings, SinkSettings};
use crate::dead_letters::DeadLetters;
use crate::delivery::Delivery;
use crate::failure::Failure;
use crate::memory_file::MemoryFile;
use crate::sink;
use crate::source::Source;
use crate::state::SinkState;
use crate::status;
use crate::worker::{Ended, Worker};

/// The interval at which the lag of the consumers is requested from the daemon.
const MONITOR_INTERVAL: Duration = Duration::from_secs(5);

/// Returns a client of the daemon, with a connection of its own.
///
/// # Errors
/// If the files of the credentials cannot be used.
pub fn client(daemon: &Daemon) -> Result<Client, Error> {
    let credentials = credentials(daemon)?;
    Client::builder(daemon.server.clone())
        .credentials(credentials)
        .build()
}

fn credentials(daemon: &Daemon) -> Result<Credentials, CredentialsError> {
    let mut credentials = Credentials::new();
    if let Some(file) = &daemon.token_file {
        credentials = credentials.token_file(file)?;
    }
    if let Some(file) = &daemon.ca {
        credentials = credentials.ca_file(file)?;
    }
    if let Some((certificate, key)) = &daemon.identity {
        credentials = credentials.identity_files(certificate, key)?;
    }
    Ok(credentials)
}

/// Forwards until SIGTERM or SIGINT.
///
/// # Errors
/// If the files of the credentials or the address of the status cannot be used, a worker failed, or other programs have
/// taken over all consumers.
pub async fn run(settings: Settings) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let (stop, stopped) = watch::channel(false);
    let origin = Arc::new(settings.origin.clone());
    let mut states = Vec::new();
    let mut workers = JoinSet::new();
    for sink in &settings.sinks {
        let worker = worker(&settings, sink, &origin, stopped.clone())?;
        states.push(Arc::clone(&worker.state));
        workers.spawn(worker.run());
    }
    let states: Arc<[Arc<SinkState>]> = states.into();
    let mut helpers = JoinSet::new();
    let monitor = client(&settings.daemon).map_err(|error| Failure::Setup(error.to_string()))?;
    helpers.spawn(watch_lag(monitor, Arc::clone(&states)));
    if let Some(address) = settings.status_listen {
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .map_err(|error| Failure::Unreachable(format!("status.listen: {address}: {error}")))?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::Internal(error.to_string()))?;
        info!(%address, "status.listen");
        helpers.spawn(status::http::serve(listener, Arc::clone(&states)));
    }
    helpers.spawn(keep_watchdog());
    notify(&[NotifyState::Ready]);
    info!(box = origin.box_name, site = origin.site, sinks = settings.sinks.len(), "ready");
    let superseded = wait(&mut signals, &mut workers).await?;
    notify(&[NotifyState::Stopping]);
    stop.send_replace(true);
    let ended = timeout(settings.shutdown_deadline, async {
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended {
                return Err(Failure::Internal(error.to_string()));
            }
        }
        Ok(())
    });
    if let Ok(ended) = ended.await {
        ended?;
    } else {
        warn!("a batch was not confirmed in time; its records are sent again after the next start");
    }
    helpers.shutdown().await;
    if superseded {
        return Err(Failure::Superseded);
    }
    info!("stopped");
    Ok(())
}

/// The signals that end the program.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers: from now on the signals do not end the process by themselves.
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::Internal(error.to_string()));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for a signal, or until no sink is left. Returns whether none is left.
async fn wait(signals: &mut Signals, workers: &mut JoinSet<Ended>) -> Result<bool, Failure> {
    loop {
        tokio::select! {
            () = signals.next() => return Ok(false),
            ended = workers.join_next() => match ended {
                // The other sinks continue.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Failure::Internal(error.to_string())),
                None => return Ok(true),
            },
        }
    }
}

fn worker(
    settings: &Settings,
    sink: &SinkSettings,
    origin: &Arc<Origin>,
    stop: watch::Receiver<bool>,
) -> Result<Worker, Failure> {
    let client = client(&settings.daemon).map_err(|error| Failure::Setup(error.to_string()))?;
    let state = SinkState::new(&sink.id, sink.receiver.kind(), sink.consumer.as_str());
    let state = Arc::new(state);
    let source = Source {
        client,
        consumer: sink.consumer.clone(),
        origin: Arc::clone(origin),
        filter: sink.filter.clone(),
        silence: settings.daemon.silence_timeout,
        state: Arc::clone(&state),
    };
    let delivery = Delivery {
        id: sink.id.clone(),
        sink: sink::create(sink, origin, &settings.state_folder),
        dead_letters: DeadLetters::new(
            &settings.state_folder,
            &sink.id,
            sink.dead_letters_max_bytes,
        ),
        backoff: Backoff::new(sink.retry_after, sink.retry_after_max),
        timeout: sink.timeout,
        evidence: sink.evidence,
        state: Arc::clone(&state),
        stop: stop.clone(),
    };
    Ok(Worker {
        id: sink.id.clone(),
        source,
        delivery,
        memory_file: MemoryFile::new(&settings.state_folder, &sink.id),
        batch_limit: sink.batch_limit,
        batch_window: sink.batch_window,
        state,
        stop,
    })
}

/// Requests the lag of the consumers from the daemon, and measures the rates.
async fn watch_lag(client: Client, states: Arc<[Arc<SinkState>]>) {
    let mut ticks = interval(MONITOR_INTERVAL);
    loop {
        ticks.tick().await;
        for state in &*states {
            state.measure_rate(Instant::now());
        }
        // The workers report that the daemon does not answer.
        let Ok(consumers) = client.consumers().await else {
            continue;
        };
        for state in &*states {
            let name = state.snapshot().consumer;
            if let Some(consumer) = consumers.iter().find(|one| one.name == name) {
                state.reported(consumer);
            }
        }
    }
}

/// Notifies systemd's watchdog while the runtime works.
async fn keep_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut ticks = interval(limit / 2);
    loop {
        ticks.tick().await;
        notify(&[NotifyState::Watchdog]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd cannot be notified");
    }
}
