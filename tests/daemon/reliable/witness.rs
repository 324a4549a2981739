//! What clients saw, compared with what they see later and with the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use inspectd_client::proto::{Decision, Fault, FaultReason, Verdict};

use super::journal_site::whole;
use crate::belt::PARTS;
use crate::harness::{Daemon, Site};

/// A frame: its run, camera and number.
type FrameKey = (String, String, u64);

/// All that any client saw.
#[derive(Default)]
pub struct Memory {
    /// Verdicts with a sequence.
    pub journalled: BTreeMap<u64, Verdict>,
    /// Verdicts without one, which are FAULTs.
    pub unjournalled: HashMap<FrameKey, Verdict>,
    sequences: HashMap<FrameKey, u64>,
    /// How many verdicts were seen, with repetitions.
    pub sights: u64,
    /// When the last one was seen that had not been seen before, and the longest time between two of these.
    last: Option<Instant>,
    silence: Duration,
}

impl Memory {
    /// Compares a verdict with all that were seen before.
    pub fn see(&mut self, mut verdict: Verdict) {
        self.sights += 1;
        check_decision(&verdict);
        // Set after a kill, for what may have been published otherwise.
        let unconfirmed = std::mem::take(&mut verdict.unconfirmed);
        let frame = (
            verdict.run_id.clone(),
            verdict.camera_id.clone(),
            verdict.frame_id,
        );
        let known = match verdict.sequence {
            0 => self.unjournalled.get(&frame),
            sequence => self.journalled.get(&sequence),
        };
        if let Some(before) = known {
            assert_eq!(*before, verdict, "it has changed");
            return;
        }
        if let Some(last) = self.last.replace(Instant::now()) {
            self.silence = self.silence.max(last.elapsed());
        }
        if verdict.sequence == 0 {
            let reason = verdict.fault.as_ref().map(Fault::reason);
            assert_eq!(reason, Some(FaultReason::Journal), "{verdict:?}");
            if let Some(sequence) = self.sequences.get(&frame) {
                panic!("published with the sequence {sequence} and without one: {verdict:?}");
            }
            self.unjournalled.insert(frame, verdict);
            return;
        }
        let twice = self.sequences.insert(frame.clone(), verdict.sequence);
        assert_eq!(twice, None, "two sequences: {verdict:?}");
        if let Some(before) = self.unjournalled.get(&frame)
            && !unconfirmed
        {
            let of = |verdict: &Verdict| (verdict.decision, verdict.fault.clone());
            assert_eq!(of(before), of(&verdict), "published otherwise before");
        }
        self.journalled.insert(verdict.sequence, verdict);
    }

    /// As [`Self::see`], for a verdict that was just published. It is not late.
    pub fn see_live(&mut self, verdict: Verdict, latest: Duration) {
        let captured = verdict.capture_time.expect("a time");
        let captured = SystemTime::try_from(captured).expect("after 1970");
        let age = captured.elapsed().unwrap_or_default();
        assert!(
            age < latest,
            "published {age:?} after its capture: {verdict:?}"
        );
        self.see(verdict);
    }

    /// The longest time without a new verdict since the last call, up to now.
    pub fn take_silence(&mut self) -> Duration {
        let open = self.last.map_or(Duration::ZERO, |last| last.elapsed());
        std::mem::take(&mut self.silence).max(open)
    }

    /// Does not count the time until the next verdict: there is no daemon.
    pub fn pause(&mut self) {
        self.last = None;
    }
}

/// Asserts that a verdict is the one of its picture, or a FAULT.
fn check_decision(verdict: &Verdict) {
    let part = PARTS.iter().find(|(item, ..)| *item == verdict.source_item);
    if verdict.decision() != Decision::Fault {
        let (_, _, expected) = part.expect("a picture of the belt");
        assert_eq!(verdict.decision(), *expected, "{verdict:?}");
    }
}

/// What several clients saw.
#[derive(Clone, Default)]
pub struct Witness(Arc<Mutex<Memory>>);

impl Witness {
    /// The memory.
    pub fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asserts that all verdicts that were seen with a sequence are in the journal as they were seen.
    pub async fn check_journal(&self, daemon: &Daemon) {
        let kept = whole(daemon).await;
        for (sequence, seen) in &self.lock().journalled {
            let kept = kept.get(sequence).cloned();
            let kept = kept.map(|kept| Verdict {
                unconfirmed: false,
                ..kept
            });
            assert_eq!(Some(seen), kept.as_ref(), "verdict {sequence}");
        }
        for verdict in kept.into_values() {
            self.lock().see(verdict);
        }
    }
}

/// Asserts that the journal and the audit log's hash chain are intact.
pub fn check_files(site: &Site) {
    let file = site.path("journal/journal.sqlite");
    let connection = rusqlite::Connection::open(file).expect("the journal");
    let found: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("a word");
    assert_eq!(found, "ok");
    let verified = inspectd::audit::verify(&site.path("journal/audit.sqlite"), None);
    let verified = verified.expect("an unbroken chain");
    assert!(verified.entries > 0, "{verified:?}");
}
