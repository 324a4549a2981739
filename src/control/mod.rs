//! Changing what a running line judges by: configuration, recipe, model; from a signal, a changed file or
//! a call, one change at a time. A bad one changes nothing. What cannot be recorded is not done.

pub mod actor;
pub mod audit_sink;
pub mod lifecycle;
pub mod persisted_state;
pub mod recipe_cache;
mod recipe_changes;
pub mod running_cameras;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tracing::{error, info, warn};

use self::actor::Actor;
use self::audit_sink::AuditSink;
use self::persisted_state::{Lock, State, StateFile};
use self::recipe_cache::{Prepared, RecipeCache, RecipeRefusal};
use self::running_cameras::Cameras;
use crate::audit::{Action, AuditError};
use crate::config::settings::Settings;
use crate::config::{self, Changed, ConfigError, Sources};
use crate::pipeline::model::{Model, ModelError};
use crate::pipeline::{Active, Line};
use crate::telemetry::Telemetry;
use inspectd_core::bundle::Bundle;

pub use recipe_changes::RecipeState;
use recipe_changes::told;

/// The longest that a lock can hold by itself.
pub const LONGEST_LOCK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a change was not made.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The bundle that it names is not usable.
    #[error("{key}: {0}", key = .0.key())]
    Model(#[from] ModelError),
    /// The recipe cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeRefusal),
    /// Somebody works on this machine.
    #[error("locked by {} ({}): changes come from this machine alone", .0.who, .0.reason)]
    Locked(Lock),
    /// It cannot be recorded.
    #[error("the change cannot be recorded, and is not made: {0}")]
    Audit(#[from] AuditError),
    /// It would not outlive the process.
    #[error("the change cannot be kept, and is not made: {0}")]
    Memory(#[from] io::Error),
    /// A camera cannot be set anew.
    #[error("a camera cannot be set anew: {0}")]
    Camera(io::Error),
    /// Locks are set on this machine.
    #[error("a lock is set and opened on this machine alone")]
    NotLocal,
}

impl ChangeError {
    /// Each fault, for people.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Configuration(error) => error.faults.iter().map(ToString::to_string).collect(),
            Self::Recipe(RecipeRefusal::Recipe(error)) => error.faults(),
            _ => vec![self.to_string()],
        }
    }
}

/// What is remembered of reloads.
#[derive(Debug, Default)]
struct Reloads {
    last_error: Option<(String, SystemTime)>,
    restart_required: Vec<String>,
}

/// The configuration in force, and what is known about attempts to change it.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// 1 at the start, one more with each change.
    pub generation: u64,
    /// SHA-256 of the settings in force.
    pub hash: String,
    /// When they came into force.
    pub since: SystemTime,
    /// Why the last reload was refused, and when; nothing if it was not.
    pub last_error: Option<(String, SystemTime)>,
    /// Keys whose new values wait for a restart.
    pub restart_required: Vec<String>,
}

/// What was in force: a recipe, or none.
#[derive(Clone, Debug)]
struct Earlier(Option<Prepared>);

/// What only one change at a time may touch.
#[derive(Debug)]
struct ChangeState {
    recipe_cache: RecipeCache,
    /// What was in force before the recipe that is: for rolling back.
    previous: Option<Earlier>,
    state: State,
}

/// Changes.
#[derive(Debug)]
pub struct Control {
    line: Arc<Line>,
    cameras: Arc<Cameras>,
    sources: Sources,
    telemetry: Telemetry,
    audit_sink: AuditSink,
    state_file: StateFile,
    change: Mutex<ChangeState>,
    reloads: Mutex<Reloads>,
    lock: Mutex<Option<Lock>>,
}

/// What a line is started with beside its configuration.
#[derive(Debug)]
pub struct Beginning {
    /// What was remembered.
    pub state: State,
    /// The recipe that is in force from the start.
    pub recipe: Option<Prepared>,
    /// The audit log.
    pub audit_sink: AuditSink,
}

