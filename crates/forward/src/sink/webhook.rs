//! An HTTP server that batches are posted to, signed as in the specification Standard Webhooks.

mod signature;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use inspectd_client::Evidence;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};

use self::signature::Signer;
use super::{Failure, Rejected, Sink, read_secret, root_cause};
use crate::config::{Origin, TlsFiles, Webhook};
use crate::record::{Record, VerdictRecord};
use crate::tls;

/// The type of a batch, in its body.
const BATCH_TYPE: &str = "inspectd.records";
/// Time until a connection is open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of an answer that are shown.
const LONGEST_ANSWER: usize = 300;
/// The longest pause that a server can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// An HTTP server.
pub struct WebhookSink {
    settings: Webhook,
    origin: Arc<Origin>,
    open: Option<Open>,
}

/// What was read from the files.
struct Open {
    client: Client,
    signer: Option<Signer>,
    headers: HeaderMap,
}

impl WebhookSink {
    /// A server with these settings.
    pub fn new(settings: Webhook, origin: Arc<Origin>) -> Self {
        Self {
            settings,
            origin,
            open: None,
        }
    }

    /// The client. The files are read again after each failure, so that a new token is used.
    fn open(&mut self) -> Result<&Open, Failure> {
        if self.open.is_none() {
            let files = TlsFiles {
                ca: self.settings.ca.clone(),
                identity: None,
            };
            let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT);
            let builder = builder.redirect(reqwest::redirect::Policy::none());
            // Without TLS no certificates are needed: the machine may have none.
            let builder = if self.settings.url.starts_with("https:") {
                let config = tls::client_config(&files).map_err(Failure::transient)?;
                builder.tls_backend_preconfigured(config)
            } else {
                tls::install_provider();
                builder
            };
            let signer = match &self.settings.secret_file {
                Some(path) => Some(Signer::new(&read_secret(path)?).map_err(Failure::transient)?),
                None => None,
            };
            let headers = match &self.settings.headers_file {
                Some(path) => headers(&read_secret(path)?)
                    .map_err(|error| Failure::transient(format!("{}: {error}", path.display())))?,
                None => HeaderMap::new(),
            };
            self.open = Some(Open {
                client: builder
                    .build()
                    .map_err(|error| Failure::transient(root_cause(&error)))?,
                signer,
                headers,
            });
        }
        Ok(self.open.as_ref().expect("it was just opened"))
    }

    fn body(&self, records: &[Record]) -> Vec<u8> {
        let Origin { box_name, site } = &*self.origin;
        let text = |text: &str| serde_json::to_string(text).expect("a text");
        let mut body = format!(
            "{{\"type\":{},\"box\":{},\"site\":{},\"records\":[",
            text(BATCH_TYPE),
            text(box_name),
            text(site)
        )
        .into_bytes();
        for (place, record) in records.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            body.extend_from_slice(&record.json());
        }
        body.extend_from_slice(b"]}");
        body
    }

    async fn post(&mut self, records: &[Record]) -> Result<(), Failure> {
        let body = self.body(records);
        let url = self.settings.url.clone();
        let open = self.open()?;
        let mut request = open.client.post(url).headers(open.headers.clone());
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = now.map_or(0, |now| now.as_secs());
        let id = signature::message_id(&body);
        request = request
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds);
        if let Some(signer) = &open.signer {
            request = request.header("webhook-signature", signer.sign(&id, seconds, &body));
        }
        let sent = request.body(body).send().await;
        // The address may contain a secret.
        let response =
            sent.map_err(|error| Failure::transient(root_cause(&error.without_url())))?;
        outcome(response).await
    }
}

/// What an answer means for the records.
async fn outcome(mut response: Response) -> Result<(), Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| pause(text, SystemTime::now()));
    let mut answer = Vec::new();
    while answer.len() < LONGEST_ANSWER
        && let Ok(Some(chunk)) = response.chunk().await
    {
        answer.extend_from_slice(&chunk[..chunk.len().min(LONGEST_ANSWER)]);
    }
    let answer = String::from_utf8_lossy(&answer);
    let answer: String = answer.trim().chars().take(LONGEST_ANSWER).collect();
    let reason = match answer.as_str() {
        "" => format!("status {}", status.as_u16()),
        answer => format!("status {}: {answer}", status.as_u16()),
    };
    if concerns_records(status) {
        Err(Failure::Refused(reason))
    } else {
        Err(Failure::Transient {
            reason,
            retry_after,
        })
    }
}

/// Whether the status is a refusal of these records. Others concern every request (the address, the token) or are
/// transient.
fn concerns_records(status: StatusCode) -> bool {
    let every_request = matches!(
        status.as_u16(),
        401..=405 | 407 | 408 | 411 | 421 | 425 | 426 | 428 | 429 | 431 | 451
    );
    status.is_client_error() && !every_request
}

/// The pause that a server asks for: seconds, or a date.
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    let pause = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text.trim())
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(pause.min(LONGEST_RETRY_AFTER))
}

/// The headers of a file: one `name: value` on a line. Empty lines and lines that begin with `#` are ignored.
fn headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = line.split_once(':').and_then(|(name, value)| {
            let name = name.trim().parse::<HeaderName>().ok()?;
            let mut value = value.trim().parse::<HeaderValue>().ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let (name, value) = parsed.ok_or(format!("line {}: must be `name: value`", place + 1))?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[async_trait]
impl Sink for WebhookSink {
    async fn check(&mut self) -> Result<String, Failure> {
        self.post(&[]).await?;
        Ok("the server accepts a batch without records".to_owned())
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        self.open().map(|_| ())
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        self.post(records).await.map(|()| Vec::new())
    }

    async fn deliver_evidence(&mut self, _: &VerdictRecord, _: &Evidence) -> Result<(), Failure> {
        Err(Failure::Refused(
            "a webhook sink carries no evidence".to_owned(),
        ))
    }

    fn reset(&mut self) {
        self.open = None;
    }

    async fn close(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_of_the_records_are_final() {
        let check = |code: u16, expected| {
            let status = StatusCode::from_u16(code).expect("a status");
            assert_eq!(concerns_records(status), expected, "{code}");
        };
        for code in [400, 409, 410, 413, 415, 422] {
            check(code, true);
        }
        for code in [
            301, 401, 402, 403, 404, 405, 407, 408, 411, 425, 428, 429, 431, 451, 500, 502, 503,
        ] {
            check(code, false);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                pause(text, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        };
        check("7", Some(7));
        check(" 7 ", Some(7));
        check("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check("Sun, 06 Nov 1994 08:49:27 GMT", Some(0));
        check("99999999", Some(3600));
        check("soon", None);
    }

    #[test]
    fn headers_are_read_line_by_line() {
        let read =
            headers("# a comment\nauthorization: Bearer a:b\n\nx-plant: 7\n").expect("headers");
        assert_eq!(read["authorization"], "Bearer a:b");
        assert_eq!(read["x-plant"], "7");
        assert_eq!(
            headers("x: 1\nno header"),
            Err("line 2: must be `name: value`".to_owned())
        );
    }
}
