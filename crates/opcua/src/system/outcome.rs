//! What tasks that wait for the daemon report to their system.

use opcua::types::StatusCode;
use tokio::sync::oneshot;

use super::jobs::Accepted;
use super::recipes::Prepared;
use crate::call::Answer;
use crate::request::RecipeChoice;

/// What was done.
#[derive(Debug)]
pub enum Done {
    /// It is known whether the daemon has recipes.
    RecipesKnown {
        /// Whether it has.
        exist: bool,
    },
    /// A recipe was prepared.
    RecipePrepared {
        /// What the client requested.
        choice: RecipeChoice,
        /// What the daemon has.
        prepared: Prepared,
    },
    /// The request of a single job was accepted.
    JobAccepted(Box<Accepted>),
    /// The recipe of a continuous job is active.
    RecipeActive,
    /// A recipe was deleted.
    RecipeRemoved {
        /// Its id.
        id: String,
    },
}

/// The outcome of a task.
#[derive(Debug)]
pub struct Outcome {
    /// The number of the task: an outcome of an earlier one is not used.
    pub number: u64,
    /// What was done, or why not.
    pub result: Result<Done, StatusCode>,
    /// Takes the answer for the client.
    pub reply: oneshot::Sender<Answer>,
}

impl Outcome {
    /// Answers the client, if it still waits.
    pub fn answer(self, answer: Answer) {
        // The client may have closed its connection.
        let _ = self.reply.send(answer);
    }
}
