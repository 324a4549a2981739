//! Evidence on the disk: kept by policy, within its quota, complete or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use inspectd_client::proto::{Decision, GetEvidenceRequest, ImageFormat, Verdict};
use inspectd_core::image_file::decode_bytes;
use inspectd_test_support::{onnx_runtime, require};
use tonic::Code;

use super::journal_site::{belt, blocks_below, files_below, journal, site, whole};
use crate::harness::{Daemon, PATIENCE, Site, check_concurrently, write_png};

fn site_with(evidence: &str, camera: &str) -> Site {
    let top = format!("{}[evidence]\n{evidence}", journal(""));
    let site = site(&top, &belt("belt", camera));
    // A frame whose map is non-finite: a FAULT with a frame.
    write_png(&site.path("pictures/d.png"), 64, 0, 0);
    site
}

/// The names of the files of each sequence, without temporary files of writes in progress.
fn files(folder: &Path) -> BTreeMap<u64, Vec<String>> {
    let mut files: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for path in files_below(folder) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        if name.starts_with('.') {
            continue;
        }
        let (sequence, kind) = name.split_once('.').expect("a kind");
        let sequence = sequence.parse().expect("a sequence");
        files.entry(sequence).or_default().push(kind.to_owned());
    }
    files
}

/// Verdicts since the start whose files were not written, because the disk was too slow.
async fn missed(daemon: &Daemon) -> u64 {
    let journal = daemon.status().await.journal.expect("a journal");
    journal.evidence_missed
}

/// Asserts that the daemon returns the evidence of this verdict from the disk.
async fn check_readable(daemon: &Daemon, verdict: &Verdict) {
    let request = GetEvidenceRequest {
        sequence: verdict.sequence,
        format: ImageFormat::Jpeg.into(),
        ..GetEvidenceRequest::default()
    };
    let answer = daemon.inspection().await.get_evidence(request).await;
    let answer = answer.expect("evidence").into_inner();
    assert_eq!(answer.verdict.as_ref(), Some(verdict));
    let frame = decode_bytes("frame".as_ref(), &answer.frame).expect("a whole JPEG");
    assert_eq!((frame.width(), frame.height()), (64, 64));
    assert_eq!(
        answer.heatmap.is_empty(),
        verdict.decision() == Decision::Fault
    );
    if !answer.heatmap.is_empty() {
        decode_bytes("heatmap".as_ref(), &answer.heatmap).expect("a whole JPEG");
    }
}

#[test]
fn evidence_is_kept_by_policy_and_readable_after_a_restart() {
    require!(onnx_runtime());
    // Good parts score 0.5, and are not PASS from 0.53 on.
    let cases = [
        ("near_threshold = 0\npass_every = 5\n", 5),
        ("near_threshold = 0.1\npass_every = 0\n", 1),
        ("near_threshold = 0\npass_every = 0\n", usize::MAX),
    ];
    check_concurrently(cases, async |(keys, one_in)| {
        let site = site_with(keys, "fps = 25");
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        verdicts.until(|verdict| verdict.sequence >= 60).await;
        let missed = missed(&daemon).await;
        daemon.stop();
        let daemon = site.start_with(&[("INSPECTD__CAMERAS__BELT__FPS", "0.01")]);
        let kept = whole(&daemon).await;
        let files = files(&site.path("journal/evidence"));
        let (mut passed, mut absent) = (0, 0);
        let of_before = kept.values().filter(|verdict| verdict.sequence <= 60);
        for verdict in of_before {
            let expected = if verdict.decision() == Decision::Pass {
                passed += 1;
                passed % one_in == 0
            } else {
                true
            };
            assert_eq!(verdict.evidence_kept, expected, "{keys} {verdict:?}");
            let stored = files.contains_key(&verdict.sequence);
            assert!(!stored || expected, "{keys} {verdict:?}");
            absent += u64::from(expected && !stored);
            if stored && verdict.sequence > 48 {
                check_readable(&daemon, verdict).await;
            }
        }
        // If the disk is slower than the line, less is stored, and what is missing is counted.
        assert!(
            absent <= missed && absent < 30,
            "{keys}: {absent} of {missed}"
        );
        daemon.stop();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn evidence_quota_is_never_exceeded_and_the_oldest_is_removed() {
    require!(onnx_runtime());
    let site = site_with(
        "disk_mib = 1\nmemory_mib = 0\npass_every = 1\n",
        "fps = 300\nqueue = 1024",
    );
    let folder = site.path("journal/evidence");
    let daemon = site.start();
    let (mut most, mut looks) = (0, 0);
    let deadline = Instant::now() + PATIENCE;
    // About three times as many as the quota holds, however slow the disk is.
    let mut stored = BTreeSet::new();
    while stored.len() < 250 {
        most = most.max(blocks_below(&folder));
        looks += 1;
        stored.extend(files(&folder).into_keys());
        assert!(Instant::now() < deadline, "{}", stored.len());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(most <= 1 << 20, "{most} bytes");
    assert!(most > 900 << 10, "the quota was not reached: {most} bytes");
    println!("{most} bytes at most, looked at {looks} times");
    let gone = GetEvidenceRequest {
        sequence: *stored.first().expect("a sequence"),
        format: 0,
        ..GetEvidenceRequest::default()
    };
    let gone = daemon.inspection().await.get_evidence(gone).await;
    assert_eq!(gone.expect_err("the oldest").code(), Code::NotFound);
    daemon.stop();
    assert!(blocks_below(&folder) <= 1 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn kill_leaves_no_partial_evidence() {
    require!(onnx_runtime());
    let site = site_with("memory_mib = 0\npass_every = 1\n", "pace = \"fast\"");
    let folder = site.path("journal/evidence");
    for kill in 0..4 {
        let daemon = site.start();
        tokio::time::sleep(Duration::from_millis(150 + 37 * kill)).await;
        drop(daemon);
    }
    // As a kill at the worst moment leaves it: a temporary file, and a heatmap without its frame.
    let left = folder.join("000999");
    std::fs::create_dir_all(&left).expect("a folder");
    for name in ["000999001.frame.jpg.tmp", "000999002.heatmap.jpg"] {
        std::fs::write(left.join(name), [0; 10]).expect("a file");
    }
    let daemon = site.start_with(&[
        ("INSPECTD__CAMERAS__BELT__PACE", "native"),
        ("INSPECTD__CAMERAS__BELT__MODE", "requested"),
    ]);
    daemon
        .status_when("evidence", |status| {
            let journal = status.journal.as_ref().expect("a journal");
            journal.evidence_kept > 0
        })
        .await;
    let kept = whole(&daemon).await;
    let files = files(&folder);
    assert!(files.len() > 20, "{}", files.len());
    for (sequence, mut names) in files.clone() {
        names.sort_unstable();
        let verdict = kept.get(&sequence).expect("evidence of a verdict");
        let expected: &[&str] = match verdict.decision() {
            Decision::Fault => &["frame.jpg"],
            _ => &["frame.jpg", "heatmap.jpg", "map"],
        };
        assert_eq!(names, expected, "{sequence}");
    }
    for sequence in files.keys().step_by(files.len() / 10) {
        check_readable(&daemon, &kept[sequence]).await;
    }
    let journal = daemon.status().await.journal.expect("a journal");
    assert_eq!(journal.evidence_kept, files.len() as u64);
    daemon.stop();
}
