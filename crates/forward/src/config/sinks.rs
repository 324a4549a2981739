//! The tables of the sinks.

mod network;

use std::collections::BTreeMap;

use inspectd_client::{ConsumerName, Decision};
use reqwest::Url;

use super::reader::Table;
use super::settings::{
    EvidencePolicy, FileFormat, Files, Filter, Origin, Postgresql, Receiver, SinkSettings, Webhook,
};
use super::{checked, keys};

/// The most bytes of an id: `forward-ID` is the name of a consumer.
const LONGEST_ID: usize = 56;

/// Reads the tables; `None` if one of them has a fault.
pub(super) fn read(tables: &[(String, Table<'_>)], origin: &Origin) -> Option<Vec<SinkSettings>> {
    let sinks: Vec<_> = tables
        .iter()
        .map(|(id, table)| sink(id, table, origin))
        .collect();
    let mut consumers: BTreeMap<&str, &str> = BTreeMap::new();
    for ((_, table), sink) in tables.iter().zip(&sinks) {
        let Some(sink) = sink else { continue };
        if let Some(other) = consumers.insert(sink.consumer.as_str(), &sink.id) {
            let message = format!(
                "is {:?}, which is also the consumer of sinks.{other}: each sink needs its own",
                sink.consumer.as_str()
            );
            table.fault("consumer", message);
        }
    }
    sinks.into_iter().collect()
}

fn sink(id: &str, table: &Table<'_>, origin: &Origin) -> Option<SinkSettings> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    let valid_id = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(allowed);
    if !valid_id {
        table.fault(
            "",
            "the id of a sink must be 1 to 56 of a-z, 0-9, '-' and '_'",
        );
    }
    let consumer = if table.has(&keys::CONSUMER) {
        table.parsed(&keys::CONSUMER)
    } else {
        table.text(&keys::CONSUMER);
        format!("forward-{id}").parse::<ConsumerName>().ok()
    };
    let filter = Filter {
        cameras: table.list(&keys::CAMERAS, |text| Some(text.to_owned())),
        decisions: table.list(&keys::DECISIONS, decision),
    };
    let batch_limit = table.whole(&keys::BATCH_LIMIT);
    let batch_window = table.milliseconds(&keys::BATCH_WINDOW_MS);
    let timeout = table.seconds(&keys::TIMEOUT_S);
    let retry_after = table.seconds(&keys::RETRY_AFTER_S);
    let retry_after_max = table.seconds(&keys::RETRY_AFTER_MAX_S);
    if let (Some(first), Some(most)) = (retry_after, retry_after_max)
        && first > most
    {
        let message = "is less than `retry_after_s`, must be at least that";
        table.fault(keys::RETRY_AFTER_MAX_S.name, message);
    }
    let evidence = table.choice(&keys::EVIDENCE, |text| match text {
        "none" => Some(EvidencePolicy::None),
        "reject" => Some(EvidencePolicy::Reject),
        "all" => Some(EvidencePolicy::All),
        _ => None,
    });
    let dead_letters_max = table.number(&keys::DEAD_LETTERS_MAX_MIB).map(mebibytes);
    let receiver = receiver(id, table, origin);
    if let (Some(receiver), Some(policy)) = (&receiver, evidence) {
        check_evidence(table, receiver, policy);
    }
    Some(SinkSettings {
        id: valid_id.then(|| id.to_owned())?,
        consumer: consumer?,
        filter,
        batch_limit: usize::try_from(batch_limit?).ok()?,
        batch_window: batch_window?,
        timeout: timeout?,
        retry_after: retry_after?,
        retry_after_max: retry_after_max?,
        evidence: evidence?,
        dead_letters_max_bytes: dead_letters_max?,
        receiver: receiver?,
    })
}

/// Only some types of sinks carry evidence; one of them stores only verdicts with evidence.
fn check_evidence(table: &Table<'_>, receiver: &Receiver, policy: EvidencePolicy) {
    let kind = receiver.kind();
    let message = match (receiver, policy) {
        (Receiver::S3(_), EvidencePolicy::None) => {
            format!(
                "is \"none\", must be \"reject\" or \"all\": a sink of type {kind:?} stores evidence"
            )
        }
        (_, EvidencePolicy::Reject | EvidencePolicy::All) if !receiver.carries_evidence() => {
            format!("a sink of type {kind:?} carries no evidence")
        }
        _ => return,
    };
    table.fault(keys::EVIDENCE.name, message);
}

/// MiB as bytes.
fn mebibytes(number: f64) -> u64 {
    (number * 1_048_576.0) as u64
}

fn decision(text: &str) -> Option<Decision> {
    match text {
        "pass" => Some(Decision::Pass),
        "reject" => Some(Decision::Reject),
        "review" => Some(Decision::Review),
        "fault" => Some(Decision::Fault),
        _ => None,
    }
}

fn receiver(id: &str, table: &Table<'_>, origin: &Origin) -> Option<Receiver> {
    // Without a type it is not known which keys belong to it.
    let kind = table.choice(&keys::TYPE, |text| Some(text.to_owned()))?;
    let receiver = match kind.as_str() {
        "files" => files(table).map(Receiver::Files),
        "webhook" => webhook(table).map(Receiver::Webhook),
        "mqtt" => network::mqtt(id, table, origin).map(Receiver::Mqtt),
        "sparkplug" => network::sparkplug(id, table, origin).map(Receiver::Sparkplug),
        "postgresql" => postgresql(table).map(Receiver::Postgresql),
        "nats" => network::nats(table).map(Receiver::Nats),
        _ => network::s3(table).map(Receiver::S3),
    };
    table.finish();
    receiver
}

fn files(table: &Table<'_>) -> Option<Files> {
    let folder = table.path(&keys::FILES_FOLDER);
    let format = table.choice(&keys::FILES_FORMAT, |text| match text {
        "jsonl" => Some(FileFormat::Jsonl),
        "csv" => Some(FileFormat::Csv),
        _ => None,
    });
    let max_bytes = table.number(&keys::FILES_MAX_MIB).map(mebibytes);
    let max_age = table.seconds(&keys::FILES_MAX_AGE_S);
    Some(Files {
        folder: folder?,
        format: format?,
        max_bytes: max_bytes?,
        max_age: max_age?,
    })
}

fn webhook(table: &Table<'_>) -> Option<Webhook> {
    let url = checked(
        table,
        &keys::WEBHOOK_URL,
        table.text(&keys::WEBHOOK_URL),
        |text| {
            Url::parse(text)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        },
    );
    let secret_file = table.path(&keys::WEBHOOK_SECRET_FILE);
    let headers_file = table.path(&keys::WEBHOOK_HEADERS_FILE);
    let ca = table.path(&keys::WEBHOOK_CA);
    Some(Webhook {
        url: url?,
        secret_file,
        headers_file,
        ca,
    })
}

fn postgresql(table: &Table<'_>) -> Option<Postgresql> {
    let server: Option<tokio_postgres::Config> = table.parsed(&keys::SQL_SERVER);
    let server = checked(table, &keys::SQL_SERVER, server, |server| {
        server.get_password().is_none() && !server.get_hosts().is_empty()
    });
    let password_file = table.path(&keys::SQL_PASSWORD_FILE);
    let schema = table.text(&keys::SQL_SCHEMA);
    let schema = checked(table, &keys::SQL_SCHEMA, schema, |text| {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        text.len() <= 63
            && text.bytes().all(allowed)
            && !text.starts_with(|c: char| c.is_ascii_digit())
    });
    let ca = table.path(&keys::SQL_CA);
    Some(Postgresql {
        server: Box::new(server?),
        password_file,
        schema: schema?,
        ca,
    })
}
