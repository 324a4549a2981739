//! The schema of the tables, by version. A migration that was released is never changed.

use tokio_postgres::{Client, Error};

use super::transient;
use crate::sink::Failure;

/// The migrations, the first one to version 1.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1.sql")];
/// Two programs that start at the same time migrate one after the other.
const LOCK: i64 = 0x696e_7370_6563_7464;

/// Brings the schema `schema` to the newest version, and makes it the default of the connection.
pub(super) async fn migrate(client: &mut Client, schema: &str) -> Result<(), Failure> {
    let newest = MIGRATIONS.len() as i32;
    let found = apply(client, schema)
        .await
        .map_err(|error| transient(&error))?;
    if found > newest {
        return Err(Failure::transient(format!(
            "the tables in the schema {schema} have version {found}, and this program knows up to {newest}: \
             it is older than another one that writes there"
        )));
    }
    Ok(())
}

/// Applies the missing migrations in one transaction. Returns the version that was there before, or is now.
async fn apply(client: &mut Client, schema: &str) -> Result<i32, Error> {
    let transaction = client.transaction().await?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let exists = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    if transaction.query_opt(exists, &[&schema]).await?.is_none() {
        transaction
            .batch_execute(&format!("CREATE SCHEMA {schema}"))
            .await?;
    }
    transaction
        .batch_execute(&format!("SET search_path TO {schema}"))
        .await?;
    let tables =
        "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'inspectd_migrations'";
    if transaction.query_opt(tables, &[&schema]).await?.is_none() {
        let table = "CREATE TABLE inspectd_migrations (
            version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())";
        transaction.batch_execute(table).await?;
    }
    let newest = "SELECT coalesce(max(version), 0) FROM inspectd_migrations";
    let found: i32 = transaction.query_one(newest, &[]).await?.get(0);
    for (place, migration) in MIGRATIONS
        .iter()
        .enumerate()
        .skip(usize::try_from(found).unwrap_or(0))
    {
        let version = place as i32 + 1;
        transaction.batch_execute(migration).await?;
        let applied = "INSERT INTO inspectd_migrations (version) VALUES ($1)";
        transaction.execute(applied, &[&version]).await?;
    }
    transaction.commit().await?;
    Ok(found)
}
