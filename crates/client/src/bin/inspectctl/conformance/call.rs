//! What reaches a stage: the calls of the client, and the lines of the program. All of it comes through one channel, so that
//! the stage is the only owner of its state.

use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, AcknowledgeVerdictsResponse, GetStatusResponse,
    ListConsumersResponse, StreamVerdictsRequest, TriggerInspectionRequest,
    TriggerInspectionResponse,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;

use super::encoded::EncodedResponse;

/// A message of a stream, or the status that ends it.
pub type Message = Result<EncodedResponse, Status>;

/// Where the answer to a call goes.
pub type Reply<T> = oneshot::Sender<Result<T, Status>>;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// `StreamVerdicts`; answered with the receiver of its messages.
    Stream(
        StreamVerdictsRequest,
        Reply<mpsc::UnboundedReceiver<Message>>,
    ),
    /// `AcknowledgeVerdicts`.
    Acknowledge(
        AcknowledgeVerdictsRequest,
        Reply<AcknowledgeVerdictsResponse>,
    ),
    /// `TriggerInspection`.
    Trigger(TriggerInspectionRequest, Reply<TriggerInspectionResponse>),
    /// `ListConsumers`.
    Consumers(Reply<ListConsumersResponse>),
    /// `GetStatus`.
    Status(Reply<GetStatusResponse>),
    /// A line of standard output of the program, and how often a program was started before.
    Line(u32, String),
    /// A line of its standard error.
    Diagnostic(String),
    /// Its standard output has ended.
    Ended(u32),
}

/// Takes what happened, with its time.
#[derive(Clone, Debug)]
pub struct Events(mpsc::UnboundedSender<(Instant, Event)>);

impl Events {
    /// The two ends.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<(Instant, Event)>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Reports what happened now. After the end of the stage it has no effect.
    pub fn report(&self, event: Event) {
        let _ = self.0.send((Instant::now(), event));
    }

    /// Reports a call and waits for its answer.
    ///
    /// # Errors
    /// The status of the answer; `UNAVAILABLE` after the end of the stage.
    pub async fn answer<T>(&self, event: impl FnOnce(Reply<T>) -> Event) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        self.report(event(reply));
        answer
            .await
            .unwrap_or_else(|_| Err(Status::unavailable("the scenario has ended")))
    }
}
