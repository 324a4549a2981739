//! Changes of a running pipeline: configuration, recipe and model. A signal, a changed file or a call
//! requests them; they are made one at a time. A change that is not valid changes nothing, and a change
//! that cannot be recorded is not made.

pub mod actor;
pub mod audit_sink;
mod camera_controls;
mod camera_files;
mod challenge;
mod change_lock;
mod component;
mod error;
mod installation;
pub mod lifecycle;
pub mod model_components;
mod pause;
pub mod persisted_state;
pub mod recipe_cache;
mod recipe_changes;
pub mod recipe_files;
mod recipe_values;
mod reload;
pub mod running_cameras;
mod settings_file;
pub mod threshold;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::error;

pub use camera_controls::NewControls;
pub use change_lock::LOCK_DURATION_LIMIT;
pub use error::ChangeError;
pub use installation::{InstallOptions, InstallResult, InstallStage};
pub use recipe_changes::RecipeState;
pub use reload::Configuration;

use actor::Actor;
use audit_sink::AuditSink;
use challenge::ChallengeState;
use inspectd_core::id::CameraId;
use persisted_state::{CameraPause, Installation, Lock, PersistedState, StateFile};
use recipe_cache::{RecipeCache, describe_recipe};
use reload::ReloadHistory;
use running_cameras::RunningCameras;

use crate::alarm::Alarms;
use crate::audit::{Action, AuditError};
use crate::clock::SharedClock;
use crate::config::{Settings, Sources};
use crate::pipeline::model::Model;
use crate::pipeline::{Pipeline, PreparedRecipe};
use crate::telemetry::Telemetry;

type ControlResult<T> = Result<T, ChangeError>;

/// A recipe that was active earlier; none if no recipe was.
#[derive(Clone, Debug)]
struct PreviousRecipe(Option<PreparedRecipe>);

/// State that only one change at a time may access.
#[derive(Debug)]
struct ChangeState {
    /// The recipe that was active before the present one, for rolling back.
    previous: Option<PreviousRecipe>,
    state: PersistedState,
}

/// Makes changes.
#[derive(Debug)]
pub struct Control {
    pipeline: Arc<Pipeline>,
    cameras: Arc<RunningCameras>,
    sources: Sources,
    telemetry: Telemetry,
    clock: SharedClock,
    audit_sink: AuditSink,
    alarms: Alarms,
    state_file: StateFile,
    recipe_cache: RecipeCache,
    change: Mutex<ChangeState>,
    reload_history: Mutex<ReloadHistory>,
    lock: Mutex<Option<Lock>>,
    pauses: Mutex<BTreeMap<CameraId, CameraPause>>,
    challenge: ChallengeState,
    /// The last installation of a model that was not undone. Not with the state, which is locked while models are loaded.
    last_installation: Mutex<Option<Installation>>,
    /// Held while a model is installed.
    installing: Mutex<()>,
}

/// What a pipeline is started with, apart from its configuration.
#[derive(Debug)]
pub struct InitialState {
    /// The state saved by earlier runs.
    pub state: PersistedState,
    /// The recipe that is active from the start.
    pub recipe: Option<PreparedRecipe>,
    /// The audit log.
    pub audit_sink: AuditSink,
    /// The alarms.
    pub alarms: Alarms,
}

impl Control {
    /// Reads from `sources`, from which the pipeline was started.
    pub fn new(
        pipeline: Arc<Pipeline>,
        cameras: Arc<RunningCameras>,
        sources: Sources,
        telemetry: Telemetry,
        clock: SharedClock,
        mut initial: InitialState,
    ) -> Self {
        let settings = &pipeline.active().settings;
        let state_file = StateFile::new(settings.journal.folder.as_deref());
        forget_pauses(&mut initial.state, settings, &state_file);
        let recipe_cache = RecipeCache::new(settings);
        if let Some(prepared) = initial.recipe {
            recipe_cache.keep(prepared);
        }
        Self {
            state_file,
            pipeline,
            cameras,
            sources,
            telemetry,
            clock,
            audit_sink: initial.audit_sink,
            alarms: initial.alarms,
            lock: Mutex::new(initial.state.lock.clone()),
            challenge: ChallengeState::default(),
            last_installation: Mutex::new(initial.state.installation.clone()),
            installing: Mutex::default(),
            pauses: Mutex::new(pauses(&initial.state)),
            recipe_cache,
            change: Mutex::new(ChangeState {
                previous: None,
                state: initial.state,
            }),
            reload_history: Mutex::default(),
        }
    }

    /// Returns the path of the main configuration file.
    pub fn file(&self) -> &Path {
        &self.sources.file
    }

    /// Puts a group whose cameras count their parts in step; see
    /// [`Pipeline::resynchronize`](crate::pipeline::Pipeline::resynchronize).
    ///
    /// # Errors
    /// When that is not possible, or cannot be recorded.
    pub fn resynchronize(&self, actor: &Actor, group: &str) -> ControlResult<()> {
        let _change = self.change.lock();
        self.record(actor, Action::Resynchronize, group, "", "")?;
        Ok(self.pipeline.resynchronize(group)?)
    }

    /// Returns the audit log.
    pub fn audit_sink(&self) -> &AuditSink {
        &self.audit_sink
    }

    fn record(
        &self,
        actor: &Actor,
        action: Action,
        subject: &str,
        before: &str,
        after: &str,
    ) -> Result<(), AuditError> {
        self.audit_sink
            .record(actor.entry(action, subject, before, after))
    }

    /// Records the start of the pipeline, with its configuration, model and recipe.
    pub fn record_start(&self) {
        let active = self.pipeline.active();
        let recipe = active
            .recipe
            .as_ref()
            .map_or_else(|| "none".to_owned(), |recipe| describe_recipe(recipe));
        let what = format!(
            "run {}, configuration {}, model {}, recipe {recipe}",
            self.pipeline.run_id(),
            active.stamp.config_hash,
            describe_model(&active.model),
        );
        if let Err(error) = self.record(&Actor::process(), Action::Start, "inspectd", "", &what) {
            error!(%error, "the start cannot be recorded; changes are refused until the audit log works");
        }
    }

    /// Records the orderly stop of the pipeline.
    pub fn record_stop(&self) {
        let run = format!("run {}", self.pipeline.run_id());
        if let Err(error) = self.record(&Actor::process(), Action::Stop, "inspectd", &run, "") {
            error!(%error, "the stop cannot be recorded");
        }
    }
}

/// Forgets the pauses of cameras that were removed: they are not paused when they are added again.
fn forget_pauses(state: &mut PersistedState, settings: &Settings, file: &StateFile) {
    let configured: BTreeSet<&str> = settings.cameras.keys().map(CameraId::as_str).collect();
    let before = state.paused.len();
    state
        .paused
        .retain(|id, _| configured.contains(id.as_str()));
    if state.paused.len() < before
        && let Err(error) = file.write(state)
    {
        error!(%error, "the pauses of removed cameras cannot be removed from the state");
    }
}

/// The paused cameras of the saved state.
fn pauses(state: &PersistedState) -> BTreeMap<CameraId, CameraPause> {
    let pauses = state.paused.iter();
    let pauses = pauses.filter_map(|(id, pause)| Some((id.parse().ok()?, pause.clone())));
    pauses.collect()
}

/// A model as the audit log records it.
fn describe_model(model: &Model) -> String {
    format!("{} {} {}", model.id.name, model.id.version, model.id.sha256)
}
