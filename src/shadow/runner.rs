//! The thread of the shadow: takes frames of published verdicts, and has them judged.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use inspectd_core::record::Verdict;
use tokio::sync::broadcast::{Receiver, error::TryRecvError};
use tracing::{error, info};

use super::candidate::CandidateError;
use super::comparison::{Compare, Comparison};
use super::process::ProcessError;
use super::{ShadowPhase, SharedShadow};
use crate::config::settings;
use crate::evidence::Evidence;
use crate::on_panic::{Failed, OnPanic};
use crate::pipeline::{Active, Pipeline};

/// How often verdicts are taken.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long a shadow that cannot be used is left, unless the settings change.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);

/// The thread. Dropping it stops it after the frame that is being judged.
#[derive(Debug)]
pub struct ShadowThread {
    _stop: SyncSender<()>,
    _thread: JoinHandle<()>,
}

impl ShadowThread {
    /// Starts the thread. `failed` is called when it panics.
    ///
    /// # Errors
    /// When the operating system refuses it.
    pub fn start(
        shadow: SharedShadow,
        pipeline: Arc<Pipeline>,
        failed: Failed,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = thread::Builder::new().name("shadow".to_owned());
        let thread = thread.spawn(move || {
            let _guard = OnPanic(failed);
            let mut runner = Runner {
                shadow,
                pipeline,
                comparison: None,
                verdicts: None,
                next: None,
                refused: None,
            };
            while stopped.recv_timeout(POLL_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                runner.turn();
            }
        })?;
        Ok(Self {
            _stop: stop,
            _thread: thread,
        })
    }
}

struct Runner {
    shadow: SharedShadow,
    pipeline: Arc<Pipeline>,
    comparison: Option<Comparison>,
    /// Verdicts, while a shadow is configured.
    verdicts: Option<Receiver<Arc<Verdict>>>,
    /// When the next frame may be judged.
    next: Option<Instant>,
    /// The settings with which the shadow could not be used, and when.
    refused: Option<(Arc<Active>, Instant)>,
}

impl Runner {
    fn turn(&mut self) {
        let active = self.pipeline.active();
        if active.settings.shadow.is_unset() {
            if self.verdicts.take().is_some() {
                self.comparison = None;
                self.shadow.turn_off();
                self.shadow.save(true);
                info!("the shadow is off");
            }
            return;
        }
        if self.verdicts.is_none() {
            self.shadow.restore();
            self.verdicts = Some(self.pipeline.subscribe().0);
            self.shadow.set_phase(ShadowPhase::Loading, String::new());
        }
        let is_current = |comparison: &Comparison| comparison.is_for(&active);
        if !self.comparison.as_ref().is_some_and(is_current) {
            self.load(&active);
        }
        let newest = self.newest();
        if let Some(verdict) = newest {
            self.take(&active.settings.shadow, &verdict);
        }
        self.shadow.save(false);
    }

    fn now(&self) -> Instant {
        self.pipeline.clock().now().monotonic
    }

    /// Makes the shadow of the active settings, unless these could not be used a moment ago.
    fn load(&mut self, active: &Arc<Active>) {
        let now = self.now();
        let is_refused = |(refused, since): &(Arc<Active>, Instant)| {
            Arc::ptr_eq(refused, active) && now.saturating_duration_since(*since) < RETRY_INTERVAL
        };
        if self.refused.as_ref().is_some_and(is_refused) {
            return;
        }
        let present = self.comparison.take();
        if present.is_none() {
            self.shadow.set_phase(ShadowPhase::Loading, String::new());
        }
        match Comparison::start(Arc::clone(active), present) {
            Ok(comparison) => {
                let (model, recipe) = (comparison.model(), comparison.own_recipe());
                self.shadow.started(&comparison.compared(), &model, recipe);
                info!(model = %model.name, version = %model.version, "the shadow judges");
                self.comparison = Some(comparison);
                self.refused = None;
            }
            Err(error) => self.refuse(active, &error),
        }
    }

    fn refuse(&mut self, active: &Arc<Active>, error: &CandidateError) {
        error!(%error, "the shadow cannot be used; it is tried again in a minute");
        self.comparison = None;
        self.refused = Some((Arc::clone(active), self.now()));
        self.shadow
            .set_phase(ShadowPhase::Failed, error.to_string());
    }

    /// Takes all verdicts that have been published since, and returns the newest one that is judged. The others count as
    /// skipped.
    fn newest(&mut self) -> Option<Arc<Verdict>> {
        let verdicts = self.verdicts.as_mut()?;
        let (mut newest, mut skipped) = (None, 0);
        loop {
            match verdicts.try_recv() {
                Ok(verdict) if is_comparable(&verdict) => {
                    skipped += u64::from(newest.replace(verdict).is_some());
                }
                Ok(_) => {}
                Err(TryRecvError::Lagged(missed)) => skipped += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.shadow.count_skipped(skipped);
        newest
    }

    /// Has the frame of a verdict judged, unless that is too early.
    fn take(&mut self, settings: &settings::Shadow, verdict: &Verdict) {
        let started = self.now();
        let early = self.next.is_some_and(|next| started < next);
        // A verdict of before a change is not what the present settings decide.
        let comparison = self.comparison.as_mut();
        let comparison = comparison.filter(|one| !early && verdict.subject.stamp == *one.stamp());
        let (Some(comparison), Some(camera), Some(judgement)) = (
            comparison,
            verdict.subject.camera.as_ref(),
            verdict.outcome.judgement(),
        ) else {
            return self.shadow.count_skipped(1);
        };
        let Some(evidence) = self.pipeline.evidence(verdict.sequence) else {
            let error = "the frame was removed from memory: evidence.memory_mib is too small";
            return self.shadow.count_failed(error.to_owned());
        };
        self.next = Some(started + Duration::from_secs_f64(1.0 / settings.max_fps));
        match comparison.judge(camera, judgement, &evidence) {
            Ok(Compare {
                decision,
                disagreement,
            }) => {
                if disagreement.is_some() {
                    self.keep(evidence);
                }
                let took = self.now().saturating_duration_since(started);
                let decisions = (judgement.decision, decision);
                self.shadow
                    .count_judged(decisions, took, disagreement.as_ref());
            }
            Err(ProcessError::Frame(error)) => self.shadow.count_failed(error),
            Err(error) => {
                self.shadow.count_failed(error.to_string());
                let active = self.pipeline.active();
                self.refuse(&active, &error.into());
            }
        }
    }

    /// Keeps the evidence of a disagreement on the disk, as that of a REJECT.
    fn keep(&self, evidence: Evidence) {
        let store = self.pipeline.disk_store();
        if let Some(store) = store.filter(|_| !evidence.verdict.evidence) {
            store.keep(evidence);
        }
    }
}

/// Whether the shadow can judge the same: a judged frame of a camera.
fn is_comparable(verdict: &Verdict) -> bool {
    verdict.sequence > 0
        && verdict.subject.camera.is_some()
        && verdict.outcome.judgement().is_some()
}
