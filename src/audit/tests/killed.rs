//! Crash of the process or the machine at any moment.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Names the log in the environment of a child.
const LOG: &str = "INSPECTD_TEST_AUDIT_LOG";
const ACKNOWLEDGED: &str = "acknowledged ";

/// Body of the child process of the next test. Without the environment variable it does nothing.
#[test]
fn child_process_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(LOG) else {
        return;
    };
    let audit = open(Path::new(&path)).expect("a log");
    let mut out = std::io::stdout();
    // Limited, so that a child does not outlive a parent that failed.
    for _ in 0..100_000 {
        let number = audit.append(entry("child")).expect("appended").number;
        if writeln!(out, "\n{ACKNOWLEDGED}{number}")
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}

fn child(path: &Path) -> Child {
    let name = "audit::tests::killed::child_process_appends_until_it_is_killed";
    Command::new(std::env::current_exe().expect("a test binary"))
        .args([name, "--exact", "--nocapture"])
        .env(LOG, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a started child")
}

/// Lets a child acknowledge `count` entries, kills it, and returns the last that it acknowledged.
fn killed_after(path: &Path, count: usize, pause: Duration) -> u64 {
    let mut child = child(path);
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut seen = 0;
    let mut last = 0;
    let mut line = String::new();
    while out.read_line(&mut line).expect("UTF-8") > 0 {
        if let Some(number) = line.trim_end().strip_prefix(ACKNOWLEDGED) {
            last = number.parse().expect("a number");
            seen += 1;
        }
        line.clear();
        if seen == count {
            thread::sleep(pause);
            // SIGKILL. Its output until then is still in the pipe.
            child.kill().expect("killed");
            seen += 1;
        }
    }
    child.wait().expect("exited");
    assert!(seen > count, "the child exited by itself");
    last
}

#[test]
fn acknowledged_entries_survive_a_kill_at_any_moment() {
    let site = Site::new();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut entries = 0;
    for round in 0..30 {
        let count = random.random_range(1..6);
        let pause = Duration::from_micros(random.random_range(0..3000));
        let last = killed_after(&site.path(), count, pause);
        let verified = site.verified();
        assert!(
            verified.entries >= last,
            "round {round}: {last} of {verified:?}"
        );
        // At most one more was stored, but not yet acknowledged.
        assert!(
            verified.entries <= last + 1,
            "round {round}: {last} of {verified:?}"
        );
        assert!(last > entries, "round {round}");
        entries = verified.entries;
    }
    let state = site.open().state();
    assert_eq!((state.entries, state.broken), (entries, None));
}

/// A copy of a log in use: an empty database, and entries that are only in its write-ahead log.
fn in_use(count: u64) -> (Site, Vec<StoredEntry>) {
    let site = Site::new();
    let audit = site.open();
    for number in 0..count {
        audit.append(entry(&number.to_string())).expect("appended");
    }
    let copy = Site::new();
    for suffix in ["", "-wal"] {
        let file = format!("audit.sqlite{suffix}");
        let (from, to) = (
            site.folder.path().join(&file),
            copy.folder.path().join(&file),
        );
        fs::copy(from, to).expect("a file in use");
    }
    let entries = audit.entries(0, 100).expect("read");
    (copy, entries)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// After a loss of power, the write-ahead log may end anywhere, or in garbage.
    #[test]
    fn torn_write_ahead_log_loses_only_its_end(cut in any::<usize>(), garbage in prop::collection::vec(any::<u8>(), 0..300)) {
        let (site, entries) = in_use(6);
        let wal = site.folder.path().join("audit.sqlite-wal");
        let mut bytes = fs::read(&wal).expect("a write-ahead log");
        bytes.truncate(cut % (bytes.len() + 1));
        bytes.extend(garbage);
        fs::write(&wal, bytes).expect("written");
        // If the creation of the table is lost too, the log is new.
        let audit = site.open();
        let kept = audit.entries(0, 100).expect("read");
        prop_assert_eq!(&kept, &entries[..kept.len()]);
        prop_assert_eq!(audit.state().broken, None);
        audit.append(entry("next")).expect("appended");
        prop_assert_eq!(site.verified().entries, kept.len() as u64 + 1);
    }
}
