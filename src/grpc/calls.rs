//! Calls of the services from within this process: the page makes them for its users, as JSON.
//!
//! They pass access control, limits and audit log like every other call, so the page has no second implementation of
//! these.

mod report;

use std::sync::Arc;

use prost_reflect::bytes::{Buf, BufMut};
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde::Serialize;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::http::{HeaderValue, header::AUTHORIZATION};
use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::{Code, Request, Status, Streaming};
use tower::Layer;

use super::auth::{AuthLayer, AuthService};
use super::proto::inspection_service_client::InspectionServiceClient;
use super::proto::line_service_client::LineServiceClient;
use super::proto::{
    DESCRIPTORS, DatasetFile, ExportDatasetRequest, ExportDatasetResponse, GetCameraViewRequest,
    GetEvidenceRequest, ImageFormat, StreamVerdictsRequest, StreamVerdictsResponse,
    WatchBrightnessRequest, WatchBrightnessResponse, WatchStatusRequest, WatchStatusResponse,
    export_dataset_response,
};
use super::status;
use crate::access::{Peer, Unknown};

/// The package of the services.
const PACKAGE: &str = "inspectd.v1";

/// The services behind their access control.
#[derive(Clone)]
pub struct Calls {
    services: AuthService<Routes>,
    descriptors: DescriptorPool,
    message_limit: usize,
}

/// For whom a call is made.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The other end of the connection.
    pub peer: Arc<Peer>,
    /// The header `authorization`.
    pub authorization: Option<HeaderValue>,
}

/// Why a call failed, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallError {
    /// The gRPC code, such as `NOT_FOUND`.
    pub code: &'static str,
    /// The explanation.
    pub message: String,
    /// The status of HTTP.
    #[serde(skip)]
    pub http_status: u16,
}

impl Calls {
    pub(super) fn new(layer: &AuthLayer, routes: Routes, message_limit: usize) -> Self {
        let descriptors = DescriptorPool::decode(DESCRIPTORS);
        Self {
            services: layer.layer(routes.prepare()),
            descriptors: descriptors.expect("they were compiled with this program"),
            message_limit,
        }
    }

    /// Makes a call with one answer, with its request and answer as JSON. An empty request is `{}`.
    ///
    /// # Errors
    /// When the service does not have the method, the request is not valid, or the call fails.
    ///
    /// # Panics
    /// When the descriptors, which are part of the program, are damaged.
    pub async fn unary(
        &self,
        caller: &Caller,
        service: &str,
        method: &str,
        request: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let descriptor = self
            .descriptors
            .get_service_by_name(&format!("{PACKAGE}.{service}"))
            .and_then(|service| service.methods().find(|one| one.name() == method))
            .filter(|method| !method.is_server_streaming() && !method.is_client_streaming());
        let path = format!("/{PACKAGE}.{service}/{method}");
        let descriptor = descriptor.ok_or_else(|| CallError::from(status::unknown_call(&path)))?;
        let message = from_json(descriptor.input(), request)?;
        let codec = JsonCodec {
            answer: descriptor.output(),
        };
        let mut client =
            Grpc::new(self.services.clone()).max_decoding_message_size(self.message_limit);
        let path = PathAndQuery::try_from(path).expect("names of the descriptors");
        client.ready().await.expect("the services are always ready");
        let answer = client
            .unary(caller.request(message), path, codec)
            .await
            .map_err(CallError::from)?;
        Ok(json(&answer.into_inner()))
    }

    /// The pictures of a verdict as JPEG images, the longer side of each at most `side_limit` pixels.
    ///
    /// # Errors
    /// As those of `GetEvidence`.
    pub async fn pictures(
        &self,
        caller: &Caller,
        sequence: u64,
        side_limit: u32,
    ) -> Result<Pictures, CallError> {
        let request = GetEvidenceRequest {
            sequence,
            format: ImageFormat::Jpeg.into(),
            side_limit,
        };
        let mut client = InspectionServiceClient::new(self.services.clone())
            .max_decoding_message_size(self.message_limit);
        let answer = client.get_evidence(caller.request(request)).await;
        let evidence = answer.map_err(CallError::from)?.into_inner();
        Ok(Pictures {
            frame: evidence.frame,
            heatmap: evidence.heatmap,
        })
    }

