//! Failing or skipping a test whose prerequisite is missing.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Set to `1`, it turns missing prerequisites into counted skips.
const ALLOW_SKIPS: &str = "INSPECTD_ALLOW_SKIPS";

/// Names the file that each skip is appended to.
const SKIP_LOG: &str = "INSPECTD_SKIP_LOG";

/// Handles a missing prerequisite: fails the test, or records a skip where `INSPECTD_ALLOW_SKIPS=1`.
/// `what` names the prerequisite, `remedy` says how to get it.
///
/// # Panics
/// When skips are not allowed.
#[track_caller]
pub fn missing<T>(what: &str, remedy: &str) -> Option<T> {
    assert!(
        skips_are_allowed(std::env::var_os(ALLOW_SKIPS).as_deref()),
        "missing prerequisite: {what}\n  to get it: {remedy}\n  to skip such tests: set {ALLOW_SKIPS}=1"
    );
    skip(what)
}

/// Records that the current test is skipped, and why.
///
/// # Panics
/// When the skip cannot be recorded.
pub fn skip<T>(reason: &str) -> Option<T> {
    let line = line(std::thread::current().name(), reason);
    // Visible with `--nocapture`; the file carries it past the capture of a passing test's output.
    eprint!("{line}");
    if let Some(path) = std::env::var_os(SKIP_LOG) {
        append(Path::new(&path), &line).expect("the skip log can be written");
    }
    None
}

fn skips_are_allowed(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| value == "1")
}

/// One line: tests run in threads of their names.
fn line(test: Option<&str>, reason: &str) -> String {
    let test = test.unwrap_or("unnamed test");
    format!("skipped: {test}: {}\n", reason.replace('\n', " "))
}

/// Appends a line with a single write: lines of tests that run at the same time do not mix.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_1_allows_skips() {
        for (value, expected) in [
            (None, false),
            (Some(""), false),
            (Some("0"), false),
            (Some("1"), true),
        ] {
            assert_eq!(
                skips_are_allowed(value.map(OsStr::new)),
                expected,
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_skip_is_one_line_even_when_its_reason_has_several() {
        assert_eq!(
            line(Some("module::test"), "no library\nat this path"),
            "skipped: module::test: no library at this path\n"
        );
    }

    #[test]
    fn skips_of_several_threads_are_whole_lines() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("skips");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for count in 0..50 {
                        append(path, &format!("{thread} {count}\n")).expect("appended");
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).expect("written");
        assert_eq!(text.lines().count(), 400);
        assert!(text.lines().all(|line| line.split(' ').count() == 2));
    }
}
