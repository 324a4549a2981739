//! The package `AWS.LookoutVision` as Rust types.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

tonic::include_proto!("aws.lookout_vision");

/// The descriptors of the service.
#[cfg(test)]
pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("lookout");
