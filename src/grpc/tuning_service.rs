//! `inspectd.v1.TuningService`.

mod convert;
mod replay;
mod suggest;

use futures_util::stream::BoxStream;
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Request, Response, Status};

use super::proto::tuning_service_server::TuningService;
use super::proto::{
    ReplayVerdictsRequest, ReplayVerdictsResponse, SuggestThresholdRequest,
    SuggestThresholdResponse,
};
use super::{Services, status};

/// Calls at a time: each reads through the journal beside the line that writes it. One more is refused.
pub(super) const LIMIT: usize = 2;

#[tonic::async_trait]
impl TuningService for Services {
    type ReplayVerdictsStream = BoxStream<'static, Result<ReplayVerdictsResponse, Status>>;

    async fn suggest_threshold(
        &self,
        request: Request<SuggestThresholdRequest>,
    ) -> Result<Response<SuggestThresholdResponse>, Status> {
        let _permit = self.permit()?;
        let response = self.suggest(&request.into_inner()).await?;
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

impl Services {
    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        let permit = std::sync::Arc::clone(&self.tuning).try_acquire_owned();
        permit.map_err(|_| {
            let text = format!("{LIMIT} suggestions or replays are under way already");
            status::exhausted("tuning", text)
        })
    }
}
