//! The program as its users run it: from a rendered dataset to a bundle, and what may go wrong on the way.

mod interruption;
mod refusal;
mod report;
mod skew;
mod speed;
mod whole;
pub(crate) mod workshop;
