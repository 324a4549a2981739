//! Installing a model: verified, judged by the challenge next to the active model, activated; and undone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inspectd_core::bundle::Bundle;
use inspectd_core::decision::Decision;
use inspectd_core::frame::Frame;
use inspectd_core::preprocess::Rotation;
use inspectd_core::record::{ModelId, Stamp};
use parking_lot::MutexGuard;
use tracing::{error, info};

use super::actor::Actor;
use super::persisted_state::{Installation, PersistedState};
use super::recipe_values::ChangedValue;
use super::settings_file::{self, SettingsChange};
use super::{ChangeError, ChangeState, Control, ControlResult, describe_model};
use crate::audit::Action;
use crate::challenge::{self, ChallengeResult, KnownPicture, Tolerance};
use crate::config::Settings;
use crate::config::settings::Challenge;
use crate::config::toml_text::TomlText;
use crate::pipeline::Active;
use crate::pipeline::model::{Model, ModelError};
use crate::recipe::Recipe;
use crate::shadow::{Candidate, CandidateParts};

/// The key of the bundle, in the configuration and in recipes.
const BUNDLE: &str = "bundle";

/// Why an installation does not go on.
const CANCELLED: &str = "the client ended the call; nothing is changed";

/// What is requested of an installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstallOptions {
    /// Activate the model although no challenge is configured.
    pub without_challenge: bool,
    /// Verify and judge only.
    pub dry_run: bool,
}

/// A stage of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallStage {
    /// The model is loaded in a process of its own.
    Load,
    /// The active model judges the pictures of the challenge.
    ChallengeActive,
    /// The new model judges them.
    ChallengeNew,
    /// The model is loaded in the daemon, and activated.
    Activate,
}

impl InstallStage {
    /// The name: `load`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::ChallengeActive => "challenge_active",
            Self::ChallengeNew => "challenge_new",
            Self::Activate => "activate",
        }
    }
}

/// Receives the progress of an installation: its stage, the number of judged pictures, and that of all pictures. Returns
/// whether the installation goes on.
pub type InstallProgress<'a> = &'a mut dyn FnMut(InstallStage, usize, usize) -> bool;

/// The result of an installation.
#[derive(Clone, Debug)]
pub struct InstallResult {
    /// The new model.
    pub model: ModelId,
    /// The challenge by the new model and by the active one, if one is configured.
    pub challenges: Option<[ChallengeResult; 2]>,
    /// What was changed; none if the model is not activated.
    pub installation: Option<Installation>,
    /// Why it is not activated; empty if it is.
    pub reason: String,
}

/// The change that makes a bundle the active one.
struct BundleChange {
    place: Place,
    /// The value of the key before.
    before: String,
}

enum Place {
    /// `model.bundle` in a file of the configuration.
    Configuration(Box<SettingsChange>),
    /// `bundle` of the active recipe.
    Recipe {
        active: Arc<Recipe>,
        text: String,
        /// With the change.
        recipe: Arc<Recipe>,
    },
}

impl Control {
    /// Returns the last installation that was not undone.
    pub fn installation(&self) -> Option<Installation> {
        self.last_installation.lock().clone()
    }

    /// The folder in which installed models are kept.
    ///
    /// # Errors
    /// When neither it nor a journal is configured.
    pub fn models_folder(&self) -> ControlResult<PathBuf> {
        let settings = &self.pipeline.active().settings;
        let journal = settings.journal.folder.as_ref();
        let usual = journal.map(|folder| folder.join("models"));
        let folder = settings.model.folder.clone().or(usual);
        folder.ok_or(ChangeError::NoModelFolder)
    }

    /// Whether the configuration or the active recipe names the bundle in `folder`, an absolute path.
    pub fn uses_bundle(&self, folder: &Path) -> bool {
        let active = self.pipeline.active();
        let recipe = active.recipe.as_ref().map(|recipe| &*recipe.bundle);
        let bundles = [Some(&*active.settings.model.bundle), recipe];
        bundles.into_iter().flatten().any(|bundle| bundle == folder)
    }

