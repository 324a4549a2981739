//! Access to the page: sign-in, sessions, roles, other sites.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use inspectd::access::Role;
use inspectd_test_support::{onnx_runtime, require};
use serde_json::{Value, json};
use ureq::Agent;

use super::{ACCESS, SecuredSite};
use crate::harness::{Daemon, Site, wait};
use crate::page::browser::Browser as Chromium;

/// Where the page is served.
const LISTEN: (&str, &str) = ("INSPECTD__SERVER__PAGE_LISTEN", "127.0.0.1:0");

/// A browser without a screen: keeps the cookie of a session.
struct Browser {
    agent: Agent,
    address: String,
    cookie: Option<String>,
}

impl Browser {
    fn new(daemon: &Daemon) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Self {
            agent: config.into(),
            address: format!("http://{}", daemon.address("server.page_listen")),
            cookie: None,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn get(&self, path: &str) -> ureq::http::Response<ureq::Body> {
        let mut request = self.agent.get(self.url(path));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        request.call().expect("an answer")
    }

    /// Sends JSON; returns the status and the answer, which is JSON or empty.
    fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let mut request = self.agent.post(self.url(path));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let mut response = request.send_json(body).expect("an answer");
        if let Some(cookie) = response.headers().get("set-cookie") {
            let cookie = cookie.to_str().expect("text").to_owned();
            assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
            let pair = cookie.split(';').next().unwrap_or_default();
            self.cookie = Some(pair.to_owned());
        }
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().expect("text");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn signed_in(&self) -> bool {
        let answer: Value = self
            .get("/api/session")
            .body_mut()
            .read_json()
            .expect("JSON");
        answer["signed_in"] == true
    }

    fn sign_in(&mut self, token: &str) -> (u16, Value) {
        self.post("/sign-in", &json!({ "token": token }))
    }
}

fn start(secured: &SecuredSite, more: &[(&str, &str)]) -> Daemon {
    secured.site.start_with(&[&[LISTEN], more].concat())
}

#[test]
fn person_signs_in_with_a_token_and_may_do_what_its_role_permits() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = start(&secured, &[]);
    let mut browser = Browser::new(&daemon);
    let status = |browser: &mut Browser| browser.post("/api/LineService/GetStatus", &json!({}));
    let (code, error) = status(&mut browser);
    assert_eq!((code, &error["code"]), (401, &json!("UNAUTHENTICATED")));
    for path in ["/live", "/pictures/1/frame"] {
        assert_eq!(browser.get(path).status(), 401, "{path}");
    }
    let (code, error) = browser.sign_in("a wrong token");
    assert_eq!((code, &error["code"]), (401, &json!("UNAUTHENTICATED")));
    assert!(!browser.signed_in());

    let (code, _) = browser.sign_in(secured.token(Role::Viewer));
    assert_eq!(code, 204);
    assert!(browser.signed_in());
    let (code, answer) = status(&mut browser);
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["status"]["model"]["name"], "cells");
    let (code, error) = browser.post("/api/LineService/ReloadConfiguration", &json!({}));
    assert_eq!((code, &error["code"]), (403, &json!("PERMISSION_DENIED")));
    for (path, body, expected) in [
        ("/api/LineService/NoSuchMethod", json!({}), 501),
        ("/api/NoService/GetStatus", json!({}), 501),
        // A stream has no single answer.
        ("/api/LineService/WatchStatus", json!({}), 501),
        ("/api/LineService/GetStatus", json!({"no_field": 1}), 400),
        (
            "/api/InspectionService/ListVerdicts",
            json!({"page_size": "many"}),
            400,
        ),
    ] {
        let (code, error) = browser.post(path, &body);
        assert_eq!(code, expected, "{path} {error}");
        assert!(error["message"].is_string(), "{path} {error}");
    }

    let (code, _) = browser.post("/sign-out", &json!({}));
    assert_eq!(code, 204);
    assert!(!browser.signed_in());
    assert_eq!(status(&mut browser).0, 401);

    // A token that is revoked ends its sessions.
    browser.sign_in(secured.token(Role::Operator));
    assert!(browser.signed_in());
    let others = "[[client]]\nname = \"mes\"\nrole = \"viewer\"\ncertificate = \"mes.line\"\n";
    secured.site.write("clients.toml", others);
    wait("the session to end", || !browser.signed_in());
    daemon.stop();
}

