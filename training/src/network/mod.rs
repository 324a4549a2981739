//! The networks: layer lists and their libtorch implementation.

pub mod architecture;
pub mod layer;
mod layer_tables;
pub mod net;
pub mod student;
