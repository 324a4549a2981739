//! The record of a run: what a person watches while it trains, and what is left to look at after.
//!
//! Losses go to `losses.csv` (the run's own record, which a resumed run continues), to a `TensorBoard`
//! event file beside it, and to a progress bar; `curves.png` is drawn from the first.

mod chart;
pub mod curves;
pub mod losses;
pub mod progress;
pub mod tensorboard;
