//! The unit as systemd sees it, and the log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::program::run;
use super::{Context, Parts, at};

/// The unit.
const UNIT: &str = "inspectd.service";

/// Properties of the unit that show its life.
const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,Result,NRestarts,ExecMainPID,ExecMainCode,ExecMainStatus,\
ExecMainStartTimestamp,ActiveEnterTimestamp,InactiveEnterTimestamp,MemoryCurrent,MemoryPeak,CPUUsageNSec,TasksCurrent,\
FragmentPath,DropInPaths,UnitFileState";

/// Most lines of the log.
const LINES: usize = 50_000;

/// Most bytes of the log; the newest are kept.
const LOG_BYTES: u64 = 32 << 20;

/// Most warnings and errors that are listed once more.
const ERRORS: usize = 200;

/// Variables of the unit whose values are not secret.
const PLAIN_VARIABLES: [&str; 7] = [
    "ORT_DYLIB_PATH",
    "LD_LIBRARY_PATH",
    "CUDA_CACHE_PATH",
    "CUDA_VISIBLE_DEVICES",
    "PATH",
    "TZ",
    "HOME",
];

pub(super) async fn collect(context: &Context<'_>, parts: &mut Parts) {
    let unit = match run("systemctl", ["cat", "--no-pager", UNIT]).await {
        Ok(printed) => printed.success().map(|text| without_variables(&text)),
        Err(error) => Err(error),
    };
    parts.add(
        "unit.txt",
        "the unit and its drop-ins, as systemd sees them",
        unit,
    );
    let state = match run("systemctl", ["show", "--no-pager", PROPERTIES, UNIT]).await {
        Ok(printed) => printed.success().map(|text| without_variables(&text)),
        Err(error) => Err(error),
    };
    parts.add("service.txt", "the state of the service", state);
    let log = log(context).await;
    let errors = match &log {
        Ok(log) => Ok(errors(log)),
        Err(reason) => Err(reason.clone()),
    };
    parts.add("log.txt", "the log of the daemon", log);
    parts.add(
        "errors.txt",
        "the last warnings and errors of the log",
        errors,
    );
}

/// The log: from the given file, or from systemd's journal.
async fn log(context: &Context<'_>) -> Result<String, String> {
    if let Some(path) = &context.options.log {
        return tail(path).map_err(|error| at(path, &error));
    }
    let since = format!("--since=-{}s", context.options.since.as_secs());
    let lines = format!("--lines={LINES}");
    let arguments = [
        "--unit",
        UNIT,
        &since,
        "--output=short-iso",
        "--no-pager",
        "--quiet",
        &lines,
    ];
    let text = run("journalctl", arguments).await?.success()?;
    if text.trim().is_empty() {
        return Err(format!(
            "systemd's journal has no line of {UNIT} since then, or this user may not read it; \
             if the log goes to a file, give it with --log"
        ));
    }
    Ok(last_bytes(text))
}

/// The end of a file.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if length > LOG_BYTES {
        // The first line may lack its beginning, and so the name before a secret.
        let start = text.find('\n').map_or(text.len(), |end| end + 1);
        text.drain(..start);
    }
    Ok(text)
}

fn last_bytes(mut text: String) -> String {
    let surplus = text.len().saturating_sub(LOG_BYTES as usize);
    if surplus > 0 {
        let after = text.as_bytes()[surplus..]
            .iter()
            .position(|byte| *byte == b'\n');
        let start = after.map_or(text.len(), |after| surplus + after + 1);
        text.drain(..start);
    }
    text
}

/// The newest warnings and errors, in the order of the log.
fn errors(log: &str) -> String {
    let severe =
        |line: &&str| line.contains("WARN") || line.contains("ERROR") || line.contains("panicked");
    let lines: Vec<&str> = log.lines().filter(severe).collect();
    let newest = &lines[lines.len().saturating_sub(ERRORS)..];
    newest.iter().flat_map(|line| [*line, "\n"]).collect()
}

/// The text of a unit without the values of variables and credentials.
fn without_variables(text: &str) -> String {
    let mut out = String::new();
    // A line that ends with a backslash continues on the next one.
    let mut continues = false;
    for line in text.lines() {
        let name = line.trim_start().split('=').next().unwrap_or_default();
        let secret = continues
            || matches!(
                name,
                "Environment" | "SetCredential" | "SetCredentialEncrypted"
            );
        continues = secret && line.trim_end().ends_with('\\');
        if secret {
            out.push_str(&assignments(line));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

/// A line `Environment=A=1 "B=2"` with the values of the variables that may be secret replaced.
fn assignments(line: &str) -> String {
    let (key, rest) = match line.split_once('=') {
        Some((key, rest))
            if matches!(
                key.trim(),
                "Environment" | "SetCredential" | "SetCredentialEncrypted"
            ) =>
        {
            (format!("{key}="), rest)
        }
        _ => (String::new(), line),
    };
    let shown: Vec<String> = words(rest)
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) if PLAIN_VARIABLES.contains(&name) => format!("{name}={value}"),
            Some((name, _)) => format!("{name}=***"),
            None if word == "\\" || word.is_empty() => word.clone(),
            None => "***".to_owned(),
        })
        .collect();
    format!("{key}{}", shown.join(" "))
}

/// The words of a line, without their quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for letter in text.chars() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_of_a_unit_are_hidden_except_for_known_ones() {
        let unit = "[Service]\n\
                    Environment=ORT_DYLIB_PATH=/lib/o.so\n\
                    Environment=\"CAM=a b c\" 'D=e f' TZ=UTC\n\
                    Environment=A=1 \\\n  B=2 c\n\
                    SetCredential=key:value\n\
                    ExecStart=/usr/bin/inspectd\n";
        let expected = "[Service]\n\
                        Environment=ORT_DYLIB_PATH=/lib/o.so\n\
                        Environment=CAM=*** D=*** TZ=UTC\n\
                        Environment=A=*** \\\nB=*** ***\n\
                        SetCredential=***\n\
                        ExecStart=/usr/bin/inspectd\n";
        assert_eq!(without_variables(unit), expected);
    }

    #[test]
    fn errors_are_the_newest_severe_lines() {
        let lines = |line: u32| format!("{line} ERROR x\n{line} INFO y\n");
        let log: String = (0..300).map(lines).collect();
        let errors = errors(&log);
        assert_eq!(errors.lines().count(), ERRORS);
        assert!(errors.starts_with("100 ERROR x\n"), "{errors}");
        assert!(errors.ends_with("299 ERROR x\n"), "{errors}");
    }

    #[test]
    fn long_text_keeps_its_newest_whole_lines() {
        let line = "x".repeat(1023) + "\n";
        let text = "first\n".to_owned() + &line.repeat((LOG_BYTES >> 10) as usize);
        let kept = last_bytes(text);
        assert!(kept.len() as u64 <= LOG_BYTES);
        assert!(kept.starts_with("xxx") && kept.ends_with("x\n"));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "one\ntwo\n").expect("written");
        assert_eq!(tail(&path).expect("read"), "one\ntwo\n");
    }
}
