//! The edge node during one connection: its certificates, sequence numbers and data, as messages in the order in which they
//! must be sent. It does no IO.
//!
//! `srad-eon`, the edge node of `srad`, is not used for this. There each device is a task: sequence numbers are given
//! and messages are sent in two steps, so that they can be sent in another order, and data of a device can be sent
//! between a rebirth of the node and that of the device. It also begins with the same `bdSeq` at each start, sends
//! DBIRTH with QoS 1 where the standard requires 0, and does not support a primary host. The payloads, topics and
//! messages are those of `srad`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use inspectd_client::Timestamp;
use parking_lot::Mutex;
use srad_client::LastWill;
use srad_types::constants::{BDSEQ, NODE_CONTROL_REBIRTH};
use srad_types::payload::{DataType, Message as _, Metric, Payload};
use srad_types::topic::{self, DeviceMessage, NodeMessage};
use srad_types::utils::validate_name;

use super::metrics::{GAP, VERDICT, Values, milliseconds, named};
use crate::record::{Record, VerdictRecord, source_level};

/// The aliases of the edge node itself; devices have those after them.
const NODE_BLOCK: u64 = 1;

/// The names of an edge node.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub group: String,
    pub node: String,
    pub site: String,
}

impl Names {
    pub fn node_topic(&self, message: &NodeMessage) -> String {
        topic::node_topic(&self.group, message, &self.node)
    }

    fn device_topic(&self, message: &DeviceMessage, device: &str) -> String {
        topic::device_topic(&self.group, message, &self.node, device)
    }
}

/// What was sent of the devices and of gaps. It is kept over connections: the certificates of the next one have these
/// values.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// By the id of the device: the block of its aliases, and its last values.
    devices: BTreeMap<String, (u64, Values)>,
    gap: Option<Values>,
}

/// A message to publish.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    /// QoS 1; otherwise 0.
    pub acknowledged: bool,
}

/// The edge node during one connection.
pub(super) struct Node {
    names: Arc<Names>,
    memory: Arc<Mutex<Memory>>,
    /// The number of the connection.
    bd_seq: u8,
    /// The sequence number of the next message.
    seq: u8,
    /// When the first birth certificate of the connection was made.
    born: Option<Timestamp>,
    /// The devices that have a birth certificate.
    devices: BTreeSet<String>,
}

impl Node {
    /// A node that is not born. `bd_seq` is another one for each connection.
    pub fn new(names: Arc<Names>, memory: Arc<Mutex<Memory>>, bd_seq: u8) -> Self {
        Self {
            names,
            memory,
            bd_seq,
            seq: 0,
            born: None,
            devices: BTreeSet::new(),
        }
    }

    /// Whether the node has a birth certificate.
    pub fn is_born(&self) -> bool {
        self.born.is_some()
    }

    /// The last will, which the broker publishes if the connection ends without DISCONNECT.
    pub fn last_will(&self) -> LastWill {
        let payload = Payload {
            metrics: vec![self.bd_seq()],
            ..Payload::default()
        };
        LastWill::new_node(&self.names.group, &self.names.node, payload)
    }

