//! Mode `follow`: each verdict of the stream is a result.

use super::*;

const OUTDATED: (Decision, u16) = (Decision::Fault, map::FAULT_OUTDATED.number);

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
    let unconfirmed = Judged {
        unconfirmed: true,
        ..pass("A1")
    };
    check(unconfirmed, map::FAULT_UNCONFIRMED);
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
    bench.pass(4000, false);
    assert!(bench.machine.outputs().is(map::OK));
    bench.pass(2000, false);
    assert_eq!(bench.result(), Some(OUTDATED));
    bench.control(&[map::ACKNOWLEDGE]);
    assert_eq!(bench.acknowledged, [4]);
}

#[test]
fn shown_pass_becomes_fault_when_it_is_outdated_and_stays_fault() {
    let mut bench = bench();
    bench.pass(100, true);
    take(&mut bench, "A1", 4);
    assert!(bench.machine.outputs().is(map::OK));
    // Without a heartbeat and without the checks of time limits: the write of the PLC finds it.
    bench.now += ms(5001);
    bench.control(&[]);
    assert_eq!(bench.result(), Some(OUTDATED));
    assert!(!bench.machine.outputs().is(map::OK));
    bench.machine.daemon(false, "", bench.now);
    bench.machine.daemon(true, "", bench.now);
    assert_eq!(bench.result(), Some(OUTDATED));
}

#[test]
fn age_counts_from_the_verdict_and_not_from_its_receipt() {
    let mut bench = bench();
    let judged = Judged {
        age: ms(4500),
        ..verdict("", "A1", Decision::Pass, 4)
    };
    bench.machine.follow(judged, bench.now);
    assert!(bench.machine.outputs().is(map::OK));
    bench.pass(510, true);
    assert_eq!(bench.result(), Some(OUTDATED));
}

#[test]
fn verdict_that_waited_for_reset_is_outdated() {
    let mut bench = bench();
    take(&mut bench, "A1", 4);
    bench.pass(2000, true);
    assert_eq!(bench.station_fault(), map::FAULT_NO_ACKNOWLEDGE.number);
    bench.now += Duration::from_hours(1);
    bench.control(&[map::RESET]);
    bench.control(&[]);
    assert_eq!(bench.machine.outputs().part, part("A1"));
    assert_eq!(bench.result(), Some(OUTDATED));
}

#[test]
fn verdict_that_waited_for_the_daemon_or_the_first_control_word_is_outdated() {
    let mut bench = bench();
    bench.machine.daemon(false, "", bench.now);
    take(&mut bench, "A1", 4);
    assert_eq!(bench.result(), None);
    bench.now += ms(5001);
    bench.machine.daemon(true, "", bench.now);
    assert_eq!(bench.result(), Some(OUTDATED));

    let mut bench = Bench::started(settings(Mode::Follow), memory());
    bench.machine.daemon(true, "", bench.now);
    take(&mut bench, "A1", 4);
    bench.now += ms(5001);
    bench.control(&[]);
    assert_eq!(bench.result(), Some(OUTDATED));
}

#[test]
fn abort_ends_a_result_for_good_and_the_next_verdict_is_shown() {
    let mut bench = bench();
    take(&mut bench, "A1", 4);
    bench.control(&[map::ABORT]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    assert_eq!(bench.acknowledged, [4]);
    // A verdict that arrives while the bit is still on is not ended by it.
    take(&mut bench, "A2", 5);
    bench.control(&[map::ABORT]);
    bench.control(&[]);
    assert_eq!(bench.machine.outputs().part, part("A2"));
    assert_eq!(bench.acknowledged, [4]);
}

#[test]
fn reset_shows_a_result_again_without_acknowledging_it() {
    let mut bench = bench();
    take(&mut bench, "A1", 4);
    bench.control(&[map::RESET]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    assert!(bench.acknowledged.is_empty());
    bench.control(&[]);
    assert_eq!(bench.machine.outputs().part, part("A1"));
    assert!(bench.machine.outputs().is(map::OK));
}
