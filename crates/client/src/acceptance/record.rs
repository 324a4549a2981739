//! What a study has measured: lines of JSON, one for each measurement, so that an interrupted study can be continued.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::plan::{PartState, Plan, Series, Step};

/// The name of the format, in the header.
const FORMAT: &str = "inspectd-acceptance";

/// The version of the format.
const VERSION: u32 = 1;

/// The model that judges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its graph.
    pub sha256: String,
    /// Precision of its graph.
    pub precision: String,
}

/// The active recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipeIdentity {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// What a study is about: it does not change while the study lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `inspectd-acceptance`.
    pub format: String,
    /// Version of the format, 1.
    pub version: u32,
    /// Id of the study, part of its idempotency keys.
    pub id: String,
    /// When it was started (UTC, RFC 3339).
    pub started: String,
    /// Who carries it out.
    pub operator: String,
    /// What is inspected.
    pub subject: String,
    /// The camera; empty: pictures without the settings of a camera.
    pub camera: String,
    /// Whether the camera took the pictures; otherwise they were files.
    pub live: bool,
    /// Version of the client.
    pub client_version: String,
    /// Version of the daemon.
    pub daemon_version: String,
    /// The model.
    pub model: ModelIdentity,
    /// The active recipe; none: no recipe.
    pub recipe: Option<RecipeIdentity>,
    /// SHA-256 of the active configuration.
    pub config_hash: String,
    /// The plan.
    pub plan: Plan,
}

impl Header {
    /// The name and the version of the format.
    pub fn format_and_version() -> (String, u32) {
        (FORMAT.to_owned(), VERSION)
    }
}

/// A decision that a measurement can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The part is good.
    Pass,
    /// A person should look.
    Review,
    /// The part is not good.
    Reject,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Number of its step.
    pub step: u32,
    /// Its series.
    pub series: Series,
    /// The part.
    pub part: String,
    /// The state of the part.
    pub state: PartState,
    /// Which measurement of the part in its series it is, from 1.
    pub trial: u32,
    /// When the frame was captured (UTC, RFC 3339).
    pub time: String,
    /// Sequence of the verdict; 0: not journalled.
    pub sequence: u64,
    /// The decision.
    pub decision: Decision,
    /// The score.
    pub score: f32,
    /// The threshold that the score was compared with.
    pub threshold: f32,
    /// Start of the review band; none: no review band.
    pub review_from: Option<f32>,
}

/// A verdict that is not a measurement: a FAULT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Number of the step.
    pub step: u32,
    /// The part.
    pub part: String,
    /// When (UTC, RFC 3339).
    pub time: String,
    /// Sequence of the verdict; 0: not journalled.
    pub sequence: u64,
    /// The reason, such as `corrupt_frame`.
    pub reason: String,
    /// The description.
    pub message: String,
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Study(Box<Header>),
    /// A measurement.
    Measured(Measurement),
    /// A verdict that is not a measurement.
    Fault(FaultRecord),
    /// The measurement of this step does not count, because the operator put another part before the camera.
    Discarded(u32),
}

/// Why a file cannot be continued.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The first line is missing or of another program.
    #[error("the first line is not that of an acceptance study of version {VERSION}")]
    NoHeader,
    /// A line cannot be read.
    #[error("line {line}: {reason}")]
    Damaged {
        /// Number of the line, from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
}

/// A study with everything that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// The first line.
    pub header: Header,
    /// The measurement of each step, by its number.
    pub measurements: BTreeMap<u32, Measurement>,
    /// All faults.
    pub faults: Vec<FaultRecord>,
    /// Measurements that do not count.
    pub discarded: Vec<Measurement>,
}

impl Study {
    /// A study that has measured nothing.
    pub fn new(header: Header) -> Self {
        Self {
            header,
            measurements: BTreeMap::new(),
            faults: Vec::new(),
            discarded: Vec::new(),
        }
    }