    /// Installs the bundle in `folder`, which remains there. The line continues with the active model until the new one is
    /// active.
    ///
    /// # Errors
    /// When the bundle cannot be used on this line, no challenge is configured, or another change was made meanwhile.
    /// Nothing is then changed.
    pub fn install(
        &self,
        actor: &Actor,
        folder: &Path,
        options: InstallOptions,
        progress: InstallProgress<'_>,
    ) -> ControlResult<InstallResult> {
        self.check_lock(actor)?;
        let _only = self.only_installation()?;
        let active = self.pipeline.active();
        let precisions = active.settings.engine.graph_precisions();
        let bundle = Bundle::open_in(folder, precisions).map_err(ModelError::from)?;
        let value = folder.display().to_string();
        let change = self.bundle_change(&active, &value)?;
        if change.settings(&active).challenge.folder.is_none() && !options.without_challenge {
            return Err(ChangeError::NoChallenge);
        }
        progress(InstallStage::Load, 0, 0);
        let challenges = self.compare(&active, &change, &bundle, progress)?;
        let mut result = InstallResult {
            model: bundle.manifest().model_id(),
            reason: String::new(),
            challenges,
            installation: None,
        };
        let failed = result.challenges.iter().find(|[new, _]| !new.passed);
        if let Some([new, _]) = failed {
            result.reason = format!("by the new model, {}", new.summary());
        } else if change.before == value {
            // The client repeats an installation, because it did not receive the result.
            let last = self.installation();
            result.installation = last.filter(|last| last.after == value);
            if result.installation.is_none() {
                "this bundle is already active".clone_into(&mut result.reason);
            }
        } else if options.dry_run {
            "a dry run changes nothing".clone_into(&mut result.reason);
        } else if !progress(InstallStage::Activate, 0, 0) {
            return Err(ChangeError::Conflict(CANCELLED.to_owned()));
        } else {
            result.installation = Some(self.activate_bundle(actor, &active, &bundle, &value)?);
        }
        Ok(result)
    }

    /// Activates the model that was active before the last installation. `expected` is the hash of the installed model's
    /// graph, if the caller knows it.
    ///
    /// # Errors
    /// When nothing was installed, an installation is in progress, another model was installed since, or the file was changed
    /// since. Nothing is then changed.
    pub fn undo_installation(
        &self,
        actor: &Actor,
        expected: Option<&str>,
    ) -> ControlResult<Installation> {
        self.check_lock(actor)?;
        let _only = self.only_installation()?;
        let mut changes = self.change.lock();
        let installed = changes.state.installation.clone();
        let installed = installed.ok_or(ChangeError::NothingInstalled)?;
        let found = &installed.model.sha256;
        if let Some(expected) = expected.filter(|expected| expected != found) {
            return Err(ChangeError::Conflict(format!(
                "the last installed model has the SHA-256 {found}, not {expected}: another one was installed since"
            )));
        }
        let active = self.pipeline.active();
        let recipe = active.recipe.as_ref().map(|recipe| recipe.id.to_string());
        if recipe != installed.recipe {
            let shown = |recipe: Option<&String>| {
                recipe.map_or_else(|| "no recipe".to_owned(), |id| format!("recipe {id}"))
            };
            return Err(ChangeError::Conflict(format!(
                "the model was installed for {}, {} is active",
                shown(installed.recipe.as_ref()),
                shown(recipe.as_ref())
            )));
        }
        let change = self.bundle_change(&active, &installed.before)?;
        if change.before != installed.after {
            return Err(ChangeError::Conflict(format!(
                "the bundle is {}, not the installed {}: the file was changed since",
                change.before, installed.after
            )));
        }
        let precisions = active.settings.engine.graph_precisions();
        let bundle = Bundle::open_in(&change.folder(), precisions).map_err(ModelError::from)?;
        let model = Arc::new(Model::load(&bundle, &active.settings.engine)?);
        self.apply_bundle(actor, &mut changes, &active, change, &model)?;
        self.save_installation(&mut changes, None);
        Ok(installed)
    }

