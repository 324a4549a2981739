//! What files contain: the highest sequence of each run, and the ids of the records without a sequence. Only the newest runs and
//! ids are kept: older ones are not sent again.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::Line;

/// The most runs that are kept. A run of the daemon ends with its restart.
const MOST_RUNS: usize = 1000;
/// The most ids that are kept. A batch has at most as many records.
const MOST_IDS: usize = 10_000;

/// What a file contains, or several files in a row.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The newest run last.
    runs: VecDeque<Run>,
    /// The sequence of the last verdict that has one; 0: none.
    last: u64,
    /// Ids of gaps, and of verdicts without a sequence.
    others: NewestIds,
    /// Whether there is a gap after which sequences may begin again. `runs` and `last` are those after it.
    restarted: bool,
}

/// A run of the daemon.
#[derive(Debug)]
struct Run {
    id: String,
    /// The highest sequence of its verdicts.
    highest: u64,
}

impl Contents {
    /// The sequence of the last verdict that has one; 0: none.
    pub fn last_sequence(&self) -> u64 {
        self.last
    }

    /// Whether there is a verdict of the run.
    pub fn has_run(&self, id: &str) -> bool {
        self.runs.iter().rev().any(|run| run.id == id)
    }

    /// Whether there is a gap after which sequences may begin again.
    pub fn has_restarted(&self) -> bool {
        self.restarted
    }

    /// Adds a line. Returns false if it was already there.
    pub fn take(&mut self, line: Line) -> bool {
        if line.is_numbered() {
            return self.take_verdict(line);
        }
        let restarts = line.restarts();
        let added = self.others.insert(line.id.into());
        if added && restarts {
            self.runs.clear();
            self.last = 0;
            self.restarted = true;
        }
        added
    }

    fn take_verdict(&mut self, line: Line) -> bool {
        let sequence = line.sequence;
        let known = self.runs.iter_mut().rev().find(|run| run.id == line.run_id);
        if let Some(run) = known {
            if sequence <= run.highest {
                return false;
            }
            run.highest = sequence;
        } else {
            self.runs.push_back(Run {
                id: line.run_id,
                highest: sequence,
            });
            if self.runs.len() > MOST_RUNS {
                self.runs.pop_front();
            }
        }
        self.last = sequence;
        true
    }

    /// Puts the contents of the file before in front of these.
    pub fn precede_with(&mut self, older: Self) {
        for run in older.runs.into_iter().rev() {
            if let Some(known) = self.runs.iter_mut().find(|known| known.id == run.id) {
                known.highest = known.highest.max(run.highest);
            } else if self.runs.len() < MOST_RUNS {
                self.runs.push_front(run);
            }
        }
        if self.last == 0 {
            self.last = older.last;
        }
        self.restarted |= older.restarted;
        let newer = std::mem::replace(&mut self.others, older.others);
        for id in newer.order {
            self.others.insert(id);
        }
    }
}

/// The newest ids.
#[derive(Debug, Default)]
struct NewestIds {
    known: HashSet<Arc<str>>,
    /// The newest last.
    order: VecDeque<Arc<str>>,
}

impl NewestIds {
    /// Adds an id. Returns false if it is known.
    fn insert(&mut self, id: Arc<str>) -> bool {
        if !self.known.insert(Arc::clone(&id)) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > MOST_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(run: &str, sequence: u64) -> Line {
        Line {
            r#type: "verdict".to_owned(),
            id: format!("box-7/{run}/{sequence}"),
            sequence,
            run_id: run.to_owned(),
            ..Line::default()
        }
    }

    fn gap(reason: &str, number: usize) -> Line {
        Line {
            r#type: "gap".to_owned(),
            id: format!("box-7/gap/{reason}/{number}"),
            reason: reason.to_owned(),
            ..Line::default()
        }
    }

    #[test]
    fn verdict_is_known_only_up_to_the_highest_sequence_of_its_run() {
        let mut contents = Contents::default();
        for (run, sequence, is_new) in [
            ("a", 7, true),
            ("a", 8, true),
            ("a", 7, false),
            ("b", 9, true),
            ("a", 8, false),
            // Another journal.
            ("c", 1, true),
            ("c", 2, true),
            ("c", 2, false),
            ("b", 9, false),
        ] {
            let taken = contents.take(verdict(run, sequence));
            assert_eq!(taken, is_new, "{run} {sequence}");
        }
        assert_eq!(contents.last_sequence(), 2);
    }

    #[test]
    fn only_the_newest_runs_and_ids_are_kept() {
        let mut contents = Contents::default();
        for number in 0..=MOST_IDS {
            assert!(contents.take(gap("missed", number)));
        }
        assert_eq!(contents.others.order.len(), MOST_IDS);
        assert_eq!(contents.others.known.len(), MOST_IDS);
        assert!(!contents.take(gap("missed", MOST_IDS)));
        assert!(contents.take(gap("missed", 0)), "the oldest was dropped");
        for number in 0..=MOST_RUNS as u64 {
            assert!(contents.take(verdict(&format!("run-{number}"), number + 1)));
        }
        assert_eq!(contents.runs.len(), MOST_RUNS);
        assert!(!contents.has_run("run-0") && contents.has_run("run-1"));
    }

    #[test]
    fn earlier_file_adds_its_runs_and_its_ids() {
        let mut older = Contents::default();
        for line in [
            verdict("a", 5),
            gap("position_lost", 1),
            verdict("b", 6),
            verdict("c", 7),
        ] {
            older.take(line);
        }
        let mut newer = Contents::default();
        newer.take(gap("missed", 2));
        newer.take(verdict("c", 8));
        newer.precede_with(older);
        assert_eq!((newer.last_sequence(), newer.has_restarted()), (8, true));
        for (line, is_new) in [
            (verdict("b", 6), false),
            (verdict("c", 7), false),
            (verdict("c", 8), false),
            (gap("position_lost", 1), false),
            (gap("missed", 2), false),
            // Before the gap: it may be another verdict.
            (verdict("a", 5), true),
        ] {
            let id = line.id.clone();
            assert_eq!(newer.take(line), is_new, "{id}");
        }
    }
}
