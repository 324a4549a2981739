//! The address of a daemon: TCP, TLS or a Unix socket.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;
use tonic::transport;

/// The address of a daemon: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`.
///
/// An address without a scheme is read as `http://`.
#[derive(Clone, Debug)]
pub struct Endpoint {
    transport: transport::Endpoint,
    address: String,
    scheme: Scheme,
}

/// The transport of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS over TCP.
    Https,
    /// A Unix socket.
    Unix,
}

/// The text is not the address of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be http://HOST:PORT, https://HOST:PORT or unix:/PATH")]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url = if text.contains("://") || text.starts_with("unix:") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Self::unix(path);
        }
        let transport = transport::Endpoint::from_shared(url).map_err(|_| EndpointError)?;
        let uri = transport.uri();
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(EndpointError),
        };
        let complete = uri.host().is_some_and(|host| !host.is_empty())
            && uri.port().is_some()
            && uri.path().trim_matches('/').is_empty();
        let address = uri.to_string().trim_end_matches('/').to_owned();
        let endpoint = Self {
            transport,
            address,
            scheme,
        };
        complete.then_some(endpoint).ok_or(EndpointError)
    }
}

impl Endpoint {
    fn unix(path: &str) -> Result<Self, EndpointError> {
        if !path.starts_with('/') {
            return Err(EndpointError);
        }
        let address = format!("unix:{path}");
        Ok(Self {
            transport: transport::Endpoint::from_shared(address.clone())
                .map_err(|_| EndpointError)?,
            address,
            scheme: Scheme::Unix,
        })
    }

    /// Returns the address as it is shown in errors.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns whether no other machine can read what is sent: TLS, a Unix socket or the loopback interface.
    pub fn is_confidential(&self) -> bool {
        let host = self.transport.uri().host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']);
        let loopback = || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.scheme != Scheme::Http || host == "localhost" || loopback()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn transport(&self) -> transport::Endpoint {
        self.transport.clone()
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_addresses_are_accepted_and_others_rejected() {
        let check = |text: &str, accepted: bool| {
            assert_eq!(text.parse::<Endpoint>().is_ok(), accepted, "{text:?}");
        };
        check("http://127.0.0.1:50051", true);
        check("http://[::1]:50051/", true);
        check("box.local:50051", true);
        check("http://box", false);
        check("https://box:50051", true);
        check("https://box", false);
        check("ftp://box:50051", false);
        check("unix:/run/inspectd.sock", true);
        check("unix:///run/inspectd.sock", true);
        check("unix:run/inspectd.sock", false);
        check("unix:", false);
        check("http://box:50051/verdicts", false);
        check("http://:50051", false);
        check("box:port", false);
        check("", false);
    }

    #[test]
    fn plain_tcp_to_another_host_is_not_confidential() {
        let check = |text: &str, expected: bool| {
            let endpoint: Endpoint = text.parse().expect("a complete address");
            assert_eq!(endpoint.is_confidential(), expected, "{text}");
        };
        check("http://127.0.0.1:1", true);
        check("http://[::1]:1", true);
        check("http://localhost:1", true);
        check("http://localhost@box:1", false);
        check("http://localhost.box:1", false);
        check("http://192.0.2.1:1", false);
        check("box:1", false);
        check("https://192.0.2.1:1", true);
        check("unix:/run/inspectd.sock", true);
    }
}