impl Control {
    /// Reads from `sources`, which the line was started from.
    pub fn new(
        line: Arc<Line>,
        cameras: Arc<Cameras>,
        sources: Sources,
        telemetry: Telemetry,
        beginning: Beginning,
    ) -> Self {
        let settings = &line.active().settings;
        let mut recipe_cache = RecipeCache::new(settings);
        if let Some(prepared) = beginning.recipe {
            recipe_cache.keep(prepared);
        }
        Self {
            state_file: StateFile::new(settings.journal.folder.as_deref()),
            line,
            cameras,
            sources,
            telemetry,
            audit_sink: beginning.audit_sink,
            lock: Mutex::new(beginning.state.lock.clone()),
            change: Mutex::new(ChangeState {
                recipe_cache,
                previous: None,
                state: beginning.state,
            }),
            reloads: Mutex::default(),
        }
    }

    /// The configuration in force.
    pub fn configuration(&self) -> Configuration {
        let active = self.line.active();
        let reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        Configuration {
            generation: active.generation,
            hash: active.stamp.config_hash.clone(),
            since: active.since,
            last_error: reloads.last_error.clone(),
            restart_required: reloads.restart_required.clone(),
        }
    }

    /// The main file of the configuration.
    pub fn file(&self) -> &Path {
        &self.sources.file
    }

    /// The audit log.
    pub fn audit_sink(&self) -> &AuditSink {
        &self.audit_sink
    }

