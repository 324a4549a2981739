//! Parts with several views, and the decision about each part. The time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::decision::Decision;
use inspectd_core::id::CameraId;
use inspectd_core::record::{
    Fault, FaultReason, Outcome, PartDecision, PartTag, PartView, Verdict,
};

use crate::config::settings::MissingView;

/// Most parts that wait for views. When another part begins, the one that has waited longest is decided
/// with the views that it has.
const OPEN_LIMIT: usize = 1024;

/// Most decided parts that are kept, so that a late view does not open them again.
const DECIDED_LIMIT: usize = 4096;

/// Changes of a group that are remembered for parts that were captured before them. Each takes much longer than a part.
const EDITION_LIMIT: usize = 16;

/// PartKey of a part: its group, and its trigger or its id.
type PartKey = (Arc<str>, String);

/// The cameras of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupCameras {
    /// The cameras that have a view of each part.
    pub all: BTreeSet<CameraId>,
    /// Those whose capture times must be close together: they count the parts of a live source.
    pub timed: BTreeSet<CameraId>,
}

/// The cameras of a group from a time on.
#[derive(Debug)]
struct Edition {
    /// Since the start of the daemon, as in verdicts.
    from: Duration,
    cameras: Arc<GroupCameras>,
}

#[derive(Debug)]
struct OpenPart {
    due: Instant,
    tag: Arc<PartTag>,
    /// The cameras that it began with: a change of the group does not change them.
    cameras: Arc<GroupCameras>,
    views: BTreeMap<CameraId, Arc<Verdict>>,
}

/// A decided part.
#[derive(Debug)]
pub struct DecidedPart {
    /// The group.
    pub group: Arc<str>,
    /// The part.
    pub tag: Arc<PartTag>,
    /// Verdicts of the views that were in time.
    pub views: Vec<Arc<Verdict>>,
    /// The decision about the part.
    pub decision: PartDecision,
    /// Why the cameras of the group may count different parts; none if they do not, or do not count.
    pub out_of_step: Option<String>,
}

/// How parts are decided.
#[derive(Clone, Copy, Debug)]
pub struct PartRules {
    /// Maximum time from the beginning of a part to its last view.
    pub window: Duration,
    /// What a missing view counts as.
    pub missing: MissingView,
    /// Maximum time between the first and the last capture of a counted part.
    pub spread: Duration,
}

/// The open parts of all groups.
#[derive(Debug)]
pub struct PartAssembler {
    rules: PartRules,
    /// The cameras of each group, the newest edition last.
    groups: BTreeMap<Arc<str>, VecDeque<Edition>>,
    open: BTreeMap<PartKey, OpenPart>,
    decided: BTreeSet<PartKey>,
    decided_order: VecDeque<PartKey>,
    late: u64,
}

fn key(group: &Arc<str>, tag: &PartTag) -> PartKey {
    let name = tag
        .trigger
        .map_or_else(|| tag.part_id.clone(), |trigger| trigger.to_string());
    (Arc::clone(group), name)
}

impl PartAssembler {
    /// No open parts. `groups` has the cameras of each group.
    pub fn new(groups: BTreeMap<Arc<str>, GroupCameras>, rules: PartRules) -> Self {
        let mut parts = Self {
            rules,
            groups: BTreeMap::new(),
            open: BTreeMap::new(),
            decided: BTreeSet::new(),
            decided_order: VecDeque::new(),
            late: 0,
        };
        for (group, cameras) in groups {
            parts.change_group(group, cameras, Duration::ZERO);
        }
        parts
    }

    /// Changes the cameras of a group, for parts that are captured from `from` on, a time since the start of the daemon.
    pub fn change_group(&mut self, group: Arc<str>, cameras: GroupCameras, from: Duration) {
        let editions = self.groups.entry(group).or_default();
        if editions.len() >= EDITION_LIMIT {
            editions.pop_front();
        }
        let cameras = Arc::new(cameras);
        editions.push_back(Edition { from, cameras });
    }

