//! A receiver of OTLP over gRPC that checks the form of everything it receives.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::harness::PATIENCE;

/// A received span with what it came with.
#[derive(Clone, Debug)]
pub struct ReceivedSpan {
    pub span: Span,
    pub resource: BTreeMap<String, String>,
    pub headers: MetadataMap,
}

impl ReceivedSpan {
    pub fn trace(&self) -> String {
        hex(&self.span.trace_id)
    }

    pub fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    /// Empty for a span without one.
    pub fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    pub fn attribute(&self, name: &str) -> Option<String> {
        attributes(&self.span.attributes).remove(name)
    }

    /// Whether `inner` is within the time of this span. The times of two verdicts come from two readings of the clocks, which
    /// do not agree to the nanosecond.
    pub fn contains(&self, inner: &Self) -> bool {
        const READING_NS: u64 = 1_000_000;
        self.span.start_time_unix_nano <= inner.span.start_time_unix_nano + READING_NS
            && inner.span.end_time_unix_nano <= self.span.end_time_unix_nano + READING_NS
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.as_ref()?.value.as_ref()?;
        Some(match value {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            Value::DoubleValue(number) => number.to_string(),
            Value::BoolValue(flag) => flag.to_string(),
            other => panic!("an attribute of another type: {other:?}"),
        })
    };
    let of = |attribute: &KeyValue| Some((attribute.key.clone(), text(attribute)?));
    let found: BTreeMap<_, _> = attributes.iter().filter_map(of).collect();
    assert_eq!(
        found.len(),
        attributes.len(),
        "no key twice, each with a value"
    );
    found
}

#[derive(Clone, Default)]
struct Service {
    spans: Arc<Mutex<Vec<ReceivedSpan>>>,
    /// What was wrong with the received spans.
    violations: Arc<Mutex<Vec<String>>>,
    hangs: Arc<AtomicBool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let headers = request.metadata().clone();
        let mut received = lock(&self.spans);
        let mut known: HashSet<Vec<u8>> = received
            .iter()
            .map(|span| span.span.span_id.clone())
            .collect();
        for resource in request.into_inner().resource_spans {
            let of = resource
                .resource
                .map(|resource| attributes(&resource.attributes));
            let of = of.unwrap_or_default();
            for scope in resource.scope_spans {
                let name = scope.scope.map(|scope| scope.name).unwrap_or_default();
                for span in scope.spans {
                    if let Some(violation) = violation(&span, &name, &mut known) {
                        lock(&self.violations).push(format!("{violation}: {span:?}"));
                    }
                    received.push(ReceivedSpan {
                        span,
                        resource: of.clone(),
                        headers: headers.clone(),
                    });
                }
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// What is wrong with a span by the specification of OTLP.
fn violation(span: &Span, scope: &str, known: &mut HashSet<Vec<u8>>) -> Option<&'static str> {
    let is_id = |bytes: &[u8], length| bytes.len() == length && bytes.iter().any(|byte| *byte != 0);
    let parent = &span.parent_span_id;
    if !is_id(&span.trace_id, 16) || !is_id(&span.span_id, 8) {
        Some("an id is not valid")
    } else if !parent.is_empty() && (!is_id(parent, 8) || *parent == span.span_id) {
        Some("the parent is not valid")
    } else if !known.insert(span.span_id.clone()) {
        Some("two spans have one id")
    } else if span.name.is_empty() || scope != "inspectd" {
        Some("no name of span or scope")
    } else if span.kind == 0 {
        Some("no kind")
    } else if span.start_time_unix_nano == 0 || span.end_time_unix_nano < span.start_time_unix_nano
    {
        Some("it ends before it starts")
    } else if span.flags & 1 == 0 {
        Some("it is not sampled")
    } else {
        None
    }
}

/// A running receiver.
pub struct Receiver {
    pub address: SocketAddr,
    service: Service,
    shutdown: Option<oneshot::Sender<()>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::start_at(
            "127.0.0.1:0".parse().expect("an address"),
            Service::default(),
        )
        .await
    }

    /// A receiver over TLS.
    pub async fn start_tls(identity: Identity) -> Self {
        let tls = ServerTlsConfig::new().identity(identity);
        let server = Server::builder().tls_config(tls).expect("a certificate");
        let any = "127.0.0.1:0".parse().expect("an address");
        Self::serve(server, any, Service::default()).await
    }

    async fn start_at(address: SocketAddr, service: Service) -> Self {
        Self::serve(Server::builder(), address, service).await
    }

    async fn serve(mut server: Server, address: SocketAddr, service: Service) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (shutdown, ended) = oneshot::channel::<()>();
        let server = server
            .add_service(TraceServiceServer::new(service.clone()))
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), async move {
                let _ = ended.await;
            });
        let task = tokio::spawn(async move { server.await.expect("the receiver serves") });
        Self {
            address,
            service,
            shutdown: Some(shutdown),
            task: Some(task),
        }
    }

    /// Whether calls are answered.
    pub fn hang(&self, hangs: bool) {
        self.service.hangs.store(hangs, Ordering::SeqCst);
    }

    /// Stops and closes the port. The connections are cut.
    pub async fn stop(&mut self) {
        drop(self.shutdown.take());
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Listens again at the same port.
    pub async fn restart(&mut self) {
        *self = Self::start_at(self.address, self.service.clone()).await;
    }

    /// Everything that was received so far, after the check that it is well-formed.
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        assert_eq!(*lock(&self.service.violations), Vec::<String>::new());
        lock(&self.service.spans).clone()
    }

    /// Waits until `wanted` holds for the received spans.
    pub async fn when(
        &self,
        what: &str,
        wanted: impl Fn(&[ReceivedSpan]) -> bool,
    ) -> Vec<ReceivedSpan> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans();
            if wanted(&spans) {
                return spans;
            }
            let names: Vec<&str> = spans.iter().map(|span| &*span.span.name).collect();
            assert!(Instant::now() < deadline, "never {what}: {names:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}
