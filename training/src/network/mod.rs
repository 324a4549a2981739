//! The networks as tables of layers: teachers, the students of MHKD and `EfficientAD`, and their forward
//! passes on libtorch.

pub mod architecture;
pub mod input_size;
pub mod layer;
pub mod layer_tables;
pub mod net;
pub mod preset;
pub(crate) mod resize;
pub mod student;
pub mod teacher;
