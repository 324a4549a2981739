//! Commands that use the journal: `watch` from a position, `verdicts`, `trigger`, `consumers`, `status`.

use inspectd_test_support::{onnx_runtime, require};
use serde_json::Value;

use super::{done, inspectctl, json_lines, run};
use crate::belt::{self, CAMERA, REVIEW};
use crate::harness::{Daemon, Site, wait};

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\n";

/// Two cameras in mode `requested` that see the same part.
const CELL: &str = "[cameras.left]\nsource = \"folder\"\npath = \"good\"\nrepeat = true\nfps = 50\n\
                    mode = \"requested\"\ngroup = \"cell\"\n\
                    [cameras.right]\nsource = \"folder\"\npath = \"bad\"\nrepeat = true\nfps = 50\n\
                    mode = \"requested\"\ngroup = \"cell\"\n";

/// A belt whose verdicts are journalled.
fn belt() -> Site {
    let site = belt::site();
    site.configure(&format!("{JOURNAL}{REVIEW}"), CAMERA);
    site
}

fn cell() -> Site {
    let site = Site::new("");
    site.configure(JOURNAL, CELL);
    site.pictures("good", &[("a.png", 100)]);
    site.pictures("bad", &[("b.png", 200)]);
    site
}

fn sequences(lines: &[Value]) -> Vec<u64> {
    let verdict = |line: &Value| line.get("verdict").unwrap_or(line)["sequence"].as_u64();
    lines.iter().filter_map(verdict).collect()
}

fn wait_for_verdicts(daemon: &Daemon, count: u64) {
    wait("verdicts", || {
        let status = json_lines(&done(daemon, "status --json"));
        status[0]["sequence"].as_u64() >= Some(count)
    });
}

#[test]
fn watch_starts_with_the_requested_stored_verdict() {
    require!(onnx_runtime());
    let site = belt();
    let daemon = site.start();
    wait_for_verdicts(&daemon, 5);
    let from = |arguments: &str| {
        let text = done(&daemon, &format!("watch {arguments} --limit 4 --json"));
        sequences(&json_lines(&text))
    };
    assert_eq!(from("--from-sequence 1"), [1, 2, 3, 4]);
    assert_eq!(from("--from-sequence 3"), [3, 4, 5, 6]);
    assert_eq!(from("--from-time 1h"), [1, 2, 3, 4]);
    let mut late = inspectctl(&daemon);
    late.args(["watch", "--from-sequence", "1000000"]);
    let stderr = run(&mut late, 1).stderr();
    assert!(stderr.contains("OUT_OF_RANGE"), "{stderr}");
    daemon.stop();
}

#[test]
fn consumer_resumes_after_its_acknowledgement() {
    require!(onnx_runtime());
    let site = belt();
    let daemon = site.start();
    let watch = || {
        let text = done(&daemon, "watch --consumer mes --limit 4 --json");
        sequences(&json_lines(&text))
    };
    assert_eq!(watch(), [1, 2, 3, 4]);
    assert_eq!(watch(), [5, 6, 7, 8]);
    let consumers = json_lines(&done(&daemon, "consumers --json"));
    assert_eq!(consumers.len(), 1);
    assert_eq!(consumers[0]["name"], "mes");
    assert_eq!(consumers[0]["acknowledged"], 8);
    assert_eq!(consumers[0]["lost"], 0);
    done(&daemon, "consumers acknowledge mes 9");
    assert_eq!(watch(), [10, 11, 12, 13]);
    let table = done(&daemon, "consumers");
    assert!(table.starts_with("consumer  acknowledged  at "), "{table}");
    assert!(table.contains("\nmes "), "{table}");
    assert_eq!(done(&daemon, "consumers forget mes"), "mes is forgotten\n");
    assert_eq!(done(&daemon, "consumers list --json"), "");
    let stderr = run(inspectctl(&daemon).args(["consumers", "forget", "mes"]), 1).stderr();
    assert!(stderr.contains("NOT_FOUND: "), "{stderr}");
    daemon.stop();
}

