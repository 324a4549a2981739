//! What a reload changes: which keys differ, which of them apply at once, and what is then in force.

use std::collections::BTreeSet;

use super::flatten::flatten;
use super::settings::{Camera, Check, Journal, Log, Settings};
use super::table::{self, CAMERAS, Node, Setting};
use inspectd_core::id::CameraId;

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

/// A key whose value changed, with both values in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its path.
    pub key: String,
    /// Empty where it was unset.
    pub before: String,
    /// Empty where it is unset.
    pub after: String,
}

/// The keys whose values differ, by path. A value that may hold a password is not shown.
pub fn changed(old: &Settings, new: &Settings) -> Vec<Changed> {
    let (before, after) = (flatten(old), flatten(new));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let told = |path: &str, value: Option<&Setting>| match (value, table::look_up(path)) {
        (None, _) => String::new(),
        (Some(_), Node::Key(key)) if key.secret => table::hidden(),
        (Some(value), _) => value.to_string(),
    };
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| Changed {
            key: path.clone(),
            before: told(path, before.get(path)),
            after: told(path, after.get(path)),
        })
        .collect()
}

fn is_live(path: &str) -> bool {
    matches!(table::look_up(path), Node::Key(key) if key.live)
}

/// What is in force once `new` is applied to a daemon that runs with `old`: the live keys of `new`,
/// all others of `old`.
pub fn applied(old: &Settings, new: &Settings) -> Settings {
    let camera = |(id, camera): (&CameraId, &Camera)| {
        let after = new.cameras.get(id).unwrap_or(camera);
        let check = Check {
            limits: after.check.limits,
            reference: camera.check.reference.clone(),
        };
        (
            id.clone(),
            Camera {
                thresholds: after.thresholds,
                deadline: after.deadline,
                on_deadline: after.on_deadline,
                check,
                ..camera.clone()
            },
        )
    };
    Settings {
        server: old.server.clone(),
        tls: old.tls.clone(),
        access: old.access.clone(),
        model: new.model.clone(),
        engine: old.engine.clone(),
        verdict: new.verdict.clone(),
        cameras: old.cameras.iter().map(camera).collect(),
        recipes: old.recipes.clone(),
        parts: old.parts.clone(),
        journal: Journal {
            on_failure: new.journal.on_failure,
            ..old.journal.clone()
        },
        evidence: old.evidence.clone(),
        life: old.life.clone(),
        log: Log {
            filter: new.log.filter.clone(),
            format: old.log.format,
        },
    }
}
