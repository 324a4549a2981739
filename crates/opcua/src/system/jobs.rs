//! Jobs: requests to the daemon, and the verdicts that belong to them.

use std::collections::VecDeque;
use std::time::Duration;

use inspectd_client::{Client, Trigger, Verdict};
use opcua::types::StatusCode;
use uuid::Uuid;

use super::recipes::{self, Prepared, logged};
use crate::config::Target;
use crate::request::{JobRequest, RecipeChoice};
use crate::result::JobData;

/// How long a request is repeated if it is not answered.
const REPEAT_LIMIT: Duration = Duration::from_secs(10);
/// The most verdicts that are kept for a job whose acceptance has not arrived yet.
const MOST_RECENT: usize = 64;
/// The most stopped jobs whose verdict is still awaited.
const MOST_STOPPED: usize = 64;
/// The most continuous jobs whose results can be distinguished from others.
const MOST_CONTINUOUS: usize = 200;

/// A job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// The id.
    pub id: String,
    /// The id of the request in the daemon. Empty for a continuous job.
    pub trigger_id: String,
}

/// The verdicts of a continuous job, by their sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The job.
    pub job_id: String,
    /// The run of the daemon: without its journal, another run begins again with the same sequences.
    pub run_id: String,
    /// The first sequence. 0: none yet.
    pub first: u64,
    /// The last sequence.
    pub last: u64,
}

/// What a system stores of jobs.
#[derive(Debug, Default)]
pub struct Jobs {
    recent: VecDeque<Verdict>,
    stopped: VecDeque<Job>,
    spans: VecDeque<Span>,
}

impl Jobs {
    /// Keeps a verdict for a job whose acceptance has not arrived yet.
    pub fn remember(&mut self, verdict: Verdict) {
        if !verdict.trigger_id.is_empty() {
            push(&mut self.recent, verdict, MOST_RECENT);
        }
    }

    /// Takes the verdict of a request that arrived before its acceptance.
    pub fn take_recent(&mut self, trigger_id: &str) -> Option<Verdict> {
        let index = self
            .recent
            .iter()
            .position(|it| it.trigger_id == trigger_id)?;
        self.recent.remove(index)
    }

    /// Keeps a stopped job, whose verdict has not arrived yet.
    pub fn stop(&mut self, job: Job) {
        push(&mut self.stopped, job, MOST_STOPPED);
    }

    /// Takes the stopped job of a request.
    pub fn take_stopped(&mut self, trigger_id: &str) -> Option<Job> {
        let index = self
            .stopped
            .iter()
            .position(|job| job.trigger_id == trigger_id)?;
        self.stopped.remove(index)
    }

    /// Begins a continuous job.
    pub fn begin(&mut self, job_id: &str) {
        let span = Span {
            job_id: job_id.to_owned(),
            run_id: String::new(),
            first: 0,
            last: 0,
        };
        push(&mut self.spans, span, MOST_CONTINUOUS);
    }

    /// Adds a verdict to the last continuous job.
    pub fn count(&mut self, verdict: &Verdict) {
        let sequence = verdict.sequence;
        let Some(span) = self.spans.back_mut().filter(|_| sequence > 0) else {
            return;
        };
        if span.first == 0 {
            span.run_id.clone_from(&verdict.run_id);
            span.first = sequence;
        }
        if span.run_id == verdict.run_id {
            span.last = span.last.max(sequence);
            return;
        }
        let next = Span {
            job_id: span.job_id.clone(),
            run_id: verdict.run_id.clone(),
            first: sequence,
            last: sequence,
        };
        push(&mut self.spans, next, MOST_CONTINUOUS);
    }

    /// Returns the verdicts of the continuous jobs.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.iter().cloned().collect()
    }
}

/// Adds at the end; removes the oldest if the limit is exceeded.
fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Returns the job that a verdict belongs to; empty: none. A single job is named by the verdict itself.
pub fn job_of(spans: &[Span], verdict: &Verdict) -> String {
    if let Some(data) = JobData::from_client_data(&verdict.client_data) {
        return data.job;
    }
    let sequence = verdict.sequence;
    let found = spans.iter().find(|span| {
        span.first > 0
            && span.run_id == verdict.run_id
            && (span.first..=span.last).contains(&sequence)
    });
    found.map(|span| span.job_id.clone()).unwrap_or_default()
}

/// Returns a new id of a job.
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// A request that the daemon has accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The job.
    pub job: Job,
    /// The verdict, if it has already arrived.
    pub verdict: Option<Verdict>,
}

/// Returns the id of the recipe of a request, and the SHA-256 of its content. Empty: the daemon chooses.
async fn recipe(
    client: &Client,
    choice: Option<&RecipeChoice>,
    prepared: Option<&Prepared>,
) -> Result<(String, String), StatusCode> {
    let is_prepared = |prepared: &&Prepared| choice.is_none_or(|choice| choice.id == prepared.id);
    // Exactly the content that was prepared, whose version the caller has compared.
    if let Some(prepared) = prepared.filter(is_prepared) {
        return Ok((prepared.id.clone(), prepared.sha256.clone()));
    }
    let Some(choice) = choice else {
        return Ok((String::new(), String::new()));
    };
    if choice.version.is_empty() {
        return Ok((choice.id.clone(), choice.sha256.clone()));
    }
    // A request to the daemon names a content, not a version.
    let found = recipes::named(client, choice).await?;
    Ok((found.id, found.sha256))
}

