//! `inspectd-forward check`: one line for the daemon and for each sink.

use std::sync::Arc;

use inspectd_client::Error;
use tokio::time::timeout;

use crate::app::client;
use crate::config::{Settings, SinkSettings};
use crate::failure::Failure;
use crate::sink;

/// A line of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked: `daemon`, or `sinks.ID`.
    pub subject: String,
    /// What was found, or what is wrong.
    pub outcome: Result<String, String>,
}

/// Connects to the daemon and to each sink. Sends no record.
pub async fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![Finding {
        subject: format!("daemon {}", settings.daemon.server),
        outcome: daemon(settings)
            .await
            .map_err(|error| error.to_string().replace('\n', ";")),
    }];
    for one in &settings.sinks {
        findings.push(Finding {
            subject: format!("sinks.{} ({})", one.id, one.receiver.kind()),
            outcome: sink(settings, one).await,
        });
    }
    findings
}

async fn daemon(settings: &Settings) -> Result<String, Error> {
    let client = client(&settings.daemon)?;
    let status = client.status().await?;
    let consumers = client.consumers().await?;
    let known = settings.sinks.iter().filter(|sink| {
        consumers
            .iter()
            .any(|consumer| consumer.name == sink.consumer.as_str())
    });
    let newest = status.sequence;
    Ok(format!(
        "verdicts up to {newest}, knows {} of {} consumers",
        known.count(),
        settings.sinks.len()
    ))
}

async fn sink(settings: &Settings, one: &SinkSettings) -> Result<String, String> {
    let origin = Arc::new(settings.origin.clone());
    let mut sink = sink::create(one, &origin, &settings.state_folder);
    match timeout(one.timeout, sink.check()).await {
        Ok(outcome) => outcome.map_err(|failure| failure.to_string()),
        Err(_) => Err(format!("no answer within {} s", one.timeout.as_secs_f64())),
    }
}

/// Prints the findings, one on a line.
///
/// # Errors
/// If one of them is a fault.
pub fn report(findings: &[Finding]) -> Result<String, Failure> {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| match &finding.outcome {
            Ok(text) => format!("ok      {}: {text}", finding.subject),
            Err(text) => format!("FAILED  {}: {text}", finding.subject),
        })
        .collect();
    let text = lines.join("\n");
    if findings.iter().all(|finding| finding.outcome.is_ok()) {
        Ok(text)
    } else {
        Err(Failure::Failed(text))
    }
}
