//! Configurations: defaults, and all faults at once.

use inspectd_test_support::project_root;

use super::*;
use crate::handshake::Mode;
use crate::registers::Order;

const STATION: &str = "[stations.filler]\nunit = 1\ncamera = \"top\"\n";

fn faults(text: &str) -> Vec<String> {
    match Settings::parse("plc.toml", text) {
        Err(ConfigError::Faults(faults)) => faults,
        other => panic!("{other:?}"),
    }
}

#[test]
fn station_with_unit_and_camera_is_enough() {
    let settings = Settings::parse("plc.toml", STATION).expect("valid");
    assert_eq!(settings.modbus.listen.to_string(), "127.0.0.1:1502");
    assert_eq!(settings.daemon.server.address(), "http://127.0.0.1:50051");
    let station = &settings.stations["filler"];
    assert_eq!(station.consumer.as_str(), "plc-filler");
    assert_eq!(station.handshake.mode, Mode::Triggered);
    assert_eq!(station.encoding.words, Order::Big);
    assert_eq!(
        station.handshake.heartbeat_timeout,
        Some(Duration::from_secs(3))
    );
}

#[test]
fn all_faults_are_reported_with_their_lines() {
    let text = "\
[modbus]
listen = \"0.0.0.0:502\"
conection_limit = 3
[daemon]
server = \"ftp://box\"
certificate = \"a.pem\"
[log]
format = \"xml\"
[stations.a]
unit = 300
camera = \"top\"
group = \"cell\"
mode = \"free\"
recipes = { 0 = \"juice\", 2 = \"Water\" }
[stations.B]
unit = 2
verdict_timeout_ms = \"5000\"
";
    let found = faults(text);
    let expected = [
        "plc.toml:1: modbus.allowed: must list the PLCs, because `listen` is not on loopback and Modbus has no passwords",
        "plc.toml:3: modbus.conection_limit: unknown key; known are allowed, connection_limit, idle_timeout_s, listen",
        "plc.toml:5: daemon.server: \"ftp://box\", must be http://HOST:PORT, https://HOST:PORT or unix:/PATH",
        "plc.toml:6: daemon.certificate: `certificate` and `key` must be set together",
        "plc.toml:8: log.format: \"xml\", must be \"auto\", \"text\", \"json\" or \"journald\"",
        "plc.toml:10: stations.a.unit: 300, must be a whole number, 0 to 255",
        "plc.toml:12: stations.a.group: not together with `camera`",
        "plc.toml:13: stations.a.mode: \"free\", must be \"triggered\" or \"follow\"",
        "plc.toml:14: stations.a.recipes.0: the key must be a number, 1 to 65535",
        "plc.toml:14: stations.a.recipes.2: \"Water\", must be the id of a recipe, 1 to 64 of a-z, 0-9, '-' and '_'",
        "plc.toml:15: stations.B.camera: missing: `camera` or `group` must be set",
        "plc.toml:15: stations.B: \"B\": the id must be 1 to 64 of a-z, 0-9, '-' and '_'",
        "plc.toml:17: stations.B.verdict_timeout_ms: \"5000\", must be a whole number, 0 to 3600000",
    ];
    for fault in &expected {
        let fault = fault.replace("0 to 3600000", "10 to 3600000");
        assert!(found.contains(&fault), "{fault}\n{}", found.join("\n"));
    }
    assert_eq!(found.len(), expected.len(), "{}", found.join("\n"));
}

#[test]
fn stations_have_units_and_consumers_of_their_own() {
    let text = format!(
        "{STATION}[stations.other]\nunit = 1\ncamera = \"side\"\nconsumer = \"plc-filler\"\n"
    );
    let expected = [
        "plc.toml:5: stations.other.unit: 1 is that of station filler",
        "plc.toml:7: stations.other.consumer: plc-filler is that of station filler",
    ];
    assert_eq!(faults(&text), expected);
}

#[test]
fn keys_that_are_the_same_number_are_one_fault() {
    let with = |recipes: &str| faults(&format!("{STATION}recipes = {{ {recipes} }}\n"));
    let expected =
        ["plc.toml:4: stations.filler.recipes.01: the keys 1, 01 are the same number, 1"];
    assert_eq!(
        with("1 = \"juice\", 2 = \"milk\", 01 = \"water\""),
        expected
    );
    let expected =
        ["plc.toml:4: stations.filler.recipes.1: the keys +1, 01, 1 are the same number, 1"];
    let found = with("\"+1\" = \"juice\", 01 = \"juice\", 1 = \"juice\"");
    assert_eq!(found, expected);
}

#[test]
fn missing_stations_other_types_and_other_formats_are_faults() {
    let expected =
        ["plc.toml:1: stations: at least one station is required, such as [stations.filler]"];
    assert_eq!(faults(""), expected);
    let found = faults("[modbus\n");
    assert!(found[0].starts_with("plc.toml:1: not TOML: "), "{found:?}");
    let found = faults("modbus = 3\nstations = { a = 1 }\n");
    assert_eq!(found[0], "plc.toml:1: modbus: 3, must be a table");
    assert!(found.contains(&"plc.toml:2: stations.a: 1, must be a table".to_owned()));
}

#[test]
fn networks_and_addresses_may_be_allowed() {
    let text = format!(
        "[modbus]\nlisten = \"0.0.0.0:502\"\nallowed = [\"192.168.10.5\", \"10.0.0.0/8\"]\n{STATION}"
    );
    let settings = Settings::parse("plc.toml", &text).expect("valid");
    let allowed = |address: &str| {
        let address: IpAddr = address.parse().expect("an address");
        let mut networks = settings.modbus.allowed.iter();
        networks.any(|network| network.contains(&address))
    };
    assert!(allowed("192.168.10.5") && allowed("10.7.8.9"));
    assert!(!allowed("192.168.10.6"));
    let text = text.replace("10.0.0.0/8", "plc.local");
    assert_eq!(faults(&text).len(), 1);
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let text = format!("[state]\nfolder = \"state\"\n{STATION}");
    let settings = Settings::parse("/etc/inspectd/plc.toml", &text).expect("valid");
    assert_eq!(settings.state_folder, Path::new("/etc/inspectd/state"));
}

#[test]
fn example_is_valid_and_names_every_key() {
    let path = project_root().join("examples/plc.toml");
    Settings::read(&path).expect("a valid example");
    let text = std::fs::read_to_string(&path).expect("a readable file");
    for key in [
        "listen",
        "allowed",
        "connection_limit",
        "idle_timeout_s",
        "server",
        "ca",
        "certificate",
        "key",
        "token_file",
        "answer_timeout_ms",
        "folder",
        "format",
        "filter",
        "unit",
        "camera",
        "group",
        "mode",
        "consumer",
        "word_order",
        "text_order",
        "recipes",
        "verdict_timeout_ms",
        "acknowledge_timeout_ms",
        "heartbeat_timeout_ms",
        "heartbeat_interval_ms",
        "reconnect_ms",
        "outdated_after_ms",
    ] {
        let named = |line: &str| {
            let line = line.trim_start_matches(['#', ' ']);
            line.starts_with(&format!("{key} = "))
        };
        assert!(text.lines().any(named), "{key} is not in the example");
    }
}
