//! The PromQL expressions of the rules and of the dashboard.

use inspectd::http::{METRICS, MetricKind};
use serde_json::Value;

use super::{shipped, text};

/// A panel of the dashboard that shows data.
pub struct Panel {
    pub id: u64,
    pub title: String,
    pub description: String,
    pub expressions: Vec<String>,
    /// Column, row, width and height.
    pub place: [u64; 4],
}

fn dashboard() -> Value {
    let text = text(&shipped("grafana/inspectd.json"));
    serde_json::from_str(&text).expect("JSON")
}

/// The panels, without the rows that group them.
pub fn dashboard_panels() -> Vec<Panel> {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "inspectd");
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|is| is["name"].as_str())
        .collect();
    assert_eq!(names, ["datasource", "instance", "camera"]);
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let panels = panels.filter(|panel| panel["type"] != "row");
    panels
        .map(|panel| {
            let string = |name: &str| panel[name].as_str().unwrap_or_default().to_owned();
            let targets = panel["targets"].as_array().expect("targets").iter();
            let place = &panel["gridPos"];
            Panel {
                id: panel["id"].as_u64().expect("an id"),
                title: string("title"),
                description: string("description"),
                expressions: targets
                    .map(|target| target["expr"].as_str().expect("an expression").to_owned())
                    .collect(),
                place: ["x", "y", "w", "h"].map(|name| place[name].as_u64().expect("a place")),
            }
        })
        .collect()
}

/// The expressions of the annotations of the dashboard.
pub fn annotations() -> Vec<String> {
    let dashboard = dashboard();
    let list = dashboard["annotations"]["list"]
        .as_array()
        .expect("annotations")
        .iter();
    list.map(|is| is["expr"].as_str().expect("an expression").to_owned())
        .collect()
}

/// The expressions of a file of rules: each on one line, or on the deeper lines that follow `expr: >-`.
pub fn rule_expressions(rules: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(expression) = line.trim().strip_prefix("expr: ") else {
            continue;
        };
        if expression != ">-" {
            found.push(expression.to_owned());
            continue;
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut folded = Vec::new();
        while let Some(next) = lines.next_if(|next| indent(next) > indent(line)) {
            folded.push(next.trim());
        }
        found.push(folded.join(" "));
    }
    found
}

/// The names of metrics in an expression.
pub fn metrics_in(expression: &str) -> Vec<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = expression.split(|character| !is_part(character));
    let is_metric = |word: &&str| {
        word.starts_with("inspectd_") || word.starts_with("process_") || *word == "up"
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

/// Whether the daemon has this metric; `up` is Prometheus' own.
pub fn is_known(name: &str) -> bool {
    name == "up"
        || METRICS.iter().any(|metric| match metric.kind {
            MetricKind::Histogram => name
                .strip_prefix(metric.name)
                .is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest)),
            MetricKind::Counter | MetricKind::Gauge => name == metric.name,
        })
}

#[test]
fn names_are_found_in_an_expression_and_unknown_ones_are_noticed() {
    let expression = "sum by (camera) (rate(inspectd_score_bucket{camera=~\"a\"}[5m])) / up{job=\"inspectd\"} > process_x";
    assert_eq!(
        metrics_in(expression),
        ["inspectd_score_bucket", "up", "process_x"]
    );
    assert!(is_known("inspectd_score_bucket") && is_known("up"));
    assert!(!is_known("inspectd_score") && !is_known("process_x"));
    assert!(!is_known("inspectd_alarms_total"));
}

#[test]
fn expression_on_several_lines_is_joined() {
    let rules = "  - expr: a\n    expr: >-\n      b\n      + c\n    for: 1m\n";
    assert_eq!(
        rule_expressions(rules.replace("- expr: a", "  expr: a").as_str()),
        ["a", "b + c"]
    );
}
