//! The teacher network: distilled from a backbone, imported from a checkpoint, or pretrained on synthetic
//! images.

pub mod crops;
pub mod distill;
pub mod embedding;
pub mod file;
pub mod import;
pub mod pretext;
pub mod settings;
pub mod shipped_pdn;
pub mod statistics;
pub mod synthetic_images;
pub mod targets;
pub mod training;
