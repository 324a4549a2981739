//! Starting the daemon: listeners, model, pipeline, servers, cameras.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use inspectd_core::bundle::Bundle;
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::components::{Core, Endpoints};
use super::descriptors;
use super::failure::Failure;
use super::listeners::{LOOKOUT_SOCKET, bind, bind_unix};
use super::observers::Observers;
use super::recipes;
use super::running::Daemon;
use super::signals::Signals;
use crate::access::Access;
use crate::alarm::{AlarmKind, Alarms};
use crate::clock::SharedClock;
use crate::config::settings::{self, Settings};
use crate::config::{Loaded, Sources};
use crate::control::audit_sink::AuditSink;
use crate::control::persisted_state::{PersistedState, StateFile};
use crate::control::running_cameras::RunningCameras;
use crate::control::{Control, InitialState};
use crate::grpc::Listeners;
use crate::http::metrics::Metrics;
use crate::http::page::PAGE_LISTEN;
use crate::on_panic::Failed;
use crate::pipeline::model::{Model, ModelError};
use crate::pipeline::publisher::PublisherError;
use crate::pipeline::worker::Worker;
use crate::pipeline::{Active, Pipeline, PipelineOptions, PreparedRecipe};
use crate::shadow::Shadow;
use crate::telemetry::Telemetry;
use crate::telemetry::traces::Traces;

/// After this time without an answer of the disk, the start reports it.
const DISK_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts the daemon; returns none if a termination signal arrives while the model is being loaded.
pub(super) async fn start(
    sources: Sources,
    loaded: Loaded,
    telemetry: Telemetry,
    clock: SharedClock,
    signals: &mut Signals,
) -> Result<Option<Daemon>, Failure> {
    let alarms = Alarms::new(clock.clone());
    let endpoints = bind_all(&loaded.settings, &clock, &alarms).await?;
    let has_server = !loaded.settings.engine.remote.is_unset();
    let name = if has_server {
        "local-engine"
    } else {
        "inspector"
    };
    let worker = Worker::start(name).map_err(Failure::threads("inspector"))?;
    let folder = loaded.settings.journal.folder.clone();
    let state = tokio::select! {
        state = read_state(folder.clone()) => state.map_err(Failure::State)?,
        () = signals.terminated() => return Ok(None),
    };
    let recipe = recipes::initial(&loaded.settings, &state, &alarms)?;
    let bundle = recipe.as_ref().map(|recipe| recipe.bundle.clone());
    let bundle = bundle.unwrap_or_else(|| loaded.settings.model.bundle.clone());
    let model = tokio::select! {
        model = load_model(bundle, &loaded.settings.engine, &worker) => Arc::new(model?),
        () = signals.terminated() => return Ok(None),
    };
    log_startup(&loaded, &model);
    if let Some(activated) = &state.activated
        && activated.model_sha256 != model.id.sha256
    {
        let message = format!(
            "the model of recipe {} is {}, it was activated with {}",
            state.recipe.as_deref().unwrap_or_default(),
            model.id.sha256,
            activated.model_sha256
        );
        alarms.raise(AlarmKind::RecipeChanged, "model", message);
    }
    let initial = InitialState {
        state,
        recipe: recipe.map(|recipe| PreparedRecipe {
            recipe,
            model: Arc::clone(&model),
        }),
        audit_sink: AuditSink::new(folder.as_deref(), clock.clone()),
        alarms,
    };
    let core = start_core(sources, loaded, telemetry, clock, worker, model, initial)?;
    let control = Arc::clone(&core.control);
    record_start(&control).await;
    let daemon = Daemon::start(core, endpoints).await?;
    save_recipe(control).await;
    Ok(Some(daemon))
}

/// Reads the persisted state. Without it, the active recipe is not known: it is waited for, and can be interrupted.
async fn read_state(folder: Option<PathBuf>) -> io::Result<PersistedState> {
    let mut reading = spawn_blocking(move || StateFile::new(folder.as_deref()).read());
    loop {
        if let Ok(read) = timeout(DISK_TIMEOUT, &mut reading).await {
            return read.map_err(io::Error::other)?;
        }
        warn!(
            "the disk of journal.folder does not answer; waiting for the persisted state, which names the recipe"
        );
    }
}

/// Records the start in the audit log. If its disk does not answer, inspection starts without waiting.
async fn record_start(control: &Arc<Control>) {
    let control = Arc::clone(control);
    let recorded = spawn_blocking(move || control.record_start());
    if timeout(DISK_TIMEOUT, recorded).await.is_err() {
        error!("the disk of the audit log does not answer; changes are refused until it does");
    }
}

