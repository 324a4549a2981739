//! What the programs between the daemon inspectd and other systems have in common: a configuration whose faults are all
//! reported at once, the connection to the daemon, the log, and the notifications to systemd.

pub mod config;
pub mod daemon;
pub mod exit_code;
pub mod log;
pub mod systemd;
