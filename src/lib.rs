//! The inspection daemon, in the order of a frame's path.

pub mod config;
pub mod telemetry;

pub mod camera;
pub mod condition;

pub mod recipe;

pub mod evidence;
pub mod journal;
pub mod line;
pub mod metrics;
pub mod tuning;

pub mod access;
pub mod audit;
pub mod grpc;
pub mod life;
