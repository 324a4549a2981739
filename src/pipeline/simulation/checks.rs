//! The invariants that the simulation checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use inspectd_core::decision::Decision;
use inspectd_core::record::{Fault, FaultReason, Outcome, Verdict};

use super::{Knowledge, LEVELS, RECIPES, World};
use crate::journal::{Filter, Order, Page};

impl World {
    /// Checks what was published since the last check.
    pub(super) fn check(&mut self) {
        let new = std::mem::take(&mut self.published.lock().new);
        for verdict in new {
            if verdict.run == self.run.id {
                self.check_verdict(&verdict);
            }
            self.note(&verdict);
            if verdict.sequence > 0 {
                let mut published = self.published.lock();
                let last = published
                    .durable
                    .last_key_value()
                    .map_or(0, |(last, _)| *last);
                assert!(
                    verdict.sequence > last,
                    "a sequence is used again: {verdict:?}"
                );
                published
                    .durable
                    .insert(verdict.sequence, Arc::clone(&verdict));
                drop(published);
                // Durable before published.
                let journal = self.run.shared.publisher.journal().expect("a journal");
                let stored = journal.readers().get(verdict.sequence).expect("readable");
                assert_eq!(
                    stored.as_ref(),
                    Some(&*verdict),
                    "not journalled as published"
                );
            }
        }
        self.check_progress();
    }

    /// Each captured frame was judged, skipped or faulted, or is in progress: it waits for the engine or for the journal.
    fn check_progress(&self) {
        let shared = &self.run.shared;
        let unpublished = shared.publisher.waiting();
        for (camera, lane) in &*shared.lanes.all() {
            // Verdicts of its frames from before its removal count after it was added again.
            if camera.as_str() == "top" {
                continue;
            }
            let frames = lane.stats.snapshot().frames;
            let captured = self.run.delivered.get(camera).copied().unwrap_or(0);
            assert_eq!(frames.captured, captured, "{camera}: {frames:?}");
            let decided = self.run.knowledge.decided.get(camera);
            let decided = decided.copied().unwrap_or(0);
            assert_eq!(
                frames.judged + frames.faulted,
                decided,
                "{camera}: {frames:?}"
            );
            let ended = decided + frames.skipped;
            let in_progress = (shared.intake.queued(lane.index) + unpublished) as u64;
            assert!(
                (ended..=ended + in_progress).contains(&captured),
                "{camera}: {in_progress} frames in progress, {frames:?}"
            );
        }
    }

    fn note(&mut self, verdict: &Verdict) {
        let subject = &verdict.subject;
        let trigger = subject.tag.as_ref().and_then(|tag| tag.trigger);
        let asked = trigger.and_then(|trigger| self.run.knowledge.asked.get(&trigger));
        let named = asked.is_some_and(|asked| asked.recipe.is_some());
        let what = match &verdict.outcome {
            Outcome::Part(part) if part.decision == Decision::Pass => match part.views.len() {
                2 => "a part of two views is PASS",
                _ => "a part of three views is PASS",
            },
            Outcome::Part(part) if part.fault.as_ref().is_some_and(is_too_close) => {
                "a part is FAULT because parts are too close"
            }
            Outcome::Judged(_) if named => "a frame is judged by the recipe of its request",
            Outcome::Judged(_) if subject.stamp.recipe.is_some() => {
                "a frame is judged by the active recipe"
            }
            outcome => match outcome.fault().map(|fault| fault.reason) {
                Some(FaultReason::OutOfStep) => "a part is FAULT because its group is out of step",
                Some(FaultReason::DeadlineMissed) => "a deadline is missed",
                Some(FaultReason::Overflow) => "a queue is full",
                Some(FaultReason::Journal) => "a verdict is not journalled",
                _ => return,
            },
        };
        self.saw(what);
    }

    fn check_verdict(&mut self, verdict: &Arc<Verdict>) {
        let subject = &verdict.subject;
        let knowledge = &mut self.run.knowledge;
        let Some(camera) = &subject.camera else {
            return check_part(verdict, knowledge);
        };
        let trigger = subject.tag.as_ref().and_then(|tag| tag.trigger);
        if subject.frame_id == 0 {
            return assert_ne!(verdict.decision(), Decision::Pass, "{verdict:?}");
        }
        let key = (camera.clone(), subject.frame_id);
        let before = knowledge.views.insert(key.clone(), Arc::clone(verdict));
        assert!(before.is_none(), "a frame has two verdicts: {verdict:?}");
        *knowledge.decided.entry(camera.clone()).or_default() += 1;
        let scene = &knowledge.scenes[&key];
        assert_eq!(scene.item, subject.item);
        let Outcome::Judged(_) = &verdict.outcome else {
            return assert_ne!(verdict.decision(), Decision::Pass, "{verdict:?}");
        };
        let judged_by = subject
            .stamp
            .recipe
            .as_ref()
            .map(|recipe| recipe.id.clone());
        let asked = trigger.map(|trigger| &knowledge.asked[&trigger]);
        if let Some(asked) = asked {
            assert!(
                verdict.captured >= asked.at,
                "exposed before its request: {verdict:?}"
            );
        }
        let wanted = asked
            .and_then(|asked| asked.recipe.clone())
            .or_else(|| scene.recipe.clone());
        assert_eq!(judged_by, wanted, "judged by another recipe: {verdict:?}");
        let (_, passes) = LEVELS
            .iter()
            .find(|(level, _)| *level == scene.level)
            .expect("a level");
        let column = wanted.as_ref().map_or(0, |wanted| {
            1 + RECIPES
                .iter()
                .position(|(name, _)| name == wanted)
                .expect("a recipe")
        });
        let expected = if passes[column] {
            Decision::Pass
        } else {
            Decision::Reject
        };
        assert_eq!(verdict.decision(), expected, "{verdict:?}");
    }

