//! Effects of a reload: the keys that differ, those that apply immediately, and the settings that are
//! then active.

use std::collections::BTreeSet;

use inspectd_core::id::CameraId;

use super::error::{ConfigError, Fault};
use super::kind::{self, Setting};
use super::relation;
use super::settings::{Camera, Settings};
use super::table::{self, CAMERAS, Node};
use super::values::Values;

/// Keys that differ between two settings, by path, sorted. A camera that is added or removed is one: `cameras.left`. A
/// reload applies it, unless other cameras of its group have changes that wait for a restart.
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
    let cameras = CameraChanges::between(old, new);
    let differs =
        |path: &&String| before.get(*path) != after.get(*path) && !cameras.is_of_lone_camera(path);
    let (mut live, mut restart): (Vec<String>, Vec<String>) = paths
        .into_iter()
        .filter(differs)
        .cloned()
        .partition(|path| cameras.applies(path));
    live.extend(cameras.live);
    restart.extend(cameras.waiting);
    live.sort();
    restart.sort();
    Changes { live, restart }
}

/// Cameras that differ as a whole, by path: `cameras.left`.
struct CameraChanges {
    /// Those that only one of the settings has, and that a reload adds or removes.
    live: Vec<String>,
    /// Those that only one of the settings has, and that wait for a restart.
    waiting: Vec<String>,
    /// Those that have another source.
    switched: Vec<String>,
}

impl CameraChanges {
    fn between(old: &Settings, new: &Settings) -> Self {
        let groups = waiting_groups(old, new);
        let only = |one: &Settings, other: &Settings| {
            let cameras = one.cameras.clone().into_iter();
            let lone = cameras.filter(|(id, _)| !other.cameras.contains_key(id));
            lone.collect::<Vec<_>>()
        };
        let waits = |(_, camera): &(CameraId, Camera)| {
            let group = camera.group.as_deref();
            group.is_some_and(|group| groups.contains(group))
        };
        let lone = [only(old, new), only(new, old)].concat().into_iter();
        let (waiting, live): (Vec<_>, Vec<_>) = lone.partition(waits);
        let paths = |cameras: Vec<(CameraId, Camera)>| {
            let paths = cameras.iter().map(|(id, _)| path_of(id));
            paths.collect()
        };
        let switched =
            both(old, new).filter(|(_, old, new)| old.source.name() != new.source.name());
        Self {
            switched: switched.map(|(id, ..)| path_of(id)).collect(),
            live: paths(live),
            waiting: paths(waiting),
        }
    }

    /// Whether `path` is a key of a camera that only one of the settings has.
    fn is_of_lone_camera(&self, path: &str) -> bool {
        is_within(path, &self.live) || is_within(path, &self.waiting)
    }

    /// Whether a reload applies the key `path`. Keys that belong to some sources wait with a source that changes.
    fn applies(&self, path: &str) -> bool {
        if self.is_of_lone_camera(path) {
            return is_within(path, &self.live);
        }
        match table::look_up(path) {
            Node::Key(key) if key.live => {
                key.sources.is_empty() || !is_within(path, &self.switched)
            }
            _ => false,
        }
    }
}

/// The cameras that both settings have.
fn both<'a>(
    old: &'a Settings,
    new: &'a Settings,
) -> impl Iterator<Item = (&'a CameraId, &'a Camera, &'a Camera)> {
    let cameras = old.cameras.iter();
    cameras.filter_map(|(id, camera)| Some((id, camera, new.cameras.get(id)?)))
}

/// The groups that change with a restart, because a camera that stays joins or leaves them, or counts their parts in
/// another way. Cameras that are added to them or removed from them wait too: with only some of its cameras, a group would
/// decide parts without the views of the others.
fn waiting_groups<'a>(old: &'a Settings, new: &'a Settings) -> BTreeSet<&'a str> {
    let membership = |camera: &'a Camera| {
        let mode = std::mem::discriminant(&camera.mode);
        (camera.group.as_deref(), mode, camera.part_counter)
    };
    let changed = both(old, new).filter(|&(_, old, new)| membership(old) != membership(new));
    let groups = changed.flat_map(|(_, old, new)| [&old.group, &new.group]);
    groups.filter_map(|group| group.as_deref()).collect()
}

fn path_of(camera: &CameraId) -> String {
    format!("{CAMERAS}.{camera}")
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

/// Place of a fault that only the combination of two valid configurations has.
const UNTIL_RESTART: &str = "after a reload, until a restart";

/// Returns the settings that are active once `new` is applied to a daemon that runs with `old`: the live
/// keys of `new`, all others of `old`. Cameras are added and removed.
///
/// # Errors
/// When a live key of `new` is not compatible with a key of `old` that waits for a restart.
pub fn applied(old: &Settings, new: &Settings) -> Result<Settings, ConfigError> {
    let cameras = CameraChanges::between(old, new);
    let mut values = old.values();
    values.retain(|path, _| !cameras.applies(path));
    let live = new.values().into_iter();
    values.extend(live.filter(|(path, _)| cameras.applies(path)));
    let is_live = |id: &&CameraId| cameras.live.contains(&path_of(id));
    let kept = old.cameras.keys().filter(|id| !is_live(id));
    let added = new.cameras.keys().filter(is_live);
    let ids = kept.chain(added).cloned().collect();
    let settings = Settings::read(&Values::new(values, ids));
    // Here defaults count as set, so valid configurations may have faults too. These are ignored.
    let [of_old, of_new, mut faults] = [old, new, &settings].map(relation_faults);
    faults.retain(|fault| !of_old.contains(fault) && !of_new.contains(fault));
    if faults.is_empty() {
        return Ok(settings);
    }
    Err(ConfigError { faults })
}

/// The relations between keys that do not hold.
fn relation_faults(settings: &Settings) -> Vec<Fault> {
    let ids = settings.cameras.keys().cloned().collect();
    let mut values = Values::new(settings.values(), ids);
    for value in values.keys.values_mut() {
        value.place = Some(UNTIL_RESTART.to_owned());
    }
    let mut faults = Vec::new();
    relation::check(&values, &mut faults);
    faults
}
