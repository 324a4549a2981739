//! All keys of the configuration, by table. `docs/forward.md` lists them from here.

use super::key::Default::{Required, Unset, Value};
use super::key::Kind::{Choice, List, Number, Path, Secret, Text, Whole};
use super::key::{Default, Key, Kind};

/// The keys of a table, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The heading, such as `[daemon]`.
    pub heading: &'static str,
    /// What the table is for.
    pub doc: &'static str,
    /// Its keys.
    pub keys: &'static [&'static Key],
}

const fn key(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
    }
}

macro_rules! keys {
    ($($(#[$meta:meta])* $constant:ident = $name:literal, $kind:expr, $default:expr, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $constant: Key = key($name, $kind, $default, $doc);)*
    };
}

/// The name of a box or a site, which is a level of topics.
pub const NAME: &str = "1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'";
/// The name of a consumer.
const CONSUMER_NAME: &str = "1 to 64 of a-z, 0-9, '-' and '_'";
const LISTEN: &str = "an IP address and a port, such as \"127.0.0.1:9465\", or \"off\"";

keys! {
    BOX = "box", Text(NAME), Unset, "Name of this box: the first part of the id of each record. It must not change, and no other box may have it. Unset: the host name.";
    SITE = "site", Text(NAME), Value("site"), "Name of the site that the box belongs to, for topics and records.";
    STATE_FOLDER = "state_folder", Path, Value("/var/lib/inspectd-forward"), "Folder of the dead letters, and of what the program remembers of each sink. Created if it does not exist.";
    SHUTDOWN_DEADLINE_S = "shutdown_deadline_s", Number(0.1, 300.0, "seconds"), Value("10"), "Maximum time for the end of the batches in progress after SIGTERM; what is not confirmed by then is sent again after the next start.";

    SERVER = "server", Text("http://HOST:PORT, https://HOST:PORT or unix:/PATH"), Value("unix:/run/inspectd/inspectd.sock"), "Address of the daemon.";
    CA = "ca", Path, Unset, "CA of the daemon's certificate, PEM; required for https://.";
    CERTIFICATE = "certificate", Path, Unset, "Certificate of this client, PEM. Requires `key`.";
    CLIENT_KEY = "key", Path, Unset, "Private key of the certificate, PEM.";
    TOKEN_FILE = "token_file", Path, Unset, "File with the token of this client.";
    SILENCE_TIMEOUT_S = "silence_timeout_s", Number(1.0, 86400.0, "seconds"), Value("20"), "A stream without a message for this long is opened again, or for three of the intervals that the heartbeats of the daemon state, if that is longer.";

    STATUS_LISTEN = "listen", Text(LISTEN), Value("127.0.0.1:9465"), "Address that serves `/healthz`, `/metrics` and `/status`. `off`: not served.";

    LOG_FILTER = "filter", Text("a filter of tracing, such as \"info,inspectd_forward=debug\""), Value("info"), "Filter of log messages, in the syntax of tracing's `EnvFilter`.";
    LOG_FORMAT = "format", Choice(&["auto", "text", "json", "journald"]), Value("auto"), "Destination and format. `text` and `json` go to standard error, `journald` to the systemd journal with its fields. `auto` is `journald` if systemd reads standard error, otherwise `text`.";

    TYPE = "type", Choice(&["files", "webhook", "mqtt", "sparkplug", "postgresql", "nats", "s3"]), Required, "What receives the records.";
    CONSUMER = "consumer", Text(CONSUMER_NAME), Unset, "Name of the consumer whose position the daemon stores. A sink with another name begins with the oldest verdict that is kept. Unset: `forward-ID`.";
    CAMERAS = "cameras", List("ids of cameras"), Unset, "Cameras whose verdicts are forwarded. The verdict of a part has no camera: `group:ID` selects those of a group. Unset: all.";
    DECISIONS = "decisions", List("\"pass\", \"reject\", \"review\" or \"fault\""), Unset, "Decisions that are forwarded. Unset: all.";
    BATCH_LIMIT = "batch_limit", Whole(1, 10_000, "records"), Value("500"), "Maximum number of records that are sent, confirmed and acknowledged together. Twice as many are held in memory.";
    BATCH_WINDOW_MS = "batch_window_ms", Number(0.0, 60_000.0, "milliseconds"), Value("200"), "Time that a batch waits for more records after the first.";
    TIMEOUT_S = "timeout_s", Number(0.1, 600.0, "seconds"), Value("30"), "Maximum time for the confirmation of a batch; then it is sent again.";
    RETRY_AFTER_S = "retry_after_s", Number(0.01, 3600.0, "seconds"), Value("0.5"), "First pause before a batch is sent again. Each failure doubles the pause, and a random part of up to half of it is left out.";
    RETRY_AFTER_MAX_S = "retry_after_max_s", Number(0.01, 86_400.0, "seconds"), Value("60"), "Maximum pause; at least `retry_after_s`.";
    EVIDENCE = "evidence", Choice(&["none", "reject", "all"]), Value("none"), "Verdicts whose frame and heatmap are sent along, if the daemon still has them. Only for sinks that can carry them: `files` and `s3`.";
    DEAD_LETTERS_MAX_MIB = "dead_letters_max_mib", Number(0.001, 1_048_576.0, "MiB"), Value("256"), "Maximum size of the file of dead letters. At the maximum the sink waits until the file is moved away.";

    FILES_FOLDER = "folder", Path, Required, "Folder of the files. Created if it does not exist.";
    FILES_FORMAT = "format", Choice(&["jsonl", "csv"]), Value("jsonl"), "One JSON object or one line of CSV for each record.";
    FILES_MAX_MIB = "max_mib", Number(0.001, 1_048_576.0, "MiB"), Value("64"), "A file that is larger is closed, and a new one is begun.";
    FILES_MAX_AGE_S = "max_age_s", Number(1.0, 31_536_000.0, "seconds"), Value("86400"), "A file that was begun longer ago is closed, and a new one is begun with the next record.";

    WEBHOOK_URL = "url", Secret("a URL that begins with http:// or https://"), Required, "Address that batches are posted to. It is not shown in the log.";
    WEBHOOK_SECRET_FILE = "secret_file", Path, Unset, "File with the secret of the signature: `whsec_` and base64, or any other text of at least 16 bytes. Unset: requests are not signed.";
    WEBHOOK_HEADERS_FILE = "headers_file", Path, Unset, "File with headers that are sent with each request, such as a token: one `name: value` on a line.";
    WEBHOOK_CA = "ca", Path, Unset, "CAs that the server's certificate is checked with, PEM. Unset: those of the system.";

    MQTT_SERVER = "server", Text("mqtt://HOST:PORT or mqtts://HOST:PORT"), Required, "Address of the broker. `mqtts` is TLS.";
    MQTT_VERSION = "version", Choice(&["3.1.1", "5"]), Value("5"), "Version of the protocol.";
    MQTT_CLIENT_ID = "client_id", Text("1 to 128 characters"), Unset, "Id of the client at the broker. Unset: `inspectd-BOX-ID`.";
    MQTT_USER = "user", Text("a text"), Unset, "Name of the user. Requires `password_file`.";
    MQTT_PASSWORD_FILE = "password_file", Path, Unset, "File with the password of the user.";
    MQTT_PAYLOAD = "payload", Choice(&["json", "protobuf"]), Value("json"), "Payload of a verdict: the JSON object, or the message `inspectd.v1.Verdict`. Gaps and the state are always JSON.";
    MQTT_TOPIC_PREFIX = "topic_prefix", Text("levels of a topic without '+' and '#'"), Value("inspectd"), "First levels of all topics.";
    MQTT_CA = "ca", Path, Unset, "CAs that the broker's certificate is checked with, PEM. Unset: those of the system. Only with `mqtts`.";
    MQTT_CERTIFICATE = "certificate", Path, Unset, "Certificate of this client, PEM. Requires `key`. Only with `mqtts`.";
    MQTT_KEY = "key", Path, Unset, "Private key of the certificate, PEM.";

    SPARKPLUG_GROUP = "group", Text(NAME), Unset, "Group id of the edge node. The edge node id is `box`. Unset: `site`.";
    SPARKPLUG_PRIMARY_HOST = "primary_host", Text("1 to 128 characters without '+', '#' and '/'"), Unset, "Host id of the primary host application. While its STATE is not online, nothing is published; the journal of the daemon keeps the verdicts. Unset: verdicts are published whether or not a host is there.";

    SQL_SERVER = "server", Secret("a connection string such as \"postgresql://inspectd@db.plant/inspectd\", without a password"), Required, "Connection of PostgreSQL, without the password.";
    SQL_PASSWORD_FILE = "password_file", Path, Unset, "File with the password.";
    SQL_SCHEMA = "schema", Text("1 to 63 of a-z, 0-9 and '_', not beginning with a digit"), Value("public"), "Schema of the tables. Created if it does not exist.";
    SQL_CA = "ca", Path, Unset, "CAs that the server's certificate is checked with, PEM; the connection then requires TLS. Unset: those of the system if `sslmode=require` is in `server`.";

    NATS_SERVERS = "servers", List("nats://HOST:PORT or tls://HOST:PORT"), Required, "Addresses of the servers of a cluster, or of one server. `tls` is TLS.";
    NATS_USER = "user", Text("a text"), Unset, "Name of the user. Requires `password_file`.";
    NATS_PASSWORD_FILE = "password_file", Path, Unset, "File with the password of the user.";
    NATS_CREDENTIALS_FILE = "credentials_file", Path, Unset, "File with a JWT and a key, as `nsc` writes it. Instead of `user`.";
    NATS_PAYLOAD = "payload", Choice(&["json", "protobuf"]), Value("json"), "Payload of a verdict: the JSON object, or the message `inspectd.v1.Verdict`. Gaps are always JSON.";
    NATS_SUBJECT_PREFIX = "subject_prefix", Text("tokens of a subject without '*', '>' and blanks"), Value("inspectd"), "First tokens of all subjects.";
    NATS_STREAM = "stream", Text("1 to 64 of a-z, A-Z, 0-9, '-' and '_'"), Unset, "Stream that is created for `PREFIX.>` if it does not exist. Unset: a stream for these subjects must exist.";
    NATS_REPLICAS = "replicas", Whole(1, 5, "servers"), Value("1"), "Number of servers that store the stream, when it is created.";
    NATS_DUPLICATE_WINDOW_S = "duplicate_window_s", Number(1.0, 604_800.0, "seconds"), Value("3600"), "Time in which the stream recognises a repeated record by its id, when it is created. Must be longer than the program can be away between a record and its repetition.";
    NATS_CA = "ca", Path, Unset, "CAs that the servers' certificates are checked with, PEM. Unset: those of the system. Only with `tls`.";

    S3_BUCKET = "bucket", Text("3 to 63 of a-z, 0-9, '-' and '.'"), Required, "Bucket of the objects. It must exist.";
    S3_REGION = "region", Text("a text"), Value("us-east-1"), "Region of the bucket.";
    S3_ENDPOINT = "endpoint", Text("a URL that begins with http:// or https://"), Unset, "Address of the store. Unset: that of AWS in the region.";
    S3_CREDENTIALS_FILE = "credentials_file", Path, Required, "File with the id of the access key on the first line and its secret on the second.";
    S3_PREFIX = "prefix", Text("a path without a leading and a final '/'"), Value("inspectd"), "First part of the names of all objects.";
    S3_PATH_STYLE = "addressing", Choice(&["path", "host"]), Value("path"), "Whether the bucket is in the path of the address, or in its host name.";
}

/// All tables, in the order of the documentation.
pub const SECTIONS: &[Section] = &[
    Section {
        heading: "The file itself",
        doc: "Keys before the first table.",
        keys: &[&BOX, &SITE, &STATE_FOLDER, &SHUTDOWN_DEADLINE_S],
    },
    Section {
        heading: "[daemon]",
        doc: "The connection to the daemon. The keys have the names of `inspectctl`'s options. Over TCP the client needs the role `operator` ([access.md](access.md)).",
        keys: &[
            &SERVER,
            &CA,
            &CERTIFICATE,
            &CLIENT_KEY,
            &TOKEN_FILE,
            &SILENCE_TIMEOUT_S,
        ],
    },
    Section {
        heading: "[status]",
        doc: "The state of the program over HTTP.",
        keys: &[&STATUS_LISTEN],
    },
    Section {
        heading: "[log]",
        doc: "The log.",
        keys: &[&LOG_FILTER, &LOG_FORMAT],
    },
    Section {
        heading: "[sinks.ID]",
        doc: "One table for each sink, at least one. `ID` is its name: 1 to 56 of `a`-`z`, `0`-`9`, `-` and `_`. These keys exist for every type.",
        keys: &[
            &TYPE,
            &CONSUMER,
            &CAMERAS,
            &DECISIONS,
            &BATCH_LIMIT,
            &BATCH_WINDOW_MS,
            &TIMEOUT_S,
            &RETRY_AFTER_S,
            &RETRY_AFTER_MAX_S,
            &EVIDENCE,
            &DEAD_LETTERS_MAX_MIB,
        ],
    },
    Section {
        heading: "type = \"files\"",
        doc: "Files of this machine.",
        keys: &[
            &FILES_FOLDER,
            &FILES_FORMAT,
            &FILES_MAX_MIB,
            &FILES_MAX_AGE_S,
        ],
    },
    Section {
        heading: "type = \"webhook\"",
        doc: "An HTTP server.",
        keys: &[
            &WEBHOOK_URL,
            &WEBHOOK_SECRET_FILE,
            &WEBHOOK_HEADERS_FILE,
            &WEBHOOK_CA,
        ],
    },
    Section {
        heading: "type = \"mqtt\"",
        doc: "An MQTT broker.",
        keys: &[
            &MQTT_SERVER,
            &MQTT_VERSION,
            &MQTT_CLIENT_ID,
            &MQTT_USER,
            &MQTT_PASSWORD_FILE,
            &MQTT_PAYLOAD,
            &MQTT_TOPIC_PREFIX,
            &MQTT_CA,
            &MQTT_CERTIFICATE,
            &MQTT_KEY,
        ],
    },
    Section {
        heading: "type = \"sparkplug\"",
        doc: "Sparkplug B 3.0, over a broker of MQTT 3.1.1.",
        keys: &[
            &MQTT_SERVER,
            &SPARKPLUG_GROUP,
            &SPARKPLUG_PRIMARY_HOST,
            &MQTT_CLIENT_ID,
            &MQTT_USER,
            &MQTT_PASSWORD_FILE,
            &MQTT_CA,
            &MQTT_CERTIFICATE,
            &MQTT_KEY,
        ],
    },
    Section {
        heading: "type = \"postgresql\"",
        doc: "A database of PostgreSQL 13 or later.",
        keys: &[&SQL_SERVER, &SQL_PASSWORD_FILE, &SQL_SCHEMA, &SQL_CA],
    },
    Section {
        heading: "type = \"nats\"",
        doc: "NATS JetStream.",
        keys: &[
            &NATS_SERVERS,
            &NATS_USER,
            &NATS_PASSWORD_FILE,
            &NATS_CREDENTIALS_FILE,
            &NATS_PAYLOAD,
            &NATS_SUBJECT_PREFIX,
            &NATS_STREAM,
            &NATS_REPLICAS,
            &NATS_DUPLICATE_WINDOW_S,
            &NATS_CA,
        ],
    },
    Section {
        heading: "type = \"s3\"",
        doc: "An object store with the interface of S3, for evidence. `evidence` must be `reject` or `all`.",
        keys: &[
            &S3_BUCKET,
            &S3_REGION,
            &S3_ENDPOINT,
            &S3_CREDENTIALS_FILE,
            &S3_PREFIX,
            &S3_PATH_STYLE,
        ],
    },
];
