//! The state of the program for people and for Prometheus.

pub mod http;
mod listener;
pub mod metrics;
pub mod table;
