//! `inspectd.v1.LineService`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, unfold};
use tokio::time::interval;
use tonic::{Request, Response, Status};

use super::inspection_service::blocking;
use super::proto::line_service_server::LineService;
use super::proto::{
    GetStatusRequest, GetStatusResponse, ListAuditEntriesRequest, ListAuditEntriesResponse,
    ListCamerasRequest, ListCamerasResponse, LockChangesRequest, LockChangesResponse,
    ReloadConfigurationRequest, ReloadConfigurationResponse, UnlockChangesRequest,
    UnlockChangesResponse, WatchStatusRequest, WatchStatusResponse,
};
use super::{Services, actor, convert, proto, status};
use crate::audit::AuditError;
use crate::control::LONGEST_LOCK;

/// How often the state may be sampled for a client.
const INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3600);

/// The longest name of who locks, bytes.
const LONGEST_WHO: usize = 128;

/// The longest reason of a lock, bytes.
const LONGEST_REASON: usize = 1024;

/// Audit entries of an answer that asks for no number.
const AUDIT_PAGE: usize = 100;

/// Audit entries of an answer at most.
const AUDIT_PAGE_LIMIT: usize = 1000;

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
                .ok_or_else(|| status::invalid("interval", "must be from 0.1 s to 1 h"))?,
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
                    return Some((Err(status::stopping()), None));
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
        request: Request<ReloadConfigurationRequest>,
    ) -> Result<Response<ReloadConfigurationResponse>, Status> {
        let actor = actor(&request);
        let control = Arc::clone(&self.control);
        let changed = blocking(move || control.reload(&actor))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(ReloadConfigurationResponse {
            configuration: Some(convert::configuration(&self.control.configuration())),
            changed,
            model: Some(convert::model(&self.line.active().model.id)),
        }))
    }

    async fn lock_changes(
        &self,
        request: Request<LockChangesRequest>,
    ) -> Result<Response<LockChangesResponse>, Status> {
        let actor = actor(&request);
        let LockChangesRequest {
            who,
            reason,
            duration,
        } = request.into_inner();
        if who.is_empty() || who.len() > LONGEST_WHO {
            let message = format!("must be 1 to {LONGEST_WHO} bytes");
            return Err(status::invalid("who", message));
        }
        if reason.len() > LONGEST_REASON {
            let message = format!(
                "{} bytes, at most {LONGEST_REASON} are allowed",
                reason.len()
            );
            return Err(status::invalid("reason", message));
        }
        let allowed = |wanted: &Duration| !wanted.is_zero() && *wanted <= LONGEST_LOCK;
        let duration = duration
            .map(|wanted| {
                let wanted = Duration::try_from(wanted).ok().filter(allowed);
                wanted.ok_or_else(|| {
                    status::invalid("duration", "must be more than 0 and at most a week")
                })
            })
            .transpose()?;
        let control = Arc::clone(&self.control);
        let lock = blocking(move || control.set_lock(&actor, &who, &reason, duration))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(LockChangesResponse {
            lock: Some(convert::lock(&lock)),
        }))
    }

    async fn unlock_changes(
        &self,
        request: Request<UnlockChangesRequest>,
    ) -> Result<Response<UnlockChangesResponse>, Status> {
        let actor = actor(&request);
        let control = Arc::clone(&self.control);
        blocking(move || control.open_lock(&actor))
            .await?
            .map_err(|error| status::change(&error))?;
        Ok(Response::new(UnlockChangesResponse {}))
    }

    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let ListAuditEntriesRequest { after, limit } = request.into_inner();
        let limit = match limit as usize {
            0 => AUDIT_PAGE,
            limit if limit <= AUDIT_PAGE_LIMIT => limit,
            limit => {
                let message = format!("{limit} must be at most {AUDIT_PAGE_LIMIT}");
                return Err(status::invalid("limit", message));
            }
        };
        let control = Arc::clone(&self.control);
        let listed = blocking(move || {
            let log = control.audit_sink().log()?;
            let log = log.map(|log| Ok((log.entries(after, limit)?, log.state())));
            log.transpose()
        });
        let listed = listed
            .await?
            .map_err(|error: AuditError| status::journal(&error))?;
        let (entries, state) = listed.ok_or_else(status::no_journal)?;
        Ok(Response::new(ListAuditEntriesResponse {
            entries: entries.iter().map(convert::audit_entry).collect(),
            newest: state.entries,
            head: state.head.to_string(),
            broken: state
                .broken
                .map_or_else(String::new, |broken| broken.to_string()),
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
            lock: self.control.locked().as_ref(),
        })
    }
}
