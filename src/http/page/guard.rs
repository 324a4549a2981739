//! What every request must fulfil and every answer contains: other sites cannot use the page of a person who is signed
//! in.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::PageState;

/// Only files of the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// Adds the headers that restrict what a browser does with the page.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let by_default = HeaderValue::from_static("no-store");
    headers.entry(CACHE_CONTROL).or_insert(by_default);
    response
}

/// Refuses requests that another site has caused (cross-site request forgery, DNS rebinding).
pub(super) async fn same_origin(
    State(page): State<PageState>,
    request: Request,
    next: Next,
) -> Response {
    let host = host(request.uri(), request.headers());
    let local_only = !page.0.access.has_clients();
    match refusal(
        request.method(),
        request.headers(),
        host.as_deref(),
        local_only,
    ) {
        None => next.run(request).await,
        Some(reason) => (StatusCode::FORBIDDEN, format!("{reason}\n")).into_response(),
    }
}

/// The host that the browser believes to talk to. HTTP/2 has it in the URI.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let authority = uri.authority().map(ToString::to_string);
    authority.or_else(|| text(headers.get(HOST)).map(str::to_owned))
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}

/// Why a request is refused. With `local_only`, everybody on this machine is an engineer.
fn refusal(
    method: &Method,
    headers: &HeaderMap,
    host: Option<&str>,
    local_only: bool,
) -> Option<&'static str> {
    let Some(host) = host else {
        return Some("the request has no host");
    };
    // A name that someone else's DNS server resolves to this machine.
    if local_only && !is_loopback(host) {
        return Some("without access.clients, the page is reached as localhost or 127.0.0.1 only");
    }
    let site = text(headers.get("sec-fetch-site"));
    let navigation = text(headers.get("sec-fetch-mode")) == Some("navigate");
    let changes = *method != Method::GET && *method != Method::HEAD;
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) && (changes || !navigation)
    {
        return Some("the request comes from another site");
    }
    if changes {
        let origin = text(headers.get(ORIGIN));
        let origin_host = origin.map(|origin| origin.split_once("://").map(|(_, host)| host));
        if origin_host.is_some_and(|origin| origin != Some(host)) {
            return Some("the request comes from another site");
        }
        // A form of another site cannot send this type.
        let kind = text(headers.get(CONTENT_TYPE)).and_then(|kind| kind.split(';').next());
        if kind.map(str::trim) != Some("application/json") {
            return Some("content-type must be application/json");
        }
    }
    None
}

/// Whether a host, with or without a port, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_other_sites_are_refused() {
        let json = ("content-type", "application/json");
        let get = Method::GET;
        let post = Method::POST;
        for (method, host, headers, local_only, expected) in [
            (&get, Some("box:8080"), vec![], false, true),
            (&get, None, vec![], false, false),
            (&get, Some("evil.example"), vec![], true, false),
            (&get, Some("localhost:8080"), vec![], true, true),
            (&get, Some("[::1]:8080"), vec![], true, true),
            (&get, Some("127.0.0.1"), vec![], true, true),
            // A link on another site is followed, a picture is not embedded.
            (
                &get,
                Some("box"),
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "navigate"),
                ],
                false,
                true,
            ),
            (
                &get,
                Some("box"),
                vec![
                    ("sec-fetch-site", "cross-site"),
                    ("sec-fetch-mode", "no-cors"),
                ],
                false,
                false,
            ),
            (&post, Some("box"), vec![json], false, true),
            (
                &post,
                Some("box"),
                vec![json, ("origin", "https://box")],
                false,
                true,
            ),
            (
                &post,
                Some("box"),
                vec![json, ("origin", "https://evil")],
                false,
                false,
            ),
            (
                &post,
                Some("box"),
                vec![json, ("origin", "null")],
                false,
                false,
            ),
            (
                &post,
                Some("box"),
                vec![("content-type", "text/plain")],
                false,
                false,
            ),
            (
                &post,
                Some("box"),
                vec![("content-type", "application/json; charset=utf-8")],
                false,
                true,
            ),
            (&post, Some("box"), vec![], false, false),
            (
                &post,
                Some("box"),
                vec![json, ("sec-fetch-site", "same-site")],
                false,
                false,
            ),
        ] {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    let name = name.parse::<axum::http::HeaderName>().expect("a name");
                    (name, HeaderValue::from_static(value))
                })
                .collect();
            let allowed = refusal(method, &map, host, local_only).is_none();
            assert_eq!(allowed, expected, "{method} {host:?} {headers:?}");
        }
    }
}
