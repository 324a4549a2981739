//! The commands of the program, its exit codes and its status.

use crate::harness::{Site, free_port, wait};

/// Runs a command. Returns the exit code, standard output and standard error.
fn run(site: &Site, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = site.command(arguments).output().expect("a started program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_the_daemon_and_each_sink_in_one_line() {
    let mut site = Site::start(5, 100).await;
    site.produced(5).await;
    let port = free_port();
    site.forward_to(&format!(
        "[sinks.good]\ntype = \"files\"\nfolder = \"good\"\n\
         [sinks.away]\ntype = \"mqtt\"\nserver = \"mqtt://127.0.0.1:{port}\"\ntimeout_s = 2\n"
    ));
    let (code, _, text) = run(&site, &["check"]);
    assert_eq!(code, Some(1), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with("inspectd-forward: ok      daemon unix:"),
        "{text}"
    );
    assert!(
        lines[0].ends_with("verdicts up to 5, knows 0 of 2 consumers"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("FAILED  sinks.away (mqtt): "),
        "{text}"
    );
    assert!(
        lines[2].starts_with("ok      sinks.good (files): folder "),
        "{text}"
    );
    site.forward_to("[sinks.good]\ntype = \"files\"\nfolder = \"good\"\n");
    let (code, text, _) = run(&site, &["check"]);
    assert_eq!((code, text.lines().count()), (Some(0), 2), "{text}");
    assert_eq!(
        site.acknowledged("forward-good").await,
        0,
        "a check sends nothing"
    );
    site.stop_daemon();
    let (code, _, text) = run(&site, &["check"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("FAILED  daemon"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_are_those_of_the_manual() {
    let site = Site::start(5, 100).await;
    site.forward_to("[sinks.a]\ntype = \"files\"\ncolour = 1\n");
    let (code, _, text) = run(&site, &["run"]);
    assert_eq!(code, Some(78));
    assert_eq!(text.lines().count(), 2, "all faults at once: {text}");
    let (code, _, text) = run(&site, &["send"]);
    assert_eq!(code, Some(64), "{text}");
    let port = free_port();
    site.forward_to("[sinks.a]\ntype = \"files\"\nfolder = \"a\"\n");
    let path = site.path("forward.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(
        &path,
        text.replace("\"off\"", &format!("\"127.0.0.1:{port}\"")),
    )
    .expect("written");
    let (code, _, text) = run(&site, &["status"]);
    assert_eq!(code, Some(69), "{text}");
    let _holder = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let (code, _, text) = run(&site, &["run"]);
    assert_eq!(code, Some(69), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn second_program_takes_over_the_consumer_and_the_first_says_so() {
    let site = Site::start(100_000, 50).await;
    site.forward_to("[sinks.a]\ntype = \"files\"\nfolder = \"a\"\n");
    let mut first = site.forward();
    site.has_acknowledged("forward-a", 10).await;
    let text = std::fs::read_to_string(site.path("forward.toml")).expect("a file");
    let other = text
        .replace("folder = \"a\"", "folder = \"b\"")
        .replace("\"state\"", "\"other\"");
    std::fs::write(site.path("forward.toml"), other).expect("written");
    let mut second = site.forward();
    assert_eq!(first.wait_for_end().code(), Some(75), "{:#?}", first.log());
    assert!(
        first.has_logged("another program reads as the consumer forward-a"),
        "{:#?}",
        first.log()
    );
    let before = site.acknowledged("forward-a").await;
    site.has_acknowledged("forward-a", before + 20).await;
    assert_eq!(second.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_position_and_lag_and_health_follows_the_sinks() {
    let site = Site::start(300, 100).await;
    let (port, broker) = (free_port(), free_port());
    site.forward_to(&format!(
        "[sinks.good]\ntype = \"files\"\nfolder = \"good\"\n\
         [sinks.away]\ntype = \"mqtt\"\nserver = \"mqtt://127.0.0.1:{broker}\"\n"
    ));
    let path = site.path("forward.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(
        &path,
        text.replace("\"off\"", &format!("\"127.0.0.1:{port}\"")),
    )
    .expect("written");
    let mut forward = site.forward();
    site.produced(300).await;
    site.caught_up("forward-good").await;
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}"))
            .await
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.text().await.expect("a text"),
        )
    };
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    let states = loop {
        let states = Site::states(port).await;
        // Every few seconds, the daemon reports the lag of the consumer that is behind.
        if states
            .iter()
            .any(|one| one.sink == "away" && one.lag_s > 0.0)
        {
            break states;
        }
        assert!(std::time::Instant::now() < deadline, "{states:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let state = |sink: &str| {
        states
            .iter()
            .find(|one| one.sink == sink)
            .expect("a sink")
            .clone()
    };
    assert_eq!(
        (
            state("good").position,
            state("good").delivered,
            state("good").lag_verdicts
        ),
        (300, 300, 0)
    );
    let away = state("away");
    assert_eq!(
        (away.position, away.lag_verdicts, away.state.name()),
        (0, 300, "retrying")
    );
    let error = away.last_error.expect("an error").message;
    assert!(error.contains("refused"), "{error}");
    let (code, text) = get("/healthz").await;
    assert_eq!((code, text.as_str()), (503, "away: retrying\n"));
    let (_, text) = get("/metrics").await;
    let line = "inspectd_forward_delivered_total{sink=\"good\",type=\"files\"} 300";
    assert!(text.contains(line), "{text}");
    let (code, table, _) = run(&site, &["status"]);
    assert_eq!(code, Some(0));
    assert_eq!(table.lines().count(), 3, "{table}");
    let (code, json, _) = run(&site, &["status", "--json"]);
    assert_eq!(code, Some(0));
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
    assert_eq!(forward.terminate().code(), Some(0));
    wait("the end of the listener", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
    });
}
