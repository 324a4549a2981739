//! A daemon that cannot start prints the reason in one line and exits with a code for it.

use std::net::TcpListener;

use inspectd_core::bundle::{Bundle, sha256};
use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{CELLS, Daemon, Site, ends, write_bundle_of};

const SIMULATOR: &str = "[cameras.line]\nsource = \"simulator\"\nwidth = 32\nheight = 32\n";

const MANIFEST: &str = "bundle/manifest.toml";
const GRAPH: &str = "bundle/model.onnx";

/// Asserts an error in one line.
fn assert_refused(site: &Site, variables: &[(&str, &str)], code: i32, words: &[&str]) {
    let stderr = assert_error(site, variables, code, words);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// Asserts the exit code and the words of an error.
fn assert_error(site: &Site, variables: &[(&str, &str)], code: i32, words: &[&str]) -> String {
    let (found, stderr) = site.refused(variables);
    assert_eq!(found, code, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

fn path(site: &Site, name: &str) -> String {
    site.path(name).display().to_string()
}

#[test]
fn missing_bundle_is_rejected() {
    let site = Site::new(SIMULATOR);
    site.rename("bundle", "elsewhere");
    let missing = path(&site, MANIFEST);
    assert_refused(&site, &[], 65, &["model.bundle", &missing, "No such file"]);
}

#[test]
fn graph_with_another_hash_is_rejected() {
    let site = Site::new(SIMULATOR);
    let altered = [CELLS, b"more"].concat();
    std::fs::write(site.path(GRAPH), &altered).expect("an altered graph");
    let graph = path(&site, GRAPH);
    let hashes = [sha256(&altered), sha256(CELLS)];
    assert_refused(&site, &[], 65, &[&graph, &hashes[0], &hashes[1]]);
    let (code, stderr) = ends(site.command().arg("check"));
    assert_eq!(code, 65, "{stderr}");
}

#[test]
fn invalid_manifest_is_rejected() {
    let site = Site::new(SIMULATOR);
    let manifest = std::fs::read_to_string(site.path(MANIFEST)).expect("a manifest");
    site.write(MANIFEST, &manifest.replace("[threshold]", "[treshold]"));
    let place = format!("model.bundle: {}", path(&site, MANIFEST));
    assert_error(&site, &[], 65, &[&place, "line 42", "treshold"]);
}

#[test]
fn truncated_graph_is_rejected() {
    require!(onnx_runtime());
    let site = Site::new(SIMULATOR);
    let cut = &CELLS[..CELLS.len() / 2];
    write_bundle_of(&site.path("bundle"), "2026.1", 0.6, cut);
    assert!(Bundle::open(&site.path("bundle")).is_ok(), "its hash fits");
    let bundle = path(&site, "bundle");
    assert_refused(
        &site,
        &[],
        65,
        &[&bundle, "ONNX Runtime rejected the graph"],
    );
}

#[test]
fn missing_onnx_runtime_is_rejected() {
    let site = Site::new(SIMULATOR);
    site.write("libtext.so", "no library");
    let text = path(&site, "libtext.so");
    for (library, words) in [
        ("/absent/libonnxruntime.so", "cannot load"),
        (&*text, "cannot load"),
        ("libm.so.6", "is not ONNX Runtime"),
    ] {
        let variables = [("ORT_DYLIB_PATH", library)];
        assert_refused(
            &site,
            &variables,
            69,
            &["engine: ONNX Runtime", library, words],
        );
    }
    let variables = [("INSPECTD__ENGINE__LIBRARY", "/absent/library.so")];
    assert_refused(&site, &variables, 69, &["/absent/library.so"]);
}

/// Hides all GPUs.
const NO_GPU: [(&str, &str); 2] = [
    ("CUDA_VISIBLE_DEVICES", ""),
    ("INSPECTD__ENGINE__PROVIDER", "cuda"),
];

#[test]
fn missing_gpu_is_rejected() {
    require!(onnx_runtime());
    let site = Site::new(SIMULATOR);
    assert_refused(&site, &NO_GPU, 69, &["engine: provider cuda"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cpu_replaces_a_missing_gpu_where_fallback_is_allowed() {
    require!(onnx_runtime());
    let site = Site::new(SIMULATOR);
    let mut command = site.command();
    command
        .env("INSPECTD__ENGINE__FALLBACK", "allow")
        .envs(NO_GPU);
    let daemon = Daemon::spawn(&mut command);
    daemon.wait_for_log("ready");
    let engine = daemon.status().await.engine.expect("an engine");
    assert_eq!(engine.provider, "cpu");
    assert_eq!(engine.requested_provider, "cuda");
    assert!(
        engine.fallback_reason.contains("provider cuda"),
        "{engine:?}"
    );
    daemon.wait_for_log("the requested provider is not in use");
    let mut verdicts = daemon.verdicts().await;
    assert_eq!(verdicts.next().await.provider, "cpu");
    daemon.stop();
}

#[test]
fn port_in_use_is_rejected() {
    let site = Site::new(SIMULATOR);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    for (variable, key) in [
        ("INSPECTD__SERVER__LISTEN", "server.listen"),
        ("INSPECTD__SERVER__METRICS_LISTEN", "server.metrics_listen"),
    ] {
        let words = [key, &address, "Address already in use"];
        assert_refused(&site, &[(variable, &address)], 69, &words);
    }
}

#[test]
fn all_configuration_errors_are_listed_with_their_lines() {
    let site = Site::new("");
    site.write(
        "inspectd.toml",
        "[server]\nlisten = \"here\"\nlisen = 1\n[model]\nbundle = \"bundle\"\n[cameras.left]\n\
         source = \"folder\"\n",
    );
    site.pictures("conf.d", &[]);
    site.write("conf.d/1.toml", "[life]\nshutdown_deadline_s = -1\n");
    let expected = [
        "inspectd.toml:2: server.listen: \"here\", must be ",
        "inspectd.toml:3: server.lisen: unknown key; did you mean \"listen\"?",
        "inspectd.toml:7: cameras.left.path: missing, must be a path",
        "conf.d/1.toml:2: life.shutdown_deadline_s: -1, must be ",
    ];
    for (code, stderr) in [
        site.refused(&[]),
        ends(site.command().arg("check")),
        ends(site.command().arg("run")),
    ] {
        assert_eq!(code, 78, "{stderr}");
        for fault in expected {
            assert!(stderr.contains(fault), "{fault:?} is not in: {stderr}");
        }
        assert_eq!(stderr.lines().count(), expected.len(), "{stderr}");
    }
}

#[test]
fn missing_or_malformed_configuration_is_rejected() {
    let site = Site::new("");
    site.write("inspectd.toml", "[server\n");
    let place = format!("{}:1: not TOML", path(&site, "inspectd.toml"));
    let (code, stderr) = site.refused(&[]);
    assert!(code == 78 && stderr.contains(&place), "{code}: {stderr}");
    site.rename("inspectd.toml", "elsewhere.toml");
    assert_refused(
        &site,
        &[],
        78,
        &[&path(&site, "inspectd.toml"), "cannot be read"],
    );
}

#[test]
fn check_of_a_valid_configuration_starts_nothing() {
    let site = Site::new(SIMULATOR);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let mut command = site.command();
    command
        .arg("check")
        .env("INSPECTD__SERVER__LISTEN", address);
    assert_eq!(ends(&mut command), (0, String::new()));
}

#[test]
fn usage_errors_exit_64() {
    let site = Site::new(SIMULATOR);
    for argument in ["--confg", "fly", "--config="] {
        let (code, stderr) = ends(site.command().arg(argument));
        assert_eq!(code, 64, "{stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.is_empty(),
            "{stderr}"
        );
    }
}