    /// Locks installations: only one runs at a time.
    fn only_installation(&self) -> ControlResult<MutexGuard<'_, ()>> {
        let only = self.installing.try_lock();
        only.ok_or_else(|| ChangeError::Conflict("another installation is in progress".to_owned()))
    }

    /// Checks what can be checked before a bundle is known.
    ///
    /// # Errors
    /// When changes are locked, or no challenge is configured and the installation requires one.
    pub fn check_installation(&self, actor: &Actor, options: InstallOptions) -> ControlResult<()> {
        self.check_lock(actor)?;
        // A recipe has no challenge of its own.
        let challenge = &self.pipeline.active().settings.challenge;
        if challenge.folder.is_none() && !options.without_challenge {
            return Err(ChangeError::NoChallenge);
        }
        Ok(())
    }

    /// The change of the active configuration or recipe to the bundle `value`.
    fn bundle_change(&self, active: &Active, value: &str) -> ControlResult<BundleChange> {
        let Some(active_recipe) = &active.recipe else {
            let (change, before) =
                settings_file::changed_text(&self.sources, active, &["model"], BUNDLE, value)?;
            return Ok(BundleChange {
                place: Place::Configuration(Box::new(change)),
                before,
            });
        };
        let id = &active_recipe.id;
        let present = self.recipe_text(id, None)?;
        if present.text != *active_recipe.text {
            return Err(ChangeError::Conflict(format!(
                "the file of recipe {id} is not what is active; activate it, or save what is active, first"
            )));
        }
        let mut text = TomlText::parse(&present.text).map_err(ChangeError::Conflict)?;
        let before = text.text_at(&[BUNDLE]).unwrap_or_default();
        text.set(&[], BUNDLE, Some(value.into()))
            .map_err(|path| ChangeError::Conflict(format!("{path} is not a table")))?;
        let text = text.to_string();
        let recipe = Arc::new(self.check_recipe(id, &text)?);
        Ok(BundleChange {
            place: Place::Recipe {
                active: Arc::clone(active_recipe),
                text,
                recipe,
            },
            before,
        })
    }

    /// Judges the pictures of the challenge by the new model, in a process of its own, and by the active one. Without a
    /// challenge, only loads the new model.
    fn compare(
        &self,
        active: &Active,
        change: &BundleChange,
        bundle: &Bundle,
        progress: InstallProgress<'_>,
    ) -> ControlResult<Option<[ChallengeResult; 2]>> {
        let settings = change.settings(active);
        let parts = CandidateParts {
            folder: bundle.dir().to_owned(),
            manifest: bundle.manifest().clone(),
            recipe: change.recipe(),
            settings: settings.clone(),
            threads: settings.engine.threads,
        };
        let mut candidate = Candidate::start(parts, None)?;
        let challenge = &settings.challenge;
        let Some(folder) = &challenge.folder else {
            return Ok(None);
        };
        let pictures = challenge::pictures(folder)?;
        let total = pictures.len();
        let mut run = |stage, stamp: Arc<Stamp>, judge: &mut Judge<'_>| {
            let mut done = 0;
            let counted = |picture: &KnownPicture, frame: &Frame| {
                let judged = judge(picture, frame);
                done += 1;
                if !progress(stage, done, total) {
                    return Err(CANCELLED.to_owned());
                }
                judged
            };
            let now = || self.clock.now().utc;
            let result = challenge::run(
                &pictures,
                tolerance(challenge),
                Arc::clone(&stamp),
                counted,
                now,
            );
            result.unwrap_or_else(|error| ChallengeResult::failed(&error, stamp, now()))
        };
        let old = run(
            InstallStage::ChallengeActive,
            Arc::clone(&active.stamp),
            &mut |picture, frame| self.judge_known(challenge, picture, frame),
        );
        let stamp = Stamp {
            model: candidate.model(),
            recipe: change.recipe().map(|recipe| recipe.tag()),
            ..(*active.stamp).clone()
        };
        let new = run(
            InstallStage::ChallengeNew,
            Arc::new(stamp),
            &mut |_, frame| {
                let judged = candidate.judge(challenge.camera.as_ref(), frame, Rotation::R0);
                let judged = judged.map_err(|error| error.to_string())?.judgement;
                Ok((judged.decision, judged.score.score))
            },
        );
        Ok(Some([new, old]))
    }

    fn activate_bundle(
        &self,
        actor: &Actor,
        active: &Arc<Active>,
        bundle: &Bundle,
        value: &str,
    ) -> ControlResult<Installation> {
        let model = Arc::new(Model::load(bundle, &active.settings.engine)?);
        let mut changes = self.change.lock();
        // Judged by other settings, the challenge might have another result.
        if !Arc::ptr_eq(active, &self.pipeline.active()) {
            let text = "the configuration or the recipe was changed meanwhile; install again";
            return Err(ChangeError::Conflict(text.to_owned()));
        }
        let change = self.bundle_change(active, value)?;
        let installation = Installation {
            time: self.clock.now().utc,
            model: model.id.clone(),
            previous: active.model.id.clone(),
            recipe: active.recipe.as_ref().map(|recipe| recipe.id.to_string()),
            before: change.before.clone(),
            after: value.to_owned(),
            who: actor.name().to_owned(),
        };
        self.apply_bundle(actor, &mut changes, active, change, &model)?;
        self.save_installation(&mut changes, Some(installation.clone()));
        Ok(installation)
    }

    /// Writes the file, and activates the model.
    fn apply_bundle(
        &self,
        actor: &Actor,
        changes: &mut ChangeState,
        active: &Arc<Active>,
        change: BundleChange,
        model: &Arc<Model>,
    ) -> ControlResult<()> {
        let (from, to) = (describe_model(&active.model), describe_model(model));
        match change.place {
            Place::Configuration(next) => {
                self.apply_settings_with(actor, changes, &next, model)?;
            }
            Place::Recipe { active, text, .. } => {
                let values = [ChangedValue {
                    action: Action::Model,
                    subject: "model".to_owned(),
                    before: from.clone(),
                    after: to.clone(),
                }];
                self.edit_active_recipe(actor, changes, (&active, model), &values, |_| Ok(text))?;
            }
        }
        info!(by = actor.name(), %from, %to, "model installed");
        Ok(())
    }

    fn save_installation(&self, changes: &mut ChangeState, installation: Option<Installation>) {
        let state = PersistedState {
            installation,
            ..changes.state.clone()
        };
        if let Err(error) = self.state_file.write(&state) {
            error!(%error, "the installation cannot be saved: it cannot be undone after a restart");
        }
        self.last_installation
            .lock()
            .clone_from(&state.installation);
        changes.state = state;
    }
}

/// Decides about a picture of a known part.
type Judge<'a> = dyn FnMut(&KnownPicture, &Frame) -> Result<(Decision, f32), String> + 'a;

impl BundleChange {
    /// The settings with the change.
    fn settings<'a>(&'a self, active: &'a Active) -> &'a Settings {
        match &self.place {
            Place::Configuration(text) => &text.settings,
            Place::Recipe { .. } => &active.settings,
        }
    }

    /// The recipe with the change, if one is active.
    fn recipe(&self) -> Option<Arc<Recipe>> {
        match &self.place {
            Place::Configuration(_) => None,
            Place::Recipe { recipe, .. } => Some(Arc::clone(recipe)),
        }
    }

    /// The folder of the bundle.
    fn folder(&self) -> PathBuf {
        match &self.place {
            Place::Configuration(text) => text.settings.model.bundle.clone(),
            Place::Recipe { recipe, .. } => recipe.bundle.clone(),
        }
    }
}

/// The failures that a challenge may have.
pub(super) fn tolerance(challenge: &Challenge) -> Tolerance {
    Tolerance {
        false_rejects: challenge.false_reject_limit,
        misses: challenge.miss_limit,
    }
}
