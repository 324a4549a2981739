//! `inspectd.v1.ReportService`: reads the verdicts of a period with their labels, page by page, and the audit log.

mod changes;
mod convert;

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use chrono::Local;
use inspectd_core::record::Verdict;
use tonic::{Request, Response, Status};

use super::auth::identity;
use super::convert as common;
use super::proto::report_service_server::ReportService;
use super::proto::{self, GetReportRequest, GetReportResponse};
use super::service::GrpcService;
use super::{fields, status};
use crate::access::Role;
use crate::journal::{Filter, Label, Order, Page};
use crate::pipeline::publisher::Totals;
use crate::report::{Report, ReportBuilder, ReportScope};

/// Default of the time without verdicts beyond which the line stands still.
const DEFAULT_STANDSTILL: Duration = Duration::from_mins(1);

/// Range of this time.
const STANDSTILLS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

/// Maximum number of ids of a request.
const ID_LIMIT: usize = 64;

/// Maximum number of verdicts of a report, which are read within some minutes. Almost every sequence has a verdict, so
/// sequences are counted.
const VERDICT_LIMIT: u64 = 5_000_000;

/// Number of verdicts read at a time.
const PAGE_SIZE: usize = 500;

#[tonic::async_trait]
impl ReportService for GrpcService {
    async fn get_report(
        &self,
        request: Request<GetReportRequest>,
    ) -> Result<Response<GetReportResponse>, Status> {
        let client = identity(&request).clone();
        // A report reads the journal as the calls of the tuning service do, so it needs one of their permits.
        let _permit = self.tuning_permit(&client).await?;
        let service = self.of_client(&client);
        let report = service.report_of(request.into_inner(), client.role);
        let report = report.await?;
        Ok(Response::new(GetReportResponse {
            report: Some(report),
        }))
    }
}

/// A parsed request.
#[derive(Debug)]
struct ParsedRequest {
    from: SystemTime,
    to: SystemTime,
    ids: Vec<String>,
    standstill_after: Duration,
}

impl GrpcService {
    /// Returns the report that a client with this role requests. The call ends if its client disconnects.
    async fn report_of(
        &self,
        request: GetReportRequest,
        role: Role,
    ) -> Result<proto::Report, Status> {
        let now = self.clock.now().utc;
        let starts = &self.pipeline.active().settings.shifts.starts;
        // A shift does not contain its end.
        let shift_start =
            |to: SystemTime| starts.shift_at(&Local, to - Duration::from_nanos(1)).start;
        let parsed = parse(request, now, shift_start)?;
        self.journal()?;
        let totals = self.pipeline.totals();
        let range = self.report_range(&parsed, totals).await?;
        let audit = self.audit_of(parsed.from, parsed.to).await?;
        let scope = ReportScope {
            kept_from: self.kept_from(&parsed, totals).await?,
            from: parsed.from,
            to: parsed.to,
            ids: parsed.ids,
            standstill_after: parsed.standstill_after,
            starts: audit.starts,
        };
        let report = self.build_report(scope, range).await?;
        let (changes, changes_left_out) = if role >= Role::Engineer {
            (audit.changes.into(), audit.left_out)
        } else {
            (Vec::new(), 0)
        };
        Ok(proto::Report {
            create_time: Some(common::timestamp(now)),
            host: host(),
            changes,
            changes_left_out,
            ..convert::report(&report)
        })
    }

    /// Reads the verdicts of a range of sequences, and builds their report.
    async fn build_report(
        &self,
        scope: ReportScope,
        range: RangeInclusive<u64>,
    ) -> Result<Report, Status> {
        let mut builder = ReportBuilder::new(scope);
        let ending = self.lifecycle.streams_ending();
        let (mut next, last) = range.into_inner();
        while next <= last {
            if *ending.borrow() {
                return Err(status::stopping());
            }
            let page = Page {
                filter: Filter::default(),
                from: next,
                to: last,
                order: Order::Ascending,
                limit: PAGE_SIZE,
            };
            let verdicts = self.read_page(page).await?;
            let sequences = verdicts.first().zip(verdicts.last());
            let sequences = sequences.map(|(first, last)| (first.sequence, last.sequence));
            let Some((from, to)) = sequences else { break };
            // The journal removes a label with its verdict: there are not more labels than verdicts.
            let labels = self.read(move |journal| journal.readers().labels(from, to, PAGE_SIZE));
            add_page(&mut builder, &verdicts, &labels.await?);
            next = to + 1;
        }
        Ok(builder.finish())
    }

    /// Returns the kept sequences of the period. Where the clock was set back, they include some of other times.
    async fn report_range(
        &self,
        parsed: &ParsedRequest,
        totals: Totals,
    ) -> Result<RangeInclusive<u64>, Status> {
        let first = self.first_since(parsed.from, totals).await?;
        let next = self.first_since(parsed.to, totals).await?;
        let first = first.max(totals.oldest);
        let last = next.saturating_sub(1).min(totals.sequence);
        let count = (last + 1).saturating_sub(first);
        if count > VERDICT_LIMIT {
            let text = format!(
                "the period has {count} verdicts, at most {VERDICT_LIMIT} are allowed: request a shorter one"
            );
            return Err(status::exhausted("verdicts", text));
        }
        Ok(first..=last)
    }