#[test]
fn session_ends_after_its_time_and_live_data_with_it() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(ACCESS);
    let daemon = start(&secured, &[("INSPECTD__SERVER__PAGE_SESSION_S", "3")]);
    let mut browser = Browser::new(&daemon);
    browser.sign_in(secured.token(Role::Viewer));
    let live = browser.get("/live");
    assert_eq!(live.status(), 200);
    let lines = BufReader::new(live.into_body().into_reader()).lines();
    let mut names = Vec::new();
    // The stream ends by itself.
    for line in lines.map_while(Result::ok) {
        if let Some(name) = line.strip_prefix("event: ") {
            names.push(name.to_owned());
        }
    }
    assert!(names.iter().any(|name| name == "status"), "{names:?}");
    assert!(names.iter().any(|name| name == "verdicts"), "{names:?}");
    assert!(!browser.signed_in());
    daemon.stop();
}

#[test]
fn another_site_cannot_use_the_page() {
    require!(onnx_runtime());
    // Without access control, every request of this machine is that of an engineer.
    let site = Site::new(super::SIMULATOR);
    let daemon = site.start_with(&[LISTEN]);
    let browser = Browser::new(&daemon);
    let send = |headers: &[(&str, &str)]| {
        let url = browser.url("/api/LineService/ReloadConfiguration");
        let mut request = browser.agent.post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send("{}").expect("an answer").status().as_u16()
    };
    let json = ("content-type", "application/json");
    assert_eq!(send(&[json]), 200);
    assert_eq!(send(&[json, ("origin", &browser.address)]), 200);
    for headers in [
        vec![("content-type", "text/plain")],
        vec![json, ("origin", "https://evil.example")],
        vec![json, ("sec-fetch-site", "cross-site")],
        vec![json, ("host", "evil.example")],
    ] {
        assert_eq!(send(&headers), 403, "{headers:?}");
    }
    let page = browser.get("/");
    let policy = page.headers().get("content-security-policy");
    let policy = policy.expect("a policy").to_str().expect("text");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    daemon.stop();
}

#[test]
fn page_on_other_addresses_requires_tls_and_clients() {
    require!(onnx_runtime());
    let site = Site::new(super::SIMULATOR);
    let (code, error) = site.refused(&[("INSPECTD__SERVER__PAGE_LISTEN", "0.0.0.0:8080")]);
    assert_eq!(code, 78, "{error}");
    assert!(error.contains("server.page_listen"), "{error}");
    assert!(error.contains("access.clients"), "{error}");
}

