//! Restarts of the program, with what it has stored.

use super::*;

/// A station that was killed during this part, and has been started again.
fn killed(text: &str, command: u16) -> Bench {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.command = command;
    bench.trigger(text);
    let mut bench = Bench::started(settings(Mode::Triggered), bench.stored);
    bench.machine.daemon(true, "", bench.now);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    bench
}

#[test]
fn held_trigger_of_the_same_part_continues_with_the_same_key() {
    let mut bench = killed("A1", 7);
    bench.control(&[map::TRIGGER]);
    assert_eq!(bench.triggers, [("k-1".to_owned(), "A1".to_owned())]);
    bench.answer(Decision::Pass);
    assert_eq!(bench.machine.outputs().part, part("A1"));
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    bench.control(&[]);
    bench.plc.command = 8;
    bench.trigger("A2");
    assert_eq!(bench.triggers[1], ("k-2".to_owned(), "A2".to_owned()));
}

#[test]
fn write_without_the_control_word_decides_nothing() {
    let mut bench = killed("A1", 7);
    bench.pass(300, true);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    bench.control(&[map::TRIGGER]);
    assert_eq!(bench.triggers.len(), 1);
}

#[test]
fn held_trigger_of_another_part_is_lost() {
    let check = |command, text: &str| {
        let mut bench = killed("A1", 7);
        bench.plc.command = command;
        bench.trigger(text);
        assert_eq!(bench.status(), ["DAEMON_CONNECTED", "TRIGGER_LOST"]);
        assert!(bench.triggers.is_empty());
        bench.control(&[]);
        bench.plc.command = 9;
        bench.trigger(text);
        assert_eq!(bench.triggers[0].0, "k-2");
    };
    check(8, "A1");
    check(7, "A2");
}

#[test]
fn held_trigger_that_was_not_stored_is_sent() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.command = 7;
    bench.inspect("A1", Decision::Pass);
    let restarted = || {
        let mut restarted = Bench::started(settings(Mode::Triggered), bench.stored.clone());
        restarted.machine.daemon(true, "", restarted.now);
        restarted
    };
    let mut next = restarted();
    next.plc.command = 8;
    next.trigger("A2");
    assert_eq!(next.triggers, [("k-2".to_owned(), "A2".to_owned())]);
    // The previous part is finished except for the last bit: nothing is lost.
    let mut finished = restarted();
    finished.plc.command = 7;
    finished.trigger("A1");
    assert_eq!(finished.status(), ["DAEMON_CONNECTED"]);
    assert!(finished.triggers.is_empty());
    // Without a command sequence number, the part cannot be identified.
    let mut unknown = restarted();
    unknown.trigger("A2");
    assert_eq!(unknown.status(), ["DAEMON_CONNECTED", "TRIGGER_LOST"]);
}

#[test]
fn held_trigger_without_a_name_is_lost() {
    let mut bench = killed("", 0);
    bench.trigger("");
    assert_eq!(bench.status(), ["DAEMON_CONNECTED", "TRIGGER_LOST"]);
    assert!(bench.triggers.is_empty());
}

#[test]
fn plc_at_the_end_of_its_part_loses_nothing() {
    let mut bench = killed("A1", 7);
    bench.control(&[map::TRIGGER, map::ACKNOWLEDGE]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    assert!(bench.triggers.is_empty());
    // The last bit goes off later.
    bench.control(&[map::TRIGGER]);
    assert!(bench.triggers.is_empty());
    bench.control(&[]);
    assert_eq!(bench.status(), READY);
    assert_eq!(bench.stored.open, None);
}

#[test]
fn plc_that_gave_up_its_part_begins_anew() {
    let mut bench = killed("A1", 7);
    bench.control(&[]);
    assert_eq!(bench.status(), READY);
    bench.plc.command = 8;
    bench.trigger("A2");
    assert_eq!(bench.triggers, [("k-2".to_owned(), "A2".to_owned())]);
}

#[test]
fn selected_recipe_survives_a_restart() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.recipe_select = 2;
    bench.control(&[]);
    bench.machine.activated(2, Activation::Done, bench.now);
    assert_eq!(bench.status(), READY);
    let mut bench = Bench::started(settings(Mode::Triggered), bench.stored);
    assert_eq!(bench.machine.plc().recipe_select, 2);
    // Meanwhile, the daemon has another recipe.
    bench.machine.daemon(true, "juice", bench.now);
    bench.execute();
    bench.control(&[]);
    assert_eq!(bench.status(), ["DAEMON_CONNECTED"]);
    assert_eq!(bench.activations, [(2, "water".to_owned())]);
    bench.machine.activated(2, Activation::Done, bench.now);
    assert_eq!(bench.status(), READY);
    // Another selection replaces it.
    bench.plc.recipe_select = 0;
    bench.control(&[]);
    assert_eq!(bench.stored.recipe_select, 0);
}

#[test]
fn part_that_continues_must_be_judged_by_the_recipe_of_its_trigger() {
    let check = |recipe: &str, expected| {
        let mut bench = Bench::ready(Mode::Triggered);
        bench.plc.recipe_select = 2;
        bench.control(&[]);
        bench.machine.activated(2, Activation::Done, bench.now);
        bench.plc.command = 7;
        bench.trigger("A1");
        let mut bench = Bench::started(settings(Mode::Triggered), bench.stored);
        bench.machine.daemon(true, "juice", bench.now);
        // A PLC that does not select a recipe any more.
        bench.plc.recipe_select = 0;
        bench.control(&[map::TRIGGER]);
        assert_eq!(bench.triggers, [("k-1".to_owned(), "A1".to_owned())]);
        let judged = Judged {
            recipe: recipe.to_owned(),
            ..verdict("k-1", "A1", Decision::Pass, 9)
        };
        assert!(bench.machine.judged(judged, bench.now));
        assert_eq!(bench.result(), Some(expected));
    };
    check("water", (Decision::Pass, 0));
    let fault = (Decision::Fault, map::FAULT_WRONG_RECIPE.number);
    check("juice", fault);
}

#[test]
fn repeated_command_sequence_number_is_known_after_a_restart() {
    let mut bench = Bench::ready(Mode::Triggered);
    bench.plc.command = 5;
    bench.inspect("A1", Decision::Pass);
    let mut bench = Bench::started(settings(Mode::Triggered), bench.stored);
    bench.machine.daemon(true, "", bench.now);
    bench.control(&[]);
    bench.plc.command = 5;
    bench.trigger("A1");
    let expected = (Decision::Fault, map::FAULT_COMMAND_REPEATED.number);
    assert_eq!(bench.result(), Some(expected));
}
