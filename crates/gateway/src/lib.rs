//! Common parts of the programs that connect other systems to the daemon inspectd: a configuration whose faults are all
//! reported at once, the connection to the daemon, the log, and the notifications to systemd.

pub mod config;
pub mod daemon;
pub mod exit_code;
pub mod log;
pub mod systemd;
