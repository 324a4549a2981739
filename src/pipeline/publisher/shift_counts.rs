//! Verdicts of the present shift. There is no timer: a verdict or a question after its end begins the next one.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use chrono::TimeZone;
use inspectd_core::id::CameraId;
use inspectd_core::record::Verdict;

use crate::journal::CameraCount;
use crate::pipeline::camera_stats::DecisionCounts;
use crate::shift::{Shift, ShiftStarts};

/// The present shift at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftSnapshot {
    /// Its start and end.
    pub shift: Shift,
    /// Its verdicts.
    pub decisions: DecisionCounts,
    /// Those of cameras that have any.
    pub cameras: HashMap<CameraId, DecisionCounts>,
    /// Whether verdicts of the shift that are in the journal are still to be added.
    pub counting: bool,
}

impl ShiftSnapshot {
    /// The verdicts of a camera.
    pub fn of(&self, camera: &CameraId) -> DecisionCounts {
        self.cameras.get(camera).copied().unwrap_or_default()
    }
}

/// A count of verdicts that are in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CountRequest {
    /// Those of this shift.
    pub(super) shift: Shift,
    /// Those before this sequence. The others are counted as they are broadcast.
    pub(super) before: u64,
}

/// What is known of the verdicts of the shift that were not counted as they were broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earlier {
    /// There is no journal: they are not counted.
    NoJournal,
    /// The journal was not opened yet.
    NotOpen,
    /// They are those in the journal before this sequence, and are to be counted.
    Before(u64),
    /// They are counted.
    Counted,
}

/// Counts the verdicts of the present shift. Generic over the time zone for tests.
#[derive(Debug)]
pub(super) struct ShiftCounts<Z> {
    starts: ShiftStarts,
    zone: Z,
    present: Shift,
    decisions: DecisionCounts,
    cameras: HashMap<CameraId, DecisionCounts>,
    earlier: Earlier,
    /// Cameras that were removed before the earlier verdicts are counted.
    forgotten: HashSet<CameraId>,
}

impl<Z: TimeZone> ShiftCounts<Z> {
    /// Begins with the shift of `time`. With a journal, its verdicts of the shift are added later.
    pub(super) fn new(starts: ShiftStarts, zone: Z, time: SystemTime, journal: bool) -> Self {
        Self {
            present: starts.shift_at(&zone, time),
            starts,
            zone,
            decisions: DecisionCounts::default(),
            cameras: HashMap::new(),
            earlier: if journal {
                Earlier::NotOpen
            } else {
                Earlier::NoJournal
            },
            forgotten: HashSet::new(),
        }
    }

    /// Begins the shift of `time` if it is not the present one. `newest` is the last sequence that was broadcast.
    pub(super) fn advance(&mut self, time: SystemTime, newest: u64) {
        if self.present.contains(time) {
            return;
        }
        let shift = self.starts.shift_at(&self.zone, time);
        self.begin(shift, newest);
    }

    /// Replaces the starts. If the present shift has another start then, its verdicts are counted again by the journal.
    pub(super) fn set_starts(&mut self, starts: &ShiftStarts, time: SystemTime, newest: u64) {
        if self.starts == *starts {
            return;
        }
        self.starts = starts.clone();
        let shift = self.starts.shift_at(&self.zone, time);
        if shift.start == self.present.start {
            self.present = shift;
        } else {
            self.begin(shift, newest);
        }
    }

    /// Begins a shift. It may have verdicts in the journal, as the clock may have been set forward and back.
    fn begin(&mut self, shift: Shift, newest: u64) {
        self.present = shift;
        self.decisions = DecisionCounts::default();
        self.cameras.clear();
        if matches!(self.earlier, Earlier::Before(_) | Earlier::Counted) {
            self.earlier = Earlier::Before(newest + 1);
        }
    }

    /// The journal was opened: all of its verdicts up to `sequence` are from before this run. Does nothing when it is
    /// opened again.
    pub(super) fn opened(&mut self, sequence: u64) {
        if self.earlier == Earlier::NotOpen {
            self.earlier = Earlier::Before(sequence + 1);
        }
    }

