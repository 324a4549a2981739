//! The student's training: settings, the run's folder, the task.

mod calibration;
pub mod objective;
pub mod run;
pub mod settings;
pub mod task;