#[test]
fn stored_verdicts_are_filtered_sorted_and_paged() {
    require!(onnx_runtime());
    let site = belt();
    let daemon = site.start();
    wait_for_verdicts(&daemon, 9);
    let list =
        |arguments: &str| json_lines(&done(&daemon, &format!("verdicts {arguments} --json")));
    assert_eq!(sequences(&list("--oldest-first --limit 3")), [1, 2, 3]);
    let newest = sequences(&list("--limit 3"));
    assert!(newest.is_sorted_by(|one, next| one > next), "{newest:?}");
    let rejects = list("--decision reject --oldest-first --limit 3 --camera belt --from 1h");
    assert_eq!(sequences(&rejects), [2, 5, 8], "each third is too bright");
    assert!(
        rejects
            .iter()
            .all(|verdict| verdict["source_item"] == "b.png")
    );
    assert!(rejects[0]["record_time"].is_string(), "{}", rejects[0]);
    assert_eq!(rejects[0]["recipe"], Value::Null);
    assert!(list("--camera absent").is_empty());
    assert!(list("--to 1h").is_empty());
    // More than a page, page by page.
    wait_for_verdicts(&daemon, 600);
    let all = sequences(&list("--oldest-first --limit 600"));
    assert_eq!(all, (1..=600).collect::<Vec<_>>());
    let table = done(&daemon, "verdicts --oldest-first --limit 2");
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[0].starts_with("journalled            sequence  camera "),
        "{table}"
    );
    assert!(
        lines[1].ends_with("  a.png") && lines[2].contains("  REJECT "),
        "{table}"
    );
    daemon.stop();
}

#[test]
fn trigger_with_wait_exits_with_the_code_of_the_decision() {
    require!(onnx_runtime());
    let site = cell();
    let daemon = site.start();
    let trigger = |arguments: &str, code| {
        let mut command = inspectctl(&daemon);
        command.arg("trigger").args(arguments.split(' '));
        run(&mut command, code).stdout()
    };
    let part = json_lines(&trigger(
        "--group cell --part P-1 --data x --wait --json",
        2,
    ));
    let verdict = &part[0]["verdict"];
    assert_eq!(verdict["part_id"], "P-1");
    assert_eq!(verdict["client_data"], "eA==");
    assert_eq!(verdict["trigger_id"], part[0]["trigger_id"]);
    assert_eq!(verdict["group_id"], "cell");
    let views = verdict["views"].as_array().expect("views");
    assert_eq!(views.len(), 2, "{verdict}");
    assert_eq!(
        (&views[0]["camera_id"], &views[0]["decision"]),
        (&"left".into(), &"pass".into())
    );
    assert_eq!(views[1]["decision"], "reject");
    let shown = trigger("--group cell --part P-2 --wait --exit-zero", 0);
    assert!(
        shown.contains("\n  views: left PASS, right REJECT\n"),
        "{shown}"
    );
    let shown = trigger("--group cell --part P-3 --idempotency-key k", 0);
    assert!(shown.starts_with("request "), "{shown}");
    let again = trigger("--group cell --part P-3 --idempotency-key k --wait", 2);
    assert!(
        again.starts_with(shown.trim_end()),
        "the same request: {again}"
    );
    assert!(again.contains(", repeated under its key\n"), "{again}");
    let stored = done(&daemon, "verdicts --part P-1 --oldest-first");
    assert!(
        stored.contains("  part P-1  left PASS, right REJECT"),
        "{stored}"
    );
    trigger("--group absent", 1);
    trigger("--camera left --group cell", 64);
    daemon.stop();
}

#[test]
fn status_shows_the_journal() {
    require!(onnx_runtime());
    let site = belt();
    let daemon = site.start();
    done(&daemon, "watch --consumer mes --limit 4");
    let text = done(&daemon, "status");
    assert!(text.contains("\njournal   1 to "), "{text}");
    assert!(text.contains(" kept, 1 consumer, at most "), "{text}");
    assert!(text.contains("\nevidence  files of "), "{text}");
    let status = json_lines(&done(&daemon, "status --json"));
    assert_eq!(status[0]["journal"]["oldest_sequence"], 1);
    assert_eq!(status[0]["journal"]["consumers"], 1);
    assert_eq!(status[0]["journal"]["trouble"], "");
    assert_eq!(status[0]["late_views"], 0);
    daemon.stop();
}

#[test]
fn commands_that_require_a_journal_fail_without_one() {
    require!(onnx_runtime());
    let site = belt::site();
    let daemon = site.start();
    for command in [
        "verdicts",
        "consumers",
        "watch --from-sequence 1",
        "watch --consumer mes",
    ] {
        let stderr = run(inspectctl(&daemon).args(command.split(' ')), 1).stderr();
        assert!(
            stderr.contains("journal.folder is not set"),
            "{command}: {stderr}"
        );
    }
    daemon.stop();
}
