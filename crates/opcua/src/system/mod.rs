//! A vision system: its state machine, driven by method calls and by the verdicts of the daemon.
//!
//! Each system is a task that owns its state. A method call is a message to it with a reply; a call that its client cancels has
//! no effect on the task. Calls of the daemon run in separate tasks, which report their outcome.

mod actor;
mod calls;
mod jobs;
mod outcome;
mod reading;
mod recipes;
mod status;
#[cfg(test)]
mod tests;

pub use self::actor::System;
pub use self::recipes::ContinuousRecipes;
