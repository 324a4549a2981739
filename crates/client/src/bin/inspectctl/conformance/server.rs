//! The gRPC services of the played daemon. They hand each call to the stage and wait for its answer.

use std::pin::Pin;

use futures_core::Stream;
use futures_util::stream::unfold;
use inspectd_client::proto;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use self::generated::inspection_service_server::{InspectionService, InspectionServiceServer};
use self::generated::line_service_server::{LineService, LineServiceServer};
use super::call::{Event, Events, Message};

mod generated {
    //! The services of `proto/inspectd/v1` that a client needs, with the calls that it needs.
    #![allow(missing_docs, clippy::all, clippy::pedantic)]

    include!(concat!(env!("OUT_DIR"), "/server/inspectd.v1.rs"));
}

/// The services. Other calls are answered with `UNIMPLEMENTED`.
pub fn routes(events: &Events) -> Routes {
    let service = PlayedService {
        events: events.clone(),
    };
    Routes::new(InspectionServiceServer::new(service.clone()))
        .add_service(LineServiceServer::new(service))
        .prepare()
}

#[derive(Clone)]
struct PlayedService {
    events: Events,
}

#[tonic::async_trait]
impl InspectionService for PlayedService {
    type StreamVerdictsStream = Pin<Box<dyn Stream<Item = Message> + Send>>;

    async fn stream_verdicts(
        &self,
        request: Request<proto::StreamVerdictsRequest>,
    ) -> Result<Response<Self::StreamVerdictsStream>, Status> {
        let request = request.into_inner();
        let call = self.events.answer(|reply| Event::Stream(request, reply));
        let messages = unfold(call.await?, |mut messages| async move {
            let message = messages.recv().await?;
            Some((message, messages))
        });
        Ok(Response::new(Box::pin(messages)))
    }

    async fn acknowledge_verdicts(
        &self,
        request: Request<proto::AcknowledgeVerdictsRequest>,
    ) -> Result<Response<proto::AcknowledgeVerdictsResponse>, Status> {
        let request = request.into_inner();
        let call = self
            .events
            .answer(|reply| Event::Acknowledge(request, reply));
        call.await.map(Response::new)
    }

    async fn list_consumers(
        &self,
        _request: Request<proto::ListConsumersRequest>,
    ) -> Result<Response<proto::ListConsumersResponse>, Status> {
        self.events
            .answer(Event::Consumers)
            .await
            .map(Response::new)
    }

    async fn trigger_inspection(
        &self,
        request: Request<proto::TriggerInspectionRequest>,
    ) -> Result<Response<proto::TriggerInspectionResponse>, Status> {
        let request = request.into_inner();
        let call = self.events.answer(|reply| Event::Trigger(request, reply));
        call.await.map(Response::new)
    }
}

#[tonic::async_trait]
impl LineService for PlayedService {
    async fn get_status(
        &self,
        _request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        self.events.answer(Event::Status).await.map(Response::new)
    }
}
