//! Tests of the command-line program: from a synthetic dataset to a bundle, including failures.

mod bench_inference;
mod daemon;
mod end_to_end;
mod fit;
mod folds;
mod int8;
mod interruption;
mod invalid_input;
mod labels;
mod methods;
mod report;
mod reproduce;
mod skew;
pub(crate) mod workspace;
