//! The challenge: judges pictures of known parts, and acts on the result.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use inspectd_core::decision::Decision;
use inspectd_core::frame::Frame;
use inspectd_core::record::{Outcome, Verdict};
use parking_lot::Mutex;
use tracing::{error, info};

use super::actor::Actor;
use super::installation::tolerance;
use super::persisted_state::PersistedState;
use super::{ChangeError, Control, ControlResult};
use crate::alarm::AlarmKind;
use crate::audit::Action;
use crate::challenge::{self, ChallengeResult, KnownPicture};
use crate::config::settings::{Challenge, ChallengeFailure};
use crate::pipeline::InspectError;

/// Longest wait for the verdict of a picture, which waits between the frames of the cameras.
const VERDICT_TIMEOUT: Duration = Duration::from_mins(1);

/// Pause before a picture is passed again that found the queue full.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Interval at which a challenge is repeated that could not be carried out.
const RETRY_INTERVAL: Duration = Duration::from_mins(1);

/// Failed pictures that a message names.
const NAMED_FAILURES: usize = 3;

/// What is known of the challenge.
#[derive(Debug, Default)]
pub(super) struct ChallengeState {
    /// Held while it runs.
    running: Mutex<()>,
    last: Mutex<Option<(Instant, ChallengeResult)>>,
}

impl Control {
    /// Returns the last result of the challenge; none without a challenge, and before the first result.
    pub fn challenge_result(&self) -> Option<ChallengeResult> {
        let last = self.challenge.last.lock();
        last.as_ref().map(|(_, result)| result.clone())
    }

    /// Whether the challenge is to be carried out: at the start, after a change of model, recipe or settings, and after
    /// its interval.
    pub fn is_challenge_due(&self) -> bool {
        let active = self.pipeline.active();
        let settings = &active.settings.challenge;
        if settings.folder.is_none() {
            return false;
        }
        let last = self.challenge.last.lock();
        let Some((ended, result)) = last.as_ref() else {
            return true;
        };
        let interval = match result.error.as_str() {
            "" => settings.interval,
            _ => Some(RETRY_INTERVAL),
        };
        let age = self.clock.now().monotonic.saturating_duration_since(*ended);
        result.stamp != active.stamp || interval.is_some_and(|interval| age >= interval)
    }

    /// Carries the challenge out, and acts on its result.
    ///
    /// # Errors
    /// When no challenge is configured. A challenge that cannot be carried out has a result: it failed.
    pub fn run_challenge(&self, actor: &Actor) -> ControlResult<ChallengeResult> {
        let active = self.pipeline.active();
        let settings = &active.settings.challenge;
        let folder = settings.folder.as_ref().ok_or(ChangeError::NoChallenge)?;
        let _running = self.challenge.running.lock();
        let tolerance = tolerance(settings);
        let stamp = Arc::clone(&active.stamp);
        let now = || self.clock.now().utc;
        let result = challenge::pictures(folder).and_then(|pictures| {
            let judge =
                |picture: &KnownPicture, frame: &Frame| self.judge_known(settings, picture, frame);
            challenge::run(&pictures, tolerance, Arc::clone(&stamp), judge, now)
        });
        let result = result.unwrap_or_else(|error| ChallengeResult::failed(&error, stamp, now()));
        self.act_on(actor, settings.on_failure, &result);
        let ended = self.clock.now().monotonic;
        *self.challenge.last.lock() = Some((ended, result.clone()));
        Ok(result)
    }

    /// Restores the state of a challenge that had failed when the daemon stopped, until it has been carried out again.
    pub fn restore_challenge(&self) {
        let settings = self.pipeline.active().settings.challenge.clone();
        let failed = self.change.lock().state.challenge_failed.clone();
        if let Some(message) = failed.filter(|_| settings.folder.is_some()) {
            self.fail_line(settings.on_failure, &message);
        }
    }

    /// Decision about a picture, and its score.
    pub(super) fn judge_known(
        &self,
        settings: &Challenge,
        picture: &KnownPicture,
        frame: &Frame,
    ) -> Result<(Decision, f32), String> {
        let deadline = self.clock.now().monotonic + VERDICT_TIMEOUT;
        let (sender, verdicts) = sync_channel(1);
        let _pending = loop {
            let sender = sender.clone();
            let reply = Box::new(move |verdict: Arc<Verdict>| drop(sender.try_send(verdict)));
            let camera = settings.camera.clone();
            let name = format!("challenge: {}", picture.name);
            match self
                .pipeline
                .inspect_known(frame.clone(), camera, name, reply)
            {
                Ok(pending) => break pending,
                Err(InspectError::Busy) if self.clock.now().monotonic < deadline => {
                    std::thread::sleep(BUSY_PAUSE);
                }
                Err(error) => return Err(error.to_string()),
            }
        };
        let verdict = match verdicts.recv_timeout(VERDICT_TIMEOUT) {
            Ok(verdict) => verdict,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err("no verdict in time".to_owned());
            }
        };
        match &verdict.outcome {
            Outcome::Judged(judgement) => Ok((judgement.decision, judgement.score.score)),
            Outcome::Fault(fault) => Err(fault.message.clone()),
            Outcome::Part(_) => Err("it was judged as a part of several views".to_owned()),
        }
    }

    fn act_on(&self, actor: &Actor, on_failure: ChallengeFailure, result: &ChallengeResult) {
        let summary = result.summary();
        let message = (!result.passed).then(|| {
            let named = result.failures.iter().take(NAMED_FAILURES);
            let named: Vec<&str> = named.map(String::as_str).collect();
            if named.is_empty() {
                summary.clone()
            } else {
                format!("{summary}, such as {}", named.join(", "))
            }
        });
        if let Some(message) = &message {
            error!(by = actor.name(), failures = ?result.failures, "{summary}");
            self.fail_line(on_failure, message);
        } else {
            info!(by = actor.name(), "{summary}");
            self.pipeline.set_challenge_failure(None);
            self.alarms.clear(AlarmKind::ChallengeFailed, "");
        }
        let mut change = self.change.lock();
        let before = change.state.challenge_failed.clone();
        if before.is_some() != message.is_some() {
            let word =
                |message: Option<&String>| message.cloned().unwrap_or_else(|| "passed".to_owned());
            let (from, to) = (word(before.as_ref()), word(message.as_ref()));
            if let Err(error) = self.record(actor, Action::Challenge, "challenge", &from, &to) {
                error!(%error, "the result of the challenge cannot be recorded");
            }
        }
        if before != message {
            let state = PersistedState {
                challenge_failed: message,
                ..change.state.clone()
            };
            match self.state_file.write(&state) {
                Ok(()) => change.state = state,
                Err(error) => {
                    error!(%error, "the result of the challenge is not kept across a restart");
                }
            }
        }
    }

    fn fail_line(&self, on_failure: ChallengeFailure, message: &str) {
        let effect = match on_failure {
            ChallengeFailure::Fault => {
                self.pipeline
                    .set_challenge_failure(Some(message.to_owned()));
                "; all frames are FAULT until it passes"
            }
            ChallengeFailure::Alarm => "",
        };
        self.alarms
            .raise(AlarmKind::ChallengeFailed, "", format!("{message}{effect}"));
    }
}
