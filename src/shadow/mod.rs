//! A shadow: a model or recipe that judges frames of the line next to what is active, without effect on it. It shows what a new
//! model would decide before it is activated.
//!
//! It takes the frames of published verdicts from the evidence in memory, so nothing waits for it. Its model runs in a process
//! of its own (`process.rs`), on one thread at the lowest priority: a model that is slow, needs too much memory or crashes does
//! not affect the line.

mod candidate;
mod comparison;
mod process;
mod record;
mod runner;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use inspectd_core::decision::Decision;
use inspectd_core::record::{ModelId, RecipeTag};
use parking_lot::Mutex;
use tracing::warn;

use crate::clock::SharedClock;

pub use candidate::{Candidate, CandidateError, CandidateParts};
pub use process::COMMAND as SHADOW_COMMAND;
pub use record::Disagreement;
pub use runner::ShadowThread;
pub use worker::run as run_shadow_process;

use record::{Compared, Record, RecordFile};

/// Frames over which the median time is taken.
const TIMED_FRAMES: usize = 100;

/// How often changed counts are written to the disk.
const SAVE_INTERVAL: Duration = Duration::from_secs(10);

/// State of the shadow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShadowPhase {
    /// None is configured.
    #[default]
    Off,
    /// Its model is being loaded.
    Loading,
    /// It judges.
    Running,
    /// It cannot be used; it is tried again at intervals.
    Failed,
}

/// The shadow as it is reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShadowSnapshot {
    /// Its state.
    pub phase: ShadowPhase,
    /// Why it cannot be used, or why the last frame could not be judged; empty without an error.
    pub error: String,
    /// Its model, once it is loaded.
    pub model: Option<ModelId>,
    /// Its own recipe.
    pub recipe: Option<RecipeTag>,
    /// Time of its first frame, or of the last reset.
    pub since: Option<SystemTime>,
    /// Frames that were judged by both.
    pub judged: u64,
    /// Frames of the line that the shadow did not judge.
    pub skipped: u64,
    /// Frames that it could not judge.
    pub failed: u64,
    /// Judged frames with two different decisions.
    pub disagreements: u64,
    /// Numbers of judged frames by the decision of the verdict and that of the shadow.
    pub pairs: Vec<(Decision, Decision, u64)>,
    /// Median time for a frame, of the last 100.
    pub median: Option<Duration>,
}

/// The shadow, shared by the thread that runs it and those who ask for it.
#[derive(Debug)]
pub struct Shadow {
    clock: SharedClock,
    file: Option<RecordFile>,
    state: Mutex<State>,
    /// Held while the record is copied and written, so that an older copy does not replace a newer one.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    phase: ShadowPhase,
    error: String,
    model: Option<ModelId>,
    recipe: Option<RecipeTag>,
    record: Record,
    durations: VecDeque<Duration>,
    /// Whether the record of an earlier run was read.
    restored: bool,
    /// When the record was changed first since it was written.
    changed: Option<Instant>,
}

impl Shadow {
    /// A shadow whose record is kept in `folder`, that of the journal; in memory only without one.
    pub fn new(folder: Option<&Path>, clock: SharedClock) -> Self {
        Self {
            clock,
            file: folder.map(RecordFile::new),
            state: Mutex::default(),
            writing: Mutex::default(),
        }
    }

    /// Reads the record of an earlier run, unless that was done. One that cannot be read starts at zero.
    fn restore(&self) {
        let Some(file) = self.file.as_ref().filter(|_| !self.state.lock().restored) else {
            return;
        };
        let record = file.read().unwrap_or_else(|error| {
            warn!(%error, "the counts of the shadow cannot be read; they start at zero");
            Record::default()
        });
        let mut state = self.state.lock();
        state.record = record;
        state.restored = true;
    }

    /// The present state and counts.
    pub fn snapshot(&self) -> ShadowSnapshot {
        let state = self.state.lock();
        let mut durations: Vec<Duration> = state.durations.iter().copied().collect();
        durations.sort_unstable();
        let record = &state.record;
        ShadowSnapshot {
            phase: state.phase,
            error: state.error.clone(),
            model: state.model.clone(),
            recipe: state.recipe.clone(),
            since: record.since,
            judged: record.judged(),
            skipped: record.skipped,
            failed: record.failed,
            disagreements: record.disagreed(),
            pairs: record.pairs(),
            median: durations.get(durations.len() / 2).copied(),
        }
    }

    /// The newest `limit` disagreements that `selects`, the newest first.
    pub fn disagreements(
        &self,
        limit: usize,
        selects: impl Fn(&Disagreement) -> bool,
    ) -> Vec<Disagreement> {
        let state = self.state.lock();
        let newest = state.record.disagreements.iter().rev();
        newest
            .filter(|one| selects(one))
            .take(limit)
            .cloned()
            .collect()
    }

