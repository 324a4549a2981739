//! A study of the inspection as a measurement system, for the acceptance of a line by its customer: repeatability of scores
//! (type 1 study), agreement of decisions with the known state of parts, and repeatability against the variation of parts.
//!
//! The terms and formulas are those of AIAG, Measurement Systems Analysis, 4th edition, and of VDA 5, 3rd edition; each is
//! stated where it is computed. Everything here is pure: a program measures, and stores what it has measured.

mod agreement;
mod criteria;
mod evaluation;
mod gauge;
mod interval;
mod order;
mod plan;
mod record;
mod report;
#[cfg(test)]
mod tests;
mod type1;

pub use agreement::{Agreement, PartResult, Rate, ReviewAs, Share};
pub use criteria::{Conclusion, Criteria, CriterionResult, parts_needed};
pub use evaluation::{Borderline, Evaluation, ScoreScale, evaluate};
pub use gauge::{AnovaRow, Gauge};
pub use interval::{clopper_pearson, upper_bound, wilson};
pub use plan::{Order, Part, PartState, Picture, Plan, PlanError, Series, Step};
pub use record::{
    Decision, FaultRecord, Header, Line, Measurement, ModelIdentity, RecipeIdentity, RecordError,
    Study,
};
pub use report::html;
pub use type1::{Capability, Tolerance, Type1};
