//! The transitions of the specification, with their numbers and node ids.

use super::{Input, State};

/// A transition of the state machine of a vision system, or of its automatic mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The name in the nodeset.
    pub name: &'static str,
    /// The numeric id in the nodeset.
    pub id: u32,
    /// `TransitionNumber` in the nodeset.
    pub number: u32,
    /// The state before.
    pub from: State,
    /// The state after it.
    pub to: State,
    /// Whether it belongs to the automatic mode.
    pub automatic: bool,
}

/// A row of the table: from, to, inputs that cause it (empty: by itself), name, id, number.
type Row = (State, State, &'static [Input], &'static str, u32, u32);

use Input::{
    Abort, Halt, JobDone, RecipePrepared, RecipeUnprepared, Reset, SelectModeAutomatic,
    StartContinuous, StartSingleJob, Stop,
};
use State::{
    ContinuousExecution, Error, Halted, Initialized, Preoperational, Ready, SingleExecution,
};

/// The transitions between states of the vision system. Each state of the automatic mode is a substate of Operational.
const VISION: &[Row] = &[
    (
        Preoperational,
        Halted,
        &[Halt],
        "PreoperationalToHalted",
        5032,
        121,
    ),
    (
        Preoperational,
        Error,
        &[],
        "PreoperationalToErrorAuto",
        5034,
        130,
    ),
    (
        Preoperational,
        Initialized,
        &[SelectModeAutomatic],
        "PreoperationalToInitialized",
        5035,
        151,
    ),
    (
        Halted,
        Preoperational,
        &[Reset],
        "HaltedToPreoperational",
        5037,
        211,
    ),
    (
        Error,
        Preoperational,
        &[Reset],
        "ErrorToPreoperational",
        5039,
        311,
    ),
    (Error, Halted, &[Halt], "ErrorToHalted", 5041, 321),
    (
        Initialized,
        Preoperational,
        &[Reset],
        "OperationalToPreoperational",
        5047,
        411,
    ),
    (
        Initialized,
        Halted,
        &[Halt],
        "OperationalToHalted",
        5049,
        421,
    ),
    (Initialized, Error, &[], "OperationalToErrorAuto", 5051, 430),
];

/// The transitions within the automatic mode.
const AUTOMATIC: &[Row] = &[
    (
        Initialized,
        Ready,
        &[RecipePrepared],
        "InitializedToReadyRecipe",
        5060,
        561,
    ),
    (Initialized, Ready, &[], "InitializedToReadyAuto", 5061, 560),
    (
        Ready,
        Initialized,
        &[RecipeUnprepared],
        "ReadyToInitializedRecipe",
        5062,
        651,
    ),
    (
        Ready,
        SingleExecution,
        &[StartSingleJob],
        "ReadyToSingleExecution",
        5064,
        671,
    ),
    (
        Ready,
        ContinuousExecution,
        &[StartContinuous],
        "ReadyToContinuousExecution",
        5066,
        681,
    ),
    (
        SingleExecution,
        Ready,
        &[Stop],
        "SingleExecutionToReadyStop",
        5068,
        761,
    ),
    (
        SingleExecution,
        Ready,
        &[Abort],
        "SingleExecutionToReadyAbort",
        5069,
        762,
    ),
    (
        SingleExecution,
        Ready,
        &[JobDone],
        "SingleExecutionToReadyAuto",
        5070,
        760,
    ),
    (
        ContinuousExecution,
        Ready,
        &[Stop],
        "ContinuousExecutionToReadyStop",
        5071,
        861,
    ),
    (
        ContinuousExecution,
        Ready,
        &[Abort],
        "ContinuousExecutionToReadyAbort",
        5072,
        862,
    ),
];

impl Transition {
    /// Returns the transition from a state to another one that an input causes. `None` if the specification has none.
    pub fn between(from: State, to: State, input: Input) -> Option<Self> {
        let automatic = from.is_automatic() && to.is_automatic();
        let table = if automatic { AUTOMATIC } else { VISION };
        // Operational is left in the same way from each of its states.
        let row_from = if from.is_automatic() && !automatic {
            Initialized
        } else {
            from
        };
        let mut rows = table.iter().filter(|row| row.0 == row_from && row.1 == to);
        let caused = rows.clone().find(|row| row.2.contains(&input));
        let row = caused.or_else(|| rows.find(|row| row.2.is_empty()))?;
        Some(Self {
            name: row.3,
            id: row.4,
            number: row.5,
            from,
            to,
            automatic,
        })
    }

    /// Returns name, id and number of every transition that can occur.
    #[cfg(test)]
    pub fn all() -> impl Iterator<Item = (&'static str, u32, u32)> {
        let rows = VISION.iter().chain(AUTOMATIC);
        rows.map(|row| (row.3, row.4, row.5))
    }
}
