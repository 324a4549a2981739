//! `inspectd journal backup` while the daemon runs, and `inspectd journal restore` while it does not.

use std::path::Path;
use std::process::{Command, Output};

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{AcknowledgeVerdictsRequest, GapReason, StreamVerdictsRequest};
use inspectd_test_support::{onnx_runtime, require};

use crate::belt::{self, CAMERA, REVIEW};
use crate::harness::{Daemon, Site, Verdicts, bounded};

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\nstall_timeout_s = 20\n";

fn site() -> Site {
    let site = belt::site();
    site.configure(&format!("{JOURNAL}{REVIEW}"), CAMERA);
    site
}

/// Runs `inspectd --config ... journal ...`.
fn tool(site: &Site, arguments: &[&str]) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_inspectd");
    let mut command: Command = bounded(program);
    let output: Output = command
        .arg("--config")
        .arg(site.path("inspectd.toml"))
        .arg("journal")
        .args(arguments)
        .current_dir(site.path(""))
        .output()
        .expect("a started program");
    let text = [output.stdout, output.stderr].concat();
    let code = output.status.code().expect("no signal");
    (code, String::from_utf8_lossy(&text).into_owned())
}

fn opened(path: &Path) -> rusqlite::Connection {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    rusqlite::Connection::open_with_flags(path, flags).expect("a journal")
}

/// The sequences and contents of a journal.
fn rows(path: &Path) -> Vec<(i64, String, String)> {
    let journal = opened(path);
    let mut select = journal
        .prepare("SELECT sequence, item, details FROM verdicts ORDER BY sequence")
        .expect("a journal");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.expect("rows").collect::<Result<_, _>>().expect("rows")
}

async fn stream(daemon: &Daemon, start: Start) -> Verdicts {
    let request = StreamVerdictsRequest {
        start: Some(start),
        ..StreamVerdictsRequest::default()
    };
    daemon.filtered(request).await
}

/// The next gap of a stream, and the sequence of the verdict after it.
async fn lost(verdicts: &mut Verdicts) -> (u64, u64, u64) {
    loop {
        if let Event::Gap(gap) = verdicts.event().await.expect("the stream goes on") {
            assert_eq!(gap.reason(), GapReason::Lost);
            let next = verdicts.next().await.sequence;
            return (gap.first_sequence, gap.last_sequence, next);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn backup_of_a_running_daemon_is_restored_without_using_a_sequence_again() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.sequence >= 300).await;
    let mut client = daemon.inspection().await;
    let acknowledgement = AcknowledgeVerdictsRequest {
        consumer: "plc".to_owned(),
        sequence: 200,
    };
    client
        .acknowledge_verdicts(acknowledgement)
        .await
        .expect("recorded");

    // While verdicts are made: 150 a second.
    let (code, text) = tool(&site, &["backup", "--to", "backup.sqlite"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("verified"), "{text}");
    let (code, text) = tool(&site, &["check", "backup.sqlite"]);
    assert_eq!(code, 0, "{text}");
    let backup = rows(&site.path("backup.sqlite"));
    let newest = backup.last().expect("verdicts").0 as u64;
    assert!(newest >= 300);
    assert_eq!(backup.len() as u64, newest, "{text}");
    // What is published after the backup must not be published again with another content.
    let after = verdicts
        .until(|verdict| verdict.sequence >= newest + 40)
        .await;
    let (code, text) = tool(&site, &["restore", "backup.sqlite"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("another daemon writes its journal here"),
        "{text}"
    );
    daemon.stop();

    let (code, text) = tool(&site, &["restore", "backup.sqlite"]);
    assert_eq!(code, 1, "{text}");
    let lacks = format!("verdicts that the backup lacks, {} to ", newest + 1);
    assert!(text.contains(&lacks), "{text}");
    let (code, text) = tool(&site, &["restore", "backup.sqlite", "--set-aside"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("the next start begins epoch 2"), "{text}");
    let replaced = site.path("journal/journal.sqlite.before-restore-1");
    assert!(rows(&replaced).len() as u64 >= after.sequence);
    assert_eq!(rows(&site.path("journal/journal.sqlite")), backup);

    let daemon = site.start();
    let status = daemon.status().await;
    let journal = status.journal.expect("a journal");
    assert_eq!(journal.epoch, 2);
    assert!(status.sequence >= after.sequence, "{}", status.sequence);
    // The consumer receives again what it had not acknowledged, then the report of the loss.
    let mut consumer = stream(&daemon, Start::Consumer("plc".to_owned())).await;
    assert_eq!(consumer.next().await.sequence, 201);
    let (first, last, next) = lost(&mut consumer).await;
    assert_eq!(first, newest + 1);
    assert!(last >= after.sequence && next > last, "{last} {next}");
    daemon.stop();

    // Restored verdicts did not change, except that those of the last write before the backup are marked: the backup does not
    // know that they were published.
    let mark = ",\"unconfirmed\":true";
    let mut rows = rows(&site.path("journal/journal.sqlite"));
    rows.truncate(backup.len());
    let marked = rows.iter().filter(|(.., details)| details.contains(mark));
    assert!(marked.count() < 20);
    for (.., details) in &mut rows {
        *details = details.replace(mark, "");
    }
    assert_eq!(rows, backup);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn backup_is_restored_on_another_machine_after_a_sequence() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    daemon
        .verdicts()
        .await
        .until(|verdict| verdict.sequence >= 20)
        .await;
    let (code, text) = tool(&site, &["backup", "--to", "backup.sqlite"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = tool(&site, &["backup", "--to", "backup.sqlite"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("exists already"), "{text}");
    daemon.stop();
    let other = self::site();
    std::fs::copy(site.path("backup.sqlite"), other.path("backup.sqlite")).expect("copied");
    let (code, text) = tool(&other, &["restore", "backup.sqlite"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("give --after"), "{text}");
    let (code, text) = tool(&other, &["restore", "backup.sqlite", "--after", "5000"]);
    assert_eq!(code, 0, "{text}");
    let daemon = other.start();
    let next = daemon.verdicts().await.next().await.sequence;
    assert!(next > 5000, "{next}");
    assert_eq!(daemon.status().await.journal.expect("a journal").epoch, 2);
    let mut old = stream(&daemon, Start::FromSequence(1)).await;
    assert_eq!(old.next().await.sequence, 1);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn line_is_journalled_while_backups_are_made() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    verdicts.until(|verdict| verdict.sequence >= 50).await;
    for number in 0..10 {
        let to = format!("backup-{number}.sqlite");
        let (code, text) = tool(&site, &["backup", "--to", &to]);
        assert_eq!(code, 0, "{text}");
    }
    // No verdict had to go without its sequence, and the log was emptied again.
    let last = verdicts.next().await.sequence;
    verdicts.until(|verdict| verdict.sequence > last + 50).await;
    let journal = daemon.status().await.journal.expect("a journal");
    assert_eq!((journal.unjournalled, journal.trouble.as_str()), (0, ""));
    let counts: Vec<usize> = (0..10)
        .map(|number| rows(&site.path(format!("backup-{number}.sqlite"))).len())
        .collect();
    assert!(
        counts.is_sorted() && counts[0] >= 50 && counts[9] > counts[0],
        "{counts:?}"
    );
    daemon.stop();
}
