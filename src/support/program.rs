//! Runs other programs, for a limited time.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may take.
const LIMIT: Duration = Duration::from_mins(1);

/// What a program printed.
pub(super) struct Printed {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Printed {
    /// Both outputs and the exit code.
    pub fn text(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let Self { stdout, stderr, .. } = self;
        format!("{stdout}{stderr}exit code: {code}\n")
    }

    /// Standard output of a program that succeeded.
    ///
    /// # Errors
    /// Standard error and the exit code of one that did not.
    pub fn success(self) -> Result<String, String> {
        match self.code {
            Some(0) => Ok(self.stdout),
            _ => Err(self.text().trim_end().to_owned()),
        }
    }
}

/// Runs a program with arguments, without input.
///
/// # Errors
/// When it cannot be started, or does not end in time.
pub(super) async fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Printed, String> {
    let program = program.as_ref();
    let name = program.to_string_lossy();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        // Colours and pagers are for terminals.
        .env("SYSTEMD_PAGER", "")
        .env("SYSTEMD_COLORS", "0")
        .env("NO_COLOR", "1")
        .kill_on_drop(true);
    let output = timeout(LIMIT, command.output())
        .await
        .map_err(|_| format!("{name}: did not end within {} s", LIMIT.as_secs()))?
        .map_err(|error| format!("{name}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Printed {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}
