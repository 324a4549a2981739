//! A webhook: signed requests, answers that refuse or delay, a receiver that is killed.

use std::collections::VecDeque;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use inspectd_client::{Trigger, TriggerTarget};
use serde_json::Value;

use crate::harness::{Process, Site, assert_complete, free_port, pauses};

/// Receives batches, verifies their signatures without any code of the program, and appends ids to a file.
const RECEIVER: &str = r#"
import base64, hashlib, hmac, http.server, json, os, sys, time
port, ledger, secret = int(sys.argv[1]), sys.argv[2], base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = "{}.{}.".format(self.headers["webhook-id"], self.headers["webhook-timestamp"]).encode() + body
        expected = "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        fresh = abs(time.time() - int(self.headers["webhook-timestamp"])) < 300
        good = fresh and hmac.compare_digest(expected, self.headers["webhook-signature"] or "")
        if good:
            with open(ledger, "a") as file:
                for record in json.loads(body)["records"]:
                    file.write(record["id"] + "\n")
                file.flush()
                os.fsync(file.fileno())
        self.send_response(204 if good else 401)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"#;

fn receiver(site: &Site, port: u16) -> Process {
    let mut command = Command::new("python3");
    command
        .args(["-c", RECEIVER, &port.to_string()])
        .arg(site.path("ledger"));
    Process::spawn("the receiver", &mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_program_and_receiver_are_killed() {
    inspectd_test_support::python().expect("Python");
    let site = Site::start(800, 100).await;
    let port = free_port();
    fs::write(
        site.path("secret"),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
    )
    .expect("written");
    site.forward_to(&format!(
        "[sinks.mes]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\nsecret_file = \"secret\"\n\
         batch_limit = 30\nbatch_window_ms = 20\nretry_after_s = 0.05\nretry_after_max_s = 0.2\n"
    ));
    for (turn, pause) in pauses(16, 500).enumerate() {
        // In one of four turns the receiver does not run.
        let mut server = (turn % 4 != 3).then(|| receiver(&site, port));
        let mut forward = site.forward();
        tokio::time::sleep(pause).await;
        if let Some(server) = &mut server {
            server.kill();
        }
        tokio::time::sleep(pause / 2).await;
        forward.kill();
    }
    site.produced(800).await;
    let _server = receiver(&site, port);
    let mut forward = site.forward();
    site.caught_up("forward-mes").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let ledger = fs::read_to_string(site.path("ledger")).expect("a ledger");
    let ledger: Vec<String> = ledger.lines().map(str::to_owned).collect();
    assert_complete(&ledger, &site.ids().await);
}

/// A batch that arrived, and when.
type Arrival = (Instant, Vec<Value>);

/// A server whose first answers are given. Afterwards it refuses batches with the part `bad`.
struct Server {
    answers: Mutex<VecDeque<Response>>,
    arrivals: Mutex<Vec<Arrival>>,
}

impl Server {
    async fn start(answers: Vec<Response>) -> (Arc<Self>, u16) {
        let server = Arc::new(Self {
            answers: Mutex::new(answers.into()),
            arrivals: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let state = Arc::clone(&server);
        let answer = move |headers: HeaderMap, body: Bytes| {
            let state = Arc::clone(&state);
            async move { state.answer(&headers, &body) }
        };
        let router = Router::new().route("/hook", post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (server, port)
    }

    fn answer(&self, headers: &HeaderMap, body: &Bytes) -> Response {
        assert_eq!(headers["x-plant"], "7");
        assert!(
            !headers.contains_key("webhook-signature"),
            "no secret is configured"
        );
        let batch: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!(
            (&batch["type"], &batch["box"]),
            (&"inspectd.records".into(), &"box-7".into())
        );
        let records = batch["records"].as_array().expect("records").clone();
        let mut arrivals = self.arrivals.lock().expect("no panic");
        arrivals.push((Instant::now(), records.clone()));
        if let Some(answer) = self.answers.lock().expect("no panic").pop_front() {
            return answer;
        }
        if records.iter().any(|record| record["part_id"] == "bad") {
            return (StatusCode::UNPROCESSABLE_ENTITY, "part bad is unknown").into_response();
        }
        StatusCode::OK.into_response()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_records_are_dead_letters_and_delays_are_honoured() {
    let site = Site::start(20, 100).await;
    site.produced(20).await;
    for (key, part) in ["good", "bad", "good", "bad"].into_iter().enumerate() {
        let trigger = Trigger {
            part_id: part.to_owned(),
            wait: Some(Duration::from_mins(1)),
            ..Trigger::new(TriggerTarget::Camera("hand".to_owned()))
        };
        let triggered = site
            .client()
            .trigger_with_retry(&trigger, &key.to_string(), Duration::from_mins(1))
            .await;
        triggered.expect("a verdict");
    }
    let answers = vec![
        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "2")]).into_response(),
        StatusCode::SERVICE_UNAVAILABLE.into_response(),
        StatusCode::UNAUTHORIZED.into_response(),
    ];
    let (server, port) = Server::start(answers).await;
    fs::write(site.path("headers"), "x-plant: 7\n").expect("written");
    site.forward_to(&format!(
        "[sinks.mes]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/hook\"\nheaders_file = \"headers\"\n\
         retry_after_s = 0.05\nretry_after_max_s = 0.2\n"
    ));
    let mut forward = site.forward();
    site.caught_up("forward-mes").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let arrivals = server.arrivals.lock().expect("no panic").clone();
    let pause = arrivals[1].0.duration_since(arrivals[0].0);
    assert!(pause >= Duration::from_millis(1950), "{pause:?}");
    let ids = |records: &[Value]| -> Vec<String> {
        records
            .iter()
            .map(|record| record["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let accepted: Vec<String> = arrivals[3..]
        .iter()
        .filter(|(_, records)| records.iter().all(|record| record["part_id"] != "bad"))
        .flat_map(|(_, records)| ids(records))
        .collect();
    let journal = site.journal().await;
    let (bad, good): (Vec<_>, Vec<_>) =
        journal.iter().partition(|verdict| verdict.part_id == "bad");
    let good: Vec<String> = good.into_iter().map(crate::harness::id).collect();
    assert_eq!(accepted, good, "in order, and once");
    let letters =
        fs::read_to_string(site.path("state/dead-letters/mes.jsonl")).expect("dead letters");
    let letters: Vec<Value> = letters
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let found: Vec<_> = letters
        .iter()
        .map(|letter| letter["record"]["id"].as_str().expect("an id"))
        .collect();
    let expected: Vec<String> = bad.into_iter().map(crate::harness::id).collect();
    assert_eq!(found, expected);
    assert_eq!(letters[0]["reason"], "status 422: part bad is unknown");
    assert!(forward.has_logged("now a dead letter"));
}
