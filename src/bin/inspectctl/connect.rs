//! The way to the daemon: its address, the connection, and how long an answer may take.

use std::str::FromStr;
use std::time::Duration;

use inspectd::grpc::proto::inspection_service_client::InspectionServiceClient;
use inspectd::grpc::proto::line_service_client::LineServiceClient;
use inspectd::grpc::proto::tuning_service_client::TuningServiceClient;
use thiserror::Error;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

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
pub struct Server(Endpoint);

/// Why a text is no address of a daemon.
#[derive(Debug, Error)]
#[error("must be http://HOST:PORT")]
pub struct ServerError;

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let endpoint = Endpoint::from_shared(url).map_err(|_| ServerError)?;
        let uri = endpoint.uri();
        let complete = uri.scheme_str() == Some("http")
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.port().is_some()
            && uri.path().trim_matches('/').is_empty();
        complete.then_some(Self(endpoint)).ok_or(ServerError)
    }
}

/// A daemon; connected to with the first call, and anew with the next one after the connection broke.
#[derive(Clone, Debug)]
pub struct Daemon {
    address: String,
    channel: Channel,
}

impl Daemon {
    /// The one that listens there. Must be called inside a runtime.
    pub fn at(server: &Server) -> Self {
        let channel = server
            .0
            .clone()
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .connect_lazy();
        Self {
            address: server.0.uri().to_string().trim_end_matches('/').to_owned(),
            channel,
        }
    }

    /// Its verdicts.
    pub fn inspection(&self) -> InspectionServiceClient<Channel> {
        InspectionServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_LIMIT)
    }

    /// Its state.
    pub fn line(&self) -> LineServiceClient<Channel> {
        LineServiceClient::new(self.channel.clone())
    }

    /// Its thresholds and replays.
    pub fn tuning(&self) -> TuningServiceClient<Channel> {
        TuningServiceClient::new(self.channel.clone())
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
        check("https://box:50051", false);
        check("http://box:50051/verdicts", false);
        check("http://:50051", false);
        check("box:port", false);
        check("", false);
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_is_named() {
        let server = "http://127.0.0.1:1".parse().expect("a whole address");
        let daemon = Daemon::at(&server);
        let mut line = daemon.line();
        let call = line.get_status(inspectd::grpc::proto::GetStatusRequest {});
        let failure = daemon
            .answer(ANSWER_TIMEOUT, call)
            .await
            .expect_err("port 1 is closed");
        let text = failure.to_string();
        assert!(text.contains("http://127.0.0.1:1:"), "{text}");
        assert!(text.contains("refused"), "{text}");
    }
}
