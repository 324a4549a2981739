//! The thread that carries out the challenge when it is due.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::error;

use crate::control::Control;
use crate::control::actor::Actor;

/// How often it is checked whether the challenge is due.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The thread. Dropping it stops it after the challenge that is being carried out.
#[derive(Debug)]
pub(super) struct ChallengeSchedule {
    _stop: SyncSender<()>,
    _thread: JoinHandle<()>,
}

impl ChallengeSchedule {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system refuses it.
    pub(super) fn start(control: Arc<Control>) -> io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = thread::Builder::new().name("challenge".to_owned());
        let thread = thread.spawn(move || {
            while stopped.recv_timeout(CHECK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if control.is_challenge_due()
                    && let Err(error) = control.run_challenge(&Actor::process())
                {
                    error!(%error, "the challenge is not carried out");
                }
            }
        })?;
        Ok(Self {
            _stop: stop,
            _thread: thread,
        })
    }
}
