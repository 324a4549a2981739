//! Everything that can go wrong during a part.

use super::*;

/// A result of this program.
fn fault(code: Named) -> (Decision, u16) {
    (Decision::Fault, code.number)
}

#[test]
fn second_trigger_for_another_part_makes_the_result_fault() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.control(&[]);
    bench.trigger("A2");
    assert_eq!(bench.status(), ["BUSY", "DAEMON_CONNECTED", "TRIGGER_LOST"]);
    bench.answer(Decision::Pass);
    assert_eq!(bench.result(), Some(fault(map::FAULT_DOUBLE_TRIGGER)));
    assert_eq!(bench.machine.outputs().part, part("A1"));
    assert_eq!(bench.machine.outputs().lost, 1);
    assert_eq!(bench.triggers.len(), 1);
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    bench.control(&[map::RESET]);
    bench.control(&[]);
    assert_eq!(bench.status(), READY);
}

#[test]
fn second_trigger_for_the_same_part_is_lost_and_the_result_stays() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.control(&[]);
    bench.trigger("A1");
    bench.answer(Decision::Pass);
    assert_eq!(bench.result(), Some((Decision::Pass, 0)));
    assert_eq!(bench.machine.outputs().lost, 1);
    bench.control(&[]);
    bench.trigger("A1");
    assert_eq!(bench.machine.outputs().lost, 2);
    assert!(bench.machine.outputs().is(map::OK));
}

#[test]
fn trigger_for_another_part_before_the_acknowledgement_withdraws_ok() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.answer(Decision::Pass);
    assert!(bench.machine.outputs().is(map::OK));
    bench.control(&[]);
    bench.trigger("A2");
    assert_eq!(bench.result(), Some(fault(map::FAULT_DOUBLE_TRIGGER)));
    assert!(!bench.machine.outputs().is(map::OK));
}

#[test]
fn missing_acknowledgement_is_an_error_until_reset() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.answer(Decision::Pass);
    bench.pass(1990, true);
    assert!(bench.machine.outputs().is(map::OK));
    bench.pass(20, true);
    let error = ["FAULT", "DAEMON_CONNECTED", "STATION_ERROR"];
    assert_eq!(bench.status(), error);
    assert_eq!(bench.station_fault(), map::FAULT_NO_ACKNOWLEDGE.number);
    // Neither an acknowledgement nor a trigger ends it.
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    bench.control(&[]);
    assert_eq!(bench.status(), error);
    bench.trigger("A2");
    assert_eq!(bench.triggers.len(), 1);
    assert_eq!(bench.machine.outputs().lost, 1);
    assert!(bench.acknowledged.is_empty());
    bench.control(&[map::RESET]);
    bench.control(&[]);
    assert_eq!(bench.status(), READY);
}

#[test]
fn late_verdict_is_never_shown_for_a_later_part() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.pass(1000, true);
    assert_eq!(bench.result(), Some(fault(map::FAULT_DEADLINE)));
    assert!(!bench.answer(Decision::Pass));
    assert_eq!(bench.result(), Some(fault(map::FAULT_DEADLINE)));
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    assert!(bench.acknowledged.is_empty());
    bench.control(&[]);
    bench.trigger("A1");
    let late = verdict("k-1", "A1", Decision::Pass, 9);
    assert!(!bench.machine.judged(late, bench.now));
    assert_eq!(bench.status(), ["BUSY", "DAEMON_CONNECTED"]);
}

#[test]
fn verdict_of_another_part_or_recipe_is_fault() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    let other = verdict("k-1", "A2", Decision::Pass, 9);
    assert!(bench.machine.judged(other, bench.now));
    assert_eq!(bench.result(), Some(fault(map::FAULT_WRONG_PART)));

    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.recipe_select = 1;
    bench.control(&[]);
    bench.machine.activated(1, Activation::Done, bench.now);
    bench.trigger("A1");
    let other = Judged {
        recipe: "water".to_owned(),
        ..verdict("k-1", "A1", Decision::Pass, 9)
    };
    assert!(bench.machine.judged(other, bench.now));
    assert_eq!(bench.result(), Some(fault(map::FAULT_WRONG_RECIPE)));
}

