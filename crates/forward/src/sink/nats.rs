//! NATS JetStream: each record is a message whose id is that of the record, confirmed by the stream's acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context, ErrorCode, stream};
use async_nats::{Client, ConnectOptions};
use async_trait::async_trait;
use inspectd_client::Evidence;

use super::{Failure, Rejected, Sink, read_secret, root_cause};
use crate::config::{Nats, NatsLogin, NatsStream, Origin, Payload};
use crate::record::{Record, VerdictRecord, decision_name, source_level};
use crate::tls;

/// Messages that are published and not acknowledged yet.
const IN_FLIGHT: usize = 1000;
/// Time for one acknowledgement; the election of another leader takes some seconds.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A NATS server or cluster.
pub struct NatsSink {
    settings: Nats,
    origin: Arc<Origin>,
    context: Option<Context>,
}

impl NatsSink {
    /// Servers with these settings. They are connected with the first call.
    pub fn new(settings: Nats, origin: Arc<Origin>) -> Self {
        Self {
            settings,
            origin,
            context: None,
        }
    }

    async fn connect(&self) -> Result<Client, Failure> {
        let mut options = ConnectOptions::new()
            .name("inspectd-forward")
            .connection_timeout(CONNECT_TIMEOUT);
        match &self.settings.login {
            Some(NatsLogin::Password(user, file)) => {
                options = options.user_and_password(user.clone(), read_secret(file)?);
            }
            Some(NatsLogin::Credentials(file)) => {
                let text = read_secret(file)?;
                let invalid = |error| Failure::transient(format!("{}: {error}", file.display()));
                options = options.credentials(&text).map_err(invalid)?;
            }
            None => {}
        }
        if let Some(files) = &self.settings.tls {
            let config = tls::client_config(files).map_err(Failure::transient)?;
            options = options.tls_client_config(config).require_tls(true);
        }
        let connected = options.connect(&self.settings.servers).await;
        connected.map_err(|error| Failure::transient(root_cause(&error)))
    }

    /// The stream context, with the stream that the configuration asks for.
    async fn context(&mut self) -> Result<&Context, Failure> {
        if self.context.is_none() {
            let client = self.connect().await?;
            let context = jetstream::context::ContextBuilder::new()
                .timeout(ACKNOWLEDGEMENT_TIMEOUT)
                .max_ack_inflight(IN_FLIGHT)
                .build(client);
            if let Some(stream) = &self.settings.stream {
                let created = context.get_or_create_stream(self.stream(stream)).await;
                created.map_err(|error| Failure::transient(root_cause(&error)))?;
            }
            self.context = Some(context);
        }
        Ok(self.context.as_ref().expect("it was just created"))
    }

    fn stream(&self, settings: &NatsStream) -> stream::Config {
        stream::Config {
            name: settings.name.clone(),
            subjects: vec![format!("{}.>", self.settings.subject_prefix)],
            num_replicas: settings.replicas,
            duplicate_window: settings.duplicate_window,
            storage: stream::StorageType::File,
            ..stream::Config::default()
        }
    }

    fn subject(&self, record: &Record) -> String {
        let Origin { box_name, site } = &*self.origin;
        let base = format!(
            "{}.{}.{}",
            self.settings.subject_prefix,
            token(site),
            token(box_name)
        );
        match record {
            Record::Verdict(record) => {
                let verdict = &record.verdict;
                format!(
                    "{base}.{}.{}",
                    source_level(verdict),
                    decision_name(verdict)
                )
            }
            Record::Gap(_) => format!("{base}.gap"),
        }
    }

    fn message(&self, record: &Record) -> PublishMessage {
        let json = self.settings.payload == Payload::Json || matches!(record, Record::Gap(_));
        let (payload, kind) = if json {
            (record.json(), "application/json")
        } else {
            (record.protobuf(), "application/protobuf")
        };
        PublishMessage::build()
            .payload(payload.into())
            .header("Content-Type", kind)
            .message_id(record.id())
    }
}

/// A name as one token of a subject: a dot would divide it into two.
fn token(name: &str) -> String {
    name.replace('.', "_")
}

#[async_trait]
impl Sink for NatsSink {
    async fn check(&mut self) -> Result<String, Failure> {
        let client = self.connect().await?;
        let version = client.server_info().version;
        let context = jetstream::new(client);
        let account = context.query_account().await;
        account
            .map_err(|error| Failure::transient(format!("JetStream: {}", root_cause(&error))))?;
        let Some(stream) = &self.settings.stream else {
            return Ok(format!("nats-server {version} with JetStream"));
        };
        let name = &stream.name;
        Ok(match context.get_stream(name).await {
            Ok(stream) => {
                let messages = stream.cached_info().state.messages;
                format!("nats-server {version}, the stream {name} has {messages} messages")
            }
            Err(_) => format!("nats-server {version}, the stream {name} does not exist yet"),
        })
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        self.context().await.map(|_| ())
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        let mut messages = Vec::with_capacity(records.len());
        for record in records {
            messages.push((self.subject(record), self.message(record)));
        }
        let context = self.context().await?;
        let mut rejected = Vec::new();
        let mut messages = messages.into_iter().enumerate().peekable();
        while messages.peek().is_some() {
            let mut sent: Vec<(usize, PublishAckFuture)> = Vec::with_capacity(IN_FLIGHT);
            for (place, (subject, message)) in messages.by_ref().take(IN_FLIGHT) {
                match context.send_publish(subject, message).await {
                    Ok(acknowledgement) => sent.push((place, acknowledgement)),
                    Err(error) => rejected.push(refusal(place, &error)?),
                }
            }
            for (place, acknowledgement) in sent {
                if let Err(error) = acknowledgement.await {
                    rejected.push(refusal(place, &error)?);
                }
            }
        }
        Ok(rejected)
    }

    async fn deliver_evidence(&mut self, _: &VerdictRecord, _: &Evidence) -> Result<(), Failure> {
        Err(Failure::Refused(
            "a NATS sink carries no evidence".to_owned(),
        ))
    }

    fn reset(&mut self) {
        self.context = None;
    }

    async fn close(&mut self) {
        self.context = None;
    }
}

/// The refusal of one message; an error if it may be stored later.
fn refusal(place: usize, error: &PublishError) -> Result<Rejected, Failure> {
    let source = std::error::Error::source(error);
    let code = source
        .and_then(|source| source.downcast_ref::<jetstream::Error>())
        .map(jetstream::Error::error_code);
    let too_large = error.kind() == PublishErrorKind::MaxPayloadExceeded
        || matches!(
            code,
            Some(
                ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM
                    | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM
            )
        );
    let reason = format!("{}: {}", error.kind(), root_cause(error));
    if too_large {
        return Ok(Rejected { place, reason });
    }
    Err(Failure::transient(reason))
}
