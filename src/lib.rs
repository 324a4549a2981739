//! The inspection daemon, in the order of a frame's path. Each module depends only on those above it.

// Tests of threads wait on the real clock, and share state as they like.
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod clock;
pub mod on_panic;
pub mod shift;

pub mod config;
pub mod message_line;
pub mod telemetry;

pub mod alarm;

pub mod camera;
pub mod recipe;

pub mod drift;
pub mod evidence;
pub mod journal;

pub mod challenge;
pub mod dataset;
pub mod pipeline;
pub mod report;
pub mod shadow;
pub mod tuning;

pub mod access;
pub mod audit;
pub mod control;
pub mod grpc;
pub mod http;

pub mod commissioning;
pub mod support;

pub mod daemon;
