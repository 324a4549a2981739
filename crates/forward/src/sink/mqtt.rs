//! An MQTT broker: each record is published with QoS 1, and confirmed by the broker's PUBACK.

mod connection;

use std::sync::Arc;

use async_trait::async_trait;
use inspectd_client::Evidence;

use self::connection::{Connection, Message, Notice};
pub(super) use self::connection::{KEEP_ALIVE, credentials, transport};
use super::{Failure, Rejected, Sink};
use crate::clock::now;
use crate::config::{Broker, Mqtt, Origin, Payload};
use crate::record::{Record, VerdictRecord, source_level};

/// An MQTT broker.
pub struct MqttSink {
    settings: Mqtt,
    origin: Arc<Origin>,
    connection: Option<Connection>,
}

impl MqttSink {
    /// A broker with these settings. It is connected with the first call.
    pub fn new(settings: Mqtt, origin: Arc<Origin>) -> Self {
        Self {
            settings,
            origin,
            connection: None,
        }
    }

    /// The first levels of all topics: `inspectd/SITE/BOX`.
    fn base(&self) -> String {
        let Origin { box_name, site } = &*self.origin;
        format!("{}/{site}/{box_name}", self.settings.topic_prefix)
    }

    /// The retained message that says whether this program is connected.
    fn state(&self, state: &str) -> Message {
        let json = serde_json::json!({ "state": state, "time": now().to_string() });
        Message {
            topic: format!("{}/state", self.base()),
            payload: json.to_string().into_bytes(),
            retain: true,
            id: None,
            json: true,
        }
    }

    fn message(&self, record: &Record) -> Message {
        let json = self.settings.payload == Payload::Json || matches!(record, Record::Gap(_));
        let topic = match record {
            Record::Verdict(record) => {
                format!("{}/{}/verdict", self.base(), source_level(&record.verdict))
            }
            Record::Gap(_) => format!("{}/gap", self.base()),
        };
        Message {
            topic,
            payload: if json {
                record.json()
            } else {
                record.protobuf()
            },
            retain: false,
            id: Some(record.id().to_owned()),
            json,
        }
    }

    /// The connection, with the state `online` published.
    async fn connection(&mut self) -> Result<&mut Connection, Failure> {
        if self.connection.is_none() {
            // The broker publishes it if this program fails, at a time that is not known now.
            let mut will = self.state("offline");
            will.payload = b"{\"state\":\"offline\"}".to_vec();
            let mut connection = Connection::open(&self.settings, will)?;
            let online = self.state("online");
            let opened = async {
                connection.connected().await?;
                publish(&mut connection, &[online]).await
            };
            opened.await.map_err(Failure::before_records)?;
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("it was just opened"))
    }
}

/// Publishes messages, and waits until the broker has acknowledged all. Returns those that it refuses.
async fn publish(
    connection: &mut Connection,
    messages: &[Message],
) -> Result<Vec<Rejected>, Failure> {
    let (publisher, notices) = connection.parts();
    let send = async {
        for message in messages {
            publisher.publish(message).await?;
        }
        Ok(())
    };
    let receive = async {
        // The places of the messages, by the packet ids that the client gives them in their order.
        let mut places = std::collections::HashMap::new();
        let mut sent = 0;
        let mut rejected = Vec::new();
        let mut waiting = messages.len();
        while waiting > 0 {
            match notices.recv().await {
                Some(Notice::Sent(packet)) => {
                    places.insert(packet, sent);
                    sent += 1;
                }
                Some(Notice::Acknowledged { packet, refusal }) => {
                    let place = places.remove(&packet);
                    let place = place.ok_or_else(|| Failure::transient("an unexpected PUBACK"))?;
                    waiting -= 1;
                    if let Some(reason) = refusal {
                        rejected.push(Rejected {
                            place,
                            reason: reason?,
                        });
                    }
                }
                Some(Notice::Connected) => {}
                Some(Notice::Lost(failure)) => return Err(failure),
                None => return Err(Failure::Lost("the connection is closed".to_owned())),
            }
        }
        Ok(rejected)
    };
    let (rejected, ()) = tokio::try_join!(receive, send)?;
    Ok(rejected)
}

#[async_trait]
impl Sink for MqttSink {
    async fn check(&mut self) -> Result<String, Failure> {
        // With an id of its own, so that the connection of a running program is not taken over, and without its state.
        let settings = Mqtt {
            broker: Broker {
                client_id: format!("{}-check", self.settings.broker.client_id),
                ..self.settings.broker.clone()
            },
            ..self.settings.clone()
        };
        let mut will = self.state("offline");
        will.topic.push_str("/check");
        will.retain = false;
        let mut connection = Connection::open(&settings, will)?;
        connection.connected().await?;
        connection.disconnect().await;
        Ok(format!(
            "broker {}:{} accepts the connection",
            settings.broker.host, settings.broker.port
        ))
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        if self.connection.as_ref().is_some_and(Connection::is_closed) {
            self.reset();
        }
        self.connection().await.map(|_| ())
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        let messages: Vec<_> = records.iter().map(|record| self.message(record)).collect();
        let connection = self.connection().await?;
        publish(connection, &messages).await
    }

    async fn deliver_evidence(&mut self, _: &VerdictRecord, _: &Evidence) -> Result<(), Failure> {
        Err(Failure::Refused(
            "an MQTT sink carries no evidence".to_owned(),
        ))
    }

    fn reset(&mut self) {
        self.connection = None;
    }

    async fn close(&mut self) {
        let offline = self.state("offline");
        if let Some(mut connection) = self.connection.take() {
            // The broker does not publish the last will of a client that disconnects.
            let messages = [offline];
            let told = publish(&mut connection, &messages);
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), told).await;
            connection.disconnect().await;
        }
    }
}
