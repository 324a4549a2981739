//! One connection to a broker, in version 3.1.1 or 5. It ends with its first error.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{Event, MqttOptions, Outgoing, Packet, QoS, TlsConfiguration, Transport, v5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::{Broker, Mqtt, MqttVersion};
use crate::sink::{Failure, read_secret};
use crate::tls;

/// Messages that are published and not acknowledged yet.
const IN_FLIGHT: u16 = 1000;
/// Requests and notices that wait.
const QUEUE: usize = 100;
/// The largest packet.
const MAX_PACKET_BYTES: usize = 64 << 20;
/// Keep-alive interval: time without a packet after which a ping is sent to the broker.
pub(in crate::sink) const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Maximum time of an orderly end.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A message to publish.
pub(super) struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
    /// The id of the record, a user property in version 5.
    pub id: Option<String>,
    /// Whether the payload is JSON; otherwise it is protobuf.
    pub json: bool,
}

/// What happened on the connection.
pub(super) enum Notice {
    Connected,
    /// The next message was sent with this packet id.
    Sent(u16),
    /// The broker has the message with this packet id, or refuses it.
    Acknowledged {
        packet: u16,
        refusal: Option<Result<String, Failure>>,
    },
    /// The connection has ended.
    Lost(Failure),
}

/// Publishes messages.
pub(super) enum Publisher {
    V3(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// A connection. Dropping it closes it without DISCONNECT: the broker then publishes the last will.
pub(super) struct Connection {
    publisher: Publisher,
    notices: mpsc::Receiver<Notice>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How bytes reach the broker. The files of TLS are read now.
pub(in crate::sink) fn transport(broker: &Broker) -> Result<Transport, Failure> {
    let Some(files) = &broker.tls else {
        return Ok(Transport::tcp());
    };
    let config = tls::client_config(files).map_err(Failure::transient)?;
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(
        Arc::new(config),
    )))
}

/// The user and the password, which is read now.
pub(in crate::sink) fn credentials(broker: &Broker) -> Result<Option<(String, String)>, Failure> {
    let Some((user, file)) = &broker.login else {
        return Ok(None);
    };
    Ok(Some((user.clone(), read_secret(file)?)))
}

impl Connection {
    /// Begins to connect. Must be called in a runtime.
    pub fn open(settings: &Mqtt, will: Message) -> Result<Self, Failure> {
        let transport = transport(&settings.broker)?;
        let login = credentials(&settings.broker)?;
        let (sender, notices) = mpsc::channel(QUEUE);
        let (publisher, task) = match settings.version {
            MqttVersion::V3 => version_3(settings, will, transport, login, sender),
            MqttVersion::V5 => version_5(settings, will, transport, login, sender),
        };
        Ok(Self {
            publisher,
            notices,
            task,
        })
    }

    /// Waits until the broker has accepted the connection.
    pub async fn connected(&mut self) -> Result<(), Failure> {
        match self.notices.recv().await {
            Some(Notice::Connected) => Ok(()),
            Some(Notice::Lost(failure)) => Err(failure),
            _ => Err(Failure::transient("the connection is closed")),
        }
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.task.is_finished()
    }

    /// The two directions.
    pub fn parts(&mut self) -> (&Publisher, &mut mpsc::Receiver<Notice>) {
        (&self.publisher, &mut self.notices)
    }

    /// Ends the connection, so that the broker does not publish the last will.
    pub async fn disconnect(mut self) {
        let asked = match &self.publisher {
            Publisher::V3(client) => client.disconnect().await.is_ok(),
            Publisher::V5(client) => client.disconnect().await.is_ok(),
        };
        if asked {
            let ended = async { while self.notices.recv().await.is_some() {} };
            let _ = tokio::time::timeout(DISCONNECT_TIMEOUT, ended).await;
        }
    }
}

impl Publisher {
    /// Publishes a message, once the queue has space for it.
    pub async fn publish(&self, message: &Message) -> Result<(), Failure> {
        let Message {
            topic,
            payload,
            retain,
            ..
        } = message;
        let closed = |_| Failure::Lost("the connection is closed".to_owned());
        match self {
            Self::V3(client) => {
                let published = client.publish(topic, QoS::AtLeastOnce, *retain, payload.clone());
                published.await.map_err(|error| closed(error.to_string()))
            }
            Self::V5(client) => {
                let properties = v5::mqttbytes::v5::PublishProperties {
                    payload_format_indicator: message.json.then_some(1),
                    content_type: Some(content_type(message.json).to_owned()),
                    user_properties: message
                        .id
                        .iter()
                        .map(|id| ("id".to_owned(), id.clone()))
                        .collect(),
                    ..Default::default()
                };
                let qos = v5::mqttbytes::QoS::AtLeastOnce;
                let published = client.publish_with_properties(
                    topic,
                    qos,
                    *retain,
                    payload.clone(),
                    properties,
                );
                published.await.map_err(|error| closed(error.to_string()))
            }
        }
    }
}

fn content_type(json: bool) -> &'static str {
    if json {
        "application/json"
    } else {
        "application/protobuf"
    }
}

