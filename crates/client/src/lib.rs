//! Client of the inspection daemon `inspectd`.

pub mod proto {
    //! The package `inspectd.v1` as Rust types and clients, generated from `proto/inspectd/v1`.
    #![allow(missing_docs, clippy::all, clippy::pedantic)]

    tonic::include_proto!("inspectd.v1");
}
