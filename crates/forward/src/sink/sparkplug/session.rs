//! One connection of an edge node to a broker: subscriptions, the state of the primary host, rebirths. It ends with its first
//! error, and when the primary host goes offline.
//!
//! Messages are put into the queue of the client while the node is locked, so that they are sent in the order of their
//! sequence numbers. The client and the broker are those of MQTT 3.1.1, which Sparkplug 3.0 allows, over the same
//! library as the sink `mqtt`: `srad-client-rumqtt` uses an older one with an older TLS library, and does not report
//! what the broker has answered.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS,
    SubscribeFilter, SubscribeReasonCode,
};
use srad_client::{Event as Received, MessageKind, StatePayload, topic_and_payload_to_event};
use srad_types::constants::NODE_CONTROL_REBIRTH;
use srad_types::payload::Payload;
use srad_types::payload::metric::Value;
use srad_types::topic::{self, NodeMessage};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info};

use super::node::{Message, Names, Node};
use crate::clock::now;
use crate::config::Sparkplug;
use crate::record::Record;
use crate::sink::mqtt::{KEEP_ALIVE, credentials, transport};
use crate::sink::{Failure, Rejected};

/// Messages that wait for the connection: a window of records, and the certificates of some rebirths.
const QUEUE: usize = 4 * WINDOW;
/// The most records between two exchanges with the broker.
pub(super) const WINDOW: usize = 1000;
/// The largest packet.
const MAX_PACKET_BYTES: usize = 1 << 20;
/// The shortest time between two births. A host may ask more often; it is answered after this time.
const REBIRTH_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum time of an orderly end.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How far a connection is.
#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// The broker has not accepted the connection and the subscriptions yet.
    Connecting,
    /// The primary host is not online.
    Waiting,
    /// The node has its birth certificate.
    Born,
    /// The connection has ended.
    Ended(Failure),
}

/// What others may wait for.
#[derive(Debug)]
struct State {
    stage: Stage,
    /// The number of exchanges that the broker has answered.
    exchanges: u64,
}

/// The node, and what decides about its birth.
struct Inner {
    node: Node,
    subscribed: bool,
    /// The last STATE of the primary host, with its timestamp.
    host: Option<(u64, bool)>,
    last_birth: Option<Instant>,
    rebirth_is_planned: bool,
}

struct Shared {
    names: Arc<Names>,
    primary_host: Option<String>,
    client: AsyncClient,
    inner: Mutex<Inner>,
    state: watch::Sender<State>,
}

/// A connection. Dropping it closes it without DISCONNECT: the broker then publishes the death certificate.
pub(super) struct Session {
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
    task: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Begins to connect. Must be called in a runtime.
    pub fn open(settings: &Sparkplug, names: &Arc<Names>, node: Node) -> Result<Self, Failure> {
        let mut options = options(settings)?;
        let will = node.last_will();
        options.set_last_will(LastWill::new(
            will.topic,
            will.payload,
            QoS::AtLeastOnce,
            will.retain,
        ));
        let (client, events) = AsyncClient::new(options, QUEUE);
        let (sender, state) = watch::channel(State {
            stage: Stage::Connecting,
            exchanges: 0,
        });
        let shared = Arc::new(Shared {
            names: Arc::clone(names),
            primary_host: settings.primary_host.clone(),
            client,
            inner: Mutex::new(Inner {
                node,
                subscribed: false,
                host: None,
                last_birth: None,
                rebirth_is_planned: false,
            }),
            state: sender,
        });
        let task = tokio::spawn(poll(Arc::clone(&shared), events));
        Ok(Self {
            shared,
            state,
            task,
        })
    }

    /// Waits until the node has its birth certificate; for the primary host only as long as `patience`.
    pub async fn ready(&mut self, patience: Duration) -> Result<(), Failure> {
        let stage = self.stage_after(&Stage::Connecting).await;
        let stage = match stage {
            Stage::Waiting => {
                let changed = timeout(patience, self.stage_after(&Stage::Waiting)).await;
                changed.unwrap_or(Stage::Waiting)
            }
            other => other,
        };
        match stage {
            Stage::Born => Ok(()),
            Stage::Ended(failure) => Err(failure),
            Stage::Waiting | Stage::Connecting => Err(self.shared.host_is_offline()),
        }
    }

    /// Waits until the connection is at another stage.
    async fn stage_after(&mut self, stage: &Stage) -> Stage {
        let changed = self.state.wait_for(|state| state.stage != *stage).await;
        changed.map_or_else(|_| Stage::Ended(closed()), |state| state.stage.clone())
    }

