//! The metrics of the edge node and its devices: their names and types, and their values for a record.

use inspectd_client::{Timestamp, json};
use srad_types::MetricValue;
use srad_types::payload::metric::Value;
use srad_types::payload::{DataType, Metric};

use crate::record::{GapRecord, VerdictRecord, decision_name};

/// The name and the type of a metric.
pub(super) type Declared = (&'static str, DataType);

/// The metrics of a device: one verdict sets all of them.
pub(super) const VERDICT: &[Declared] = &[
    ("Id", DataType::String),
    ("Sequence", DataType::UInt64),
    ("RunId", DataType::String),
    ("Decision", DataType::String),
    ("Score", DataType::Double),
    ("Threshold", DataType::Double),
    ("FaultReason", DataType::String),
    ("FaultMessage", DataType::String),
    ("PartId", DataType::String),
    ("FrameId", DataType::UInt64),
    ("GroupId", DataType::String),
    ("Recipe", DataType::String),
    ("Model", DataType::String),
    ("Simulated", DataType::Boolean),
];

/// The metrics of the edge node that one gap sets.
pub(super) const GAP: &[Declared] = &[
    ("Gap/Id", DataType::String),
    ("Gap/Reason", DataType::String),
    ("Gap/FirstSequence", DataType::UInt64),
    ("Gap/LastSequence", DataType::UInt64),
    ("Gap/Missed", DataType::UInt64),
    ("Gap/Epoch", DataType::UInt64),
];

/// Aliases are unique in an edge node: each device has this many of its own.
const ALIASES: u64 = 64;

/// The values of metrics, in the order of their declaration, at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Values {
    values: Vec<Option<Value>>,
    milliseconds: u64,
}

impl Values {
    /// No value of any metric.
    pub fn unset(declared: &[Declared], now: Timestamp) -> Self {
        Self {
            values: vec![None; declared.len()],
            milliseconds: milliseconds(now),
        }
    }

    /// The values of [`VERDICT`].
    pub fn of_verdict(record: &VerdictRecord) -> Self {
        let verdict = &record.verdict;
        let score = verdict.score.as_ref();
        let fault = verdict.fault.as_ref();
        let reason = fault.map(|fault| json::fault_reason(fault.reason()));
        let message = fault.map(|fault| fault.message.clone());
        let model = verdict.model.as_ref();
        let model = model.map(|model| format!("{} {}", model.name, model.version));
        let values = vec![
            Some(value(record.id.clone())),
            Some(value(verdict.sequence)),
            Some(value(verdict.run_id.clone())),
            Some(value(decision_name(verdict).to_owned())),
            score.map(|score| value(f64::from(score.value))),
            score.map(|score| value(f64::from(score.threshold))),
            reason.map(value),
            message.map(value),
            text(&verdict.part_id),
            Some(value(verdict.frame_id)),
            text(&verdict.group_id),
            verdict.recipe.as_ref().and_then(|recipe| text(&recipe.id)),
            model.map(value),
            Some(value(verdict.simulated)),
        ];
        Self {
            values,
            milliseconds: milliseconds(verdict.capture_time.unwrap_or_default()),
        }
    }

    /// The values of [`GAP`].
    pub fn of_gap(record: &GapRecord) -> Self {
        let sequences = record.gap.sequences();
        let values = vec![
            Some(value(record.id.clone())),
            Some(value(record.gap.reason().to_owned())),
            sequences.map(|(first, _)| value(first)),
            sequences.map(|(_, last)| value(last)),
            Some(value(record.gap.missed())),
            Some(value(record.epoch)),
        ];
        Self {
            values,
            milliseconds: milliseconds(record.time),
        }
    }

    /// The metrics of a birth certificate, with names, types and aliases.
    pub fn birth(&self, declared: &[Declared], block: u64) -> Vec<Metric> {
        let metrics = declared.iter().zip(self.aliased(block));
        metrics
            .map(|((name, datatype), mut metric)| {
                metric.set_name((*name).to_owned()).set_datatype(*datatype);
                metric
            })
            .collect()
    }

    /// The metrics of a data message, with their aliases only.
    pub fn data(&self, block: u64, historical: bool) -> Vec<Metric> {
        let metrics = self.aliased(block);
        metrics
            .map(|mut metric| {
                metric.is_historical = historical.then_some(true);
                metric
            })
            .collect()
    }

    /// The values with aliases and the time.
    fn aliased(&self, block: u64) -> impl Iterator<Item = Metric> {
        let first = block * ALIASES;
        self.values.iter().zip(first..).map(|(value, alias)| {
            let mut metric = Metric::new();
            metric.set_alias(alias).set_timestamp(self.milliseconds);
            match value {
                Some(value) => metric.set_value(value.clone()),
                None => metric.set_null(),
            };
            metric
        })
    }
}

/// A metric that the standard identifies by its name: it has no alias.
pub(super) fn named(name: &str, datatype: DataType, value: impl Into<MetricValue>) -> Metric {
    let mut metric = Metric::new();
    metric
        .set_name(name.to_owned())
        .set_datatype(datatype)
        .set_value(Value::from(value.into()));
    metric
}

/// Milliseconds since 1970; 0 for a time before.
pub(super) fn milliseconds(time: Timestamp) -> u64 {
    let whole = time.seconds.saturating_mul(1000) + i64::from(time.nanos / 1_000_000);
    u64::try_from(whole).unwrap_or_default()
}

