//! Client of the Open Inference Protocol, version 2, over gRPC, for the models of inspectd: NVIDIA Triton and servers of KServe.
//!
//! A [`Connection`] is one connection to one server and never connects again by itself: what was found out about the server
//! holds as long as the connection does. Every answer is checked; one that is not exactly what the model must give is an
//! [`Error`], and never maps.
//!
//! # Example
//! ```no_run
//! # async fn example() -> Result<(), inspectd_kserve::Error> {
//! use std::time::Duration;
//!
//! use inspectd_kserve::{Connection, ServedModel, ServerAddress};
//!
//! let address = ServerAddress::new("http://triton.plant:8001", None)?;
//! let model = ServedModel {
//!     name: "bottle-0123456789ab".to_owned(),
//!     version: None,
//!     frame_size: [256, 256],
//!     map_size: [64, 64],
//!     has_logical: true,
//! };
//! let connection = Connection::open(&address, model, Duration::from_secs(10)).await?;
//! let pixels = vec![128; 256 * 256 * 3];
//! let answer = connection.infer(pixels, 1, Duration::from_millis(100)).await?;
//! assert_eq!(answer.structural.len(), 64 * 64);
//! # Ok(())
//! # }
//! ```

mod address;
mod connection;
mod error;
mod metadata;
pub mod proto;
mod tensors;

pub use address::ServerAddress;
pub use connection::Connection;
pub use error::Error;

/// Channels of a frame: red, green, blue.
const CHANNELS: usize = 3;

/// A model on the server, and what it must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedModel {
    /// Its name on the server.
    pub name: String,
    /// Its version on the server; the server's choice if unset.
    pub version: Option<String>,
    /// Width and height of the input in pixels.
    pub frame_size: [u32; 2],
    /// Width and height of a map in cells.
    pub map_size: [u32; 2],
    /// Whether it has the output `logical`.
    pub has_logical: bool,
}

impl ServedModel {
    /// Names of the outputs.
    pub(crate) fn outputs(&self) -> &'static [&'static str] {
        if self.has_logical {
            &["structural", "logical"]
        } else {
            &["structural"]
        }
    }

    /// Shape of the input of `count` frames; -1 for a free number.
    pub(crate) fn input_shape(&self, count: i64) -> [i64; 4] {
        let [width, height] = self.frame_size.map(i64::from);
        [count, height, width, CHANNELS as i64]
    }

    /// Shape of an output for `count` frames.
    pub(crate) fn map_shape(&self, count: i64) -> [i64; 3] {
        let [width, height] = self.map_size.map(i64::from);
        [count, height, width]
    }

    /// Bytes of one frame.
    pub(crate) fn frame_bytes(&self) -> usize {
        let [width, height] = self.frame_size.map(|side| side as usize);
        width * height * CHANNELS
    }

    /// Bytes of one map.
    pub(crate) fn map_bytes(&self) -> usize {
        let [width, height] = self.map_size.map(|side| side as usize);
        width * height * size_of::<f32>()
    }
}

/// The maps of a run, all finite and of the size of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Structural maps, `[count, height, width]`.
    pub structural: Vec<f32>,
    /// Logical maps, `[count, height, width]`, if the model has them.
    pub logical: Option<Vec<f32>>,
    /// Version of the model that the server names.
    pub version: String,
}
