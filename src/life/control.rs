//! Changing what a running line judges by: configuration, recipe, model; from a signal, a changed file or
//! a call, one change at a time. A bad one changes nothing. What cannot be recorded is not done.

mod recipe;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tracing::{error, info, warn};

use super::author::Author;
use super::cameras::Cameras;
use super::memory::{Lock, Memory, State};
use super::recipes::{Kitchen, Prepared, RecipeRefusal};
use super::trail::Trail;
use crate::audit::{Action, AuditError};
use crate::config::settings::Settings;
use crate::config::{self, Changed, ConfigError, Sources};
use crate::line::model::{Model, ModelError};
use crate::line::{Active, Line};
use crate::telemetry::Telemetry;
use inspectd_core::bundle::Bundle;

pub use recipe::RecipeState;
use recipe::told;

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
struct Bench {
    kitchen: Kitchen,
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
    trail: Trail,
    memory: Memory,
    bench: Mutex<Bench>,
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
    pub trail: Trail,
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
        let mut kitchen = Kitchen::new(settings);
        if let Some(prepared) = beginning.recipe {
            kitchen.keep(prepared);
        }
        Self {
            memory: Memory::new(settings.journal.folder.as_deref()),
            line,
            cameras,
            sources,
            telemetry,
            trail: beginning.trail,
            lock: Mutex::new(beginning.state.lock.clone()),
            bench: Mutex::new(Bench {
                kitchen,
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
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// The lock that holds now.
    pub fn locked(&self) -> Option<Lock> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.clone().filter(|lock| lock.holds(SystemTime::now()))
    }

    /// One change at a time.
    fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allowed(&self, author: &Author) -> Result<(), ChangeError> {
        match self.locked() {
            Some(lock) if !author.local => Err(ChangeError::Locked(lock)),
            _ => Ok(()),
        }
    }

    fn record(
        &self,
        author: &Author,
        action: Action,
        subject: &str,
        before: &str,
        after: &str,
    ) -> Result<(), AuditError> {
        self.trail
            .record(author.entry(action, subject, before, after))
    }

    /// Reads configuration and bundle again, and brings what changed into force. Takes as long as loading
    /// a model takes if that changed. Gives back whether anything did.
    ///
    /// # Errors
    /// Everything that is wrong; the line goes on as before.
    pub fn reload(&self, author: &Author) -> Result<bool, ChangeError> {
        let bench = self.bench();
        let result = self
            .allowed(author)
            .and_then(|()| self.attempt(author, &bench));
        drop(bench);
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
    fn attempt(&self, author: &Author, _bench: &Bench) -> Result<(bool, Vec<String>), ChangeError> {
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
        self.record_settings(author, &active, &settings, &model)?;
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
        ));
        Ok((true, restart))
    }

    fn record_settings(
        &self,
        author: &Author,
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
            self.record(author, action, &key, &before, &after)?;
        }
        if !Arc::ptr_eq(model, &active.model) {
            let (before, after) = (describe(&active.model), describe(model));
            self.record(author, Action::Model, "model", &before, &after)?;
        }
        Ok(())
    }

    /// Refuses changes from elsewhere until it is opened again, or `duration` has passed.
    ///
    /// # Errors
    /// Where it is asked for from elsewhere, or cannot be recorded or kept.
    pub fn set_lock(
        &self,
        author: &Author,
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
        self.change_lock(author, Some(lock.clone()))?;
        Ok(lock)
    }

    /// Opens the lock.
    ///
    /// # Errors
    /// Where it is asked for from elsewhere, or cannot be recorded or kept.
    pub fn open_lock(&self, author: &Author) -> Result<(), ChangeError> {
        self.change_lock(author, None)
    }

    fn change_lock(&self, author: &Author, lock: Option<Lock>) -> Result<(), ChangeError> {
        if !author.local {
            return Err(ChangeError::NotLocal);
        }
        let mut bench = self.bench();
        let told = |lock: Option<&Lock>| {
            lock.map_or_else(String::new, |lock| format!("{}: {}", lock.who, lock.reason))
        };
        let before = told(self.locked().as_ref());
        self.record(author, Action::Lock, "lock", &before, &told(lock.as_ref()))?;
        let state = State {
            lock: lock.clone(),
            ..bench.state.clone()
        };
        self.memory.write(&state)?;
        bench.state = state;
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
        if let Err(error) = self.record(&Author::process(), Action::Start, "inspectd", "", &what) {
            error!(%error, "the start cannot be recorded: no change will be made until it can");
        }
    }

    /// Records that the line has ended in order.
    pub fn record_stop(&self) {
        let run = format!("run {}", self.line.run_id());
        if let Err(error) = self.record(&Author::process(), Action::Stop, "inspectd", &run, "") {
            error!(%error, "the end cannot be recorded");
        }
    }
}

fn describe(model: &Model) -> String {
    format!("{} {} {}", model.id.name, model.id.version, model.id.sha256)
}
