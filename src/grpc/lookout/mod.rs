//! The edge agent of Amazon Lookout for Vision, `AWS.LookoutVision.EdgeAgent`: its clients keep working with recipes of this
//! daemon. docs/lookout.md describes what is the same and what differs.

mod bitmap;
mod confidence;
mod detection;
mod mask;
pub mod proto;
mod shared_memory;

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tonic::{Request, Response, Status};

use self::proto::edge_agent_server::EdgeAgent;
use self::proto::{
    DescribeModelRequest, DescribeModelResponse, DetectAnomaliesRequest, DetectAnomaliesResponse,
    ListModelsRequest, ListModelsResponse, ModelDescription, ModelMetadata, ModelStatus,
    StartModelRequest, StartModelResponse, StopModelRequest, StopModelResponse,
};
use super::blocking::blocking;
use super::service::GrpcService;
use super::status;
use crate::control::model_components::{
    Component, ComponentError, ComponentId, ComponentStatus, ModelComponents,
};

/// Implements the service. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct EdgeAgentService {
    grpc: GrpcService,
    components: Arc<ModelComponents>,
}

impl EdgeAgentService {
    /// Serves the pipeline and the recipes of `grpc`.
    pub(super) fn new(grpc: GrpcService) -> Self {
        let components =
            ModelComponents::new(Arc::clone(&grpc.control), Arc::clone(&grpc.pipeline));
        Self {
            grpc,
            components: Arc::new(components),
        }
    }

    /// Does work on the component with this name, on a thread that may block.
    async fn on_component<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Arc<ModelComponents>, &ComponentId) -> Result<T, ComponentError>
        + Send
        + 'static,
    ) -> Result<T, Status> {
        let id = component_id(name)?;
        let components = Arc::clone(&self.components);
        let done = blocking(move || work(&components, &id)).await?;
        done.map_err(|error| status::component(&error))
    }
}

#[tonic::async_trait]
impl EdgeAgent for EdgeAgentService {
    async fn detect_anomalies(
        &self,
        request: Request<DetectAnomaliesRequest>,
    ) -> Result<Response<DetectAnomaliesResponse>, Status> {
        Ok(Response::new(self.detect(request).await?))
    }

    async fn start_model(
        &self,
        request: Request<StartModelRequest>,
    ) -> Result<Response<StartModelResponse>, Status> {
        let start = |components: &Arc<ModelComponents>, id: &ComponentId| {
            let loading = components.start(id)?;
            // Goes on after the call.
            drop(spawn_blocking(move || loading.finish()));
            Ok(())
        };
        let name = request.into_inner().model_component;
        self.on_component(&name, start).await?;
        Ok(Response::new(StartModelResponse {
            status: ModelStatus::Starting.into(),
        }))
    }

    async fn stop_model(
        &self,
        request: Request<StopModelRequest>,
    ) -> Result<Response<StopModelResponse>, Status> {
        let name = request.into_inner().model_component;
        self.on_component(&name, |components, id| components.stop(id))
            .await?;
        Ok(Response::new(StopModelResponse {
            status: ModelStatus::Stopped.into(),
        }))
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        let components = Arc::clone(&self.components);
        let listed = blocking(move || components.list()).await?;
        let listed = listed.map_err(|error| status::change(&error))?;
        Ok(Response::new(ListModelsResponse {
            models: listed.into_iter().map(metadata).collect(),
        }))
    }

    async fn describe_model(
        &self,
        request: Request<DescribeModelRequest>,
    ) -> Result<Response<DescribeModelResponse>, Status> {
        let name = request.into_inner().model_component;
        let described = self.on_component(&name, |components, id| components.describe(id));
        let ModelMetadata {
            lookout_vision_model_arn,
            status,
            status_message,
            ..
        } = metadata(described.await?);
        Ok(Response::new(DescribeModelResponse {
            model_description: Some(ModelDescription {
                // As the client writes it.
                model_component: name,
                lookout_vision_model_arn,
                status,
                status_message,
            }),
        }))
    }
}

fn component_id(name: &str) -> Result<ComponentId, Status> {
    name.parse()
        .map_err(|error: ComponentError| status::component(&error))
}

fn metadata(component: Component) -> ModelMetadata {
    let status = match component.status {
        ComponentStatus::Stopped => ModelStatus::Stopped,
        ComponentStatus::Starting => ModelStatus::Starting,
        ComponentStatus::Running => ModelStatus::Running,
        ComponentStatus::Failed => ModelStatus::Failed,
        ComponentStatus::Stopping => ModelStatus::Stopping,
    };
    ModelMetadata {
        // In the form of an ARN, because clients may split it, but of no partition of AWS. The same for all contents of a
        // recipe.
        lookout_vision_model_arn: format!("arn:inspectd:lookoutvision:::model/{}", component.id),
        model_component: component.id.to_string(),
        status: status.into(),
        status_message: component.message,
    }
}
