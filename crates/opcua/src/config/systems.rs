//! `[systems.NAME]`: the vision systems, each a camera or a group of the daemon.

use std::collections::BTreeMap;

use inspectd_client::{TriggerTarget, Verdict};

use super::{NAME, is_name};
use inspectd_gateway::config::Section;

/// The most systems of a server.
const MOST_SYSTEMS: usize = 64;

/// What a vision system inspects with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A camera, by its id.
    Camera(String),
    /// A group of cameras, by its id.
    Group(String),
}

impl Target {
    /// Returns whether a verdict is one of this system. The verdicts of the single views of a group are not.
    pub fn owns(&self, verdict: &Verdict) -> bool {
        match self {
            Self::Camera(id) => verdict.camera_id == *id,
            Self::Group(id) => verdict.camera_id.is_empty() && verdict.group_id == *id,
        }
    }

    /// Returns the filter of a stream or a list. A filter of cameras would leave out the verdicts of parts.
    pub fn camera_ids(&self) -> Vec<String> {
        match self {
            Self::Camera(id) => vec![id.clone()],
            Self::Group(_) => Vec::new(),
        }
    }

    /// Returns the target of a request.
    pub fn of_trigger(&self) -> TriggerTarget {
        match self {
            Self::Camera(id) => TriggerTarget::Camera(id.clone()),
            Self::Group(id) => TriggerTarget::Group(id.clone()),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Camera(id) => write!(f, "camera {id}"),
            Self::Group(id) => write!(f, "group {id}"),
        }
    }
}

/// Reads the systems. `None` only if there is a fault.
pub fn systems(document: &Section<'_>) -> Option<BTreeMap<String, Target>> {
    let sections = document.sections("systems");
    if sections.is_empty() || sections.len() > MOST_SYSTEMS {
        let fault = format!("1 to {MOST_SYSTEMS} systems must be configured");
        document.fault("systems", &fault);
    }
    let mut found = BTreeMap::new();
    let mut complete = !sections.is_empty();
    for (name, section) in sections {
        if !is_name(&name) {
            section.fault("", &format!("the name of a system must be {NAME}"));
        }
        let id = |text: &str| is_name(text).then(|| text.to_owned());
        let camera = section.parsed("camera", NAME, id);
        let group = section.parsed("group", NAME, id);
        match (section.is_set("camera"), section.is_set("group")) {
            (true, true) => section.fault("group", "not together with `camera`"),
            (false, false) => {
                section.fault("camera", "missing: `camera` or `group` must be set");
            }
            _ => {}
        }
        match camera.map(Target::Camera).or(group.map(Target::Group)) {
            Some(target) => {
                found.insert(name, target);
            }
            None => complete = false,
        }
        section.finish();
    }
    complete.then_some(found)
}
