//! A procedural production line: renders images of good and defective parts, with ground truth.
//!
//! A brushed aluminium plate with screws, capacitors, a label, a connector and a module passes under a camera
//! on a rubber belt. [`ProductionLine`] builds parts by number, with the requested [`Defect`]s.
//! [`Scene::render`] renders a part at any size, and [`Scene::truth`] returns the masks of its defects in the
//! format of `MVTec` LOCO AD. [`Feed`] is an endless sequence of parts, for a simulated camera. [`clutter`]
//! renders random scenes for pretraining a network on textures and edges.
//!
//! Everything is a pure function of seeds and sizes: no files, no clock, and the same bytes on every machine.
//!
//! # Example
//! ```
//! use inspectd_simulator::{Defect, ProductionLine};
//!
//! let line = ProductionLine::new(42);
//! let scene = line.part(0, &[Defect::Scratch]);
//! let frame = scene.render(128, 96);
//! let masks = scene.truth(128, 96);
//! assert_eq!((frame.width(), frame.height()), (128, 96));
//! assert_eq!(masks[0].defect, Defect::Scratch);
//! assert!(masks[0].pixels.contains(&true));
//! ```

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