    /// Counts a verdict that is broadcast. One of the shift before, which is broadcast late, is not counted.
    pub(super) fn count(&mut self, verdict: &Verdict) {
        if !self.present.contains(verdict.recorded) {
            return;
        }
        let decision = verdict.decision();
        self.decisions.add(decision);
        let Some(camera) = &verdict.subject.camera else {
            return;
        };
        if let Some(counts) = self.cameras.get_mut(camera) {
            counts.add(decision);
        } else {
            self.cameras
                .entry(camera.clone())
                .or_default()
                .add(decision);
        }
    }

    /// Forgets the counts of a camera that is added or removed. They stay in the total.
    pub(super) fn forget(&mut self, camera: &CameraId) {
        self.cameras.remove(camera);
        if self.is_counting() {
            self.forgotten.insert(camera.clone());
        }
    }

    /// The count of earlier verdicts that is to be made.
    pub(super) fn request(&self) -> Option<CountRequest> {
        match self.earlier {
            Earlier::Before(before) => Some(CountRequest {
                shift: self.present,
                before,
            }),
            Earlier::NoJournal | Earlier::NotOpen | Earlier::Counted => None,
        }
    }

    /// Adds earlier verdicts, unless another count is to be made meanwhile.
    pub(super) fn add_earlier(&mut self, request: CountRequest, counts: &[CameraCount]) {
        if self.request() != Some(request) {
            return;
        }
        self.earlier = Earlier::Counted;
        let forgotten = std::mem::take(&mut self.forgotten);
        for CameraCount {
            camera,
            decision,
            count,
        } in counts
        {
            self.decisions.add_many(*decision, *count);
            if let Some(camera) = camera.as_ref().filter(|id| !forgotten.contains(*id)) {
                self.cameras
                    .entry(camera.clone())
                    .or_default()
                    .add_many(*decision, *count);
            }
        }
    }

    fn is_counting(&self) -> bool {
        matches!(self.earlier, Earlier::NotOpen | Earlier::Before(_))
    }

