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

/// PartKey of a part: its group, and its trigger or its id.
type PartKey = (Arc<str>, String);

#[derive(Debug)]
struct OpenPart {
    due: Instant,
    tag: Arc<PartTag>,
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

/// How far apart views of a counted part may be captured.
#[derive(Debug)]
pub struct CaptureSpread {
    /// Maximum time between the first and the last capture.
    pub limit: Duration,
    /// The cameras whose capture times count.
    pub cameras: BTreeSet<CameraId>,
}

/// The open parts of all groups.
#[derive(Debug)]
pub struct PartAssembler {
    spread: CaptureSpread,
    members: BTreeMap<Arc<str>, BTreeSet<CameraId>>,
    window: Duration,
    missing: MissingView,
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
    /// No open parts. `members` are the cameras of each group.
    pub fn new(
        members: BTreeMap<Arc<str>, BTreeSet<CameraId>>,
        window: Duration,
        missing: MissingView,
        spread: CaptureSpread,
    ) -> Self {
        Self {
            spread,
            members,
            window,
            missing,
            open: BTreeMap::new(),
            decided: BTreeSet::new(),
            decided_order: VecDeque::new(),
            late: 0,
        }
    }

    /// Number of views that were received after their part was decided.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// When the next open part is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.open.values().map(|open| open.due).min()
    }

