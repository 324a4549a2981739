//! What the daemon and the trainer share, in the order of a frame's way: the frame, its preprocessing,
//! the engine that runs a model bundle, the maps, the score, the verdict; beside it the simulated line.

#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod telemetry;

#[cfg(feature = "daemon")]
pub mod camera;
#[cfg(feature = "daemon")]
pub mod condition;
pub mod frame;
#[cfg(feature = "image-file")]
pub mod image_file;
pub mod preprocess;

pub mod bundle;
pub mod manifest;

mod area;
#[cfg(feature = "engine")]
pub mod engine;
pub mod maps;
mod opening;
pub mod polygon;
pub mod regions;
pub mod rules;
pub mod score;
pub mod verdict;

#[cfg(feature = "daemon")]
pub mod recipe;

#[cfg(feature = "daemon")]
pub mod evidence;
#[cfg(feature = "daemon")]
pub mod journal;
#[cfg(feature = "daemon")]
pub mod line;
#[cfg(feature = "daemon")]
pub mod metrics;
#[cfg(feature = "daemon")]
pub mod tuning;

#[cfg(feature = "daemon")]
pub mod access;
#[cfg(feature = "daemon")]
pub mod audit;
#[cfg(feature = "daemon")]
pub mod grpc;
#[cfg(feature = "daemon")]
pub mod life;

pub mod simulator;