/// Requests the inspection of a part.
pub async fn request(
    client: &Client,
    system: &str,
    target: &Target,
    job: &JobRequest,
    prepared: Option<&Prepared>,
) -> Result<Accepted, StatusCode> {
    let id = new_id();
    let data = JobData {
        job: id.clone(),
        meas: job.meas.clone(),
    };
    let (recipe_id, recipe_sha256) = recipe(client, job.recipe.as_ref(), prepared).await?;
    let trigger = Trigger {
        part_id: job.part.clone(),
        client_data: data.to_client_data(),
        recipe_id,
        recipe_sha256,
        ..Trigger::new(target.of_trigger())
    };
    // The system distinguishes this server from others of the same daemon; the id is used once.
    let key = format!("opcua/{system}/{id}");
    let answer = client
        .trigger_with_retry(&trigger, &key, REPEAT_LIMIT)
        .await;
    let answer = answer.map_err(|error| logged(&error, "request not accepted"))?;
    Ok(Accepted {
        job: Job {
            id,
            trigger_id: answer.trigger_id,
        },
        verdict: answer.verdict,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sequence: u64, trigger_id: &str) -> Verdict {
        Verdict {
            sequence,
            trigger_id: trigger_id.to_owned(),
            ..Verdict::default()
        }
    }

    #[test]
    fn verdict_that_comes_before_its_acceptance_is_found_once() {
        let mut jobs = Jobs::default();
        jobs.remember(verdict(1, ""));
        jobs.remember(verdict(2, "t2"));
        assert_eq!(jobs.take_recent("t1"), None);
        assert_eq!(jobs.take_recent("t2").map(|it| it.sequence), Some(2));
        assert_eq!(jobs.take_recent("t2"), None);
        for sequence in 0..2 * MOST_RECENT as u64 {
            jobs.remember(verdict(sequence, &format!("t{sequence}")));
        }
        assert_eq!(jobs.recent.len(), MOST_RECENT);
        assert_eq!(jobs.take_recent("t0"), None);
    }

    #[test]
    fn verdicts_are_told_by_their_job() {
        let mut jobs = Jobs::default();
        jobs.begin("a");
        // Unjournalled verdicts have no sequence.
        jobs.count(&verdict(0, ""));
        jobs.count(&verdict(5, ""));
        jobs.count(&verdict(7, ""));
        jobs.begin("b");
        jobs.count(&verdict(9, ""));
        jobs.begin("c");
        let spans = jobs.spans();
        let check = |sequence, expected: &str| {
            assert_eq!(
                job_of(&spans, &verdict(sequence, "")),
                expected,
                "{sequence}"
            );
        };
        check(0, "");
        check(4, "");
        check(5, "a");
        check(6, "a");
        check(7, "a");
        check(8, "");
        check(9, "b");
        check(10, "");
        let single = Verdict {
            client_data: JobData {
                job: "s".to_owned(),
                meas: String::new(),
            }
            .to_client_data(),
            ..verdict(6, "t")
        };
        assert_eq!(job_of(&spans, &single), "s");
    }

    #[test]
    fn verdict_of_another_run_with_the_same_sequence_has_another_job() {
        let of_run = |run: &str, sequence| Verdict {
            run_id: run.to_owned(),
            ..verdict(sequence, "")
        };
        let mut jobs = Jobs::default();
        jobs.begin("a");
        jobs.count(&of_run("r1", 5));
        jobs.count(&of_run("r1", 7));
        // The journal of the daemon was removed, and the job goes on.
        jobs.count(&of_run("r2", 1));
        jobs.begin("b");
        jobs.count(&of_run("r2", 6));
        let spans = jobs.spans();
        let check = |run, sequence, expected: &str| {
            let found = job_of(&spans, &of_run(run, sequence));
            assert_eq!(found, expected, "{run} {sequence}");
        };
        check("r1", 5, "a");
        check("r1", 6, "a");
        check("r2", 1, "a");
        check("r2", 5, "");
        check("r2", 6, "b");
        check("r1", 1, "");
        check("r3", 6, "");
    }

    #[tokio::test]
    async fn job_with_the_prepared_recipe_is_judged_with_its_prepared_content() {
        // Nothing answers here: only the list of recipes would need the daemon.
        let endpoint = "http://127.0.0.1:1".parse().expect("an address");
        let client = Client::builder(endpoint).build().expect("no credentials");
        let prepared = Prepared {
            id: "juice".to_owned(),
            version: "1".to_owned(),
            sha256: "00".to_owned(),
        };
        let choice = |id: &str, version: &str| RecipeChoice {
            id: id.to_owned(),
            version: version.to_owned(),
            sha256: String::new(),
        };
        let content = |id: &str, sha256: &str| -> Result<(String, String), StatusCode> {
            Ok((id.to_owned(), sha256.to_owned()))
        };
        let found = recipe(&client, None, Some(&prepared)).await;
        assert_eq!(found, content("juice", "00"));
        let found = recipe(&client, Some(&choice("juice", "1")), Some(&prepared)).await;
        assert_eq!(found, content("juice", "00"));
        let found = recipe(&client, Some(&choice("water", "")), Some(&prepared)).await;
        assert_eq!(found, content("water", ""));
        assert_eq!(recipe(&client, None, None).await, content("", ""));
        // The version of another recipe is looked up.
        let found = recipe(&client, Some(&choice("water", "3")), Some(&prepared)).await;
        assert_eq!(found, Err(StatusCode::BadCommunicationError));
    }

    #[test]
    fn stopped_job_waits_for_its_verdict() {
        let mut jobs = Jobs::default();
        let job = Job {
            id: "a".to_owned(),
            trigger_id: "t".to_owned(),
        };
        jobs.stop(job.clone());
        assert_eq!(jobs.take_stopped("u"), None);
        assert_eq!(jobs.take_stopped("t"), Some(job));
        assert_eq!(jobs.take_stopped("t"), None);
    }
}
