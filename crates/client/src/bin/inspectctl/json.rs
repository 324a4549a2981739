//! The output of `--json`: the messages of `proto/inspectd/v1` with their field names. Enumerators are in
//! lower case, times in RFC 3339, durations in milliseconds (`_ms`), bytes in base64; unset fields are null.

mod challenge;
mod model;
mod report;
mod shadow;
mod status;
mod tuning;

use std::io::{self, Write};

pub use inspectd_client::json::Verdict;
use inspectd_client::json::{Model, RecipeTag, time};
use inspectd_client::proto;
use serde::Serialize;

pub use self::challenge::Challenge;
pub use self::model::{ActiveModel, InstallResult};
pub use self::report::Report;
pub use self::shadow::{Disagreement, Shadow};
pub use self::status::{Camera, Status};
pub use self::tuning::{ReplayEvent, Suggested};
use crate::format;

/// One line of `watch --json`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event<'a> {
    /// A verdict.
    Verdict(Box<Verdict<'a>>),
    /// Verdicts that the daemon cannot deliver.
    Gap {
        /// The number of verdicts.
        missed: u64,
        /// The first and the last sequence, if they were lost with a journal. Absent: this client read too slowly.
        #[serde(skip_serializing_if = "Option::is_none")]
        lost: Option<[u64; 2]>,
    },
}

/// One line of `trigger --json`.
#[derive(Serialize)]
pub struct Triggered<'a> {
    /// The id of the request.
    pub trigger_id: &'a str,
    /// Whether it repeats an earlier request.
    pub repeated: bool,
    /// The verdict, if it exists.
    pub verdict: Option<Verdict<'a>>,
}

/// One line of `inspect --json`.
#[derive(Serialize)]
pub struct Inspected<'a> {
    /// The file, as on the command line.
    pub image: &'a str,
    /// The verdict.
    pub verdict: Verdict<'a>,
}

/// One line of `consumers --json`: the fields of [`proto::Consumer`].
#[derive(Serialize)]
pub struct Consumer<'a> {
    name: &'a str,
    acknowledged: u64,
    acknowledge_time: Option<String>,
    pending: u64,
    lag_ms: Option<f64>,
    lost: u64,
    connected: bool,
    client: &'a str,
}

impl<'a> From<&'a proto::Consumer> for Consumer<'a> {
    fn from(consumer: &'a proto::Consumer) -> Self {
        Self {
            name: &consumer.name,
            acknowledged: consumer.acknowledged,
            acknowledge_time: time(consumer.acknowledge_time.as_ref()),
            pending: consumer.pending,
            lag_ms: consumer.lag.map(format::milliseconds),
            lost: consumer.lost,
            connected: consumer.connected,
            client: &consumer.client,
        }
    }
}

/// One line of `label --json`: the fields of [`proto::Label`].
#[derive(Serialize)]
pub struct Label<'a> {
    sequence: u64,
    kind: String,
    defect_class: &'a str,
    author: &'a str,
    time: Option<String>,
}

impl<'a> From<&'a proto::Label> for Label<'a> {
    fn from(label: &'a proto::Label) -> Self {
        Self {
            sequence: label.sequence,
            kind: format::label(label.kind()),
            defect_class: &label.defect_class,
            author: &label.author,
            time: time(label.time.as_ref()),
        }
    }
}

/// Writes a line of JSON to `out`.
///
/// # Errors
/// If `out` cannot be written.
pub fn write(out: &mut impl Write, data: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(data).expect("plain data becomes JSON");
    writeln!(out, "{line}")
}

#[cfg(test)]
mod tests;
