//! Mode `follow`: each verdict of the stream is a result.

use super::*;

fn bench() -> Bench {
    Bench::ready(Mode::Follow)
}

/// The next verdict of the stream.
fn take(bench: &mut Bench, part_id: &str, sequence: u64) {
    assert!(bench.machine.wants_verdict());
    let judged = verdict("", part_id, Decision::Pass, sequence);
    bench.machine.follow(judged, bench.now);
    bench.execute();
}

#[test]
fn verdicts_are_shown_one_by_one_and_acknowledged() {
    let mut bench = bench();
    assert_eq!(bench.status(), READY);
    take(&mut bench, "A1", 4);
    assert_eq!(bench.status(), ["RESULT_VALID", "OK", "DAEMON_CONNECTED"]);
    assert!(!bench.machine.wants_verdict());
    bench.control(&[map::ACKNOWLEDGE]);
    assert_eq!(bench.acknowledged, [4]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    take(&mut bench, "A2", 6);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    bench.control(&[]);
    assert_eq!(bench.machine.outputs().part, part("A2"));
    assert!(bench.machine.outputs().is(map::OK));
}

#[test]
fn verdict_that_was_not_acknowledged_is_shown_again_after_reset() {
    let mut bench = bench();
    take(&mut bench, "A1", 4);
    bench.pass(2000, true);
    assert_eq!(bench.station_fault(), map::FAULT_NO_ACKNOWLEDGE.number);
    assert!(!bench.machine.outputs().is(map::OK));
    bench.control(&[map::RESET]);
    bench.control(&[]);
    assert_eq!(bench.machine.outputs().part, part("A1"));
    bench.control(&[map::ACKNOWLEDGE]);
    assert_eq!(bench.acknowledged, [4]);
}

#[test]
fn trigger_is_lost() {
    let mut bench = bench();
    bench.trigger("A1");
    assert_eq!(bench.status(), ["DAEMON_CONNECTED", "TRIGGER_LOST"]);
    assert!(bench.triggers.is_empty());
}

#[test]
fn verdict_that_cannot_be_trusted_is_fault() {
    let check = |judged: Judged, code: Named| {
        let mut bench = bench();
        bench.machine.follow(judged, bench.now);
        let expected = (Decision::Fault, code.number);
        assert_eq!(bench.result(), Some(expected));
        assert!(!bench.machine.outputs().is(map::OK));
    };
    let pass = |part_id: &str| verdict("", part_id, Decision::Pass, 4);
    let old = Judged {
        age: ms(5001),
        ..pass("A1")
    };
    check(old, map::FAULT_OUTDATED);
    check(pass(&"A".repeat(33)), map::FAULT_PART_NOT_SHOWN);
    check(pass("Flasche \u{e4}"), map::FAULT_PART_NOT_SHOWN);
}

#[test]
fn missed_verdicts_are_counted() {
    let mut bench = bench();
    bench.machine.missed(3);
    assert_eq!(bench.machine.outputs().lost, 3);
    assert!(bench.machine.outputs().is(map::TRIGGER_LOST));
    bench.machine.missed(u64::MAX);
    assert_eq!(bench.machine.outputs().lost, u16::MAX);
}

#[test]
fn result_waits_for_a_plc_that_was_away_before_it() {
    let mut bench = bench();
    bench.machine.closed(1, bench.now);
    bench.pass(5000, false);
    take(&mut bench, "A1", 4);
    bench.pass(10_000, false);
    assert!(bench.machine.outputs().is(map::OK));
    bench.control(&[map::ACKNOWLEDGE]);
    assert_eq!(bench.acknowledged, [4]);
}