/// Saves the active recipe, after the start has succeeded. If the disk does not answer, inspection starts without
/// waiting.
async fn save_recipe(control: Arc<Control>) {
    let saved = spawn_blocking(move || control.save_initial_recipe());
    if timeout(DISK_TIMEOUT, saved).await.is_err() {
        error!(
            "the disk of journal.folder does not answer; the active recipe is not saved until it does"
        );
    }
}

async fn bind_all(
    settings: &Settings,
    clock: &SharedClock,
    alarms: &Alarms,
) -> Result<Endpoints, Failure> {
    let server = &settings.server;
    let access = Access::open(settings, clock.clone(), alarms.clone())?;
    access.log_startup();
    let tcp = bind("server.listen", server.listen).await?;
    let mut sockets = Vec::new();
    let mut socket = |key, path: Option<&PathBuf>| match path {
        Some(path) => {
            let (listener, file) = bind_unix(key, path)?;
            sockets.push(file);
            Ok::<_, Failure>(Some(listener))
        }
        None => Ok(None),
    };
    let unix = socket("server.unix_socket", server.unix_socket.as_ref())?;
    let lookout = socket(LOOKOUT_SOCKET, server.lookout_socket.as_ref())?;
    let http = match server.metrics_listen {
        Some(address) => Some(bind("server.metrics_listen", address).await?),
        None => None,
    };
    let page = match server.page_listen {
        Some(address) => Some(bind(PAGE_LISTEN, address).await?),
        None => None,
    };
    Ok(Endpoints {
        grpc: Listeners {
            tcp,
            unix,
            connection_limit: descriptors::connection_limit(settings),
        },
        access: Arc::new(access),
        lookout,
        sockets,
        http,
        page,
    })
}

/// Loads the model on the worker's thread.
async fn load_model(
    folder: PathBuf,
    engine: &settings::Engine,
    worker: &Worker,
) -> Result<Model, Failure> {
    let engine = engine.clone();
    let (sender, receiver) = oneshot::channel();
    worker.give(move || {
        let load = || {
            let bundle = Bundle::open_in(&folder, engine.graph_precisions());
            Model::load(&bundle.map_err(ModelError::from)?, &engine)
        };
        // The receiver is gone if the daemon was stopped meanwhile.
        let _ = sender.send(load());
    });
    Ok(receiver.await.map_err(|_| Failure::ModelThread)??)
}

/// Starts the pipeline and its control.
fn start_core(
    sources: Sources,
    loaded: Loaded,
    telemetry: Telemetry,
    clock: SharedClock,
    worker: Worker,
    model: Arc<Model>,
    initial: InitialState,
) -> Result<Core, Failure> {
    let settings = loaded.settings.clone();
    let recipe = initial
        .recipe
        .as_ref()
        .map(|prepared| Arc::clone(&prepared.recipe));
    let now = clock.now().utc;
    let active = Active::new(loaded.settings, loaded.hash, 1, model, recipe, now);
    let run_id = Uuid::now_v7();
    let metrics = Arc::new(Metrics::new()?);
    let traces = Traces::start(&settings.traces, run_id, clock.clone())?;
    let thread_failed = Arc::new(Notify::new());
    let failed: Failed = {
        let thread_failed = Arc::clone(&thread_failed);
        Arc::new(move || thread_failed.notify_one())
    };
    let pipeline = Pipeline::start(PipelineOptions {
        active,
        worker,
        run_id,
        observer: Arc::new(Observers {
            metrics: Arc::clone(&metrics),
            traces: traces.clone(),
        }),
        clock: clock.clone(),
        alarms: initial.alarms.clone(),
        failed: Arc::clone(&failed),
    })
    .map_err(|error| match error {
        PublisherError::Thread(error) => Failure::threads("pipeline")(error),
        PublisherError::Journal(error) => error.into(),
    })?;
    let pipeline = Arc::new(pipeline);
    let cameras = RunningCameras::new(pipeline.sink(), clock.clone(), Arc::clone(&failed));
    let cameras = Arc::new(cameras);
    let shadow = Shadow::new(settings.journal.folder.as_deref(), clock.clone());
    let control = Control::new(
        Arc::clone(&pipeline),
        Arc::clone(&cameras),
        sources,
        telemetry,
        clock.clone(),
        initial,
    );
    Ok(Core {
        settings,
        clock,
        pipeline,
        cameras,
        control: Arc::new(control),
        shadow: Arc::new(shadow),
        metrics,
        traces,
        failed,
        thread_failed,
    })
}

fn log_startup(loaded: &Loaded, model: &Model) {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = %loaded.hash,
        model = %model.id.name,
        model_version = %model.id.version,
        precision = %model.id.precision,
        provider = model.provider,
        "inspectd starts"
    );
    if let Some(reason) = &model.fallback_reason {
        warn!(%reason, provider = model.provider, "the requested provider is not in use");
    }
}
