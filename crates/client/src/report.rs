//! Reports of a period, and their table.

mod csv;

use std::time::Duration;

use prost_types::Timestamp;

use crate::client::Client;
use crate::error::Error;
use crate::proto::{GetReportRequest, Report};

pub use csv::report_csv;

/// Five million verdicts take minutes to read.
const REPORT_TIMEOUT: Duration = Duration::from_mins(10);

/// Selects the verdicts of a report. An empty or unset field has its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportQuery {
    /// Journalled at or after this time (UTC). Unset: the start of the shift that `to_time` ends or interrupts.
    pub from_time: Option<Timestamp>,
    /// Journalled before this time (UTC). Unset: now.
    pub to_time: Option<Timestamp>,
    /// Ids of cameras and groups, at most 64. Empty: all.
    pub ids: Vec<String>,
    /// A longer time without verdicts is a standstill, 1 s to 24 h. Unset: one minute.
    pub standstill_after: Option<Duration>,
}

impl ReportQuery {
    /// Returns the request.
    pub fn request(&self) -> GetReportRequest {
        let standstill_after = self.standstill_after;
        GetReportRequest {
            from_time: self.from_time,
            to_time: self.to_time,
            ids: self.ids.clone(),
            // One of more than 292 billion years is not sent.
            standstill_after: standstill_after.and_then(|after| after.try_into().ok()),
        }
    }
}

impl Client {
    /// Returns the report of a period. It contains the changes of the period if the client may list the audit log.
    ///
    /// # Errors
    /// If the daemon does not answer within ten minutes, has no journal, or refuses the query.
    pub async fn report(&self, query: &ReportQuery) -> Result<Report, Error> {
        let mut reports = self.reports();
        let call = reports.get_report(query.request());
        let response = self.answer_within(REPORT_TIMEOUT, call).await?;
        response.report.ok_or(Error::Incomplete { field: "report" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_fields_are_not_in_the_request() {
        let request = ReportQuery::default().request();
        assert_eq!(request, GetReportRequest::default());
        let query = ReportQuery {
            ids: vec!["belt".to_owned()],
            standstill_after: Some(Duration::from_millis(2500)),
            ..ReportQuery::default()
        };
        let request = query.request();
        assert_eq!(request.ids, ["belt"]);
        let after = request.standstill_after.expect("it is set");
        assert_eq!((after.seconds, after.nanos), (2, 500_000_000));
    }
}
