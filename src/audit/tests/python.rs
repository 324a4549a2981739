//! The chain verifies by what `docs/audit.md` says, with nothing of this program.

use std::process::{Command, Output};

use inspectd_test_support::{python, require};

use super::*;

/// Runs `examples/python/audit_verify.py`.
fn script(path: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python/audit_verify.py");
    let output = Command::new("python3").arg(script).arg(path).output();
    output.expect("python3 starts")
}

#[test]
fn python_script_and_verify_agree() {
    require!(python());
    let site = Site::with(20);
    let output = script(&site.path());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text, format!("20 entries, head {}\n", site.verified().head));
    site.forge("UPDATE entries SET after = '0.7' WHERE number = 13");
    let output = script(&site.path());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "entry 13 is broken\n"
    );
}