fn version_3(
    settings: &Mqtt,
    will: Message,
    transport: Transport,
    login: Option<(String, String)>,
    notices: mpsc::Sender<Notice>,
) -> (Publisher, JoinHandle<()>) {
    let mut options = MqttOptions::new(
        &settings.broker.client_id,
        &settings.broker.host,
        settings.broker.port,
    );
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_transport(transport)
        .set_inflight(IN_FLIGHT)
        .set_max_packet_size(MAX_PACKET_BYTES, MAX_PACKET_BYTES)
        .set_last_will(rumqttc::LastWill::new(
            will.topic,
            will.payload,
            QoS::AtLeastOnce,
            will.retain,
        ));
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    let (client, mut events) = rumqttc::AsyncClient::new(options, QUEUE);
    let task = tokio::spawn(async move {
        loop {
            let notice = match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => Notice::Connected,
                Ok(Event::Incoming(Packet::PubAck(ack))) => Notice::Acknowledged {
                    packet: ack.pkid,
                    refusal: None,
                },
                Ok(Event::Outgoing(Outgoing::Publish(packet))) => Notice::Sent(packet),
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
                Ok(_) => continue,
                Err(error) => Notice::Lost(failure_3(&error)),
            };
            let lost = matches!(notice, Notice::Lost(_));
            if notices.send(notice).await.is_err() || lost {
                return;
            }
        }
    });
    (Publisher::V3(client), task)
}

/// The end of a connection. Version 3.1.1 has no packet by which a broker could report the reason.
fn failure_3(error: &rumqttc::ConnectionError) -> Failure {
    match error {
        rumqttc::ConnectionError::MqttState(rumqttc::StateError::Deserialization(
            rumqttc::mqttbytes::Error::OutgoingPacketTooLarge { .. },
        )) => Failure::Refused(error.to_string()),
        _ => Failure::Lost(error.to_string()),
    }
}

fn version_5(
    settings: &Mqtt,
    will: Message,
    transport: Transport,
    login: Option<(String, String)>,
    notices: mpsc::Sender<Notice>,
) -> (Publisher, JoinHandle<()>) {
    let qos = v5::mqttbytes::QoS::AtLeastOnce;
    let will = v5::mqttbytes::v5::LastWill::new(will.topic, will.payload, qos, will.retain, None);
    let mut options = v5::MqttOptions::new(
        &settings.broker.client_id,
        &settings.broker.host,
        settings.broker.port,
    );
    options.set_outgoing_inflight_upper_limit(IN_FLIGHT);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_transport(transport)
        .set_last_will(will);
    if let Some((user, password)) = login {
        options.set_credentials(user, password);
    }
    let (client, mut events) = v5::AsyncClient::new(options, QUEUE);
    let task = tokio::spawn(async move {
        loop {
            let notice = match events.poll().await {
                Ok(v5::Event::Incoming(v5::mqttbytes::v5::Packet::ConnAck(_))) => Notice::Connected,
                Ok(v5::Event::Incoming(v5::mqttbytes::v5::Packet::PubAck(ack))) => {
                    Notice::Acknowledged {
                        packet: ack.pkid,
                        refusal: refusal_5(ack.reason),
                    }
                }
                Ok(v5::Event::Outgoing(Outgoing::Publish(packet))) => Notice::Sent(packet),
                Ok(v5::Event::Outgoing(Outgoing::Disconnect)) => return,
                Ok(_) => continue,
                Err(error) => Notice::Lost(failure_5(&error)),
            };
            let lost = matches!(notice, Notice::Lost(_));
            if notices.send(notice).await.is_err() || lost {
                return;
            }
        }
    });
    (Publisher::V5(client), task)
}

/// What the broker answers to a message: success, a refusal of this message, or a transient error.
fn refusal_5(reason: v5::mqttbytes::v5::PubAckReason) -> Option<Result<String, Failure>> {
    use v5::mqttbytes::v5::PubAckReason as Reason;
    match reason {
        Reason::Success | Reason::NoMatchingSubscribers => None,
        Reason::TopicNameInvalid | Reason::PayloadFormatInvalid => {
            Some(Ok(format!("PUBACK {reason:?}")))
        }
        // The permissions and the quota of the client concern every message.
        other => Some(Err(Failure::transient(format!("PUBACK {other:?}")))),
    }
}

fn failure_5(error: &v5::ConnectionError) -> Failure {
    use v5::mqttbytes::v5::DisconnectReasonCode;
    match error {
        v5::ConnectionError::MqttState(
            v5::StateError::OutgoingPacketTooLarge { .. }
            | v5::StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::PacketTooLarge,
                ..
            },
        ) => Failure::Refused(error.to_string()),
        // The broker reports a reason that does not concern the messages, such as a shutdown.
        v5::ConnectionError::MqttState(v5::StateError::ServerDisconnect { .. }) => {
            Failure::transient(error)
        }
        _ => Failure::Lost(error.to_string()),
    }
}
