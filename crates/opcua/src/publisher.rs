//! Publishes states and events of the vision systems to the clients.

use std::sync::Arc;

use opcua::nodes::Event;
use opcua::server::ServerHandle;
use opcua::server::node_manager::memory::InMemoryNodeManager;
use opcua::types::{DataValue, LocalizedText, NodeId, Variant};
use tracing::error;

use crate::event::{Source, VisionEvent, state_id};
use crate::instance::{Namespaces, id};
use crate::machine::State;
use crate::nodes::VisionNodes;
use crate::structures::{Configuration, SystemStateDescription};

/// Publishes for all systems.
#[derive(Clone)]
pub struct Publisher {
    handle: ServerHandle,
    nodes: Arc<InMemoryNodeManager<VisionNodes>>,
    namespaces: Namespaces,
}

/// `SystemState`: the numbers of SEMI E10.
mod system_state {
    /// PRD, production.
    pub const PRODUCTION: i32 = 1;
    /// SBY, stand by.
    pub const STAND_BY: i32 = 2;
    /// ENG, engineering.
    pub const ENGINEERING: i32 = 3;
    /// SDT, scheduled downtime.
    pub const SCHEDULED_DOWNTIME: i32 = 4;
    /// UDT, unscheduled downtime.
    pub const UNSCHEDULED_DOWNTIME: i32 = 5;
}

impl Publisher {
    /// Returns the publisher of a server that has been built. `None` if it has no nodes of vision systems.
    pub fn new(handle: ServerHandle) -> Option<Self> {
        let nodes = handle
            .node_managers()
            .get_of_type::<InMemoryNodeManager<VisionNodes>>()?;
        let namespaces = nodes.inner().namespaces();
        Some(Self {
            handle,
            nodes,
            namespaces,
        })
    }

    /// Returns the indices of the namespaces.
    pub fn namespaces(&self) -> Namespaces {
        self.namespaces
    }

    /// Returns the source of the events of a system.
    pub fn source(&self, system: &str) -> Source {
        Source {
            node: id(self.namespaces, system, ""),
            name: system.to_owned(),
            namespaces: self.namespaces,
        }
    }

    /// Sends an event.
    pub fn send(&self, source: &Source, event: &VisionEvent) {
        let event: &dyn Event = event;
        let items = [(event, &source.node)];
        self.handle.subscriptions().notify_events(items.into_iter());
    }

    /// Sets the active configuration.
    pub fn set_configuration(&self, system: &str, configuration: &Configuration) {
        let path = "ConfigurationManagement/ActiveConfiguration";
        let id = id(self.namespaces, system, path);
        let value = DataValue::new_now(Variant::from(configuration.clone()));
        let subscriptions = self.handle.subscriptions();
        if let Err(status) = self.nodes.set_value(subscriptions, &id, None, value) {
            error!(system, %status, "the active configuration cannot be set");
        }
    }

    /// Sets the variables of a state. `reason` describes an error.
    pub fn set_state(&self, system: &str, state: State, reason: &str) {
        let types = self.namespaces.types;
        let (vision, automatic) = state_id(state);
        let text = |name: &str| Variant::from(LocalizedText::new("", name));
        let node = |number: u32| {
            if number == 0 {
                NodeId::null()
            } else {
                NodeId::new(types, number)
            }
        };
        let description = SystemStateDescription {
            state: system_state(state),
            state_description: (!reason.is_empty()).then(|| reason.into()),
        };
        let machine = "VisionStateMachine";
        let inner = "VisionStateMachine/AutomaticModeStateMachine";
        let in_automatic_mode = state.name_in_automatic_mode().unwrap_or_default();
        let values = [
            (format!("{machine}/CurrentState"), text(state.name())),
            (
                format!("{machine}/CurrentState/Id"),
                Variant::from(node(vision)),
            ),
            (format!("{inner}/CurrentState"), text(in_automatic_mode)),
            (
                format!("{inner}/CurrentState/Id"),
                Variant::from(node(automatic)),
            ),
            ("SystemState".to_owned(), Variant::from(description)),
        ];
        let values = values.map(|(path, value)| {
            (
                id(self.namespaces, system, &path),
                DataValue::new_now(value),
            )
        });
        let values = values.iter().map(|(id, value)| (id, None, value.clone()));
        if let Err(status) = self.nodes.set_values(self.handle.subscriptions(), values) {
            error!(system, %status, "the variables of the state cannot be set");
        }
    }
}

fn system_state(state: State) -> i32 {
    match state {
        State::SingleExecution | State::ContinuousExecution => system_state::PRODUCTION,
        State::Ready | State::Initialized => system_state::STAND_BY,
        State::Preoperational => system_state::ENGINEERING,
        State::Halted => system_state::SCHEDULED_DOWNTIME,
        State::Error => system_state::UNSCHEDULED_DOWNTIME,
    }
}
