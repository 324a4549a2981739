//! The arguments of methods as validated requests, without IO.

mod arguments;

use inspectd_client::{Decision, Verdict};
use opcua::types::{StatusCode, Variant};

use self::arguments::Arguments;
use crate::method::Method;
use crate::result::{JobData, result_state, state_of};

/// The most results of a list.
pub const MOST_RESULTS: u32 = 500;

/// Why arguments are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentError {
    /// Arguments are missing.
    Missing,
    /// An argument is wrong; its index, and why.
    Wrong(usize, StatusCode),
    /// The request is one that this server cannot carry out.
    NotSupported,
}

/// A request that only reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// The result of this id.
    Result(String),
    /// The result of this id, field by field.
    ResultComponents(String),
    /// Results that match a filter.
    Results(Box<ResultFilter>),
    /// The handle of results is released.
    ReleaseResult(u32),
    /// The configuration of this id.
    Configuration(String),
    /// The configurations.
    Configurations(Window),
    /// The handle of configurations is released.
    ReleaseConfiguration(u32),
    /// The configuration of this id is to be the active one.
    ActivateConfiguration(String),
    /// Recipes that match a filter.
    Recipes(RecipeFilter),
    /// The handle of recipes is released.
    ReleaseRecipe(u32),
}

/// A request that changes the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `PrepareRecipe`.
    PrepareRecipe(RecipeChoice),
    /// `UnprepareRecipe`.
    UnprepareRecipe(RecipeChoice),
    /// `RemoveRecipe`.
    RemoveRecipe(String),
    /// `SelectModeAutomatic`.
    SelectModeAutomatic,
    /// `Reset`.
    Reset(Cause),
    /// `Halt`.
    Halt(Cause),
    /// `Stop`.
    Stop(Cause),
    /// `Abort`.
    Abort(Cause),
    /// `StartSingleJob`.
    StartSingleJob(JobRequest),
    /// `StartContinuous`.
    StartContinuous(JobRequest),
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// It only reads.
    Read(Read),
    /// It changes the state.
    Change(Change),
}

/// Why a client changes the state, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The number, whose meaning the client defines.
    pub number: i32,
    /// The description.
    pub description: String,
}

/// A recipe that a client names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipeChoice {
    /// The id.
    pub id: String,
    /// The version that it must have. Empty: any.
    pub version: String,
    /// The SHA-256 that its content must have, in hexadecimal digits. Empty: any.
    pub sha256: String,
}

impl RecipeChoice {
    /// Whether a recipe is the one that is named.
    pub fn is(&self, id: &str, version: &str, sha256: &str) -> bool {
        let same = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        self.id == id && same(&self.version, version) && same(&self.sha256, sha256)
    }
}

/// A job that a client starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRequest {
    /// The measurement. Empty: none.
    pub meas: String,
    /// The part. Empty: none.
    pub part: String,
    /// The recipe. `None`: the prepared one.
    pub recipe: Option<RecipeChoice>,
}

/// Which part of a list is returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The most entries. 0: as many as the server lists.
    pub max: u32,
    /// The index of the first one.
    pub start: u32,
}

impl Window {
    /// Returns the number of entries to return.
    pub fn length(self) -> usize {
        let max = if self.max == 0 {
            MOST_RESULTS
        } else {
            self.max
        };
        max.min(MOST_RESULTS) as usize
    }
}

/// Which recipes are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipeFilter {
    /// The id. Empty: any.
    pub id: String,
    /// Whether they are prepared. `None`: in either case.
    pub prepared: Option<bool>,
    /// Which of them.
    pub window: Window,
}

/// Which results are listed. Empty texts restrict nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultFilter {
    /// `ResultState`. `None`: any.
    pub state: Option<i32>,
    /// The measurement.
    pub meas: String,
    /// The part.
    pub part: String,
    /// The recipe, in the system that manages recipes.
    pub external_recipe: String,
    /// The recipe, in the vision system.
    pub internal_recipe: RecipeChoice,
    /// The configuration, in the vision system.
    pub configuration: String,
    /// The job.
    pub job: String,
    /// Which of them.
    pub window: Window,
}

