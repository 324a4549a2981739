//! A PostgreSQL database: batches are copied into a temporary table and inserted from there, so that a repeated record
//! changes nothing.

mod columns;
mod migrations;

use std::pin::pin;

use async_trait::async_trait;
use inspectd_client::Evidence;
use tokio::task::JoinHandle;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::columns::COLUMNS;
use super::{Failure, Rejected, Sink, read_secret, root_cause};
use crate::config::{Postgresql, TlsFiles};
use crate::record::{Gap, GapRecord, Record, VerdictRecord};
use crate::tls;

/// A PostgreSQL database.
pub struct PostgresqlSink {
    settings: Postgresql,
    connection: Option<Connection>,
}

/// A connection, with the task that it needs.
struct Connection {
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PostgresqlSink {
    /// A database with these settings. It is connected with the first call.
    pub fn new(settings: Postgresql) -> Self {
        Self {
            settings,
            connection: None,
        }
    }

    /// The connection, with the tables in their newest version. No failure of it concerns the records.
    async fn client(&mut self) -> Result<&mut Client, Failure> {
        if self.connection.is_none() {
            let mut connection = self.connect().await?;
            migrations::migrate(&mut connection.client, &self.settings.schema).await?;
            let prepared = connection.client.batch_execute(&session_sql()).await;
            prepared.map_err(|error| transient(&error))?;
            self.connection = Some(connection);
        }
        Ok(&mut self.connection.as_mut().expect("it was just opened").client)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let mut config: Config = (*self.settings.server).clone();
        config.application_name("inspectd-forward");
        if let Some(file) = &self.settings.password_file {
            config.password(read_secret(file)?);
        }
        let secure = self.settings.ca.is_some() || config.get_ssl_mode() == SslMode::Require;
        let connected = if secure {
            config.ssl_mode(SslMode::Require);
            let files = TlsFiles {
                ca: self.settings.ca.clone(),
                identity: None,
            };
            let tls = tls::client_config(&files).map_err(Failure::transient)?;
            let connected = config.connect(MakeRustlsConnect::new(tls)).await;
            connected.map(|(client, connection)| (client, tokio::spawn(end(connection))))
        } else {
            config.ssl_mode(SslMode::Disable);
            let connected = config.connect(NoTls).await;
            connected.map(|(client, connection)| (client, tokio::spawn(end(connection))))
        };
        let (client, task) = connected.map_err(|error| transient(&error))?;
        Ok(Connection { client, task })
    }
}

/// Runs a connection until its end. Its errors are those of the calls that it interrupts.
async fn end(connection: impl Future<Output = Result<(), Error>>) {
    let _ = connection.await;
}

/// What each connection needs: commits that are on the disk, and a temporary table.
fn session_sql() -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(name, kind, _)| format!("{name} {}", kind.name()))
        .collect();
    format!(
        "SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') = 'off';
         CREATE TEMPORARY TABLE incoming ({}) ON COMMIT DELETE ROWS;",
        columns.join(", ")
    )
}