fn value(value: impl Into<MetricValue>) -> Value {
    value.into().into()
}

/// A text, or null if the daemon has none.
fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::StringValue(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use inspectd_client::Decision;
    use inspectd_client::proto::{Fault, FaultReason, Score};

    use super::*;
    use crate::record::tests::{notice, origin, record};
    use crate::record::{Gap, Record};

    const TIME: Timestamp = Timestamp {
        seconds: 1_700_000_000,
        nanos: 250_999_999,
    };

    fn verdict(decision: Decision, change: impl FnOnce(&mut VerdictRecord)) -> Values {
        let Record::Verdict(mut record) = record(7, decision) else {
            panic!("a verdict")
        };
        record.verdict.capture_time = Some(TIME);
        change(&mut record);
        Values::of_verdict(&record)
    }

    /// The values by the names of the metrics.
    fn of(values: &Values, declared: &[Declared], name: &str) -> Option<Value> {
        let place = declared.iter().position(|(one, _)| *one == name);
        values.values[place.expect("a declared metric")].clone()
    }

    #[test]
    fn values_of_a_verdict_follow_its_fields() {
        let string = |text: &str| Some(Value::StringValue(text.to_owned()));
        let judged = verdict(Decision::Reject, |record| {
            record.verdict.score = Some(Score {
                value: 0.75,
                threshold: 0.5,
                ..Score::default()
            });
            record.verdict.part_id = "4711".to_owned();
            record.verdict.frame_id = 12;
        });
        let fault = verdict(Decision::Fault, |record| {
            record.verdict.fault = Some(Fault {
                reason: FaultReason::CameraLost.into(),
                message: "gone".to_owned(),
            });
        });
        for (values, name, expected) in [
            (&judged, "Id", string("box-7/0190/7")),
            (&judged, "Sequence", Some(Value::LongValue(7))),
            (&judged, "RunId", string("0190")),
            (&judged, "Decision", string("reject")),
            (&judged, "Score", Some(Value::DoubleValue(0.75))),
            (&judged, "Threshold", Some(Value::DoubleValue(0.5))),
            (&judged, "FaultReason", None),
            (&judged, "FaultMessage", None),
            (&judged, "PartId", string("4711")),
            (&judged, "FrameId", Some(Value::LongValue(12))),
            (&judged, "GroupId", None),
            (&judged, "Recipe", None),
            (&judged, "Simulated", Some(Value::BooleanValue(false))),
            (&fault, "Decision", string("fault")),
            (&fault, "Score", None),
            (&fault, "FaultReason", string("camera_lost")),
            (&fault, "FaultMessage", string("gone")),
            (&fault, "PartId", None),
        ] {
            assert_eq!(of(values, VERDICT, name), expected, "{name}");
        }
    }

    #[test]
    fn values_of_a_gap_follow_its_fields() {
        let gap = |gap| match Record::of_gap(&origin(), gap, notice(2, TIME)) {
            Record::Gap(record) => Values::of_gap(&record),
            Record::Verdict(_) => panic!("a gap"),
        };
        let lost = gap(Gap::Lost { first: 3, last: 9 });
        let position = gap(Gap::PositionLost);
        for (values, name, expected) in [
            (&lost, "Gap/FirstSequence", Some(Value::LongValue(3))),
            (&lost, "Gap/LastSequence", Some(Value::LongValue(9))),
            (&lost, "Gap/Missed", Some(Value::LongValue(7))),
            (&lost, "Gap/Epoch", Some(Value::LongValue(2))),
            (&position, "Gap/FirstSequence", None),
            (&position, "Gap/Missed", Some(Value::LongValue(0))),
        ] {
            assert_eq!(of(values, GAP, name), expected, "{name}");
        }
    }

    #[test]
    fn birth_declares_every_metric_and_data_refers_to_it_by_alias() {
        let values = verdict(Decision::Pass, |_| {});
        let birth = values.birth(VERDICT, 3);
        let data = values.data(3, true);
        assert_eq!((birth.len(), data.len()), (VERDICT.len(), VERDICT.len()));
        for (place, (declared, sent)) in birth.iter().zip(&data).enumerate() {
            let (name, datatype) = VERDICT[place];
            assert_eq!(declared.name.as_deref(), Some(name));
            assert_eq!(declared.datatype, Some(datatype as u32));
            assert_eq!(declared.alias, Some(192 + place as u64));
            assert_eq!((&sent.name, sent.alias), (&None, declared.alias));
            assert_eq!(sent.timestamp, Some(1_700_000_000_250));
            assert_eq!(declared.is_historical, None);
            assert_eq!(sent.is_historical, Some(true));
            assert_eq!(
                sent.is_null.unwrap_or(false),
                sent.value.is_none(),
                "{name}"
            );
        }
        assert_eq!(values.data(3, false)[0].is_historical, None);
    }

    #[test]
    fn devices_have_different_aliases() {
        assert!(VERDICT.len() as u64 <= ALIASES && GAP.len() as u64 <= ALIASES);
    }

    #[test]
    fn times_are_milliseconds_and_never_negative() {
        for (seconds, nanos, expected) in [(1, 999_999, 1000), (1, 1_000_000, 1001), (-1, 0, 0)] {
            assert_eq!(milliseconds(Timestamp { seconds, nanos }), expected);
        }
    }
}
