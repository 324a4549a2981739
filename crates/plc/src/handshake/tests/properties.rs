//! Random sequences of events, with what must hold after each of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// An event.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A connection writes everything, with this control word, part, command and recipe.
    Write {
        connection: u64,
        control: u16,
        part: u8,
        command: u16,
        recipe: u16,
        alive: bool,
    },
    Closed(u64),
    Daemon(bool, &'static str),
    /// The oldest save ends.
    Saved(bool),
    /// The verdict of a trigger arrives; the newest trigger is 0.
    Verdict(usize, Decision, bool),
    Refused(usize),
    Activated(u16, Activation),
    Pass(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let decision = prop_oneof![
        4 => Just(Decision::Pass),
        1 => Just(Decision::Reject),
        1 => Just(Decision::Fault),
    ];
    let control = prop_oneof![
        4 => Just(0_u16),
        4 => Just(map::TRIGGER.mask()),
        3 => Just(map::TRIGGER.mask() | map::ACKNOWLEDGE.mask()),
        2 => 0..=map::CONTROL_MASK,
    ];
    let connection = prop_oneof![6 => Just(1_u64), 1 => Just(2)];
    let activation = prop_oneof![
        3 => Just(Activation::Done),
        1 => Just(Activation::Refused),
        1 => Just(Activation::Unanswered),
    ];
    let command = prop_oneof![2 => Just(0_u16), 2 => Just(1), 1 => 2..5_u16];
    let write = (connection, control, 0..2_u8, command, any::<bool>());
    let recipe = prop_oneof![5 => Just(0_u16), 1 => 1..4_u16];
    prop_oneof![
        12 => (write, recipe).prop_map(|((connection, control, part, command, alive), recipe)| {
            Step::Write { connection, control, part, command, recipe, alive }
        }),
        1 => (1..3_u64).prop_map(Step::Closed),
        2 => (prop::bool::weighted(0.8), prop_oneof![Just("juice"), Just("")])
            .prop_map(|(connected, recipe)| Step::Daemon(connected, recipe)),
        8 => prop::bool::weighted(0.9).prop_map(Step::Saved),
        6 => (prop_oneof![4 => Just(0_usize), 1 => 0..4_usize], decision, prop::bool::weighted(0.9))
            .prop_map(|(trigger, decision, same)| Step::Verdict(trigger, decision, same)),
        1 => (0..2_usize).prop_map(Step::Refused),
        2 => (1..4_u16, activation).prop_map(|(number, answer)| Step::Activated(number, answer)),
        2 => (1..40_u64).prop_map(|tens| Step::Pass(tens * 50)),
        2 => (2000..5000_u64).prop_map(Step::Pass),
        2 => Just(Step::Restart),
    ]
}

/// The simulated surroundings, which execute the commands of the machine in their own steps.
struct World {
    machine: Machine,
    now: Instant,
    heartbeat: u16,
    /// Saves that have not ended, and what is stored.
    saves: Vec<(u64, Memory)>,
    stored: Memory,
    /// Triggers since the beginning: key and part id, in their order.
    triggers: Vec<(String, String)>,
    /// Parts by key, over all restarts.
    parts: BTreeMap<String, String>,
    /// Keys that were sent since the start of the program.
    sent: Vec<String>,
    /// Keys whose verdict was PASS for the part of the trigger.
    passed: Vec<String>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            machine: Machine::new(settings(Mode::Triggered), memory()),
            now: Instant::now(),
            heartbeat: 0,
            saves: Vec::new(),
            stored: memory(),
            triggers: Vec::new(),
            parts: BTreeMap::new(),
            sent: Vec::new(),
            passed: Vec::new(),
        };
        world.machine.daemon(true, "", world.now);
        world
    }

    fn take(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Write {
                connection,
                control,
                part,
                command,
                recipe,
                alive,
            } => {
                self.heartbeat = self.heartbeat.wrapping_add(u16::from(alive));
                let plc = PlcWords {
                    control,
                    heartbeat: self.heartbeat,
                    command,
                    recipe_select: recipe,
                    part: PartNumber {
                        number: part.into(),
                        text: [0; 32],
                    },
                };
                self.write(connection, plc);
            }
            Step::Closed(connection) => self.machine.closed(connection, now),
            Step::Daemon(connected, recipe) => self.machine.daemon(connected, recipe, now),
            Step::Saved(success) => {
                if !self.saves.is_empty() {
                    let (revision, memory) = self.saves.remove(0);
                    if success {
                        self.stored = memory;
                    }
                    self.machine.saved(revision, success, now);
                }
            }
            Step::Verdict(place, decision, same) => self.verdict(place, decision, same),
            Step::Refused(place) => {
                if let Some((key, _)) = self.triggers.iter().rev().nth(place) {
                    self.machine.refused(key, now);
                }
            }
            Step::Activated(number, answer) => self.machine.activated(number, answer, now),
            Step::Pass(milliseconds) => {
                self.now += ms(milliseconds);
                self.machine.tick(self.now);
            }
            Step::Restart => {
                self.machine = Machine::new(settings(Mode::Triggered), self.stored.clone());
                self.saves.clear();
                self.sent.clear();
                self.machine.daemon(true, "", now);
            }
        }
        self.execute();
        self.check();
    }

    /// The PLC writes. Each trigger is accepted or lost, and nothing else is.
    fn write(&mut self, connection: u64, plc: PlcWords) {
        let before = self.machine.outputs();
        let raised = plc.control & !self.machine.plc().control & map::TRIGGER.mask() != 0;
        let control = plc.control;
        let started = before.station_state != map::STATE_START.number;
        if self.machine.write(connection, plc, true, self.now).is_err() {
            assert_eq!(self.machine.outputs(), before);
            return;
        }
        let after = self.machine.outputs();
        let lost = u32::from(after.lost - before.lost);
        let idle = before.station_state == map::STATE_IDLE.number;
        let now = [map::STATE_BUSY.number, map::STATE_RESULT.number];
        let accepted = u32::from(idle && now.contains(&after.station_state));
        if started {
            assert_eq!(lost + accepted, u32::from(raised), "{before:?} {after:?}");
        }
        if accepted == 1 {
            assert!(before.is(map::READY) && control == map::TRIGGER.mask());
        }
    }

    fn verdict(&mut self, place: usize, decision: Decision, same: bool) {
        let Some((key, part_id)) = self.triggers.iter().rev().nth(place).cloned() else {
            return;
        };
        let part_id = if same { part_id } else { "other".to_owned() };
        let judged = Judged {
            recipe: "juice".to_owned(),
            ..verdict(&key, &part_id, decision, 1)
        };
        let shown = self.machine.judged(judged, self.now);
        if shown && same && decision == Decision::Pass {
            self.passed.push(key);
        }
    }

    fn execute(&mut self) {
        for command in self.machine.take_commands() {
            match command {
                Command::Save { revision, memory } => self.saves.push((revision, memory)),
                Command::Trigger { key, part_id } => {
                    let open = self.stored.open.as_ref().expect("stored before it is sent");
                    assert_eq!((&open.key, &open.part_id), (&key, &part_id));
                    assert!(!self.sent.contains(&key), "{key} was sent twice");
                    let known = self.parts.insert(key.clone(), part_id.clone());
                    assert!(known.is_none_or(|known| known == part_id), "{key}");
                    self.sent.push(key.clone());
                    self.triggers.push((key, part_id));
                }
                Command::Activate { .. } | Command::Acknowledge(_) => {}
            }
        }
    }

    /// What holds after each event.
    fn check(&self) {
        let outputs = self.machine.outputs();
        let is = |bit| outputs.is(bit);
        let valid = outputs.result.is_some();
        assert_eq!(is(map::RESULT_VALID), valid);
        assert!(!(is(map::BUSY) && is(map::RESULT_VALID)));
        if is(map::READY) {
            let others = [map::BUSY, map::RESULT_VALID, map::FAULT, map::RECIPE_ERROR];
            assert!(!others.into_iter().any(is), "{outputs:?}");
            assert!(is(map::DAEMON_CONNECTED));
        }
        if is(map::OK) {
            let result = outputs.result.as_ref().expect("valid");
            assert!(!is(map::FAULT) && is(map::DAEMON_CONNECTED));
            let judged = result.judged.as_ref().expect("a verdict");
            assert_eq!(judged.decision, Some(Decision::Pass));
            assert_eq!(Ok(&judged.part_id), outputs.part.id().as_ref());
            let newest = self.triggers.last().expect("a trigger");
            assert_eq!((&judged.key, &judged.part_id), (&newest.0, &newest.1));
            assert!(self.passed.contains(&judged.key));
        }
        assert!(valid || outputs.result.is_none());
    }

    /// The documented way to `READY` from any state: `RESET`, then all bits off, with a daemon and a disk.
    fn recover(&mut self) {
        for connection in [1, 2] {
            self.machine.closed(connection, self.now);
        }
        // No part waits for a PLC without limit.
        self.now += ms(10_000);
        self.machine.tick(self.now);
        let state = self.machine.outputs().station_state;
        let waiting = [map::STATE_BUSY.number, map::STATE_RESULT.number];
        assert!(!waiting.contains(&state), "{:?}", self.machine);
        self.machine.daemon(true, "juice", self.now);
        for control in [map::RESET.mask(), 0] {
            self.heartbeat = self.heartbeat.wrapping_add(1);
            let plc = PlcWords {
                control,
                heartbeat: self.heartbeat,
                ..PlcWords::default()
            };
            self.machine
                .write(3, plc, true, self.now)
                .expect("no owner");
        }
        for _ in 0..3 {
            self.execute();
            while !self.saves.is_empty() {
                let (revision, _) = self.saves.remove(0);
                self.machine.saved(revision, true, self.now);
            }
            self.now += SAVE_AGAIN;
            self.machine.tick(self.now);
        }
        assert!(self.machine.outputs().is(map::READY), "{:?}", self.machine);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_part_passes_without_its_own_pass_and_ready_is_always_reached(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.recover();
    }
}

/// The random sequences reach what they are meant to check.
#[test]
fn random_sequences_reach_every_state_and_ok() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(step(), 80);
    let mut reached = BTreeMap::<u16, u32>::new();
    let (mut ok, mut resumed) = (0, 0);
    for _ in 0..500 {
        let steps = strategy
            .new_tree(&mut runner)
            .expect("a sequence")
            .current();
        let mut world = World::new();
        for step in steps {
            world.take(step);
            let outputs = world.machine.outputs();
            *reached.entry(outputs.station_state).or_default() += 1;
            ok += u32::from(outputs.is(map::OK));
        }
        resumed += u32::from(world.triggers.len() > world.parts.len());
    }
    assert_eq!(reached.len(), map::STATION_STATES.len(), "{reached:?}");
    let errors = reached[&map::STATE_ERROR.number];
    assert!(
        ok > 100 && resumed > 5 && errors > 20,
        "{ok} {resumed} {reached:?}"
    );
}