fn names() -> String {
    COLUMNS
        .iter()
        .map(|(name, _, _)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn insert_sql() -> String {
    let values: Vec<String> = COLUMNS
        .iter()
        .map(|(name, _, cast)| cast.map_or((*name).to_owned(), |cast| format!("{name}::{cast}")))
        .collect();
    format!(
        "INSERT INTO inspectd_verdicts ({}) SELECT {} FROM incoming ON CONFLICT DO NOTHING",
        names(),
        values.join(", ")
    )
}

/// Stores the records in one transaction.
async fn store(client: &mut Client, records: &[Record]) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let verdicts: Vec<&VerdictRecord> = records
        .iter()
        .filter_map(|record| match record {
            Record::Verdict(record) => Some(&**record),
            Record::Gap(_) => None,
        })
        .collect();
    if !verdicts.is_empty() {
        copy(&transaction, &verdicts).await?;
        transaction.execute(&insert_sql(), &[]).await?;
    }
    for record in records {
        if let Record::Gap(gap) = record {
            store_gap(&transaction, gap).await?;
        }
    }
    transaction.commit().await
}

async fn copy(transaction: &Transaction<'_>, verdicts: &[&VerdictRecord]) -> Result<(), Error> {
    let sql = format!("COPY incoming ({}) FROM STDIN BINARY", names());
    let sink = transaction.copy_in(&sql).await?;
    let types: Vec<Type> = COLUMNS.iter().map(|(_, kind, _)| kind.clone()).collect();
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for verdict in verdicts {
        let values = columns::values(verdict);
        let values: Vec<&(dyn ToSql + Sync)> = values
            .iter()
            .map(|value| &**value as &(dyn ToSql + Sync))
            .collect();
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}

async fn store_gap(transaction: &Transaction<'_>, record: &GapRecord) -> Result<(), Error> {
    let sequences = record.gap.sequences();
    let first = sequences.map(|(first, _)| first.cast_signed());
    let last = sequences.map(|(_, last)| last.cast_signed());
    let previous = match record.gap {
        Gap::JournalReplaced { previous } | Gap::SequencesRestarted { previous } => {
            Some(previous.cast_signed())
        }
        _ => None,
    };
    let time = std::time::SystemTime::try_from(record.time).ok();
    let sql = "INSERT INTO inspectd_gaps
        (id, box, site, reason, first_sequence, last_sequence, missed, epoch, previous_epoch, time)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
    let values: &[&(dyn ToSql + Sync)] = &[
        &record.id,
        &record.origin.box_name,
        &record.origin.site,
        &record.gap.reason(),
        &first,
        &last,
        &record.gap.missed().cast_signed(),
        &record.epoch.cast_signed(),
        &previous,
        &time,
    ];
    transaction.execute(sql, values).await.map(|_| ())
}

/// The failure of a batch. Some errors concern its records: their data (class 22), a constraint (23), or a limit of a row (54).
fn failure_of_batch(error: &Error) -> Failure {
    let concerns_records = error.code().is_some_and(|code| {
        ["22", "23", "54"]
            .iter()
            .any(|class| code.code().starts_with(class))
    });
    if concerns_records {
        Failure::Refused(reason(error))
    } else {
        transient(error)
    }
}

/// The failure of anything else, such as the connection or a migration: no record is refused because of it.
fn transient(error: &Error) -> Failure {
    Failure::transient(reason(error))
}

fn reason(error: &Error) -> String {
    let Some(database) = error.as_db_error() else {
        return root_cause(error);
    };
    let reason = format!("{} ({})", database.message(), database.code().code());
    match database.detail() {
        Some(detail) => format!("{reason}: {detail}"),
        None => reason,
    }
}

#[async_trait]
impl Sink for PostgresqlSink {
    async fn check(&mut self) -> Result<String, Failure> {
        let connection = self.connect().await?;
        let client = &connection.client;
        let version = client
            .query_one("SELECT current_setting('server_version')", &[])
            .await;
        let version: String = version.map_err(|error| transient(&error))?.get(0);
        let table = format!("{}.inspectd_verdicts", self.settings.schema);
        // Null if there is no table yet: it is created with the first batch.
        let sql = "SELECT has_table_privilege(to_regclass($1), 'INSERT')";
        let allowed = client
            .query_one(sql, &[&table])
            .await
            .map_err(|error| transient(&error))?;
        match allowed.get::<_, Option<bool>>(0) {
            Some(true) => Ok(format!(
                "PostgreSQL {version}, the table {table} can be written"
            )),
            Some(false) => Err(Failure::transient(format!(
                "no permission to insert into {table}"
            ))),
            None => Ok(format!(
                "PostgreSQL {version}, the table {table} does not exist yet"
            )),
        }
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        if self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.task.is_finished())
        {
            self.reset();
        }
        self.client().await.map(|_| ())
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        let client = self.client().await?;
        let stored = store(client, records).await;
        stored
            .map(|()| Vec::new())
            .map_err(|error| failure_of_batch(&error))
    }

    async fn deliver_evidence(&mut self, _: &VerdictRecord, _: &Evidence) -> Result<(), Failure> {
        Err(Failure::Refused(
            "a PostgreSQL sink carries no evidence".to_owned(),
        ))
    }

    fn reset(&mut self) {
        self.connection = None;
    }

    async fn close(&mut self) {
        self.connection = None;
    }
}
