//! A study of parts that a person, or a source that repeats them, puts before a camera.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, anyhow};
use inspectd_client::acceptance::{PartState, Series, Step};
use inspectd_client::proto::Verdict;
use inspectd_client::{Client, Trigger, TriggerTarget};
use tokio::sync::oneshot;

use super::recorder::{Recorded, Recorder};
use crate::failure::Failure;

/// How long a verdict may take, and a daemon that does not answer is waited for.
const PATIENCE: Duration = Duration::from_mins(5);

/// The truth of a good part of a simulator.
const GOOD: &str = "good";

/// What a person answers.
enum Answer {
    /// The part is in place.
    Continue,
    /// The previous measurement was of another part.
    RepeatPrevious,
    /// Enough for now.
    Stop,
}

/// Measures all steps that are not measured yet. Returns false if the person stopped before.
///
/// # Errors
/// When the daemon refuses or does not answer, standard input is no terminal, or the study cannot be recorded.
pub async fn measure(
    client: &Client,
    recorder: &mut Recorder,
    auto: bool,
) -> Result<bool, Failure> {
    if !auto && !std::io::stdin().is_terminal() {
        return Err(
            anyhow!("standard input is not a terminal; --auto triggers without questions").into(),
        );
    }
    if auto {
        return measure_all(client, recorder).await;
    }
    recorder.hide();
    let mut previous: Option<Step> = None;
    // A part that is not moved is put in place once.
    let mut in_place = false;
    while let Some(step) = recorder.study().remaining().into_iter().next() {
        if !(in_place && step.series == Series::Reference) {
            match ask(recorder, &step, previous.is_some()).await? {
                Answer::Stop => return Ok(false),
                Answer::RepeatPrevious => {
                    if let Some(wrong) = previous.take() {
                        recorder.discard(wrong.number)?;
                    }
                    continue;
                }
                Answer::Continue => {}
            }
        }
        in_place = step.series == Series::Reference;
        let verdict = trigger(client, recorder, &step).await?;
        previous = match recorder.record(&step, &verdict)? {
            Recorded::Measurement => Some(step),
            Recorded::Fault => {
                in_place = false;
                None
            }
        };
    }
    Ok(true)
}

/// Triggers every step once: another attempt would already show the next part.
async fn measure_all(client: &Client, recorder: &mut Recorder) -> Result<bool, Failure> {
    recorder.show();
    for step in recorder.study().remaining() {
        let verdict = trigger(client, recorder, &step).await?;
        check_truth(&step, &verdict)?;
        recorder.record(&step, &verdict)?;
    }
    recorder.finish();
    Ok(true)
}

/// A simulator knows the state of its part, which must be that of the plan.
fn check_truth(step: &Step, verdict: &Verdict) -> Result<(), anyhow::Error> {
    let truth = verdict.truth.as_str();
    let rendered = if truth == GOOD {
        PartState::Good
    } else {
        PartState::Bad
    };
    if truth.is_empty() || rendered == step.part.state {
        return Ok(());
    }
    Err(anyhow!(
        "step {}: part {} is {} by the plan, but the source shows a part that is {truth}: it is not in step with the plan",
        step.number,
        step.part.id,
        step.part.state.name()
    ))
}

async fn trigger(client: &Client, recorder: &Recorder, step: &Step) -> Result<Verdict, Failure> {
    let camera = recorder.study().header.camera.clone();
    let trigger = Trigger {
        part_id: step.part.id.clone(),
        wait: Some(PATIENCE),
        ..Trigger::new(TriggerTarget::Camera(camera))
    };
    let key = recorder.key(step);
    let response = client.trigger_with_retry(&trigger, &key, PATIENCE).await?;
    let none = || {
        anyhow!(
            "step {}, part {}: a verdict is not possible",
            step.number,
            step.part.id
        )
    };
    Ok(response.verdict.ok_or_else(none)?)
}

/// Asks for the part of a step.
async fn ask(recorder: &Recorder, step: &Step, has_previous: bool) -> Result<Answer, Failure> {
    let (_, planned) = recorder.progress();
    let what = match step.series {
        Series::Reference => format!(
            "put part {} in place; it is measured {} times, and must not be moved meanwhile",
            step.part.id,
            recorder.study().header.plan.reference_count
        ),
        Series::Moved => format!("take part {} out, and put it in place again", step.part.id),
        Series::Agreement => format!("put part {} in place", step.part.id),
    };
    let repeat = if has_previous {
        ", r: the previous part was a wrong one"
    } else {
        ""
    };
    let mut out = anstream::stdout();
    writeln!(
        out,
        "{} of {planned}: {what} (Enter: measure{repeat}, q: stop)",
        step.number
    )?;
    loop {
        out.flush()?;
        match read_line().await?.trim() {
            "" => return Ok(Answer::Continue),
            "q" => return Ok(Answer::Stop),
            "r" if has_previous => return Ok(Answer::RepeatPrevious),
            _ => writeln!(out, "Enter, q{}", if has_previous { " or r" } else { "" })?,
        }
    }
}

/// Reads a line while the connection to the daemon stays alive. At its end, a person has stopped.
async fn read_line() -> Result<String, Failure> {
    let (sender, entered) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        // Nobody waits any longer if the command failed.
        let _ = sender.send(read.map(|count| if count == 0 { "q".to_owned() } else { line }));
    });
    let cannot = "standard input cannot be read";
    Ok(entered.await.context(cannot)?.context(cannot)?)
}
