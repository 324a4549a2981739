//! Statistics of scores: quantiles, the distribution over good parts, a threshold from good parts only, and
//! the AUROC.

mod binomial;
mod distribution;
mod quantile;
mod ranking;
mod threshold;

pub use binomial::{at_most, cumulative, upper_bound};
pub use distribution::{ScoreDistribution, ScoreError, ScoreQuantile};
pub use quantile::{quantile, quantile_sorted};
pub use ranking::auroc;
pub use threshold::{ThresholdMethod, ThresholdSuggestion, suggest_threshold};
