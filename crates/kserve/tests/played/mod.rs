//! A server that answers as a test says.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use inspectd_kserve::proto::grpc_inference_service_server::{
    GrpcInferenceService, GrpcInferenceServiceServer,
};
use inspectd_kserve::proto::model_infer_response::InferOutputTensor;
use inspectd_kserve::proto::model_metadata_response::TensorMetadata;
use inspectd_kserve::proto::{
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest, ModelMetadataResponse,
    ModelReadyRequest, ModelReadyResponse, ServerReadyRequest, ServerReadyResponse,
};
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

/// Name of the model.
pub const MODEL: &str = "played-0123456789ab";

type Change = Box<dyn Fn(&mut ModelInferResponse) + Send + Sync>;

/// What a server does with a run.
pub enum Behaviour {
    /// Gives the right answer for two frames, changed by this.
    Changed(Change),
    /// Gives this error.
    Fails(Code, &'static str),
    /// Never answers.
    Silent,
    /// Gives right answers without end.
    Endless,
    /// Has no model that is ready.
    NotReady,
}

/// The right answer for two frames.
pub fn good_answer() -> ModelInferResponse {
    let output = |name: &str| InferOutputTensor {
        name: name.to_owned(),
        datatype: "FP32".to_owned(),
        shape: vec![2, 1, 2],
    };
    let raw = |values: [f32; 4]| values.map(f32::to_le_bytes).concat();
    ModelInferResponse {
        model_name: MODEL.to_owned(),
        model_version: "3".to_owned(),
        id: String::new(),
        outputs: vec![output("structural"), output("logical")],
        raw_output_contents: vec![raw([0.5, 1.5, 2.5, 3.5]), raw([-1.0, -2.0, -3.0, -4.0])],
    }
}

fn any_port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

/// A server that runs until it is dropped.
pub struct PlayedServer {
    address: SocketAddr,
    behaviour: Arc<Behaviour>,
    /// Of its own: it ends with all connections.
    runtime: Option<Runtime>,
}

impl Drop for PlayedServer {
    fn drop(&mut self) {
        self.end();
    }
}

impl PlayedServer {
    /// Starts a server.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::serve(any_port(), Arc::new(behaviour), None)
    }

    /// Starts a server with a certificate, which gives right answers.
    pub fn start_tls(identity: Identity) -> Self {
        let behaviour = Behaviour::Changed(Box::new(|_| ()));
        Self::serve(any_port(), Arc::new(behaviour), Some(identity))
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Ends the server and its connections, and starts another one with the same address.
    pub async fn restart(mut self) -> Self {
        self.end();
        let listener = loop {
            match TcpListener::bind(self.address) {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        Self::serve(listener, Arc::clone(&self.behaviour), None)
    }

    fn serve(listener: TcpListener, behaviour: Arc<Behaviour>, tls: Option<Identity>) -> Self {
        let address = listener.local_addr().expect("an address");
        let played = Played(Arc::clone(&behaviour));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.spawn(async move {
            listener.set_nonblocking(true).expect("a listener");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            let mut server = Server::builder();
            if let Some(identity) = tls {
                let tls = ServerTlsConfig::new().identity(identity);
                server = server.tls_config(tls).expect("a certificate");
            }
            let incoming = TcpListenerStream::new(listener);
            let running = if matches!(*played.0, Behaviour::Endless) {
                let service = EndlessServer(GrpcInferenceServiceServer::new(played));
                server
                    .add_service(service)
                    .serve_with_incoming(incoming)
                    .await
            } else {
                let service = GrpcInferenceServiceServer::new(played);
                server
                    .add_service(service)
                    .serve_with_incoming(incoming)
                    .await
            };
            running.expect("a server");
        });
        Self {
            address,
            behaviour,
            runtime: Some(runtime),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address with TLS.
    pub fn tls_url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

struct Played(Arc<Behaviour>);

#[tonic::async_trait]
impl GrpcInferenceService for Played {
    async fn server_ready(
        &self,
        _: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: true }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        assert_eq!(request.into_inner().name, MODEL);
        let ready = !matches!(*self.0, Behaviour::NotReady);
        Ok(Response::new(ModelReadyResponse { ready }))
    }

    async fn model_metadata(
        &self,
        _: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let tensor = |name: &str, datatype: &str, shape: &[i64]| TensorMetadata {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
        };
        Ok(Response::new(ModelMetadataResponse {
            name: MODEL.to_owned(),
            versions: vec!["3".to_owned()],
            platform: "played".to_owned(),
            inputs: vec![tensor("frame", "UINT8", &[-1, 2, 4, 3])],
            outputs: ["structural", "logical"]
                .map(|name| tensor(name, "FP32", &[-1, 1, 2]))
                .to_vec(),
        }))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let request = request.into_inner();
        assert_eq!(request.inputs[0].datatype, "UINT8");
        assert_eq!(request.inputs[0].shape[1..], [2, 4, 3]);
        match &*self.0 {
            Behaviour::Changed(change) => {
                let mut answer = good_answer();
                change(&mut answer);
                Ok(Response::new(answer))
            }
            Behaviour::Fails(code, message) => Err(Status::new(*code, *message)),
            Behaviour::Silent | Behaviour::Endless | Behaviour::NotReady => pending().await,
        }
    }
}

/// The same service, whose answer to a run is a stream of right answers without end.
#[derive(Clone)]
struct EndlessServer(GrpcInferenceServiceServer<Played>);

impl NamedService for EndlessServer {
    const NAME: &'static str = "inference.GRPCInferenceService";
}

struct EndlessRun;

impl ServerStreamingService<ModelInferRequest> for EndlessRun {
    type Response = ModelInferResponse;
    type ResponseStream =
        tokio_stream::Iter<std::iter::RepeatWith<fn() -> Result<ModelInferResponse, Status>>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<ModelInferRequest>) -> Self::Future {
        let answer: fn() -> Result<ModelInferResponse, Status> = || Ok(good_answer());
        std::future::ready(Ok(Response::new(tokio_stream::iter(
            std::iter::repeat_with(answer),
        ))))
    }
}

impl Service<http::Request<Body>> for EndlessServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path().ends_with("/ModelInfer") {
            return Box::pin(async move {
                let codec = ProstCodec::<ModelInferResponse, ModelInferRequest>::default();
                Ok(Grpc::new(codec).server_streaming(EndlessRun, request).await)
            });
        }
        Service::<http::Request<Body>>::call(&mut self.0, request)
    }
}
