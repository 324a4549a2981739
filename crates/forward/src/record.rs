//! What is forwarded: a verdict, or a gap in the verdicts; its id and its form in JSON.

use std::borrow::Cow;
use std::sync::Arc;

use inspectd_client::{Decision, Timestamp, Verdict, json};
use prost::Message;
use serde::Serialize;

use crate::config::Origin;

/// A verdict or a gap.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A verdict.
    Verdict(Box<VerdictRecord>),
    /// Verdicts that are missing, or a journal that was replaced.
    Gap(GapRecord),
}

/// A verdict with the names of its box and site.
#[derive(Clone, Debug, PartialEq)]
pub struct VerdictRecord {
    /// The id: the same at each repetition, and unique to the record.
    pub id: String,
    /// The names of the box and its site.
    pub origin: Arc<Origin>,
    /// The verdict.
    pub verdict: Verdict,
}

/// Verdicts that cannot be forwarded, or that may be missing or repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct GapRecord {
    /// The id: the same if the same gap is reported again.
    pub id: String,
    /// The names of the box and its site.
    pub origin: Arc<Origin>,
    /// What happened.
    pub gap: Gap,
    /// The epoch of the journal.
    pub epoch: u64,
    /// When the gap was noticed.
    pub time: Timestamp,
}

/// Where and when a gap was noticed.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'a> {
    /// The epoch of the journal.
    pub epoch: u64,
    /// The run of the daemon.
    pub run_id: &'a str,
    /// The time.
    pub time: Timestamp,
}

/// What happened to the missing verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// They were lost with a journal that was damaged, moved away or replaced.
    Lost {
        /// The first sequence.
        first: u64,
        /// The last sequence.
        last: u64,
    },
    /// The journal removed them, because of their age or its size, before they were forwarded.
    Removed {
        /// The first sequence.
        first: u64,
        /// The last sequence.
        last: u64,
    },
    /// They were published without the journal, and not received.
    Missed {
        /// Their number.
        missed: u64,
    },
    /// Another journal replaced the previous one. Its sequences continue.
    JournalReplaced {
        /// The epoch of the journal before.
        previous: u64,
    },
    /// Another journal replaced the previous one, and its sequences begin again.
    SequencesRestarted {
        /// The epoch of the journal before.
        previous: u64,
    },
    /// The daemon no longer knows the consumer. The oldest verdict that is kept is the next one: verdicts may be missing,
    /// others may be repeated.
    PositionLost,
}

impl Gap {
    /// Its name in records.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "lost",
            Self::Removed { .. } => "removed",
            Self::Missed { .. } => "missed",
            Self::JournalReplaced { .. } => "journal_replaced",
            Self::SequencesRestarted { .. } => "sequences_restarted",
            Self::PositionLost => "position_lost",
        }
    }

    /// The sequences of the missing verdicts, if they are known.
    pub fn sequences(&self) -> Option<(u64, u64)> {
        match self {
            Self::Lost { first, last } | Self::Removed { first, last } => Some((*first, *last)),
            _ => None,
        }
    }

    /// The number of missing verdicts, as far as it is known. Sequences have gaps: there may be fewer.
    pub fn missed(&self) -> u64 {
        match self {
            Self::Missed { missed } => *missed,
            _ => self
                .sequences()
                .map_or(0, |(first, last)| (last + 1).saturating_sub(first)),
        }
    }
}

impl Record {
    /// Returns the record of a verdict.
    pub fn of_verdict(origin: &Arc<Origin>, verdict: Verdict) -> Self {
        Self::Verdict(Box::new(VerdictRecord {
            id: verdict_id(&origin.box_name, &verdict),
            origin: Arc::clone(origin),
            verdict,
        }))
    }

    /// Returns the record of a gap.
    pub fn of_gap(origin: &Arc<Origin>, gap: Gap, notice: Notice<'_>) -> Self {
        Self::Gap(GapRecord {
            id: gap_id(&origin.box_name, &gap, notice),
            origin: Arc::clone(origin),
            gap,
            epoch: notice.epoch,
            time: notice.time,
        })
    }

    /// Returns the id.
    pub fn id(&self) -> &str {
        match self {
            Self::Verdict(record) => &record.id,
            Self::Gap(record) => &record.id,
        }
    }

