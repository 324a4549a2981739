//! A daemon that cannot start says why in one line, and with which exit code.

use std::net::TcpListener;

use inspectd_core::bundle::{Bundle, sha256};

use crate::harness::{CELLS, Daemon, Site, ends, runtime_is_there, write_bundle_of};

const SIMULATOR: &str = "[cameras.line]\nsource = \"simulator\"\nwidth = 32\nheight = 32\n";

const MANIFEST: &str = "bundle/manifest.toml";
const GRAPH: &str = "bundle/model.onnx";

/// Asserts a refusal in one line.
fn assert_refused(site: &Site, variables: &[(&str, &str)], code: i32, words: &[&str]) {
    let said = assert_said(site, variables, code, words);
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// Asserts a refusal: its code, and its words.
fn assert_said(site: &Site, variables: &[(&str, &str)], code: i32, words: &[&str]) -> String {
    let (found, said) = site.refused(variables);
    assert_eq!(found, code, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn path(site: &Site, name: &str) -> String {
    site.path(name).display().to_string()
}

#[test]
fn a_bundle_that_is_not_there_is_refused() {
    let site = Site::new(SIMULATOR);
    site.rename("bundle", "elsewhere");
    let missing = path(&site, MANIFEST);
    assert_refused(&site, &[], 65, &["model.bundle", &missing, "No such file"]);
}

#[test]
fn a_graph_that_is_not_the_manifests_is_refused() {
    let site = Site::new(SIMULATOR);
    let altered = [CELLS, b"more"].concat();
    std::fs::write(site.path(GRAPH), &altered).expect("an altered graph");
    let graph = path(&site, GRAPH);
    let hashes = [sha256(&altered), sha256(CELLS)];
    assert_refused(&site, &[], 65, &[&graph, &hashes[0], &hashes[1]]);
    let (code, said) = ends(site.command().arg("check"));
    assert_eq!(code, 65, "{said}");
}

#[test]
fn a_manifest_that_is_none_is_refused() {
    let site = Site::new(SIMULATOR);
    let manifest = std::fs::read_to_string(site.path(MANIFEST)).expect("a manifest");
    site.write(MANIFEST, &manifest.replace("[threshold]", "[treshold]"));
    let place = format!("model.bundle: {}", path(&site, MANIFEST));
    assert_said(&site, &[], 65, &[&place, "line 42", "treshold"]);
}

#[test]
fn a_graph_that_is_cut_short_is_refused() {
    if !runtime_is_there() {
        return;
    }
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
fn a_missing_onnx_runtime_is_refused() {
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

/// No GPU, whatever the machine has.
const NO_GPU: [(&str, &str); 2] = [
    ("CUDA_VISIBLE_DEVICES", ""),
    ("INSPECTD__ENGINE__PROVIDER", "cuda"),
];

#[test]
fn a_gpu_that_is_not_there_is_refused() {
    if !runtime_is_there() {
        return;
    }
    let site = Site::new(SIMULATOR);
    assert_refused(&site, &NO_GPU, 69, &["engine: provider cuda"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_processor_stands_in_for_a_gpu_where_that_is_allowed() {
    if !runtime_is_there() {
        return;
    }
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
fn a_port_that_is_taken_is_refused() {
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
fn every_fault_of_a_configuration_is_listed_with_its_place() {
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
    for (code, said) in [
        site.refused(&[]),
        ends(site.command().arg("check")),
        ends(site.command().arg("run")),
    ] {
        assert_eq!(code, 78, "{said}");
        for fault in expected {
            assert!(said.contains(fault), "{fault:?} is not in: {said}");
        }
        assert_eq!(said.lines().count(), expected.len(), "{said}");
    }
}

#[test]
fn a_configuration_that_is_missing_or_no_toml_is_refused() {
    let site = Site::new("");
    site.write("inspectd.toml", "[server\n");
    let place = format!("{}:1: not TOML", path(&site, "inspectd.toml"));
    let (code, said) = site.refused(&[]);
    assert!(code == 78 && said.contains(&place), "{code}: {said}");
    site.rename("inspectd.toml", "elsewhere.toml");
    assert_refused(
        &site,
        &[],
        78,
        &[&path(&site, "inspectd.toml"), "cannot be read"],
    );
}

#[test]
fn a_check_of_a_good_configuration_starts_nothing() {
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
fn wrong_usage_has_a_code_of_its_own() {
    let site = Site::new(SIMULATOR);
    for argument in ["--confg", "fly", "--config="] {
        let (code, said) = ends(site.command().arg(argument));
        assert_eq!(code, 64, "{said}");
        assert!(!said.contains("panicked") && !said.is_empty(), "{said}");
    }
}
