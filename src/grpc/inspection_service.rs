//! `inspectd.v1.InspectionService`.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use inspectd_core::id::CameraId;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use super::auth::{ImageCallPermit, identity};
use super::blocking::blocking_with;
use super::encoded_response::EncodedResponse;
use super::proto::inspection_service_server::InspectionService;
use super::proto::{
    AcknowledgeVerdictsRequest, AcknowledgeVerdictsResponse, ExportDatasetRequest,
    ExportDatasetResponse, ForgetConsumerRequest, ForgetConsumerResponse, GetEvidenceRequest,
    GetEvidenceResponse, InspectImageRequest, InspectImageResponse, LabelVerdictRequest,
    LabelVerdictResponse, ListConsumersRequest, ListConsumersResponse, ListLabelsRequest,
    ListLabelsResponse, ListVerdictsRequest, ListVerdictsResponse, StreamVerdictsRequest,
    TriggerInspectionRequest, TriggerInspectionResponse,
};
use super::service::GrpcService;
use super::stream::{StreamOptions, VerdictStream};
use super::{convert_verdict, fields, image, status};
use crate::journal::Filter;
use crate::telemetry::traces::InspectedImage;

#[tonic::async_trait]
impl InspectionService for GrpcService {
    type ExportDatasetStream = BoxStream<'static, Result<ExportDatasetResponse, Status>>;
    type StreamVerdictsStream = BoxStream<'static, Result<EncodedResponse, Status>>;

    async fn stream_verdicts(
        &self,
        request: Request<StreamVerdictsRequest>,
    ) -> Result<Response<Self::StreamVerdictsStream>, Status> {
        let client = identity(&request).clone();
        let StreamVerdictsRequest {
            camera_ids,
            decisions,
            start,
        } = request.into_inner();
        let filter = self.filter(&camera_ids, decisions)?;
        let service = self.of_client(&client);
        let (start, consumer) = service.stream_start(start).await?;
        let owner = match &consumer {
            Some(name) => self.own(name, &client)?,
            None => None,
        };
        let slot = self.streams.open(&client)?;
        if let Some(name) = &consumer {
            self.register_consumer(name, start, owner).await?;
        }
        let stream = VerdictStream::new(StreamOptions {
            pipeline: Arc::clone(&self.pipeline),
            clock: self.clock.clone(),
            filter,
            start,
            heartbeat: self.pipeline.active().settings.server.heartbeat_interval,
            ending: self.lifecycle.streams_ending(),
            consumer: consumer.map(|name| self.streams.consume(&name)),
            read_permits: service.read_permits,
            page_timeout: self.page_timeout(),
            slot,
            encoded: Arc::clone(&self.encoded),
        });
        Ok(Response::new(Box::pin(stream.into_stream())))
    }

    async fn acknowledge_verdicts(
        &self,
        request: Request<AcknowledgeVerdictsRequest>,
    ) -> Result<Response<AcknowledgeVerdictsResponse>, Status> {
        let client = identity(&request).clone();
        let caller = self.trace_context(request.metadata());
        let service = self.of_client(&client);
        let acknowledged = service.acknowledge(&client, request.into_inner(), caller);
        let consumer = Some(acknowledged.await?);
        Ok(Response::new(AcknowledgeVerdictsResponse { consumer }))
    }

    async fn list_consumers(
        &self,
        request: Request<ListConsumersRequest>,
    ) -> Result<Response<ListConsumersResponse>, Status> {
        let service = self.of_client(identity(&request));
        let consumers = service.consumers().await?;
        Ok(Response::new(ListConsumersResponse { consumers }))
    }

    async fn forget_consumer(
        &self,
        request: Request<ForgetConsumerRequest>,
    ) -> Result<Response<ForgetConsumerResponse>, Status> {
        self.forget(&request.into_inner().consumer).await?;
        Ok(Response::new(ForgetConsumerResponse {}))
    }

    async fn list_verdicts(
        &self,
        request: Request<ListVerdictsRequest>,
    ) -> Result<Response<ListVerdictsResponse>, Status> {
        let service = self.of_client(identity(&request));
        Ok(Response::new(service.list(request.into_inner()).await?))
    }

