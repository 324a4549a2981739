//! Changing the configuration of a line that runs: from a signal, a changed file or a call, one at a
//! time. A bad one changes nothing, and is remembered for the status.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use thiserror::Error;
use tracing::{error, info, warn};

use crate::bundle::Bundle;
use crate::config::{self, ConfigError, Sources};
use crate::line::model::{Model, ModelError};
use crate::line::{Active, Line};
use crate::telemetry::Telemetry;

/// Why a reload changed nothing.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// The configuration is not valid.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The bundle that it names is not usable.
    #[error("{key}: {0}", key = .0.key())]
    Model(#[from] ModelError),
}

impl ReloadError {
    /// Each fault, for people.
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Configuration(error) => error.faults.iter().map(ToString::to_string).collect(),
            Self::Model(_) => vec![self.to_string()],
        }
    }
}

/// What is remembered of reloads.
#[derive(Debug, Default)]
struct Memory {
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

/// Reloads.
#[derive(Debug)]
pub struct Control {
    line: Arc<Line>,
    sources: Sources,
    telemetry: Telemetry,
    /// Held while a reload goes on: they come one after another.
    reloading: Mutex<()>,
    memory: Mutex<Memory>,
}

impl Control {
    /// Reads from `sources`, which the line was started from.
    pub fn new(line: Arc<Line>, sources: Sources, telemetry: Telemetry) -> Self {
        Self {
            line,
            sources,
            telemetry,
            reloading: Mutex::new(()),
            memory: Mutex::default(),
        }
    }

    /// The configuration in force.
    pub fn configuration(&self) -> Configuration {
        let active = self.line.active();
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        Configuration {
            generation: active.generation,
            hash: active.stamp.config_hash.clone(),
            since: active.since,
            last_error: memory.last_error.clone(),
            restart_required: memory.restart_required.clone(),
        }
    }

    /// Reads configuration and bundle again, and brings what changed into force. Takes as long as loading
    /// a model takes if that changed. Gives back whether anything did.
    ///
    /// # Errors
    /// Everything that is wrong; the line goes on as before.
    pub fn reload(&self) -> Result<bool, ReloadError> {
        let _one_at_a_time = self
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let result = self.attempt();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Ok((changed, restart_required)) => {
                if !restart_required.is_empty() {
                    warn!(keys = ?restart_required, "changed settings wait for a restart");
                }
                memory.restart_required.clone_from(restart_required);
                memory.last_error = None;
                info!(changed, "configuration reloaded");
            }
            Err(error) => {
                for fault in error.faults() {
                    error!(%fault, "reload refused, the line goes on as before");
                }
                memory.last_error = Some((error.to_string(), SystemTime::now()));
            }
        }
        result.map(|(changed, _)| changed)
    }

    /// Whether anything changed, and the keys that wait for a restart.
    fn attempt(&self) -> Result<(bool, Vec<String>), ReloadError> {
        let loaded = config::load(&self.sources)?;
        let active = self.line.active();
        let restart = config::changes(&active.settings, &loaded.settings).restart;
        let settings = config::applied(&active.settings, &loaded.settings);
        let bundle = Bundle::open(&settings.model.bundle).map_err(ModelError::from)?;
        let model = if *bundle.manifest() == active.model.manifest {
            Arc::clone(&active.model)
        } else {
            Arc::new(Model::load(&bundle, &settings.engine)?)
        };
        if settings == active.settings && Arc::ptr_eq(&model, &active.model) {
            return Ok((false, restart));
        }
        if settings.log.filter != active.settings.log.filter
            && let Err(error) = self.telemetry.set_filter(&settings.log.filter)
        {
            warn!(%error, "the log's filter stays as it was");
        }
        let hash = config::hash(&settings);
        self.line.activate(Active::new(
            settings,
            hash,
            active.generation + 1,
            model,
            None,
        ));
        Ok((true, restart))
    }
}
