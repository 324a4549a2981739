//! Log files and progress display of a run.
//!
//! Losses are written to `losses.csv`, which a resumed run continues, to a `TensorBoard` event file in the
//! same folder, and to a progress bar. `curves.png` is drawn from `losses.csv`.

mod chart;
pub mod curves;
pub mod losses;
pub mod progress;
pub mod tensorboard;
