//! Random sequences of events in mode `follow`, with what must hold after each of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// An event.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The PLC writes this control word and recipe.
    Write {
        control: u16,
        recipe: u16,
    },
    /// The connection of the PLC is closed.
    Closed,
    Daemon(bool),
    /// The next verdict of the stream, with its age in milliseconds.
    Verdict(Decision, u64, bool),
    Activated(u16, Activation),
    /// Time passes with a check of the time limits.
    Pass(u64),
    /// Time passes without one, as on a busy machine.
    Busy(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let decision = prop_oneof![
        4 => Just(Decision::Pass),
        1 => Just(Decision::Reject),
        1 => Just(Decision::Fault),
    ];
    let control = prop_oneof![
        4 => Just(0_u16),
        4 => Just(map::ACKNOWLEDGE.mask()),
        1 => Just(map::ABORT.mask()),
        1 => Just(map::RESET.mask()),
        1 => 0..=map::CONTROL_MASK,
    ];
    let recipe = prop_oneof![8 => Just(0_u16), 1 => Just(1)];
    let age = prop_oneof![4 => 0..100_u64, 1 => 4000..6000_u64];
    prop_oneof![
        12 => (control, recipe).prop_map(|(control, recipe)| Step::Write { control, recipe }),
        1 => Just(Step::Closed),
        2 => prop::bool::weighted(0.8).prop_map(Step::Daemon),
        8 => (decision, age, prop::bool::weighted(0.1))
            .prop_map(|(decision, age, unconfirmed)| Step::Verdict(decision, age, unconfirmed)),
        1 => Just(Step::Activated(1, Activation::Done)),
        3 => (0..20_u64).prop_map(|tens| Step::Pass(tens * 50)),
        1 => (2000..8000_u64).prop_map(Step::Pass),
        1 => (0..8000_u64).prop_map(Step::Busy),
    ]
}

/// A verdict of the stream.
#[derive(Clone, Copy, Debug)]
struct Sent {
    made: Instant,
    is_good: bool,
}

/// A bench, and what it was given.
struct World {
    bench: Bench,
    /// The verdicts by their sequence, which is also their part id.
    sent: BTreeMap<u64, Sent>,
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::ready(Mode::Follow);
        // Verdicts are older than their receipt.
        bench.now += ms(10_000);
        bench.control(&[]);
        Self {
            bench,
            sent: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: Step) {
        let bench = &mut self.bench;
        match step {
            Step::Write { control, recipe } => {
                bench.plc.control = control;
                bench.plc.recipe_select = recipe;
                bench.plc.heartbeat = bench.plc.heartbeat.wrapping_add(1);
                bench.write(1).expect("the owner");
            }
            Step::Closed => bench.machine.closed(1, bench.now),
            Step::Daemon(connected) => bench.machine.daemon(connected, "juice", bench.now),
            Step::Verdict(decision, age, unconfirmed) => self.verdict(decision, age, unconfirmed),
            Step::Activated(number, answer) => bench.machine.activated(number, answer, bench.now),
            Step::Pass(milliseconds) => {
                bench.now += ms(milliseconds);
                bench.machine.tick(bench.now);
            }
            Step::Busy(milliseconds) => bench.now += ms(milliseconds),
        }
        self.bench.execute();
        if !matches!(step, Step::Busy(_)) {
            // The driver checks the time limits all the time.
            self.bench.machine.tick(self.bench.now);
            self.bench.execute();
            self.check();
        }
    }

    fn verdict(&mut self, decision: Decision, age: u64, unconfirmed: bool) {
        if !self.bench.machine.wants_verdict() {
            return;
        }
        let sequence = self.sent.len() as u64 + 1;
        let sent = Sent {
            made: self
                .bench
                .now
                .checked_sub(ms(age))
                .expect("the bench began later"),
            is_good: decision == Decision::Pass && !unconfirmed,
        };
        self.sent.insert(sequence, sent);
        let judged = Judged {
            age: ms(age),
            unconfirmed,
            recipe: "juice".to_owned(),
            ..verdict("", &sequence.to_string(), decision, sequence)
        };
        self.bench.machine.follow(judged, self.bench.now);
    }

    /// What holds after each event.
    fn check(&self) {
        let outputs = self.bench.machine.outputs();
        let newest = self.sent.len() as u64;
        if outputs.is(map::OK) {
            let result = outputs.result.as_ref().expect("valid");
            let sequence = result.sequence().expect("a verdict of the journal");
            let sent = self.sent[&sequence];
            let age = self.bench.now - sent.made;
            assert!(
                sent.is_good && age <= ms(5000),
                "{sequence} {sent:?} {age:?}"
            );
            assert!(!outputs.is(map::FAULT) && outputs.is(map::DAEMON_CONNECTED));
            assert_eq!(outputs.part, part(&sequence.to_string()));
        }
        if let Some(result) = &outputs.result {
            // Never a verdict that was acknowledged before, and no verdict is left out.
            assert_eq!(result.sequence(), Some(newest));
            assert!(!self.bench.acknowledged.contains(&newest));
        }
        let ascending: Vec<u64> = (1..=self.bench.acknowledged.len() as u64).collect();
        assert_eq!(self.bench.acknowledged, ascending);
        let waits = u64::from(!self.bench.machine.wants_verdict());
        assert_eq!(self.bench.acknowledged.len() as u64 + waits, newest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn verdicts_are_shown_once_in_order_and_only_a_new_pass_is_ok(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
    }
}

/// The random sequences reach what they are meant to check.
#[test]
fn random_sequences_reach_ok_outdated_results_and_acknowledgements() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(step(), 80);
    let (mut ok, mut outdated, mut acknowledged) = (0, 0, 0);
    for _ in 0..200 {
        let steps = strategy
            .new_tree(&mut runner)
            .expect("a sequence")
            .current();
        let mut world = World::new();
        for step in steps {
            world.take(step);
            let outputs = world.bench.machine.outputs();
            ok += u32::from(outputs.is(map::OK));
            let code = outputs.result.map_or(0, |result| result.fault_code);
            outdated += u32::from(code == map::FAULT_OUTDATED.number);
        }
        acknowledged += world.bench.acknowledged.len();
    }
    assert!(
        ok > 20 && outdated > 20 && acknowledged > 20,
        "{ok} {outdated} {acknowledged}"
    );
}
