//! `inspectd-forward status`: a table of the sinks.

use comfy_table::{CellAlignment, Table, presets};

use crate::state::Snapshot;

const HEADINGS: [&str; 9] = [
    "sink",
    "type",
    "state",
    "position",
    "behind",
    "seconds",
    "per second",
    "dead letters",
    "last error",
];
/// Columns of numbers.
const NUMBERS: [usize; 5] = [3, 4, 5, 6, 7];

/// Renders the table, a line for each sink.
pub fn render(snapshots: &[Snapshot]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(HEADINGS);
    for snapshot in snapshots {
        let error = snapshot.last_error.as_ref();
        table.add_row([
            snapshot.sink.clone(),
            snapshot.r#type.clone(),
            snapshot.state.name().to_owned(),
            snapshot.position.to_string(),
            snapshot.lag_verdicts.to_string(),
            format!("{:.1}", snapshot.lag_s),
            format!("{:.1}", snapshot.rate),
            snapshot.dead_letters.to_string(),
            error.map_or_else(String::new, |error| {
                format!("{} {}", error.time, error.message.replace('\n', ";"))
            }),
        ]);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if NUMBERS.contains(&place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Activity, LastError};

    #[test]
    fn each_sink_is_a_line() {
        let snapshot = Snapshot {
            sink: "mes".to_owned(),
            r#type: "webhook".to_owned(),
            state: Activity::Retrying,
            position: 120,
            lag_verdicts: 7,
            lag_s: 2.25,
            rate: 8.0,
            dead_letters: 1,
            last_error: Some(LastError {
                time: "2026-11-30T17:05:59Z".to_owned(),
                message: "status 503".to_owned(),
            }),
            ..Snapshot::default()
        };
        let expected = "\
sink  type     state     position  behind  seconds  per second  dead letters  last error
mes   webhook  retrying       120       7      2.2         8.0             1  2026-11-30T17:05:59Z status 503
";
        assert_eq!(render(&[snapshot]), expected);
    }
}
