//! The validated configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use inspectd_client::{ConsumerName, Decision, Endpoint};
use inspectd_gateway::log::Log;

/// The configuration of the program.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the records come from.
    pub origin: Origin,
    /// Folder of dead letters and memories.
    pub state_folder: PathBuf,
    /// Maximum time for the end of batches in progress.
    pub shutdown_deadline: Duration,
    /// The connection to the daemon.
    pub daemon: Daemon,
    /// Where the state is served; `None`: nowhere.
    pub status_listen: Option<SocketAddr>,
    /// The log.
    pub log: Log,
    /// The sinks, by id.
    pub sinks: Vec<SinkSettings>,
}

/// The names of the box and its site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the box.
    pub box_name: String,
    /// Name of the site.
    pub site: String,
}

/// The connection to the daemon.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// The address.
    pub server: Endpoint,
    /// CA of the daemon's certificate.
    pub ca: Option<PathBuf>,
    /// Certificate and key of this client.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// Silence after which a stream is opened again.
    pub silence_timeout: Duration,
}

/// A sink: the settings of all types, and those of its type.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Its name.
    pub id: String,
    /// The consumer whose position the daemon stores.
    pub consumer: ConsumerName,
    /// What is forwarded.
    pub filter: Filter,
    /// Most records of a batch.
    pub batch_limit: usize,
    /// Time that a batch waits for more records.
    pub batch_window: Duration,
    /// Time for the confirmation of a batch.
    pub timeout: Duration,
    /// First pause after a failure.
    pub retry_after: Duration,
    /// Longest pause after a failure.
    pub retry_after_max: Duration,
    /// Verdicts whose evidence is sent along.
    pub evidence: EvidencePolicy,
    /// Maximum size of the file of dead letters.
    pub dead_letters_max_bytes: u64,
    /// What receives the records.
    pub receiver: Receiver,
}

/// The verdicts that a sink forwards. An empty list does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Ids of cameras, and `group:ID` for parts.
    pub cameras: Vec<String>,
    /// Decisions.
    pub decisions: Vec<Decision>,
}

/// The verdicts whose evidence is sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidencePolicy {
    /// None.
    None,
    /// Those with the decision REJECT.
    Reject,
    /// All whose evidence is kept.
    All,
}

/// A receiver by its type.
#[derive(Clone, Debug)]
pub enum Receiver {
    /// Files of this machine.
    Files(Files),
    /// An HTTP server.
    Webhook(Webhook),
    /// An MQTT broker.
    Mqtt(Mqtt),
    /// A host application of Sparkplug B, behind an MQTT broker.
    Sparkplug(Sparkplug),
    /// A database.
    Postgresql(Postgresql),
    /// A NATS server or cluster.
    Nats(Nats),
    /// An object store, for evidence.
    S3(S3),
}

impl Receiver {
    /// Whether it can store frames and heatmaps.
    pub fn carries_evidence(&self) -> bool {
        matches!(self, Self::Files(_) | Self::S3(_))
    }

    /// The name of its type in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Files(_) => "files",
            Self::Webhook(_) => "webhook",
            Self::Mqtt(_) => "mqtt",
            Self::Sparkplug(_) => "sparkplug",
            Self::Postgresql(_) => "postgresql",
            Self::Nats(_) => "nats",
            Self::S3(_) => "s3",
        }
    }
}

/// Files of this machine.
#[derive(Clone, Debug)]
pub struct Files {
    /// Their folder.
    pub folder: PathBuf,
    /// The form of a record.
    pub format: FileFormat,
    /// Size after which a file is closed, bytes.
    pub max_bytes: u64,
    /// Age after which a file is closed.
    pub max_age: Duration,
}

/// The form of a record in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// A JSON object on a line.
    Jsonl,
    /// A line of comma-separated values.
    Csv,
}

/// An HTTP server.
#[derive(Clone)]
pub struct Webhook {
    /// The address; may contain a secret.
    pub url: String,
    /// File with the secret of the signature.
    pub secret_file: Option<PathBuf>,
    /// File with headers.
    pub headers_file: Option<PathBuf>,
    /// CAs of the server's certificate.
    pub ca: Option<PathBuf>,
}

/// Without the URL, which may contain a secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

/// The connection to an MQTT broker.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS, if the address asks for it.
    pub tls: Option<TlsFiles>,
    /// Id of the client.
    pub client_id: String,
    /// User and file with the password.
    pub login: Option<(String, PathBuf)>,
}

/// An MQTT broker.
#[derive(Clone, Debug)]
pub struct Mqtt {
    /// The connection.
    pub broker: Broker,
    /// Version of the protocol.
    pub version: MqttVersion,
    /// Payload of a verdict.
    pub payload: Payload,
    /// First levels of all topics.
    pub topic_prefix: String,
}

/// A host application of Sparkplug B, behind an MQTT broker.
#[derive(Clone, Debug)]
pub struct Sparkplug {
    /// The connection.
    pub broker: Broker,
    /// The group id.
    pub group: String,
    /// The host id of the primary host application.
    pub primary_host: Option<String>,
}

/// Version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    /// 3.1.1.
    V3,
    /// 5.
    V5,
}

/// Payload of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A JSON object.
    Json,
    /// The message `inspectd.v1.Verdict`.
    Protobuf,
}

/// Files of a TLS client.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// CAs of the server's certificate. `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// Certificate and key of this client.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A database.
#[derive(Clone, Debug)]
pub struct Postgresql {
    /// The connection, without password.
    pub server: Box<tokio_postgres::Config>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Schema of the tables.
    pub schema: String,
    /// CAs of the server's certificate.
    pub ca: Option<PathBuf>,
}

/// A NATS server or cluster.
#[derive(Clone, Debug)]
pub struct Nats {
    /// Addresses of the servers.
    pub servers: Vec<String>,
    /// TLS, if an address asks for it.
    pub tls: Option<TlsFiles>,
    /// How the client authenticates.
    pub login: Option<NatsLogin>,
    /// Payload of a verdict.
    pub payload: Payload,
    /// First tokens of all subjects.
    pub subject_prefix: String,
    /// The stream that is created if it does not exist.
    pub stream: Option<NatsStream>,
}

/// How a client of NATS authenticates.
#[derive(Clone, Debug)]
pub enum NatsLogin {
    /// User and file with the password.
    Password(String, PathBuf),
    /// File with a JWT and a key.
    Credentials(PathBuf),
}

/// A stream of JetStream.
#[derive(Clone, Debug)]
pub struct NatsStream {
    /// Its name.
    pub name: String,
    /// The number of servers that store it.
    pub replicas: usize,
    /// Time in which a repeated message is recognised.
    pub duplicate_window: Duration,
}

/// An object store with the interface of S3.
#[derive(Clone, Debug)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// The region.
    pub region: String,
    /// Address of the store; `None`: that of AWS.
    pub endpoint: Option<String>,
    /// File with the id and the secret of the access key.
    pub credentials_file: PathBuf,
    /// First part of the names of all objects.
    pub prefix: String,
    /// Whether the bucket is in the path of the address instead of the host name.
    pub path_style: bool,
}
