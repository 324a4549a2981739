//! The way to the daemon: its address, the connection, and how long an answer may take.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_client::proto::line_service_client::LineServiceClient;
use inspectd_client::proto::recipe_service_client::RecipeServiceClient;
use inspectd_client::proto::tuning_service_client::TuningServiceClient;
use thiserror::Error;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use crate::credentials::{Bearer, Credentials};
use crate::failure::Failure;

/// A daemon on the same network connects in milliseconds; a host that is off never does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For all calls that need no judging. A server that is not gRPC may take a connection and stay silent.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A silent stream is probed, so that a box without power is noticed: after this ...
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// ... plus this.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Two uncompressed pictures of the largest camera fit. tonic's own limit, 4 MiB, holds none of 5 Mpx.
const MESSAGE_LIMIT: usize = 512 << 20;

/// Where a daemon listens.
#[derive(Clone, Debug)]
pub struct Server {
    endpoint: Endpoint,
    address: String,
    scheme: Scheme,
}

/// How it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// Over TCP as it is.
    Http,
    /// Over TCP, through TLS.
    Https,
    /// Over a Unix socket.
    Unix,
}

/// Why a text is no address of a daemon.
#[derive(Debug, Error)]
#[error("must be http://HOST:PORT, https://HOST:PORT or unix:/PATH")]
pub struct ServerError;

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let url = if text.contains("://") || text.starts_with("unix:") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Self::unix(path);
        }
        let endpoint = Endpoint::from_shared(url).map_err(|_| ServerError)?;
        let uri = endpoint.uri();
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(ServerError),
        };
        let complete = uri.host().is_some_and(|host| !host.is_empty())
            && uri.port().is_some()
            && uri.path().trim_matches('/').is_empty();
        let address = uri.to_string().trim_end_matches('/').to_owned();
        let server = Self {
            endpoint,
            address,
            scheme,
        };
        complete.then_some(server).ok_or(ServerError)
    }
}

impl Server {
    fn unix(path: &str) -> Result<Self, ServerError> {
        if !path.starts_with('/') {
            return Err(ServerError);
        }
        let address = format!("unix:{path}");
        Ok(Self {
            endpoint: Endpoint::from_shared(address.clone()).map_err(|_| ServerError)?,
            address,
            scheme: Scheme::Unix,
        })
    }

    /// Whether what is sent there stays on this machine, or is read by the daemon alone.
    fn is_private(&self) -> bool {
        let host = self.endpoint.uri().host().unwrap_or_default();
        let host = host.trim_matches(['[', ']']);
        let loopback = || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.scheme != Scheme::Http || host == "localhost" || loopback()
    }

    /// Its endpoint, and what goes with each call.
    fn endpoint(&self, credentials: &Credentials) -> anyhow::Result<(Endpoint, Bearer)> {
        let bearer = credentials.bearer()?;
        ensure!(
            self.is_private() || !bearer.is_some(),
            "{}: a token is not sent over a network without TLS; use https://",
            self.address
        );
        let endpoint = self.endpoint.clone();
        match self.scheme {
            Scheme::Https => {
                let endpoint = endpoint.tls_config(credentials.tls()?);
                Ok((endpoint.context("--ca, --certificate or --key")?, bearer))
            }
            Scheme::Http if credentials.needs_tls() => {
                bail!("{}: --ca and --certificate are for https://", self.address)
            }
            Scheme::Http | Scheme::Unix => Ok((endpoint, bearer)),
        }
    }
}

/// The way to a daemon, with the token in each call.
type Way = InterceptedService<Channel, Bearer>;

/// A daemon; connected to with the first call, and anew with the next one after the connection broke.
#[derive(Clone, Debug)]
pub struct Daemon {
    address: String,
    channel: Channel,
    bearer: Bearer,
}

impl Daemon {
    /// The one that listens there. Must be called inside a runtime.
    ///
    /// # Errors
    /// When the credentials cannot be read, or do not go with the address.
    pub fn at(server: &Server, credentials: &Credentials) -> Result<Self, Failure> {
        let (endpoint, bearer) = server.endpoint(credentials)?;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .connect_lazy();
        Ok(Self {
            address: server.address.clone(),
            channel,
            bearer,
        })
    }

    /// Its verdicts.
    pub fn inspection(&self) -> InspectionServiceClient<Way> {
        InspectionServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
            .max_decoding_message_size(MESSAGE_LIMIT)
    }

    /// Its recipes.
    pub fn recipes(&self) -> RecipeServiceClient<Way> {
        RecipeServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    /// Its state.
    pub fn line(&self) -> LineServiceClient<Way> {
        LineServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    /// Its thresholds and replays.
    pub fn tuning(&self) -> TuningServiceClient<Way> {
        TuningServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    /// Waits for the answer to a call, or for the beginning of its stream.
    ///
    /// # Errors
    /// When the daemon is not there, is silent for longer than `limit`, or refuses.
    pub async fn answer<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of_call(&self.address, status)),
            Err(_) => Err(Failure::Unreachable {
                server: self.address.clone(),
                reason: format!("no answer within {} s", limit.as_secs()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole() {
        let check = |text: &str, accepted: bool| {
            assert_eq!(text.parse::<Server>().is_ok(), accepted, "{text:?}");
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

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_named() {
        let server = "http://127.0.0.1:1".parse().expect("a whole address");
        let daemon = Daemon::at(&server, &Credentials::default()).expect("no credentials");
        let mut line = daemon.line();
        let call = line.get_status(inspectd_client::proto::GetStatusRequest {});
        let failure = daemon
            .answer(ANSWER_TIMEOUT, call)
            .await
            .expect_err("port 1 is closed");
        let text = failure.to_string();
        assert!(text.contains("http://127.0.0.1:1:"), "{text}");
        assert!(text.contains("refused"), "{text}");
    }
}
