//! Effects of a reload: the keys that differ, those that apply immediately, and the settings that are
//! then active.

use std::collections::BTreeSet;

use inspectd_core::id::CameraId;

use super::kind::{self, Setting};
use super::settings::{Camera, Settings};
use super::table::{self, CAMERAS, Node};
use super::values::Values;

/// Keys that differ between two settings, by path, sorted. A camera that is added or removed is one: `cameras.left`. A
/// reload applies it unless the camera belongs to a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that a reload applies.
    pub live: Vec<String>,
    /// Those that wait for a restart.
    pub restart: Vec<String>,
}

impl Changes {
    /// Whether no key differs.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.restart.is_empty()
    }
}

/// Returns the keys that differ between `old` and `new`. A changed bundle at the same path is not one.
pub fn changes(old: &Settings, new: &Settings) -> Changes {
    let (before, after) = (old.values(), new.values());
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let (single, grouped) = lone_cameras(old, new);
    let lone = [single.clone(), grouped.clone()].concat();
    let differs = |path: &&String| before.get(*path) != after.get(*path) && !is_within(path, &lone);
    let (mut live, mut restart): (Vec<String>, Vec<String>) = paths
        .into_iter()
        .filter(differs)
        .cloned()
        .partition(|path| is_live(path));
    live.extend(single);
    restart.extend(grouped);
    live.sort();
    restart.sort();
    Changes { live, restart }
}

/// Returns the paths of cameras that only one of the two has: those without a group, and those of groups.
fn lone_cameras(old: &Settings, new: &Settings) -> (Vec<String>, Vec<String>) {
    let only = |one: &Settings, other: &Settings| {
        let cameras = one.cameras.clone().into_iter();
        let lone = cameras.filter(|(id, _)| !other.cameras.contains_key(id));
        lone.collect::<Vec<_>>()
    };
    let lone = [only(old, new), only(new, old)].concat().into_iter();
    let (single, grouped): (Vec<_>, Vec<_>) = lone.partition(|(_, camera)| camera.group.is_none());
    let paths = |cameras: Vec<(CameraId, Camera)>| {
        let paths = cameras.iter().map(|(id, _)| format!("{CAMERAS}.{id}"));
        paths.collect()
    };
    (paths(single), paths(grouped))
}

/// Whether `path` is a key of one of `cameras`.
fn is_within(path: &str, cameras: &[String]) -> bool {
    cameras
        .iter()
        .any(|camera| path.starts_with(&format!("{camera}.")))
}

/// A key whose value changed, with both values as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its path.
    pub key: String,
    /// The old value; empty if it was unset.
    pub before: String,
    /// The new value; empty if it is unset.
    pub after: String,
}

/// Returns the keys whose values differ, by path. A value that may contain a password is not shown.
pub fn changed(old: &Settings, new: &Settings) -> Vec<Changed> {
    let (before, after) = (old.values(), new.values());
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |path: &str, value: Option<&Setting>| match (value, table::look_up(path)) {
        (None, _) => String::new(),
        (Some(_), Node::Key(key)) if key.secret => kind::hidden(),
        (Some(value), _) => value.to_string(),
    };
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| Changed {
            key: path.clone(),
            before: shown(path, before.get(path)),
            after: shown(path, after.get(path)),
        })
        .collect()
}

fn is_live(path: &str) -> bool {
    matches!(table::look_up(path), Node::Key(key) if key.live)
}

/// Returns the settings that are active once `new` is applied to a daemon that runs with `old`: the live
/// keys of `new`, all others of `old`. Cameras without a group are added and removed; those of groups stay as they are.
pub fn applied(old: &Settings, new: &Settings) -> Settings {
    let (single, grouped) = lone_cameras(old, new);
    let applies =
        |path: &str| is_within(path, &single) || is_live(path) && !is_within(path, &grouped);
    let mut values = old.values();
    values.retain(|path, _| !applies(path));
    let live = new.values().into_iter();
    values.extend(live.filter(|(path, _)| applies(path)));
    let is = |id: &CameraId, paths: &[String]| paths.contains(&format!("{CAMERAS}.{id}"));
    let kept = old.cameras.keys().filter(|id| !is(id, &single));
    let added = new.cameras.keys().filter(|id| is(id, &single));
    let cameras = kept.chain(added).cloned().collect();
    Settings::read(&Values::new(values, cameras))
}