impl ResultFilter {
    /// Returns the id of the recipe to request from the daemon. Empty: any.
    pub fn recipe_id(&self) -> &str {
        match self.internal_recipe.id.as_str() {
            "" => &self.external_recipe,
            id => id,
        }
    }

    /// Returns the decisions to request from the daemon. `None`: no result can have this state. Empty: all.
    pub fn decisions(&self) -> Option<Vec<Decision>> {
        match self.state {
            None => Some(Vec::new()),
            Some(result_state::COMPLETED) => {
                Some(vec![Decision::Pass, Decision::Reject, Decision::Review])
            }
            // A part that was not judged in time may be a REJECT.
            Some(result_state::FAILED) => Some(vec![Decision::Fault, Decision::Reject]),
            Some(_) => None,
        }
    }

    /// Returns whether a verdict matches. `job` is the job that it belongs to; empty: none.
    pub fn matches(&self, verdict: &Verdict, job: &str) -> bool {
        let same = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let data = JobData::from_client_data(&verdict.client_data).unwrap_or_default();
        let recipe = verdict.recipe.clone().unwrap_or_default();
        let internal = &self.internal_recipe;
        self.state.is_none_or(|state| state == state_of(verdict))
            && same(&self.meas, &data.meas)
            && same(&self.part, &verdict.part_id)
            && same(&self.external_recipe, &recipe.id)
            && (internal.id.is_empty() || internal.is(&recipe.id, &recipe.version, &recipe.sha256))
            && same(&self.configuration, &verdict.config_hash)
            && same(&self.job, job)
    }
}

impl Request {
    /// Reads the arguments of a method.
    ///
    /// # Errors
    /// If arguments are missing or wrong, or request what this server cannot do.
    pub fn parse(method: Method, arguments: &[Variant]) -> Result<Self, ArgumentError> {
        let mut arguments = Arguments::new(arguments);
        let it = &mut arguments;
        Ok(match method {
            Method::GetResultById => Self::Read(Read::Result(it.result_id()?)),
            Method::GetResultComponentsById => Self::Read(Read::ResultComponents(it.result_id()?)),
            Method::GetResultListFiltered => {
                Self::Read(Read::Results(Box::new(it.result_filter()?)))
            }
            Method::ReleaseResultHandle => Self::Read(Read::ReleaseResult(it.unsigned()?)),
            Method::GetRecipeListFiltered => Self::Read(Read::Recipes(it.recipe_filter()?)),
            Method::ReleaseRecipeHandle => Self::Read(Read::ReleaseRecipe(it.unsigned()?)),
            Method::GetConfigurationById => Self::Read(Read::Configuration(it.configuration_id()?)),
            Method::GetConfigurationList => Self::Read(Read::Configurations(it.window()?)),
            Method::ReleaseConfigurationHandle => {
                Self::Read(Read::ReleaseConfiguration(it.unsigned()?))
            }
            Method::ActivateConfiguration => {
                Self::Read(Read::ActivateConfiguration(it.configuration_id()?))
            }
            Method::PrepareRecipe => Self::Change(Change::PrepareRecipe(it.recipe_choice()?)),
            Method::UnprepareRecipe => Self::Change(Change::UnprepareRecipe(it.recipe_choice()?)),
            Method::RemoveRecipe => {
                let id = it.external_recipe()?.id;
                if id.is_empty() {
                    return Err(ArgumentError::Wrong(0, StatusCode::BadOutOfRange));
                }
                Self::Change(Change::RemoveRecipe(id))
            }
            Method::SelectModeAutomatic => Self::Change(Change::SelectModeAutomatic),
            Method::Reset => Self::Change(Change::Reset(it.cause()?)),
            Method::Halt => Self::Change(Change::Halt(it.cause()?)),
            Method::Stop => Self::Change(Change::Stop(it.cause()?)),
            Method::Abort => Self::Change(Change::Abort(it.cause()?)),
            Method::StartSingleJob => Self::Change(Change::StartSingleJob(it.job()?)),
            Method::StartContinuous => {
                let job = it.job()?;
                // The parts of a continuous job have their own ids.
                if !job.part.is_empty() {
                    return Err(ArgumentError::NotSupported);
                }
                Self::Change(Change::StartContinuous(job))
            }
        })
    }
}

#[cfg(test)]
mod tests;