    /// Whether the connection has ended.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.borrow().stage, Stage::Ended(_)) || self.task.is_finished()
    }

    /// Queues the messages of the records. Returns those that cannot be sent.
    pub fn publish(&self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        let mut inner = self.shared.inner.lock();
        let mut rejected = Vec::new();
        for (place, record) in records.iter().enumerate() {
            if !inner.node.is_born() {
                let stage = self.state.borrow().stage.clone();
                return Err(match stage {
                    Stage::Ended(failure) => failure,
                    _ => self.shared.host_is_offline(),
                });
            }
            match inner.node.data(record, now()) {
                Ok(messages) => self.shared.queue(messages)?,
                Err(reason) => rejected.push(Rejected { place, reason }),
            }
        }
        Ok(rejected)
    }

    /// Waits until the broker has read everything that was queued before: it reads a connection in its order, and
    /// answers an UNSUBSCRIBE, here of a topic to which the node has no subscription. If it has reported the primary
    /// host offline before this answer, that is a failure: the host may have missed a message.
    pub async fn exchange(&mut self) -> Result<(), Failure> {
        let before = self.state.borrow().exchanges;
        let topic = self.shared.names.node_topic(&NodeMessage::NData);
        let queued = self.shared.client.try_unsubscribe(topic);
        queued.map_err(|_| self.not_queued())?;
        let done =
            |state: &State| state.exchanges > before || matches!(state.stage, Stage::Ended(_));
        let state = self.state.wait_for(done).await.map_err(|_| closed())?;
        match &state.stage {
            Stage::Ended(failure) => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    /// Why the connection accepts nothing: it has ended, or its queue is full.
    fn not_queued(&self) -> Failure {
        match &self.state.borrow().stage {
            Stage::Ended(failure) => failure.clone(),
            _ => full(),
        }
    }

    /// Publishes the death certificate, and disconnects.
    pub async fn close(self) {
        let death = self.shared.inner.lock().node.death(now());
        let _ = self.shared.queue(death);
        let _ = self.shared.client.try_disconnect();
        self.finish().await;
    }

    /// Waits until what is queued is sent, if the connection ends in order.
    pub async fn finish(mut self) {
        let _ = timeout(DISCONNECT_TIMEOUT, &mut self.task).await;
    }
}

/// Connects as another client, and disconnects.
pub(super) async fn probe(settings: &Sparkplug) -> Result<(), Failure> {
    let (client, mut events) = AsyncClient::new(options(settings)?, 10);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                client.disconnect().await.map_err(Failure::transient)?;
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(Failure::transient(error)),
        }
    }
}

fn options(settings: &Sparkplug) -> Result<MqttOptions, Failure> {
    let broker = &settings.broker;
    let mut options = MqttOptions::new(&broker.client_id, &broker.host, broker.port);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_transport(transport(broker)?)
        .set_max_packet_size(MAX_PACKET_BYTES, MAX_PACKET_BYTES);
    if let Some((user, password)) = credentials(broker)? {
        options.set_credentials(user, password);
    }
    Ok(options)
}

/// Handles the packets of the broker until the connection ends.
async fn poll(shared: Arc<Shared>, mut events: EventLoop) {
    let failure = loop {
        let handled = match events.poll().await {
            Ok(Event::Incoming(packet)) => shared.received(packet),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => Err(closed()),
            Ok(_) => Ok(()),
            Err(error) => Err(shared.lost(&error)),
        };
        if let Err(failure) = handled {
            break failure;
        }
    };
    shared.end(failure);
}

