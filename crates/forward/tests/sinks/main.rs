//! The program against a real daemon and real receivers: what receivers have in the end is what the journal has, part by
//! part, whatever was killed in between.

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
