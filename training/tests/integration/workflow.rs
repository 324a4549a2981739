//! The program as its users run it: from a rendered dataset to a bundle, and what may go wrong on the way.

mod bench_inference;
mod end_to_end;
mod interruption;
mod invalid_input;
mod methods;
mod report;
mod reproduce;
mod skew;
pub(crate) mod workspace;