    /// The shadow's map over the frame of a disagreement, a JPEG file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn heatmap(&self, sequence: u64) -> io::Result<Option<Vec<u8>>> {
        let file = self.file.as_ref();
        file.map_or(Ok(None), |file| file.heatmap(sequence))
    }

    /// Sets all counts to zero and removes the list.
    ///
    /// # Errors
    /// When the files cannot be changed. The counts in memory are zero nevertheless.
    pub fn reset(&self) -> io::Result<()> {
        let _write = self.writing.lock();
        let record = {
            let mut state = self.state.lock();
            state.record = Record::new(state.record.compared.clone(), Some(self.clock.now().utc));
            state.changed = None;
            state.record.clone()
        };
        match &self.file {
            Some(file) => file.write(&record).and_then(|()| file.remove_heatmaps()),
            None => Ok(()),
        }
    }

    fn set_phase(&self, phase: ShadowPhase, error: String) {
        let mut state = self.state.lock();
        state.phase = phase;
        state.error = error;
    }

    fn turn_off(&self) {
        let mut state = self.state.lock();
        let State {
            record,
            restored,
            changed,
            ..
        } = std::mem::take(&mut *state);
        *state = State {
            record,
            restored,
            changed,
            ..State::default()
        };
    }

    /// The shadow runs. Counts of another comparison are dropped.
    fn started(&self, compared: &Compared, model: &ModelId, recipe: Option<RecipeTag>) {
        let mut state = self.state.lock();
        let other = state.record.compared.as_ref() != Some(compared);
        if other {
            state.record = Record::new(Some(compared.clone()), None);
            state.durations.clear();
            state.changed = Some(self.clock.now().monotonic);
        }
        state.phase = ShadowPhase::Running;
        state.error = String::new();
        state.model = Some(model.clone());
        state.recipe = recipe;
        drop(state);
        if other && let Some(file) = &self.file {
            report(file.remove_heatmaps());
        }
    }

    fn count_skipped(&self, frames: u64) {
        if frames > 0 {
            let mut state = self.state.lock();
            state.record.skipped += frames;
            self.note_change(&mut state);
        }
    }

    fn count_failed(&self, error: String) {
        let mut state = self.state.lock();
        state.record.failed += 1;
        state.error = error;
        self.note_change(&mut state);
    }

    /// Counts a judged frame, and lists it if the decisions differ.
    fn count_judged(
        &self,
        decisions: (Decision, Decision),
        took: Duration,
        disagreement: Option<&(Disagreement, Vec<u8>)>,
    ) {
        let mut removed = None;
        // First, so that what is listed has its heatmap.
        if let (Some(file), Some((disagreement, heatmap))) = (&self.file, disagreement) {
            report(file.write_heatmap(disagreement.sequence, heatmap));
        }
        {
            let mut state = self.state.lock();
            state.error = String::new();
            let now = self.clock.now().utc;
            state.record.count(decisions, now);
            if let Some((disagreement, _)) = disagreement {
                removed = state.record.list(disagreement.clone());
            }
            state.durations.push_back(took);
            if state.durations.len() > TIMED_FRAMES {
                state.durations.pop_front();
            }
            self.note_change(&mut state);
        }
        if let (Some(file), Some(removed)) = (&self.file, removed) {
            report(file.remove_heatmap(removed.sequence));
        }
    }

    fn note_change(&self, state: &mut State) {
        state
            .changed
            .get_or_insert_with(|| self.clock.now().monotonic);
    }

    /// Writes changed counts at once.
    pub fn save_now(&self) {
        self.save(true);
    }

    /// Writes changed counts, at intervals unless it is done `now`.
    fn save(&self, at_once: bool) {
        let Some(file) = &self.file else { return };
        let _write = self.writing.lock();
        let now = self.clock.now().monotonic;
        let record = {
            let mut state = self.state.lock();
            let due = |changed: &Instant| {
                at_once || now.saturating_duration_since(*changed) >= SAVE_INTERVAL
            };
            if !state.changed.as_ref().is_some_and(due) {
                return;
            }
            state.changed = None;
            state.record.clone()
        };
        report(file.write(&record));
    }
}

fn report(result: io::Result<()>) {
    if let Err(error) = result {
        warn!(%error, "files of the shadow cannot be written");
    }
}

/// Where the record of a shadow is kept in the journal's folder.
fn record_path(folder: &Path) -> PathBuf {
    folder.join("shadow")
}

/// Shared by all who ask.
pub type SharedShadow = Arc<Shadow>;