    /// The next frame of a camera, the longer side at most `side_limit` pixels, with its measurements.
    ///
    /// # Errors
    /// As those of `GetCameraView`.
    pub async fn camera_view(
        &self,
        caller: &Caller,
        camera_id: String,
        side_limit: u32,
    ) -> Result<CameraPicture, CallError> {
        let request = GetCameraViewRequest {
            camera_id,
            side_limit,
        };
        let mut client = LineServiceClient::new(self.services.clone())
            .max_decoding_message_size(self.message_limit);
        let answer = client.get_camera_view(caller.request(request)).await;
        let mut view = answer.map_err(CallError::from)?.into_inner();
        let frame = std::mem::take(&mut view.frame);
        Ok(CameraPicture {
            measured: self.json_of("GetCameraViewResponse", &view),
            frame,
        })
    }

    /// The files of the dataset of a camera.
    ///
    /// # Errors
    /// As those of `ExportDataset`.
    pub async fn dataset(
        &self,
        caller: &Caller,
        camera_id: String,
        recipe_id: String,
    ) -> Result<DatasetFiles, CallError> {
        let request = ExportDatasetRequest {
            camera_id,
            recipe_id,
            ..ExportDatasetRequest::default()
        };
        let mut client = InspectionServiceClient::new(self.services.clone())
            .max_decoding_message_size(self.message_limit);
        let answer = client.export_dataset(caller.request(request)).await;
        Ok(DatasetFiles(answer.map_err(CallError::from)?.into_inner()))
    }

    /// The brightness of the frames of a camera as they are delivered.
    ///
    /// # Errors
    /// As those of `WatchBrightness`.
    pub async fn brightness(
        &self,
        caller: &Caller,
        camera_id: String,
    ) -> Result<BrightnessLevels, CallError> {
        let request = caller.request(WatchBrightnessRequest { camera_id });
        let mut client = LineServiceClient::new(self.services.clone());
        let answer = client.watch_brightness(request).await;
        Ok(BrightnessLevels(
            answer.map_err(CallError::from)?.into_inner(),
        ))
    }

    /// Opens a stream of verdicts and one of states, as they are shown live.
    ///
    /// # Errors
    /// As those of `StreamVerdicts` and `WatchStatus`.
    pub(super) async fn live(
        &self,
        caller: &Caller,
    ) -> Result<
        (
            Streaming<StreamVerdictsResponse>,
            Streaming<WatchStatusResponse>,
        ),
        Status,
    > {
        let mut inspection = InspectionServiceClient::new(self.services.clone());
        let mut line = LineServiceClient::new(self.services.clone());
        let verdicts = caller.request(StreamVerdictsRequest::default());
        let verdicts = inspection.stream_verdicts(verdicts).await?;
        let status = caller.request(WatchStatusRequest::default());
        let status = line.watch_status(status).await?;
        Ok((verdicts.into_inner(), status.into_inner()))
    }

    /// A message of the package as JSON.
    ///
    /// # Panics
    /// When the package has no message of this name.
    pub(super) fn json_of(&self, name: &str, message: &impl Message) -> Vec<u8> {
        let descriptor = self
            .descriptors
            .get_message_by_name(&format!("{PACKAGE}.{name}"));
        let descriptor = descriptor.expect("a message of the package");
        let mut dynamic = DynamicMessage::new(descriptor);
        let transcoded = dynamic.transcode_from(message);
        transcoded.expect("the same message");
        json(&dynamic)
    }
}

/// The files of a dataset, one after the other.
#[derive(Debug)]
pub struct DatasetFiles(Streaming<ExportDatasetResponse>);

