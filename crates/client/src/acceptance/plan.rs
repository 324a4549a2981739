//! The plan of a study: which parts are judged how many times, in which order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::order::SplitMix64;

/// The known state of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// To be passed.
    Good,
    /// To be rejected.
    Bad,
}

impl PartState {
    /// `good` or `bad`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// The series that a measurement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// One part, which is not moved.
    Reference,
    /// The same part, which is taken out and put back each time.
    Moved,
    /// All parts, for the agreement of decisions with their state.
    Agreement,
}

/// A picture of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Path within the folder of pictures.
    pub path: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// A part of known state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, unique in the study.
    pub id: String,
    /// Its state.
    pub state: PartState,
    /// Its pictures, used in turn; empty if a camera takes them.
    pub pictures: Vec<Picture>,
}

/// The order of the parts within a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Random, another one in each round.
    Random,
    /// As listed, for sources that repeat their parts in one order.
    Listed,
}

/// The plan of a study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The parts.
    pub parts: Vec<Part>,
    /// How many times each part is judged.
    pub trials: u32,
    /// The part of the type 1 study; none: no such study.
    pub reference: Option<Part>,
    /// Measurements of that part without moving it.
    pub reference_count: u32,
    /// The part that is put back each time, with its own pictures; none: no such series.
    pub moved: Option<Part>,
    /// Measurements of it.
    pub moved_count: u32,
    /// The order.
    pub order: Order,
    /// Determines the order.
    pub seed: u64,
}

/// One measurement to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number of the step, from 1.
    pub number: u32,
    /// Its series.
    pub series: Series,
    /// The part.
    pub part: Part,
    /// Which measurement of the part in its series it is, from 1.
    pub trial: u32,
}

impl Step {
    /// The picture of this trial; none if a camera takes it.
    pub fn picture(&self) -> Option<&Picture> {
        let pictures = &self.part.pictures;
        let position = (self.trial as usize - 1).checked_rem(pictures.len())?;
        pictures.get(position)
    }
}

/// Why a study cannot be planned.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// No measurement.
    #[error("no part, must have at least one good part")]
    Empty,
    /// Two parts have the same id.
    #[error("part {0}: listed twice, must be listed once")]
    Twice(String),
    /// Too many measurements.
    #[error("{0} measurements, must be at most {MOST_STEPS}")]
    TooMany(u64),
}

/// Largest number of measurements of a study: days of work.
const MOST_STEPS: u64 = 100_000;

impl Plan {
    /// Checks the plan.
    ///
    /// # Errors
    /// When it has no measurement, too many of them, or two parts with the same id.
    pub fn check(&self) -> Result<(), PlanError> {
        let mut ids = BTreeSet::new();
        for part in &self.parts {
            if !ids.insert(part.id.as_str()) {
                return Err(PlanError::Twice(part.id.clone()));
            }
        }
        let agreement = self.parts.len() as u64 * u64::from(self.trials);
        let count = agreement + u64::from(self.reference_count) + u64::from(self.moved_count);
        match count {
            0 => Err(PlanError::Empty),
            _ if count > MOST_STEPS => Err(PlanError::TooMany(count)),
            _ => Ok(()),
        }
    }

    /// The measurements in their order: the part that is not moved, the part that is, then rounds of all parts.
    pub fn steps(&self) -> Vec<Step> {
        let mut planned: Vec<(Series, &Part, u32)> = Vec::new();
        let single = [
            (Series::Reference, &self.reference, self.reference_count),
            (Series::Moved, &self.moved, self.moved_count),
        ];
        for (series, part, count) in single {
            if let Some(part) = part {
                planned.extend((1..=count).map(|trial| (series, part, trial)));
            }
        }
        let mut random = SplitMix64::new(self.seed);
        for trial in 1..=self.trials {
            let mut round: Vec<&Part> = self.parts.iter().collect();
            if self.order == Order::Random {
                random.shuffle(&mut round);
            }
            planned.extend(
                round
                    .into_iter()
                    .map(|part| (Series::Agreement, part, trial)),
            );
        }
        let steps = (1..)
            .zip(planned)
            .map(|(number, (series, part, trial))| Step {
                number,
                series,
                part: part.clone(),
                trial,
            });
        steps.collect()
    }

    /// Whether the pictures of a series are one picture, which is repeated.
    pub fn repeats_one_picture(&self, series: Series) -> bool {
        let part = match series {
            Series::Reference => self.reference.as_ref(),
            Series::Moved => self.moved.as_ref(),
            Series::Agreement => return self.parts.iter().all(is_one_picture),
        };
        part.is_some_and(is_one_picture)
    }
}

fn is_one_picture(part: &Part) -> bool {
    part.pictures.len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: &str, state: PartState, pictures: &[&str]) -> Part {
        let picture = |path: &&str| Picture {
            path: (*path).to_owned(),
            sha256: String::new(),
        };
        Part {
            id: id.to_owned(),
            state,
            pictures: pictures.iter().map(picture).collect(),
        }
    }

    fn plan(order: Order) -> Plan {
        let good = ["a", "b", "c", "d"].map(|id| part(id, PartState::Good, &[id]));
        Plan {
            parts: good.to_vec(),
            trials: 3,
            reference: Some(part("r", PartState::Good, &["1", "2"])),
            reference_count: 3,
            moved: None,
            moved_count: 0,
            order,
            seed: 7,
        }
    }

    #[test]
    fn each_round_has_all_parts_in_another_order_that_the_seed_determines() {
        let steps = plan(Order::Random).steps();
        assert_eq!(steps, plan(Order::Random).steps());
        let agreement: Vec<&Step> = steps
            .iter()
            .filter(|s| s.series == Series::Agreement)
            .collect();
        let mut orders = BTreeSet::new();
        for (trial, round) in (1..).zip(agreement.chunks(4)) {
            assert!(round.iter().all(|step| step.trial == trial));
            let ids: Vec<&str> = round.iter().map(|step| step.part.id.as_str()).collect();
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 4, "{ids:?}");
            orders.insert(ids);
        }
        assert_eq!(orders.len(), 3);
        let listed = plan(Order::Listed).steps();
        let ids: String = listed.iter().map(|step| step.part.id.as_str()).collect();
        assert_eq!(ids, "rrrabcdabcdabcd");
        let numbers: Vec<u32> = listed.iter().map(|step| step.number).collect();
        assert_eq!(numbers, (1..=15).collect::<Vec<_>>());
    }

    #[test]
    fn pictures_of_a_part_are_used_in_turn() {
        let steps = plan(Order::Listed).steps();
        let pictures = steps.iter().filter_map(Step::picture);
        let pictures: String = pictures.map(|picture| picture.path.as_str()).collect();
        assert_eq!(pictures, "121abcdabcdabcd");
        let plan = plan(Order::Listed);
        assert!(!plan.repeats_one_picture(Series::Reference));
        assert!(plan.repeats_one_picture(Series::Agreement));
    }

    #[test]
    fn plan_without_measurements_or_with_a_part_twice_is_refused() {
        let mut twice = plan(Order::Random);
        twice.parts[3].id = "a".to_owned();
        assert_eq!(twice.check(), Err(PlanError::Twice("a".to_owned())));
        let mut empty = plan(Order::Random);
        (empty.trials, empty.reference_count) = (0, 0);
        assert_eq!(empty.check(), Err(PlanError::Empty));
        let mut large = plan(Order::Random);
        large.trials = 50_000;
        assert_eq!(large.check(), Err(PlanError::TooMany(200_003)));
    }
}
