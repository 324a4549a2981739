//! A procedural inspection line: pictures of good and defective parts, and where they are defective.
//!
//! A brushed aluminium plate with screws, capacitors, a label, a connector and a module passes under
//! a camera on a rubber belt. [`ProductionLine`] makes parts by number, with the [`Defect`]s asked for;
//! [`Scene::render`] photographs one at any size and [`Scene::truth`] marks its defects in the manner
//! of `MVTec` LOCO AD. [`Feed`] runs the line for a camera without hardware, and [`clutter`] makes
//! pictures of anything at all, to teach a network what textures and edges are.
//!
//! Everything is a pure function of seeds and sizes: no files, no clock, and the same bytes on every
//! machine.

mod assembly;
mod camera;
mod canvas;
pub mod clutter;
mod collage;
mod defect;
mod feed;
mod geometry;
mod hardware;
mod lettering;
mod light;
mod line;
mod logical_defect;
mod material;
mod noise;
mod part;
mod part_builder;
mod plate;
mod portable_math;
mod random_scene;
mod region;
mod scene;
mod shape;
mod solid;
mod structural_defect;
mod texture;
mod variation;

#[cfg(test)]
mod tests;

pub use defect::{Defect, Saturation, UnknownDefect};
pub use feed::Feed;
pub use line::ProductionLine;
pub use scene::{DefectMask, MAX_SIDE, Scene};
