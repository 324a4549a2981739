//! Method calls: messages to the task of a vision system, with a reply.

use std::time::Duration;

use opcua::types::{StatusCode, Variant};
use tokio::sync::{mpsc, oneshot};

use crate::method::Method;
use crate::request::{ArgumentError, Request};

/// The most calls that wait for a system. Further ones are refused.
const MOST_WAITING: usize = 64;
/// The longest wait of a client: a model is loaded within it.
const CALL_TIMEOUT: Duration = Duration::from_secs(130);

/// The answer to a method call.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The output arguments.
    Good(Vec<Variant>),
    /// An argument is wrong; its index, and why.
    WrongArgument(usize, StatusCode),
    /// The call is refused.
    Bad(StatusCode),
}

impl From<ArgumentError> for Answer {
    fn from(error: ArgumentError) -> Self {
        match error {
            ArgumentError::Missing => Self::Bad(StatusCode::BadArgumentsMissing),
            ArgumentError::Wrong(index, status) => Self::WrongArgument(index, status),
            ArgumentError::NotSupported => Self::Bad(StatusCode::BadNotSupported),
        }
    }
}

/// A method call.
#[derive(Debug)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// The method, for the log.
    pub method: Method,
    /// The user, for the log.
    pub user: String,
    /// Takes the answer.
    pub reply: oneshot::Sender<Answer>,
}

/// Calls the methods of a system.
#[derive(Clone, Debug)]
pub struct Caller(mpsc::Sender<Call>);

/// Returns a caller, and where the system takes its calls from.
pub fn channel() -> (Caller, mpsc::Receiver<Call>) {
    let (sender, receiver) = mpsc::channel(MOST_WAITING);
    (Caller(sender), receiver)
}

impl Caller {
    /// Calls a method.
    pub async fn call(&self, method: Method, arguments: &[Variant], user: String) -> Answer {
        let request = match Request::parse(method, arguments) {
            Ok(request) => request,
            Err(error) => return error.into(),
        };
        let (reply, answer) = oneshot::channel();
        let call = Call {
            request,
            method,
            user,
            reply,
        };
        if self.0.try_send(call).is_err() {
            return Answer::Bad(StatusCode::BadTooManyOperations);
        }
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            // The server stops.
            Ok(Err(_)) => Answer::Bad(StatusCode::BadShutdown),
            Err(_) => Answer::Bad(StatusCode::BadTimeout),
        }
    }
}
