//! The program as its users run it: from a rendered dataset to a bundle, and what may go wrong on the way.

mod interruption;
mod methods;
mod refusal;
mod report;
mod reproduce;
mod skew;
mod speed;
mod whole;
pub(crate) mod workshop;