    /// The cameras of a group at the time of a capture; empty for an unknown group.
    fn cameras_at(&self, group: &str, captured: Duration) -> Arc<GroupCameras> {
        let Some(editions) = self.groups.get(group) else {
            return Arc::default();
        };
        let mut newest_first = editions.iter().rev();
        let edition = newest_first.find(|edition| edition.from <= captured);
        let edition = edition.or(editions.front());
        edition.map_or_else(Arc::default, |edition| Arc::clone(&edition.cameras))
    }

    /// Number of views that were received after their part was decided.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// When the next open part is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.open.values().map(|open| open.due).min()
    }

    /// Opens a part of which `cameras` were asked for a view: its window starts. Returns the part that had to be decided to
    /// make room.
    pub fn expect(
        &mut self,
        group: &Arc<str>,
        tag: &Arc<PartTag>,
        cameras: BTreeSet<CameraId>,
        now: Instant,
    ) -> Option<DecidedPart> {
        let key = key(group, tag);
        if self.decided.contains(&key) || self.open.contains_key(&key) {
            return None;
        }
        let newest = self.cameras_at(group, Duration::MAX);
        let cameras = GroupCameras {
            all: cameras,
            timed: newest.timed.clone(),
        };
        self.open_part(key, tag, Arc::new(cameras), now)
    }

    fn open_part(
        &mut self,
        key: PartKey,
        tag: &Arc<PartTag>,
        cameras: Arc<GroupCameras>,
        now: Instant,
    ) -> Option<DecidedPart> {
        let oldest = (self.open.len() >= OPEN_LIMIT)
            .then(|| self.open.iter().min_by_key(|(_, open)| open.due))
            .flatten()
            .map(|(key, _)| key.clone());
        let evicted = oldest.and_then(|key| self.decide(&key));
        let open = OpenPart {
            due: now + self.rules.window,
            tag: Arc::clone(tag),
            cameras,
            views: BTreeMap::new(),
        };
        self.open.insert(key, open);
        evicted
    }

    /// Adds the verdict of a view. Returns the parts that are decided by it.
    pub fn view(&mut self, verdict: &Arc<Verdict>, now: Instant) -> Vec<DecidedPart> {
        let subject = &verdict.subject;
        let (Some(group), Some(tag), Some(camera)) =
            (&subject.group, &subject.tag, &subject.camera)
        else {
            return Vec::new();
        };
        let key = key(group, tag);
        if self.decided.contains(&key) {
            self.late += 1;
            return Vec::new();
        }
        let mut decided = Vec::new();
        if !self.open.contains_key(&key) {
            let cameras = self.cameras_at(group, verdict.since_start);
            decided.extend(self.open_part(key.clone(), tag, cameras, now));
        }
        let Some(open) = self.open.get_mut(&key) else {
            return decided;
        };
        open.views.insert(camera.clone(), Arc::clone(verdict));
        let mut cameras = open.cameras.all.iter();
        if cameras.all(|id| open.views.contains_key(id)) {
            decided.extend(self.decide(&key));
        }
        decided
    }

    /// Decides the parts whose window has passed.
    pub fn due(&mut self, now: Instant) -> Vec<DecidedPart> {
        let due = self.open.iter().filter(|(_, open)| open.due <= now);
        let keys: Vec<PartKey> = due.map(|(key, _)| key.clone()).collect();
        keys.iter().filter_map(|key| self.decide(key)).collect()
    }

    /// Decides all open parts.
    pub fn all(&mut self) -> Vec<DecidedPart> {
        let keys: Vec<PartKey> = self.open.keys().cloned().collect();
        keys.iter().filter_map(|key| self.decide(key)).collect()
    }

    fn decide(&mut self, key: &PartKey) -> Option<DecidedPart> {
        let open = self.open.remove(key)?;
        self.decided.insert(key.clone());
        self.decided_order.push_back(key.clone());
        if self.decided_order.len() > DECIDED_LIMIT
            && let Some(oldest) = self.decided_order.pop_front()
        {
            self.decided.remove(&oldest);
        }
        let cameras = open.cameras.all.iter();
        let missing: Vec<&str> = cameras
            .filter(|id| !open.views.contains_key(*id))
            .map(CameraId::as_str)
            .collect();
        let views: Vec<Arc<Verdict>> = open.views.into_values().collect();
        let apart = apart(&views, &open.cameras.timed, self.rules.spread);
        let part = &open.tag.part_id;
        let out_of_step = match &apart {
            Some(fault) => Some(format!("part {part}: {}", fault.message)),
            None if missing.is_empty() => None,
            None => Some(format!("part {part} has no view of {}", missing.join(", "))),
        };
        Some(DecidedPart {
            group: Arc::clone(&key.0),
            decision: combine(&views, &missing, self.rules, apart),
            out_of_step: out_of_step.filter(|_| open.tag.trigger.is_none()),
            tag: open.tag,
            views,
        })
    }
}

