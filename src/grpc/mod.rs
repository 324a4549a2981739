//! The services: parse, call, convert. The only place of the daemon that names tonic and the generated
//! types.

pub mod proto {
    //! What `proto/inspectd/v1` says, as Rust types. The `.proto` files are the documentation.
    #![allow(missing_docs, clippy::pedantic)]

    tonic::include_proto!("inspectd.v1");

    /// The descriptors of all services, for reflection.
    pub const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("inspectd");
}
