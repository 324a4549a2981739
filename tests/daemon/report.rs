//! Reports of a real journal: their numbers are those of its verdicts.

mod checks;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use inspectd_client::proto::report_service_client::ReportServiceClient;
use inspectd_client::proto::{
    Decision, DecisionCounts, Fault, GetReportRequest, LabelKind, LabelVerdictRequest,
    ListVerdictsRequest, Report, ReviewedCounts, SortOrder, Verdict,
};
use inspectd_test_support::{onnx_runtime, require};
use prost_types::Timestamp;
use serde_json::Value;
use tonic::{Code, Status};

use crate::belt::{self, PARTS, REVIEW};
use crate::ctl::{done, inspectctl, json_lines, run};
use crate::harness::{Daemon, Site, write_png};
use checks::{check_latency, check_standstills};

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\nstall_timeout_s = 20\n";

/// A belt whose every fourth picture is damaged, a simulated line, and a group of two cameras in mode `requested`.
const CAMERAS: &str = "[cameras.belt]\nsource = \"folder\"\npath = \"belt\"\nrepeat = true\nfps = 20.0\n\
                       mode = \"triggered\"\nqueue = 1024\n\
                       [cameras.line]\nsource = \"simulator\"\nwidth = 32\nheight = 32\nfps = 5.0\n\
                       [cameras.left]\nsource = \"folder\"\npath = \"good\"\nrepeat = true\nfps = 50\n\
                       mode = \"requested\"\ngroup = \"cell\"\n\
                       [cameras.right]\nsource = \"folder\"\npath = \"bad\"\nrepeat = true\nfps = 50\n\
                       mode = \"requested\"\ngroup = \"cell\"\n";

/// Where the page is served.
const PAGE: (&str, &str) = ("INSPECTD__SERVER__PAGE_LISTEN", "127.0.0.1:0");

fn site() -> Site {
    let site = Site::new("");
    site.configure(&format!("{JOURNAL}{REVIEW}"), CAMERAS);
    std::fs::create_dir(site.path("belt")).expect("a folder");
    for (name, spot, _) in PARTS {
        write_png(&site.path("belt").join(name), 64, 128, spot);
    }
    let damaged = site.path("belt/d.png");
    write_png(&damaged, 64, 128, 128);
    let whole = std::fs::read(&damaged).expect("a picture");
    std::fs::write(&damaged, &whole[..whole.len() / 2]).expect("half a picture");
    site.pictures("good", &[("a.png", 100)]);
    site.pictures("bad", &[("b.png", 200)]);
    site
}

/// Inspects two parts by the group, and an image of a client.
fn inspect_parts(site: &Site, daemon: &Daemon) {
    for part in ["P-1", "P-2"] {
        let mut command = inspectctl(daemon);
        command.args(["trigger", "--group", "cell", "--part", part]);
        run(command.args(["--wait", "--exit-zero"]), 0);
    }
    let mut command = inspectctl(daemon);
    command.args(["inspect", "--exit-zero"]);
    run(command.arg(site.path("belt/b.png")), 0);
}

async fn wait_for_verdicts(daemon: &Daemon, sequence: u64) {
    let wanted = |status: &inspectd_client::proto::Status| status.sequence >= sequence;
    daemon.status_when("enough verdicts", wanted).await;
}

/// The whole journal, oldest first.
async fn stored(daemon: &Daemon) -> Vec<Verdict> {
    let mut inspection = daemon.inspection().await;
    let mut verdicts = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListVerdictsRequest {
            page_size: 1000,
            order: SortOrder::OldestFirst.into(),
            page_token,
            ..ListVerdictsRequest::default()
        };
        let page = inspection.list_verdicts(request).await.expect("a page");
        let page = page.into_inner();
        verdicts.extend(page.verdicts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return verdicts;
        }
    }
}

/// Labels verdicts of each decision. Returns the labels by sequence.
async fn label(daemon: &Daemon, verdicts: &[Verdict]) -> BTreeMap<u64, LabelKind> {
    let of = |decision: Decision| {
        let frames = verdicts
            .iter()
            .filter(|verdict| verdict.camera_id == "belt");
        let frames = frames.filter(move |verdict| verdict.decision() == decision);
        frames.map(|verdict| verdict.sequence).collect::<Vec<_>>()
    };
    let [rejects, passes, reviews] = [Decision::Reject, Decision::Pass, Decision::Review].map(of);
    let chosen = [
        (rejects[0], LabelKind::Good, ""),
        (rejects[1], LabelKind::Defective, "scratch"),
        (rejects[2], LabelKind::Defective, "scratch"),
        (rejects[3], LabelKind::Unsure, ""),
        (passes[0], LabelKind::Good, ""),
        (passes[1], LabelKind::Defective, "dent"),
        (reviews[0], LabelKind::Defective, ""),
    ];
    let mut inspection = daemon.inspection().await;
    for (sequence, kind, class) in chosen {
        let request = LabelVerdictRequest {
            sequence,
            kind: kind.into(),
            defect_class: class.to_owned(),
            ..LabelVerdictRequest::default()
        };
        inspection.label_verdict(request).await.expect("a label");
    }
    let labels = chosen.into_iter();
    labels.map(|(sequence, kind, _)| (sequence, kind)).collect()
}

