//! The methods of a vision system.

use opcua::types::{StatusCode, Variant};
use tokio::sync::oneshot;
use tracing::info;

use super::actor::{System, internal};
use super::jobs::{self, Job};
use super::outcome::{Done, Outcome};
use super::reading::no_error;
use super::{recipes, status};
use crate::call::{Answer, Call};
use crate::machine::{Input, State};
use crate::request::{Change, JobRequest, RecipeChoice, Request};

impl System {
    /// Executes a call, or starts the task that calls the daemon for it.
    pub(super) fn call(&mut self, call: Call) {
        let change = match call.request {
            Request::Read(read) => {
                let reader = self.reader.clone();
                tokio::spawn(reader.answer(read, self.jobs.spans(), call.reply));
                return;
            }
            Request::Change(change) => change,
        };
        let method = call.method.name();
        info!(system = self.name, method, user = call.user, request = ?change, "method called");
        let reply = call.reply;
        let result = match change {
            Change::Reset(_) => self.change(Input::Reset),
            Change::Halt(_) => self.change(Input::Halt),
            Change::Stop(_) => self.change(Input::Stop),
            Change::Abort(_) => self.change(Input::Abort),
            Change::UnprepareRecipe(choice) => self.unprepare(&choice),
            Change::SelectModeAutomatic => return self.select_mode(reply),
            Change::PrepareRecipe(choice) => return self.prepare(choice, reply),
            Change::RemoveRecipe(id) => return self.remove(id, reply),
            Change::StartSingleJob(job) => return self.start_single(job, reply),
            Change::StartContinuous(job) => return self.start_continuous(&job, reply),
        };
        let answer = result.map_or_else(Answer::Bad, Answer::Good);
        if let Answer::Bad(status) = &answer {
            info!(system = self.name, method, %status, "method refused");
        }
        // The client may have closed its connection.
        let _ = reply.send(answer);
    }

    fn change(&mut self, input: Input) -> Result<Vec<Variant>, StatusCode> {
        self.apply(input)?;
        Ok(vec![no_error()])
    }

    fn select_mode(&mut self, reply: oneshot::Sender<Answer>) {
        let idle = self.idle();
        if let Err(status) = idle.and_then(|()| self.apply(Input::SelectModeAutomatic)) {
            let _ = reply.send(Answer::Bad(status));
            return;
        }
        // Without recipes there is nothing to prepare. The client gets its answer when this is known.
        let client = self.client.clone();
        self.start(reply, async move {
            let listed = recipes::list(&client).await;
            let listed = listed.map_err(|error| recipes::logged(&error, "recipes not listed"));
            Ok(Done::RecipesKnown {
                exist: listed.map_or(true, |listed| listed.is_some()),
            })
        });
    }

    fn unprepare(&mut self, choice: &RecipeChoice) -> Result<Vec<Variant>, StatusCode> {
        let accepted = self.machine.accepts(Input::RecipeUnprepared);
        accepted.map_err(status::of_refusal)?;
        let prepared = self.prepared.clone().ok_or(StatusCode::BadNotFound)?;
        if !choice.is(&prepared.id, &prepared.version, &prepared.sha256) {
            return Err(StatusCode::BadNotFound);
        }
        self.idle()?;
        self.apply(Input::RecipeUnprepared)?;
        self.prepared = None;
        Ok(vec![Variant::from(internal(&prepared)), no_error()])
    }

    /// Refuses a method while another one waits for the daemon.
    fn idle(&self) -> Result<(), StatusCode> {
        match self.awaited {
            None => Ok(()),
            Some(_) => Err(StatusCode::BadTooManyOperations),
        }
    }

    /// Checks that an input would be accepted now; it is checked again when the daemon has answered.
    fn expects(&self, input: Input) -> Result<(), StatusCode> {
        self.idle()?;
        self.machine.accepts(input).map_err(status::of_refusal)
    }

    /// Starts a task that waits for the daemon.
    fn start(
        &mut self,
        reply: oneshot::Sender<Answer>,
        task: impl Future<Output = Result<Done, StatusCode>> + Send + 'static,
    ) {
        self.last_task += 1;
        let number = self.last_task;
        self.awaited = Some(number);
        let report = self.report.clone();
        tokio::spawn(async move {
            let result = task.await;
            let outcome = Outcome {
                number,
                result,
                reply,
            };
            // The system may have ended.
            let _ = report.send(outcome).await;
        });
    }

    fn prepare(&mut self, choice: RecipeChoice, reply: oneshot::Sender<Answer>) {
        if let Err(status) = self.expects(Input::RecipePrepared) {
            let _ = reply.send(Answer::Bad(status));
            return;
        }
        let client = self.client.clone();
        self.start(reply, async move {
            let prepared = recipes::prepare(&client, &choice).await?;
            Ok(Done::RecipePrepared { choice, prepared })
        });
    }

