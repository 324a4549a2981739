//! Cameras that calls add to the files of the configuration, and remove from them.

use std::path::PathBuf;

use inspectd_core::id::CameraId;

use super::actor::Actor;
use super::error::ChangeError;
use super::settings_file::{SettingsChange, SettingsFiles};
use super::{Control, ControlResult};
use crate::config;
use crate::config::toml_text::{Keys, TomlText, with_table};
use crate::pipeline::Active;

/// The table of the cameras.
const CAMERAS: &str = "cameras";

/// A camera that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedCamera {
    /// The file that it was removed from.
    pub file: PathBuf,
    /// The keys of its table, as TOML.
    pub toml: String,
}

impl Control {
    /// Adds a camera at the end of the main configuration file, and starts it. `toml` has the keys of its table. Returns the
    /// file.
    ///
    /// # Errors
    /// When it is configured already, the configuration would not be valid, or the file cannot be written, or the change
    /// cannot be recorded. Nothing is then changed.
    pub fn add_camera(
        &self,
        actor: &Actor,
        camera: &CameraId,
        toml: &str,
    ) -> ControlResult<PathBuf> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        let active = self.pipeline.active();
        let exists = || Err(ChangeError::CameraExists(camera.clone()));
        if active.settings.cameras.contains_key(camera) {
            return exists();
        }
        let keys = Keys::parse(toml).map_err(ChangeError::NotToml)?;
        let mut files = SettingsFiles::read(&self.sources, &active)?;
        // It may wait for a restart.
        if files.settings.cameras.contains_key(camera) {
            return exists();
        }
        let file = files.main()?;
        let text = files.text(&file)?;
        let text = with_table(&text, CAMERAS, camera.as_str(), &keys);
        files.replace(file.clone(), text.map_err(ChangeError::NotChanged)?)?;
        let next = files.validated(&self.sources, &active)?;
        check_waits_for_no_restart(&active, &next, camera)?;
        self.apply_settings(actor, &mut change, &next)?;
        Ok(file)
    }

    /// Stops a camera and removes it from the file of the configuration that has it.
    ///
    /// # Errors
    /// When it is not configured, is configured in several places or named by the active recipe, the configuration would not
    /// be valid without it, the file cannot be written, or the change cannot be recorded. Nothing is then changed.
    pub fn remove_camera(&self, actor: &Actor, camera: &CameraId) -> ControlResult<RemovedCamera> {
        self.check_lock(actor)?;
        let mut change = self.change.lock();
        let active = self.pipeline.active();
        if !active.settings.cameras.contains_key(camera) {
            return Err(ChangeError::NoCamera(camera.clone()));
        }
        let mut files = SettingsFiles::read(&self.sources, &active)?;
        let path = [CAMERAS, camera.as_str()];
        let with = files.files_with(&path)?;
        let file = match with.as_slice() {
            [file] => file.clone(),
            [] => {
                let text = format!("no file of the configuration has camera {camera}");
                return Err(ChangeError::NotChanged(text));
            }
            several => {
                let several = several.iter().map(|file| file.display().to_string());
                let several = several.collect::<Vec<_>>().join(" and ");
                return Err(ChangeError::NotChanged(format!(
                    "{several} configure camera {camera}: only one file may have it"
                )));
            }
        };
        let mut text = TomlText::parse(&files.text(&file)?).map_err(ChangeError::NotChanged)?;
        let toml = text.remove_table(&path).ok_or_else(|| {
            let file = file.display();
            ChangeError::NotChanged(format!("cameras.{camera} of {file} is not a table"))
        })?;
        files.replace(file.clone(), text.to_string())?;
        let next = files.validated(&self.sources, &active)?;
        if next.loaded.cameras.contains_key(camera) {
            let file = file.display();
            return Err(ChangeError::NotChanged(format!(
                "environment variables configure camera {camera} as well as {file}"
            )));
        }
        check_waits_for_no_restart(&active, &next, camera)?;
        self.apply_settings(actor, &mut change, &next)?;
        Ok(RemovedCamera { file, toml })
    }
}

/// Refuses a camera that would be added or removed only by a restart.
fn check_waits_for_no_restart(
    active: &Active,
    next: &SettingsChange,
    camera: &CameraId,
) -> ControlResult<()> {
    let waiting = config::changes(&active.settings, &next.loaded).restart;
    if waiting.contains(&format!("{CAMERAS}.{camera}")) {
        return Err(ChangeError::NotChanged(format!(
            "camera {camera} would be added or removed only by a restart, as other cameras of its group have changes that \
             wait for one"
        )));
    }
    Ok(())
}
