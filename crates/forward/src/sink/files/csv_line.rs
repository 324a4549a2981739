//! A record as a line of CSV. The columns are some of the fields: the JSON form has all.

use csv::{Terminator, WriterBuilder};

use crate::record::{GapRecord, Record, VerdictRecord, decision_name};

/// The first line of each file.
pub const HEADER: &str = "type,id,box,site,sequence,run_id,record_time,capture_time,camera_id,group_id,part_id,decision,score,\
threshold,decided_by,regions,fault_reason,fault_message,recipe_id,recipe_version,model_name,model_version,provider,evidence_kept,\
reason,first_sequence,last_sequence,missed,epoch\n";

/// The column of the type.
pub const TYPE: usize = 0;
/// The column of the id.
pub const ID: usize = 1;
/// The column of the sequence.
pub const SEQUENCE: usize = 4;
/// The column of the run.
pub const RUN_ID: usize = 5;
/// The column of the reason of a gap.
pub const REASON: usize = 24;

/// Appends the line of a record. A line break within a text becomes a blank, so that a record is one line.
pub fn write(record: &Record, lines: &mut Vec<u8>) {
    let fields = match record {
        Record::Verdict(record) => verdict(record),
        Record::Gap(record) => gap(record),
    };
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .from_writer(lines);
    let fields = fields.map(|field| field.replace(['\n', '\r'], " "));
    writer
        .write_record(&fields)
        .expect("the number of fields is that of the header");
    writer.flush().expect("writing to memory cannot fail");
}

fn verdict(record: &VerdictRecord) -> [String; 29] {
    let verdict = &record.verdict;
    let score = verdict.score.as_ref();
    let fault = verdict.fault.as_ref();
    let recipe = verdict.recipe.as_ref();
    let model = verdict.model.as_ref();
    let time = |time: Option<&prost_types::Timestamp>| {
        inspectd_client::json::time(time).unwrap_or_default()
    };
    [
        "verdict".to_owned(),
        record.id.clone(),
        record.origin.box_name.clone(),
        record.origin.site.clone(),
        verdict.sequence.to_string(),
        verdict.run_id.clone(),
        time(verdict.record_time.as_ref()),
        time(verdict.capture_time.as_ref()),
        verdict.camera_id.clone(),
        verdict.group_id.clone(),
        verdict.part_id.clone(),
        decision_name(verdict).to_owned(),
        score.map_or_else(String::new, |score| score.value.to_string()),
        score.map_or_else(String::new, |score| score.threshold.to_string()),
        score.map_or_else(String::new, |score| score.decided_by.clone()),
        verdict.regions.len().to_string(),
        fault.map_or_else(String::new, |fault| {
            inspectd_client::json::fault_reason(fault.reason())
        }),
        fault.map_or_else(String::new, |fault| fault.message.clone()),
        recipe.map_or_else(String::new, |recipe| recipe.id.clone()),
        recipe.map_or_else(String::new, |recipe| recipe.version.clone()),
        model.map_or_else(String::new, |model| model.name.clone()),
        model.map_or_else(String::new, |model| model.version.clone()),
        verdict.provider.clone(),
        verdict.evidence_kept.to_string(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    ]
}

fn gap(record: &GapRecord) -> [String; 29] {
    let sequences = record.gap.sequences();
    let mut fields = [const { String::new() }; 29];
    let set = [
        (TYPE, "gap".to_owned()),
        (ID, record.id.clone()),
        (2, record.origin.box_name.clone()),
        (3, record.origin.site.clone()),
        (6, record.time.to_string()),
        (REASON, record.gap.reason().to_owned()),
        (
            25,
            sequences.map_or_else(String::new, |(first, _)| first.to_string()),
        ),
        (
            26,
            sequences.map_or_else(String::new, |(_, last)| last.to_string()),
        ),
        (27, record.gap.missed().to_string()),
        (28, record.epoch.to_string()),
    ];
    for (place, value) in set {
        fields[place] = value;
    }
    fields
}

#[cfg(test)]
mod tests {
    use inspectd_client::{Decision, Timestamp};

    use super::*;
    use crate::record::Gap;
    use crate::record::tests::{notice, origin, record};

    #[test]
    fn line_has_the_columns_of_the_header() {
        let columns: Vec<&str> = HEADER.trim_end().split(',').collect();
        assert_eq!(columns.len(), 29);
        for (place, name) in [
            (TYPE, "type"),
            (ID, "id"),
            (SEQUENCE, "sequence"),
            (REASON, "reason"),
        ] {
            assert_eq!(columns[place], name);
        }
        let mut lines = Vec::new();
        let mut first = record(7, Decision::Reject);
        if let Record::Verdict(record) = &mut first {
            record.verdict.part_id = "a, \"b\"\nc".to_owned();
        }
        write(&first, &mut lines);
        let time = Timestamp {
            seconds: 0,
            nanos: 0,
        };
        write(
            &Record::of_gap(&origin(), Gap::Lost { first: 8, last: 9 }, notice(2, time)),
            &mut lines,
        );
        let text = String::from_utf8(lines).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "verdict,box-7/0190/7,box-7,plant-a,7,0190,,,top,,\"a, \"\"b\"\" c\",reject,,,,0,,,,,,,,false,,,,,"
        );
        assert_eq!(
            lines[1],
            "gap,box-7/gap/lost/2/8-9,box-7,plant-a,,,1970-01-01T00:00:00Z,,,,,,,,,,,,,,,,,,lost,8,9,2,2"
        );
    }
}