    /// Reads the text of a file. A last line without its end was being written when the program was killed: it is left out.
    /// Returns the study and the length of the text that was read, bytes.
    ///
    /// # Errors
    /// When the first line is not that of a study, or another line is damaged.
    pub fn read(text: &str) -> Result<(Self, usize), RecordError> {
        let end = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..end].lines().enumerate();
        let header = lines.next().map(|(_, line)| serde_json::from_str(line));
        let Some(Ok(Line::Study(header))) = header else {
            return Err(RecordError::NoHeader);
        };
        if (header.format.clone(), header.version) != Header::format_and_version() {
            return Err(RecordError::NoHeader);
        }
        let mut study = Self::new(*header);
        for (number, line) in lines {
            let damaged = |reason: String| RecordError::Damaged {
                line: number + 1,
                reason,
            };
            let line = serde_json::from_str(line).map_err(|error| damaged(error.to_string()))?;
            study
                .add(line)
                .map_err(|reason| damaged(reason.to_owned()))?;
        }
        Ok((study, end))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// A line that cannot follow.
    pub fn add(&mut self, line: Line) -> Result<(), &'static str> {
        match line {
            Line::Study(_) => return Err("a second header"),
            Line::Measured(measurement) => {
                if self.measurements.contains_key(&measurement.step) {
                    return Err("a step that was measured before");
                }
                self.measurements.insert(measurement.step, measurement);
            }
            Line::Fault(fault) => self.faults.push(fault),
            Line::Discarded(step) => {
                let discarded = self.measurements.remove(&step);
                self.discarded
                    .push(discarded.ok_or("a step that was not measured")?);
            }
        }
        Ok(())
    }

    /// The steps that are not measured yet, in their order.
    pub fn remaining(&self) -> Vec<Step> {
        let steps = self.header.plan.steps().into_iter();
        steps
            .filter(|step| !self.measurements.contains_key(&step.number))
            .collect()
    }

    /// How many times a step was tried without a measurement that counts.
    pub fn attempts(&self, step: u32) -> usize {
        let faults = self.faults.iter().filter(|fault| fault.step == step);
        let discarded = self
            .discarded
            .iter()
            .filter(|measured| measured.step == step);
        faults.count() + discarded.count()
    }

    /// The measurements of a series, in the order of their steps.
    pub fn series(&self, series: Series) -> impl Iterator<Item = &Measurement> {
        self.measurements
            .values()
            .filter(move |measured| measured.series == series)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{header, measured};
    use super::*;

    fn text(lines: &[Line]) -> String {
        let lines = lines
            .iter()
            .map(|line| serde_json::to_string(line).expect("JSON") + "\n");
        lines.collect()
    }

    fn lines() -> Vec<Line> {
        let fault = FaultRecord {
            step: 2,
            part: "b".to_owned(),
            time: "2026-11-30T10:00:00Z".to_owned(),
            sequence: 9,
            reason: "blurred".to_owned(),
            message: "too soft".to_owned(),
        };
        vec![
            Line::Study(Box::new(header(2, 2))),
            Line::Measured(measured(1, "good1", 1, 0.25)),
            Line::Fault(fault),
            Line::Measured(measured(2, "good2", 1, 0.5)),
            Line::Discarded(1),
        ]
    }

    #[test]
    fn lines_are_read_back_and_the_rest_of_a_torn_line_is_left_out() {
        let whole = text(&lines());
        let (study, end) = Study::read(&whole).expect("a study");
        assert_eq!(end, whole.len());
        assert_eq!(study.measurements.keys().collect::<Vec<_>>(), [&2]);
        assert_eq!((study.faults.len(), study.discarded.len()), (1, 1));
        assert_eq!(
            (study.attempts(1), study.attempts(2), study.attempts(3)),
            (1, 1, 0)
        );
        assert_eq!(study.remaining().len(), 4 * 2 - 1);
        for cut in whole.len() - 10..whole.len() {
            let (torn, end) = Study::read(&whole[..cut]).expect("a study");
            assert_eq!(torn.measurements.len(), 2, "the last line is torn");
            assert!(whole[..end].ends_with('\n') && end < cut);
        }
    }

    #[test]
    fn file_of_another_program_and_damaged_lines_are_refused() {
        let error = |text: &str| Study::read(text).expect_err("refused").to_string();
        assert!(error("").starts_with("the first line"));
        assert!(error("{}\n").starts_with("the first line"));
        let newer = text(&lines()).replacen("\"version\":1", "\"version\":2", 1);
        assert!(error(&newer).starts_with("the first line"));
        let mut twice = lines();
        twice.push(Line::Measured(measured(2, "good2", 1, 0.5)));
        assert_eq!(
            error(&text(&twice)),
            "line 6: a step that was measured before"
        );
        let damaged = text(&lines()).replace("\"score\":0.25", "\"score\":");
        assert!(error(&damaged).starts_with("line 2: "));
    }
}
