//! The server that runs the model.

use std::path::Path;
use std::time::Duration;

use super::super::changes;
use super::{MINIMAL, Site, loaded};

/// Keys of the server after a camera with a deadline of 200 ms.
fn with(keys: &str) -> String {
    format!("{MINIMAL}deadline_ms = 200\n[engine.remote]\n{keys}\n")
}

#[test]
fn model_runs_here_without_a_server_and_the_hash_is_that_of_before() {
    let least = loaded(MINIMAL);
    let remote = &least.settings.engine.remote;
    assert_eq!((remote.url.as_deref(), remote.hedge_after), (None, None));
    let text = format!("{MINIMAL}[engine.remote]\nurl = \"http://127.0.0.1:8001\"\n");
    let on = loaded(&text);
    assert_ne!(on.hash, least.hash);
    assert_eq!(
        on.settings.engine.remote.timeout,
        Duration::from_millis(100)
    );
    let changed = changes(&least.settings, &on.settings);
    assert_eq!(
        (changed.live.len(), &*changed.restart),
        (0, &["engine.remote.url".to_owned()][..])
    );
}

#[test]
fn all_keys_are_read() {
    let site = Site::with(&with(
        "url = \"https://triton.plant:8001\"\nmodel = \"bottle-0123456789ab\"\nversion = \"2\"\ntimeout_ms = 80\n\
         hedge_after_ms = 20\nca = \"/ca.pem\"",
    ));
    let remote = site.load().expect("valid").settings.engine.remote;
    assert_eq!(remote.url.as_deref(), Some("https://triton.plant:8001"));
    assert_eq!(remote.model.as_deref(), Some("bottle-0123456789ab"));
    assert_eq!(remote.version.as_deref(), Some("2"));
    assert_eq!(remote.timeout, Duration::from_millis(80));
    assert_eq!(remote.hedge_after, Some(Duration::from_millis(20)));
    assert_eq!(remote.ca.as_deref(), Some(Path::new("/ca.pem")));
    let variable = "INSPECTD__ENGINE__REMOTE__URL";
    let site = Site::with(MINIMAL).variable(variable, "http://127.0.0.1:8001");
    let remote = site.load().expect("valid").settings.engine.remote;
    assert_eq!(remote.url.as_deref(), Some("http://127.0.0.1:8001"));
}

#[test]
fn wrong_values_and_relations_are_one_fault_each() {
    let check = |keys: &str, expected: &str| {
        let faults = Site::with(&with(keys)).faults();
        assert_eq!(faults, [format!("inspectd.toml:{expected}")], "{keys}");
    };
    let url = "url = \"http://127.0.0.1:8001\"\n";
    check(
        "url = \"127.0.0.1:8001\"",
        "7: engine.remote.url: \"127.0.0.1:8001\", must be http://HOST:PORT or https://HOST:PORT",
    );
    check(
        &format!("{url}model = \"a/b\""),
        "8: engine.remote.model: \"a/b\", must be 1 to 128 of A-Z, a-z, 0-9, '-', '_' and '.'",
    );
    check(
        &format!("{url}timeout_ms = 200"),
        "8: engine.remote.timeout_ms: 200, must be below cameras.left.deadline_ms = 200, so that the local engine can \
         take the server's place",
    );
    check(
        &format!("{url}timeout_ms = 50\nhedge_after_ms = 50"),
        "9: engine.remote.hedge_after_ms: 50, must be below timeout_ms = 50",
    );
    check(
        "timeout_ms = 50",
        "7: engine.remote.timeout_ms: set without engine.remote.url, must be left out unless engine.remote.url is set",
    );
    check(
        "url = \"https://127.0.0.1:8001\"",
        "7: engine.remote.url: \"https://127.0.0.1:8001\" without engine.remote.ca, must be http://HOST:PORT unless \
         engine.remote.ca is set",
    );
    check(
        &format!("{url}ca = \"/ca.pem\""),
        "8: engine.remote.ca: set with url \"http://127.0.0.1:8001\", must be left out unless url is https://HOST:PORT",
    );
}

#[test]
fn default_of_the_time_limit_is_compared_with_short_deadlines_too() {
    let text =
        format!("{MINIMAL}deadline_ms = 60\n[engine.remote]\nurl = \"http://127.0.0.1:8001\"\n");
    let faults = Site::with(&text).faults();
    let expected = "inspectd.toml:5: cameras.left.deadline_ms: 60, must be above engine.remote.timeout_ms = 100, so that \
                    the local engine can take the server's place";
    assert_eq!(faults, [expected]);
}
