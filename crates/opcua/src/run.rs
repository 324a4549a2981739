//! The life of the server: bind, serve, stop.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use inspectd_gateway::systemd::notify;
use opcua::server::ServerHandle;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::call::channel;
use crate::config::Settings;
use crate::configuration;
use crate::failure::Failure;
use crate::gate::{Gate, Rules};
use crate::nodes::EXPECTED;
use crate::password::PasswordHash;
use crate::pki::{self, Trust};
use crate::publisher::Publisher;
use crate::server::{self, CHUNK_BYTES};
use crate::system::{ContinuousRecipes, System};
use crate::watchdog::keep_alive;

/// How long the sessions may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause between two checks whether the library listens.
const START_POLL: Duration = Duration::from_millis(5);

/// The threads of the runtime.
pub const THREADS: usize = 2;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If the server cannot start, or ends by itself.
pub async fn run(settings: Settings) -> Result<(), Failure> {
    pki::prepare(&settings)?;
    let client = settings.daemon.client()?;
    let listener = listen(&settings).await?;
    let address = listener.local_addr().map_err(anyhow::Error::from)?;
    let inner = TcpListener::bind("127.0.0.1:0").await;
    let inner = inner
        .context("no local port for the server")
        .map_err(Failure::Internal)?;
    let inner_address = inner.local_addr().map_err(anyhow::Error::from)?;
    // Created at each start: no user knows its password.
    let unknown = PasswordHash::create(&uuid::Uuid::now_v7().to_string())?;
    let (mut callers, mut receivers) = (Vec::new(), Vec::new());
    for (name, target) in &settings.systems {
        let (caller, receiver) = channel();
        callers.push((name.clone(), caller));
        receivers.push((name.clone(), target.clone(), receiver));
    }
    let built = server::build(&settings, address.port(), unknown, callers);
    let (library, handle) =
        built.map_err(|error| anyhow!("the server cannot be built: {error}"))?;
    let publisher = Publisher::new(handle.clone());
    let publisher = publisher.ok_or_else(|| anyhow!("the server has no vision systems"))?;
    if publisher.namespaces() != EXPECTED {
        let found = publisher.namespaces();
        return Err(anyhow!("the namespaces have the indices {found:?}, not {EXPECTED:?}").into());
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { library.run_with(inner).await });
    started(&handle, &mut tasks).await?;
    // Clients connect to the gate, not to the port of the library.
    handle
        .info()
        .port
        .store(address.port(), std::sync::atomic::Ordering::Relaxed);
    let box_name = settings.server.box_name.clone().unwrap_or_else(host_name);
    let continuous = ContinuousRecipes::default();
    let mut systems = JoinSet::new();
    for (name, target, receiver) in receivers {
        let system = System::new(
            &name,
            target,
            &box_name,
            client.clone(),
            publisher.clone(),
            continuous.clone(),
        );
        systems.spawn(system.run(receiver));
    }
    let names = settings.systems.keys().cloned().collect();
    systems.spawn(configuration::follow(client, publisher, names));
    let gate = gate(&settings, listener, inner_address).run();
    info!(%address, policies = ?policies(&settings), "server.endpoint");
    notify(&[NotifyState::Ready]);
    let result = tokio::select! {
        () = gate => Ok(()),
        () = keep_alive(THREADS) => Ok(()),
        ended = tasks.join_next() => Err(anyhow!("the server ended: {ended:?}").into()),
        ended = systems.join_next() => Err(anyhow!("a system ended: {ended:?}").into()),
        stopped = termination() => stopped,
    };
    stop(&handle, &mut tasks, &mut systems).await?;
    result
}

/// Listens where clients connect.
async fn listen(settings: &Settings) -> Result<TcpListener, Failure> {
    let server = &settings.server;
    let address = format!("{}:{}", server.host, server.port);
    let bound = TcpListener::bind(&address).await;
    bound.map_err(|error| Failure::Address { address, error })
}

/// Waits until the library listens.
async fn started(
    handle: &ServerHandle,
    tasks: &mut JoinSet<Result<(), String>>,
) -> Result<(), Failure> {
    loop {
        if handle
            .info()
            .port
            .load(std::sync::atomic::Ordering::Relaxed)
            != 0
        {
            return Ok(());
        }
        tokio::select! {
            ended = tasks.join_next() => return Err(anyhow!("the server did not start: {ended:?}").into()),
            () = sleep(START_POLL) => {}
        }
    }
}

fn gate(settings: &Settings, listener: TcpListener, inner: SocketAddr) -> Gate {
    let limits = settings.limits;
    let policies = settings.server.policies.iter();
    Gate {
        listener,
        inner,
        rules: Rules {
            request_bytes: limits.request_bytes,
            chunk_bytes: CHUNK_BYTES,
            chunks: limits.request_bytes.div_ceil(CHUNK_BYTES / 8),
            channels_per_minute: limits.channels_per_minute,
            policy_uris: policies.map(|policy| policy.uri()).collect(),
        },
        limits,
        trust: Trust::new(&settings.pki_folder),
    }
}

fn policies(settings: &Settings) -> Vec<&'static str> {
    settings
        .server
        .policies
        .iter()
        .map(|policy| policy.name())
        .collect()
}

fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Waits for SIGTERM or SIGINT.
async fn termination() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(anyhow::Error::from);
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Ends sessions and systems.
async fn stop(
    handle: &ServerHandle,
    tasks: &mut JoinSet<Result<(), String>>,
    systems: &mut JoinSet<()>,
) -> Result<(), Failure> {
    info!("stopping");
    notify(&[NotifyState::Stopping]);
    systems.abort_all();
    handle.cancel();
    let ended = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        ended = timeout(STOP_TIMEOUT, ended) => {
            if ended.is_err() {
                warn!("the sessions did not end in time");
            }
            Ok(())
        }
        // A second signal.
        second = termination() => second.and(Err(Failure::Interrupted)),
    }
}
