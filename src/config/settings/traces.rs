//! The section of traces.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use crate::config::group::section;
use crate::config::key::{Key, Unit};
use crate::config::kind::Kind;

/// Longest name of the service and of the instance.
const NAME_LIMIT: usize = 128;

/// Description of a text that [`is_name`] accepts.
const NAME: &str = "1 to 128 of A-Z, a-z, 0-9, '-', '_', '.' and blanks";

/// Description of a text that [`is_endpoint`] accepts.
pub(super) const ENDPOINT: &str = "http://HOST:PORT or https://HOST:PORT";

section! {
    /// Traces: what happened to each inspected part and when, sent to an OpenTelemetry collector with OTLP over gRPC
    /// (`docs/operations.md`, Traces). Without `endpoint`, there are none.
    pub struct Traces = "traces" {
        /// The collector. `https` requires `ca_file`.
        endpoint: Option<String> = Key::unset("endpoint", Kind::Text(is_endpoint, ENDPOINT)),

        /// Share of the parts that are traced. A part whose client sends a `traceparent` is traced if the client samples it,
        /// whatever this share is.
        sampling: f64 = Key::preset("sampling", Kind::Number(0.0, 1.0), "1"),

        /// Maximum time for sending a batch of spans, with all repetitions; then its spans are dropped and counted.
        timeout: Duration =
            Key::preset("timeout_s", Kind::Number(0.1, 60.0), "5").unit(Unit::Seconds),

        /// Certificates of the CAs that the collector's certificate is checked with, PEM;
        /// `/etc/ssl/certs/ca-certificates.crt` has the public ones. Read at the start.
        ca_file: Option<PathBuf> = Key::unset("ca_file", Kind::Path),

        /// File with headers that are sent with each batch, such as a token for the collector: one `name: value` on a line.
        /// Read at the start.
        headers_file: Option<PathBuf> = Key::unset("headers_file", Kind::Path),

        /// Sent as `service.name`.
        service: String = Key::preset("service", Kind::Text(is_name, NAME), "inspectd"),

        /// Name of the box, sent as `service.instance.id`. Unset: the name of the host.
        instance: Option<String> = Key::unset("instance", Kind::Text(is_name, NAME)),
    }
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_. ".contains(&byte);
    (1..=NAME_LIMIT).contains(&text.len()) && text.bytes().all(legal)
}

/// Whether `text` is `http` or `https` with a host and a port, and nothing else.
pub(super) fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let Some(authority) = uri.authority() else {
        return false;
    };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && authority.port_u16().is_some()
        && !authority.as_str().contains('@')
        && !authority.host().is_empty()
        && uri.path_and_query().is_none_or(|path| path.as_str() == "/")
}

impl Traces {
    /// Whether there are none: the section came after version 0.1 and is then not part of the hash.
    pub fn is_unset(&self) -> bool {
        self.endpoint.is_none()
    }
}
