//! The state machine of a vision system (OPC 40100-1, clauses 8.2 and 8.3), without IO.
//!
//! [`Machine::apply`] takes an input and returns what it causes, in the order in which it is to be published. An input that
//! the state does not allow is refused and changes nothing.

mod transition;

use std::fmt::{self, Display, Formatter};

pub use self::transition::Transition;

/// The state of a vision system. The last four are states of the automatic mode, within the state Operational.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Ready to be set to a mode.
    Preoperational,
    /// Out of operation because a client requested it.
    Halted,
    /// The daemon does not answer, or cannot inspect for this system.
    Error,
    /// In automatic mode, without a prepared recipe.
    Initialized,
    /// A recipe is prepared, or none is necessary: a job can start.
    Ready,
    /// One part is being inspected.
    SingleExecution,
    /// Every verdict is a result of the job, until it is stopped.
    ContinuousExecution,
}

impl State {
    /// All states.
    #[cfg(test)]
    pub const ALL: [Self; 7] = [
        Self::Preoperational,
        Self::Halted,
        Self::Error,
        Self::Initialized,
        Self::Ready,
        Self::SingleExecution,
        Self::ContinuousExecution,
    ];

    /// Whether the state is one of the automatic mode.
    pub fn is_automatic(self) -> bool {
        self.name_in_automatic_mode().is_some()
    }

    /// Whether a job is being executed.
    #[cfg(test)]
    pub fn is_execution(self) -> bool {
        matches!(self, Self::SingleExecution | Self::ContinuousExecution)
    }

    /// The name of the state of the vision system, as in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preoperational => "Preoperational",
            Self::Halted => "Halted",
            Self::Error => "Error",
            _ => "Operational",
        }
    }

    /// The name of the state in the automatic mode. `None` outside of it.
    pub fn name_in_automatic_mode(self) -> Option<&'static str> {
        match self {
            Self::Initialized => Some("Initialized"),
            Self::Ready => Some("Ready"),
            Self::SingleExecution => Some("SingleExecution"),
            Self::ContinuousExecution => Some("ContinuousExecution"),
            _ => None,
        }
    }
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name_in_automatic_mode().unwrap_or(self.name()))
    }
}

/// What happens to a vision system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The method SelectModeAutomatic.
    SelectModeAutomatic,
    /// The method Reset.
    Reset,
    /// The method Halt.
    Halt,
    /// The method PrepareRecipe, after the daemon has prepared the recipe.
    RecipePrepared,
    /// The method UnprepareRecipe.
    RecipeUnprepared,
    /// No recipe is necessary: the daemon inspects without recipes.
    NoRecipeNeeded,
    /// The method StartSingleJob, after the daemon has accepted the request.
    StartSingleJob,
    /// The method StartContinuous.
    StartContinuous,
    /// The method Stop.
    Stop,
    /// The method Abort.
    Abort,
    /// The verdict of the single job has arrived.
    JobDone,
    /// The daemon does not answer, or cannot inspect for this system.
    Failed,
    /// The daemon answers again, and can inspect.
    Resolved,
}

impl Input {
    /// All inputs.
    #[cfg(test)]
    pub const ALL: [Self; 13] = [
        Self::SelectModeAutomatic,
        Self::Reset,
        Self::Halt,
        Self::RecipePrepared,
        Self::RecipeUnprepared,
        Self::NoRecipeNeeded,
        Self::StartSingleJob,
        Self::StartContinuous,
        Self::Stop,
        Self::Abort,
        Self::JobDone,
        Self::Failed,
        Self::Resolved,
    ];
}

/// What an input causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The event StateChanged: the state has changed.
    Changed(Transition),
    /// The event RecipePrepared.
    RecipePrepared,
    /// The event JobStarted.
    JobStarted,
    /// The event Ready: the job has ended, and another one can start.
    JobEnded,
    /// The event Error.
    ErrorRaised,
    /// The event ErrorResolved.
    ErrorResolved,
}

/// Why an input is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The state does not allow it.
    WrongState(State),
    /// The cause of the error still exists.
    NotResolved,
}

