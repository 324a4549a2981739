//! Files, and the settings or the faults that they have.

use inspectd_test_support::project_root;

use super::*;

/// A hash of a password.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Q9+HWcJCuHEWFYcP274+lg$39OqzhpEfK5MOYVjdhRIGkrtZfBgF7Sa/YTnBmtN7gs";

const MINIMUM: &str =
    "[users.mes]\nrole = \"viewer\"\npassword_hash = \"HASH\"\n[systems.cell]\ngroup = \"cell\"\n";

fn parse(text: &str) -> Result<Settings, String> {
    let text = text.replace("HASH", HASH);
    Settings::parse("/etc/inspectd/opcua.toml", &text).map_err(|error| error.to_string())
}

fn faults(text: &str) -> Vec<String> {
    let error = parse(text).expect_err("faults");
    let lines = error.lines();
    lines
        .map(|line| line.replace("/etc/inspectd/opcua.toml:", ""))
        .collect()
}

#[test]
fn minimum_has_the_documented_defaults() {
    let settings = parse(MINIMUM).expect("valid");
    let server = &settings.server;
    assert_eq!((server.host.as_str(), server.port), ("127.0.0.1", 4840));
    assert_eq!(server.policies, Policy::DEFAULT);
    assert!(!server.policies.contains(&Policy::None));
    assert_eq!(server.application_uri, "urn:inspectd:opcua");
    assert_eq!(settings.daemon.server.address(), "http://127.0.0.1:50051");
    assert_eq!(settings.systems["cell"], Target::Group("cell".to_owned()));
    assert_eq!(settings.users["mes"].role, Role::Viewer);
    assert_eq!(settings.limits.sessions, 16);
    assert_eq!(settings.limits.queue_length, 100);
    assert_eq!(
        settings.pki_folder,
        Path::new("/var/lib/inspectd-opcua/pki")
    );
}

#[test]
fn example_is_valid() {
    let path = project_root().join("examples/opcua.toml");
    let text = std::fs::read_to_string(path).expect("the example");
    let settings = Settings::parse("/etc/inspectd/opcua.toml", &text);
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(settings.users.len(), 3);
    assert_eq!(settings.systems.len(), 2);
    // Each key that is commented out is valid too.
    let uncommented = text.lines().map(|line| {
        let key = line
            .strip_prefix("# ")
            .filter(|rest| rest.contains(" = ") || rest.starts_with('['));
        key.unwrap_or(line)
    });
    let text: Vec<_> = uncommented.collect();
    let settings = Settings::parse("/etc/inspectd/opcua.toml", &text.join("\n"));
    settings.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn all_faults_are_reported_at_once_with_their_lines() {
    let text = "[server]\nendpoint = \"opc.tcp://127.0.0.1\"\nsecurity = [\"Basic256\"]\nport = 1\n\
                [users.Mes]\nrole = \"admin\"\n[systems.cell]\ncamera = \"top\"\ngroup = \"cell\"\n\
                [limits]\nsessions = 0\n[deamon]\nserver = \"x\"\n";
    let expected = [
        "2: server.endpoint: \"opc.tcp://127.0.0.1\", must be opc.tcp://HOST:PORT without a path",
        "3: server.security: \"Basic256\", must be a list, each \"None\", \"Basic256Sha256\", \
         \"Aes128_Sha256_RsaOaep\" or \"Aes256_Sha256_RsaPss\"",
        "3: server.security: must name at least one security policy",
        "4: server.port: unknown key; known are application_uri, box, endpoint, name, security",
        "5: users.Mes.password_hash: missing: `password_hash` or `certificate` must be set",
        "5: users.Mes: the name of a user must be 1 to 64 of a-z, 0-9, '-' and '_'",
        "6: users.Mes.role: \"admin\", must be \"viewer\", \"operator\" or \"engineer\"",
        "9: systems.cell.group: not together with `camera`",
        "11: limits.sessions: 0, must be a whole number, 1 to 256",
        "12: deamon: unknown key; known are daemon, limits, log, pki, server, systems, users",
    ];
    let found = faults(text);
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn too_few_requests_in_progress_are_a_fault() {
    let with = |requests: u32| format!("{MINIMUM}[limits]\nrequests_in_progress = {requests}\n");
    let expected = ["7: limits.requests_in_progress: 9, must be a whole number, 10 to 1000"];
    assert_eq!(faults(&with(9)), expected);
    let settings = parse(&with(10)).expect("valid");
    assert_eq!(settings.limits.requests_in_progress, 10);
}

#[test]
fn users_and_systems_are_required() {
    let expected = [
        "1: systems: 1 to 64 systems must be configured",
        "1: users: at least one user must be configured",
    ];
    assert_eq!(faults(""), expected);
}

#[test]
fn no_security_is_allowed_on_loopback_only() {
    let with = |endpoint: &str| {
        format!("[server]\nendpoint = \"{endpoint}\"\nsecurity = [\"None\"]\n{MINIMUM}")
    };
    for endpoint in [
        "opc.tcp://127.0.0.1:4840",
        "opc.tcp://[::1]:4840",
        "opc.tcp://localhost:4840/",
    ] {
        let settings = parse(&with(endpoint)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(settings.server.policies, [Policy::None]);
    }
    for endpoint in [
        "opc.tcp://192.0.2.1:4840",
        "opc.tcp://box-7:4840",
        "opc.tcp://0.0.0.0:4840",
    ] {
        let found = faults(&with(endpoint));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("allowed only if the endpoint is on loopback"),
            "{found:?}"
        );
    }
}

#[test]
fn password_is_not_shown_in_faults() {
    let text = MINIMUM.replace("HASH", "my-secret-password");
    let found = faults(&text);
    assert_eq!(
        found,
        ["3: users.mes.password_hash: must be a hash that `inspectd-opcua hash-password` printed"]
    );
}

#[test]
fn thumbprint_of_a_user_is_read_as_tools_print_it() {
    let with = |text: &str| {
        let text = format!(
            "[users.mes]\nrole = \"operator\"\ncertificate = \"{text}\"\n[systems.c]\ncamera = \"c\"\n"
        );
        parse(&text).map(|settings| match settings.users["mes"].proof {
            Proof::Certificate(bytes) => bytes[0],
            Proof::Password(_) => panic!("a certificate"),
        })
    };
    assert_eq!(with(&"ab".repeat(20)), Ok(0xab));
    assert_eq!(with(&"AB:".repeat(20)), Ok(0xab));
    assert!(with(&"ab".repeat(32)).is_err(), "a SHA-256");
    assert!(with(&"+b".repeat(20)).is_err());
    let twice = format!(
        "[users.a]\nrole = \"viewer\"\ncertificate = \"{0}\"\n[users.b]\nrole = \"viewer\"\ncertificate = \"{0}\"\n\
         [systems.c]\ncamera = \"c\"\n",
        "ab".repeat(20)
    );
    assert_eq!(
        faults(&twice),
        ["6: users.b.certificate: another user has the same certificate"]
    );
}
