//! The columns of a verdict, in the order of the COPY.

use std::time::SystemTime;

use inspectd_client::{Timestamp, Verdict, json};
use serde::Serialize;
use tokio_postgres::types::{ToSql, Type};

use crate::record::{VerdictRecord, decision_name, unjournalled_key};

/// The names, with the types in which they are copied, and the types of the table if those differ.
pub(super) const COLUMNS: &[(&str, Type, Option<&str>)] = &[
    ("box", Type::TEXT, None),
    ("site", Type::TEXT, None),
    ("run_id", Type::TEXT, None),
    ("sequence", Type::INT8, None),
    ("unjournalled_key", Type::TEXT, None),
    ("capture_time", Type::TIMESTAMPTZ, None),
    ("record_time", Type::TIMESTAMPTZ, None),
    ("id", Type::TEXT, None),
    ("camera_id", Type::TEXT, None),
    ("group_id", Type::TEXT, None),
    ("part_id", Type::TEXT, None),
    ("trigger_id", Type::TEXT, None),
    ("decision", Type::TEXT, None),
    ("score", Type::FLOAT4, None),
    ("threshold", Type::FLOAT4, None),
    ("review_from", Type::FLOAT4, None),
    ("decided_by", Type::TEXT, None),
    ("fault_reason", Type::TEXT, None),
    ("fault_message", Type::TEXT, None),
    ("recipe_id", Type::TEXT, None),
    ("recipe_version", Type::TEXT, None),
    ("model_name", Type::TEXT, None),
    ("model_version", Type::TEXT, None),
    ("model_sha256", Type::TEXT, None),
    ("provider", Type::TEXT, None),
    ("simulated", Type::BOOL, None),
    ("truth", Type::TEXT, None),
    ("source_item", Type::TEXT, None),
    ("width", Type::INT4, None),
    ("height", Type::INT4, None),
    ("inference_ms", Type::FLOAT8, None),
    ("total_ms", Type::FLOAT8, None),
    ("evidence_kept", Type::BOOL, None),
    ("unconfirmed", Type::BOOL, None),
    ("regions", Type::TEXT, Some("jsonb")),
    ("region_scores", Type::TEXT, Some("jsonb")),
    ("views", Type::TEXT, Some("jsonb")),
    ("client_data", Type::BYTEA, None),
];

/// A value of a column.
pub(super) type Value = Box<dyn ToSql + Sync + Send>;

/// The values of a verdict, in the order of [`COLUMNS`].
pub(super) fn values(record: &VerdictRecord) -> Vec<Value> {
    let verdict = &record.verdict;
    let form = json::Verdict::from(verdict);
    let mut values: Vec<Value> = vec![
        Box::new(record.origin.box_name.clone()),
        Box::new(record.origin.site.clone()),
        Box::new(verdict.run_id.clone()),
        Box::new(verdict.sequence.cast_signed()),
        Box::new(unjournalled_key(verdict)),
        Box::new(time(verdict.capture_time).unwrap_or(SystemTime::UNIX_EPOCH)),
        Box::new(time(verdict.record_time)),
        Box::new(record.id.clone()),
        Box::new(verdict.camera_id.clone()),
        Box::new(verdict.group_id.clone()),
        Box::new(verdict.part_id.clone()),
        Box::new(verdict.trigger_id.clone()),
        Box::new(decision_name(verdict)),
    ];
    values.extend(judgement(verdict));
    values.extend(circumstances(verdict));
    let region_scores = form.score().map(json::Score::regions);
    values.push(Box::new(text(&form.regions())));
    values.push(Box::new(text(&region_scores.unwrap_or_default())));
    values.push(Box::new(text(&form.views())));
    values.push(Box::new(verdict.client_data.clone()));
    values
}

/// Score, fault, recipe and model.
fn judgement(verdict: &Verdict) -> [Value; 11] {
    let score = verdict.score.as_ref();
    let fault = verdict.fault.as_ref();
    let recipe = verdict.recipe.as_ref();
    let model = verdict.model.as_ref();
    [
        Box::new(score.map(|score| score.value)),
        Box::new(score.map(|score| score.threshold)),
        Box::new(score.and_then(|score| score.review_from)),
        Box::new(score.map(|score| score.decided_by.clone())),
        Box::new(fault.map(|fault| json::fault_reason(fault.reason()))),
        Box::new(fault.map(|fault| fault.message.clone())),
        Box::new(recipe.map(|recipe| recipe.id.clone())),
        Box::new(recipe.map(|recipe| recipe.version.clone())),
        Box::new(model.map(|model| model.name.clone())),
        Box::new(model.map(|model| model.version.clone())),
        Box::new(model.map(|model| model.sha256.clone())),
    ]
}

/// How and where it was judged.
fn circumstances(verdict: &Verdict) -> [Value; 10] {
    let timings = verdict.timings.as_ref();
    [
        Box::new(verdict.provider.clone()),
        Box::new(verdict.simulated),
        Box::new(verdict.truth.clone()),
        Box::new(verdict.source_item.clone()),
        Box::new(verdict.width.cast_signed()),
        Box::new(verdict.height.cast_signed()),
        Box::new(
            timings
                .and_then(|timings| timings.inference)
                .map(json::milliseconds),
        ),
        Box::new(
            timings
                .and_then(|timings| timings.total)
                .map(json::milliseconds),
        ),
        Box::new(verdict.evidence_kept),
        Box::new(verdict.unconfirmed),
    ]
}

fn time(time: Option<Timestamp>) -> Option<SystemTime> {
    SystemTime::try_from(time?).ok()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with text keys")
}

#[cfg(test)]
mod tests {
    use inspectd_client::Decision;

    use super::*;
    use crate::record::Record;
    use crate::record::tests::record;

    #[test]
    fn every_column_has_a_value_of_its_type() {
        let Record::Verdict(record) = record(7, Decision::Fault) else {
            panic!("a verdict")
        };
        let values = values(&record);
        assert_eq!(values.len(), COLUMNS.len());
        for (value, (name, kind, _)) in values.iter().zip(COLUMNS) {
            let mut bytes = bytes::BytesMut::new();
            value.to_sql_checked(kind, &mut bytes).expect(name);
        }
    }
}
