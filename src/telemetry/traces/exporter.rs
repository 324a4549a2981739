//! How spans are sent: OTLP over gRPC, with the headers and certificates of the configuration.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter, WithExportConfig, WithTonicConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use thiserror::Error;

use crate::config::settings;

/// Repetitions of a batch that the collector does not take; the timeout ends them earlier.
const RETRIES: usize = 16;

/// Why traces cannot be sent.
#[derive(Debug, Error)]
pub enum TracesError {
    /// A file cannot be read.
    #[error("{key}: {path} cannot be read: {source}", path = path.display())]
    File {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A line of the file of headers is not a header. Its text is not shown, as it may hold a token.
    #[error(
        "traces.headers_file: {path}:{line}: must be `name: value`, with a name of a-z, 0-9, '-', '_' and '.', and a value of \
         visible ASCII characters",
        path = path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
    },
    /// The file of certificates has none.
    #[error("traces.ca_file: {path}: has no certificate in PEM", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The exporter refuses the endpoint or the certificates.
    #[error("traces.endpoint: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// Makes the exporter of the settings. It connects with the first batch. Must be called within an async runtime.
///
/// # Errors
/// When a file cannot be read, or its content is not valid.
pub(super) fn exporter(
    settings: &settings::Traces,
    endpoint: &str,
) -> Result<SpanExporter, TracesError> {
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(settings.timeout)
        .with_retry_policy(
            RetryPolicy::recommended()
                .with_max_retries(RETRIES)
                .with_initial_delay(Duration::from_millis(100)),
        );
    if let Some(path) = &settings.headers_file {
        let text = read("traces.headers_file", path)?;
        builder = builder.with_metadata(MetadataMap::from_headers(headers(path, &text)?));
    }
    if let Some(path) = &settings.ca_file {
        let pem = read("traces.ca_file", path)?;
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(TracesError::NoCertificate { path: path.clone() });
        }
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
        builder = builder.with_tls_config(tls);
    }
    let mut exporter = builder.build()?;
    exporter.set_resource(&resource(settings));
    Ok(exporter)
}

/// What is known of the sender of all spans.
fn resource(settings: &settings::Traces) -> Resource {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    let instance = settings.instance.clone().unwrap_or_else(|| host.clone());
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", settings.service.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
            KeyValue::new("host.name", host),
        ])
        .build()
}

fn read(key: &'static str, path: &Path) -> Result<String, TracesError> {
    std::fs::read_to_string(path).map_err(|source| TracesError::File {
        key,
        path: path.to_owned(),
        source,
    })
}

/// The headers of a file. Empty lines and lines that begin with `#` are left out.
fn headers(path: &Path, text: &str) -> Result<HeaderMap, TracesError> {
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = header(line).ok_or_else(|| TracesError::Header {
            path: path.to_owned(),
            line: index + 1,
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim().to_ascii_lowercase();
    // The value of a binary header would have to be encoded.
    let legal = !name.ends_with("-bin")
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let value = value.trim();
    let visible = !value.is_empty() && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !legal || !visible {
        return None;
    }
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name.parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_without_comments_and_a_malformed_line_is_named_without_its_text() {
        let path = Path::new("/etc/inspectd/headers");
        let text =
            "# the collector's token\n\nAuthorization: Bearer a:b\n x-scope-orgid:plant 7 \n";
        let headers = headers(path, text).expect("well-formed");
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert!(headers["authorization"].is_sensitive());
        assert_eq!(headers["x-scope-orgid"], "plant 7");
        for malformed in [
            "secret",
            ": secret",
            "a b: secret",
            "key-bin: secret",
            "key:",
            "key: s\u{e9}cret",
        ] {
            let error = super::headers(path, &format!("a: b\n{malformed}\n"));
            let error = error.expect_err(malformed).to_string();
            assert!(
                error.starts_with("traces.headers_file: /etc/inspectd/headers:2: must be"),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
