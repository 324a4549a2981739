//! The student's training: settings, the run's folder, the task.

pub mod run;
pub mod settings;
pub mod task;
