//! The report of a period as a file: the answer of `GetReport` as JSON, or as a CSV table.

use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::ApiError;
use super::{Browser, PageState};

/// Length of a date and time without fractions of a second.
const SECOND_LENGTH: usize = "2026-11-18T06:00:00".len();

/// The parameters of a report.
#[derive(Deserialize)]
pub(super) struct ReportQuery {
    /// The begin of the period (RFC 3339).
    from: Option<String>,
    /// Its end.
    to: Option<String>,
    /// Ids of cameras and groups, separated by commas.
    ids: Option<String>,
    /// A longer time without verdicts is a standstill, seconds.
    standstill_s: Option<f64>,
}

/// What the name of the file needs of an answer.
#[derive(Deserialize)]
struct Answer {
    report: Period,
}

#[derive(Deserialize)]
struct Period {
    from_time: String,
}

impl ReportQuery {
    /// The request as JSON. The service checks it.
    fn request(&self) -> Value {
        let mut request = Map::new();
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(from) = given(&self.from) {
            request.insert("from_time".to_owned(), from.into());
        }
        if let Some(to) = given(&self.to) {
            request.insert("to_time".to_owned(), to.into());
        }
        if let Some(ids) = given(&self.ids) {
            let ids: Vec<&str> = ids.split(',').map(str::trim).collect();
            request.insert("ids".to_owned(), ids.into());
        }
        if let Some(seconds) = self.standstill_s {
            let duration = format!("{seconds}s");
            request.insert("standstill_after".to_owned(), duration.into());
        }
        request.into()
    }
}

/// Serves a report as JSON.
pub(super) async fn json(
    State(page): State<PageState>,
    Query(query): Query<ReportQuery>,
    browser: Browser,
) -> Result<Response, ApiError> {
    let answer = fetch(&page, &browser, &query).await?;
    let name = file_name(&answer, "json");
    Ok(file(&name, "application/json", answer))
}

/// Serves a report as a CSV table.
pub(super) async fn csv(
    State(page): State<PageState>,
    Query(query): Query<ReportQuery>,
    browser: Browser,
) -> Result<Response, ApiError> {
    let answer = fetch(&page, &browser, &query).await?;
    let name = file_name(&answer, "csv");
    let table = page.0.calls.report_csv(&answer).map_err(ApiError)?;
    Ok(file(&name, "text/csv; charset=utf-8", table.into_bytes()))
}

async fn fetch(
    page: &PageState,
    browser: &Browser,
    query: &ReportQuery,
) -> Result<Vec<u8>, ApiError> {
    let request = query.request().to_string();
    let calls = &page.0.calls;
    calls
        .unary(
            &browser.caller,
            "ReportService",
            "GetReport",
            request.as_bytes(),
        )
        .await
        .map_err(ApiError)
}

/// The name of the file: `report-2026-11-18T06-00-00Z.csv`, with the begin of the period. File systems do not allow
/// colons.
fn file_name(answer: &[u8], extension: &str) -> String {
    let answer: Option<Answer> = serde_json::from_slice(answer).ok();
    let begin = answer.map(|answer| answer.report.from_time);
    let begin = begin.unwrap_or_default();
    let allowed = |character: char| {
        if character.is_ascii_alphanumeric() {
            character
        } else {
            '-'
        }
    };
    let begin: String = begin.chars().take(SECOND_LENGTH).map(allowed).collect();
    format!("report-{begin}Z.{extension}")
}

fn file(name: &str, content_type: &str, content: Vec<u8>) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_become_the_request() {
        let query = ReportQuery {
            from: Some("2026-11-18T06:00:00Z".to_owned()),
            to: Some(String::new()),
            ids: Some("belt, cell".to_owned()),
            standstill_s: Some(2.5),
        };
        let expected = json!({
            "from_time": "2026-11-18T06:00:00Z",
            "ids": ["belt", "cell"],
            "standstill_after": "2.5s",
        });
        assert_eq!(query.request(), expected);
        let nothing = ReportQuery {
            from: None,
            to: None,
            ids: None,
            standstill_s: None,
        };
        assert_eq!(nothing.request(), json!({}));
    }

    #[test]
    fn file_has_the_begin_of_the_period_in_its_name() {
        let check = |from_time: &str, expected: &str| {
            let answer = json!({"report": {"from_time": from_time, "host": "box"}}).to_string();
            assert_eq!(file_name(answer.as_bytes(), "csv"), expected);
        };
        check("2026-11-18T06:00:00Z", "report-2026-11-18T06-00-00Z.csv");
        check(
            "2026-11-18T06:00:00.250Z",
            "report-2026-11-18T06-00-00Z.csv",
        );
        check("\"\r\n/..", "report-------Z.csv");
    }
}
