//! Files with and without faults, and the documentation of the keys.

use std::fmt::Write as _;
use std::time::Duration;

use inspectd_client::Decision;

use super::*;

const SMALLEST: &str = "[sinks.archive]\ntype = \"files\"\nfolder = \"records\"\n";

fn parsed(text: &str) -> Settings {
    parse(text, Path::new("/etc/inspectd"), "box-7").unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The faults of a text, each as a line.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(text, Path::new("/etc/inspectd"), "box-7").expect_err("faults");
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn smallest_file_has_the_defaults() {
    let settings = parsed(SMALLEST);
    assert_eq!(settings.origin.box_name, "box-7");
    assert_eq!(
        settings.state_folder,
        Path::new("/var/lib/inspectd-forward")
    );
    assert_eq!(
        settings.daemon.server.address(),
        "unix:/run/inspectd/inspectd.sock"
    );
    assert_eq!(
        settings.status_listen,
        Some("127.0.0.1:9465".parse().expect("an address"))
    );
    let sink = &settings.sinks[0];
    assert_eq!(
        (sink.id.as_str(), sink.consumer.as_str()),
        ("archive", "forward-archive")
    );
    assert_eq!(
        (sink.batch_limit, sink.batch_window),
        (500, Duration::from_millis(200))
    );
    assert_eq!(sink.dead_letters_max_bytes, 256 << 20);
    let Receiver::Files(files) = &sink.receiver else {
        panic!("{sink:?}")
    };
    assert_eq!(files.folder, Path::new("/etc/inspectd/records"));
    assert_eq!(
        (files.format, files.max_bytes),
        (FileFormat::Jsonl, 64 << 20)
    );
}

#[test]
fn all_faults_of_a_file_are_reported_at_once_with_their_lines() {
    let text = "\
site = \"plant a\"
[daemon]
server = \"box\"
certificate = \"a.pem\"
[status]
listen = \"9465\"
[sinks.mes]
type = \"webhook\"
url = \"ftp://secret@box\"
batch_limit = 0
decisions = [\"good\"]
retry_after_s = 9
retry_after_max_s = 3
evidence = \"all\"
colour = 1
[sinks.\"A B\"]
type = \"files\"
[sinks.other]
type = \"fax\"
";
    let found = faults(text);
    for line in [
        "line 1: site: must be 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'",
        "line 3: daemon.server: is \"box\", must be http://HOST:PORT, https://HOST:PORT or unix:/PATH",
        "line 4: daemon.certificate: requires `key`",
        "line 6: status.listen: must be an IP address and a port, such as \"127.0.0.1:9465\", or \"off\"",
        "line 9: sinks.mes.url: must be a URL that begins with http:// or https://",
        "line 10: sinks.mes.batch_limit: is 0, must be a whole number, 1 to 10000, records",
        "line 11: sinks.mes.decisions: is a list, must be a list of \"pass\", \"reject\", \"review\" or \"fault\"",
        "line 13: sinks.mes.retry_after_max_s: is less than `retry_after_s`, must be at least that",
        "line 19: sinks.other.type: is \"fax\", must be \"files\", \"webhook\", \"mqtt\", \"sparkplug\", \"postgresql\", \"nats\" or \"s3\"",
    ] {
        assert!(
            found.iter().any(|one| one == line),
            "{line} is not in {found:#?}"
        );
    }
    assert!(
        found
            .iter()
            .any(|one| one.starts_with("line 15: sinks.mes.colour: is not a key here")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|one| one.contains("the id of a sink must be")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|one| one.ends_with("sinks.A B.folder: is missing, must be a path")),
        "{found:#?}"
    );
    assert!(
        !found.iter().any(|one| one.contains("secret@")),
        "{found:#?}"
    );
}

#[test]
fn faults_of_single_keys_name_what_is_allowed() {
    let check = |sink: &str, expected: &str| {
        let text = format!("[sinks.a]\n{sink}\n");
        let found = faults(&text);
        assert!(
            found.iter().any(|one| one.contains(expected)),
            "{expected} is not in {found:?}"
        );
    };
    check(
        "type = \"mqtt\"\nserver = \"broker:1883\"",
        "sinks.a.server: must be mqtt://HOST:PORT",
    );
    check(
        "type = \"mqtt\"\nserver = \"mqtt://broker:1883\"\nca = \"a\"",
        "certificates require mqtts://",
    );
    check(
        "type = \"mqtt\"\nserver = \"mqtt://broker:1883\"\nuser = \"a\"",
        "sinks.a.user: requires `password_file`",
    );
    check(
        "type = \"mqtt\"\nserver = \"mqtt://broker:1883\"\ntopic_prefix = \"a/#\"",
        "without '+' and '#'",
    );
    check(
        "type = \"sparkplug\"\nserver = \"mqtt://broker:1883\"\nkey = \"a\"",
        "sinks.a.key: requires `certificate`",
    );
    check(
        "type = \"sparkplug\"\nserver = \"mqtt://broker:1883\"\ngroup = \"a/b\"",
        "sinks.a.group: must be 1 to 64 of",
    );
    check(
        "type = \"sparkplug\"\nserver = \"mqtt://broker:1883\"\nprimary_host = \"a/b\"",
        "sinks.a.primary_host: must be 1 to 128 characters",
    );
    check(
        "type = \"sparkplug\"\nserver = \"mqtt://broker:1883\"\ntopic_prefix = \"a\"",
        "sinks.a.topic_prefix: is not a key here",
    );
    check(
        "type = \"sparkplug\"\nserver = \"mqtt://broker:1883\"\nevidence = \"all\"",
        "carries no evidence",
    );
    check(
        "type = \"postgresql\"\nserver = \"postgresql://a:b@db/c\"",
        "without a password",
    );
    check(
        "type = \"postgresql\"\nserver = \"postgresql://a@db/c\"\nschema = \"A\"",
        "not beginning with a digit",
    );
    check(
        "type = \"webhook\"\nurl = \"http://a\"\nevidence = \"all\"",
        "carries no evidence",
    );
    check("", "sinks.a.type: is missing, must be \"files\"");
    assert_eq!(
        faults("sinks = 1"),
        [
            "line 1: sinks: is 1, must be a table",
            "line 1: sinks: is missing, must have a table for each sink: [sinks.ID]",
        ]
    );
    assert_eq!(
        faults(""),
        ["sinks: is missing, must have a table for each sink: [sinks.ID]"]
    );
    assert!(faults("a = ")[0].starts_with("line 1: "));
}

#[test]
fn keys_of_sparkplug_have_their_defaults_and_may_be_set() {
    let check = |keys: &str, group: &str, host: Option<&str>, client: &str, tls: bool| {
        let text = format!("site = \"plant-a\"\n[sinks.line]\ntype = \"sparkplug\"\n{keys}\n");
        let settings = parsed(&text);
        let Receiver::Sparkplug(sparkplug) = &settings.sinks[0].receiver else {
            panic!("{settings:?}")
        };
        let broker = &sparkplug.broker;
        assert_eq!((broker.host.as_str(), broker.port), ("broker", 1883));
        assert_eq!(sparkplug.group, group);
        assert_eq!(sparkplug.primary_host.as_deref(), host);
        assert_eq!(broker.client_id, client);
        assert_eq!((broker.tls.is_some(), broker.login.is_some()), (tls, tls));
    };
    check(
        "server = \"mqtt://broker:1883\"",
        "plant-a",
        None,
        "inspectd-box-7-line",
        false,
    );
    check(
        "server = \"mqtts://broker:1883\"\ngroup = \"line-1\"\nprimary_host = \"scada\"\nclient_id = \"c\"\n\
         user = \"u\"\npassword_file = \"p\"\nca = \"ca.pem\"",
        "line-1",
        Some("scada"),
        "c",
        true,
    );
}

#[test]
fn two_sinks_with_one_consumer_are_refused() {
    let sink = |id: &str| {
        format!("[sinks.{id}]\ntype = \"files\"\nfolder = \"{id}\"\nconsumer = \"mes\"\n")
    };
    let found = faults(&(sink("a") + &sink("b")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("is \"mes\", which is also the consumer of sinks.a"),
        "{found:?}"
    );
}

#[test]
fn example_is_a_valid_configuration() {
    let text = include_str!("../../../../examples/forward.toml");
    let settings = parsed(text);
    let kinds: Vec<_> = settings
        .sinks
        .iter()
        .map(|sink| sink.receiver.kind())
        .collect();
    for kind in [
        "files",
        "webhook",
        "mqtt",
        "sparkplug",
        "postgresql",
        "nats",
        "s3",
    ] {
        assert!(kinds.contains(&kind), "{kind} is not in the example");
    }
    let rejects = settings
        .sinks
        .iter()
        .find(|sink| sink.id == "rejects")
        .expect("the sink rejects");
    assert_eq!(
        rejects.filter.decisions,
        [Decision::Reject, Decision::Fault]
    );
}

/// The tables of the keys as they are in the documentation.
fn documentation() -> String {
    let mut text = String::new();
    for section in keys::SECTIONS {
        let heading = if section.heading.starts_with("The") {
            section.heading.to_owned()
        } else {
            format!("`{}`", section.heading)
        };
        writeln!(text, "### {heading}\n\n{}\n", section.doc).expect("memory");
        text.push_str("| key | value | default | what it does |\n|---|---|---|---|\n");
        for key in section.keys {
            let default = match key.default {
                key::Default::Required => "required".to_owned(),
                key::Default::Unset => "unset".to_owned(),
                key::Default::Value(value) => format!("`{value}`"),
            };
            let (name, kind, doc) = (key.name, key.kind, key.doc);
            writeln!(text, "| `{name}` | {kind} | {default} | {doc} |").expect("memory");
        }
        text.push('\n');
    }
    text
}

#[test]
fn manual_has_the_tables_of_all_keys() {
    const BEGIN: &str =
        "<!-- keys: generated from the code; UPDATE_DOCS=1 cargo test writes them -->\n\n";
    const END: &str = "<!-- end of keys -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/forward.md");
    let text = std::fs::read_to_string(path).expect("docs/forward.md");
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the keys");
    let (written, after) = rest.split_once(END).expect("the end of the keys");
    let expected = documentation();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let text = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(path, text).expect("written");
        return;
    }
    assert_eq!(
        written, expected,
        "run UPDATE_DOCS=1 cargo test -p inspectd-forward"
    );
}