#[test]
fn pictures_are_as_large_as_the_page_asks_for() {
    require!(onnx_runtime());
    let site = Site::new(super::SIMULATOR);
    let daemon = site.start_with(&[LISTEN]);
    let browser = Browser::new(&daemon);
    let picture = |path: &str| {
        let mut response = browser.get(path);
        let bytes = response.body_mut().read_to_vec().expect("bytes");
        (response.status().as_u16(), bytes)
    };
    let mut small = Vec::new();
    wait("a picture", || {
        let (status, bytes) = picture("/pictures/1/frame?side=160");
        small = bytes;
        status == 200
    });
    let small = image::load_from_memory(&small).expect("a JPEG image");
    let (_, large) = picture("/pictures/1/heatmap?side=640");
    let large = image::load_from_memory(&large).expect("a JPEG image");
    let longer = |image: &image::DynamicImage| image.width().max(image.height());
    assert_eq!(longer(&small), longer(&large).min(160));
    for path in ["/pictures/999999/frame", "/pictures/1/thumbnail"] {
        assert_eq!(picture(path).0, 404, "{path}");
    }
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browser_signs_in_and_is_sent_back_when_its_session_ends() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("[journal]\nfolder = \"journal\"\n{ACCESS}"));
    let daemon = start(&secured, &[("INSPECTD__SERVER__PAGE_SESSION_S", "12")]);
    let url = |path: &str| format!("http://{}{path}", daemon.address("server.page_listen"));
    let browser = Chromium::start(&secured.site.path("profile")).await;
    browser.open(&url("/verdicts")).await;
    let form = "return location.pathname === '/sign-in' && document.activeElement?.id === 'token'";
    browser.wait("the form", form).await;
    assert_eq!(browser.violations().await, [""; 0]);
    browser.press("a wrong token\u{e007}").await;
    let refused = "return document.querySelector('#problem')?.textContent.includes('not valid')";
    browser.wait("the refusal", refused).await;
    browser.press(secured.token(Role::Viewer)).await;
    browser.press("\u{e007}").await;
    let rows = "return location.pathname === '/verdicts' && document.querySelectorAll('table tbody tr').length > 0";
    browser.wait("the verdicts", rows).await;
    browser.open(&url("/verdicts/1")).await;
    // A viewer sees labels, and cannot set them.
    let label = "return document.querySelector('.label-now')?.textContent.includes('No label')
                     && !document.querySelector('.label-card button')";
    browser.wait("the label without buttons", label).await;
    browser
        .wait("the form after the end of the session", form)
        .await;
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewer_sees_every_page_and_changes_nothing() {
    require!(onnx_runtime());
    let secured = SecuredSite::new(&format!("[journal]\nfolder = \"journal\"\n{ACCESS}"));
    let daemon = start(&secured, &[]);
    let url = |path: &str| format!("http://{}{path}", daemon.address("server.page_listen"));
    let browser = Chromium::start(&secured.site.path("profile")).await;
    browser.open(&url("/tuning")).await;
    let form = "return location.pathname === '/sign-in' && document.activeElement?.id === 'token'";
    browser.wait("the form", form).await;
    browser.press(secured.token(Role::Viewer)).await;
    browser.press("\u{e007}").await;
    let role = "return document.body.textContent.includes('requires the role engineer')";
    browser.wait("the role that saving requires", role).await;
    assert_eq!(browser.violations().await, [""; 0]);
    let mut viewer = Browser::new(&daemon);
    viewer.sign_in(secured.token(Role::Viewer));
    let (_, listed) = viewer.post("/api/LineService/ListCameras", &json!({}));
    let camera = listed["cameras"][0]["id"].as_str().expect("a camera");
    browser
        .open(&url(&format!("/cameras?camera={camera}")))
        .await;
    let role = "return document.body.textContent.includes('role operator')";
    browser.wait("the role that a pause requires", role).await;
    for (path, body) in [
        ("TuningService/SetThreshold", json!({ "threshold": 0.5 })),
        ("RecipeService/SaveRecipe", json!({ "id": "a", "toml": "" })),
        ("RecipeService/DeleteRecipe", json!({ "id": "a" })),
        ("LineService/PauseCamera", json!({ "camera_id": camera })),
        ("LineService/ResumeCamera", json!({ "camera_id": camera })),
        ("LineService/RunChallenge", json!({})),
    ] {
        let (status, error) = viewer.post(&format!("/api/{path}"), &body);
        assert_eq!(
            (status, &error["code"]),
            (403, &json!("PERMISSION_DENIED")),
            "{path}"
        );
    }
    let (status, _) = viewer.post("/api/ReportService/GetReport", &json!({}));
    assert_eq!(status, 200);
    daemon.stop();
}
