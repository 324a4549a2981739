//! The task of a vision system.

use std::time::Duration;

use inspectd_client::{Backoff, Client, Event, Start, Subscription, Verdict, VerdictStream};
use opcua::types::{StatusCode, Variant};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::jobs::{Job, Jobs};
use super::outcome::Outcome;
use super::reading::Reader;
use super::recipes::{ContinuousRecipes, Prepared};
use super::status;
use crate::call::Call;
use crate::config::Target;
use crate::event::{Source, VisionEvent};
use crate::ids::event_type;
use crate::machine::{Effect, Input, Machine, State};
use crate::publisher::Publisher;
use crate::result::{content, decision_name, decision_of, internal_recipe_id, result};
use crate::structures::{JobId, RecipeIdExternal, RecipeIdInternal};

/// The pauses before a lost stream is opened again.
const BACKOFF: Backoff = Backoff {
    initial: Duration::from_millis(250),
    max: Duration::from_secs(2),
};
/// The pause before a refused stream is opened again.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// Maximum number of outcomes that wait: those of the current task and of abandoned tasks.
const MOST_OUTCOMES: usize = 16;

/// A vision system.
pub struct System {
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) box_name: String,
    pub(super) client: Client,
    pub(super) publisher: Publisher,
    pub(super) source: Source,
    pub(super) continuous: ContinuousRecipes,
    pub(super) reader: Reader,
    pub(super) machine: Machine,
    /// Why the machine is in the state Error.
    pub(super) failure: String,
    pub(super) prepared: Option<Prepared>,
    pub(super) job: Job,
    pub(super) jobs: Jobs,
    /// The number of the task that is awaited. Another task is refused until it has ended.
    pub(super) awaited: Option<u64>,
    pub(super) last_task: u64,
    pub(super) outcomes: mpsc::Receiver<Outcome>,
    pub(super) report: mpsc::Sender<Outcome>,
}

impl System {
    /// Returns a system.
    pub fn new(
        name: &str,
        target: Target,
        box_name: &str,
        client: Client,
        publisher: Publisher,
        continuous: ContinuousRecipes,
    ) -> Self {
        let (report, outcomes) = mpsc::channel(MOST_OUTCOMES);
        Self {
            name: name.to_owned(),
            reader: Reader::new(client.clone(), target.clone(), box_name),
            target,
            box_name: box_name.to_owned(),
            source: publisher.source(name),
            client,
            publisher,
            continuous,
            machine: Machine::default(),
            failure: String::new(),
            prepared: None,
            job: Job::default(),
            jobs: Jobs::default(),
            awaited: None,
            last_task: 0,
            outcomes,
            report,
        }
    }

