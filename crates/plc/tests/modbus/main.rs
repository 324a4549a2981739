//! The real daemon, the real `inspectd-plc` and an independent Modbus client, through every fault of the handshake. At the end of
//! each scenario, the ledger of the PLC agrees with the journal of the daemon, part by part.

mod commands;
mod harness;
mod measure;
mod structured_text;

use std::collections::BTreeMap;

use inspectd_client::Verdict;
use inspectd_test_support::require;

use crate::harness::{Entry, Plant, pymodbus};

const PASS: i32 = 1;
const FAULT: i32 = 4;

/// Permitted differences between the ledger of a scenario and the journal.
struct Expected {
    /// Parts without a result for the PLC, which the daemon may have judged.
    without_result: &'static [&'static str],
    /// Parts whose result is a FAULT of the server.
    faults: &'static [(&'static str, u16)],
}

const NOTHING: Expected = Expected {
    without_result: &[],
    faults: &[],
};

/// Compares the ledger with the journal. A code from 100 on is a FAULT of the server.
fn assert_ledgers_agree(ledger: &[Entry], journal: &[Verdict], expected: &Expected) {
    let by_sequence: BTreeMap<u64, &Verdict> = journal
        .iter()
        .map(|verdict| (verdict.sequence, verdict))
        .collect();
    for entry in ledger {
        if entry.fault_code >= 100 {
            assert_eq!((entry.decision, entry.ok), (FAULT, false), "{entry:?}");
            let known = expected
                .faults
                .contains(&(entry.part.as_str(), entry.fault_code));
            assert!(known, "{entry:?}");
            continue;
        }
        let verdict = by_sequence
            .get(&entry.sequence)
            .expect("a verdict of the journal");
        assert_eq!(verdict.part_id, entry.part);
        assert_eq!(verdict.decision, entry.decision, "{entry:?}");
        assert_eq!(entry.ok, entry.decision == PASS, "{entry:?}");
    }
    let mut inspected = BTreeMap::<&str, u32>::new();
    for verdict in journal {
        *inspected.entry(&verdict.part_id).or_default() += 1;
    }
    for (part, count) in inspected {
        // Inspected once, whatever happened to connections and programs.
        assert_eq!(count, 1, "part {part:?}");
        let shown = ledger.iter().any(|entry| entry.part == part);
        assert!(
            shown || expected.without_result.contains(&part),
            "part {part:?}"
        );
    }
    let mut results = BTreeMap::<&str, u32>::new();
    for entry in ledger {
        *results.entry(&entry.part).or_default() += 1;
    }
    let twice: Vec<_> = results.iter().filter(|(_, count)| **count > 1).collect();
    // A part that is triggered again with the same COMMAND is in the ledger with its FAULT, too.
    assert!(twice.iter().all(|(part, _)| **part == "once"), "{twice:?}");
}

/// The consumers of the stations by unit.
const CONSUMERS: [(u8, &str); 5] = [
    (1, "plc-top"),
    (2, "plc-top-little"),
    (3, "plc-top-swapped"),
    (4, "plc-top-both"),
    (7, "plc-impatient"),
];

/// Runs a scenario, and compares its ledger.
fn run(name: &str, expected: &Expected) {
    let packages = require!(pymodbus());
    let mut plant = require!(Plant::start());
    let ledger = plant.scenario(name, &packages);
    // The others are faults of the camera, without a part.
    let mut journal = plant.journal("top");
    journal.retain(|verdict| !verdict.trigger_id.is_empty());
    assert_ledgers_agree(&ledger, &journal, expected);
    for (unit, consumer) in CONSUMERS {
        let entries = ledger.iter().filter(|entry| entry.unit == unit);
        if let Some(last) = entries.map(|entry| entry.sequence).max() {
            plant.wait_for_acknowledgement(consumer, last);
        }
    }
    plant.stop_server();
}

#[test]
fn parts_have_their_decisions_and_no_read_mixes_two_results() {
    run("parts", &NOTHING);
}

#[test]
fn addresses_counts_and_functions_outside_of_the_map_are_refused() {
    run("addresses", &NOTHING);
}

