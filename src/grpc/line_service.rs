//! `inspectd.v1.LineService`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, unfold};
use tokio::task::spawn_blocking;
use tokio::time::interval;
use tonic::{Request, Response, Status};

use super::proto::line_service_server::LineService;
use super::proto::{
    GetStatusRequest, GetStatusResponse, ListCamerasRequest, ListCamerasResponse,
    ReloadConfigurationRequest, ReloadConfigurationResponse, WatchStatusRequest,
    WatchStatusResponse,
};
use super::{Services, convert, proto, refusal};

/// How often the state may be sampled for a client.
const INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3600);

#[tonic::async_trait]
impl LineService for Services {
    type WatchStatusStream = BoxStream<'static, Result<WatchStatusResponse, Status>>;

    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let status = Some(self.status());
        Ok(Response::new(GetStatusResponse { status }))
    }

    async fn watch_status(
        &self,
        request: Request<WatchStatusRequest>,
    ) -> Result<Response<Self::WatchStatusStream>, Status> {
        let every = match request.into_inner().interval {
            None => Duration::from_secs(1),
            Some(wanted) => Duration::try_from(wanted)
                .ok()
                .filter(|wanted| INTERVAL.contains(wanted))
                .ok_or_else(|| refusal::invalid("interval", "must be from 0.1 s to 1 h"))?,
        };
        let entry = self.streams.enter()?;
        let state = (
            self.clone(),
            interval(every),
            self.stage.streams_end(),
            entry,
        );
        let stream = unfold(Some(state), |state| async move {
            let (services, mut interval, mut ending, entry) = state?;
            tokio::select! {
                _ = interval.tick() => {}
                _ = ending.wait_for(|&ending| ending) => {
                    return Some((Err(refusal::stopping()), None));
                }
            }
            let status = Some(services.status());
            let next = Some((services, interval, ending, entry));
            Some((Ok(WatchStatusResponse { status }), next))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_cameras(
        &self,
        _: Request<ListCamerasRequest>,
    ) -> Result<Response<ListCamerasResponse>, Status> {
        let cameras = convert::cameras(&self.line.snapshot());
        Ok(Response::new(ListCamerasResponse { cameras }))
    }

    async fn reload_configuration(
        &self,
        _: Request<ReloadConfigurationRequest>,
    ) -> Result<Response<ReloadConfigurationResponse>, Status> {
        let control = Arc::clone(&self.control);
        let changed = spawn_blocking(move || control.reload())
            .await
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|error| refusal::reload(&error))?;
        Ok(Response::new(ReloadConfigurationResponse {
            configuration: Some(convert::configuration(&self.control.configuration())),
            changed,
            model: Some(convert::model(&self.line.active().model.id)),
        }))
    }
}

impl Services {
    fn status(&self) -> proto::Status {
        convert::status(&convert::StatusParts {
            phase: self.stage.phase(),
            run_id: &self.run_id,
            started: self.line.started(),
            snapshot: &self.line.snapshot(),
            configuration: &self.control.configuration(),
            streams: self.streams.counts(),
        })
    }
}
