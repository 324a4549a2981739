//! Changes of the configuration files by calls: texts are changed, validated as if a person had written them, written, and
//! activated. Everything else in the files stays as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inspectd_core::atomic_file;
use toml_edit::Value;
use tracing::error;

use super::actor::Actor;
use super::error::ChangeError;
use super::recipe_cache::check_cameras;
use super::{ChangeState, Control, ControlResult};
use crate::config::toml_text::TomlText;
use crate::config::{self, Settings, Sources};
use crate::pipeline::Active;
use crate::pipeline::model::Model;

/// A file of the configuration whose text is changed.
#[derive(Clone, Debug)]
struct EditedFile {
    file: PathBuf,
    before: String,
    text: String,
}

/// The files of the configuration, with changes that are not written yet.
#[derive(Debug)]
pub(super) struct SettingsFiles {
    /// In the order of the layers.
    files: Vec<PathBuf>,
    edited: Vec<EditedFile>,
    /// The settings without the changes.
    pub(super) settings: Settings,
}

/// A valid change of files of the configuration.
#[derive(Debug)]
pub(super) struct SettingsChange {
    edited: Vec<EditedFile>,
    /// The settings of the changed files.
    pub(super) loaded: Settings,
    /// The settings that are active after the change: without the keys that wait for a restart.
    pub(super) settings: Settings,
}

impl SettingsFiles {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When it is not valid, or has changes that are not active yet: they would be activated together with another one.
    pub(super) fn read(sources: &Sources, active: &Active) -> ControlResult<Self> {
        let loaded = config::load(sources)?;
        let pending = config::changes(&active.settings, &loaded.settings).live;
        if !pending.is_empty() {
            let keys = pending.join(", ");
            return Err(ChangeError::NotChanged(format!(
                "the configuration has changes that are not active yet ({keys}); reload it first"
            )));
        }
        Ok(Self {
            files: loaded.files,
            edited: Vec::new(),
            settings: loaded.settings,
        })
    }

    /// The first file: the main one, if it exists.
    ///
    /// # Errors
    /// When the configuration has no file.
    pub(super) fn main(&self) -> ControlResult<PathBuf> {
        let none = || ChangeError::NotChanged("the configuration has no file".to_owned());
        self.files.first().cloned().ok_or_else(none)
    }

    /// The files that set something at this path. The last one decides.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn files_with(&self, path: &[&str]) -> ControlResult<Vec<PathBuf>> {
        let mut found = Vec::new();
        for file in &self.files {
            let text = parse(&self.text(file)?)?;
            if text.has(path) {
                found.push(file.clone());
            }
        }
        Ok(found)
    }

    /// The text of a file, with the changes so far.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn text(&self, file: &Path) -> ControlResult<String> {
        match self.edited.iter().find(|edited| edited.file == *file) {
            Some(edited) => Ok(edited.text.clone()),
            None => read(file),
        }
    }

    /// Changes the text of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn replace(&mut self, file: PathBuf, text: String) -> ControlResult<()> {
        if let Some(edited) = self.edited.iter_mut().find(|edited| edited.file == file) {
            edited.text = text;
            return Ok(());
        }
        let before = read(&file)?;
        self.edited.push(EditedFile { file, before, text });
        Ok(())
    }

    /// Sets the value `key` of the table at `path`, or removes it: in the last file that sets it, else in the last one that
    /// has the table, else in the main file. Returns the file.
    ///
    /// # Errors
    /// When the file cannot be read, or has another value in the place of the table.
    pub(super) fn set(
        &mut self,
        path: &[&str],
        key: &str,
        value: Option<Value>,
    ) -> ControlResult<PathBuf> {
        let mut file = self.files_with(&[path, &[key]].concat())?.pop();
        if file.is_none() {
            file = self.files_with(path)?.pop();
        }
        let file = file.map_or_else(|| self.main(), Ok)?;
        let mut text = parse(&self.text(&file)?)?;
        text.set(path, key, value)
            .map_err(|path| ChangeError::NotChanged(format!("{path} is not a table")))?;
        self.replace(file.clone(), text.to_string())?;
        Ok(file)
    }

    /// Validates the configuration with the changes.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(super) fn validated(
        self,
        sources: &Sources,
        active: &Active,
    ) -> ControlResult<SettingsChange> {
        let texts = self.edited.iter();
        let texts: Vec<(&Path, &str)> = texts.map(|one| (&*one.file, &*one.text)).collect();
        let loaded = config::load_with(sources, &texts)?.settings;
        Ok(SettingsChange {
            settings: config::applied(&active.settings, &loaded)?,
            edited: self.edited,
            loaded,
        })
    }
}

