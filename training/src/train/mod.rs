//! Training of the student: settings, the folder of a run, and the training task.

pub mod calibration;
mod device_images;
pub mod folds;
mod loaders;
pub mod objective;
pub mod penalty;
pub mod run;
pub mod settings;
pub mod task;
mod teacher_source;