    /// Returns the JSON object on one line.
    pub fn json(&self) -> Vec<u8> {
        let written = match self {
            Self::Verdict(record) => serde_json::to_vec(&VerdictJson::from(&**record)),
            Self::Gap(record) => serde_json::to_vec(&GapJson::from(record)),
        };
        written.expect("maps with text keys, written to memory")
    }

    /// Returns the message `inspectd.v1.Verdict`, or the JSON object of a gap.
    pub fn protobuf(&self) -> Vec<u8> {
        match self {
            Self::Verdict(record) => record.verdict.encode_to_vec(),
            Self::Gap(_) => self.json(),
        }
    }
}

/// The id of a verdict: `BOX/RUN/SEQUENCE`.
///
/// The run of the daemon is a part of the verdict, so that each repetition has it, also after the journal was restored or
/// replaced. An unjournalled verdict has no sequence: its camera or group and the time of its capture identify it.
fn verdict_id(box_name: &str, verdict: &Verdict) -> String {
    let run = &verdict.run_id;
    match verdict.sequence {
        0 => format!("{box_name}/{run}/{}", unjournalled_key(verdict)),
        sequence => format!("{box_name}/{run}/{sequence}"),
    }
}

/// Identifies a verdict without a sequence within its run; empty for one with a sequence.
pub fn unjournalled_key(verdict: &Verdict) -> String {
    if verdict.sequence > 0 {
        return String::new();
    }
    let place = match verdict.camera_id.as_str() {
        "" => Cow::Owned(format!("group:{}", verdict.group_id)),
        camera => Cow::Borrowed(camera),
    };
    let moment = verdict.capture_monotonic.unwrap_or_default();
    let frame = verdict.frame_id;
    let nanos = moment.seconds.saturating_mul(1_000_000_000) + i64::from(moment.nanos);
    format!("unjournalled-{place}-{frame}-{nanos}")
}

fn gap_id(box_name: &str, gap: &Gap, notice: Notice<'_>) -> String {
    let reason = gap.reason();
    let Notice {
        epoch,
        run_id,
        time,
    } = notice;
    match gap {
        Gap::Lost { first, last } | Gap::Removed { first, last } => {
            format!("{box_name}/gap/{reason}/{epoch}/{first}-{last}")
        }
        Gap::JournalReplaced { previous } => format!("{box_name}/gap/{reason}/{previous}-{epoch}"),
        // A run of the daemon notices these once.
        Gap::SequencesRestarted { .. } | Gap::PositionLost => {
            format!("{box_name}/gap/{reason}/{run_id}")
        }
        // Each is another event.
        Gap::Missed { .. } => format!("{box_name}/gap/{reason}/{run_id}/{time}"),
    }
}

/// A decision in records and topics.
pub fn decision_name(verdict: &Verdict) -> &'static str {
    match Decision::try_from(verdict.decision) {
        Ok(Decision::Pass) => "pass",
        Ok(Decision::Reject) => "reject",
        Ok(Decision::Review) => "review",
        Ok(Decision::Fault) => "fault",
        Ok(Decision::Unspecified) | Err(_) => "unspecified",
    }
}

/// The level of a topic that stands for the source of a verdict: its camera, its group, or `image` for one that a client
/// sent.
pub fn source_level(verdict: &Verdict) -> &str {
    match (verdict.camera_id.as_str(), verdict.group_id.as_str()) {
        ("", "") => "image",
        ("", group) => group,
        (camera, _) => camera,
    }
}

/// The JSON object of a verdict: the fields of `inspectctl verdicts --json`, and where it comes from.
#[derive(Serialize)]
struct VerdictJson<'a> {
    r#type: &'static str,
    id: &'a str,
    r#box: &'a str,
    site: &'a str,
    #[serde(flatten)]
    verdict: json::Verdict<'a>,
}

impl<'a> From<&'a VerdictRecord> for VerdictJson<'a> {
    fn from(record: &'a VerdictRecord) -> Self {
        Self {
            r#type: "verdict",
            id: &record.id,
            r#box: &record.origin.box_name,
            site: &record.origin.site,
            verdict: (&record.verdict).into(),
        }
    }
}

