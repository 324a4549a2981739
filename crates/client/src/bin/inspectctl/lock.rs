//! `inspectctl lock` and `unlock`: refuses changes from other machines while an engineer works at the line.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use inspectd_client::Client;
use inspectd_client::proto::{Lock, LockChangesRequest, UnlockChangesRequest};

use crate::failure::Failure;

/// Arguments of `lock`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Reason, shown to clients that are refused.
    #[arg(long, default_value = "")]
    reason: String,
    /// Name of the engineer; the user's name if unset.
    #[arg(long, env = "USER", default_value = "engineer")]
    who: String,
    /// Duration in minutes; until `inspectctl unlock` if unset.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: Option<u64>,
}

/// Locks, and prints the lock.
pub async fn lock(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    let duration = arguments.minutes.map(Duration::from_mins);
    let request = LockChangesRequest {
        who: arguments.who,
        reason: arguments.reason,
        duration: duration.and_then(|duration| duration.try_into().ok()),
    };
    let mut line = client.line();
    let answer = client.answer(line.lock_changes(request)).await?;
    let lock = answer.lock.unwrap_or_default();
    Ok(writeln!(anstream::stdout(), "locked: {}", describe(&lock))?)
}

/// Releases the lock.
pub async fn unlock(client: &Client) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.unlock_changes(UnlockChangesRequest {});
    client.answer(call).await?;
    Ok(writeln!(anstream::stdout(), "unlocked")?)
}

/// Describes a lock: who, why, until when.
pub fn describe(lock: &Lock) -> String {
    let until = lock.until_time.as_ref();
    let until = until.map_or_else(
        || "until it is released".to_owned(),
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
    fn lock_is_described_by_name_reason_and_end() {
        let lock = Lock {
            who: "anna".to_owned(),
            reason: "new lens".to_owned(),
            ..Lock::default()
        };
        assert_eq!(describe(&lock), "by anna (new lens), until it is released");
    }
}