/// The state of a vision system, and whether the daemon can inspect for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    state: State,
    failed: bool,
}

impl Default for Machine {
    /// Preoperational, and nothing is known to have failed.
    fn default() -> Self {
        Self {
            state: State::Preoperational,
            failed: false,
        }
    }
}

impl Machine {
    /// Returns the state.
    pub fn state(self) -> State {
        self.state
    }

    /// Returns whether the daemon cannot inspect for this system, in any state of the system.
    pub fn has_failed(self) -> bool {
        self.failed
    }

    /// Returns whether an input would be accepted.
    ///
    /// # Errors
    /// If it would be refused.
    pub fn accepts(self, input: Input) -> Result<(), Refusal> {
        let mut copy = self;
        copy.apply(input).map(drop)
    }

    /// Applies an input. Returns its effects in their order.
    ///
    /// # Errors
    /// If the state does not allow the input; nothing has changed then.
    pub fn apply(&mut self, input: Input) -> Result<Vec<Effect>, Refusal> {
        use State::{
            ContinuousExecution, Error, Halted, Initialized, Preoperational, Ready, SingleExecution,
        };
        let mut effects = Vec::new();
        match (input, self.state) {
            (Input::Failed, _) => self.fail(&mut effects),
            (Input::Resolved, _) => self.resolve(&mut effects),
            (Input::Reset, Error) if self.failed => return Err(Refusal::NotResolved),
            (Input::Reset, Halted | Error) => self.go(Preoperational, input, &mut effects),
            (Input::Reset, _) if self.state.is_automatic() => {
                self.go(Preoperational, input, &mut effects);
            }
            (Input::Halt, Preoperational | Error) => self.go(Halted, input, &mut effects),
            (Input::Halt, _) if self.state.is_automatic() => self.go(Halted, input, &mut effects),
            (Input::SelectModeAutomatic, Preoperational) => {
                self.go(Initialized, input, &mut effects);
            }
            (Input::RecipePrepared, Initialized) => {
                self.go(Ready, input, &mut effects);
                effects.push(Effect::RecipePrepared);
            }
            // Another recipe in place of the one that was prepared.
            (Input::RecipePrepared, Ready) => effects.push(Effect::RecipePrepared),
            (Input::NoRecipeNeeded, Initialized) => self.go(Ready, input, &mut effects),
            (Input::RecipeUnprepared, Ready) => self.go(Initialized, input, &mut effects),
            (Input::StartSingleJob, Ready) => {
                self.go(SingleExecution, input, &mut effects);
                effects.push(Effect::JobStarted);
            }
            (Input::StartContinuous, Ready) => {
                self.go(ContinuousExecution, input, &mut effects);
                effects.push(Effect::JobStarted);
            }
            (Input::Stop | Input::Abort, SingleExecution | ContinuousExecution)
            | (Input::JobDone, SingleExecution) => {
                self.go(Ready, input, &mut effects);
                effects.push(Effect::JobEnded);
            }
            (_, state) => return Err(Refusal::WrongState(state)),
        }
        // The daemon may still be unreachable after Halted.
        if self.state == Preoperational && self.failed {
            self.fail(&mut effects);
        }
        Ok(effects)
    }

    fn fail(&mut self, effects: &mut Vec<Effect>) {
        let had_failed = std::mem::replace(&mut self.failed, true);
        match self.state {
            // A halted system stays halted: the specification has no transition to Error.
            State::Halted => {}
            State::Error if had_failed => {}
            State::Error => effects.push(Effect::ErrorRaised),
            _ => {
                self.go(State::Error, Input::Failed, effects);
                effects.push(Effect::ErrorRaised);
            }
        }
    }

    fn resolve(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.failed) && self.state == State::Error {
            effects.push(Effect::ErrorResolved);
        }
    }

    fn go(&mut self, to: State, input: Input, effects: &mut Vec<Effect>) {
        let transition = Transition::between(self.state, to, input);
        effects.extend(transition.map(Effect::Changed));
        self.state = to;
    }
}

#[cfg(test)]
mod tests;
