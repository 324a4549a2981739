//! `inspectd.v1.TuningService`.

mod convert;
mod evaluate;
mod replay;
mod suggest;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::auth::{actor, identity};
use super::blocking::blocking;
use super::convert as common;
use super::proto::tuning_service_server::TuningService;
use super::proto::{
    EvaluateThresholdsRequest, EvaluateThresholdsResponse, ReplayVerdictsRequest,
    ReplayVerdictsResponse, SetThresholdRequest, SetThresholdResponse, SuggestThresholdRequest,
    SuggestThresholdResponse,
};
use super::service::GrpcService;
use super::status;
use crate::control::actor::Actor;

#[tonic::async_trait]
impl TuningService for GrpcService {
    type ReplayVerdictsStream = BoxStream<'static, Result<ReplayVerdictsResponse, Status>>;

    async fn suggest_threshold(
        &self,
        request: Request<SuggestThresholdRequest>,
    ) -> Result<Response<SuggestThresholdResponse>, Status> {
        let client = identity(&request).clone();
        let permit = self.tuning_permit(&client).await?;
        let service = self.of_client(&client);
        let response = service.suggest(&request.into_inner(), permit).await?;
        Ok(Response::new(response))
    }

    async fn evaluate_thresholds(
        &self,
        request: Request<EvaluateThresholdsRequest>,
    ) -> Result<Response<EvaluateThresholdsResponse>, Status> {
        let client = identity(&request).clone();
        let permit = self.tuning_permit(&client).await?;
        let service = self.of_client(&client);
        let response = service.evaluate(&request.into_inner(), permit).await?;
        Ok(Response::new(response))
    }

    async fn set_threshold(
        &self,
        request: Request<SetThresholdRequest>,
    ) -> Result<Response<SetThresholdResponse>, Status> {
        let actor = actor(&request);
        let response = self.change_threshold(actor, request.into_inner()).await?;
        Ok(Response::new(response))
    }

    async fn replay_verdicts(
        &self,
        request: Request<ReplayVerdictsRequest>,
    ) -> Result<Response<Self::ReplayVerdictsStream>, Status> {
        let client = identity(&request).clone();
        let permit = self.tuning_permit(&client).await?;
        let service = self.of_client(&client);
        let stream = service.replay(request.into_inner(), permit).await?;
        Ok(Response::new(Box::pin(stream.into_stream())))
    }
}

impl GrpcService {
    async fn change_threshold(
        &self,
        actor: Actor,
        request: SetThresholdRequest,
    ) -> Result<SetThresholdResponse, Status> {
        let SetThresholdRequest {
            camera_id,
            region,
            threshold,
            expected_threshold,
        } = request;
        let camera = match camera_id.as_str() {
            "" => None,
            id => Some(self.configured_camera("camera_id", id)?),
        };
        let region = Some(region).filter(|region| !region.is_empty());
        let threshold = threshold
            .map(|value| single("threshold", value))
            .transpose()?;
        let expected = expected_threshold.map(|value| single("expected_threshold", value));
        let expected = expected.transpose()?;
        let control = Arc::clone(&self.control);
        let changed = blocking(move || {
            let (camera, region) = (camera.as_ref(), region.as_deref());
            control.set_threshold(&actor, camera, region, threshold, expected)
        });
        let changed = changed.await?.map_err(|error| status::change(&error))?;
        let active = self.pipeline.active();
        Ok(SetThresholdResponse {
            previous: Some(convert::place(&changed.previous)),
            threshold: common::decimal(changed.threshold),
            recipe: active.stamp.recipe.as_ref().map(common::recipe_tag),
        })
    }
}

/// A finite number of single precision.
fn single(field: &str, value: f64) -> Result<f32, Status> {
    let single = value as f32;
    if single.is_finite() {
        return Ok(single);
    }
    Err(status::invalid(
        field,
        format!("{value} must be a finite number"),
    ))
}
