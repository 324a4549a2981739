//! `[server]`: the endpoint, its names and its security.

use std::net::IpAddr;

use opcua::crypto::SecurityPolicy;

use inspectd_gateway::config::Section;

/// Settings of the OPC UA server.
#[derive(Clone, Debug)]
pub struct Server {
    /// The host of the endpoint.
    pub host: String,
    /// The port of the endpoint.
    pub port: u16,
    /// The security policies.
    pub policies: Vec<Policy>,
    /// The application name.
    pub name: String,
    /// The application URI.
    pub application_uri: String,
    /// The name of this box: the first part of the id of each result. `None`: the host name.
    pub box_name: Option<String>,
}

/// A security policy. All except None sign and encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// No security.
    None,
    /// Basic256Sha256.
    Basic256Sha256,
    /// Aes128_Sha256_RsaOaep.
    Aes128Sha256RsaOaep,
    /// Aes256_Sha256_RsaPss.
    Aes256Sha256RsaPss,
}

impl Policy {
    /// The policies that are allowed by default: all but None.
    pub const DEFAULT: [Self; 3] = [
        Self::Basic256Sha256,
        Self::Aes128Sha256RsaOaep,
        Self::Aes256Sha256RsaPss,
    ];

    /// Returns the policy of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::None].into_iter().chain(Self::DEFAULT);
        all.into_iter().find(|policy| policy.name() == name)
    }

    /// Returns the name, as in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Basic256Sha256 => "Basic256Sha256",
            Self::Aes128Sha256RsaOaep => "Aes128_Sha256_RsaOaep",
            Self::Aes256Sha256RsaPss => "Aes256_Sha256_RsaPss",
        }
    }

    /// Returns the policy of the library.
    pub fn of_library(self) -> SecurityPolicy {
        match self {
            Self::None => SecurityPolicy::None,
            Self::Basic256Sha256 => SecurityPolicy::Basic256Sha256,
            Self::Aes128Sha256RsaOaep => SecurityPolicy::Aes128Sha256RsaOaep,
            Self::Aes256Sha256RsaPss => SecurityPolicy::Aes256Sha256RsaPss,
        }
    }

    /// Returns the URI.
    pub fn uri(self) -> String {
        format!("http://opcfoundation.org/UA/SecurityPolicy#{}", self.name())
    }
}

/// Reads `[server]`. `None` only if there is a fault.
pub fn server(section: Section<'_>) -> Option<Server> {
    let address = "opc.tcp://HOST:PORT without a path";
    let endpoint = section.parsed("endpoint", address, endpoint);
    let is_wrong = endpoint.is_none() && section.is_set("endpoint");
    let (host, port) = endpoint.unwrap_or_else(|| ("127.0.0.1".to_owned(), 4840));
    let policies_allowed =
        r#""None", "Basic256Sha256", "Aes128_Sha256_RsaOaep" or "Aes256_Sha256_RsaPss""#;
    let mut policies = section.list("security", policies_allowed, Policy::from_name);
    if section.is_set("security") && policies.is_empty() {
        section.fault("security", "must name at least one security policy");
    }
    if policies.is_empty() {
        policies = Policy::DEFAULT.to_vec();
    }
    if policies.contains(&Policy::None) && !is_loopback(&host) {
        section.fault(
            "security",
            "\"None\" is allowed only if the endpoint is on loopback: it has no encryption",
        );
    }
    let names = "1 to 64 letters, digits, spaces, '-', '_' and '.'";
    let name = section.parsed("name", names, |text| {
        // It becomes the common name of the certificate of the server.
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b" -_.".contains(&byte);
        let accepted = (1..=64).contains(&text.len()) && text.bytes().all(valid);
        accepted.then(|| text.to_owned())
    });
    let uri = section.parsed(
        "application_uri",
        "a URI, such as \"urn:box-7:inspectd\"",
        |uri| {
            let valid = uri.contains(':') && uri.bytes().all(|byte| byte.is_ascii_graphic());
            ((1..=128).contains(&uri.len()) && valid).then(|| uri.to_owned())
        },
    );
    let allowed = "1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'";
    let box_name = section.parsed("box", allowed, |text| {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let accepted = (1..=64).contains(&text.len()) && text.bytes().all(valid);
        accepted.then(|| text.to_owned())
    });
    section.finish();
    (!is_wrong).then(|| Server {
        host,
        port,
        policies,
        name: name.unwrap_or_else(|| "inspectd".to_owned()),
        application_uri: uri.unwrap_or_else(|| "urn:inspectd:opcua".to_owned()),
        box_name,
    })
}

/// Whether a host is this machine only.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

fn endpoint(text: &str) -> Option<(String, u16)> {
    let rest = text.strip_prefix("opc.tcp://")?;
    let (host, port) = rest.strip_suffix('/').unwrap_or(rest).rsplit_once(':')?;
    let port = port.parse().ok()?;
    let is_address = host.starts_with('[') && host.ends_with(']');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    let valid = if is_address {
        host[1..host.len() - 1]
            .parse::<std::net::Ipv6Addr>()
            .is_ok()
    } else {
        !host.is_empty() && host.bytes().all(allowed)
    };
    valid.then(|| (host.to_owned(), port))
}
