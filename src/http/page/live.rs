//! Live data as server-sent events.

use std::convert::Infallible;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::api::ApiError;
use super::session_watch::SessionWatch;
use super::{Browser, PageState};
use crate::grpc::{CallError, LiveEvent};

/// The answer with these events.
type Events<S> = Result<Sse<S>, ApiError>;

struct Live {
    session: SessionWatch,
    events: Receiver<LiveEvent>,
}

/// Streams the live data until the session ends.
pub(super) async fn serve(
    State(page): State<PageState>,
    browser: Browser,
) -> Events<impl Stream<Item = Result<Event, Infallible>>> {
    let session = SessionWatch::begin(page.clone(), browser)?;
    let live = Live {
        session,
        events: page.0.feed.subscribe(),
    };
    let events = unfold(Some(live), async |live| {
        let mut live = live?;
        match live.next().await {
            Ok(event) => event.map(|event| (Ok(event), Some(live))),
            Err(error) => Some((Ok(failed(&error)), None)),
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Live {
    /// The next event; none at the end of the feed.
    async fn next(&mut self) -> Result<Option<Event>, CallError> {
        loop {
            match self.session.next(self.events.recv()).await? {
                Ok(LiveEvent { name, data }) => {
                    return Ok(Some(Event::default().event(name).data(data)));
                }
                // A slow page gets what is new.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }
}

/// Streams the brightness of a camera's frames as events `level`, until the session ends. A call that fails is an event
/// `failed` too, because a browser does not show the body of another status to its scripts.
pub(super) async fn brightness(
    State(page): State<PageState>,
    Path(camera): Path<String>,
    browser: Browser,
) -> Events<impl Stream<Item = Result<Event, Infallible>>> {
    let levels = page.0.calls.brightness(&browser.caller, camera).await;
    let state = (SessionWatch::begin(page, browser)?, levels);
    let events = unfold(Some(state), async |state| {
        let (mut session, levels) = state?;
        let mut levels = match levels {
            Ok(levels) => levels,
            Err(error) => return Some((Ok(failed(&error)), None)),
        };
        match session.next(levels.next()).await.flatten() {
            Ok(level) => {
                let event = Event::default().event("level").data(level?.to_string());
                Some((Ok(event), Some((session, Ok(levels)))))
            }
            Err(error) => Some((Ok(failed(&error)), None)),
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn failed(error: &CallError) -> Event {
    let event = Event::default().event("failed");
    event.json_data(error).expect("its keys are text")
}