    /// Opens a part: its window starts. Returns the part that had to be decided to make room.
    pub fn expect(
        &mut self,
        group: &Arc<str>,
        tag: &Arc<PartTag>,
        now: Instant,
    ) -> Option<DecidedPart> {
        let key = key(group, tag);
        if self.decided.contains(&key) || self.open.contains_key(&key) {
            return None;
        }
        let oldest = (self.open.len() >= OPEN_LIMIT)
            .then(|| self.open.iter().min_by_key(|(_, open)| open.due))
            .flatten()
            .map(|(key, _)| key.clone());
        let evicted = oldest.and_then(|key| self.decide(&key));
        let open = OpenPart {
            due: now + self.window,
            tag: Arc::clone(tag),
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
        let mut decided: Vec<DecidedPart> = self.expect(group, tag, now).into_iter().collect();
        let Some(open) = self.open.get_mut(&key) else {
            return decided;
        };
        open.views.insert(camera.clone(), Arc::clone(verdict));
        let complete = self
            .members
            .get(group)
            .is_none_or(|members| members.iter().all(|id| open.views.contains_key(id)));
        if complete {
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
        let members = self.members.get(&key.0);
        let missing: Vec<&str> = members
            .into_iter()
            .flatten()
            .filter(|id| !open.views.contains_key(*id))
            .map(CameraId::as_str)
            .collect();
        let views: Vec<Arc<Verdict>> = open.views.into_values().collect();
        let apart = self.spread.exceeded(&views);
        let part = &open.tag.part_id;
        let out_of_step = match &apart {
            Some(fault) => Some(format!("part {part}: {}", fault.message)),
            None if missing.is_empty() => None,
            None => Some(format!("part {part} has no view of {}", missing.join(", "))),
        };
        Some(DecidedPart {
            group: Arc::clone(&key.0),
            decision: combine(&views, &missing, self.missing, self.window, apart),
            out_of_step: out_of_step.filter(|_| open.tag.trigger.is_none()),
            tag: open.tag,
            views,
        })
    }
}

impl CaptureSpread {
    /// The fault of views that were captured too far apart to be of one part.
    fn exceeded(&self, views: &[Arc<Verdict>]) -> Option<Fault> {
        let counts = |verdict: &&Arc<Verdict>| {
            let camera = verdict.subject.camera.as_ref();
            camera.is_some_and(|camera| self.cameras.contains(camera))
        };
        let times = || {
            views
                .iter()
                .filter(counts)
                .map(|verdict| verdict.since_start)
        };
        let spread = times().max()?.saturating_sub(times().min()?);
        (spread > self.limit).then(|| {
            let message = format!(
                "its views were captured {} ms apart, more than parts.capture_spread_ms = {}",
                spread.as_millis(),
                self.limit.as_millis()
            );
            Fault::new(FaultReason::OutOfStep, message)
        })
    }
}

/// The most severe decision of the views ([`Decision::severity`]), and of the fault of views that are too far `apart`.
/// A missing view counts as `policy` says.
fn combine(
    views: &[Arc<Verdict>],
    missing: &[&str],
    policy: MissingView,
    window: Duration,
    apart: Option<Fault>,
) -> PartDecision {
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
    /// The outcome of the part's verdict.
    pub fn outcome(&self) -> Outcome {
        Outcome::Part(self.decision.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use inspectd_core::record::{ModelId, Stamp, Subject};
    use uuid::Uuid;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(100);

    fn camera(name: &str) -> CameraId {
        name.parse().expect("an id")
    }

    fn verdict(name: &str, part: &str, decision: Decision) -> Arc<Verdict> {
        let stamp = Stamp {
            model: ModelId {
                name: String::new(),
                version: String::new(),
                sha256: String::new(),
            },
            config_hash: String::new(),
            provider: String::new(),
            recipe: None,
        };
        let mut subject = Subject::new(Some(camera(name)), Arc::new(stamp));
        subject.group = Some("g".into());
        subject.tag = Some(Arc::new(PartTag {
            part_id: part.to_owned(),
            ..PartTag::default()
        }));
        let outcome = Outcome::Part(PartDecision {
            decision,
            views: Vec::new(),
            fault: None,
        });
        Arc::new(Verdict {
            sequence: 1,
            run: Uuid::nil(),
            captured: SystemTime::UNIX_EPOCH,
            since_start: Duration::ZERO,
            recorded: SystemTime::UNIX_EPOCH,
            evidence: false,
            unconfirmed: false,
            subject,
            outcome,
        })
    }

    fn parts(missing: MissingView) -> PartAssembler {
        let cameras = BTreeSet::from([camera("a"), camera("b")]);
        let spread = CaptureSpread {
            limit: WINDOW / 2,
            cameras: cameras.clone(),
        };
        PartAssembler::new(
            BTreeMap::from([("g".into(), cameras)]),
            WINDOW,
            missing,
            spread,
        )
    }

    #[test]
    fn a_part_has_the_most_severe_decision_of_its_views() {
        use Decision::{Fault, Pass, Reject, Review};
        let check = |a, b, expected| {
            let mut parts = parts(MissingView::Fault);
            let now = Instant::now();
            assert!(parts.view(&verdict("a", "1", a), now).is_empty());
            let decided = parts.view(&verdict("b", "1", b), now);
            let [decided] = decided.as_slice() else {
                panic!("{decided:?}")
            };
            assert_eq!(decided.decision.decision, expected, "{a:?} {b:?}");
            assert_eq!(decided.decision.views.len(), 2);
        };
        check(Pass, Pass, Pass);
        check(Pass, Review, Review);
        check(Fault, Review, Fault);
        check(Fault, Reject, Reject);
        check(Review, Reject, Reject);
    }

    #[test]
    fn a_missing_view_counts_by_the_policy() {
        use Decision::{Fault, Pass, Reject};
        let check = |policy, views: &[Decision], expected, faulted| {
            let mut parts = parts(policy);
            let now = Instant::now();
            let tag = Arc::new(PartTag {
                part_id: "1".to_owned(),
                ..PartTag::default()
            });
            parts.expect(&"g".into(), &tag, now);
            for &decision in views {
                parts.view(&verdict("a", "1", decision), now);
            }
            assert!(parts.due(now + WINDOW / 2).is_empty());
            let decided = parts.due(now + WINDOW);
            let [decided] = decided.as_slice() else {
                panic!("{decided:?}")
            };
            assert_eq!(decided.decision.decision, expected, "{policy:?} {views:?}");
            assert_eq!(
                decided.decision.fault.is_some(),
                faulted,
                "{policy:?} {views:?}"
            );
        };
        check(MissingView::Fault, &[Pass], Fault, true);
        check(MissingView::Fault, &[Reject], Reject, true);
        check(MissingView::Reject, &[Pass], Reject, true);
        check(MissingView::Ignore, &[Pass], Pass, false);
        check(MissingView::Ignore, &[], Fault, true);
    }

    #[test]
    fn views_captured_too_far_apart_are_a_fault_and_out_of_step() {
        use Decision::{Fault, Pass, Reject};
        for (apart_ms, decision, expected, in_step) in [
            (50, Pass, Pass, true),
            (51, Pass, Fault, false),
            (51, Reject, Reject, false),
        ] {
            let mut parts = parts(MissingView::Fault);
            let now = Instant::now();
            parts.view(&verdict("a", "1", Decision::Pass), now);
            let mut late = Arc::unwrap_or_clone(verdict("b", "1", decision));
            late.since_start = Duration::from_millis(apart_ms);
            let decided = parts.view(&Arc::new(late), now);
            let [decided] = decided.as_slice() else {
                panic!("{decided:?}")
            };
            assert_eq!(decided.decision.decision, expected, "{apart_ms} ms");
            assert_eq!(decided.out_of_step.is_none(), in_step, "{apart_ms} ms");
        }
    }

    #[test]
    fn a_late_view_is_counted_and_opens_no_part() {
        let mut parts = parts(MissingView::Ignore);
        let now = Instant::now();
        parts.view(&verdict("a", "1", Decision::Pass), now);
        assert_eq!(parts.due(now + WINDOW).len(), 1);
        assert!(
            parts
                .view(&verdict("b", "1", Decision::Reject), now + WINDOW)
                .is_empty()
        );
        assert_eq!(parts.late(), 1);
        assert_eq!(parts.next_due(), None);
    }

    #[test]
    fn the_longest_waiting_part_is_decided_when_the_limit_is_reached() {
        let mut parts = parts(MissingView::Fault);
        let now = Instant::now();
        let mut decided = 0;
        for part in 0..OPEN_LIMIT + 3 {
            let verdict = verdict("a", &part.to_string(), Decision::Pass);
            decided += parts
                .view(&verdict, now + Duration::from_micros(part as u64))
                .len();
        }
        assert_eq!(decided, 3);
    }
}
