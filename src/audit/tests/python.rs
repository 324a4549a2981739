//! The chain verifies by the description in `docs/audit.md`, without code of this program.

use std::process::{Command, Output};

use super::*;

/// Runs `examples/python/audit_verify.py`; `None` without Python.
fn script(path: &Path) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python/audit_verify.py");
    let output = Command::new("python3").arg(script).arg(path).output();
    if output.is_err() {
        eprintln!("skipped: python3 is not installed");
    }
    output.ok()
}

#[test]
fn python_script_and_verify_agree() {
    let site = Site::with(20);
    let Some(output) = script(&site.path()) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text, format!("20 entries, head {}\n", site.verified().head));
    site.forge("UPDATE entries SET after = '0.7' WHERE number = 13");
    let output = script(&site.path()).expect("it was there");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "entry 13 is broken\n"
    );
}