async fn report(daemon: &Daemon, request: GetReportRequest) -> Result<Report, Status> {
    let mut reports = ReportServiceClient::new(daemon.channel().await);
    let answer = reports.get_report(request).await?;
    Ok(answer.into_inner().report.expect("always set"))
}

fn time(timestamp: Option<Timestamp>) -> SystemTime {
    let timestamp = timestamp.expect("it is set");
    SystemTime::try_from(timestamp).expect("a time of this system")
}

fn add(counts: &mut DecisionCounts, decision: Decision) {
    match decision {
        Decision::Pass => counts.pass += 1,
        Decision::Review => counts.review += 1,
        Decision::Reject => counts.reject += 1,
        Decision::Fault => counts.fault += 1,
        Decision::Unspecified => panic!("a decision"),
    }
}

/// What a report has to count.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    parts: DecisionCounts,
    client_images: DecisionCounts,
    /// By id, and whether it is a group.
    sources: BTreeMap<(String, bool), DecisionCounts>,
    /// Rejected frames by camera and region.
    regions: BTreeMap<(String, String), u64>,
    /// By id and reason.
    faults: BTreeMap<(String, i32), u64>,
    reviewed: ReviewedCounts,
    judged: u64,
}

impl Counted {
    /// By the verdicts of the journal.
    fn of_verdicts(verdicts: &[Verdict], labels: &BTreeMap<u64, LabelKind>) -> Self {
        let mut counted = Self::default();
        for verdict in verdicts {
            counted.add(verdict, labels.get(&verdict.sequence).copied());
        }
        counted
    }

    fn add(&mut self, verdict: &Verdict, label: Option<LabelKind>) {
        let decision = verdict.decision();
        let (camera, group) = (verdict.camera_id.clone(), verdict.group_id.clone());
        let id = if camera.is_empty() {
            group.clone()
        } else {
            camera.clone()
        };
        match (camera.is_empty(), group.is_empty()) {
            (true, true) => add(&mut self.client_images, decision),
            (false, false) => {}
            (of_group, _) => {
                add(&mut self.parts, decision);
                let source = self.sources.entry((id.clone(), of_group));
                add(source.or_default(), decision);
            }
        }
        if decision == Decision::Fault
            && let Some(fault) = &verdict.fault
        {
            let reason = Fault::reason(fault).into();
            *self.faults.entry((id, reason)).or_default() += 1;
        }
        self.judged += u64::from(verdict.score.is_some());
        if let Some(score) = &verdict.score
            && decision == Decision::Reject
        {
            let key = (camera, score.decided_by.clone());
            *self.regions.entry(key).or_default() += 1;
        }
        self.add_label(verdict, label);
    }

    fn add_label(&mut self, verdict: &Verdict, label: Option<LabelKind>) {
        let reviewed = &mut self.reviewed;
        let frame = verdict.score.is_some();
        reviewed.unsure += u64::from(label == Some(LabelKind::Unsure));
        match (verdict.decision(), label) {
            (Decision::Review, None) => reviewed.review_unlabelled += 1,
            (Decision::Review, Some(_)) => reviewed.review_labelled += 1,
            (Decision::Reject, None) if frame => reviewed.rejected_unlabelled += 1,
            (Decision::Reject, Some(LabelKind::Good)) => reviewed.rejected_good += 1,
            (Decision::Reject, Some(LabelKind::Defective)) => reviewed.rejected_defective += 1,
            (Decision::Pass, Some(LabelKind::Good)) => reviewed.passed_good += 1,
            (Decision::Pass, Some(LabelKind::Defective)) => reviewed.passed_defective += 1,
            _ => {}
        }
    }

    /// By a report.
    fn of_report(report: &Report) -> Self {
        let sources = report.sources.iter();
        let regions = report.regions.iter();
        let faults = report.faults.iter();
        Self {
            parts: report.parts.expect("it is set"),
            client_images: report.client_images.expect("it is set"),
            sources: sources
                .map(|source| {
                    let parts = source.parts.expect("it is set");
                    ((source.id.clone(), source.group), parts)
                })
                .collect(),
            regions: regions
                .map(|cause| ((cause.camera_id.clone(), cause.region.clone()), cause.count))
                .collect(),
            faults: faults
                .map(|fault| ((fault.id.clone(), fault.reason), fault.count))
                .collect(),
            reviewed: report.reviewed.expect("it is set"),
            judged: report.latency.expect("it is set").count,
        }
    }
}