impl Shared {
    fn received(self: &Arc<Self>, packet: Packet) -> Result<(), Failure> {
        match packet {
            Packet::ConnAck(_) => self.subscribe(),
            Packet::SubAck(ack) => {
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(Failure::transient("the broker refuses the subscription"));
                }
                let mut inner = self.inner.lock();
                inner.subscribed = true;
                self.begin(&mut inner)
            }
            Packet::UnsubAck(_) => {
                self.state.send_modify(|state| state.exchanges += 1);
                Ok(())
            }
            Packet::Publish(publish) => {
                let (topic, payload) = (publish.topic.into_bytes(), publish.payload.to_vec());
                self.told(topic_and_payload_to_event(topic, payload))
            }
            _ => Ok(()),
        }
    }

    /// Subscribes to commands and to the state of the primary host, before the birth: no command after it is missed.
    fn subscribe(&self) -> Result<(), Failure> {
        let commands = self.names.node_topic(&NodeMessage::NCmd);
        let host = self.primary_host.as_deref().map(topic::state_host_topic);
        let topics = std::iter::once(commands).chain(host);
        let filters = topics.map(|topic| SubscribeFilter::new(topic, QoS::AtLeastOnce));
        let subscribed = self.client.try_subscribe_many(filters);
        subscribed.map_err(|_| full())
    }

    /// Handles a STATE message of a host.
    fn told(self: &Arc<Self>, event: Received) -> Result<(), Failure> {
        let mut inner = self.inner.lock();
        match event {
            Received::State { host_id, payload }
                if Some(&host_id) == self.primary_host.as_ref() =>
            {
                let (online, timestamp) = match payload {
                    StatePayload::Online { timestamp } => (true, timestamp),
                    StatePayload::Offline { timestamp } => (false, timestamp),
                };
                // The last will of an earlier connection of the host arrives late.
                if inner.host.is_some_and(|(last, _)| timestamp < last) {
                    return Ok(());
                }
                inner.host = Some((timestamp, online));
                if online {
                    self.begin(&mut inner)
                } else {
                    self.host_has_left(&mut inner)
                }
            }
            Received::Node(message)
                if message.message.kind == MessageKind::Cmd
                    && asks_for_rebirth(&message.message.payload) =>
            {
                self.rebirth(&mut inner)
            }
            Received::InvalidPublish { reason, .. } => {
                debug!(%reason, "a message of a Sparkplug host cannot be read");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Publishes the birth certificate of the node, once all its conditions are met.
    fn begin(&self, inner: &mut Inner) -> Result<(), Failure> {
        if !inner.subscribed || inner.node.is_born() {
            return Ok(());
        }
        let online = inner.host.is_some_and(|(_, online)| online);
        if online || self.primary_host.is_none() {
            return self.birth(inner);
        }
        self.stage(Stage::Waiting);
        Ok(())
    }

    fn birth(&self, inner: &mut Inner) -> Result<(), Failure> {
        self.queue(inner.node.birth(now()))?;
        inner.last_birth = Some(Instant::now());
        self.stage(Stage::Born);
        Ok(())
    }

    /// A host requests the birth certificates.
    fn rebirth(self: &Arc<Self>, inner: &mut Inner) -> Result<(), Failure> {
        let Some(last) = inner.last_birth.filter(|_| inner.node.is_born()) else {
            return Ok(());
        };
        info!(
            node = self.names.node,
            "a Sparkplug host asks for a rebirth"
        );
        let pause = REBIRTH_INTERVAL.saturating_sub(last.elapsed());
        if pause.is_zero() {
            return self.birth(inner);
        }
        if !std::mem::replace(&mut inner.rebirth_is_planned, true) {
            let shared = Arc::downgrade(self);
            tokio::spawn(async move {
                sleep(pause).await;
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                let mut inner = shared.inner.lock();
                inner.rebirth_is_planned = false;
                if inner.node.is_born()
                    && let Err(failure) = shared.birth(&mut inner)
                {
                    drop(inner);
                    shared.end(failure);
                }
            });
        }
        Ok(())
    }

    /// The standard requires a death certificate and the end of the connection.
    fn host_has_left(&self, inner: &mut Inner) -> Result<(), Failure> {
        let Some(death) = inner.node.death(now()) else {
            return Ok(());
        };
        self.stage(Stage::Ended(self.host_is_offline()));
        self.queue([death])?;
        self.client.try_disconnect().map_err(|_| full())
    }

    fn host_is_offline(&self) -> Failure {
        let host = self.primary_host.as_deref().unwrap_or_default();
        Failure::NotReady(format!("the primary host {host} is not online"))
    }

    fn queue(&self, messages: impl IntoIterator<Item = Message>) -> Result<(), Failure> {
        for message in messages {
            let qos = if message.acknowledged {
                QoS::AtLeastOnce
            } else {
                QoS::AtMostOnce
            };
            let queued = self
                .client
                .try_publish(message.topic, qos, false, message.payload);
            queued.map_err(|_| full())?;
        }
        Ok(())
    }

    /// The connection is at another stage, unless it has ended.
    fn stage(&self, stage: Stage) {
        self.state.send_modify(|state| {
            if !matches!(state.stage, Stage::Ended(_)) {
                state.stage = stage;
            }
        });
    }

    /// The failure of a connection that was lost. Records are sent only after the birth.
    fn lost(&self, error: &ConnectionError) -> Failure {
        if self.state.borrow().stage == Stage::Born {
            Failure::Lost(error.to_string())
        } else {
            Failure::transient(error)
        }
    }

    /// The connection has ended: nothing is published on it any more.
    fn end(&self, failure: Failure) {
        self.inner.lock().node.death(now());
        self.stage(Stage::Ended(failure));
    }
}

fn asks_for_rebirth(payload: &Payload) -> bool {
    payload.metrics.iter().any(|metric| {
        metric.name.as_deref() == Some(NODE_CONTROL_REBIRTH)
            && metric.value == Some(Value::BooleanValue(true))
    })
}

fn closed() -> Failure {
    Failure::transient("the connection is closed")
}

fn full() -> Failure {
    Failure::transient("the connection accepts no messages")
}
