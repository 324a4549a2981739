//! `inspectd.v1.TuningService`.

mod convert;
mod replay;
mod suggest;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Request, Response, Status};

use super::proto::tuning_service_server::TuningService;
use super::proto::{
    ReplayVerdictsRequest, ReplayVerdictsResponse, SuggestThresholdRequest,
    SuggestThresholdResponse,
};
use super::service::{GrpcService, TUNING_CALL_LIMIT};
use super::status;

#[tonic::async_trait]
impl TuningService for GrpcService {
    type ReplayVerdictsStream = BoxStream<'static, Result<ReplayVerdictsResponse, Status>>;

    async fn suggest_threshold(
        &self,
        request: Request<SuggestThresholdRequest>,
    ) -> Result<Response<SuggestThresholdResponse>, Status> {
        let permit = self.permit()?;
        let response = self.suggest(&request.into_inner(), permit).await?;
        Ok(Response::new(response))
    }

    async fn replay_verdicts(
        &self,
        request: Request<ReplayVerdictsRequest>,
    ) -> Result<Response<Self::ReplayVerdictsStream>, Status> {
        let permit = self.permit()?;
        let stream = self.replay(request.into_inner(), permit).await?;
        Ok(Response::new(Box::pin(stream.into_stream())))
    }
}

impl GrpcService {
    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        let permit = Arc::clone(&self.tuning_permits).try_acquire_owned();
        permit.map_err(|_| {
            let text =
                format!("{TUNING_CALL_LIMIT} suggestions or replays are already in progress");
            status::exhausted("tuning", text)
        })
    }
}
