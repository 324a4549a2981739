//! The metrics in the text format of Prometheus.

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::state::{Activity, Snapshot};

/// Name, description and value of a metric.
type Metric<T> = (&'static str, &'static str, fn(&Snapshot) -> T);

/// Counts since the start.
pub const COUNTERS: &[Metric<u64>] = &[
    (
        "inspectd_forward_delivered_total",
        "Records that the receiver confirmed",
        |one| one.delivered,
    ),
    (
        "inspectd_forward_filtered_total",
        "Verdicts that the filter removed",
        |one| one.filtered,
    ),
    (
        "inspectd_forward_gaps_total",
        "Gaps in the verdicts",
        |one| one.gaps,
    ),
    (
        "inspectd_forward_missed_total",
        "Largest possible number of verdicts that are missing because of gaps",
        |one| one.missed,
    ),
    (
        "inspectd_forward_dead_letters_total",
        "Records that the receiver refused",
        |one| one.dead_letters,
    ),
    (
        "inspectd_forward_retries_total",
        "Attempts that failed and were repeated",
        |one| one.retries,
    ),
    (
        "inspectd_forward_evidence_total",
        "Verdicts whose evidence was sent",
        |one| one.evidence,
    ),
    (
        "inspectd_forward_evidence_missing_total",
        "Verdicts whose evidence was no longer there",
        |one| one.evidence_missing,
    ),
];

/// Values that go up and down.
pub const GAUGES: &[Metric<f64>] = &[
    (
        "inspectd_forward_position",
        "The sequence that is acknowledged",
        |one| one.position as f64,
    ),
    (
        "inspectd_forward_lag_verdicts",
        "Sequences after the position",
        |one| one.lag_verdicts as f64,
    ),
    (
        "inspectd_forward_lag_seconds",
        "How long the oldest verdict after the position has been waiting",
        |one| one.lag_s,
    ),
    (
        "inspectd_forward_running",
        "1 while the sink forwards, otherwise 0",
        |one| f64::from(u8::from(one.state == Activity::Running)),
    ),
];

/// Renders the metrics of all sinks.
pub fn render(snapshots: &[Snapshot]) -> String {
    // A recorder for each answer: it contains only the values of the snapshots.
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        for (name, text, _) in COUNTERS {
            describe_counter!(*name, Unit::Count, *text);
        }
        for (name, text, _) in GAUGES {
            describe_gauge!(*name, *text);
        }
        for snapshot in snapshots {
            let labels = vec![
                Label::new("sink", snapshot.sink.clone()),
                Label::new("type", snapshot.r#type.clone()),
            ];
            for (name, _, value) in COUNTERS {
                counter!(*name, labels.clone()).absolute(value(snapshot));
            }
            for (name, _, value) in GAUGES {
                gauge!(*name, labels.clone()).set(value(snapshot));
            }
        }
    });
    handle.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_rendered_with_its_sink() {
        let snapshot = Snapshot {
            sink: "mes".to_owned(),
            r#type: "files".to_owned(),
            delivered: 7,
            lag_s: 1.5,
            ..Snapshot::default()
        };
        let text = render(&[snapshot]);
        let labels = "{sink=\"mes\",type=\"files\"}";
        for line in [
            format!("inspectd_forward_delivered_total{labels} 7"),
            format!("inspectd_forward_lag_seconds{labels} 1.5"),
            format!("inspectd_forward_running{labels} 0"),
            "# TYPE inspectd_forward_gaps_total counter".to_owned(),
        ] {
            assert!(
                text.lines().any(|one| one == line),
                "{line} is not in\n{text}"
            );
        }
        for (name, _, _) in COUNTERS {
            assert!(text.contains(name), "{name}");
        }
    }
}
