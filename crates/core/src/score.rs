//! What is made of scores: quantiles, their distribution over good parts, a threshold from good
//! parts alone, and how well they tell anomalous parts from good ones.

mod binomial;
mod distribution;
mod quantile;
mod ranking;
mod threshold;

pub use binomial::{at_most, cumulative};
pub use distribution::{ScoreDistribution, ScoreError, ScoreQuantile};
pub use quantile::{quantile, quantile_sorted};
pub use ranking::auroc;
pub use threshold::{ThresholdMethod, ThresholdSuggestion, suggest_threshold};
