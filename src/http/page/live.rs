//! Live data as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::api::ApiError;
use super::{Browser, PageState};
use crate::access::Unknown;
use crate::grpc::{CallError, LiveEvent};

/// Interval at which the session is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

struct Live {
    page: PageState,
    browser: Browser,
    events: Receiver<LiveEvent>,
    next_check: Instant,
    ended: bool,
}

/// Streams the live data until the session ends.
pub(super) async fn serve(
    State(page): State<PageState>,
    browser: Browser,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    browser.identify(&page)?;
    let live = Live {
        events: page.0.feed.subscribe(),
        page,
        browser,
        next_check: Instant::now() + CHECK_INTERVAL,
        ended: false,
    };
    let events = unfold(live, async |mut live| {
        let event = live.next().await?;
        Some((Ok(event), live))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Live {
    /// The next event; none at the end.
    async fn next(&mut self) -> Option<Event> {
        while !self.ended {
            if Instant::now() >= self.next_check {
                if let Err(unknown) = self.check() {
                    self.ended = true;
                    let error = CallError::unauthenticated(&unknown);
                    return Event::default().event("failed").json_data(error).ok();
                }
                self.next_check = Instant::now() + CHECK_INTERVAL;
            }
            match timeout_at(self.next_check, self.events.recv()).await {
                Ok(Ok(LiveEvent { name, data })) => {
                    return Some(Event::default().event(name).data(data));
                }
                // A slow page gets what is new.
                Ok(Err(RecvError::Lagged(_))) | Err(_) => {}
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
        None
    }

    /// Checks that the session has not ended.
    fn check(&mut self) -> Result<(), Unknown> {
        if let Some(id) = &self.browser.session {
            self.browser.caller.authorization = self.page.0.sessions.find(id);
        }
        self.browser.identify(&self.page).map(drop)
    }
}
