//! `inspectctl challenge`: judges pictures of known parts, and shows whether the line can be trusted.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use inspectd_client::Client;
use inspectd_client::proto::{ChallengeResult, RunChallengeRequest};

use crate::failure::Failure;
use crate::{format, json};

/// Thousands of pictures take minutes.
const TIMEOUT: Duration = Duration::from_mins(30);

/// Arguments of `challenge`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Carries the challenge out, and prints its result. A challenge that fails is a failure of the command.
pub async fn run(client: &Client, arguments: &Arguments) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.run_challenge(RunChallengeRequest {});
    let answer = client.answer_within(TIMEOUT, call).await?;
    let result = answer.result.unwrap_or_default();
    let mut out = anstream::stdout();
    if arguments.json {
        json::write(&mut out, &json::Challenge::from(&result))?;
    } else {
        write!(out, "{}", describe(&result))?;
    }
    if result.passed {
        return Ok(());
    }
    Err(anyhow!("the challenge failed").into())
}

fn describe(result: &ChallengeResult) -> String {
    let mut out = String::new();
    if !result.error.is_empty() {
        return format!("not carried out: {}\n", result.error);
    }
    let line = |name: &str, wrong: u64, all: u64, word: &str| {
        format!(
            "{name:10} {:>6}, {wrong} {word}\n",
            format::count(all, "picture")
        )
    };
    out += &line(
        "defective",
        result.misses,
        result.defective,
        "passed (misses)",
    );
    out += &line(
        "good",
        result.false_rejects,
        result.good,
        "rejected (false rejects)",
    );
    for failure in &result.failures {
        let _ = writeln!(out, "  {failure}");
    }
    out += if result.passed {
        "passed\n"
    } else {
        "failed\n"
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_listed_and_a_challenge_that_cannot_run_says_why() {
        let result = ChallengeResult {
            good: 12,
            defective: 1,
            misses: 1,
            failures: vec!["dent/a.png: PASS (0.2)".to_owned()],
            ..ChallengeResult::default()
        };
        let expected = "defective  1 picture, 1 passed (misses)\n\
                        good       12 pictures, 0 rejected (false rejects)\n  dent/a.png: PASS (0.2)\nfailed\n";
        assert_eq!(describe(&result), expected);
        let result = ChallengeResult {
            error: "no folder".to_owned(),
            ..ChallengeResult::default()
        };
        assert_eq!(describe(&result), "not carried out: no folder\n");
    }
}
