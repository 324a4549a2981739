//! The state of the program for people and for Prometheus.

pub mod http;
pub mod metrics;
pub mod table;
