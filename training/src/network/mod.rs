//! The networks: tables of layers, and what runs them.

pub mod architecture;
pub mod layer;
mod layer_tables;
pub mod net;
pub mod student;
