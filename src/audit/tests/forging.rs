//! Entries that were changed, removed or added in the file are found.

use std::fs;

use proptest::prelude::*;

use super::*;

const TEXTS: [&str; 7] = [
    "who", "role", "origin", "action", "subject", "before", "after",
];

#[test]
fn forged_entry_is_found_with_its_number_and_fault() {
    let check = |sql: &str, number: u64, fault: Option<ChainFault>| {
        let site = Site::with(5);
        site.forge(sql);
        let broken = site.broken();
        assert_eq!(broken.number, number, "{sql}: {broken}");
        if let Some(fault) = fault {
            assert_eq!(broken.fault, fault, "{sql}");
        }
        let state = site.open().state();
        assert!(state.broken.is_some(), "{sql}: seen on opening");
    };
    let missing = |found| Some(ChainFault::Missing { found });
    for field in TEXTS {
        check(
            &format!("UPDATE entries SET {field} = 'x' WHERE number = 3"),
            3,
            Some(ChainFault::Hash),
        );
    }
    check(
        "UPDATE entries SET time_ns = time_ns + 1 WHERE number = 5",
        5,
        Some(ChainFault::Hash),
    );
    check(
        "UPDATE entries SET before = after, after = before WHERE number = 1",
        1,
        Some(ChainFault::Hash),
    );
    check(
        "UPDATE entries SET hash = zeroblob(32) WHERE number = 5",
        5,
        Some(ChainFault::Hash),
    );
    check(
        "UPDATE entries SET previous_hash = zeroblob(32) WHERE number = 2",
        2,
        Some(ChainFault::PreviousHash),
    );
    check("UPDATE entries SET hash = x'00' WHERE number = 5", 5, None);
    check(
        "UPDATE entries SET hash = zeroblob(100000000) WHERE number = 2",
        2,
        None,
    );
    check("DELETE FROM entries WHERE number = 1", 1, missing(2));
    check("DELETE FROM entries WHERE number = 3", 3, missing(4));
    check(
        "UPDATE entries SET number = 9 WHERE number = 5",
        5,
        missing(9),
    );
    // Swapped, with their numbers and without.
    check(
        "UPDATE entries SET number = 7 WHERE number = 3;
         UPDATE entries SET number = 3 WHERE number = 4;
         UPDATE entries SET number = 4 WHERE number = 7",
        3,
        Some(ChainFault::PreviousHash),
    );
    let copy = |number: i64, from: i64| {
        format!(
            "INSERT INTO entries SELECT {number}, time_ns, who, role, origin, action, subject, before, \
             after, previous_hash, hash FROM entries WHERE number = {from}"
        )
    };
    check(&copy(6, 5), 6, Some(ChainFault::PreviousHash));
    check(&copy(i64::MAX, 5), 6, missing(i64::MAX));
    // One inserted, the later ones moved up.
    check(
        &format!(
            "UPDATE entries SET number = number + 11 WHERE number > 2;
             UPDATE entries SET number = number - 10 WHERE number > 2; {}",
            copy(3, 2)
        ),
        3,
        Some(ChainFault::PreviousHash),
    );
}

/// Opening verifies only the end, and need not find it.
#[test]
fn entry_before_the_first_is_found_by_verify() {
    for number in [0, -7] {
        let site = Site::with(2);
        site.forge(&format!(
            "INSERT INTO entries SELECT {number}, time_ns, who, role, origin, action, subject, before, \
             after, previous_hash, hash FROM entries WHERE number = 1"
        ));
        let broken = site.broken();
        assert_eq!(broken.number, 1);
        assert_eq!(broken.fault, ChainFault::Missing { found: number });
    }
}

#[test]
fn value_of_another_type_is_found() {
    let check = |value: &str| {
        let site = Site::with(3);
        // A table that is not STRICT stores any type.
        site.forge(&format!(
            "CREATE TABLE other AS SELECT * FROM entries; DROP TABLE entries;
             CREATE TABLE entries (number INTEGER PRIMARY KEY, time_ns, who, role, origin, action,
                 subject, before, after, previous_hash, hash);
             INSERT INTO entries SELECT * FROM other; DROP TABLE other;
             UPDATE entries SET {value} WHERE number = 2"
        ));
        let broken = site.broken();
        assert_eq!(broken.number, 2, "{value}");
        assert!(
            matches!(broken.fault, ChainFault::Unreadable { .. }),
            "{value}: {broken}"
        );
    };
    check("who = CAST(who AS BLOB)");
    check("who = NULL");
    check("who = 7");
    check("who = CAST(x'FF' AS TEXT)");
    check("time_ns = CAST(time_ns AS TEXT)");
    check("time_ns = CAST(time_ns AS REAL)");
    check("hash = hex(hash)");
    check("hash = NULL");
}

