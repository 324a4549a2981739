//! `inspectd-forward`: forwards the verdicts of one inspection daemon to any number of sinks.
//!
//! The journal of the daemon is authoritative. Each sink is a separate consumer: it reads the stored verdicts after its
//! acknowledged position, and acknowledges only what its receiver has confirmed. So no verdict is lost by restarts on
//! either side; what was not acknowledged is sent again with the same id.
//!
//! ```text
//! daemon -> source -> progress -> batch -> delivery -> sink -> receiver
//!              ^          |                    |
//!              '-- acknowledge               dead letters
//! ```

pub mod app;
mod backoff;
mod batch;
pub mod check;
mod clock;
pub mod config;
mod continuation;
mod dead_letters;
mod delivery;
pub mod failure;
mod filter;
mod lines;
mod memory_file;
mod progress;
mod record;
mod sink;
mod source;
pub mod state;
pub mod status;
mod stop;
pub mod tls;
mod worker;
