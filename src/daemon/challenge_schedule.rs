//! The thread that carries out the challenge when it is due.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::error;

use crate::control::Control;
use crate::control::actor::Actor;
use crate::on_panic::{Failed, OnPanic};

/// How often it is checked whether the challenge is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The thread. Dropping it stops it after the challenge that is being carried out.
#[derive(Debug)]
pub(super) struct ChallengeSchedule {
    _stop: SyncSender<()>,
    _thread: JoinHandle<()>,
}

impl ChallengeSchedule {
    /// Starts the thread; `failed` is called if it panics.
    ///
    /// # Errors
    /// When the operating system refuses it.
    pub(super) fn start(control: Arc<Control>, failed: Failed) -> io::Result<Self> {
        Self::every(CHECK_INTERVAL, failed, move || {
            if control.is_challenge_due()
                && let Err(error) = control.run_challenge(&Actor::process())
            {
                error!(%error, "the challenge is not carried out");
            }
        })
    }

    fn every(
        interval: Duration,
        failed: Failed,
        mut check: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = thread::Builder::new().name("challenge".to_owned());
        let thread = thread.spawn(move || {
            let _guard = OnPanic(failed);
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                check();
            }
        })?;
        Ok(Self {
            _stop: stop,
            _thread: thread,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn panic_of_a_check_is_reported() {
        let (sender, reported) = channel();
        let failed: Failed = Arc::new(move || {
            let _ = sender.send(());
        });
        let interval = Duration::from_millis(1);
        let _schedule =
            ChallengeSchedule::every(interval, failed, || panic!("a challenge that panics"));
        let in_time = reported.recv_timeout(Duration::from_secs(20));
        in_time.expect("the panic is reported");
    }
}
