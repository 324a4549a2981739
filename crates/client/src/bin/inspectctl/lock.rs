//! `inspectctl lock` and `unlock`: an engineer works at the line, and nobody changes it from elsewhere.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use inspectd_client::proto::{Lock, LockChangesRequest, UnlockChangesRequest};

use crate::connection::{ANSWER_TIMEOUT, Daemon};
use crate::failure::Failure;

/// Of `lock`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Why, for those who are refused.
    #[arg(long, default_value = "")]
    reason: String,
    /// Who; the user's name if unset.
    #[arg(long, env = "USER", default_value = "engineer")]
    who: String,
    /// How long it holds by itself, minutes; until `inspectctl unlock` if unset.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: Option<u64>,
}

/// Locks, and prints what holds.
pub async fn lock(daemon: &Daemon, arguments: Arguments) -> Result<(), Failure> {
    let duration = arguments
        .minutes
        .map(|minutes| Duration::from_secs(minutes * 60));
    let request = LockChangesRequest {
        who: arguments.who,
        reason: arguments.reason,
        duration: duration.and_then(|duration| duration.try_into().ok()),
    };
    let mut line = daemon.line();
    let answer = daemon
        .answer(ANSWER_TIMEOUT, line.lock_changes(request))
        .await?;
    let lock = answer.lock.unwrap_or_default();
    Ok(writeln!(anstream::stdout(), "locked: {}", describe(&lock))?)
}

/// Opens the lock.
pub async fn unlock(daemon: &Daemon) -> Result<(), Failure> {
    let mut line = daemon.line();
    let call = line.unlock_changes(UnlockChangesRequest {});
    daemon.answer(ANSWER_TIMEOUT, call).await?;
    Ok(writeln!(anstream::stdout(), "open")?)
}

/// A lock in words.
pub fn describe(lock: &Lock) -> String {
    let until = lock.until_time.as_ref();
    let until = until.map_or_else(
        || "until it is opened".to_owned(),
        |until| format!("until {until}"),
    );
    let reason = if lock.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", lock.reason)
    };
    format!("by {}{reason}, {until}", lock.who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_says_who_why_and_how_long() {
        let lock = Lock {
            who: "anna".to_owned(),
            reason: "new lens".to_owned(),
            ..Lock::default()
        };
        assert_eq!(describe(&lock), "by anna (new lens), until it is opened");
    }
}
