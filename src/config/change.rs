//! What a reload changes: which keys differ, which of them apply at once, and what is then in force.

use std::collections::BTreeSet;

use super::flatten::flatten;
use super::settings::{Camera, Check, Log, Settings};
use super::table::{self, CAMERAS, Node};
use crate::camera::CameraId;

/// Keys that differ between two settings, by path, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that a reload applies.
    pub live: Vec<String>,
    /// Those that wait for a restart. A camera that comes or goes is one: `cameras.left`.
    pub restart: Vec<String>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.restart.is_empty()
    }
}

/// The keys that differ between `old` and `new`. A changed bundle behind the same path is none.
pub fn changes(old: &Settings, new: &Settings) -> Changes {
    let (before, after) = (flatten(old), flatten(new));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let lone = lone_cameras(old, new);
    let within = |path: &str| {
        lone.iter()
            .any(|camera| path.starts_with(&format!("{camera}.")))
    };
    let differs = |path: &&String| before.get(*path) != after.get(*path) && !within(path);
    let (live, mut restart): (Vec<String>, Vec<String>) = paths
        .into_iter()
        .filter(differs)
        .cloned()
        .partition(|path| is_live(path));
    restart.extend(lone);
    restart.sort();
    Changes { live, restart }
}

/// The paths of cameras that only one of the two has.
fn lone_cameras(old: &Settings, new: &Settings) -> Vec<String> {
    let ids = old.cameras.keys().chain(new.cameras.keys());
    let lone = |id: &&_| old.cameras.contains_key(*id) != new.cameras.contains_key(*id);
    ids.filter(lone)
        .map(|id| format!("{CAMERAS}.{id}"))
        .collect()
}

fn is_live(path: &str) -> bool {
    matches!(table::look_up(path), Node::Key(key) if key.live)
}

/// What is in force once `new` is applied to a daemon that runs with `old`: the live keys of `new`,
/// all others of `old`.
pub fn applied(old: &Settings, new: &Settings) -> Settings {
    let camera = |(id, camera): (&CameraId, &Camera)| {
        let new = new.cameras.get(id).unwrap_or(camera);
        let check = Check {
            limits: new.check.limits,
            reference: camera.check.reference.clone(),
        };
        (
            id.clone(),
            Camera {
                thresholds: new.thresholds,
                check,
                ..camera.clone()
            },
        )
    };
    Settings {
        server: old.server.clone(),
        model: new.model.clone(),
        engine: old.engine.clone(),
        verdict: new.verdict.clone(),
        cameras: old.cameras.iter().map(camera).collect(),
        evidence: old.evidence.clone(),
        life: old.life.clone(),
        log: Log {
            filter: new.log.filter.clone(),
            format: old.log.format,
        },
    }
}