    /// The time from which on the verdicts of the period are kept; none if all of them are. Verdicts that were removed
    /// have no times, so the oldest kept one decides.
    async fn kept_from(
        &self,
        parsed: &ParsedRequest,
        totals: Totals,
    ) -> Result<Option<SystemTime>, Status> {
        if totals.oldest <= 1 {
            return Ok(None);
        }
        let page = Page {
            filter: Filter::default(),
            from: totals.oldest,
            to: u64::MAX,
            order: Order::Ascending,
            limit: 1,
        };
        let oldest = self.read_page(page).await?.pop();
        let kept_from = oldest.map_or(parsed.to, |oldest| oldest.recorded);
        Ok((kept_from > parsed.from).then_some(kept_from))
    }
}

/// Adds a page of verdicts, with labels that are sorted by sequence.
fn add_page(builder: &mut ReportBuilder, verdicts: &[Verdict], labels: &[(u64, Label)]) {
    for verdict in verdicts {
        let found = labels.binary_search_by_key(&verdict.sequence, |(sequence, _)| *sequence);
        let label = found.ok().map(|index| &labels[index].1);
        builder.add(verdict, label);
    }
}

fn parse(
    request: GetReportRequest,
    now: SystemTime,
    shift_start: impl Fn(SystemTime) -> SystemTime,
) -> Result<ParsedRequest, Status> {
    let GetReportRequest {
        from_time,
        to_time,
        ids,
        standstill_after,
    } = request;
    let to = fields::time("to_time", to_time)?.map_or(now, |to| to.min(now));
    let from = match fields::time("from_time", from_time)? {
        Some(from) => from,
        None => shift_start(to),
    };
    if from < SystemTime::UNIX_EPOCH {
        return Err(status::invalid("from_time", "must not be before 1970"));
    }
    if from >= to {
        let allowed = "must be before to_time and before the present time";
        return Err(status::invalid("from_time", allowed));
    }
    if ids.len() > ID_LIMIT {
        let message = format!("{} ids, at most {ID_LIMIT} are allowed", ids.len());
        return Err(status::invalid("ids", message));
    }
    if ids.iter().any(String::is_empty) {
        return Err(status::invalid("ids", "must not contain an empty id"));
    }
    let standstill_after = match standstill_after {
        None => DEFAULT_STANDSTILL,
        Some(requested) => Duration::try_from(requested)
            .ok()
            .filter(|requested| STANDSTILLS.contains(requested))
            .ok_or_else(|| status::invalid("standstill_after", "must be from 1 s to 24 h"))?,
    };
    Ok(ParsedRequest {
        from,
        to,
        ids,
        standstill_after,
    })
}

/// The name of this machine.
fn host() -> String {
    let names = rustix::system::uname();
    names.nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_000_000;

    /// The start of a shift that began eight hours before.
    fn eight_hours_before(to: SystemTime) -> SystemTime {
        to - Duration::from_hours(8)
    }

    fn parsed(from_s: Option<i64>, to_s: Option<i64>) -> Result<(u64, u64), String> {
        let time = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        let request = GetReportRequest {
            from_time: from_s.map(time),
            to_time: to_s.map(time),
            ..GetReportRequest::default()
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S as u64);
        let parsed = parse(request, now, eight_hours_before)
            .map_err(|status| status.message().to_owned())?;
        let seconds = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            since.expect("after 1970").as_secs()
        };
        Ok((seconds(parsed.from), seconds(parsed.to)))
    }

    #[test]
    fn period_ends_now_and_begins_with_the_shift_unless_requested_otherwise() {
        let now = NOW_S as u64;
        let eight_hours = 8 * 3600;
        let check = |from, to, expected| assert_eq!(parsed(from, to), Ok(expected));
        check(None, None, (now - eight_hours, now));
        check(Some(NOW_S - 60), None, (now - 60, now));
        check(None, Some(NOW_S - 60), (now - 60 - eight_hours, now - 60));
        check(Some(0), Some(1), (0, 1));
        // It cannot end in the future.
        check(Some(NOW_S - 60), Some(NOW_S + 60), (now - 60, now));
    }

    #[test]
    fn period_without_length_or_before_1970_is_refused() {
        let check = |from, to, expected: &str| {
            assert_eq!(parsed(from, to), Err(expected.to_owned()));
        };
        let order = "from_time: must be before to_time and before the present time";
        check(Some(NOW_S), None, order);
        check(Some(NOW_S + 10), Some(NOW_S + 20), order);
        check(Some(20), Some(10), order);
        let early = "from_time: must not be before 1970";
        check(Some(-1), None, early);
        check(None, Some(60), early);
    }

    #[test]
    fn ids_and_standstill_have_limits() {
        let check = |request: GetReportRequest, expected: Option<&str>| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S as u64);
            let refused = parse(request, now, eight_hours_before).err();
            let message = refused.as_ref().map(Status::message);
            assert_eq!(message, expected);
        };
        let ids = |count| GetReportRequest {
            ids: vec!["belt".to_owned(); count],
            ..GetReportRequest::default()
        };
        check(ids(64), None);
        check(ids(65), Some("ids: 65 ids, at most 64 are allowed"));
        let empty = GetReportRequest {
            ids: vec![String::new()],
            ..GetReportRequest::default()
        };
        check(empty, Some("ids: must not contain an empty id"));
        let after = |seconds, nanos| GetReportRequest {
            standstill_after: Some(prost_types::Duration { seconds, nanos }),
            ..GetReportRequest::default()
        };
        let limits = Some("standstill_after: must be from 1 s to 24 h");
        check(after(1, 0), None);
        check(after(86_400, 0), None);
        check(after(0, 999_999_999), limits);
        check(after(86_400, 1), limits);
        check(after(-5, 0), limits);
    }

    #[test]
    fn host_has_a_name() {
        assert!(!host().is_empty());
    }
}
