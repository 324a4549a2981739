//! How long a server has for a run, so that the local engine can take its place before the deadline.

use std::time::{Duration, Instant};

/// Time kept for judging the frames and making their verdicts.
const JUDGEMENT: Duration = Duration::from_millis(5);

/// The times of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct Plan {
    /// The local engine starts if there is no answer until then.
    pub local_at: Instant,
    /// An answer counts until then.
    pub until: Instant,
}

/// What the times of a run depend on.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct Limits {
    /// Maximum time of a run on the server.
    pub timeout: Duration,
    /// Time after which the local engine runs the model as well; zero for at once.
    pub hedge_after: Option<Duration>,
    /// The earliest deadline of the frames.
    pub due: Option<Instant>,
    /// Time that the local engine needs.
    pub local_time: Duration,
}

/// The times of a run that begins `now`; `None` if there is no time for the server. Before a deadline, the local engine has a
/// quarter more time than it needs, because it does not always take equally long, and [`JUDGEMENT`].
pub(in crate::pipeline) fn plan(now: Instant, limits: Limits) -> Option<Plan> {
    let timeout = now + limits.timeout;
    let reserve = limits.local_time * 5 / 4 + JUDGEMENT;
    let latest = match limits.due {
        Some(due) => timeout.min(due.checked_sub(reserve)?),
        None => timeout,
    };
    let (local_at, until) = match limits.hedge_after {
        Some(hedge) => {
            let until = limits.due.map_or(timeout, |due| timeout.min(due));
            (latest.min(now + hedge), until)
        }
        None => (latest, latest),
    };
    (latest > now).then_some(Plan { local_at, until })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The local start and the end for a time limit of 100 ms, with this hedge, time to the deadline and local time, ms.
    fn planned(hedge: Option<u64>, due: Option<u64>, local: u64) -> Option<(u64, u64)> {
        let now = Instant::now() + Duration::from_secs(1000);
        let milliseconds = Duration::from_millis;
        let plan = plan(
            now,
            Limits {
                timeout: milliseconds(100),
                hedge_after: hedge.map(milliseconds),
                due: due.map(|due| now + milliseconds(due)),
                local_time: milliseconds(local),
            },
        )?;
        let after = |at: Instant| (at - now).as_millis() as u64;
        Some((after(plan.local_at), after(plan.until)))
    }

    #[test]
    fn server_has_its_time_limit_and_never_the_time_of_the_local_engine() {
        assert_eq!(planned(None, None, 40), Some((100, 100)));
        assert_eq!(planned(None, Some(500), 40), Some((100, 100)));
        // 40 ms and a quarter, and 5 ms for the judgement.
        assert_eq!(planned(None, Some(120), 40), Some((65, 65)));
        assert_eq!(planned(None, Some(56), 40), Some((1, 1)));
        assert_eq!(planned(None, Some(55), 40), None);
        assert_eq!(planned(None, Some(10), 40), None);
    }

    #[test]
    fn hedged_run_starts_locally_early_and_takes_answers_until_the_deadline() {
        assert_eq!(planned(Some(20), None, 40), Some((20, 100)));
        assert_eq!(planned(Some(20), Some(90), 40), Some((20, 90)));
        assert_eq!(planned(Some(20), Some(70), 40), Some((15, 70)));
        assert_eq!(planned(Some(20), Some(50), 40), None);
        // Both at once.
        assert_eq!(planned(Some(0), Some(500), 40), Some((0, 100)));
    }
}
