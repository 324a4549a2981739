//! Sparkplug B: the box is an edge node, each camera is a device, a verdict is a data message.
//!
//! Data messages have QoS 0. A batch is confirmed by a later exchange on the same connection, which shows that the broker has
//! read it. What the broker does with it is not known.

mod connections;
mod metrics;
mod node;
mod session;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inspectd_client::Evidence;
use parking_lot::Mutex;

use self::connections::Connections;
use self::node::{Memory, Names, Node};
use self::session::{Session, WINDOW, probe};
use super::{Failure, Rejected, Sink};
use crate::config::{Broker, Origin, Sparkplug};
use crate::record::{Record, VerdictRecord};

/// Maximum wait for the primary host in one attempt: the program can stop in between.
const PATIENCE: Duration = Duration::from_secs(1);

/// An edge node of Sparkplug B.
pub struct SparkplugSink {
    settings: Sparkplug,
    names: Arc<Names>,
    connections: Connections,
    memory: Arc<Mutex<Memory>>,
    session: Option<Session>,
}

impl SparkplugSink {
    /// An edge node with these settings; `id` is that of the sink. It is connected with the first call.
    pub fn new(settings: Sparkplug, origin: &Origin, state_folder: &Path, id: &str) -> Self {
        let names = Names {
            group: settings.group.clone(),
            node: origin.box_name.clone(),
            site: origin.site.clone(),
        };
        Self {
            settings,
            names: Arc::new(names),
            connections: Connections::new(state_folder, id),
            memory: Arc::default(),
            session: None,
        }
    }

    /// The connection, with a node that has published its birth certificate.
    async fn session(&mut self, patience: Duration) -> Result<&mut Session, Failure> {
        if let Some(ended) = self.session.take_if(|session| session.has_ended()) {
            ended.finish().await;
        }
        if self.session.is_none() {
            let number = self.connections.next()?;
            let node = Node::new(Arc::clone(&self.names), Arc::clone(&self.memory), number);
            self.session = Some(Session::open(&self.settings, &self.names, node)?);
        }
        let session = self.session.as_mut().expect("it was just opened");
        let ready = session.ready(patience).await;
        ready.map_err(Failure::before_records)?;
        Ok(session)
    }

    async fn send(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        let session = self.session(PATIENCE).await?;
        let mut rejected = Vec::new();
        for (number, window) in records.chunks(WINDOW).enumerate() {
            let refused = session.publish(window)?;
            rejected.extend(refused.into_iter().map(|one| Rejected {
                place: number * WINDOW + one.place,
                ..one
            }));
            session.exchange().await?;
        }
        Ok(rejected)
    }
}

#[async_trait]
impl Sink for SparkplugSink {
    async fn check(&mut self) -> Result<String, Failure> {
        // With an id of its own and without certificates, so that a running program is not disturbed.
        let settings = Sparkplug {
            broker: Broker {
                client_id: format!("{}-check", self.settings.broker.client_id),
                ..self.settings.broker.clone()
            },
            ..self.settings.clone()
        };
        probe(&settings).await?;
        Ok(format!(
            "broker {}:{} accepts the connection",
            settings.broker.host, settings.broker.port
        ))
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        let session = self.session(PATIENCE).await?;
        session.exchange().await
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        self.session(Duration::ZERO).await.map(|_| ())
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        let before = self.memory.lock().clone();
        let sent = self.send(records).await;
        if let Err(Failure::Lost(_)) = sent {
            // The next birth certificates have values that the broker has read: it may have refused one of these records.
            *self.memory.lock() = before;
        }
        sent
    }

    async fn deliver_evidence(&mut self, _: &VerdictRecord, _: &Evidence) -> Result<(), Failure> {
        Err(Failure::Refused(
            "a Sparkplug sink carries no evidence".to_owned(),
        ))
    }

    fn reset(&mut self) {
        self.session = None;
    }

    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}

#[cfg(test)]
mod tests;
