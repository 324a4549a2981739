//! Streams to a browser that end with its session.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::api::ApiError;
use super::{Browser, PageState};
use crate::access::Unknown;
use crate::grpc::CallError;

/// Interval at which the session is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Checks the session of a browser while a stream to it is open.
pub(super) struct SessionWatch {
    page: PageState,
    browser: Browser,
    next_check: Instant,
}

impl SessionWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub fn begin(page: PageState, browser: Browser) -> Result<Self, ApiError> {
        browser.identify(&page)?;
        Ok(Self {
            page,
            browser,
            next_check: Instant::now() + CHECK_INTERVAL,
        })
    }

    /// Waits for the next element of a stream, as long as the session has not ended.
    ///
    /// # Errors
    /// When the session has ended.
    pub async fn next<T>(&mut self, element: impl Future<Output = T>) -> Result<T, CallError> {
        let mut element = pin!(element);
        loop {
            if Instant::now() >= self.next_check {
                self.check()
                    .map_err(|unknown| CallError::unauthenticated(&unknown))?;
                self.next_check = Instant::now() + CHECK_INTERVAL;
            }
            if let Ok(element) = timeout_at(self.next_check, &mut element).await {
                return Ok(element);
            }
        }
    }

    fn check(&mut self) -> Result<(), Unknown> {
        if let Some(id) = &self.browser.session {
            self.browser.caller.authorization = self.page.0.sessions.find(id);
        }
        self.browser.identify(&self.page).map(drop)
    }
}
