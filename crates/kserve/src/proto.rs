//! The package `inference` as Rust types, client and server, generated from `proto/`.
#![allow(missing_docs, clippy::pedantic)]

tonic::include_proto!("inference");
