//! The package `inspectd.v1` as Rust types: the messages of `inspectd-client` and the generated services.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

pub use inspectd_client::proto::*;

tonic::include_proto!("inspectd.v1");

/// The descriptors of all services, for reflection.
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("inspectd");