/// A chain can be forged completely, and its end can be removed: only a hash that was noted elsewhere shows
/// it.
#[test]
fn noted_hash_shows_that_the_end_was_removed() {
    let site = Site::with(5);
    let noted = site.verified().head;
    site.open().append(entry("later")).expect("appended");
    let check = |expected: Option<Hash>, number: Option<u64>| {
        let verified = verify(&site.path(), expected).expect("an intact chain");
        assert_eq!(verified.expected, number);
    };
    check(Some(noted), Some(5));
    check(Some(site.verified().head), Some(6));
    check(Some(Hash::GENESIS), Some(0));
    check(None, None);
    site.forge("DELETE FROM entries WHERE number > 3");
    check(None, None);
    let error = verify(&site.path(), Some(noted)).expect_err("end removed");
    assert!(
        matches!(error, VerifyError::Head { entries: 3, head, .. } if head == noted),
        "{error}"
    );
}

/// The next append finds the change, reports it and succeeds.
#[test]
fn last_entry_changed_while_the_log_is_open_is_reported_by_its_state() {
    let check = |sql: &str, next: u64| {
        let site = Site::with(3);
        let audit = site.open();
        site.forge(sql);
        assert_eq!(audit.append(entry("")).expect("appended").number, next);
        let broken = audit.state().broken.expect("reported");
        assert_eq!(
            broken,
            ChainBreak {
                number: 3,
                fault: ChainFault::Replaced
            }
        );
    };
    check("DELETE FROM entries WHERE number = 3", 3);
    check("DELETE FROM entries", 1);
    check("UPDATE entries SET hash = zeroblob(32) WHERE number = 3", 4);
}

#[test]
fn append_fails_when_the_last_entry_cannot_be_read() {
    let check = |sql: &str| {
        let site = Site::with(3);
        site.forge(sql);
        let audit = site.open();
        assert!(audit.state().broken.is_some());
        let error = audit.append(entry("")).expect_err("no tail");
        assert!(matches!(error, AuditError::Tail { .. }), "{error}");
    };
    check("UPDATE entries SET hash = x'00' WHERE number = 3");
    check("UPDATE entries SET number = 9223372036854775807 WHERE number = 3");
    check("UPDATE entries SET number = -number");
}

#[test]
fn opening_verifies_the_last_1024_entries_of_a_long_log() {
    let site = Site::with(VERIFIED_ON_OPENING + 5);
    assert_eq!(site.open().state().broken, None);
    site.forge("UPDATE entries SET who = 'x' WHERE number = 7");
    let broken = site.open().state().broken.expect("within the end");
    assert_eq!(
        broken,
        ChainBreak {
            number: 7,
            fault: ChainFault::Hash
        }
    );
    site.forge("DELETE FROM entries WHERE number = 6");
    assert!(site.open().state().broken.is_some());
}

/// Flips bits of one byte of a field.
fn changed(site: &Site, field: &str, number: u64, at: usize, flip: u8) {
    let connection = Connection::open(site.path()).expect("a database");
    let select = format!("SELECT CAST({field} AS BLOB) FROM entries WHERE number = ?1");
    let mut bytes: Vec<u8> = connection
        .query_row(&select, [number.cast_signed()], |row| row.get(0))
        .expect("a field");
    let at = at % bytes.len();
    bytes[at] ^= flip;
    let kind = if field.ends_with("hash") {
        "BLOB"
    } else {
        "TEXT"
    };
    let update = format!("UPDATE entries SET {field} = CAST(?1 AS {kind}) WHERE number = ?2");
    connection
        .execute(&update, rusqlite::params![bytes, number.cast_signed()])
        .expect("changed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changed_byte_of_any_text_or_hash_is_found(
        count in 1..6_u64, row in any::<u64>(), field in 0..9_usize, at in any::<usize>(), flip in 1..=255_u8,
    ) {
        let site = Site::with(count);
        let number = row % count + 1;
        let field = TEXTS.iter().chain(&["hash", "previous_hash"]).nth(field).expect("nine fields");
        changed(&site, field, number, at, flip);
        prop_assert_eq!(site.broken().number, number);
    }

    #[test]
    fn changed_bit_of_a_number_or_time_is_found(
        count in 1..6_u64, row in any::<u64>(), time in any::<bool>(), bit in 0..63_u32,
    ) {
        let site = Site::with(count);
        let number = row % count + 1;
        let field = if time { "time_ns" } else { "number" };
        let mask = 1_i64 << bit;
        let connection = Connection::open(site.path()).expect("a database");
        // SQLite does not have an exclusive or.
        let update = format!(
            "UPDATE entries SET {field} = ({field} | {mask}) - ({field} & {mask}) WHERE number = {number}"
        );
        if connection.execute(&update, []).is_ok() {
            drop(connection);
            prop_assert!(site.broken().number <= number);
        }
    }

    /// A byte of the file that SQLite does not use may change: the entries are then unchanged.
    #[test]
    fn changed_byte_of_the_file_is_found_or_has_no_effect(at in any::<usize>(), flip in 1..=255_u8) {
        let site = Site::with(12);
        let before = site.open().entries(0, 100).expect("read");
        let mut bytes = fs::read(site.path()).expect("a file");
        let at = at % bytes.len();
        bytes[at] ^= flip;
        fs::write(site.path(), bytes).expect("written");
        if verify(&site.path(), None).is_ok() {
            let reader = Reader::open(&site.path()).expect("it verified");
            prop_assert_eq!(reader.entries(0, 100).expect("it verified"), before);
        }
    }
}