    async fn trigger_inspection(
        &self,
        request: Request<TriggerInspectionRequest>,
    ) -> Result<Response<TriggerInspectionResponse>, Status> {
        let parent = self.trace_context(request.metadata());
        let service = self.of_client(identity(&request));
        let accepted = service.trigger(request.into_inner(), parent).await?;
        Ok(Response::new(accepted))
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        let received = self.clock.now();
        let parent = self.trace_context(request.metadata());
        let permit = request.extensions().get::<ImageCallPermit>().cloned();
        let InspectImageRequest { image, camera_id } = request.into_inner();
        let image = image.ok_or_else(|| status::invalid("image", "must be set"))?;
        let camera = match camera_id.as_str() {
            "" => None,
            id => Some(self.configured_camera("camera_id", id)?),
        };
        let side_limit = self.pipeline.active().settings.server.image_side_limit;
        // The decoder goes on after a call that ends meanwhile.
        let decode = move || image::frame(image, side_limit);
        let frame = blocking_with(permit, decode).await??;
        let (sender, receiver) = oneshot::channel();
        let clock = self.clock.clone();
        let reply = Box::new(move |verdict| drop(sender.send((verdict, clock.now().monotonic))));
        // Dropped with the call: an image whose client has gone leaves the queue.
        let _pending = self
            .pipeline
            .inspect(frame, camera, reply)
            .map_err(|error| status::inspect(&error))?;
        let (verdict, committed) = receiver.await.map_err(|_| status::stopping())?;
        let response = InspectImageResponse {
            verdict: Some(convert_verdict::verdict(&verdict)),
        };
        let since_start = |at| self.pipeline.since_start(at);
        let image = InspectedImage {
            received: since_start(received.monotonic),
            committed: since_start(committed),
            answered: since_start(self.clock.now().monotonic),
            parent,
        };
        self.traces.inspected(&verdict, image);
        Ok(Response::new(response))
    }

    async fn get_evidence(
        &self,
        request: Request<GetEvidenceRequest>,
    ) -> Result<Response<GetEvidenceResponse>, Status> {
        let client = identity(&request).clone();
        let service = self.of_client(&client);
        let evidence = service.evidence(&client, request.into_inner());
        Ok(Response::new(evidence.await?))
    }

    async fn label_verdict(
        &self,
        request: Request<LabelVerdictRequest>,
    ) -> Result<Response<LabelVerdictResponse>, Status> {
        let client = identity(&request).clone();
        let service = self.of_client(&client);
        let label = service.label(&client, request.into_inner());
        Ok(Response::new(label.await?))
    }

    async fn export_dataset(
        &self,
        request: Request<ExportDatasetRequest>,
    ) -> Result<Response<Self::ExportDatasetStream>, Status> {
        let client = identity(&request).clone();
        let permit = self.tuning_permit(&client).await?;
        let service = self.of_client(&client);
        let files = service.dataset(&client, request.into_inner(), permit);
        Ok(Response::new(files.await?))
    }

    async fn list_labels(
        &self,
        request: Request<ListLabelsRequest>,
    ) -> Result<Response<ListLabelsResponse>, Status> {
        let service = self.of_client(identity(&request));
        Ok(Response::new(service.labels(request.into_inner()).await?))
    }
}

impl GrpcService {
    fn filter(&self, camera_ids: &[String], decisions: Vec<i32>) -> Result<Filter, Status> {
        let camera_ids = camera_ids.iter();
        let cameras = camera_ids.map(|id| self.configured_camera("camera_ids", id));
        Ok(Filter {
            cameras: cameras.collect::<Result<_, _>>()?,
            decisions: fields::decisions(decisions)?,
            ..Filter::default()
        })
    }

    /// Parses the id of a camera that must be configured.
    pub(super) fn configured_camera(&self, field: &str, id: &str) -> Result<CameraId, Status> {
        let id = fields::camera_id(field, id)?;
        if self.pipeline.active().settings.cameras.contains_key(&id) {
            return Ok(id);
        }
        Err(status::not_found(
            "camera",
            id.as_str(),
            "is not configured",
        ))
    }
}
