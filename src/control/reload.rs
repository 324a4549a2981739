//! Reloading the configuration.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use inspectd_core::bundle::Bundle;
use inspectd_core::id::CameraId;
use tracing::{error, info, warn};

use super::actor::Actor;
use super::recipe_cache::check_cameras;
use super::{ChangeError, ChangeState, Control, ControlResult, describe_model};
use crate::audit::{Action, AuditError};
use crate::config::settings::Settings;
use crate::config::{self, Changed};
use crate::pipeline::Active;
use crate::pipeline::model::{Model, ModelError};

/// Outcomes of reloads.
#[derive(Debug, Default)]
pub(super) struct ReloadHistory {
    last_error: Option<(String, SystemTime)>,
    restart_required: Vec<String>,
}

/// The active configuration, with the outcome of the last reload.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// 1 at the start, incremented with each change.
    pub generation: u64,
    /// SHA-256 of the active settings.
    pub hash: String,
    /// When they were activated.
    pub since: SystemTime,
    /// Why the last reload was refused, and when; none if it succeeded.
    pub last_error: Option<(String, SystemTime)>,
    /// Keys whose new values take effect at the next start.
    pub restart_required: Vec<String>,
}

/// Result of a reload that was not refused.
struct Reloaded {
    changed: bool,
    restart_required: Vec<String>,
}

impl Control {
    /// Returns the active configuration.
    pub fn configuration(&self) -> Configuration {
        let active = self.pipeline.active();
        let history = self.reload_history.lock();
        Configuration {
            generation: active.generation,
            hash: active.stamp.config_hash.clone(),
            since: active.since,
            last_error: history.last_error.clone(),
            restart_required: history.restart_required.clone(),
        }
    }

    /// Reads the configuration and the bundle again, and activates what changed. If the model changed,
    /// this takes as long as loading it. Returns whether anything changed.
    ///
    /// # Errors
    /// Everything that is wrong; the pipeline continues unchanged.
    pub fn reload(&self, actor: &Actor) -> ControlResult<bool> {
        let mut change = self.change.lock();
        let allowed = self.check_lock(actor);
        let result = allowed.and_then(|()| self.try_reload(actor, &mut change));
        drop(change);
        let mut history = self.reload_history.lock();
        match &result {
            Ok(reloaded) => {
                let keys = &reloaded.restart_required;
                if !keys.is_empty() {
                    warn!(?keys, "some changed settings require a restart");
                }
                history.restart_required.clone_from(keys);
                history.last_error = None;
                info!(changed = reloaded.changed, "configuration reloaded");
            }
            Err(error) => {
                for fault in error.faults() {
                    error!(%fault, "reload refused; the pipeline continues unchanged");
                }
                history.last_error = Some((error.to_string(), self.clock.now().utc));
            }
        }
        result.map(|reloaded| reloaded.changed)
    }

    /// Reloads while the caller holds the lock of changes.
    fn try_reload(&self, actor: &Actor, change: &mut ChangeState) -> ControlResult<Reloaded> {
        let loaded = config::load(&self.sources)?;
        let active = self.pipeline.active();
        let restart_required = config::changes(&active.settings, &loaded.settings).restart;
        let settings = config::applied(&active.settings, &loaded.settings)?;
        let bundle = Bundle::open_in(&settings.model.bundle, settings.engine.graph_precisions())
            .map_err(ModelError::from)?;
        // An active recipe has its own model.
        let model = if active.recipe.is_some() || *bundle.manifest() == active.model.manifest {
            Arc::clone(&active.model)
        } else {
            Arc::new(Model::load(&bundle, &settings.engine)?)
        };
        if let Some(recipe) = &active.recipe {
            // It may name a camera that is removed.
            check_cameras(recipe, &settings)?;
        }
        let changed = settings != active.settings || !Arc::ptr_eq(&model, &active.model);
        if changed {
            self.record_settings(actor, &active, &settings, &model)?;
            let activated =
                self.activate_settings(change, &active, settings.clone(), Arc::clone(&model));
            if let Err(error) = activated {
                self.record_refused(actor, &active, &settings, &model)?;
                return Err(error);
            }
        }
        Ok(Reloaded {
            changed,
            restart_required,
        })
    }

