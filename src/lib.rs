//! What the daemon and the trainer share, in the order of a frame's way: the frame, its preprocessing,
//! the engine that runs a model bundle, the maps, the score; beside it the simulated line.

pub mod frame;
pub mod preprocess;

pub mod bundle;
pub mod manifest;

#[cfg(feature = "engine")]
pub mod engine;
pub mod maps;
pub mod score;

pub mod simulator;
