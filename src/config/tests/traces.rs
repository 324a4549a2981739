//! The collector of traces.

use std::path::Path;
use std::time::Duration;

use super::super::changes;
use super::{MINIMAL, Site, loaded};

fn with(keys: &str) -> String {
    format!("{MINIMAL}[traces]\n{keys}\n")
}

#[test]
fn traces_are_off_without_an_endpoint_and_do_not_change_the_hash() {
    let least = loaded(MINIMAL);
    assert_eq!(least.settings.traces.endpoint, None);
    assert_eq!(loaded(&with("sampling = 0.5")).hash, least.hash);
    let on = loaded(&with("endpoint = \"http://127.0.0.1:4317\""));
    assert_ne!(on.hash, least.hash);
    let changed = changes(&least.settings, &on.settings);
    assert_eq!(changed.restart, ["traces.endpoint"]);
}

#[test]
fn all_keys_are_read() {
    let site = Site::with(&with(
        "endpoint = \"https://otel.plant:4317\"\nsampling = 0.25\ntimeout_s = 2\nca_file = \"/ca.pem\"\n\
         headers_file = \"/headers\"\nservice = \"line 3\"\ninstance = \"box 7\"",
    ));
    let traces = site.load().expect("valid").settings.traces;
    assert_eq!(traces.endpoint.as_deref(), Some("https://otel.plant:4317"));
    assert!((traces.sampling - 0.25).abs() < f64::EPSILON);
    assert_eq!(traces.timeout, Duration::from_secs(2));
    assert_eq!(traces.ca_file.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(traces.headers_file.as_deref(), Some(Path::new("/headers")));
    assert_eq!(traces.service, "line 3");
    assert_eq!(traces.instance.as_deref(), Some("box 7"));
}

#[test]
fn endpoint_must_be_a_scheme_a_host_and_a_port() {
    let allowed = "must be http://HOST:PORT or https://HOST:PORT";
    for endpoint in [
        "127.0.0.1:4317",
        "http://127.0.0.1",
        "grpc://127.0.0.1:4317",
        "http://:4317",
        "http://user:secret@127.0.0.1:4317",
        "http://127.0.0.1:4317/v1/traces",
        "http://127.0.0.1:port",
        "",
    ] {
        let faults = Site::with(&with(&format!("endpoint = {endpoint:?}"))).faults();
        let expected = format!("inspectd.toml:6: traces.endpoint: {endpoint:?}, {allowed}");
        assert_eq!(faults, [expected]);
    }
    for endpoint in ["http://[::1]:4317", "http://otel.plant:4317/"] {
        let faults = Site::with(&with(&format!("endpoint = {endpoint:?}"))).faults();
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn certificates_belong_to_https_and_files_to_an_endpoint() {
    let check = |keys: &str, expected: &[&str]| {
        let expected: Vec<String> = expected
            .iter()
            .map(|fault| format!("inspectd.toml:{fault}"))
            .collect();
        assert_eq!(Site::with(&with(keys)).faults(), expected, "{keys}");
    };
    check(
        "endpoint = \"https://127.0.0.1:4317\"",
        &[
            "6: traces.endpoint: \"https://127.0.0.1:4317\" without traces.ca_file, must be http://HOST:PORT unless traces.ca_file is set",
        ],
    );
    check(
        "endpoint = \"http://127.0.0.1:4317\"\nca_file = \"/ca.pem\"",
        &[
            "7: traces.ca_file: set with endpoint \"http://127.0.0.1:4317\", must be left out unless endpoint is https://HOST:PORT",
        ],
    );
    check(
        "headers_file = \"/headers\"",
        &[
            "6: traces.headers_file: set without traces.endpoint, must be left out unless traces.endpoint is set",
        ],
    );
    check(
        "sampling = 1.5",
        &["6: traces.sampling: 1.5, must be a number, 0 to 1"],
    );
}