    /// The lock that holds now.
    pub fn locked(&self) -> Option<Lock> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.clone().filter(|lock| lock.holds(SystemTime::now()))
    }

    /// One change at a time.
    fn change(&self) -> MutexGuard<'_, ChangeState> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowed(&self, actor: &Actor) -> Result<(), ChangeError> {
        match self.locked() {
            Some(lock) if !actor.local => Err(ChangeError::Locked(lock)),
            _ => Ok(()),
        }
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

    /// Reads configuration and bundle again, and brings what changed into force. Takes as long as loading
    /// a model takes if that changed. Gives back whether anything did.
    ///
    /// # Errors
    /// Everything that is wrong; the line goes on as before.
    pub fn reload(&self, actor: &Actor) -> Result<bool, ChangeError> {
        let change = self.change();
        let result = self
            .allowed(actor)
            .and_then(|()| self.attempt(actor, &change));
        drop(change);
        let mut reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok((changed, restart_required)) => {
                if !restart_required.is_empty() {
                    warn!(keys = ?restart_required, "changed settings wait for a restart");
                }
                reloads.restart_required.clone_from(restart_required);
                reloads.last_error = None;
                info!(changed, "configuration reloaded");
            }
            Err(error) => {
                for fault in error.faults() {
                    error!(%fault, "reload refused, the line goes on as before");
                }
                reloads.last_error = Some((error.to_string(), SystemTime::now()));
            }
        }
        result.map(|(changed, _)| changed)
    }

    /// Whether anything changed, and the keys that wait for a restart.
    fn attempt(
        &self,
        actor: &Actor,
        _bench: &ChangeState,
    ) -> Result<(bool, Vec<String>), ChangeError> {
        let loaded = config::load(&self.sources)?;
        let active = self.line.active();
        let restart = config::changes(&active.settings, &loaded.settings).restart;
        let settings = config::applied(&active.settings, &loaded.settings);
        let bundle = Bundle::open(&settings.model.bundle).map_err(ModelError::from)?;
        // A recipe in force has its own model.
        let model = if active.recipe.is_some() || *bundle.manifest() == active.model.manifest {
            Arc::clone(&active.model)
        } else {
            Arc::new(Model::load(&bundle, &settings.engine)?)
        };
        if settings == active.settings && Arc::ptr_eq(&model, &active.model) {
            return Ok((false, restart));
        }
        self.record_settings(actor, &active, &settings, &model)?;
        if settings.log.filter != active.settings.log.filter
            && let Err(error) = self.telemetry.set_filter(&settings.log.filter)
        {
            warn!(%error, "the log's filter stays as it was");
        }
        let hash = config::hash(&settings);
        let recipe = active.recipe.clone();
        self.line.activate(Active::new(
            settings,
            hash,
            active.generation + 1,
            model,
            recipe,
            self.line.clock().now().utc,
        ));
        Ok((true, restart))
    }

    fn record_settings(
        &self,
        actor: &Actor,
        active: &Active,
        settings: &Settings,
        model: &Arc<Model>,
    ) -> Result<(), AuditError> {
        for Changed { key, before, after } in config::changed(&active.settings, settings) {
            let action = match key.rsplit('.').next() {
                Some("threshold" | "review_from") => Action::Threshold,
                Some("bundle") => Action::Model,
                _ => Action::Configuration,
            };
            self.record(actor, action, &key, &before, &after)?;
        }
        if !Arc::ptr_eq(model, &active.model) {
            let (before, after) = (describe(&active.model), describe(model));
            self.record(actor, Action::Model, "model", &before, &after)?;
        }
        Ok(())
    }

    /// Refuses changes from elsewhere until it is opened again, or `duration` has passed.
    ///
    /// # Errors
    /// Where it is asked for from elsewhere, or cannot be recorded or kept.
    pub fn set_lock(
        &self,
        actor: &Actor,
        who: &str,
        reason: &str,
        duration: Option<Duration>,
    ) -> Result<Lock, ChangeError> {
        let since = SystemTime::now();
        let lock = Lock {
            who: who.to_owned(),
            reason: reason.to_owned(),
            since,
            until: duration.map(|duration| since + duration.min(LONGEST_LOCK)),
        };
        self.change_lock(actor, Some(lock.clone()))?;
        Ok(lock)
    }

    /// Opens the lock.
    ///
    /// # Errors
    /// Where it is asked for from elsewhere, or cannot be recorded or kept.
    pub fn open_lock(&self, actor: &Actor) -> Result<(), ChangeError> {
        self.change_lock(actor, None)
    }

    fn change_lock(&self, actor: &Actor, lock: Option<Lock>) -> Result<(), ChangeError> {
        if !actor.local {
            return Err(ChangeError::NotLocal);
        }
        let mut change = self.change();
        let told = |lock: Option<&Lock>| {
            lock.map_or_else(String::new, |lock| format!("{}: {}", lock.who, lock.reason))
        };
        let before = told(self.locked().as_ref());
        self.record(actor, Action::Lock, "lock", &before, &told(lock.as_ref()))?;
        let state = State {
            lock: lock.clone(),
            ..change.state.clone()
        };
        self.state_file.write(&state)?;
        change.state = state;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = lock;
        Ok(())
    }

    /// Records that the line begins to run, and by what it judges.
    pub fn record_start(&self) {
        let active = self.line.active();
        let recipe = active
            .recipe
            .as_ref()
            .map_or_else(|| "none".to_owned(), |recipe| told(recipe));
        let what = format!(
            "run {}, configuration {}, model {}, recipe {recipe}",
            self.line.run_id(),
            active.stamp.config_hash,
            describe(&active.model),
        );
        if let Err(error) = self.record(&Actor::process(), Action::Start, "inspectd", "", &what) {
            error!(%error, "the start cannot be recorded: no change will be made until it can");
        }
    }

    /// Records that the line has ended in order.
    pub fn record_stop(&self) {
        let run = format!("run {}", self.line.run_id());
        if let Err(error) = self.record(&Actor::process(), Action::Stop, "inspectd", &run, "") {
            error!(%error, "the end cannot be recorded");
        }
    }
}

fn describe(model: &Model) -> String {
    format!("{} {} {}", model.id.name, model.id.version, model.id.sha256)
}