fn sum(all: impl IntoIterator<Item = Option<DecisionCounts>>) -> DecisionCounts {
    let mut sum = DecisionCounts::default();
    for counts in all.into_iter().flatten() {
        sum.pass += counts.pass;
        sum.review += counts.review;
        sum.reject += counts.reject;
        sum.fault += counts.fault;
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn report_counts_what_the_journal_lists_also_across_a_restart() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    wait_for_verdicts(&daemon, 60).await;
    inspect_parts(&site, &daemon);
    let labels = label(&daemon, &stored(&daemon).await).await;
    let before = daemon.status().await.sequence;
    daemon.stop();
    // More than the time of a standstill.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let daemon = site.start();
    wait_for_verdicts(&daemon, before + 40).await;

    let mut verdicts = stored(&daemon).await;
    // The journal grows meanwhile, but not before this time.
    let to_time = verdicts.last().expect("there are many").record_time;
    verdicts.retain(|verdict| time(verdict.record_time) < time(to_time));
    let mut from_time = to_time;
    if let Some(time) = &mut from_time {
        time.seconds -= 8 * 3600;
    }
    let request = GetReportRequest {
        from_time,
        to_time,
        standstill_after: Some(prost_types::Duration {
            seconds: 1,
            nanos: 0,
        }),
        ..GetReportRequest::default()
    };
    let found = report(&daemon, request.clone()).await.expect("a report");
    let expected = Counted::of_verdicts(&verdicts, &labels);
    assert_eq!(Counted::of_report(&found), expected);
    // The test has something of everything.
    assert!(
        expected.parts.fault > 0 && expected.parts.review > 0,
        "{expected:?}"
    );
    assert_eq!(expected.sources[&("cell".to_owned(), true)].reject, 2);
    assert_eq!(expected.client_images.reject, 1);
    assert_eq!(expected.reviewed.rejected_defective, 2);

    let parts = expected.parts;
    let judged = parts.pass + parts.review + parts.reject;
    assert_eq!(found.r#yield, Some(parts.pass as f64 / judged as f64));
    assert_eq!(sum(found.intervals.iter().map(|one| one.parts)), parts);
    assert_eq!(found.intervals.len(), 96, "eight hours");
    assert_eq!(sum(found.recipes.iter().map(|one| one.parts)), parts);
    assert_eq!(sum(found.models.iter().map(|one| one.parts)), parts);
    let model = found.models[0].model.clone().expect("it is set");
    assert_eq!((found.models.len(), model.name.as_str()), (1, "cells"));
    let rejected: u64 = found.branches.iter().map(|branch| branch.count).sum();
    let by_region: u64 = expected.regions.values().sum();
    assert_eq!(rejected, by_region);
    let classes: Vec<_> = found
        .classes
        .iter()
        .map(|class| (class.defect_class.as_str(), class.count))
        .collect();
    assert_eq!(classes, [("scratch", 2), ("", 1), ("dent", 1)]);
    check_latency(&found, &verdicts);
    check_standstills(&found, &verdicts);
    assert_eq!((found.to_time, found.kept_from_time), (to_time, None));
    assert!(!found.host.is_empty());
    // Without access control, everybody on this machine is an engineer.
    let changes: Vec<_> = found
        .changes
        .iter()
        .map(|change| change.action.as_str())
        .collect();
    assert_eq!(changes, ["start", "stop", "start"]);

    let only = GetReportRequest {
        ids: vec!["cell".to_owned()],
        ..request
    };
    let found = report(&daemon, only).await.expect("a report");
    let of_group: Vec<_> = verdicts
        .into_iter()
        .filter(|verdict| verdict.group_id == "cell")
        .collect();
    let expected = Counted::of_verdicts(&of_group, &labels);
    assert_eq!(Counted::of_report(&found), expected);
    assert_eq!(expected.judged, 4);
    daemon.stop();
}

/// The rows of a table, without that of the time when it was made.
fn rows(table: &str) -> Vec<&str> {
    let lines = table.lines();
    lines
        .filter(|line| !line.contains(",create_time,"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn inspectctl_and_the_page_show_the_same_report() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start_with(&[PAGE]);
    wait_for_verdicts(&daemon, 60).await;
    inspect_parts(&site, &daemon);
    let verdicts = stored(&daemon).await;
    let to = verdicts.last().expect("there are many").record_time;
    let to = to.expect("it is set").to_string();
    let by_ctl = |more: &str| done(&daemon, &format!("report --to {to} {more}"));

    let lines = json_lines(&by_ctl("--format json"));
    let [printed] = &lines[..] else {
        panic!("{lines:?}")
    };
    let request = GetReportRequest {
        to_time: Some(to.parse().expect("a time")),
        ..GetReportRequest::default()
    };
    let found = report(&daemon, request).await.expect("a report");
    let parts = found.parts.expect("it is set");
    assert_eq!(printed["parts"]["pass"], parts.pass);
    assert_eq!(printed["parts"]["fault"], parts.fault);
    assert_eq!(printed["faults"][0]["reason"], "corrupt_frame");
    assert_eq!(printed["sources"].as_array().map(Vec::len), Some(3));

    let table = by_ctl("--format csv");
    let expected = format!("parts,all,,pass,{},parts", parts.pass);
    assert!(rows(&table).contains(&expected.as_str()), "{table}");
    let text = by_ctl("--shift 8h");
    let expected = format!(": {} pass, {} review, ", parts.pass, parts.review);
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("\ncell  group "), "{text}");

    let address = daemon.address("server.page_listen");
    let get = |path: &str, content_type: &str| {
        let answer = ureq::get(format!("http://{address}{path}")).call();
        let mut answer = answer.expect("an answer");
        let header = |name: &str| {
            let value = answer.headers().get(name).map(|value| value.to_str());
            value.and_then(Result::ok).unwrap_or_default().to_owned()
        };
        assert_eq!(header("content-type"), content_type);
        let file = header("content-disposition");
        assert!(
            file.starts_with("attachment; filename=\"report-20"),
            "{file}"
        );
        answer.body_mut().read_to_string().expect("text")
    };
    let downloaded = get(&format!("/report.csv?to={to}"), "text/csv; charset=utf-8");
    assert_eq!(rows(&downloaded), rows(&table));
    let downloaded = get(
        &format!("/report.json?to={to}&ids=cell,belt&standstill_s=2.5"),
        "application/json",
    );
    let downloaded: Value = serde_json::from_str(&downloaded).expect("JSON");
    let sources = downloaded["report"]["sources"].as_array();
    let ids = sources.into_iter().flatten().map(|source| &source["id"]);
    assert_eq!(ids.collect::<Vec<_>>(), ["belt", "cell"]);
    for path in ["/report.json?from=soon", "/report.csv?standstill_s=0.5"] {
        let refused = ureq::get(format!("http://{address}{path}")).call();
        assert!(
            matches!(refused, Err(ureq::Error::StatusCode(400))),
            "{path}: {refused:?}"
        );
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn invalid_report_requests_are_refused() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let refused = async |request: GetReportRequest, field: &str| {
        let status = report(&daemon, request).await.expect_err("a refusal");
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let begins = status.message().starts_with(&format!("{field}: "));
        assert!(begins, "{status:?}");
    };
    let period = |from_time, to_time| GetReportRequest {
        from_time,
        to_time,
        ..GetReportRequest::default()
    };
    refused(period(at(2000), at(1000)), "from_time").await;
    refused(period(at(1000), at(1000)), "from_time").await;
    // In the future.
    refused(period(at(100_000_000_000), None), "from_time").await;
    refused(period(at(-1), None), "from_time").await;
    let many = GetReportRequest {
        ids: vec!["belt".to_owned(); 65],
        ..GetReportRequest::default()
    };
    refused(many, "ids").await;
    for seconds in [0, -1, 86_401] {
        let standstill = GetReportRequest {
            standstill_after: Some(prost_types::Duration { seconds, nanos: 0 }),
            ..GetReportRequest::default()
        };
        refused(standstill, "standstill_after").await;
    }
    // Nothing is stored of this time.
    let empty = report(&daemon, period(at(1000), at(4600))).await;
    let empty = empty.expect("a report");
    assert_eq!(empty.parts, Some(DecisionCounts::default()));
    assert_eq!((empty.r#yield, empty.intervals.len()), (None, 60));
    assert_eq!(empty.latency.and_then(|latency| latency.p50), None);
    assert_eq!(
        empty.standstill_total.map(|total| total.seconds),
        Some(3600)
    );

    let mut command = inspectctl(&daemon);
    command.args(["report", "--from", "1h", "--to", "2h"]);
    let stderr = run(&mut command, 1).stderr();
    assert!(
        stderr.contains("from_time: must be before to_time"),
        "{stderr}"
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn report_needs_a_journal() {
    require!(onnx_runtime());
    let site = belt::site();
    let daemon = site.start();
    let refused = report(&daemon, GetReportRequest::default()).await;
    let status = refused.expect_err("no journal");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let stderr = run(inspectctl(&daemon).arg("report"), 1).stderr();
    assert!(stderr.contains("journal.folder is not set"), "{stderr}");
    daemon.stop();
}
