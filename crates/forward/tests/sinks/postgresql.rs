//! PostgreSQL: repeats change nothing, refused records are dead letters, and the queries of the examples have known answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use inspectd_client::{Trigger, TriggerTarget};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::harness::{
    Process, Site, assert_complete, debian_program, free_port, pauses, unprivileged, wait,
};

/// A server with its data in a temporary folder. It listens on the loopback interface only.
struct Server {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

fn program(name: &str) -> PathBuf {
    let paths: Vec<String> = (13..=18)
        .rev()
        .map(|version| format!("/usr/lib/postgresql/{version}/bin/{name}"))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    debian_program(&paths, "postgresql")
}

impl Server {
    async fn start(parent: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = parent.join("database");
        fs::create_dir(&folder).expect("a folder");
        // The server runs as another user, who must be able to enter the folder above.
        fs::set_permissions(parent, fs::Permissions::from_mode(0o711)).expect("the owner may");
        let mut initdb = Command::new(program("initdb"));
        initdb
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--pgdata",
            ])
            .arg(&folder);
        unprivileged(&mut initdb, &folder, "postgres");
        let output = initdb.current_dir("/").output().expect("initdb");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut server = Self {
            folder,
            port: free_port(),
            process: None,
        };
        server.restart().await;
        server
    }

    async fn restart(&mut self) {
        // After a kill, the other processes of the server end by themselves; until then it does not start.
        while !self.starts().await {
            let mut process = self.process.take().expect("a process");
            process.wait_for_end();
            let _ = fs::remove_file(self.folder.join("postmaster.pid"));
        }
    }

    /// Starts the server. Returns whether it accepts connections; otherwise processes of the previous server still run.
    async fn starts(&mut self) -> bool {
        let mut command = Command::new(program("postgres"));
        command
            .arg("-D")
            .arg(&self.folder)
            .arg("-k")
            .arg(&self.folder)
            .args([
                "-p",
                &self.port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
            ])
            .current_dir("/");
        unprivileged(&mut command, &self.folder, "postgres");
        let process = self
            .process
            .insert(Process::spawn("postgres", &mut command));
        let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
        loop {
            let address = format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port);
            let Err(error) = tokio_postgres::connect(&address, NoTls).await else {
                return true;
            };
            if process.has_logged("is still in use") {
                return false;
            }
            assert!(std::time::Instant::now() < deadline, "{error}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Kills the server: its other processes end by themselves, as after a crash.
    fn kill(&mut self) {
        self.process.take().expect("the server runs").kill();
        let _ = fs::remove_file(self.folder.join("postmaster.pid"));
    }

    fn address(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A connection, once the server accepts one.
    async fn client(&self) -> Client {
        let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
        loop {
            match tokio_postgres::connect(&self.address(), NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn sink(server: &Server) -> String {
    format!(
        "[sinks.plant]\ntype = \"postgresql\"\nserver = \"{}\"\nschema = \"line\"\nbatch_limit = 60\nbatch_window_ms = 20\n\
         timeout_s = 5\nretry_after_s = 0.05\nretry_after_max_s = 0.3\n",
        server.address()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verdict_is_a_row_while_server_and_program_are_killed() {
    let site = Site::start(900, 90).await;
    let mut server = Server::start(site.path("").as_path()).await;
    site.forward_to(&sink(&server));
    for (turn, pause) in pauses(12, 600).enumerate() {
        let mut forward = site.forward();
        tokio::time::sleep(pause).await;
        if turn % 4 == 1 {
            server.kill();
            server.restart().await;
        }
        tokio::time::sleep(pause / 2).await;
        forward.kill();
    }
    site.produced(900).await;
    let mut forward = site.forward();
    site.caught_up("forward-plant").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let client = server.client().await;
    let rows = client.query("SELECT id, decision, score, regions::text FROM line.inspectd_verdicts ORDER BY sequence", &[]).await;
    let rows = rows.expect("rows");
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids, site.ids().await);
    for (row, verdict) in rows.iter().zip(site.journal().await) {
        let (decision, score): (String, Option<f32>) = (row.get(1), row.get(2));
        assert_eq!(
            decision,
            inspectd_client::json::decision(verdict.decision())
        );
        assert_eq!(score, verdict.score.as_ref().map(|score| score.value));
        let regions: serde_json::Value = serde_json::from_str(row.get(3)).expect("JSON");
        assert_eq!(
            regions.as_array().map(Vec::len),
            Some(verdict.regions.len())
        );
    }
    let version: i32 = client
        .query_one("SELECT max(version) FROM line.inspectd_migrations", &[])
        .await
        .expect("a row")
        .get(0);
    assert_eq!(version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn record_that_the_database_refuses_is_a_dead_letter_and_the_others_are_rows() {
    let site = Site::start(40, 200).await;
    let server = Server::start(site.path("").as_path()).await;
    let client = server.client().await;
    site.forward_to(&sink(&server));
    let mut forward = site.forward();
    site.produced(40).await;
    site.caught_up("forward-plant").await;
    assert_eq!(forward.terminate().code(), Some(0));
    // A rule of the plant, and a text that PostgreSQL cannot hold.
    let rule = "ALTER TABLE line.inspectd_verdicts ADD CONSTRAINT rule CHECK (part_id <> 'bad')";
    client.batch_execute(rule).await.expect("a constraint");
    for (key, part) in ["good", "bad", "nul\0", "good"].into_iter().enumerate() {
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
    let mut forward = site.forward();
    site.caught_up("forward-plant").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let rows = client
        .query("SELECT id FROM line.inspectd_verdicts", &[])
        .await
        .expect("rows");
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let journal = site.journal().await;
    let (refused, stored): (Vec<_>, Vec<_>) = journal
        .iter()
        .partition(|verdict| ["bad", "nul\0"].contains(&verdict.part_id.as_str()));
    assert_eq!(refused.len(), 2);
    let stored: Vec<String> = stored.into_iter().map(crate::harness::id).collect();
    assert_complete(&ids, &stored);
    let letters =
        fs::read_to_string(site.path("state/dead-letters/plant.jsonl")).expect("dead letters");
    let letters: Vec<serde_json::Value> = letters
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(letters.len(), 2, "{letters:#?}");
    let reason = letters[0]["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("(23514)") && reason.contains("rule"),
        "{reason}"
    );
    assert_eq!(letters[1]["record"]["part_id"], "nul\0");
}

#[tokio::test(flavor = "multi_thread")]
async fn option_that_the_server_refuses_makes_no_dead_letters() {
    let site = Site::start(20, 200).await;
    let server = Server::start(site.path("").as_path()).await;
    site.produced(20).await;
    // The server refuses the connection with a code of class 22, as it does for data that it cannot store.
    let option = "postgres?options=-c%20statement_timeout%3Dsoon";
    site.forward_to(&sink(&server).replace("/postgres\"", &format!("/{option}\"")));
    let mut forward = site.forward();
    wait("the refusal", || forward.has_logged("(22023)"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(forward.terminate().code(), Some(0));
    assert_eq!(site.acknowledged("forward-plant").await, 0);
    assert!(!site.path("state/dead-letters/plant.jsonl").exists());
    site.forward_to(&sink(&server));
    let mut forward = site.forward();
    site.caught_up("forward-plant").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let client = server.client().await;
    let rows = client
        .query("SELECT id FROM line.inspectd_verdicts", &[])
        .await
        .expect("rows");
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_complete(&ids, &site.ids().await);
}

/// The rows of a query, each as its values by column.
async fn rows(client: &Client, sql: &str) -> Vec<BTreeMap<String, String>> {
    let messages = client.simple_query(sql).await.expect("rows");
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let columns = row.columns().iter().enumerate();
            Some(
                columns
                    .map(|(place, column)| {
                        (
                            column.name().to_owned(),
                            row.get(place).unwrap_or("").to_owned(),
                        )
                    })
                    .collect(),
            )
        }
        _ => None,
    });
    rows.collect()
}

/// Known verdicts: two boxes, two days. Box a rejects 2 of 10 (scratch, and scratch with dent) and faults once; box b is good.
const KNOWN: &str = r#"
INSERT INTO inspectd_verdicts (box, site, run_id, sequence, unjournalled_key, capture_time, id, camera_id, group_id, part_id,
    trigger_id, decision, score, threshold, provider, simulated, truth, source_item, width, height, evidence_kept, unconfirmed,
    regions, region_scores, views, client_data, recipe_id, model_name, model_version, decided_by)
SELECT box, 'plant', 'run', n, '', day + n * interval '1 minute', box || '/' || day::date || '/' || n, 'top', '', '', '',
    CASE WHEN box = 'a' AND n IN (3, 4) THEN 'reject' WHEN box = 'a' AND n = 5 THEN 'fault' ELSE 'pass' END,
    CASE WHEN box = 'a' AND n = 5 THEN NULL WHEN box = 'a' AND n IN (3, 4) THEN 0.9
         ELSE 0.25 + CASE WHEN day::date = date '2026-11-29' THEN 0.0 ELSE 0.125 END END,
    0.5, 'cpu', false, '', '', 64, 64, false, false,
    CASE WHEN box = 'a' AND n = 3 THEN '[{"region": "edge", "peak": 0.9, "area": 0.01, "kind": "structural"}]'
         WHEN box = 'a' AND n = 4 THEN '[{"region": "edge", "peak": 0.8, "area": 0.02, "kind": "structural"},
                                         {"region": "", "peak": 0.7, "area": 0.01, "kind": "logical"}]'
         ELSE '[]' END::jsonb,
    '[]', '[]', '', 'juice', 'demo', '1', ''
FROM (VALUES ('a'), ('b')) AS boxes (box),
    (VALUES (timestamptz '2026-11-29 08:00Z'), (timestamptz '2026-11-30 08:00Z')) AS days (day),
    generate_series(1, 10) AS n
ON CONFLICT DO NOTHING;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_the_examples_have_the_known_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path()).await;
    let client = server.client().await;
    let migration = include_str!("../../src/sink/postgresql/migrations/1.sql");
    client.batch_execute(migration).await.expect("the tables");
    client
        .batch_execute("SET TIME ZONE 'UTC'")
        .await
        .expect("a time zone");
    client.batch_execute(KNOWN).await.expect("known verdicts");
    let examples = |name: &str| {
        let path = format!(
            "{}/../../examples/postgresql/{name}.sql",
            env!("CARGO_MANIFEST_DIR")
        );
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let found = rows(&client, &examples("yield")).await;
    let found: Vec<_> = found
        .iter()
        .map(|row| {
            (
                &*row["day"],
                &*row["box"],
                &*row["inspected"],
                &*row["faults"],
                &*row["yield_percent"],
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("2026-11-30", "a", "9", "1", "77.78"),
            ("2026-11-30", "b", "10", "0", "100.00"),
            ("2026-11-29", "a", "9", "1", "77.78"),
            ("2026-11-29", "b", "10", "0", "100.00"),
        ]
    );
    let found = rows(&client, &examples("pareto")).await;
    let found: Vec<_> = found
        .iter()
        .map(|row| {
            (
                &*row["region"],
                &*row["kind"],
                &*row["parts"],
                &*row["cumulative_percent"],
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("edge", "structural", "4", "66.7"),
            ("(rest of the frame)", "logical", "2", "100.0")
        ]
    );
    let found = rows(&client, &examples("drift")).await;
    let found: Vec<_> = found
        .iter()
        .map(|row| {
            (
                &*row["day"],
                &*row["box"],
                &*row["passed"],
                &*row["median_score"],
                &*row["change"],
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("2026-11-29", "a", "7", "0.250", ""),
            ("2026-11-30", "a", "7", "0.375", "0.125"),
            ("2026-11-29", "b", "10", "0.250", ""),
            ("2026-11-30", "b", "10", "0.375", "0.125"),
        ]
    );
    panels_have_rows(&client).await;
    server.kill();
}

/// Runs the queries of the dashboard, with what Grafana puts in place of its macros.
async fn panels_have_rows(client: &Client) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/monitoring/grafana/inspectd-plant.json"
    );
    let text = fs::read_to_string(path).expect("the dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let gap = "INSERT INTO inspectd_gaps VALUES ('g', 'a', 'plant', 'lost', 1, 2, 2, 1, NULL, '2026-11-30 09:00Z')";
    client.batch_execute(gap).await.expect("a gap");
    client
        .batch_execute(
            "UPDATE inspectd_verdicts SET record_time = capture_time, fault_reason = 'dark'",
        )
        .await
        .expect("times");
    let filled = |sql: &str| {
        sql.replace(
            "$__timeFilter(capture_time)",
            "capture_time BETWEEN '2026-11-01Z' AND '2026-12-31Z'",
        )
        .replace(
            "$__timeFilter(time)",
            "time BETWEEN '2026-11-01Z' AND '2026-12-31Z'",
        )
        .replace(
            "$__timeGroupAlias(capture_time, $__interval)",
            "date_trunc('hour', capture_time) AS \"time\"",
        )
        .replace("${box:sqlstring}", "'a','b'")
        .replace("${camera:sqlstring}", "'top'")
    };
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(panels.len() >= 10);
    for panel in panels {
        let sql = filled(panel["targets"][0]["rawSql"].as_str().expect("a query"));
        let found = rows(client, &sql).await;
        assert!(
            !found.is_empty() && found[0].values().all(|value| !value.is_empty()),
            "{}: {found:?}",
            panel["title"]
        );
    }
    for variable in &dashboard["templating"]["list"]
        .as_array()
        .expect("variables")[1..]
    {
        let sql = filled(variable["query"].as_str().expect("a query"));
        assert!(!rows(client, &sql).await.is_empty(), "{sql}");
    }
}
