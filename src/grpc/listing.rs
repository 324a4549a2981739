//! Listing verdicts of the journal, page by page.

use tonic::Status;

use super::proto::{ListVerdictsRequest, ListVerdictsResponse, SortOrder};
use super::service::GrpcService;
use super::{convert_verdict, fields, status};
use crate::journal::{Filter, Order, Page};
use crate::pipeline::publisher::Totals;

/// Default number of verdicts of a page.
const PAGE_SIZE: usize = 100;

/// Maximum number of verdicts of a page.
const PAGE_SIZE_LIMIT: usize = 1000;

impl GrpcService {
    /// Returns a page.
    pub(super) async fn list(
        &self,
        request: ListVerdictsRequest,
    ) -> Result<ListVerdictsResponse, Status> {
        self.journal()?;
        let totals = self.pipeline.totals();
        let mut page = self.page(&request, totals).await?;
        let limit = page.limit;
        // One more shows whether there is another page.
        page.limit += 1;
        let mut verdicts = self.read_page(page).await?;
        let more = verdicts.len() > limit;
        verdicts.truncate(limit);
        let last = verdicts.last().filter(|_| more);
        Ok(ListVerdictsResponse {
            next_page_token: last.map_or_else(String::new, |last| last.sequence.to_string()),
            verdicts: verdicts.iter().map(convert_verdict::verdict).collect(),
            // Read again, so that a client can see whether a missing verdict has aged out.
            oldest_sequence: self.pipeline.totals().oldest,
            newest_sequence: totals.sequence,
        })
    }

    async fn page(&self, request: &ListVerdictsRequest, totals: Totals) -> Result<Page, Status> {
        let filter = Filter {
            cameras: fields::camera_ids(&request.camera_ids)?,
            decisions: fields::decisions(request.decisions.clone())?,
            part_id: Some(request.part_id.clone()).filter(|part| !part.is_empty()),
            recipe: match request.recipe_id.as_str() {
                "" => None,
                id => Some(fields::recipe_id("recipe_id", id)?),
            },
            least_score: request.min_score,
        };
        if request.min_score.is_some_and(f32::is_nan) {
            return Err(status::invalid("min_score", "must be a number"));
        }
        let size = request.page_size;
        let limit = fields::page_size("page_size", size, PAGE_SIZE, PAGE_SIZE_LIMIT)?;
        let order = match SortOrder::try_from(request.order) {
            Ok(SortOrder::Unspecified | SortOrder::NewestFirst) => Order::Descending,
            Ok(SortOrder::OldestFirst) => Order::Ascending,
            Err(_) => return Err(status::invalid("order", "must be one of SortOrder")),
        };
        let mut from = request.from_sequence;
        let mut to = match request.to_sequence {
            0 => totals.sequence,
            last => last.min(totals.sequence),
        };
        if let Some(since) = fields::time("from_time", request.from_time)? {
            from = from.max(self.first_since(since, totals).await?);
        }
        if let Some(before) = fields::time("to_time", request.to_time)? {
            to = to.min(self.first_since(before, totals).await?.saturating_sub(1));
        }
        if !request.page_token.is_empty() {
            let last: u64 = request.page_token.parse().map_err(|_| {
                status::invalid("page_token", "must be the token of an earlier response")
            })?;
            match order {
                Order::Ascending => from = from.max(last.saturating_add(1)),
                Order::Descending => to = to.min(last.saturating_sub(1)),
            }
        }
        Ok(Page {
            filter,
            from,
            to,
            order,
            limit,
        })
    }
}
