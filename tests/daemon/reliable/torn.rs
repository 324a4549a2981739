//! A write-ahead log with a torn end, as after a power loss: no delivered verdict is lost.

use std::fs;
use std::path::Path;

use inspectd_client::proto::Verdict;
use inspectd_test_support::{onnx_runtime, require};

use super::journal_site::{belt, journal, site, whole};

/// Bytes of the log's head, and of a frame's, and where a frame's says that it ends a transaction.
const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
const COMMIT: std::ops::Range<usize> = 4..8;
const SALT: std::ops::Range<usize> = 8..16;

/// The log up to the end of its last transaction, and the length of a frame.
fn committed(log: &[u8]) -> (usize, usize) {
    let page = u32::from_be_bytes(log[8..12].try_into().expect("four bytes")) as usize;
    let length = FRAME_HEAD + page;
    let salt = &log[16..24];
    let frames = log[HEAD..].chunks_exact(length);
    let mine = frames.take_while(|frame| frame[SALT] == *salt);
    let ends = mine
        .enumerate()
        .filter(|(_, frame)| frame[COMMIT] != [0; 4])
        .map(|(index, _)| HEAD + (index + 1) * length);
    (ends.last().expect("a transaction"), length)
}

/// How the log is torn: it is given the log up to its last transaction, and a frame's length.
type Tear = fn(&mut Vec<u8>, usize);

const TEARS: [(&str, Tear); 5] = [
    ("cut", |_, _| ()),
    ("garbage", |log, length| {
        log.extend((0..3 * length).map(|byte| (byte * 7 % 251) as u8));
    }),
    ("half a frame", |log, length| {
        log.extend_from_within(HEAD..HEAD + length / 2);
    }),
    ("frames of elsewhere", |log, length| {
        log.extend_from_within(HEAD..HEAD + length);
    }),
    ("a flipped bit in a new transaction", |log, length| {
        let end = log.len();
        log.extend_from_within(end - length..);
        log[end + FRAME_HEAD + 100] ^= 1;
    }),
];

fn tear(file: &Path, how: Tear) {
    let mut log = fs::read(file).expect("a log");
    let (end, length) = committed(&log);
    log.truncate(end);
    how(&mut log, length);
    fs::write(file, log).expect("a torn log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn torn_write_ahead_log_loses_no_delivered_verdict() {
    require!(onnx_runtime());
    let site = site(&journal(""), &belt("belt", "fps = 200"));
    let mut seen = Vec::new();
    for (name, how) in TEARS {
        let daemon = site.start();
        let mut verdicts = daemon.verdicts().await;
        for _ in 0..50 {
            seen.push(verdicts.next().await);
        }
        daemon.signal("KILL");
        drop(daemon);
        tear(&site.path("journal/journal.sqlite-wal"), how);
        let daemon = site.start();
        let kept = whole(&daemon).await;
        for verdict in &seen {
            // The last ones are marked, as the process may have been killed before it published them.
            let kept = kept.get(&verdict.sequence).cloned();
            let kept = kept.map(|kept| Verdict {
                unconfirmed: false,
                ..kept
            });
            assert_eq!(kept.as_ref(), Some(verdict), "{name}");
        }
        let next = daemon.verdicts().await.next().await;
        assert!(next.sequence > kept.len() as u64, "{name}");
        daemon.stop();
    }
}
