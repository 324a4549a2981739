//! Parts without faults.

use super::*;

#[test]
fn part_goes_through_the_four_phases() {
    let mut bench = Bench::ready(Mode::Triggered);
    assert_eq!(bench.status(), READY);
    bench.plc.command = 7;
    bench.trigger("A1");
    assert_eq!(bench.status(), ["BUSY", "DAEMON_CONNECTED"]);
    assert_eq!(bench.triggers, [("k-1".to_owned(), "A1".to_owned())]);
    assert_eq!(bench.stored.open.as_ref().expect("stored").key, "k-1");
    bench.pass(120, true);
    assert!(bench.answer(Decision::Pass));
    assert_eq!(bench.status(), ["RESULT_VALID", "OK", "DAEMON_CONNECTED"]);
    let outputs = bench.machine.outputs();
    assert_eq!((outputs.part, outputs.command), (part("A1"), 7));
    let result = outputs.result.expect("a result");
    assert_eq!(result.latency, ms(120));
    assert!(bench.acknowledged.is_empty());
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    assert_eq!(bench.acknowledged, [1]);
    assert_eq!(bench.stored.open, None);
    bench.control(&[map::ACKNOWLEDGE]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    bench.control(&[]);
    assert_eq!(bench.status(), READY);
}

#[test]
fn each_decision_has_its_bits() {
    let check = |decision, expected: &[&str]| {
        let mut bench = Bench::ready(Mode::Triggered);
        bench.trigger("A1");
        bench.answer(decision);
        let status = bench.status();
        assert_eq!(&status[..status.len() - 1], expected, "{decision:?}");
        assert_eq!(bench.result().expect("a result").0, decision);
    };
    check(Decision::Pass, &["RESULT_VALID", "OK"]);
    check(Decision::Reject, &["RESULT_VALID", "NOT_OK"]);
    check(Decision::Review, &["RESULT_VALID", "REVIEW"]);
    check(Decision::Fault, &["RESULT_VALID", "FAULT"]);
}

#[test]
fn short_trigger_pulse_is_enough() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.control(&[]);
    assert_eq!(bench.status(), ["BUSY", "DAEMON_CONNECTED"]);
    bench.answer(Decision::Pass);
    bench.control(&[map::ACKNOWLEDGE]);
    bench.control(&[]);
    assert_eq!(bench.status(), READY);
}

#[test]
fn each_part_has_a_key_of_its_own() {
    let mut bench = Bench::ready(Mode::Triggered);
    for text in ["A1", "A1", "A2"] {
        bench.inspect(text, Decision::Pass);
    }
    let keys: Vec<&str> = bench.triggers.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["k-1", "k-2", "k-3"]);
    assert_eq!(bench.acknowledged, [1, 2, 3]);
    assert_eq!(bench.machine.outputs().results, 3);
}

#[test]
fn trigger_is_sent_after_its_key_is_stored_and_ready_comes_after_its_end_is() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.part = part("A1");
    bench.plc.control = map::TRIGGER.mask();
    let plc = bench.plc.clone();
    bench
        .machine
        .write(1, plc, true, bench.now)
        .expect("the owner");
    let commands = bench.machine.take_commands();
    let [Command::Save { revision, .. }] = commands[..] else {
        panic!("{commands:?}")
    };
    bench.machine.saved(revision, true, bench.now);
    bench.execute();
    assert_eq!(bench.triggers.len(), 1);
    bench.answer(Decision::Pass);
    for control in [map::TRIGGER.mask() | map::ACKNOWLEDGE.mask(), 0] {
        bench.plc.control = control;
        let plc = bench.plc.clone();
        bench
            .machine
            .write(1, plc, true, bench.now)
            .expect("the owner");
    }
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    bench.execute();
    bench.pass(10, true);
    assert_eq!(bench.status(), READY);
}

#[test]
fn acknowledge_that_stays_on_does_not_acknowledge_the_next_result() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    bench.answer(Decision::Pass);
    assert_eq!(bench.status(), ["RESULT_VALID", "OK", "DAEMON_CONNECTED"]);
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    assert!(bench.acknowledged.is_empty());
    bench.control(&[map::TRIGGER]);
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    assert_eq!(bench.acknowledged, [1]);
}

#[test]
fn recipe_is_activated_between_parts() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.trigger("A1");
    bench.plc.recipe_select = 2;
    bench.control(&[map::TRIGGER]);
    assert!(bench.activations.is_empty());
    // The part was triggered before the selection.
    bench.answer(Decision::Pass);
    assert_eq!(bench.result(), Some((Decision::Pass, 0)));
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    assert_eq!(bench.activations, [(2, "water".to_owned())]);
    bench.control(&[]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    bench.machine.activated(2, Activation::Done, bench.now);
    assert_eq!(bench.status(), READY);
    assert_eq!(bench.machine.outputs().active_recipe, 2);
}
