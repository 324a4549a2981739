//! The events of a vision system.

use opcua::nodes::{BaseEventType, Event, EventField};
use opcua::types::{
    AttributeId, ByteString, DateTime, LocalizedText, NodeId, NumericRange, ObjectTypeId,
    QualifiedName, UAString, Variant,
};
use uuid::Uuid;

use crate::ids::{event_type, state};
use crate::instance::Namespaces;
use crate::machine::{State, Transition};

/// The severity of an event of the normal operation, 1 to 1000.
const NORMAL: u16 = 100;
/// The severity of an error.
const SEVERE: u16 = 800;
/// `TransitionEventType`, the base type of changes of the state.
const TRANSITION_EVENT: u32 = 2311;

/// An event. Its own fields have browse names of OPC 40100-1.
#[derive(Debug)]
pub struct VisionEvent {
    base: BaseEventType,
    namespaces: Namespaces,
    fields: Vec<(&'static str, Variant)>,
    transition: Option<TransitionFields>,
}

/// The fields of TransitionEventType.
#[derive(Debug)]
struct TransitionFields {
    transition: (&'static str, u32),
    from: (&'static str, u32),
    to: (&'static str, u32),
}

/// Where an event comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The node of the system.
    pub node: NodeId,
    /// The name of the system.
    pub name: String,
    /// The indices of the namespaces.
    pub namespaces: Namespaces,
}

impl VisionEvent {
    /// Returns an event with the present time.
    pub fn new(
        source: &Source,
        kind: u32,
        message: &str,
        fields: Vec<(&'static str, Variant)>,
    ) -> Self {
        let namespaces = source.namespaces;
        let id = ByteString::from(Uuid::now_v7().as_bytes().to_vec());
        let text = LocalizedText::new("", message);
        let event_type = NodeId::new(namespaces.types, kind);
        let severity = if kind == event_type::ERROR {
            SEVERE
        } else {
            NORMAL
        };
        let base = BaseEventType::new_now(event_type, id, text)
            .set_source_node(source.node.clone())
            .set_source_name(UAString::from(source.name.as_str()))
            .set_severity(severity);
        Self {
            base,
            namespaces,
            fields,
            transition: None,
        }
    }

    /// Returns the event that a transition causes, or an event with the fields of one.
    pub fn of_transition(
        source: &Source,
        kind: u32,
        message: &str,
        transition: Transition,
    ) -> Self {
        let place = |state: State| {
            if transition.automatic {
                (
                    state.name_in_automatic_mode().unwrap_or_default(),
                    state_id(state).1,
                )
            } else {
                (state.name(), state_id(state).0)
            }
        };
        Self {
            transition: Some(TransitionFields {
                transition: (transition.name, transition.id),
                from: place(transition.from),
                to: place(transition.to),
            }),
            ..Self::new(source, kind, message, Vec::new())
        }
    }

    /// Whether the event has the fields of a type.
    fn is_a(&self, type_id: &NodeId) -> bool {
        let transition = NodeId::new(0, TRANSITION_EVENT);
        *type_id == ObjectTypeId::BaseEventType
            || *type_id == self.base.event_type
            || (*type_id == transition && self.transition.is_some())
    }

    fn transition_field(&self, path: &[QualifiedName]) -> Option<Variant> {
        let fields = self.transition.as_ref()?;
        let (field, rest) = path.split_first()?;
        let (name, number) = match (field.namespace_index, field.name.as_ref()) {
            (0, "Transition") => fields.transition,
            (0, "FromState") => fields.from,
            (0, "ToState") => fields.to,
            _ => return None,
        };
        match rest {
            [] => Some(Variant::from(LocalizedText::new("", name))),
            [id] if id.namespace_index == 0 && id.name.as_ref() == "Id" => {
                Some(Variant::from(NodeId::new(self.namespaces.types, number)))
            }
            _ => None,
        }
    }

    fn own_field(&self, path: &[QualifiedName]) -> Option<Variant> {
        let [name] = path else {
            return None;
        };
        let own = name.namespace_index == self.namespaces.types;
        let mut fields = self.fields.iter().filter(|_| own);
        let field = fields.find(|field| field.0 == name.name.as_ref());
        field.map(|field| field.1.clone())
    }
}

impl EventField for VisionEvent {
    fn get_value(
        &self,
        attribute_id: AttributeId,
        index_range: &NumericRange,
        remaining_path: &[QualifiedName],
    ) -> Variant {
        if attribute_id != AttributeId::Value {
            return Variant::Empty;
        }
        let special = self
            .transition_field(remaining_path)
            .or_else(|| self.own_field(remaining_path));
        match special {
            Some(value) => value.range_of_owned(index_range).unwrap_or(Variant::Empty),
            None => self
                .base
                .get_value(attribute_id, index_range, remaining_path),
        }
    }
}

impl Event for VisionEvent {
    fn get_field(
        &self,
        type_definition_id: &NodeId,
        attribute_id: AttributeId,
        index_range: &NumericRange,
        browse_path: &[QualifiedName],
    ) -> Variant {
        if self.is_a(type_definition_id) {
            self.get_value(attribute_id, index_range, browse_path)
        } else {
            Variant::Empty
        }
    }

    fn time(&self) -> &DateTime {
        &self.base.time
    }

    fn event_type_id(&self) -> &NodeId {
        &self.base.event_type
    }
}

/// Returns the number of the state of the vision system, and of the one in the automatic mode; 0 outside of it.
pub fn state_id(at: State) -> (u32, u32) {
    match at {
        State::Preoperational => (state::PREOPERATIONAL, 0),
        State::Halted => (state::HALTED, 0),
        State::Error => (state::ERROR, 0),
        State::Initialized => (state::OPERATIONAL, state::INITIALIZED),
        State::Ready => (state::OPERATIONAL, state::READY),
        State::SingleExecution => (state::OPERATIONAL, state::SINGLE_EXECUTION),
        State::ContinuousExecution => (state::OPERATIONAL, state::CONTINUOUS_EXECUTION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Input;

    fn source() -> Source {
        let namespaces = Namespaces {
            types: 2,
            instances: 3,
        };
        Source {
            node: NodeId::new(3, "cell"),
            name: "cell".to_owned(),
            namespaces,
        }
    }

    fn field(event: &VisionEvent, kind: u32, path: &[(u16, &str)]) -> Variant {
        let path: Vec<_> = path
            .iter()
            .map(|(index, name)| QualifiedName::new(*index, *name))
            .collect();
        let namespace = if (2000..=2999).contains(&kind) { 0 } else { 2 };
        let kind = NodeId::new(namespace, kind);
        event.get_field(&kind, AttributeId::Value, &NumericRange::None, &path)
    }

    #[test]
    fn own_fields_have_the_namespace_of_the_specification() {
        let fields = vec![("JobId", Variant::from("j1"))];
        let event = VisionEvent::new(&source(), event_type::READY, "job ended", fields);
        let check = |kind, path: &[(u16, &str)], expected: Variant| {
            assert_eq!(field(&event, kind, path), expected, "{path:?}");
        };
        check(event_type::READY, &[(2, "JobId")], Variant::from("j1"));
        check(2041, &[(0, "SourceName")], Variant::from("cell"));
        check(2041, &[(0, "Severity")], Variant::from(NORMAL));
        check(event_type::READY, &[(0, "JobId")], Variant::Empty);
        // Not a field of this type, and not one of another type.
        check(event_type::READY, &[(2, "PartId")], Variant::Empty);
        check(event_type::JOB_STARTED, &[(2, "JobId")], Variant::Empty);
        check(TRANSITION_EVENT, &[(0, "FromState")], Variant::Empty);
    }

    #[test]
    fn transition_has_names_and_ids_of_its_states() {
        let change =
            Transition::between(State::Ready, State::SingleExecution, Input::StartSingleJob);
        let change = change.expect("a transition");
        let event = VisionEvent::of_transition(&source(), event_type::STATE_CHANGED, "", change);
        let check = |path: &[(u16, &str)], expected: Variant| {
            assert_eq!(field(&event, TRANSITION_EVENT, path), expected, "{path:?}");
        };
        check(&[(0, "FromState")], LocalizedText::new("", "Ready").into());
        check(
            &[(0, "ToState"), (0, "Id")],
            NodeId::new(2, 5058_u32).into(),
        );
        check(
            &[(0, "Transition"), (0, "Id")],
            NodeId::new(2, 5064_u32).into(),
        );
        let leave = Transition::between(State::Ready, State::Error, Input::Failed);
        let event = VisionEvent::of_transition(
            &source(),
            event_type::ERROR,
            "",
            leave.expect("a transition"),
        );
        let from = field(&event, TRANSITION_EVENT, &[(0, "FromState")]);
        assert_eq!(from, LocalizedText::new("", "Operational").into());
        assert_eq!(
            field(&event, 2041, &[(0, "Severity")]),
            Variant::from(SEVERE)
        );
    }
}
