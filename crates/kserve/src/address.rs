//! Where a server is, and how its certificate is checked.

use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Uri};

use crate::error::{Error, causes};

/// Largest head of an answer, bytes. Servers send a few hundred.
const HEADERS_LIMIT: u32 = 16 << 10;

/// Address of a server.
#[derive(Clone, Debug)]
pub struct ServerAddress {
    endpoint: Endpoint,
    host: String,
    port: u16,
}

impl ServerAddress {
    /// Parses `http://HOST:PORT` or `https://HOST:PORT`. With `https`, the server's certificate is checked with the
    /// certificates `ca`, PEM.
    ///
    /// # Errors
    /// When the text is another one, or `ca` is not given with `https`, or is given with `http`, or is not PEM.
    pub fn new(url: &str, ca: Option<&[u8]>) -> Result<Self, Error> {
        let wrong = || {
            Error::Address(format!(
                "{url:?} is not http://HOST:PORT or https://HOST:PORT"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
            return Err(wrong());
        };
        // An IPv6 address is in brackets.
        let host = host.trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(wrong());
        }
        let mut endpoint = Endpoint::from(uri.clone()).http2_max_header_list_size(HEADERS_LIMIT);
        match (uri.scheme_str(), ca) {
            (Some("http"), None) => {}
            (Some("https"), Some(pem)) => {
                if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
                    return Err(Error::Address(
                        "the CA file has no certificate in PEM".to_owned(),
                    ));
                }
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
                let refused = |error| Error::Address(causes(&error));
                endpoint = endpoint.tls_config(tls).map_err(refused)?;
            }
            (Some("http"), Some(_)) => {
                return Err(Error::Address(
                    "certificates of a CA with http://".to_owned(),
                ));
            }
            (Some("https"), None) => {
                return Err(Error::Address(
                    "https:// without certificates of a CA".to_owned(),
                ));
            }
            _ => return Err(wrong()),
        }
        Ok(Self {
            endpoint,
            host,
            port,
        })
    }

    /// The endpoint, with a limit for connecting.
    pub(crate) fn endpoint(&self, limit: Duration) -> Endpoint {
        self.endpoint.clone().connect_timeout(limit)
    }

    /// Host and port to connect to.
    pub(crate) fn socket(&self) -> (String, u16) {
        (self.host.clone(), self.port)
    }
}

/// What a certificate in PEM begins with.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str, ca: Option<&[u8]>) -> String {
        let error = ServerAddress::new(url, ca).expect_err("refused");
        error.to_string()
    }

    #[test]
    fn address_has_a_scheme_a_host_and_a_port() {
        let address = ServerAddress::new("http://[::1]:8001", None).expect("an address");
        assert_eq!(address.socket(), ("::1".to_owned(), 8001));
        for url in [
            "triton:8001",
            "http://triton",
            "grpc://triton:8001",
            "",
            "http://:8001",
        ] {
            assert!(
                refused(url, None).contains("is not http://HOST:PORT"),
                "{url}"
            );
        }
    }

    #[test]
    fn certificates_belong_to_https() {
        assert!(refused("https://triton:8001", None).contains("without certificates"));
        assert!(refused("http://triton:8001", Some(b"x")).contains("with http://"));
        assert!(refused("https://triton:8001", Some(b"x")).contains("no certificate in PEM"));
    }
}