    /// Serves calls until the server stops.
    pub async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        self.publisher
            .set_state(&self.name, self.machine.state(), "");
        loop {
            let mut stream = self.subscribe();
            let refused = loop {
                tokio::select! {
                    call = calls.recv() => match call {
                        Some(call) => self.call(call),
                        None => return,
                    },
                    Some(outcome) = self.outcomes.recv() => self.finish(outcome),
                    event = stream.next() => match event {
                        Some(Ok(event)) => self.event(event),
                        Some(Err(error)) => break error.to_string(),
                        None => break "the stream of verdicts ended".to_owned(),
                    },
                }
            };
            self.fail(&refused);
            let pause = tokio::time::sleep(REFUSED_PAUSE);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    call = calls.recv() => match call {
                        Some(call) => self.call(call),
                        None => return,
                    },
                    Some(outcome) = self.outcomes.recv() => self.finish(outcome),
                }
            }
        }
    }

    fn subscribe(&self) -> VerdictStream {
        self.client.subscribe(Subscription {
            camera_ids: self.target.camera_ids(),
            reconnect: Some(BACKOFF),
            ..Subscription::from(Start::Next)
        })
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Disconnected { error, .. } => self.fail(&error.to_string()),
            Event::Verdict(verdict) => {
                self.resolve();
                if self.target.owns(&verdict) {
                    self.verdict(*verdict);
                }
            }
            Event::Gap { missed, .. } => {
                error!(system = self.name, missed, "verdicts cannot be delivered");
            }
            // A heartbeat, or a stream that is open again.
            _ => self.resolve(),
        }
    }

    fn fail(&mut self, reason: &str) {
        if !self.machine.has_failed() {
            warn!(
                system = self.name,
                reason, "the daemon cannot inspect for this system"
            );
            reason.clone_into(&mut self.failure);
            self.must(Input::Failed);
        }
    }

    fn resolve(&mut self) {
        if self.machine.has_failed() {
            info!(
                system = self.name,
                "the daemon can inspect for this system again"
            );
            self.must(Input::Resolved);
        }
    }

    /// Applies an input that every state allows.
    fn must(&mut self, input: Input) {
        if let Err(refusal) = self.apply(input) {
            error!(system = self.name, ?input, ?refusal, "input refused");
        }
    }

    /// Applies an input, and publishes its effects.
    pub(super) fn apply(&mut self, input: Input) -> Result<(), StatusCode> {
        let before = self.machine.state();
        let effects = self.machine.apply(input).map_err(status::of_refusal)?;
        let after = self.machine.state();
        if after != before {
            info!(system = self.name, %before, %after, "state changed");
            self.settle(before, after, input);
        }
        let reason = if after == State::Error {
            self.failure.clone()
        } else {
            String::new()
        };
        self.publisher.set_state(&self.name, after, &reason);
        for effect in effects {
            self.publish(effect);
        }
        Ok(())
    }

    /// Clears the values that the new state does not have.
    fn settle(&mut self, before: State, after: State, input: Input) {
        if after != State::ContinuousExecution {
            self.continuous.leave(&self.name);
        }
        if before == State::SingleExecution && input == Input::Stop {
            self.jobs.stop(self.job.clone());
        }
        if !after.is_automatic() {
            self.prepared = None;
            self.awaited = None;
        }
    }

    fn publish(&self, effect: Effect) {
        let job = || vec![("JobId", self.job_id())];
        let (kind, text, fields) = match effect {
            Effect::Changed(transition) => {
                let (from, to) = (transition.from, transition.to);
                let text = format!("{from} to {to}");
                let kind = event_type::STATE_CHANGED;
                let event = VisionEvent::of_transition(&self.source, kind, &text, transition);
                return self.publisher.send(&self.source, &event);
            }
            Effect::JobStarted => (event_type::JOB_STARTED, "job started".to_owned(), job()),
            Effect::JobEnded => (event_type::READY, "job ended".to_owned(), job()),
            Effect::ErrorRaised => (event_type::ERROR, self.failure.clone(), Vec::new()),
            Effect::ErrorResolved => (
                event_type::ERROR_RESOLVED,
                "the daemon can inspect again".to_owned(),
                Vec::new(),
            ),
            Effect::RecipePrepared => {
                let recipe = self.prepared.clone().unwrap_or_default();
                let fields = vec![
                    ("ExternalId", Variant::from(external(&recipe))),
                    ("InternalId", Variant::from(internal(&recipe))),
                ];
                (
                    event_type::RECIPE_PREPARED,
                    format!("recipe {}", recipe.id),
                    fields,
                )
            }
        };
        let event = VisionEvent::new(&self.source, kind, &text, fields);
        self.publisher.send(&self.source, &event);
    }

    pub(super) fn job_id(&self) -> Variant {
        Variant::from(JobId {
            id: self.job.id.as_str().into(),
        })
    }

    /// Takes a verdict of this system.
    fn verdict(&mut self, verdict: Verdict) {
        let is_single = self.machine.state() == State::SingleExecution;
        if is_single && verdict.trigger_id == self.job.trigger_id {
            return self.finish_job(&verdict);
        }
        if self.machine.state() == State::ContinuousExecution {
            self.jobs.count(&verdict);
            let job_id = self.job.id.clone();
            self.publish_result(&verdict, &job_id);
        } else if let Some(job) = self.jobs.take_stopped(&verdict.trigger_id) {
            self.publish_result(&verdict, &job.id);
        }
        self.jobs.remember(verdict);
    }

    pub(super) fn finish_job(&mut self, verdict: &Verdict) {
        let job_id = self.job.id.clone();
        self.publish_result(verdict, &job_id);
        self.must(Input::JobDone);
    }

    /// Sends AcquisitionDone, which the daemon does not report before the verdict, and ResultReady.
    fn publish_result(&self, verdict: &Verdict, job_id: &str) {
        let made = result(&self.box_name, verdict, Some(job_id));
        let acquired = vec![("JobId", Variant::from(made.job_id.clone()))];
        let kind = event_type::ACQUISITION_DONE;
        let event = VisionEvent::new(&self.source, kind, "frame captured", acquired);
        self.publisher.send(&self.source, &event);
        let decision = decision_name(decision_of(verdict));
        let text = format!("{decision} {}", verdict.part_id);
        let shown = content(verdict);
        let mut fields = vec![
            ("ResultId", Variant::from(made.result_id)),
            ("IsPartial", Variant::from(made.is_partial)),
            ("ResultState", Variant::from(made.result_state)),
            ("InternalRecipeId", Variant::from(made.internal_recipe_id)),
            (
                "InternalConfigurationId",
                Variant::from(made.internal_configuration_id),
            ),
            ("JobId", Variant::from(made.job_id)),
            ("CreationTime", Variant::from(made.creation_time)),
            ("ResultContent", Variant::from(shown)),
        ];
        let optional = [
            ("IsSimulated", made.is_simulated.map(Variant::from)),
            ("MeasId", made.meas_id.map(Variant::from)),
            ("PartId", made.part_id.map(Variant::from)),
            (
                "ExternalRecipeId",
                made.external_recipe_id.map(Variant::from),
            ),
            ("ProcessingTimes", made.processing_times.map(Variant::from)),
        ];
        fields.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let event = VisionEvent::new(
            &self.source,
            event_type::RESULT_READY,
            text.trim_end(),
            fields,
        );
        self.publisher.send(&self.source, &event);
    }
}

/// Returns the internal id of a prepared recipe.
pub fn internal(recipe: &Prepared) -> RecipeIdInternal {
    internal_recipe_id(&recipe.id, &recipe.version, &recipe.sha256)
}

fn external(recipe: &Prepared) -> RecipeIdExternal {
    RecipeIdExternal {
        id: recipe.id.as_str().into(),
        ..RecipeIdExternal::default()
    }
}