    /// The birth certificates of the node and of all known devices. Sequence numbers begin again, also at a rebirth.
    pub fn birth(&mut self, now: Timestamp) -> Vec<Message> {
        self.seq = 0;
        self.born.get_or_insert(now);
        self.devices.clear();
        let memory = Arc::clone(&self.memory);
        let memory = memory.lock();
        let gap = memory.gap.clone();
        let gap = gap.unwrap_or_else(|| Values::unset(GAP, now));
        let mut metrics = vec![
            self.bd_seq(),
            named(NODE_CONTROL_REBIRTH, DataType::Boolean, false),
            named("Site", DataType::String, self.names.site.clone()),
            named(
                "Version",
                DataType::String,
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
        ];
        for metric in &mut metrics {
            metric.timestamp = Some(milliseconds(now));
        }
        metrics.extend(gap.birth(GAP, NODE_BLOCK));
        let topic = self.names.node_topic(&NodeMessage::NBirth);
        let mut messages = vec![self.message(topic, metrics, now)];
        for (device, (block, values)) in &memory.devices {
            messages.push(self.device_birth(device, *block, values, now));
        }
        messages
    }

    /// The death certificate; `None` if the node is not born.
    pub fn death(&mut self, now: Timestamp) -> Option<Message> {
        self.born.take()?;
        let payload = Payload {
            timestamp: Some(milliseconds(now)),
            metrics: vec![self.bd_seq()],
            ..Payload::default()
        };
        Some(Message {
            topic: self.names.node_topic(&NodeMessage::NDeath),
            payload: payload.encode_to_vec(),
            acknowledged: true,
        })
    }

    /// The message of a record, after the birth certificate of its device if that has none. A verdict that was captured
    /// before the birth of the node is historical. The node must be born.
    ///
    /// # Errors
    /// If the record cannot be sent.
    pub fn data(&mut self, record: &Record, now: Timestamp) -> Result<Vec<Message>, String> {
        match record {
            Record::Verdict(record) => self.verdict(record, now),
            Record::Gap(record) => {
                let values = Values::of_gap(record);
                let metrics = values.data(NODE_BLOCK, self.is_historical(record.time));
                self.memory.lock().gap = Some(values);
                let topic = self.names.node_topic(&NodeMessage::NData);
                Ok(vec![self.message(topic, metrics, now)])
            }
        }
    }

    fn verdict(&mut self, record: &VerdictRecord, now: Timestamp) -> Result<Vec<Message>, String> {
        let device = source_level(&record.verdict);
        validate_name(device)?;
        let memory = Arc::clone(&self.memory);
        let mut memory = memory.lock();
        let next = NODE_BLOCK + 1 + memory.devices.len() as u64;
        let known = memory.devices.entry(device.to_owned());
        let (block, last) = known.or_insert_with(|| (next, Values::unset(VERDICT, now)));
        let mut messages = Vec::new();
        if !self.devices.contains(device) {
            messages.push(self.device_birth(device, *block, last, now));
        }
        *last = Values::of_verdict(record);
        let captured = record.verdict.capture_time.unwrap_or_default();
        let metrics = last.data(*block, self.is_historical(captured));
        let topic = self.names.device_topic(&DeviceMessage::DData, device);
        messages.push(self.message(topic, metrics, now));
        Ok(messages)
    }

    fn device_birth(
        &mut self,
        device: &str,
        block: u64,
        values: &Values,
        now: Timestamp,
    ) -> Message {
        self.devices.insert(device.to_owned());
        let topic = self.names.device_topic(&DeviceMessage::DBirth, device);
        self.message(topic, values.birth(VERDICT, block), now)
    }

    /// A message with the next sequence number.
    fn message(&mut self, topic: String, metrics: Vec<Metric>, now: Timestamp) -> Message {
        let payload = Payload {
            timestamp: Some(milliseconds(now)),
            metrics,
            seq: Some(u64::from(self.seq)),
            ..Payload::default()
        };
        self.seq = self.seq.wrapping_add(1);
        Message {
            topic,
            payload: payload.encode_to_vec(),
            acknowledged: false,
        }
    }

    fn bd_seq(&self) -> Metric {
        named(BDSEQ, DataType::Int64, i64::from(self.bd_seq))
    }

    fn is_historical(&self, moment: Timestamp) -> bool {
        let order = |time: Timestamp| (time.seconds, time.nanos);
        self.born.is_none_or(|born| order(moment) < order(born))
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::Decision;
    use srad_types::payload::metric::Value;

    use super::*;
    use crate::record::Gap;
    use crate::record::tests::{notice, origin, record};

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    fn node(memory: &Arc<Mutex<Memory>>, bd_seq: u8) -> Node {
        let names = Names {
            group: "plant-a".to_owned(),
            node: "box-7".to_owned(),
            site: "plant-a".to_owned(),
        };
        Node::new(Arc::new(names), Arc::clone(memory), bd_seq)
    }

    /// A verdict of a camera, captured at a time.
    fn verdict(sequence: u64, camera: &str, seconds: i64) -> Record {
        let Record::Verdict(mut one) = record(sequence, Decision::Pass) else {
            panic!("a verdict")
        };
        one.verdict.camera_id = camera.to_owned();
        one.verdict.capture_time = Some(at(seconds));
        Record::Verdict(one)
    }

    /// The topics without the group and the node, and the sequence numbers.
    fn outline(messages: &[Message]) -> Vec<(String, Option<u64>)> {
        let short = |topic: &str| {
            let topic = topic.strip_prefix("spBv1.0/plant-a/").expect("the group");
            topic.replace("/box-7", "")
        };
        let outline = messages
            .iter()
            .map(|message| (short(&message.topic), decoded(message).seq));
        outline.collect()
    }

    fn decoded(message: &Message) -> Payload {
        Payload::decode(message.payload.as_slice()).expect("a payload")
    }

    fn entry(topic: &str, seq: u64) -> (String, Option<u64>) {
        (topic.to_owned(), Some(seq))
    }

    #[test]
    fn births_precede_data_and_sequence_numbers_follow_each_other() {
        let memory = Arc::default();
        let mut node = node(&memory, 5);
        let mut sent = node.birth(at(100));
        for (sequence, camera) in [(1, "top"), (2, "side"), (3, "top")] {
            let data = node.data(&verdict(sequence, camera, 101), at(101));
            sent.extend(data.expect("valid names"));
        }
        let expected = [
            entry("NBIRTH", 0),
            entry("DBIRTH/top", 1),
            entry("DDATA/top", 2),
            entry("DBIRTH/side", 3),
            entry("DDATA/side", 4),
            entry("DDATA/top", 5),
        ];
        assert_eq!(outline(&sent), expected);
        assert!(sent.iter().all(|message| !message.acknowledged));
        let again = outline(&node.birth(at(102)));
        let expected = [
            entry("NBIRTH", 0),
            entry("DBIRTH/side", 1),
            entry("DBIRTH/top", 2),
        ];
        assert_eq!(again, expected);
    }

    #[test]
    fn sequence_numbers_begin_again_after_255() {
        let memory = Arc::default();
        let mut node = node(&memory, 0);
        node.birth(at(100));
        node.data(&verdict(1, "top", 101), at(101)).expect("valid");
        let mut last = 2;
        for sequence in 2..600 {
            let data = node.data(&verdict(sequence, "top", 101), at(101));
            let seq = decoded(&data.expect("valid")[0]).seq.expect("a number");
            assert_eq!(seq, (last + 1) % 256);
            last = seq;
        }
    }

    #[test]
    fn last_will_and_both_certificates_have_the_number_of_the_connection() {
        let memory = Arc::default();
        let mut node = node(&memory, 255);
        let number = |payload: &Payload| {
            let metric = payload.metrics.iter().find(|one| {
                one.name.as_deref() == Some(BDSEQ) && one.datatype == Some(DataType::Int64 as u32)
            });
            metric.and_then(|metric| metric.value.clone())
        };
        let expected = Some(Value::LongValue(255));
        let will = node.last_will();
        assert_eq!(will.topic, "spBv1.0/plant-a/NDEATH/box-7");
        let payload = Payload::decode(will.payload.as_slice()).expect("a payload");
        assert_eq!((number(&payload), payload.seq), (expected.clone(), None));
        assert_eq!(node.death(at(100)), None);
        let birth = node.birth(at(100)).remove(0);
        assert_eq!(number(&decoded(&birth)), expected);
        let death = node.death(at(101)).expect("it was born");
        assert!(death.acknowledged);
        assert_eq!(
            (number(&decoded(&death)), decoded(&death).seq),
            (expected, None)
        );
        assert!(!node.is_born());
    }

    #[test]
    fn what_is_older_than_the_birth_is_historical_also_after_a_rebirth() {
        let memory = Arc::default();
        let mut node = node(&memory, 0);
        node.birth(at(100));
        node.birth(at(200));
        for (seconds, historical) in [(99, true), (100, false), (150, false), (250, false)] {
            let sent = node.data(&verdict(1, "top", seconds), at(250));
            let data = sent.expect("valid").pop().expect("data");
            let metrics = decoded(&data).metrics;
            assert_eq!(metrics.len(), VERDICT.len());
            for metric in metrics {
                assert_eq!(metric.is_historical.unwrap_or(false), historical);
                assert_eq!(metric.timestamp, Some(seconds as u64 * 1000));
            }
        }
    }

    #[test]
    fn next_connection_declares_the_devices_with_their_last_values() {
        let memory = Arc::default();
        let mut first = node(&memory, 0);
        first.birth(at(100));
        let sent = first.data(&verdict(7, "top", 101), at(101)).expect("valid");
        let mut second = node(&memory, 1);
        let births = second.birth(at(200));
        let expected = [entry("NBIRTH", 0), entry("DBIRTH/top", 1)];
        assert_eq!(outline(&births), expected);
        let (before, after) = (decoded(&sent[0]).metrics, decoded(&births[1]).metrics);
        let place = VERDICT.iter().position(|(name, _)| *name == "Sequence");
        let place = place.expect("declared");
        assert_eq!(
            (before[place].is_null, &before[place].value),
            (Some(true), &None)
        );
        assert_eq!(after[place].value, Some(Value::LongValue(7)));
        assert_eq!(before[place].alias, after[place].alias);
    }

    #[test]
    fn gap_is_data_of_the_node() {
        let memory = Arc::default();
        let mut node = node(&memory, 0);
        node.birth(at(100));
        let gap = Record::of_gap(
            &origin(),
            Gap::Lost { first: 3, last: 9 },
            notice(2, at(101)),
        );
        let sent = node.data(&gap, at(101)).expect("a gap");
        assert_eq!(outline(&sent), [entry("NDATA", 1)]);
        assert_eq!(decoded(&sent[0]).metrics.len(), GAP.len());
    }

    #[test]
    fn camera_whose_id_cannot_be_a_level_of_a_topic_is_refused() {
        let memory = Arc::default();
        let mut node = node(&memory, 0);
        node.birth(at(100));
        let refused = node.data(&verdict(1, "a/b", 101), at(101));
        assert!(refused.expect_err("a slash").contains("a/b"));
        let sent = node.data(&verdict(2, "top", 101), at(101)).expect("valid");
        assert_eq!(outline(&sent)[0], entry("DBIRTH/top", 1));
    }
}