/// Changes the text `key` of the table at `path`, and validates the configuration with it. Returns the change, and the text
/// before; empty if it was not set.
///
/// # Errors
/// When the configuration has changes that are not active, would not be valid, or is decided by another place.
pub(super) fn changed_text(
    sources: &Sources,
    active: &Active,
    path: &[&str],
    key: &str,
    value: &str,
) -> ControlResult<(SettingsChange, String)> {
    let mut files = SettingsFiles::read(sources, active)?;
    let present = files.settings.clone();
    let file = files.set(path, key, Some(value.into()))?;
    let before = parse(&read(&file)?)?.text_at(&[path, &[key]].concat());
    let before = before.unwrap_or_default();
    let change = files.validated(sources, active)?;
    if before != value && change.loaded == present {
        let path = path.join(".");
        let file = file.display();
        return Err(ChangeError::NotChanged(format!(
            "{path}.{key} would stay as it is: an environment variable, or another file, sets it as well as {file}"
        )));
    }
    Ok((change, before))
}

impl Control {
    /// Records a change, writes the files, and activates the settings with the active model.
    ///
    /// # Errors
    /// As [`Self::apply_settings_with`].
    pub(super) fn apply_settings(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        next: &SettingsChange,
    ) -> ControlResult<()> {
        let model = Arc::clone(&self.pipeline.active().model);
        self.apply_settings_with(actor, change, next, &model)
    }

    /// Records a change, writes the files, and activates the settings and the model. If that fails, the files have their texts
    /// of before.
    ///
    /// # Errors
    /// When the active recipe cannot be used with the settings, a camera does not take its exposure or gain, or the change
    /// cannot be recorded or written. Nothing is then changed.
    pub(super) fn apply_settings_with(
        &self,
        actor: &Actor,
        change: &mut ChangeState,
        next: &SettingsChange,
        model: &Arc<Model>,
    ) -> ControlResult<()> {
        let SettingsChange {
            edited, settings, ..
        } = next;
        let active = self.pipeline.active();
        if let Some(recipe) = &active.recipe {
            check_cameras(recipe, settings)?;
        }
        let edited = edited.iter().filter(|edited| edited.text != edited.before);
        let edited: Vec<&EditedFile> = edited.collect();
        if edited.is_empty() && *settings == active.settings {
            return Ok(());
        }
        self.record_settings(actor, &active, settings, model)?;
        let mut written = 0;
        let result: ControlResult<()> = edited.iter().try_for_each(|edited| {
            // A write that fails may have replaced the file.
            written += 1;
            write(&edited.file, &edited.text)
        });
        let result = result.and_then(|()| {
            self.activate_settings(change, &active, settings.clone(), Arc::clone(model))
        });
        if let Err(error) = result {
            for EditedFile { file, before, .. } in &edited[..written] {
                if let Err(error) = write(file, before) {
                    error!(%error, "a file of the configuration has a text that is not active");
                }
            }
            self.record_refused(actor, &active, settings, model)?;
            return Err(error);
        }
        Ok(())
    }
}

fn parse(text: &str) -> ControlResult<TomlText> {
    TomlText::parse(text).map_err(ChangeError::NotChanged)
}

fn read(file: &Path) -> ControlResult<String> {
    std::fs::read_to_string(file).map_err(|source| ChangeError::Write {
        file: file.to_owned(),
        source,
    })
}

fn write(file: &Path, text: &str) -> ControlResult<()> {
    atomic_file::rewrite(file, text).map_err(|source| ChangeError::Write {
        file: file.to_owned(),
        source,
    })
}
