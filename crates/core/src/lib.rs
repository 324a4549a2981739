//! What inspectd and its trainer share, in the order of a frame's path: the frame and its preprocessing,
//! the model bundle, the anomaly maps, the score and the verdict.
//!
//! Nothing here reads a clock, starts a thread or is async. Only [`atomic_file`], [`bundle`] and
//! [`image_file`] read and write files.

pub mod atomic_file;

pub mod frame;
pub mod id;
pub mod image_file;
pub mod moment;
pub mod preprocess;

pub mod bundle;
pub mod manifest;

mod area_opening;
pub mod decision;
pub mod maps;
mod partition;
pub mod polygon;
pub mod record;
pub mod regions;
pub mod rules;
pub mod score;
pub mod verdict;