    pub(super) fn snapshot(&self) -> ShiftSnapshot {
        ShiftSnapshot {
            shift: self.present,
            decisions: self.decisions,
            cameras: self.cameras.clone(),
            counting: self.is_counting(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use chrono::Utc;
    use inspectd_core::decision::Decision;
    use inspectd_core::record::{Fault, FaultReason, ModelId, Outcome, Stamp, Subject};
    use uuid::Uuid;

    use super::*;

    fn camera(id: &str) -> CameraId {
        id.parse().expect("an id")
    }

    /// So many hours after a midnight.
    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 20_000 + hours)
    }

    fn starts(texts: &[&str]) -> ShiftStarts {
        ShiftStarts::parse(texts).expect("times of day")
    }

    fn counts(time: SystemTime, journal: bool) -> ShiftCounts<Utc> {
        ShiftCounts::new(starts(&["06:00", "14:00", "22:00"]), Utc, time, journal)
    }

    /// A FAULT of a camera, or of a part.
    fn fault(id: Option<&str>, recorded: SystemTime) -> Verdict {
        let stamp = Stamp {
            model: ModelId {
                name: String::new(),
                version: String::new(),
                sha256: String::new(),
                precision: inspectd_core::precision::Precision::F32,
            },
            config_hash: String::new(),
            provider: String::new(),
            recipe: None,
        };
        Verdict {
            sequence: 1,
            run: Uuid::nil(),
            captured: recorded,
            since_start: Duration::ZERO,
            recorded,
            evidence: false,
            unconfirmed: false,
            subject: Subject::new(id.map(camera), Arc::new(stamp)),
            outcome: Outcome::Fault(Fault::new(FaultReason::Overflow, "full")),
        }
    }

    fn passed(id: Option<&str>, count: u64) -> CameraCount {
        CameraCount {
            camera: id.map(camera),
            decision: Decision::Pass,
            count,
        }
    }

    /// The numbers of PASS and FAULT in total, and of a camera.
    fn found(counts: &ShiftCounts<Utc>, id: &str) -> [(u64, u64); 2] {
        let snapshot = counts.snapshot();
        [snapshot.decisions, snapshot.of(&camera(id))].map(|of| (of.pass, of.fault))
    }

    #[test]
    fn next_shift_begins_at_zero_and_late_verdicts_of_the_one_before_do_not_count() {
        let mut counts = counts(at(13), false);
        counts.count(&fault(Some("left"), at(13)));
        counts.count(&fault(None, at(13)));
        counts.advance(at(14) - Duration::from_nanos(1), 2);
        assert_eq!(found(&counts, "left"), [(0, 2), (0, 1)]);
        counts.advance(at(14), 2);
        let snapshot = counts.snapshot();
        assert_eq!([snapshot.shift.start, snapshot.shift.end], [at(14), at(22)]);
        assert!(!snapshot.counting);
        counts.count(&fault(Some("left"), at(13)));
        assert_eq!(found(&counts, "left"), [(0, 0), (0, 0)]);
        counts.count(&fault(Some("left"), at(14)));
        assert_eq!(found(&counts, "left"), [(0, 1), (0, 1)]);
    }

    #[test]
    fn earlier_verdicts_are_added_once() {
        let mut counts = counts(at(13), true);
        assert!(counts.snapshot().counting);
        assert_eq!(counts.request(), None, "the journal is not open");
        counts.count(&fault(Some("left"), at(13)));
        counts.opened(9);
        let request = counts.request().expect("the journal is open");
        let shift = counts.snapshot().shift;
        assert_eq!(request, CountRequest { shift, before: 10 });
        let other = CountRequest {
            before: 11,
            ..request
        };
        counts.add_earlier(other, &[passed(None, 100)]);
        for _ in 0..2 {
            counts.add_earlier(request, &[passed(Some("left"), 5), passed(None, 2)]);
            assert_eq!(found(&counts, "left"), [(7, 1), (5, 1)]);
        }
        counts.opened(12);
        assert_eq!(counts.request(), None, "it was opened again");
        assert!(!counts.snapshot().counting);
    }

    #[test]
    fn count_of_a_shift_that_has_ended_meanwhile_is_not_added() {
        let mut counts = counts(at(13), true);
        counts.opened(9);
        let request = counts.request().expect("the journal is open");
        counts.advance(at(14), 9);
        counts.add_earlier(request, &[passed(None, 100)]);
        assert_eq!(found(&counts, "left"), [(0, 0), (0, 0)]);
        let request = counts.request().expect("another count");
        counts.add_earlier(request, &[]);
        assert!(!counts.snapshot().counting);
    }

    #[test]
    fn shift_is_counted_again_after_the_clock_was_set_back_and_forward() {
        let mut counts = counts(at(13), true);
        counts.opened(0);
        let request = counts.request().expect("the journal is open");
        counts.add_earlier(request, &[]);
        for (time, start, newest) in [(14, 14, 4), (13, 6, 6), (14, 14, 9)] {
            counts.advance(at(time), newest);
            let request = counts.request().expect("the journal may have verdicts");
            assert_eq!(
                (request.shift.start, request.before),
                (at(start), newest + 1)
            );
            counts.add_earlier(request, &[passed(Some("left"), time)]);
            assert_eq!(found(&counts, "left"), [(time, 0), (time, 0)]);
        }
    }

    #[test]
    fn another_start_of_the_present_shift_counts_it_again() {
        let mut counts = counts(at(13), true);
        counts.opened(0);
        let request = counts.request().expect("the journal is open");
        counts.add_earlier(request, &[]);
        counts.count(&fault(Some("left"), at(13)));
        counts.set_starts(&starts(&["06:00", "18:00"]), at(13), 1);
        let snapshot = counts.snapshot();
        assert_eq!([snapshot.shift.start, snapshot.shift.end], [at(6), at(18)]);
        assert_eq!(found(&counts, "left"), [(0, 1), (0, 1)]);
        assert_eq!(counts.request(), None);
        counts.set_starts(&starts(&["12:00"]), at(13), 1);
        assert_eq!(found(&counts, "left"), [(0, 0), (0, 0)]);
        let request = counts.request().expect("again");
        assert_eq!((request.shift.start, request.before), (at(12), 2));
    }

    #[test]
    fn removed_camera_takes_its_counts_along_and_the_total_stays() {
        let mut counts = counts(at(13), true);
        counts.count(&fault(Some("left"), at(13)));
        counts.forget(&camera("left"));
        assert_eq!(found(&counts, "left"), [(0, 1), (0, 0)]);
        counts.opened(9);
        let request = counts.request().expect("the journal is open");
        counts.add_earlier(
            request,
            &[passed(Some("left"), 5), passed(Some("right"), 1)],
        );
        assert_eq!(found(&counts, "left"), [(6, 1), (0, 0)]);
        assert_eq!(found(&counts, "right"), [(6, 1), (1, 0)]);
    }
}
