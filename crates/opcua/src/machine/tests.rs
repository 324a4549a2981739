//! Every input in every state by a table, and invariants of random sequences.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// A machine in a state, with a daemon that can inspect unless the state is Error.
fn in_state(state: State) -> Machine {
    Machine {
        state,
        failed: state == State::Error,
    }
}

/// The effects as text: the number of a transition, or the name of an event.
fn text(effects: &[Effect]) -> String {
    let names = effects.iter().map(|effect| match effect {
        Effect::Changed(transition) => transition.number.to_string(),
        other => format!("{other:?}"),
    });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_input_in_every_state_has_the_effects_of_the_specification() {
    use Input as I;
    use State as S;
    // All combinations that are not listed are refused, and change nothing.
    let allowed = [
        (
            S::Preoperational,
            I::SelectModeAutomatic,
            S::Initialized,
            "151",
        ),
        (S::Preoperational, I::Halt, S::Halted, "121"),
        (S::Preoperational, I::Failed, S::Error, "130 ErrorRaised"),
        (S::Preoperational, I::Resolved, S::Preoperational, ""),
        (S::Halted, I::Reset, S::Preoperational, "211"),
        (S::Halted, I::Failed, S::Halted, ""),
        (S::Halted, I::Resolved, S::Halted, ""),
        (S::Error, I::Halt, S::Halted, "321"),
        (S::Error, I::Failed, S::Error, ""),
        (S::Error, I::Resolved, S::Error, "ErrorResolved"),
        (
            S::Initialized,
            I::RecipePrepared,
            S::Ready,
            "561 RecipePrepared",
        ),
        (S::Initialized, I::NoRecipeNeeded, S::Ready, "560"),
        (S::Initialized, I::Reset, S::Preoperational, "411"),
        (S::Initialized, I::Halt, S::Halted, "421"),
        (S::Initialized, I::Failed, S::Error, "430 ErrorRaised"),
        (S::Initialized, I::Resolved, S::Initialized, ""),
        (S::Ready, I::RecipePrepared, S::Ready, "RecipePrepared"),
        (S::Ready, I::RecipeUnprepared, S::Initialized, "651"),
        (
            S::Ready,
            I::StartSingleJob,
            S::SingleExecution,
            "671 JobStarted",
        ),
        (
            S::Ready,
            I::StartContinuous,
            S::ContinuousExecution,
            "681 JobStarted",
        ),
        (S::Ready, I::Reset, S::Preoperational, "411"),
        (S::Ready, I::Halt, S::Halted, "421"),
        (S::Ready, I::Failed, S::Error, "430 ErrorRaised"),
        (S::Ready, I::Resolved, S::Ready, ""),
        (S::SingleExecution, I::JobDone, S::Ready, "760 JobEnded"),
        (S::SingleExecution, I::Stop, S::Ready, "761 JobEnded"),
        (S::SingleExecution, I::Abort, S::Ready, "762 JobEnded"),
        (S::SingleExecution, I::Reset, S::Preoperational, "411"),
        (S::SingleExecution, I::Halt, S::Halted, "421"),
        (S::SingleExecution, I::Failed, S::Error, "430 ErrorRaised"),
        (S::SingleExecution, I::Resolved, S::SingleExecution, ""),
        (S::ContinuousExecution, I::Stop, S::Ready, "861 JobEnded"),
        (S::ContinuousExecution, I::Abort, S::Ready, "862 JobEnded"),
        (S::ContinuousExecution, I::Reset, S::Preoperational, "411"),
        (S::ContinuousExecution, I::Halt, S::Halted, "421"),
        (
            S::ContinuousExecution,
            I::Failed,
            S::Error,
            "430 ErrorRaised",
        ),
        (
            S::ContinuousExecution,
            I::Resolved,
            S::ContinuousExecution,
            "",
        ),
    ];
    for state in State::ALL {
        for input in Input::ALL {
            let mut machine = in_state(state);
            let before = machine;
            let result = machine.apply(input);
            let row = allowed.iter().find(|row| (row.0, row.1) == (state, input));
            if let Some((_, _, to, effects)) = row {
                let found = result.unwrap_or_else(|error| panic!("{state} {input:?} {error:?}"));
                assert_eq!(text(&found), *effects, "{state} {input:?}");
                assert_eq!(machine.state(), *to, "{state} {input:?}");
                continue;
            }
            let refused = result.expect_err("refused");
            let expected = if (state, input) == (S::Error, I::Reset) {
                Refusal::NotResolved
            } else {
                Refusal::WrongState(state)
            };
            assert_eq!(refused, expected, "{state} {input:?}");
            assert_eq!(machine, before, "{state} {input:?}");
        }
    }
}

#[test]
fn error_is_left_by_reset_after_it_is_resolved() {
    let mut machine = in_state(State::Ready);
    machine.apply(Input::Failed).expect("accepted");
    assert_eq!(machine.apply(Input::Reset), Err(Refusal::NotResolved));
    let resolved = machine.apply(Input::Resolved).expect("accepted");
    assert_eq!(text(&resolved), "ErrorResolved");
    assert_eq!(machine.state(), State::Error);
    let reset = machine.apply(Input::Reset).expect("accepted");
    assert_eq!(text(&reset), "311");
    assert_eq!(machine.state(), State::Preoperational);
}

#[test]
fn reset_of_a_halted_system_whose_daemon_is_away_ends_in_the_error_state() {
    let mut machine = in_state(State::Halted);
    machine.apply(Input::Failed).expect("accepted");
    let effects = machine.apply(Input::Reset).expect("accepted");
    assert_eq!(text(&effects), "211 130 ErrorRaised");
    assert_eq!(machine.state(), State::Error);
}

proptest! {
    /// For any inputs: the transitions are a chain, jobs start and end in turn, and no job starts while the daemon does
    /// not answer.
    #[test]
    fn effects_of_any_inputs_are_consistent(inputs in vec(select(Input::ALL.to_vec()), 0..60)) {
        let mut machine = Machine::default();
        let mut job = false;
        let mut error = false;
        for input in inputs {
            let before = machine;
            let allowed = machine.accepts(input);
            let result = machine.apply(input);
            prop_assert_eq!(allowed.is_ok(), result.is_ok());
            let Ok(effects) = result else {
                prop_assert_eq!(machine, before);
                continue;
            };
            let mut at = before.state();
            for effect in effects {
                match effect {
                    Effect::Changed(transition) => {
                        prop_assert_eq!(transition.from, at);
                        prop_assert_ne!(transition.from, transition.to);
                        at = transition.to;
                        if !at.is_execution() && at != State::Ready {
                            // Reset, Halt and Error end a job without the event Ready.
                            job = false;
                        }
                        if at != State::Error {
                            error = false;
                        }
                    }
                    Effect::JobStarted => {
                        prop_assert!(!job);
                        prop_assert!(!machine.has_failed());
                        job = true;
                    }
                    Effect::JobEnded => {
                        prop_assert!(job);
                        job = false;
                    }
                    Effect::ErrorRaised => {
                        prop_assert!(!error);
                        prop_assert_eq!(at, State::Error);
                        error = true;
                    }
                    Effect::ErrorResolved => {
                        prop_assert!(error);
                        error = false;
                    }
                    Effect::RecipePrepared => prop_assert_eq!(at, State::Ready),
                }
            }
            // No change of the state is without its event.
            prop_assert_eq!(machine.state(), at);
            prop_assert_eq!(machine.state().is_execution(), job);
            if machine.has_failed() {
                prop_assert!(matches!(machine.state(), State::Error | State::Halted));
            }
        }
    }
}