impl DatasetFiles {
    /// The next file; none after the last one.
    ///
    /// # Errors
    /// As those of `ExportDataset`.
    pub async fn next(&mut self) -> Result<Option<DatasetFile>, CallError> {
        loop {
            let response = self.0.message().await.map_err(CallError::from)?;
            match response.map(|response| response.event) {
                Some(Some(export_dataset_response::Event::File(file))) => return Ok(Some(file)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
}

/// The brightness of the frames of a camera.
#[derive(Debug)]
pub struct BrightnessLevels(Streaming<WatchBrightnessResponse>);

impl BrightnessLevels {
    /// The mean of the pixels of the next frame, 0 to 255; none when the camera is removed.
    ///
    /// # Errors
    /// As those of `WatchBrightness`.
    pub async fn next(&mut self) -> Result<Option<f32>, CallError> {
        let response = self.0.message().await.map_err(CallError::from)?;
        Ok(response.map(|response| response.level))
    }
}

/// The frame of a camera.
#[derive(Clone, Debug)]
pub struct CameraPicture {
    /// The frame, JPEG.
    pub frame: Vec<u8>,
    /// The other fields of `GetCameraViewResponse`, JSON.
    pub measured: Vec<u8>,
}

/// The pictures of a verdict, JPEG.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// The inspected frame.
    pub frame: Vec<u8>,
    /// The frame with the anomaly map drawn over it; empty for a FAULT, which has no map.
    pub heatmap: Vec<u8>,
}

impl Caller {
    /// This process itself, an engineer.
    pub fn own() -> Self {
        Self {
            peer: Arc::new(Peer::unix(None)),
            authorization: None,
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(Arc::clone(&self.peer));
        if let Some(value) = &self.authorization
            && let Ok(value) = MetadataValue::try_from(value.as_bytes())
        {
            request.metadata_mut().insert(AUTHORIZATION.as_str(), value);
        }
        request
    }
}

impl CallError {
    /// The caller is not known.
    pub fn unauthenticated(unknown: &Unknown) -> Self {
        status::unknown_client(unknown).into()
    }

    /// Something that the caller asks for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Status::not_found(message).into()
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        let (code, http_status) = names(status.code());
        Self {
            code,
            message: status.message().to_owned(),
            http_status,
        }
    }
}

/// The name of a code, and its status of HTTP (`google/rpc/code.proto`).
fn names(code: Code) -> (&'static str, u16) {
    match code {
        Code::Ok => ("OK", 200),
        Code::Cancelled => ("CANCELLED", 499),
        Code::Unknown => ("UNKNOWN", 500),
        Code::InvalidArgument => ("INVALID_ARGUMENT", 400),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504),
        Code::NotFound => ("NOT_FOUND", 404),
        Code::AlreadyExists => ("ALREADY_EXISTS", 409),
        Code::PermissionDenied => ("PERMISSION_DENIED", 403),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", 400),
        Code::Aborted => ("ABORTED", 409),
        Code::OutOfRange => ("OUT_OF_RANGE", 400),
        Code::Unimplemented => ("UNIMPLEMENTED", 501),
        Code::Internal => ("INTERNAL", 500),
        Code::Unavailable => ("UNAVAILABLE", 503),
        Code::DataLoss => ("DATA_LOSS", 500),
        Code::Unauthenticated => ("UNAUTHENTICATED", 401),
    }
}

/// Reads a message from JSON.
fn from_json(descriptor: MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, CallError> {
    let text = if text.is_empty() { b"{}" } else { text };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let message = DynamicMessage::deserialize(descriptor, &mut reader);
    let complete = message.and_then(|message| reader.end().map(|()| message));
    complete.map_err(|error| status::invalid("request", error.to_string()).into())
}

/// Writes a message as JSON: names of the fields as in the definition, numbers of 64 bits as numbers, values that are
/// not set as their default.
fn json(message: &DynamicMessage) -> Vec<u8> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::new(&mut text);
    let written = message.serialize_with_options(&mut writer, &options);
    written.expect("a message can be written to memory");
    text
}

/// Encodes and decodes messages whose types are known by their descriptors.
struct JsonCodec {
    answer: MessageDescriptor,
}

impl Codec for JsonCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self {
            answer: self.answer.clone(),
        }
    }

    fn decoder(&mut self) -> Self {
        self.encoder()
    }
}

impl Encoder for JsonCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item.encode_to_vec());
        Ok(())
    }
}

impl Decoder for JsonCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let decoded = DynamicMessage::decode(self.answer.clone(), bytes);
        decoded
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
