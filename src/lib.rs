//! The inspection daemon, in the order of a frame's path. Each module depends only on those above it.

pub mod clock;
pub mod config;
pub mod telemetry;

pub mod camera;
pub mod recipe;

pub mod evidence;
pub mod journal;
pub mod pipeline;
pub mod tuning;

pub mod access;
pub mod audit;
pub mod control;
pub mod grpc;
pub mod http;

pub mod daemon;
