//! Instances of VisionSystemType: the objects, variables and methods of a vision system.

use opcua::nodes::{
    Base, EventNotifier, ImportedItem, ImportedReference, Method, NodeType, Object, Variable,
};
use opcua::server::address_space::AddressSpace;
use opcua::types::{DataValue, LocalizedText, NodeClass, NodeId, QualifiedName, Variant};

use crate::ids::object_type;
use crate::nodeset::{Class, NODES, Node, browse_name, children, node_id, reference_type};

/// The optional nodes of VisionSystemType that this server has, by their path.
const INCLUDED: &[&str] = &[
    "ConfigurationManagement",
    "ConfigurationManagement/ReleaseConfigurationHandle",
    "RecipeManagement",
    "RecipeManagement/ReleaseRecipeHandle",
    "RecipeManagement/RemoveRecipe",
    "ResultManagement",
    "ResultManagement/ReleaseResultHandle",
    "SystemState",
    "VisionStateMachine/AutomaticModeStateMachine",
    "VisionStateMachine/SelectModeAutomatic",
];

/// The folder `Objects` of every server.
const OBJECTS: u32 = 85;
/// The object `Server` of every server.
const SERVER: u32 = 2253;
/// `HasModellingRule`, and the rule `Mandatory`.
const HAS_MODELLING_RULE: u32 = 37;
const MANDATORY: u32 = 78;
/// `HasNotifier`.
const HAS_NOTIFIER: u32 = 48;

/// The indices of the namespaces in the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespaces {
    /// The one of OPC 40100-1.
    pub types: u16,
    /// The one of the instances.
    pub instances: u16,
}

/// Returns the id of a node of a system. The path is empty for the system itself.
pub fn id(namespaces: Namespaces, system: &str, path: &str) -> NodeId {
    let text = if path.is_empty() {
        system.to_owned()
    } else {
        format!("{system}/{path}")
    };
    NodeId::new(namespaces.instances, text)
}

/// Returns the paths of the nodes of a system, with their declarations.
#[cfg(test)]
fn declarations() -> std::collections::BTreeMap<String, &'static Node> {
    let mut found = std::collections::BTreeMap::new();
    collect(object_type::VISION_SYSTEM, "", &mut found);
    found
}

#[cfg(test)]
fn collect(parent: u32, path: &str, found: &mut std::collections::BTreeMap<String, &'static Node>) {
    for (_, child) in children(&NODES, parent) {
        let path = join(path, &child.name);
        if is_part(child, &path) {
            collect(child.number, &path, found);
            found.insert(path, child);
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

fn is_part(node: &Node, path: &str) -> bool {
    let mut rules = node.targets(HAS_MODELLING_RULE, true);
    rules.any(|rule| !rule.own && rule.number == MANDATORY) || INCLUDED.contains(&path)
}

/// Adds a vision system.
pub fn add(space: &mut AddressSpace, namespaces: Namespaces, system: &str) {
    let root = id(namespaces, system, "");
    let base = Base::new_full(
        root.clone(),
        NodeClass::Object,
        QualifiedName::new(namespaces.instances, system),
        LocalizedText::new("", system),
        None,
        None,
        None,
    );
    space.import_node(ImportedItem {
        node: Object::new_full(base, EventNotifier::SUBSCRIBE_TO_EVENTS).into(),
        references: vec![
            reference(NodeId::new(0, OBJECTS), reference_type::ORGANIZES, false),
            reference(NodeId::new(0, SERVER), HAS_NOTIFIER, false),
            reference(
                NodeId::new(namespaces.types, object_type::VISION_SYSTEM),
                reference_type::HAS_TYPE_DEFINITION,
                true,
            ),
        ],
    });
    add_children(space, namespaces, system, object_type::VISION_SYSTEM, "");
}

fn add_children(
    space: &mut AddressSpace,
    namespaces: Namespaces,
    system: &str,
    declaration: u32,
    parent: &str,
) {
    for (kind, child) in children(&NODES, declaration) {
        let path = join(parent, &child.name);
        if !is_part(child, &path) {
            continue;
        }
        let owner = id(namespaces, system, parent);
        let mut references = vec![reference(owner, kind, false)];
        let definition = child.type_definition();
        references.extend(definition.map(|definition| {
            let definition = node_id(definition, namespaces.types);
            reference(definition, reference_type::HAS_TYPE_DEFINITION, true)
        }));
        space.import_node(ImportedItem {
            node: instance(child, namespaces, &id(namespaces, system, &path)),
            references,
        });
        add_children(space, namespaces, system, child.number, &path);
    }
}

fn reference(target_id: NodeId, kind: u32, is_forward: bool) -> ImportedReference {
    ImportedReference {
        target_id,
        type_id: NodeId::new(0, kind),
        is_forward,
    }
}

fn instance(node: &Node, namespaces: Namespaces, id: &NodeId) -> NodeType {
    let base = |class| {
        let description = &node.description;
        Base::new_full(
            id.clone(),
            class,
            browse_name(node, namespaces.types),
            LocalizedText::new("", &node.display_name),
            (!description.is_empty()).then(|| LocalizedText::new("", description)),
            None,
            None,
        )
    };
    match node.class {
        Class::Method => Method::new_full(base(NodeClass::Method), true, true).into(),
        Class::Variable => {
            let value = node.value.variant(namespaces.types);
            Variable::new_full(
                base(NodeClass::Variable),
                node_id(node.data_type, namespaces.types),
                false,
                node.value_rank,
                DataValue::new_now(value.unwrap_or(Variant::Empty)),
                node.access_level,
                node.access_level,
                node.array_dimensions.clone(),
                None,
            )
            .into()
        }
        _ => Object::new_full(base(NodeClass::Object), EventNotifier::empty()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Method as Callable;

    #[test]
    fn system_has_its_state_machine_recipes_and_results() {
        let paths: Vec<String> = declarations().into_keys().collect();
        for path in [
            "SystemState",
            "VisionStateMachine/CurrentState/Id",
            "VisionStateMachine/Halted/StateNumber",
            "VisionStateMachine/AutomaticModeStateMachine/CurrentState/Id",
            "RecipeManagement/PrepareRecipe/InputArguments",
            "ResultManagement/GetResultById/OutputArguments",
        ] {
            assert!(
                paths.iter().any(|it| it == path),
                "{path} is not in {paths:#?}"
            );
        }
        // The server has no nodes for what it does not support.
        for name in [
            "SafetyStateManagement",
            "AddRecipe",
            "StepModel",
            "Transfer",
        ] {
            let found = paths.iter().find(|path| path.contains(name));
            assert_eq!(found, None, "{name}");
        }
    }

    #[test]
    fn every_method_of_a_system_is_in_the_table_of_methods_and_back() {
        let methods = declarations();
        let methods = methods
            .iter()
            .filter(|(_, node)| node.class == Class::Method);
        let found: Vec<&str> = methods.map(|(path, _)| path.as_str()).collect();
        let mut table: Vec<&str> = Callable::ALL.iter().map(|method| method.path()).collect();
        table.sort_unstable();
        assert_eq!(found, table);
    }
}