#[test]
fn values_are_read_in_each_byte_order() {
    run("byte_orders", &NOTHING);
}

#[test]
fn part_of_a_group_has_one_result() {
    let packages = require!(pymodbus());
    let mut plant = require!(Plant::start());
    let ledger = plant.scenario("group", &packages);
    let mut journal = plant.journal("");
    journal.retain(|verdict| verdict.group_id == "cell" && verdict.camera_id.is_empty());
    assert_eq!(journal.len(), 3);
    assert_ledgers_agree(&ledger, &journal, &NOTHING);
    let last = ledger.iter().map(|entry| entry.sequence).max();
    plant.wait_for_acknowledgement("plc-cell", last.expect("a part"));
    plant.stop_server();
}

#[test]
fn plc_that_drops_out_finds_its_result_or_an_error() {
    let expected = Expected {
        without_result: &["stopped", "gone"],
        ..NOTHING
    };
    run("drop_out", &expected);
}

#[test]
fn double_trigger_is_lost_and_never_inspected() {
    let expected = Expected {
        faults: &[
            ("first False", 105),
            ("first True", 105),
            ("once", 109),
            ("tab\t", 106),
        ],
        ..NOTHING
    };
    run("double_trigger", &expected);
}

#[test]
fn slow_and_silent_plc_get_their_results_and_errors() {
    let expected = Expected {
        without_result: &["silent", "given up 8", "given up 4"],
        ..NOTHING
    };
    run("slow", &expected);
}

#[test]
fn station_is_written_by_one_plc() {
    run("two_plcs", &NOTHING);
}

#[test]
fn connections_that_are_not_from_a_plc_are_closed() {
    run("hostile", &NOTHING);
}

#[test]
fn daemon_that_is_killed_and_restarted_leaves_no_part_without_its_result() {
    let expected = Expected {
        // The daemon was killed before it knew that its PASS was published.
        faults: &[
            ("killed 0", 114),
            ("killed 1", 114),
            ("killed 2", 114),
            ("killed 3", 114),
            ("killed 4", 114),
        ],
        ..NOTHING
    };
    run("daemon_restarts", &expected);
}

#[test]
fn late_verdict_is_not_shown_for_a_later_part() {
    let expected = Expected {
        faults: &[
            ("late", 100),
            ("late", 101),
            // On a machine that is busy.
            ("before", 100),
            ("next 0", 100),
            ("next 1", 100),
            ("next 2", 100),
            ("next 3", 100),
            ("next 4", 100),
        ],
        ..NOTHING
    };
    run("deadline", &expected);
}

#[test]
fn server_that_is_killed_and_restarted_inspects_no_part_twice() {
    let expected = Expected {
        without_result: &["abandoned"],
        ..NOTHING
    };
    run("server_restarts", &expected);
}

#[test]
fn recipe_is_selected_by_its_number() {
    run("recipes", &NOTHING);
}

#[test]
fn verdicts_are_followed_in_order_without_gap() {
    let packages = require!(pymodbus());
    let mut plant = require!(Plant::start());
    let ledger = plant.scenario("follow", &packages);
    let sequences: Vec<u64> = ledger.iter().map(|entry| entry.sequence).collect();
    let (first, last) = (sequences[0], sequences[sequences.len() - 1]);
    let journal = plant.journal("belt");
    let journal: Vec<&Verdict> = journal
        .iter()
        .filter(|verdict| (first..=last).contains(&verdict.sequence))
        .collect();
    let expected: Vec<u64> = journal.iter().map(|verdict| verdict.sequence).collect();
    assert_eq!(sequences, expected);
    for (entry, verdict) in ledger.iter().zip(journal) {
        // The daemon was killed before it knew that its PASS was published.
        let is_spoiled = verdict.unconfirmed && verdict.decision == PASS && entry.fault_code == 114;
        let decision = if is_spoiled { FAULT } else { verdict.decision };
        assert_eq!((&entry.part, entry.decision), (&verdict.part_id, decision));
        assert_eq!(entry.ok, entry.decision == PASS, "{entry:?}");
    }
    plant.wait_for_acknowledgement("plc-belt", last);
    plant.stop_server();
}
