//! The end of the process, or of the machine, at any moment.

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

/// Appends entries and acknowledges them, until the process is killed.
fn append_until_killed(path: &Path) {
    let audit = open(path).expect("a log");
    let mut out = std::io::stdout();
    // Bounded, so that a child does not outlive a parent that failed.
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

/// Starts the test below in another process, where it appends to the log at `path`.
fn child(path: &Path) -> Child {
    let name = "audit::tests::killed::acknowledged_entries_survive_a_kill_at_any_moment";
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
            // SIGKILL. What it wrote until then is still in the pipe.
            child.kill().expect("killed");
            seen += 1;
        }
    }
    child.wait().expect("ended");
    assert!(seen > count, "the child ended by itself");
    last
}

#[test]
fn acknowledged_entries_survive_a_kill_at_any_moment() {
    if let Some(path) = std::env::var_os(LOG) {
        return append_until_killed(Path::new(&path));
    }
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
        // One at most was on its way to be acknowledged.
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

/// The files of a log in use: the database as it was first, and entries that are only in its
/// write-ahead log.
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

    /// A machine that loses its power leaves a write-ahead log that ends anywhere, or in rubbish.
    #[test]
    fn a_torn_end_costs_what_was_not_acknowledged(cut in any::<usize>(), rubbish in prop::collection::vec(any::<u8>(), 0..300)) {
        let (site, entries) = in_use(6);
        let wal = site.folder.path().join("audit.sqlite-wal");
        let mut bytes = fs::read(&wal).expect("a write-ahead log");
        bytes.truncate(cut % (bytes.len() + 1));
        bytes.extend(rubbish);
        fs::write(&wal, bytes).expect("written");
        // Torn before the table was there, the log is new.
        let audit = site.open();
        let kept = audit.entries(0, 100).expect("read");
        prop_assert_eq!(&kept, &entries[..kept.len()]);
        prop_assert_eq!(audit.state().broken, None);
        audit.append(entry("next")).expect("appended");
        prop_assert_eq!(site.verified().entries, kept.len() as u64 + 1);
    }
}
