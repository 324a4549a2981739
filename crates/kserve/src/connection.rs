//! One connection to one server.

use std::future::Future;
use std::io::{Error as IoError, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::Request;
use tonic::transport::{Channel, Uri};

use crate::address::ServerAddress;
use crate::error::{Error, causes};
use crate::proto::grpc_inference_service_client::GrpcInferenceServiceClient;
use crate::proto::{ModelMetadataRequest, ModelReadyRequest, ServerReadyRequest};
use crate::{Answer, ServedModel, metadata, tensors};

/// Largest answer that is not a run, bytes. Metadata of a model are a few hundred.
const SMALL_ANSWER: usize = 64 << 10;

/// What an answer of a run may have beyond its maps, bytes: names, shapes and parameters.
const ANSWER_SLACK: usize = 64 << 10;

/// A connection to a server that has the model, with the inputs and outputs that it must have. It does not connect again: after
/// it is lost, every call is an error. Clones use the same connection.
///
/// No keep-alive is sent: a server of gRPC closes a connection that sends more of them than it expects (Triton: one in 5
/// minutes).
#[derive(Clone, Debug)]
pub struct Connection {
    channel: Channel,
    model: Arc<ServedModel>,
}

impl Connection {
    /// Connects, and checks that the server and the model are ready and that the model has the inputs and outputs of `model`.
    ///
    /// # Errors
    /// When any of this is not so, or is not known within `limit`.
    pub async fn open(
        address: &ServerAddress,
        model: ServedModel,
        limit: Duration,
    ) -> Result<Self, Error> {
        within(limit, async {
            let connection = Self {
                channel: connect(address, limit).await?,
                model: Arc::new(model),
            };
            connection.check().await?;
            Ok(connection)
        })
        .await
    }

    async fn check(&self) -> Result<(), Error> {
        let mut client = GrpcInferenceServiceClient::new(self.channel.clone())
            .max_decoding_message_size(SMALL_ANSWER);
        let ready = client.server_ready(ServerReadyRequest {}).await?;
        if !ready.into_inner().ready {
            return Err(Error::NotReady("the server".to_owned()));
        }
        let name = self.model.name.clone();
        let version = self.model.version.clone().unwrap_or_default();
        let request = ModelReadyRequest {
            name: name.clone(),
            version: version.clone(),
        };
        if !client.model_ready(request).await?.into_inner().ready {
            return Err(Error::NotReady(format!("the model {name} of the server")));
        }
        let request = ModelMetadataRequest { name, version };
        let found = client.model_metadata(request).await?.into_inner();
        metadata::check(&self.model, &found)
    }

    /// Runs the model over `count` frames, whose pixels follow each other in `pixels`, and waits at most `limit`.
    ///
    /// # Errors
    /// When no valid answer arrives in time. The answer is valid if it names the model, and has exactly the outputs of the
    /// model, in 32-bit floats, of the right shape and length, and all finite.
    pub async fn infer(
        &self,
        pixels: Vec<u8>,
        count: usize,
        limit: Duration,
    ) -> Result<Answer, Error> {
        let mut request = Request::new(tensors::request(&self.model, pixels, count)?);
        // The server can drop a request that nobody waits for.
        request.set_timeout(limit);
        let maps = self.model.outputs().len() * count * self.model.map_bytes();
        let mut client = GrpcInferenceServiceClient::new(self.channel.clone())
            .max_decoding_message_size(maps.saturating_add(ANSWER_SLACK));
        let found = within(limit, async { Ok(client.model_infer(request).await?) }).await?;
        tensors::answer(&self.model, found.into_inner(), count)
    }
}

/// The result of `work`, or an error after `limit`. gRPC's own deadline can end the work a moment earlier, with the same error.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let timed_out = || Error::TimedOut(limit.as_millis());
    match tokio::time::timeout(limit, work).await {
        Ok(Err(Error::Call { code, message }))
            if matches!(code.as_str(), "DeadlineExceeded")
                || code == "Cancelled" && message.contains("Timeout expired") =>
        {
            Err(timed_out())
        }
        Ok(result) => result,
        Err(_) => Err(timed_out()),
    }
}

/// A channel over one connection. tonic would connect again after the connection is lost, without a word about it.
async fn connect(address: &ServerAddress, limit: Duration) -> Result<Channel, Error> {
    let (host, port) = address.socket();
    let used = Arc::new(AtomicBool::new(false));
    let connector = tower::service_fn(move |_: Uri| {
        let (used, host) = (Arc::clone(&used), host.clone());
        async move {
            if used.swap(true, Ordering::Relaxed) {
                return Err(IoError::new(
                    ErrorKind::NotConnected,
                    "the connection was lost",
                ));
            }
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        }
    });
    let endpoint = address.endpoint(limit);
    let connected = endpoint.connect_with_connector(connector).await;
    connected.map_err(|error| Error::Connect(causes(&error)))
}
