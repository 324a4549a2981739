//! The program against a real daemon and real receivers: at the end the receivers have what the journal has, part by
//! part, whichever programs were killed.

mod faults;
mod files;
mod harness;
mod mqtt;
mod nats;
mod postgresql;
mod program;
mod s3;
mod sparkplug;
mod webhook;