    /// After a restart: nothing that a client received is lost or changed.
    pub(super) fn check_kept(&mut self) {
        self.run.committer.step();
        let journal = self.run.shared.publisher.journal().expect("a journal");
        let all = Page {
            filter: Filter::default(),
            from: 1,
            to: i64::MAX as u64,
            order: Order::Ascending,
            limit: 100_000,
        };
        let stored = journal.readers().page(&all).expect("readable");
        let mut stored: BTreeMap<u64, Verdict> = stored
            .into_iter()
            .map(|verdict| (verdict.sequence, verdict))
            .collect();
        let mut unconfirmed = 0;
        for (sequence, published) in &self.published.lock().durable {
            let stored = stored.remove(sequence).expect("kept");
            unconfirmed += u64::from(stored.unconfirmed && stored.run.as_u128() + 1 == self.runs);
            let stored = Verdict {
                unconfirmed: published.unconfirmed,
                ..stored
            };
            assert_eq!(stored, **published, "changed after a kill");
        }
        // The others were published without a sequence, because they were not journalled in time.
        let published = self.published.lock();
        for row in stored.values().filter(|row| !row.unconfirmed) {
            let is_heard = |heard: &&Arc<Verdict>| heard.sequence == 0 && is_same(heard, row);
            if let Some(heard) = published.verdicts.iter().find(is_heard) {
                assert_eq!(row.outcome, heard.outcome, "published otherwise: {row:?}");
            }
        }
        drop(published);
        if unconfirmed > 0 {
            self.saw("a verdict is unconfirmed after a kill");
        }
    }

    /// Every captured frame has one outcome.
    pub(super) fn check_counts(&mut self) {
        for (camera, lane) in &*self.run.shared.lanes.all() {
            let frames = lane.stats.snapshot().frames;
            let captured = self.run.delivered.get(camera).copied().unwrap_or(0);
            assert_eq!(frames.captured, captured, "{camera}: {frames:?}");
            assert_eq!(frames.in_progress(), 0, "{camera}: {frames:?}");
            if frames.skipped > 0 {
                *self.seen.entry("a frame is skipped").or_default() += 1;
            }
        }
        let verdicts = self.published.lock();
        let sequences: BTreeSet<u64> = verdicts.durable.keys().copied().collect();
        assert_eq!(sequences.len(), verdicts.durable.len());
    }
}

fn is_too_close(fault: &Fault) -> bool {
    fault.message.contains("less than twice")
}

/// Whether both are verdicts of the same frame or part.
fn is_same(one: &Verdict, other: &Verdict) -> bool {
    let [first, second] = [one, other].map(|verdict| {
        let subject = &verdict.subject;
        let frame = (&subject.camera, subject.frame_id, &subject.tag);
        (verdict.run, frame)
    });
    first == second
}

/// A PASS of a part is of views of one and the same part.
fn check_part(verdict: &Verdict, knowledge: &Knowledge) {
    let Outcome::Part(part) = &verdict.outcome else {
        return assert_ne!(verdict.decision(), Decision::Pass, "{verdict:?}");
    };
    if part.decision != Decision::Pass {
        return;
    }
    let views: Vec<&Arc<Verdict>> = part
        .views
        .iter()
        .map(|view| &knowledge.views[&(view.camera.clone(), view.frame_id)])
        .collect();
    for view in &part.views {
        let scene = &knowledge.scenes[&(view.camera.clone(), view.frame_id)];
        assert_eq!(views.len(), scene.group, "a view is missing: {verdict:?}");
    }
    assert!(
        views.iter().all(|view| view.decision() == Decision::Pass),
        "{verdict:?}"
    );
    let items: BTreeSet<&str> = views
        .iter()
        .map(|view| view.subject.item.as_str())
        .collect();
    assert_eq!(items.len(), 1, "views of different parts: {items:?}");
}