    fn remove(&mut self, id: String, reply: oneshot::Sender<Answer>) {
        let in_use = self
            .prepared
            .as_ref()
            .is_some_and(|prepared| prepared.id == id);
        let idle = if in_use {
            Err(StatusCode::BadInvalidState)
        } else {
            self.idle()
        };
        if let Err(status) = idle {
            let _ = reply.send(Answer::Bad(status));
            return;
        }
        let client = self.client.clone();
        self.start(reply, async move {
            recipes::remove(&client, &id).await?;
            Ok(Done::RecipeRemoved { id })
        });
    }

    fn start_single(&mut self, job: JobRequest, reply: oneshot::Sender<Answer>) {
        let expected = self.expects(Input::StartSingleJob);
        if let Err(status) = expected.and_then(|()| self.matches(&job)) {
            let _ = reply.send(Answer::Bad(status));
            return;
        }
        let client = self.client.clone();
        let (name, target) = (self.name.clone(), self.target.clone());
        let prepared = self.prepared.clone();
        self.start(reply, async move {
            let accepted = jobs::request(&client, &name, &target, &job, prepared.as_ref()).await?;
            Ok(Done::JobAccepted(Box::new(accepted)))
        });
    }

    /// Checks that a recipe that a job names is the prepared one, if the ids are the same.
    fn matches(&self, job: &JobRequest) -> Result<(), StatusCode> {
        let (Some(choice), Some(prepared)) = (&job.recipe, &self.prepared) else {
            return Ok(());
        };
        let is_same = choice.is(&prepared.id, &prepared.version, &prepared.sha256);
        if choice.id == prepared.id && !is_same {
            return Err(StatusCode::BadNoMatch);
        }
        Ok(())
    }

    fn start_continuous(&mut self, job: &JobRequest, reply: oneshot::Sender<Answer>) {
        let prepared = self.prepared.clone();
        let checked = self.expects(Input::StartContinuous).and_then(|()| {
            let id = prepared
                .as_ref()
                .map_or("", |prepared| prepared.id.as_str());
            match &job.recipe {
                // A continuous job runs with the prepared recipe.
                Some(choice) if choice.id != id => return Err(StatusCode::BadNoMatch),
                _ => self.matches(job)?,
            }
            let entered = self.continuous.enter(&self.name, id);
            entered.then_some(()).ok_or(StatusCode::BadInvalidState)
        });
        if let Err(status) = checked {
            let _ = reply.send(Answer::Bad(status));
            return;
        }
        let client = self.client.clone();
        self.start(reply, async move {
            if let Some(prepared) = prepared {
                recipes::activate(&client, &prepared).await?;
            }
            Ok(Done::RecipeActive)
        });
    }

    /// Takes the outcome of a task.
    pub(super) fn finish(&mut self, mut outcome: Outcome) {
        if self.awaited != Some(outcome.number) {
            // The state has changed since: the outcome of the daemon has no effect here.
            outcome.answer(Answer::Bad(StatusCode::BadInvalidState));
            return;
        }
        self.awaited = None;
        let result = std::mem::replace(&mut outcome.result, Err(StatusCode::BadUnexpectedError));
        let answer = match result.and_then(|done| self.done(done)) {
            Ok(outputs) => Answer::Good(outputs),
            Err(status) => {
                info!(system = self.name, %status, "method refused");
                if self.machine.state() != State::ContinuousExecution {
                    self.continuous.leave(&self.name);
                }
                Answer::Bad(status)
            }
        };
        outcome.answer(answer);
    }

    fn done(&mut self, done: Done) -> Result<Vec<Variant>, StatusCode> {
        match done {
            Done::RecipesKnown { exist: true } => Ok(vec![no_error()]),
            Done::RecipesKnown { exist: false } => {
                self.apply(Input::NoRecipeNeeded)?;
                Ok(vec![no_error()])
            }
            Done::RecipePrepared { choice, prepared } => {
                info!(system = self.name, recipe = choice.id, "recipe prepared");
                let output = Variant::from(internal(&prepared));
                let before = self.prepared.replace(prepared);
                if let Err(status) = self.apply(Input::RecipePrepared) {
                    self.prepared = before;
                    return Err(status);
                }
                Ok(vec![output, Variant::from(true), no_error()])
            }
            Done::JobAccepted(accepted) => {
                self.machine
                    .accepts(Input::StartSingleJob)
                    .map_err(status::of_refusal)?;
                self.job = accepted.job;
                self.apply(Input::StartSingleJob)?;
                let output = self.job_id();
                let trigger_id = self.job.trigger_id.clone();
                let early = self.jobs.take_recent(&trigger_id);
                if let Some(verdict) = accepted.verdict.or(early).filter(|it| self.target.owns(it))
                {
                    self.finish_job(&verdict);
                }
                Ok(vec![output, no_error()])
            }
            Done::RecipeActive => {
                self.machine
                    .accepts(Input::StartContinuous)
                    .map_err(status::of_refusal)?;
                self.job = Job {
                    id: jobs::new_id(),
                    trigger_id: String::new(),
                };
                self.jobs.begin(&self.job.id);
                self.apply(Input::StartContinuous)?;
                Ok(vec![self.job_id(), no_error()])
            }
            Done::RecipeRemoved { id } => {
                info!(system = self.name, recipe = id, "recipe removed");
                Ok(vec![no_error()])
            }
        }
    }
}
