//! Stored verdicts, read page by page from the daemon's journal.

use prost_types::Timestamp;

use crate::client::Client;
use crate::error::Error;
use crate::proto::{Decision, ListVerdictsRequest, SortOrder, Verdict};

/// The most verdicts of a page.
const LARGEST_PAGE: u32 = 1000;

/// A filter of stored verdicts. An empty or unset field restricts nothing.
#[derive(Clone, Debug, Default)]
pub struct VerdictQuery {
    /// Ids of cameras, at most 64.
    pub camera_ids: Vec<String>,
    /// Decisions.
    pub decisions: Vec<Decision>,
    /// The id of a part.
    pub part_id: String,
    /// The id of a recipe.
    pub recipe_id: String,
    /// The lowest score.
    pub min_score: Option<f32>,
    /// Journalled at or after this time (UTC).
    pub from_time: Option<Timestamp>,
    /// Journalled before this time (UTC).
    pub to_time: Option<Timestamp>,
    /// This sequence or a later one.
    pub from_sequence: u64,
    /// The oldest first; otherwise the newest first.
    pub oldest_first: bool,
}

impl VerdictQuery {
    /// Returns the request for the first page.
    pub fn request(&self) -> ListVerdictsRequest {
        let order = if self.oldest_first {
            SortOrder::OldestFirst
        } else {
            SortOrder::NewestFirst
        };
        ListVerdictsRequest {
            camera_ids: self.camera_ids.clone(),
            decisions: self.decisions.iter().copied().map(Into::into).collect(),
            part_id: self.part_id.clone(),
            recipe_id: self.recipe_id.clone(),
            min_score: self.min_score,
            from_time: self.from_time,
            to_time: self.to_time,
            from_sequence: self.from_sequence,
            order: order.into(),
            ..ListVerdictsRequest::default()
        }
    }
}

/// The pages of a query.
#[derive(Debug)]
pub struct VerdictPages {
    client: Client,
    request: ListVerdictsRequest,
    finished: bool,
}

impl Client {
    /// Returns the stored verdicts that match a query, page by page.
    pub fn stored_verdicts(&self, query: &VerdictQuery) -> VerdictPages {
        VerdictPages {
            client: self.clone(),
            request: query.request(),
            finished: false,
        }
    }
}

impl VerdictPages {
    /// Fetches the next page, with at most `page_size` verdicts (1 to 1000). `None` after the last one.
    ///
    /// # Errors
    /// If the daemon does not answer, has no journal, or refuses the query. The same page can be requested
    /// again.
    pub async fn next_page(&mut self, page_size: u32) -> Result<Option<Vec<Verdict>>, Error> {
        if self.finished {
            return Ok(None);
        }
        self.request.page_size = page_size.clamp(1, LARGEST_PAGE);
        let mut inspection = self.client.inspection();
        let call = inspection.list_verdicts(self.request.clone());
        let page = self.client.answer(call).await?;
        // Only the last page is empty, so that each other one comes closer to the end.
        self.finished = page.next_page_token.is_empty() || page.verdicts.is_empty();
        self.request.page_token = page.next_page_token;
        Ok((!page.verdicts.is_empty()).then_some(page.verdicts))
    }
}
