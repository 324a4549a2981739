//! What is done to the two raw maps of an image before they are calibrated: each step is off unless a run
//! asks for it, and each is part of the exported graph.

use super::{GlobalTerm, ImageMaps, LocationNormalisation};

/// The steps that a run asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finish {
    /// First: every cell by its own mean and spread.
    pub location: Option<LocationNormalisation>,
    /// Then: how unusual the image is as a whole, added to the logical map.
    pub global: Option<GlobalTerm>,
}

impl Finish {
    /// `maps` after the steps.
    #[must_use]
    pub fn apply(&self, maps: ImageMaps) -> ImageMaps {
        let maps = match &self.location {
            Some(location) => location.apply(&maps),
            None => maps,
        };
        match &self.global {
            Some(global) => global.apply(maps),
            None => maps,
        }
    }
}
