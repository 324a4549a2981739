//! The section of the shadow.

use std::path::PathBuf;

use inspectd_core::id::RecipeId;

use super::camera::{NAME, is_name};
use crate::config::group::section;
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

section! {
    /// A shadow: another model or recipe that judges frames of the line, without effect on it. `inspectctl shadow` and the page
    /// list the verdicts that it decides otherwise. It runs in a process of its own, on one thread of the CPU at the lowest
    /// priority. Without both keys, there is none.
    pub struct Shadow = "shadow" {
        /// Folder of the shadow's model bundle. It is judged by the areas and thresholds that are active.
        bundle: Option<PathBuf> = Key::unset("bundle", Kind::Path).live(),

        /// Recipe of the shadow, with its own bundle, areas, thresholds, rotation and crop; its exposure and gain are not
        /// applied. Excludes `bundle`.
        recipe: Option<RecipeId> = Key::unset("recipe", Kind::Text(is_name, NAME)).live(),

        /// Most frames that it judges, of all cameras together. Other frames are skipped.
        max_fps: f64 = Key::preset("max_fps", Kind::Number(0.001, 1000.0), "2")
            .unit(Unit::Plain("frames/s"))
            .live(),
    }
}

impl Shadow {
    /// Whether there is none: the section came after version 0.1 and is then not part of the hash.
    pub fn is_unset(&self) -> bool {
        self.bundle.is_none() && self.recipe.is_none()
    }
}
