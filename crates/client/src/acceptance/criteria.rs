//! The criteria of an acceptance, and whether they hold.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::agreement::{Agreement, Rate, ReviewAs};
use super::type1::Type1;

/// What is required. A criterion that is not stated is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criteria {
    /// Largest rate of bad parts that are passed.
    pub max_miss_rate: Option<f64>,
    /// Largest rate of good parts that are rejected.
    pub max_false_reject_rate: Option<f64>,
    /// Smallest Cgk of each type 1 study.
    pub min_cgk: Option<f64>,
    /// Confidence of bounds and intervals, between 0 and 1.
    pub confidence: f64,
    /// How REVIEW counts.
    pub review: ReviewAs,
    /// Reference value of the part that is not moved, such as its mean in an earlier study.
    pub reference_score: Option<f64>,
}

/// The result of one criterion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CriterionResult {
    /// What is required, with the value.
    pub required: String,
    /// What was found.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}

/// The conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All stated criteria hold.
    Accepted,
    /// One does not hold.
    NotAccepted,
    /// No criterion was stated.
    NotJudged,
}

impl Conclusion {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::NotAccepted => "not accepted",
            Self::NotJudged => "not judged: no criterion was stated",
        }
    }
}

/// The number of parts from which on a study without a wrong decision shows that a rate is at most `rate`.
pub fn parts_needed(rate: f64, confidence: f64) -> Option<u64> {
    if rate >= 1.0 {
        return Some(1);
    }
    let needed = ((1.0 - confidence).ln() / (-rate).ln_1p()).ceil();
    (needed.is_finite() && needed >= 0.0).then_some(needed as u64)
}

impl Criteria {
    /// Whether any criterion is stated.
    pub fn any(&self) -> bool {
        self.max_miss_rate.is_some()
            || self.max_false_reject_rate.is_some()
            || self.min_cgk.is_some()
    }

    /// Judges the results. `missing` is the number of planned measurements without a result.
    pub(super) fn judge(
        &self,
        agreement: Option<&Agreement>,
        type1: &[Type1],
        missing: u64,
    ) -> (Vec<CriterionResult>, Conclusion) {
        let mut results = Vec::new();
        if let Some(most) = self.max_miss_rate {
            let rate = agreement.map(|agreement| &agreement.misses);
            results.push(self.rate("Miss rate (bad parts that are passed)", most, rate));
        }
        if let Some(most) = self.max_false_reject_rate {
            let rate = agreement.map(|agreement| &agreement.false_rejects);
            results.push(self.rate(
                "False-reject rate (good parts that are rejected)",
                most,
                rate,
            ));
        }
        if let Some(least) = self.min_cgk {
            results.push(cgk(least, type1));
        }
        if !self.any() {
            return (results, Conclusion::NotJudged);
        }
        results.push(CriterionResult {
            required: "Every planned measurement has a result".to_owned(),
            found: match missing {
                0 => "all have one".to_owned(),
                1 => "1 has none".to_owned(),
                _ => format!("{missing} have none"),
            },
            holds: missing == 0,
        });
        let all = results.iter().all(|result| result.holds);
        let conclusion = if all {
            Conclusion::Accepted
        } else {
            Conclusion::NotAccepted
        };
        (results, conclusion)
    }

    fn rate(&self, name: &str, most: f64, rate: Option<&Rate>) -> CriterionResult {
        let required = format!(
            "{name}: at most {}, with {} confidence",
            percent(most),
            percent(self.confidence)
        );
        let Some(rate) = rate.filter(|rate| rate.parts.of > 0) else {
            return CriterionResult {
                required,
                found: "no such part was judged".to_owned(),
                holds: false,
            };
        };
        let mut found = format!(
            "{} of {} parts, upper bound {}",
            rate.parts.count,
            rate.parts.of,
            percent(rate.upper_bound)
        );
        let holds = rate.upper_bound <= most;
        if !holds
            && rate.parts.count == 0
            && let Some(needed) = parts_needed(most, self.confidence)
        {
            let _ = write!(
                found,
                "; {needed} parts without a wrong decision would show it"
            );
        }
        CriterionResult {
            required,
            found,
            holds,
        }
    }
}

fn cgk(least: f64, type1: &[Type1]) -> CriterionResult {
    let required = format!("Cgk of each type 1 study: at least {least}");
    let studies: Vec<&Type1> = type1.iter().filter(|study| !study.one_picture).collect();
    let found: Vec<String> = studies.iter().map(|study| cgk_of(study)).collect();
    let holds = |study: &&Type1| {
        let capability = study.capability.as_ref();
        capability.is_some_and(|capability| capability.cgk.is_none_or(|cgk| cgk >= least))
    };
    CriterionResult {
        required,
        found: if found.is_empty() {
            "no type 1 study of a part: one picture that is repeated shows only that the computation is deterministic"
                .to_owned()
        } else {
            found.join(", ")
        },
        holds: !studies.is_empty() && studies.iter().all(holds),
    }
}

fn cgk_of(study: &Type1) -> String {
    match study.capability.as_ref().map(|capability| capability.cgk) {
        None => "no tolerance: no good part was judged".to_owned(),
        Some(None) => "unlimited".to_owned(),
        Some(Some(cgk)) => format!("{cgk:.2}"),
    }
}

/// A share in percent, with as many digits as it needs.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let text = if percent > 0.0 && percent < 1.0 || percent > 99.0 && percent < 100.0 {
        format!("{percent:.3}")
    } else {
        format!("{percent:.1}")
    };
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    format!("{text} %")
}
