//! Files: permissions, other kinds of files, later versions.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;

use inspectd_test_support::{MemoryDisk, require};

use super::*;

#[test]
fn read_only_file_is_verified_but_not_opened_for_appending() {
    let site = Site::with(2);
    fs::set_permissions(site.path(), Permissions::from_mode(0o444)).expect("own file");
    assert_eq!(site.verified().entries, 2);
    // Root may write to any file, but not to a read-only file system.
    let disk = if OpenOptions::new().append(true).open(site.path()).is_ok() {
        Some(require!(MemoryDisk::mount(
            site.folder.path().join("disk"),
            "1m"
        )))
    } else {
        None
    };
    let path = match &disk {
        None => site.path(),
        Some(disk) => {
            let copy = disk.path().join("audit.sqlite");
            fs::copy(site.path(), &copy).expect("copied");
            disk.set_writable(false);
            assert_eq!(verify(&copy, None).expect("an intact chain").entries, 2);
            copy
        }
    };
    let error = open(&path).expect_err("read-only");
    assert!(error.to_string().contains("cannot be opened"), "{error}");
}

#[test]
fn verification_changes_and_creates_no_file() {
    let site = Site::with(2);
    let files = || {
        let entries = fs::read_dir(site.folder.path()).expect("a folder");
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.clone(), fs::read(path).expect("a file")))
            .collect();
        files.sort();
        files
    };
    let before = files();
    assert_eq!(before.len(), 1);
    site.verified();
    assert_eq!(files(), before);
}

#[test]
fn file_that_is_not_an_audit_log_is_refused_and_unchanged() {
    let check = |content: &[u8], expected: &str| {
        let site = Site::new();
        fs::write(site.path(), content).expect("written");
        let opened = open(&site.path()).map(drop).expect_err("refused");
        let read = Reader::open(&site.path()).map(drop).expect_err("refused");
        for error in [opened, read] {
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(fs::read(site.path()).expect("there"), content);
    };
    check(
        b"[server]\nlisten = \"127.0.0.1:50051\"\n",
        "is not an audit log",
    );
    check(&[7; 5000], "is not an audit log");
    let other = Site::new();
    other.forge("CREATE TABLE verdicts (n INTEGER)");
    let before = fs::read(other.path()).expect("a database");
    let error = open(&other.path()).map(drop).expect_err("refused");
    assert!(matches!(error, AuditError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(other.path()).expect("there"), before);
}

#[test]
fn file_of_a_later_version_is_refused_and_unchanged() {
    let site = Site::with(2);
    site.forge("PRAGMA user_version = 2");
    let before = fs::read(site.path()).expect("a file");
    let expected = format!(
        "{}: audit log version 2 of a later version of inspectd; must be 1",
        site.path().display()
    );
    let opened = open(&site.path()).map(drop).expect_err("refused");
    let read = Reader::open(&site.path()).map(drop).expect_err("refused");
    for error in [opened, read] {
        assert!(matches!(error, AuditError::Version { .. }), "{error}");
        assert_eq!(error.to_string(), expected);
    }
    let verified = verify(&site.path(), None).expect_err("refused");
    assert_eq!(verified.to_string(), expected);
    assert_eq!(fs::read(site.path()).expect("a file"), before);
}

#[test]
fn error_names_the_absent_file() {
    let error = verify(Path::new("/absent/audit.sqlite"), None).expect_err("absent");
    assert!(
        error
            .to_string()
            .starts_with("/absent/audit.sqlite: cannot be opened"),
        "{error}"
    );
    let error = open(Path::new("/absent/audit.sqlite")).expect_err("absent");
    assert!(
        error
            .to_string()
            .starts_with("/absent/audit.sqlite: cannot be opened"),
        "{error}"
    );
}

#[test]
fn path_with_special_characters_is_opened_and_verified() {
    let site = Site::new();
    let path = site.folder.path().join("a ?#%41&ä.sqlite");
    let audit = open(&path).expect("a log");
    audit.append(entry("")).expect("appended");
    assert_eq!(verify(&path, None).expect("in use").entries, 1);
    drop(audit);
    assert_eq!(verify(&path, None).expect("closed").entries, 1);
}
