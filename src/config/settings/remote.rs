//! The section of a server that runs the model.

use std::path::PathBuf;
use std::time::Duration;

use super::traces::{ENDPOINT, is_endpoint};
use crate::config::group::group;
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

/// Longest name of a model or a version.
const NAME_LIMIT: usize = 128;

/// Description of a text that [`is_name`] accepts.
const NAME: &str = "1 to 128 of A-Z, a-z, 0-9, '-', '_' and '.'";

group! {
    /// A server that runs the model.
    pub struct Remote {
        /// A server of the Open Inference Protocol over gRPC (NVIDIA Triton, KServe) that runs the model; the local engine
        /// runs it where the server cannot (`docs/remote-inference.md`). Unset: only the local engine runs the model. `https`
        /// requires `remote.ca`.
        url: Option<String> = Key::unset("remote.url", Kind::Text(is_endpoint, ENDPOINT)),

        /// Name of the model on the server. Unset: the name of the bundle, `-`, and the first 12 digits of the SHA-256 of its
        /// graph, as `mhkd export --triton` names it.
        model: Option<String> = Key::unset("remote.model", Kind::Text(is_name, NAME)),

        /// Version of the model on the server. Unset: the server's choice.
        version: Option<String> = Key::unset("remote.version", Kind::Text(is_name, NAME)),

        /// Maximum time of a run on the server; then the local engine runs the model. A frame with a deadline gives the
        /// server less time if the local engine needs the rest. Less than the `deadline_ms` of every camera.
        timeout: Duration =
            Key::preset("remote.timeout_ms", Kind::Number(1.0, 60_000.0), "100").unit(Unit::Milliseconds),

        /// Time without an answer after which the local engine runs the model as well; the first answer is taken. Unset: the
        /// local engine starts when the server has failed, or after `remote.timeout_ms`.
        hedge_after: Option<Duration> =
            Key::unset("remote.hedge_after_ms", Kind::Number(1.0, 60_000.0)).unit(Unit::Milliseconds),

        /// Certificates of the CAs that the server's certificate is checked with, PEM. Read when a model is loaded.
        ca: Option<PathBuf> = Key::unset("remote.ca", Kind::Path),
    }
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_LIMIT).contains(&text.len()) && text.bytes().all(legal)
}

impl Remote {
    /// Whether there is none: the keys came after version 0.1 and are then not part of the hash.
    pub fn is_unset(&self) -> bool {
        self.url.is_none()
    }
}