/// The fault of views of `timed` cameras that were captured too far apart to be of one part.
fn apart(views: &[Arc<Verdict>], timed: &BTreeSet<CameraId>, limit: Duration) -> Option<Fault> {
    let counts = |verdict: &&Arc<Verdict>| {
        let camera = verdict.subject.camera.as_ref();
        camera.is_some_and(|camera| timed.contains(camera))
    };
    let times = || {
        views
            .iter()
            .filter(counts)
            .map(|verdict| verdict.since_start)
    };
    let spread = times().max()?.saturating_sub(times().min()?);
    (spread > limit).then(|| {
        let message = format!(
            "its views were captured {} ms apart, more than parts.capture_spread_ms = {}",
            spread.as_millis(),
            limit.as_millis()
        );
        Fault::new(FaultReason::OutOfStep, message)
    })
}

/// The most severe decision of the views ([`Decision::severity`]), and of the fault of views that are too far `apart`.
/// A missing view counts as the rules say.
fn combine(
    views: &[Arc<Verdict>],
    missing: &[&str],
    rules: PartRules,
    apart: Option<Fault>,
) -> PartDecision {
    let PartRules {
        window,
        missing: policy,
        ..
    } = rules;
    let worst = views
        .iter()
        .map(|verdict| verdict.decision())
        .max_by_key(|decision| decision.severity());
    let message = || {
        format!(
            "no verdict of {} within {} ms",
            missing.join(", "),
            window.as_millis()
        )
    };
    let counts = !missing.is_empty() && (policy != MissingView::Ignore || worst.is_none());
    let fault = counts.then(|| Fault {
        rejects: policy == MissingView::Reject,
        ..Fault::new(FaultReason::MissingView, message())
    });
    let fault = apart.or(fault);
    let own = fault.as_ref().map(Fault::decision);
    let decision = worst
        .into_iter()
        .chain(own)
        .max_by_key(|decision| decision.severity());
    let view = |verdict: &Arc<Verdict>| {
        Some(PartView {
            camera: verdict.subject.camera.clone()?,
            sequence: verdict.sequence,
            frame_id: verdict.subject.frame_id,
            decision: verdict.decision(),
        })
    };
    PartDecision {
        decision: decision.unwrap_or(Decision::Fault),
        views: views.iter().filter_map(view).collect(),
        fault,
    }
}

impl DecidedPart {
    /// Makes the part a FAULT, unless it is REJECT.
    pub fn doubt(&mut self, fault: Fault) {
        let decision = &mut self.decision;
        if fault.decision().severity() > decision.decision.severity() {
            decision.decision = fault.decision();
        }
        decision.fault.get_or_insert(fault);
    }

    /// The outcome of the part's verdict.
    pub fn outcome(&self) -> Outcome {
        Outcome::Part(self.decision.clone())
    }
}

#[cfg(test)]
mod tests;