#[test]
fn daemon_that_is_away_takes_ready_and_ok_and_gives_fault() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.machine.daemon(false, "", bench.now);
    assert_eq!(bench.status(), ["FAULT"]);
    assert_eq!(bench.station_fault(), map::FAULT_DAEMON_AWAY.number);
    bench.trigger("A1");
    assert_eq!(bench.status(), ["FAULT", "TRIGGER_LOST"]);
    // A trigger that was lost is not inspected later.
    bench.machine.daemon(true, "", bench.now);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED", "TRIGGER_LOST"]);
    bench.control(&[]);
    bench.trigger("A1");
    bench.answer(Decision::Pass);
    bench.machine.daemon(false, "", bench.now);
    assert_eq!(bench.status(), ["RESULT_VALID", "FAULT", "TRIGGER_LOST"]);
    assert_eq!(bench.result(), Some((Decision::Pass, 0)));
    bench.machine.daemon(true, "", bench.now);
    assert!(bench.machine.outputs().is(map::OK));
}

#[test]
fn daemon_that_leaves_during_a_part_makes_it_fault_unless_it_returns_in_time() {
    let check = |away_ms, expected| {
        let mut bench = Bench::ready(Mode::Triggered);
        bench.trigger("A1");
        bench.machine.daemon(false, "", bench.now);
        assert_eq!(bench.status(), ["BUSY", "FAULT"]);
        bench.pass(away_ms, true);
        bench.machine.daemon(true, "", bench.now);
        bench.answer(Decision::Pass);
        assert_eq!(bench.result(), expected);
    };
    check(900, Some((Decision::Pass, 0)));
    check(1100, Some(fault(map::FAULT_DAEMON_AWAY)));
}

#[test]
fn plc_that_drops_out_finds_its_result_again() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.machine.closed(1, bench.now);
    bench.answer(Decision::Pass);
    bench.pass(2900, false);
    assert_eq!(bench.status(), ["RESULT_VALID", "OK", "DAEMON_CONNECTED"]);
    bench.write(2).expect("no owner");
    // The time for the acknowledgement begins with the return.
    for _ in 0..15 {
        bench.now += ms(100);
        bench.plc.heartbeat += 1;
        bench.write(2).expect("the owner");
        bench.machine.tick(bench.now);
    }
    assert!(bench.machine.outputs().is(map::OK));
    bench.plc.control = map::ACKNOWLEDGE.mask();
    bench.write(2).expect("the owner");
    assert_eq!(bench.acknowledged, [1]);
}

#[test]
fn plc_that_stays_away_leads_to_an_error_until_reset() {
    for answered in [true, false] {
        let mut settings = settings(Mode::Triggered);
        settings.verdict_timeout = ms(60_000);
        let mut bench = Bench::started(settings, memory());
        bench.machine.daemon(true, "", bench.now);
        bench.control(&[]);
        bench.trigger("A1");
        if answered {
            bench.answer(Decision::Pass);
        }
        // The heartbeat stops; the connection stays.
        bench.pass(3600, false);
        assert_eq!(
            bench.status(),
            ["FAULT", "DAEMON_CONNECTED", "STATION_ERROR"]
        );
        assert_eq!(bench.station_fault(), map::FAULT_PLC_AWAY.number);
        bench.control(&[map::TRIGGER]);
        assert!(bench.machine.outputs().is(map::STATION_ERROR));
        bench.control(&[map::RESET]);
        bench.control(&[]);
        assert_eq!(bench.status(), READY);
    }
}

#[test]
fn result_that_comes_while_the_plc_is_away_waits_for_it_no_longer_than_others() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.machine.closed(1, bench.now);
    bench.pass(500, false);
    bench.answer(Decision::Pass);
    bench.pass(2400, false);
    assert!(bench.machine.outputs().is(map::OK));
    bench.pass(200, false);
    assert_eq!(bench.station_fault(), map::FAULT_PLC_AWAY.number);
    assert!(!bench.machine.outputs().is(map::RESULT_VALID));
}

