//! A real Prometheus that scrapes the real daemon, with the shipped rules.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use inspectd_client::proto::AcknowledgeVerdictsRequest;
use inspectd_client::proto::inspection_service_client::InspectionServiceClient;
use inspectd_test_support::{onnx_runtime, require};
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::expressions::{annotations, dashboard_panels};
use super::{RULES, program, shipped};
use crate::harness::{Daemon, PATIENCE, Site, wait};

/// Panels without data: nothing of the kind happens in this test.
const EMPTY: [&str; 5] = [
    // 200 frames with references of a calibration.
    "Drift of the scores",
    "Probability that nothing has changed",
    // None is configured.
    "Shadow",
    // Without TLS.
    "Certificate expires",
    "Alarms by kind",
];

type Client = InspectionServiceClient<Channel>;

/// Labels and value.
type Sample = (BTreeMap<String, String>, f64);

struct Prometheus {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// Scrapes `target` as the job `inspectd`, each second.
    fn start(program: &std::path::Path, target: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: ['{}']\nscrape_configs:\n\
             - job_name: inspectd\n  static_configs:\n  - targets: ['{target}']\n",
            shipped(RULES).display()
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, configuration).expect("a written file");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port").to_string();
        let process = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self {
            process: process.expect("a started Prometheus"),
            address,
            _folder: folder,
        }
    }

    /// The data of an answer of the API; an error with its text.
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let mut request = ureq::get(&url).config().http_status_as_error(false).build();
        for (name, value) in query {
            request = request.query(name, value);
        }
        let mut answer = request.call().map_err(|error| error.to_string())?;
        let answer: Value = answer
            .body_mut()
            .read_json()
            .map_err(|error| error.to_string())?;
        if answer["status"] == "success" {
            Ok(answer["data"].clone())
        } else {
            Err(answer["error"].to_string())
        }
    }

    /// The samples of an expression: labels and value.
    fn query(&self, expression: &str) -> Result<Vec<Sample>, String> {
        let data = self.get("query", &[("query", expression)])?;
        let samples = data["result"].as_array().cloned().unwrap_or_default();
        let sample = |sample: &Value| {
            let labels = sample["metric"].as_object().into_iter().flatten();
            let labels = labels
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
            let value = sample["value"][1]
                .as_str()
                .and_then(|value| value.parse().ok());
            (labels.collect(), value.unwrap_or(f64::NAN))
        };
        Ok(samples.iter().map(sample).collect())
    }

    /// Waits until an expression has a sample for which `wanted` holds.
    fn wait_for(&self, expression: &str, wanted: impl Fn(f64) -> bool) {
        wait(expression, || {
            let samples = self.query(expression).unwrap_or_default();
            samples.iter().any(|(_, value)| wanted(*value))
        });
    }
}

/// A line with PASS, REJECT, REVIEW and FAULT, a journal, evidence and a consumer.
async fn line() -> (Site, Daemon, Client) {
    let site = Site::new("");
    // A black picture has maps that are not finite.
    site.pictures(
        "pictures",
        &[("a.png", 128), ("b.png", 220), ("c.png", 145), ("d.png", 0)],
    );
    let top = "[verdict]\nreview_from = 0.55\n[journal]\nfolder = \"journal\"\n";
    let camera = "[cameras.belt]\nsource = \"folder\"\npath = \"pictures\"\nrepeat = true\nfps = 40\nmode = \"triggered\"\n\
                  queue = 64\ncheck.frozen_after = 0\ncheck.dark_below = 0\n";
    site.configure(top, camera);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let sequence = verdicts.next().await.sequence;
    let request = AcknowledgeVerdictsRequest {
        consumer: "mes".to_owned(),
        sequence,
    };
    let mut client = daemon.inspection().await;
    client
        .acknowledge_verdicts(request)
        .await
        .expect("acknowledged");
    (site, daemon, client)
}

/// The expression as Grafana sends it, with everything selected.
fn filled_in(expression: &str) -> String {
    expression
        .replace("$instance", ".*")
        .replace("$camera", ".*")
        .replace("$__rate_interval", "4s")
        .replace("$__range", "1m")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_scrapes_the_daemon_evaluates_the_rules_and_fills_the_dashboard() {
    require!(onnx_runtime());
    let program = require!(program("prometheus"));
    let (_site, daemon, _client) = line().await;
    let prometheus = Prometheus::start(&program, &daemon.address("server.metrics_listen"));
    prometheus.wait_for("up{job=\"inspectd\"}", |up| up > 0.0);
    for decision in ["pass", "reject", "review", "fault"] {
        let rate = format!(
            "rate(inspectd_verdicts_total{{camera=\"belt\", decision=\"{decision}\"}}[4s])"
        );
        prometheus.wait_for(&rate, |rate| rate > 0.0);
    }
    check_build(&prometheus);
    for panel in dashboard_panels() {
        let mut samples = 0;
        for expression in &panel.expressions {
            let expression = filled_in(expression);
            let found = prometheus.query(&expression);
            samples += found
                .unwrap_or_else(|error| panic!("{expression}: {error}"))
                .len();
        }
        let has_data = samples > 0;
        assert_eq!(
            has_data,
            !EMPTY.contains(&&*panel.title),
            "{}: {samples} samples",
            panel.title
        );
    }
    for expression in annotations() {
        prometheus
            .query(&filled_in(&expression))
            .expect("a valid expression");
    }
    check_rules(&prometheus);
    daemon.stop();
}

fn check_build(prometheus: &Prometheus) {
    let builds = prometheus.query("inspectd_build_info").expect("a query");
    let [(labels, value)] = &builds[..] else {
        panic!("one build: {builds:?}");
    };
    assert!(*value > 0.0);
    assert_eq!(labels["version"], env!("CARGO_PKG_VERSION"));
    for label in ["commit", "onnxruntime"] {
        assert!(!labels[label].is_empty(), "{label}");
    }
    for (expression, least) in [
        ("inspectd_ready", 1.0),
        ("inspectd_connections{listener=\"server.listen\"}", 1.0),
        ("inspectd_disk_free_bytes", 1.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_open_fds", 5.0),
        ("process_start_time_seconds", 1.7e9),
        ("inspectd_stage_seconds_count{stage=\"commit\"}", 1.0),
    ] {
        prometheus.wait_for(expression, |value| value >= least);
    }
}

/// All rules are evaluated without an error, and a quarter of FAULT is noticed.
fn check_rules(prometheus: &Prometheus) {
    let deadline = Instant::now() + PATIENCE;
    let rules = loop {
        let data = prometheus.get("rules", &[]).expect("the rules");
        let groups = data["groups"].as_array().expect("groups").iter();
        let rules: Vec<Value> = groups
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
            .collect();
        let is_unknown = |rule: &Value| rule["health"] == "unknown";
        let pending =
            |rule: &Value| rule["name"] == "InspectdFaults" && rule["state"] != "inactive";
        if !rules.iter().any(is_unknown) && rules.iter().any(pending) {
            break rules;
        }
        assert!(Instant::now() < deadline, "{rules:#?}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert!(rules.len() >= 25, "{}", rules.len());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
    let active = prometheus.query("ALERTS").expect("a query");
    let names = active.iter().map(|(labels, _)| labels["alertname"].clone());
    let names: Vec<String> = names.collect();
    // Nothing that this line does not have. What a busy machine causes, such as late verdicts, is possible.
    let impossible = ["Certificate", "Challenge", "Shadow", "Drift", "Consumer"];
    let expected = |name: &String| !impossible.iter().any(|what| name.contains(what));
    assert!(names.iter().all(expected), "{names:?}");
}