    /// Activates settings. Cameras whose exposure or gain changes are opened again with them before; in between, their
    /// captures are FAULT. Cameras that are removed stop before, those that are added start after it.
    ///
    /// # Errors
    /// When a camera does not take its exposure or gain. Nothing is then changed.
    pub(super) fn activate_settings(
        &self,
        change: &mut ChangeState,
        active: &Active,
        settings: Settings,
        model: Arc<Model>,
    ) -> ControlResult<()> {
        let next = self.next_active(active, settings, model);
        let changing = self.cameras.changed(active, &next);
        self.pipeline.settings_change(&changing);
        if let Err(error) = self.cameras.restart(&changing, &next) {
            self.restore_cameras(&changing, active);
            return Err(ChangeError::Controls(error));
        }
        let only = |one: &Settings, other: &Settings| {
            let ids = one.cameras.keys().cloned();
            let lone = ids.filter(|id| !other.cameras.contains_key(id));
            lone.collect::<BTreeSet<_>>()
        };
        let removed = only(&active.settings, &next.settings);
        let added = only(&next.settings, &active.settings);
        self.remove_cameras(change, &removed);
        let filter = &next.settings.log.filter;
        if *filter != active.settings.log.filter
            && let Err(error) = self.telemetry.set_filter(filter)
        {
            warn!(%error, "the log filter was not changed");
        }
        self.pipeline.activate(next);
        self.pipeline.settings_changed(&changing);
        self.add_cameras(&added);
        Ok(())
    }

    fn next_active(&self, active: &Active, settings: Settings, model: Arc<Model>) -> Active {
        let hash = config::hash(&settings);
        let recipe = active.recipe.clone();
        Active::new(
            settings,
            hash,
            active.generation + 1,
            model,
            recipe,
            self.clock.now().utc,
        )
    }

    fn remove_cameras(&self, change: &mut ChangeState, removed: &BTreeSet<CameraId>) {
        for camera in removed {
            self.cameras.remove(camera);
        }
        self.pipeline.remove_cameras(removed);
        for camera in removed {
            self.forget_pause(change, camera);
            info!(%camera, "camera removed");
        }
    }

    fn add_cameras(&self, added: &BTreeSet<CameraId>) {
        self.pipeline.add_cameras(added);
        for camera in added {
            match self.cameras.add(camera, &self.pipeline.active()) {
                Ok(()) => info!(%camera, "camera added"),
                Err(error) => error!(%error, "a camera that was added does not run"),
            }
        }
    }

    /// Records that recorded settings were not activated.
    pub(super) fn record_refused(
        &self,
        actor: &Actor,
        active: &Active,
        settings: &Settings,
        model: &Arc<Model>,
    ) -> Result<(), AuditError> {
        self.record_keys(actor, settings, &active.settings)?;
        self.record_model(actor, model, &active.model)
    }

    fn record_model(
        &self,
        actor: &Actor,
        before: &Arc<Model>,
        after: &Arc<Model>,
    ) -> Result<(), AuditError> {
        if Arc::ptr_eq(before, after) {
            return Ok(());
        }
        let (before, after) = (describe_model(before), describe_model(after));
        self.record(actor, Action::Model, "model", &before, &after)
    }

    pub(super) fn record_settings(
        &self,
        actor: &Actor,
        active: &Active,
        settings: &Settings,
        model: &Arc<Model>,
    ) -> Result<(), AuditError> {
        self.record_keys(actor, &active.settings, settings)?;
        self.record_model(actor, &active.model, model)
    }

    /// Records the keys that differ.
    pub(super) fn record_keys(
        &self,
        actor: &Actor,
        before: &Settings,
        after: &Settings,
    ) -> Result<(), AuditError> {
        for Changed { key, before, after } in config::changed(before, after) {
            let action = match (&*key, key.rsplit('.').next()) {
                (_, Some("threshold" | "review_from")) => Action::Threshold,
                ("model.bundle", _) => Action::Model,
                _ => Action::Configuration,
            };
            self.record(actor, action, &key, &before, &after)?;
        }
        Ok(())
    }
}