#[test]
fn second_plc_is_refused_while_the_first_one_is_there() {
    let mut bench = Bench::ready(Mode::Triggered);
    let before = bench.machine.plc().clone();
    bench.plc.control = map::TRIGGER.mask();
    assert_eq!(bench.write(2), Err(NotOwner));
    assert_eq!(*bench.machine.plc(), before);
    assert!(bench.triggers.is_empty());
    bench.machine.closed(1, bench.now);
    bench.write(2).expect("no owner");
    assert_eq!(bench.triggers.len(), 1);
}

#[test]
fn abort_and_reset_end_a_part_and_its_verdict_is_not_shown() {
    for bit in [map::ABORT, map::RESET] {
        let mut bench = Bench::ready(Mode::Triggered);
        bench.trigger("A1");
        bench.control(&[map::TRIGGER, bit]);
        assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
        assert!(!bench.answer(Decision::Pass));
        bench.control(&[map::TRIGGER]);
        assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
        bench.control(&[]);
        assert_eq!(bench.status(), READY);
        bench.trigger("A2");
        bench.answer(Decision::Reject);
        bench.control(&[bit]);
        assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
        assert!(bench.acknowledged.is_empty());
    }
}

#[test]
fn refused_trigger_and_invalid_part_are_fault() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.machine.refused("k-0", bench.now);
    assert_eq!(bench.result(), None);
    bench.machine.refused("k-1", bench.now);
    assert_eq!(bench.result(), Some(fault(map::FAULT_REFUSED)));

    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.part.text[3] = 7;
    bench.control(&[map::TRIGGER]);
    assert_eq!(bench.result(), Some(fault(map::FAULT_PART_INVALID)));
    assert!(bench.triggers.is_empty());
}

#[test]
fn repeated_command_sequence_number_is_fault_and_is_not_inspected() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.command = 5;
    bench.inspect("A1", Decision::Pass);
    bench.trigger("A1");
    assert_eq!(bench.result(), Some(fault(map::FAULT_COMMAND_REPEATED)));
    assert_eq!(bench.triggers.len(), 1);
    bench.control(&[map::ACKNOWLEDGE]);
    bench.control(&[]);
    bench.plc.command = 6;
    bench.inspect("A2", Decision::Pass);
    assert_eq!(bench.triggers.len(), 2);
}

#[test]
fn trigger_whose_key_cannot_be_stored_is_fault_and_is_not_sent() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.disk = false;
    bench.trigger("A1");
    assert_eq!(bench.result(), Some(fault(map::FAULT_STATE_FILE)));
    assert!(bench.triggers.is_empty());
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    bench.control(&[]);
    assert_eq!(bench.status(), ["FAULT", "DAEMON_CONNECTED"]);
    assert_eq!(bench.station_fault(), map::FAULT_STATE_FILE.number);
    bench.disk = true;
    bench.pass(1100, true);
    assert_eq!(bench.status(), READY);
}

#[test]
fn recipe_error_takes_ready_until_a_valid_selection() {
    let mut bench = Bench::ready(Mode::Triggered);
    let error = ["DAEMON_CONNECTED", "RECIPE_ERROR"];
    bench.plc.recipe_select = 9;
    bench.control(&[]);
    assert_eq!(bench.status(), error);
    bench.trigger("A1");
    assert_eq!(bench.machine.outputs().lost, 1);
    bench.plc.recipe_select = 1;
    bench.control(&[map::RESET]);
    bench.control(&[]);
    bench.machine.activated(1, Activation::Refused, bench.now);
    assert_eq!(bench.status(), error);
    bench.control(&[map::RESET]);
    bench.control(&[]);
    bench
        .machine
        .activated(1, Activation::Unanswered, bench.now);
    bench.pass(10, true);
    assert_eq!(bench.activations.len(), 3);
    bench.machine.activated(1, Activation::Done, bench.now);
    assert_eq!(bench.status(), READY);
}
