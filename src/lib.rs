//! What the daemon and the trainer share, in the order of a frame's way: the frame, its
//! preprocessing, the maps, the score; beside it the model bundle's manifest and the simulated line.

pub mod frame;
