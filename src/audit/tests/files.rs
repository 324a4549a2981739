//! Which files are logs, and what is done to them.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;

use inspectd_test_support::{MemoryDisk, require};

use super::*;

#[test]
fn a_read_only_file_is_verified_but_not_opened() {
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
            assert_eq!(verify(&copy, None).expect("a whole chain").entries, 2);
            copy
        }
    };
    let error = Audit::open(&path).expect_err("read-only");
    assert!(error.to_string().contains("cannot be opened"), "{error}");
}

#[test]
fn verifying_leaves_no_trace() {
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
fn other_files_are_no_audit_logs() {
    let check = |content: &[u8], expected: &str| {
        let site = Site::new();
        fs::write(site.path(), content).expect("written");
        let opened = Audit::open(&site.path()).map(|_| ()).expect_err("refused");
        let read = Reader::open(&site.path()).map(|_| ()).expect_err("refused");
        for error in [opened, read] {
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(fs::read(site.path()).expect("there"), content);
    };
    check(
        b"[server]\nlisten = \"127.0.0.1:50051\"\n",
        "is no audit log",
    );
    check(&[7; 5000], "is no audit log");
    let other = Site::new();
    other.forge("CREATE TABLE verdicts (n INTEGER)");
    let before = fs::read(other.path()).expect("a database");
    let error = Audit::open(&other.path()).map(|_| ()).expect_err("refused");
    assert!(matches!(error, AuditError::Foreign { .. }), "{error}");
    assert_eq!(fs::read(other.path()).expect("there"), before);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = verify(Path::new("/absent/audit.sqlite"), None).expect_err("absent");
    assert!(
        error
            .to_string()
            .starts_with("/absent/audit.sqlite: cannot be opened"),
        "{error}"
    );
    let error = Audit::open(Path::new("/absent/audit.sqlite")).expect_err("absent");
    assert!(
        error
            .to_string()
            .starts_with("/absent/audit.sqlite: cannot be opened"),
        "{error}"
    );
}

#[test]
fn a_path_may_have_any_letters() {
    let site = Site::new();
    let path = site.folder.path().join("a ?#%41&ä.sqlite");
    let audit = Audit::open(&path).expect("a log");
    audit.append(entry("")).expect("appended");
    assert_eq!(verify(&path, None).expect("in use").entries, 1);
    drop(audit);
    assert_eq!(verify(&path, None).expect("closed").entries, 1);
}
