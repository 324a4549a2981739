//! What `packaging/monitoring` ships: alert rules and a dashboard, checked with Prometheus and against the metrics of the
//! real daemon.

mod expressions;
mod scrape;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use inspectd::alarm::AlarmKind;
use inspectd_core::record::FaultReason;
use inspectd_test_support::{missing, onnx_runtime, require};
use rcgen::{CertificateParams, KeyPair};

use crate::harness::Site;
use expressions::{dashboard_panels, is_known, metrics_in, rule_expressions};

/// A program for monitoring, as `scripts/setup.sh monitoring` installs it.
#[track_caller]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = root().join(".tools/monitoring").join(name);
    if path.is_file() {
        return Some(path);
    }
    missing(
        &format!("the program .tools/monitoring/{name}"),
        "run `scripts/setup.sh monitoring`",
    )
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped(path: &str) -> PathBuf {
    root().join("packaging/monitoring").join(path)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const RULES: &str = "prometheus/inspectd.rules.yml";
const RULES_TEST: &str = "prometheus/inspectd.rules.test.yml";

fn succeeds(output: std::io::Result<Output>) {
    let output = output.expect("a started program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{printed}");
}

/// The values of `key: value` on lines of a YAML file that is written with one key on a line.
fn values(text: &str, key: &str) -> Vec<String> {
    let key = format!("{key}: ");
    let value = |line: &str| {
        let line = line.trim().trim_start_matches("- ");
        line.strip_prefix(&key).map(str::to_owned)
    };
    text.lines().filter_map(value).collect()
}

#[test]
fn alert_rules_are_valid_and_their_cases_pass() {
    let promtool = require!(program("promtool"));
    succeeds(
        Command::new(&promtool)
            .args(["check", "rules"])
            .arg(shipped(RULES))
            .output(),
    );
    succeeds(
        Command::new(&promtool)
            .args(["test", "rules"])
            .arg(shipped(RULES_TEST))
            .output(),
    );
}

#[test]
fn each_alert_has_a_case_that_fires_and_one_that_does_not() {
    let (rules, cases) = (text(&shipped(RULES)), text(&shipped(RULES_TEST)));
    let alerts = values(&rules, "alert");
    assert!(alerts.len() >= 25, "{alerts:?}");
    let mut names = BTreeSet::new();
    for alert in &alerts {
        assert!(names.insert(alert), "{alert} is there twice");
        let of_alert: String = cases
            .split("  - name: ")
            .filter(|case| case.split_whitespace().next() == Some(alert))
            .collect();
        for needed in [
            "instance=\"bad\"",
            "instance=\"good\"",
            &format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\", "),
        ] {
            assert!(
                of_alert.contains(needed),
                "{alert} has no case with {needed}"
            );
        }
    }
    for key in ["severity", "summary", "description", "runbook_url"] {
        assert_eq!(
            values(&rules, key).len(),
            alerts.len(),
            "each alert has one {key}"
        );
    }
}

/// The anchors of a document: a heading in small letters, with hyphens for blanks, as GitHub makes them.
fn anchors(document: &str) -> BTreeSet<String> {
    let anchor = |line: &str| {
        let heading = line
            .strip_prefix('#')?
            .trim_start_matches('#')
            .strip_prefix(' ')?;
        let kept = |character: &char| character.is_alphanumeric() || "-_ ".contains(*character);
        let text: String = heading.chars().filter(kept).collect();
        Some(text.to_lowercase().replace(' ', "-"))
    };
    document.lines().filter_map(anchor).collect()
}

#[test]
fn each_alert_leads_to_a_section_of_the_documentation() {
    let prefix = "https://github.com/inspectd/inspectd/blob/main/";
    let mut checked = 0;
    for url in values(&text(&shipped(RULES)), "runbook_url") {
        let path = url
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{url} is elsewhere"));
        let (file, anchor) = path.split_once('#').unwrap_or((path, ""));
        let anchors = anchors(&text(&root().join(file)));
        let wanted: Vec<String> = if anchor.contains("$labels.reason") {
            let reasons = FaultReason::ALL.into_iter();
            reasons.map(|reason| reason.name().to_owned()).collect()
        } else if anchor.contains("$labels.kind") {
            let kinds = AlarmKind::ALL.into_iter();
            kinds.map(|kind| format!("alarm-{}", kind.name())).collect()
        } else {
            vec![anchor.to_owned()]
        };
        for anchor in wanted.iter().filter(|anchor| !anchor.is_empty()) {
            assert!(anchors.contains(anchor), "{file} has no section #{anchor}");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn each_expression_names_metrics_of_the_daemon() {
    let rules = rule_expressions(&text(&shipped(RULES)));
    let panels = dashboard_panels();
    let of_panels = panels.iter().flat_map(|panel| &panel.expressions);
    let mut used = BTreeSet::new();
    for expression in rules.iter().chain(of_panels) {
        let metrics = metrics_in(expression);
        assert!(!metrics.is_empty(), "{expression} has no metric");
        for metric in metrics {
            assert!(is_known(&metric), "{metric} in {expression} does not exist");
            used.insert(metric);
        }
    }
    assert!(used.len() > 35, "{used:?}");
}

#[test]
fn expiry_of_the_certificate_is_a_metric() {
    require!(onnx_runtime());
    let site = Site::new("");
    let tls = "[tls]\ncertificate = \"daemon.pem\"\nkey = \"daemon.key\"\n";
    site.configure(tls, "[cameras.line]\nsource = \"simulator\"\nfps = 5.0\n");
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    site.write("daemon.pem", &certificate.pem());
    site.write("daemon.key", &key.serialize_pem());
    let daemon = site.start();
    let (_, metrics) = daemon.page("/metrics");
    // 2031-02-03 as seconds since 1970.
    let line = "inspectd_certificate_expiry_timestamp_seconds 1927843200\n";
    assert!(metrics.contains(line), "{metrics}");
    daemon.stop();
}

#[test]
fn each_panel_of_the_dashboard_is_described_and_has_its_own_place() {
    let panels = dashboard_panels();
    assert!(panels.len() > 35, "{}", panels.len());
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    let mut cells = BTreeSet::new();
    for panel in &panels {
        assert!(ids.insert(panel.id), "the id {} is there twice", panel.id);
        assert!(
            titles.insert(&panel.title),
            "{} is there twice",
            panel.title
        );
        assert!(
            panel.description.len() > 20,
            "{} is not described",
            panel.title
        );
        assert!(
            !panel.expressions.is_empty(),
            "{} shows nothing",
            panel.title
        );
        let [x, y, width, height] = panel.place;
        assert!(x + width <= 24, "{} is too wide", panel.title);
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{} covers another panel", panel.title);
        }
    }
}
