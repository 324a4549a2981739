//! The networks: tables of layers, and what runs them.

pub mod architecture;
pub mod layer;
pub mod net;
pub mod student;
mod tables;
