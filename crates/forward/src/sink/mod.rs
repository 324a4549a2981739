//! The receivers of records.

pub mod files;
pub mod mqtt;
pub mod nats;
pub mod postgresql;
pub mod s3;
pub mod sparkplug;
pub mod webhook;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inspectd_client::{Evidence, Timestamp};
use thiserror::Error;

use crate::config::{Origin, Receiver, SinkSettings};
use crate::record::{Record, VerdictRecord};

/// A receiver of records.
///
/// A call may be dropped at its time limit, before it returns: [`Sink::reset`] is called then, as after a failure.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Connects to the receiver and returns a short description of it. Sends no record.
    async fn check(&mut self) -> Result<String, Failure>;

    /// Sends something that is not a record, and waits for the answer of the receiver. Called after [`Sink::reset`], when
    /// connections were lost with the same records: does the receiver handle anything else? The default is sufficient if
    /// the receiver must answer before a connection counts as open.
    async fn ping(&mut self) -> Result<(), Failure> {
        self.keep_open().await
    }

    /// Connects, if the connection is not open. Called at the start, and at intervals while there is nothing to send.
    async fn keep_open(&mut self) -> Result<(), Failure>;

    /// Sends the records. Returns once the receiver has confirmed that it stored all of them, except those that it refuses
    /// permanently.
    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure>;

    /// Sends the evidence of a verdict, before its record. Returns once the receiver has stored it.
    async fn deliver_evidence(
        &mut self,
        record: &VerdictRecord,
        evidence: &Evidence,
    ) -> Result<(), Failure>;

    /// Drops the connection: the next call opens another one.
    fn reset(&mut self);

    /// Reports to the receiver that no records follow, if its protocol has a message for this.
    async fn close(&mut self);
}

/// A record that the receiver refuses permanently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place among the records that were sent.
    pub place: usize,
    /// The reason.
    pub reason: String,
}

/// Records were not stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The receiver refuses at least one of the records permanently, and stored none of them.
    #[error("{0}")]
    Refused(String),
    /// The receiver is connected, and asks to wait. The sink has waited, and keeps the connection: it is not
    /// reset.
    #[error("{0}")]
    NotReady(String),
    /// The connection was open, and was lost while the records were sent. Usually they may be stored later; but some receivers
    /// close the connection because of a record, such as a packet that is too large, and report no reason.
    #[error("{0}")]
    Lost(String),
    /// The same records may be stored later.
    #[error("{reason}")]
    Transient {
        /// The reason.
        reason: String,
        /// The pause that the receiver asks for.
        retry_after: Option<Duration>,
    },
}

impl Failure {
    /// The same records may be stored later.
    pub fn transient(reason: impl std::fmt::Display) -> Self {
        Self::Transient {
            reason: reason.to_string(),
            retry_after: None,
        }
    }

    /// The failure of something that is sent before the records: they are not the cause of a lost connection.
    pub fn before_records(self) -> Self {
        match self {
            Self::Lost(reason) => Self::transient(reason),
            other => other,
        }
    }
}

/// Creates the sink. It connects with the first call.
pub fn create(settings: &SinkSettings, origin: &Arc<Origin>, state_folder: &Path) -> Box<dyn Sink> {
    match &settings.receiver {
        Receiver::Files(files) => Box::new(files::FileSink::new(files.clone())),
        Receiver::Webhook(webhook) => Box::new(webhook::WebhookSink::new(
            webhook.clone(),
            Arc::clone(origin),
        )),
        Receiver::Mqtt(mqtt) => Box::new(mqtt::MqttSink::new(mqtt.clone(), Arc::clone(origin))),
        Receiver::Sparkplug(sparkplug) => Box::new(sparkplug::SparkplugSink::new(
            sparkplug.clone(),
            origin,
            state_folder,
            &settings.id,
        )),
        Receiver::Postgresql(postgresql) => {
            Box::new(postgresql::PostgresqlSink::new(postgresql.clone()))
        }
        Receiver::Nats(nats) => Box::new(nats::NatsSink::new(nats.clone(), Arc::clone(origin))),
        Receiver::S3(s3) => Box::new(s3::S3Sink::new(s3.clone(), Arc::clone(origin))),
    }
}

/// The innermost error, which says what happened.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The text of a file with a secret, without blanks around it. A missing file is a transient failure: it may be created
/// later.
pub(crate) fn read_secret(path: &Path) -> Result<String, Failure> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|error| Failure::transient(format!("{}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

/// The extension of an image file by its first bytes.
pub(crate) fn image_extension(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(&[0xff, 0xd8]) {
        "jpg"
    } else {
        "png"
    }
}

/// A time without separators, for names of files: `20261130T170559Z`.
pub(crate) fn compact_time(time: Timestamp) -> String {
    let whole = Timestamp { nanos: 0, ..time };
    whole.to_string().replace(['-', ':'], "")
}