/// The JSON object of a gap.
#[derive(Serialize)]
struct GapJson<'a> {
    r#type: &'static str,
    id: &'a str,
    r#box: &'a str,
    site: &'a str,
    reason: &'static str,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    missed: u64,
    epoch: u64,
    previous_epoch: Option<u64>,
    time: String,
}

impl<'a> From<&'a GapRecord> for GapJson<'a> {
    fn from(record: &'a GapRecord) -> Self {
        let sequences = record.gap.sequences();
        let previous_epoch = match record.gap {
            Gap::JournalReplaced { previous } | Gap::SequencesRestarted { previous } => {
                Some(previous)
            }
            _ => None,
        };
        Self {
            r#type: "gap",
            id: &record.id,
            r#box: &record.origin.box_name,
            site: &record.origin.site,
            reason: record.gap.reason(),
            first_sequence: sequences.map(|(first, _)| first),
            last_sequence: sequences.map(|(_, last)| last),
            missed: record.gap.missed(),
            epoch: record.epoch,
            previous_epoch,
            time: record.time.to_string(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Value;

    use super::*;

    /// The names of a box in tests.
    pub(crate) fn origin() -> Arc<Origin> {
        Arc::new(Origin {
            box_name: "box-7".to_owned(),
            site: "plant-a".to_owned(),
        })
    }

    /// The record of a verdict of the camera `top`.
    pub(crate) fn record(sequence: u64, decision: Decision) -> Record {
        let verdict = Verdict {
            sequence,
            run_id: "0190".to_owned(),
            camera_id: "top".to_owned(),
            decision: decision.into(),
            ..Verdict::default()
        };
        Record::of_verdict(&origin(), verdict)
    }

    /// A gap that was noticed in the run `0190`.
    pub(crate) fn notice(epoch: u64, time: Timestamp) -> Notice<'static> {
        Notice {
            epoch,
            run_id: "0190",
            time,
        }
    }

    fn value(record: &Record) -> Value {
        serde_json::from_slice(&record.json()).expect("what was just written")
    }

    #[test]
    fn verdict_has_its_origin_and_the_fields_of_the_proto() {
        let value = value(&record(7, Decision::Reject));
        let part = serde_json::json!({
            "type": value["type"], "id": value["id"], "box": value["box"], "site": value["site"],
            "sequence": value["sequence"], "camera_id": value["camera_id"], "decision": value["decision"],
        });
        let expected = serde_json::json!({
            "type": "verdict", "id": "box-7/0190/7", "box": "box-7", "site": "plant-a",
            "sequence": 7, "camera_id": "top", "decision": "reject",
        });
        assert_eq!(part, expected);
    }

    #[test]
    fn unjournalled_verdicts_of_one_run_have_different_ids() {
        let verdict = |camera: &str, group: &str, nanos| Verdict {
            run_id: "0190".to_owned(),
            camera_id: camera.to_owned(),
            group_id: group.to_owned(),
            capture_monotonic: Some(prost_types::Duration { seconds: 1, nanos }),
            ..Verdict::default()
        };
        let ids = [
            verdict_id("b", &verdict("top", "", 5)),
            verdict_id("b", &verdict("top", "", 6)),
            verdict_id("b", &verdict("side", "", 5)),
            verdict_id("b", &verdict("", "cell", 5)),
        ];
        assert_eq!(ids[0], "b/0190/unjournalled-top-0-1000000005");
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn gap_that_is_reported_again_has_the_same_id() {
        let gap = |seconds| {
            let time = Timestamp { seconds, nanos: 0 };
            Record::of_gap(&origin(), Gap::Lost { first: 3, last: 9 }, notice(2, time))
        };
        assert_eq!(gap(1).id(), "box-7/gap/lost/2/3-9");
        assert_eq!(gap(1).id(), gap(2).id());
        let value = value(&gap(1));
        assert_eq!(
            (&value["missed"], &value["reason"]),
            (&7.into(), &"lost".into())
        );
        assert_eq!(value["time"], "1970-01-01T00:00:01Z");
    }

    #[test]
    fn protobuf_form_is_the_verdict() {
        let record = record(7, Decision::Pass);
        let decoded = Verdict::decode(record.protobuf().as_slice()).expect("a verdict");
        assert_eq!((decoded.sequence, decoded.camera_id.as_str()), (7, "top"));
    }
}
