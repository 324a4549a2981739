//! The connection to a daemon, and the time limits of calls.

use std::sync::Arc;
use std::time::Duration;

use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::credentials::{BearerToken, Credentials};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::proto::inspection_service_client::InspectionServiceClient;
use crate::proto::line_service_client::LineServiceClient;
use crate::proto::model_service_client::ModelServiceClient;
use crate::proto::recipe_service_client::RecipeServiceClient;
use crate::proto::report_service_client::ReportServiceClient;
use crate::proto::tuning_service_client::TuningServiceClient;

/// A daemon on the same network connects in milliseconds; a host that is switched off never does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that is not gRPC may accept a connection and stay silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// A silent connection is probed after this time, so that a machine without power is noticed ...
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// ... and closed after this time without an answer.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Two uncompressed images of the largest camera fit. tonic's default, 4 MiB, does not hold one of 5 Mpx.
const MESSAGE_LIMIT_BYTES: usize = 512 << 20;

/// A gRPC channel that sends the token with each call.
pub type Connection = InterceptedService<Channel, BearerToken>;

/// Options of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    endpoint: Endpoint,
    credentials: Credentials,
    connect_timeout: Duration,
    answer_timeout: Duration,
}

impl ClientBuilder {
    /// Sets the certificates and the token.
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self {
            credentials,
            ..self
        }
    }

    /// Sets how long a connection may take to open. 5 s if unset.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// Sets how long the daemon may take to answer a call, or to begin a stream. 10 s if unset.
    #[must_use]
    pub fn answer_timeout(self, answer_timeout: Duration) -> Self {
        Self {
            answer_timeout,
            ..self
        }
    }

    /// Creates the client. The first call connects.
    ///
    /// # Errors
    /// If the credentials cannot be used with the endpoint.
    ///
    /// # Panics
    /// If called outside a Tokio runtime.
    pub fn build(self) -> Result<Client, Error> {
        let (transport, token) = self.credentials.apply(&self.endpoint)?;
        let channel = transport
            .connect_timeout(self.connect_timeout)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .connect_lazy();
        Ok(Client {
            address: self.endpoint.address().into(),
            channel,
            token,
            answer_timeout: self.answer_timeout,
        })
    }
}

/// A client of one daemon.
///
/// It connects with the first call, and again with the next call after the connection broke. Clones share
/// the connection.
#[derive(Clone, Debug)]
pub struct Client {
    address: Arc<str>,
    channel: Channel,
    token: BearerToken,
    answer_timeout: Duration,
}

impl Client {
    /// Returns the options of a client of the daemon at this endpoint.
    pub fn builder(endpoint: Endpoint) -> ClientBuilder {
        ClientBuilder {
            endpoint,
            credentials: Credentials::new(),
            connect_timeout: CONNECT_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }

    /// Returns the address of the daemon.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the generated client of the inspection service.
    pub fn inspection(&self) -> InspectionServiceClient<Connection> {
        InspectionServiceClient::with_interceptor(self.channel.clone(), self.token.clone())
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    /// Returns the generated client of the line service.
    pub fn line(&self) -> LineServiceClient<Connection> {
        LineServiceClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    /// Returns the generated client of the model service.
    pub fn models(&self) -> ModelServiceClient<Connection> {
        ModelServiceClient::with_interceptor(self.channel.clone(), self.token.clone())
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    /// Returns the generated client of the recipe service.
    pub fn recipes(&self) -> RecipeServiceClient<Connection> {
        RecipeServiceClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    /// Returns the generated client of the report service.
    pub fn reports(&self) -> ReportServiceClient<Connection> {
        ReportServiceClient::with_interceptor(self.channel.clone(), self.token.clone())
            .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    /// Returns the generated client of the tuning service.
    pub fn tuning(&self) -> TuningServiceClient<Connection> {
        TuningServiceClient::with_interceptor(self.channel.clone(), self.token.clone())
    }

    /// Waits for the answer to a call of a generated client, or for the beginning of its stream.
    ///
    /// # Errors
    /// If the daemon does not answer within the configured time, or refuses.
    pub async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Error> {
        self.answer_within(self.answer_timeout, call).await
    }

    /// Waits for the answer to a call, as [`Client::answer`], for at most `limit`.
    ///
    /// # Errors
    /// If the daemon does not answer within `limit`, or refuses.
    pub async fn answer_within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Error::from_call(&self.address, &status)),
            Err(_) => Err(Error::timed_out(&self.address, limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refused_connection_is_unreachable_with_address_and_reason() {
        let endpoint = "http://127.0.0.1:1".parse().expect("a complete address");
        let client = Client::builder(endpoint).build().expect("no credentials");
        let error = client.status().await.expect_err("port 1 is closed");
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("http://127.0.0.1:1:"), "{text}");
        assert!(text.contains("refused"), "{text}");
    }

    #[tokio::test]
    async fn silent_server_is_unreachable_after_the_answer_timeout() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let endpoint = format!("http://{address}").parse();
        let client = Client::builder(endpoint.expect("a complete address"))
            .answer_timeout(Duration::from_millis(50))
            .build()
            .expect("no credentials");
        let error = client.status().await.expect_err("nobody answers");
        let text = error.to_string();
        assert!(text.ends_with("no answer within 0.05 s"), "{text}");
        assert!(error.is_transient());
    }
}
