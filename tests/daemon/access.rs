//! Authentication and authorisation with real certificates and tokens.

mod calls;
mod consumers;
mod ctl;
mod doors;
mod labels;
mod limits;
mod locks;
mod page;
mod pki;
mod renewal;
mod report;
mod roles;

use std::time::Duration;

use inspectd::access::Role;
use inspectd::access::token::{self, TokenHash};
use inspectd_client::proto;
use inspectd_client::proto::line_service_client::LineServiceClient;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use self::pki::{Ca, Pair};
use crate::harness::{Daemon, PATIENCE, Site};

const SIMULATOR: &str =
    "[cameras.line]\nsource = \"simulator\"\nwidth = 32\nheight = 32\nfps = 20.0\n";

const TLS: &str =
    "[tls]\ncertificate = \"daemon.pem\"\nkey = \"daemon.key\"\nclient_ca = \"ca.pem\"\n";
const ACCESS: &str = "[access]\nclients = \"clients.toml\"\n";

/// A site with a CA, and for each role a client with a certificate and one with a token.
struct SecuredSite {
    site: Site,
    ca: Ca,
    tokens: Vec<(Role, String)>,
}

impl SecuredSite {
    /// Creates one whose configuration starts with `top`: `[tls]` and `[access]`, as the test needs them.
    fn new(top: &str) -> Self {
        let site = Site::new(SIMULATOR);
        site.configure(top, SIMULATOR);
        let ca = Ca::new("plant");
        site.write("ca.pem", ca.pem());
        let create = |role| (role, token::create().expect("random bytes"));
        let secured = Self {
            site,
            ca,
            tokens: Role::ALL.map(create).to_vec(),
        };
        secured.install(&secured.ca.daemon());
        secured.site.write("clients.toml", &secured.clients());
        secured
    }

    /// The text of `clients.toml`: `viewer` has the certificate `viewer.line`, `viewer-t` a token.
    fn clients(&self) -> String {
        let entry = |(role, token): &(Role, String)| {
            let hash = TokenHash::of(token.as_bytes()).hex();
            format!(
                "[[client]]\nname = \"{role}\"\nrole = \"{role}\"\ncertificate = \"{role}.line\"\n\
                 [[client]]\nname = \"{role}-t\"\nrole = \"{role}\"\ntoken_sha256 = \"{hash}\"\n"
            )
        };
        self.tokens.iter().map(entry).collect()
    }

    /// Writes the daemon's certificate and key.
    fn install(&self, pair: &Pair) {
        self.site.write("daemon.pem", &pair.certificate);
        self.site.write("daemon.key", &pair.key);
    }

    /// The token of a role.
    fn token(&self, role: Role) -> &str {
        let of = |entry: &&(Role, String)| entry.0 == role;
        &self.tokens.iter().find(of).expect("all roles have one").1
    }

    /// A client with the certificate of a role.
    fn certified(&self, daemon: &Daemon, role: Role) -> Client {
        let pair = self.ca.client(&format!("{role}.line"));
        Client::tls(daemon, &self.ca, Some(&pair))
    }

    /// A client with the token of a role, through TLS.
    fn tokened(&self, daemon: &Daemon, role: Role) -> Client {
        Client::tls(daemon, &self.ca, None).with_token(self.token(role))
    }
}

/// Result of a call, as far as access is concerned.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The call reached the service, which may have rejected it.
    Allowed,
    /// The call was denied: `Unauthenticated` or `PermissionDenied`.
    Denied(Code),
    /// The connection failed.
    Unconnected,
}

impl Outcome {
    fn of<T>(result: Result<T, Status>) -> Self {
        use std::error::Error;
        match result {
            Ok(_) => Self::Allowed,
            // Made by the client from a connection error.
            Err(status) if status.source().is_some() => Self::Unconnected,
            Err(status) => match status.code() {
                code @ (Code::Unauthenticated | Code::PermissionDenied) => Self::Denied(code),
                _ => Self::Allowed,
            },
        }
    }
}

/// A client with or without credentials.
#[derive(Clone)]
struct Client {
    channel: Channel,
    token: Option<String>,
}

impl Client {
    /// Without TLS.
    fn plain(daemon: &Daemon) -> Self {
        Self::at(format!("http://{}", daemon.address("server.listen")))
    }

    fn at(address: String) -> Self {
        let endpoint = Endpoint::from_shared(address).expect("an address");
        Self {
            channel: endpoint.connect_lazy(),
            token: None,
        }
    }

    /// A client that trusts `ca`, with a certificate if `pair` is given.
    fn tls(daemon: &Daemon, ca: &Ca, pair: Option<&Pair>) -> Self {
        let address = format!("https://{}", daemon.address("server.listen"));
        Self::at_tls(&address, ca, pair)
    }

    /// As [`Self::tls`], at an address.
    fn at_tls(address: &str, ca: &Ca, pair: Option<&Pair>) -> Self {
        let endpoint = Channel::from_shared(address.to_owned()).expect("an address");
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca.pem()));
        if let Some(Pair { certificate, key }) = pair {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = endpoint.tls_config(tls).expect("what rcgen made");
        Self {
            channel: endpoint.connect_lazy(),
            token: None,
        }
    }

    fn with_token(mut self, token: &str) -> Self {
        self.token = Some(format!("Bearer {token}"));
        self
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            let token = token.parse().expect("ASCII");
            request.metadata_mut().insert("authorization", token);
        }
        request
    }

    /// Calls any method with an empty message; a stream is dropped at its start.
    async fn call(&self, path: &str) -> Result<(), Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        let path: PathAndQuery = path.parse().expect("a path");
        let call = async {
            client
                .ready()
                .await
                .map_err(|error| Status::from_error(error.into()))?;
            let codec = ProstCodec::<(), ()>::default();
            client.server_streaming(self.request(()), path, codec).await
        };
        let answer = tokio::time::timeout(PATIENCE, call).await;
        answer.expect("an answer in time").map(drop)
    }

    /// Calls `GetStatus`.
    async fn status(&self) -> Result<(), Status> {
        let mut line = LineServiceClient::new(self.channel.clone());
        let call = line.get_status(self.request(proto::GetStatusRequest {}));
        let answer = tokio::time::timeout(PATIENCE, call).await;
        answer.expect("an answer in time").map(drop)
    }
}

/// Waits without blocking the runtime.
async fn pause(time_ms: u64) {
    tokio::time::sleep(Duration::from_millis(time_ms)).await;
}
