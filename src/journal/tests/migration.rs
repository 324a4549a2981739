//! Schema versions: migration, interruption, refusal.

use std::fs;
use std::path::Path;

use inspectd_core::precision::Precision;
use rusqlite::Connection;

use super::fixture;
use super::*;
use crate::journal::schema::{CURRENT, Schema, TABLES};

/// A migration as a later version may have it: a new column, a new table, and changed rows.
const TO_VERSION_2: &str = "
ALTER TABLE verdicts ADD COLUMN operator TEXT;
CREATE TABLE notes (sequence INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
INSERT INTO notes SELECT sequence, 'migrated' FROM verdicts;
";

fn tables_of_version_2() -> String {
    let (last, client) = ("details TEXT NOT NULL\n", "NOT NULL,\n    client TEXT");
    assert!(TABLES.contains(last) && TABLES.contains(client));
    // Those of version 1, which had no client, no precision and no labels.
    let precision = "    model_precision TEXT NOT NULL DEFAULT 'f32',\n";
    assert!(TABLES.contains(precision));
    let tables = TABLES.replace(client, "NOT NULL").replace(precision, "");
    let (tables, _) = tables
        .split_once("CREATE TABLE labels")
        .expect("the last table");
    tables.replace(last, "details TEXT NOT NULL,\n    operator TEXT\n")
        + "CREATE TABLE notes (sequence INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;"
}

/// Version and SQL of the schema, without differences in white space.
fn schema_of(path: &Path) -> (i64, Vec<(String, String)>) {
    let connection = Connection::open(path).expect("a database");
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let mut select = connection
        .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
        .expect("SQL");
    let objects = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    // ALTER TABLE adds a column after the white space before the closing bracket.
    let plain = |sql: String| {
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        sql.replace("( ", "(").replace(" )", ")").replace(" ,", ",")
    };
    let objects = objects
        .expect("rows")
        .map(|object| object.expect("a row"))
        .map(|(name, sql)| (name, plain(sql)));
    (version.expect("a version"), objects.collect())
}

fn refused(path: &Path, schema: Schema<'_>) -> JournalError {
    let before = fs::read(path).expect("a file");
    let error = schema.open(path).map(drop).expect_err("refused");
    assert_eq!(fs::read(path).expect("a file"), before, "it is unchanged");
    error
}

#[test]
fn migrated_file_of_version_1_equals_a_new_file_of_the_current_version() {
    let old = fixture::copy();
    drop(open(&old));
    let new = TempDir::new().expect("a folder");
    drop(open(&new));
    assert_eq!(schema_of(&file(old.path())), schema_of(&file(new.path())));
}

#[test]
fn migration_from_1_to_2_equals_a_new_file_and_keeps_all_values() {
    let tables = tables_of_version_2();
    let second = Schema {
        tables: &tables,
        migrations: &[TO_VERSION_2],
    };
    let folder = fixture::copy();
    let path = file(folder.path());
    // Then only AUTOINCREMENT knows that 30 was used.
    let connection = Connection::open(&path).expect("a database");
    connection
        .execute("DELETE FROM verdicts WHERE sequence = 30", [])
        .expect("deleted");
    drop(connection);

    drop(second.open(&path).expect("migrated"));
    let new = TempDir::new().expect("a folder");
    drop(second.open(&file(new.path())).expect("created"));
    assert_eq!(schema_of(&path), schema_of(&file(new.path())));
    assert_eq!(schema_of(&path).0, 2);

    let mut expected = fixture::verdicts();
    expected.pop();
    assert_eq!(fixture::all(&folder), expected);
    let connection = second
        .open(&path)
        .expect("opened again, not migrated again");
    let count = |select: &str| {
        connection
            .query_row(select, [], |row| row.get::<_, i64>(0))
            .expect("a number")
    };
    let last = "SELECT seq FROM sqlite_sequence WHERE name = 'verdicts'";
    assert_eq!(count(last), 30);
    let notes = count("SELECT count(*) FROM notes WHERE note = 'migrated'");
    assert_eq!(notes, expected.len() as i64);
}

#[test]
fn several_missing_migrations_run_in_order() {
    let third = Schema {
        tables: "",
        migrations: &[TO_VERSION_2, "UPDATE notes SET note = note || ' twice'"],
    };
    let folder = fixture::copy();
    let connection = third.open(&file(folder.path())).expect("migrated");
    let note: String = connection
        .query_row("SELECT note FROM notes WHERE sequence = 4", [], |row| {
            row.get(0)
        })
        .expect("a note");
    assert_eq!(note, "migrated twice");
    drop(connection);
    assert_eq!(schema_of(&file(folder.path())).0, 3);
}

#[test]
fn failed_migration_leaves_the_old_version_with_all_rows() {
    let broken = format!("{TO_VERSION_2} DELETE FROM verdicts; SELECT * FROM absent;");
    let second = Schema {
        tables: "",
        migrations: &[&broken],
    };
    let folder = fixture::copy();
    let path = file(folder.path());
    let error = second.open(&path).map(drop).expect_err("no such table");
    let text = error.to_string();
    assert!(
        text.contains("cannot be migrated from schema version 1 to 2")
            && text.contains("no such table: absent")
            && text.ends_with("the file is unchanged"),
        "{text}"
    );
    assert_eq!(schema_of(&path).0, 1);
    fixture::assert_complete(&folder);
}

/// A process that is killed within a migration leaves the file and a part of the transaction in the
/// write-ahead log.
#[test]
fn migration_interrupted_before_its_commit_leaves_the_old_version_with_all_rows() {
    let folder = fixture::copy();
    let path = file(folder.path());
    let mut connection = Connection::open(&path).expect("a database");
    // A cache this small writes changed pages to the log before the commit.
    connection
        .pragma_update(None, "cache_size", 1)
        .expect("set");
    let transaction = connection.transaction().expect("begun");
    transaction.execute_batch(TO_VERSION_2).expect("SQL");
    transaction
        .execute_batch(
            "UPDATE verdicts SET details = details || printf('%8000s', '');
             PRAGMA user_version = 2",
        )
        .expect("SQL");
    let killed = TempDir::new().expect("a folder");
    for suffix in ["", "-wal"] {
        let name = format!("journal.sqlite{suffix}");
        fs::copy(folder.path().join(&name), killed.path().join(&name)).expect("copied");
    }
    drop(transaction);
    let log = killed.path().join("journal.sqlite-wal");
    assert!(
        log.metadata().expect("a log").len() > 0,
        "changes are in it"
    );
    assert_eq!(schema_of(&file(killed.path())).0, 1);
    fixture::assert_complete(&killed);
}

#[test]
fn file_of_a_later_version_is_refused_and_unchanged() {
    let folder = fixture::copy();
    let path = file(folder.path());
    let later = CURRENT.version() + 1;
    let connection = Connection::open(&path).expect("a database");
    connection
        .pragma_update(None, "user_version", later)
        .expect("set");
    drop(connection);
    let error = refused(&path, CURRENT);
    assert!(error.is_permanent());
    assert_eq!(
        error.to_string(),
        format!(
            "journal: {}: schema version {later} of a later version of inspectd; must be at most {}",
            path.display(),
            CURRENT.version()
        )
    );
}

#[test]
fn database_of_another_program_is_refused_and_unchanged() {
    let folder = TempDir::new().expect("a folder");
    let path = file(folder.path());
    for version in [0, -3] {
        let connection = Connection::open(&path).expect("a database");
        connection
            .execute_batch("CREATE TABLE IF NOT EXISTS parts (name TEXT)")
            .expect("SQL");
        connection
            .pragma_update(None, "user_version", version)
            .expect("set");
        drop(connection);
        let error = refused(&path, CURRENT);
        assert!(error.is_permanent());
        assert!(matches!(error, JournalError::NotAJournal { .. }), "{error}");
    }
}

fn changed(sql: &str) -> TempDir {
    let folder = fixture::copy();
    let connection = Connection::open(file(folder.path())).expect("a database");
    connection.execute_batch(sql).expect("SQL");
    folder
}

#[test]
fn unknown_fault_reason_is_read_as_unknown_with_its_message() {
    let folder = changed("UPDATE verdicts SET fault = 'lens_missing' WHERE sequence = 15");
    let verdict = Readers::new(file(folder.path())).get(15).expect("read");
    let verdict = verdict.expect("stored");
    let fault = verdict.outcome.fault().expect("a fault");
    assert_eq!(fault.reason, FaultReason::Unknown);
    assert_eq!(fault.message, "engine in words");
    assert_eq!(verdict.decision(), Decision::Fault);
}

#[test]
fn unknown_precision_is_an_error() {
    let folder = fixture::copy();
    drop(open(&folder));
    let read = || Readers::new(file(folder.path())).get(15);
    let verdict = read().expect("read").expect("stored");
    assert_eq!(verdict.subject.stamp.model.precision, Precision::F32);
    let connection = Connection::open(file(folder.path())).expect("a database");
    connection
        .execute("UPDATE stamps SET model_precision = 'int2'", [])
        .expect("SQL");
    let error = read().expect_err("not readable").to_string();
    assert!(error.contains("unknown precision \"int2\""), "{error}");
}

#[test]
fn values_that_cannot_be_read_are_errors_that_name_verdict_and_value() {
    let check = |sql: &str, sequence: u64, expected: &str| {
        let folder = changed(sql);
        let read = Readers::new(file(folder.path())).get(sequence);
        let error = read.expect_err("not readable").to_string();
        assert_eq!(
            error.split_inclusive(expected).next(),
            Some(&*format!("journal: verdict {sequence}: {expected}")),
            "{error}"
        );
    };
    let set = |column: &str, value: &str, sequence: u64| {
        format!("UPDATE verdicts SET {column} = {value} WHERE sequence = {sequence}")
    };
    check(&set("decision", "9", 4), 4, "unknown decision 9");
    let replaced = "replace(details, '\"decision\":2', '\"decision\":0')";
    check(&set("details", replaced, 4), 4, "unknown decision 0");
    check(&set("details", replaced, 7), 7, "unknown decision 0");
    check(&set("camera", "'a b'", 4), 4, "camera \"a b\"");
    check(&set("trigger", "'x'", 7), 7, "trigger \"x\"");
    check(&set("details", "'{}'", 4), 4, "details: ");
    check("UPDATE runs SET uuid = 'x' || id", 4, "run \"x1\"");
}
