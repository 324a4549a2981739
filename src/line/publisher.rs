//! The one place where verdicts come into being: numbered, counted, kept, and handed to the streams.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::broadcast;

use super::board::{Board, DecisionCounts};
use super::record::{Draft, Outcome, Verdict};
use crate::evidence::{Evidence, Heat, Picture, Recent};
use crate::metrics;

/// What publishing changes, under one lock: the order of sequences is the order of the streams.
#[derive(Debug)]
struct State {
    sequence: u64,
    decisions: DecisionCounts,
    recent: Recent,
}

/// Numbers verdicts and hands them out. The streams' channel is bounded: a slow reader misses the
/// oldest verdicts and is told how many, and nobody waits for it.
#[derive(Debug)]
pub struct Publisher {
    start: Instant,
    state: Mutex<State>,
    feed: broadcast::Sender<Arc<Verdict>>,
}

/// What a verdict is made of, where there is a frame.
pub type Seen = Option<(Picture, Option<Heat>)>;

impl Publisher {
    /// Keeps `evidence_limit` bytes of evidence, and `backlog` verdicts for slow readers.
    pub fn new(start: Instant, evidence_limit: usize, backlog: usize) -> Self {
        Self {
            start,
            state: Mutex::new(State {
                sequence: 0,
                decisions: DecisionCounts::default(),
                recent: Recent::new(evidence_limit),
            }),
            feed: broadcast::Sender::new(backlog),
        }
    }

    /// Makes a verdict of a draft. `board` is its camera's.
    pub fn publish(
        &self,
        mut draft: Draft,
        outcome: Outcome,
        seen: Seen,
        board: Option<&Board>,
    ) -> Arc<Verdict> {
        draft.timings.total = draft.moment.monotonic.elapsed();
        let mut verdict = Verdict {
            sequence: 0,
            since_start: draft.moment.monotonic.saturating_duration_since(self.start),
            draft,
            outcome,
        };
        let decision = verdict.decision();
        if let Some(board) = board {
            let mut facts = board.lock();
            // A camera's trouble has no frame, and is none of its frames.
            if verdict.draft.frame_id == 0 {
                facts.decisions.add(decision);
            } else {
                facts.verdict(decision);
            }
        }
        let (verdict, gone) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.sequence += 1;
            state.decisions.add(decision);
            verdict.sequence = state.sequence;
            let verdict = Arc::new(verdict);
            // Nobody listening is no error.
            let _ = self.feed.send(Arc::clone(&verdict));
            let gone = seen.map(|(picture, heat)| {
                state.recent.push(Evidence {
                    verdict: Arc::clone(&verdict),
                    picture,
                    heat,
                })
            });
            (verdict, gone)
        };
        drop(gone);
        metrics::verdict(&verdict);
        verdict
    }

    /// A reader of all verdicts from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Verdict>> {
        self.feed.subscribe()
    }

    /// The evidence of a verdict, if it is still kept.
    pub fn evidence(&self, sequence: u64) -> Option<Evidence> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.recent.get(sequence).cloned()
    }

    /// The newest verdict's sequence, 0 if there is none yet, and all verdicts by decision.
    pub fn totals(&self) -> (u64, DecisionCounts) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.sequence, state.decisions)
    }
}
