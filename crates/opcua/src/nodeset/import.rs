//! The nodes of the nodeset as nodes of the server.

use opcua::nodes::{
    Base, DataType, EventNotifier, ImportedItem, ImportedReference, Method, NodeSetImport,
    NodeType, Object, ObjectType, ReferenceType, Variable, VariableType,
};
use opcua::types::{
    DataTypeDefinition, DataValue, EnumDefinition, EnumField, LocalizedText, NodeClass, NodeId,
    NodeSetNamespaceMapper, QualifiedName, StructureDefinition, StructureField, StructureType,
};

use super::{Class, Field, Id, NODES, Node, Nodes, reference_type};
use crate::ids::NAMESPACE;

/// The index of the own namespace in the file.
const INDEX_IN_FILE: u16 = 1;

/// Adds the nodeset to an address space.
#[derive(Clone, Copy, Debug)]
pub struct Import;

impl NodeSetImport for Import {
    fn register_namespaces(&self, namespaces: &mut NodeSetNamespaceMapper<'_>) {
        namespaces.add_namespace(NAMESPACE, INDEX_IN_FILE);
    }

    fn get_own_namespaces(&self) -> Vec<String> {
        vec![NAMESPACE.to_owned()]
    }

    fn load<'a>(
        &'a self,
        namespaces: &'a NodeSetNamespaceMapper<'_>,
    ) -> Box<dyn Iterator<Item = ImportedItem> + 'a> {
        let index = namespaces.get_index(INDEX_IN_FILE);
        let index = index.expect("register_namespaces has added it");
        Box::new(NODES.values().map(move |node| item(&NODES, node, index)))
    }
}

/// Returns the id of a node in a server in which the namespace of the nodeset has this index.
pub fn node_id(id: Id, namespace: u16) -> NodeId {
    NodeId::new(if id.own { namespace } else { 0 }, id.number)
}

fn item(nodes: &Nodes, node: &Node, namespace: u16) -> ImportedItem {
    let references = node.references.iter().map(|reference| ImportedReference {
        target_id: node_id(reference.target, namespace),
        type_id: node_id(reference.kind, namespace),
        is_forward: reference.forward,
    });
    ImportedItem {
        references: references.collect(),
        node: server_node(nodes, node, namespace),
    }
}

fn server_node(nodes: &Nodes, node: &Node, namespace: u16) -> NodeType {
    let base = |class| base(node, class, namespace);
    let value = || node.value.variant(namespace).map(DataValue::new_now);
    match node.class {
        Class::Object => Object::new_full(base(NodeClass::Object), EventNotifier::empty()).into(),
        Class::Variable => Variable::new_full(
            base(NodeClass::Variable),
            node_id(node.data_type, namespace),
            false,
            node.value_rank,
            value().unwrap_or_else(DataValue::null),
            node.access_level,
            node.access_level,
            node.array_dimensions.clone(),
            None,
        )
        .into(),
        Class::Method => Method::new_full(base(NodeClass::Method), true, true).into(),
        Class::ObjectType => {
            ObjectType::new_full(base(NodeClass::ObjectType), node.is_abstract).into()
        }
        Class::VariableType => VariableType::new_full(
            base(NodeClass::VariableType),
            node_id(node.data_type, namespace),
            node.is_abstract,
            node.value_rank,
            value(),
            node.array_dimensions.clone(),
        )
        .into(),
        Class::ReferenceType => {
            let base = base(NodeClass::ReferenceType);
            ReferenceType::new_full(base, false, node.is_abstract, None).into()
        }
        Class::DataType => {
            let definition = definition(nodes, node, namespace);
            DataType::new_full(base(NodeClass::DataType), node.is_abstract, definition).into()
        }
    }
}

fn base(node: &Node, class: NodeClass, namespace: u16) -> Base {
    let id = Id {
        own: true,
        number: node.number,
    };
    let description = &node.description;
    Base::new_full(
        node_id(id, namespace),
        class,
        browse_name(node, namespace),
        LocalizedText::new("", &node.display_name),
        (!description.is_empty()).then(|| LocalizedText::new("", description)),
        None,
        None,
    )
}

/// Returns the browse name of a node.
pub fn browse_name(node: &Node, namespace: u16) -> QualifiedName {
    let index = if node.own_name { namespace } else { 0 };
    QualifiedName::new(index, node.name.as_str())
}

fn definition(nodes: &Nodes, node: &Node, namespace: u16) -> Option<DataTypeDefinition> {
    let fields = inherited_fields(nodes, node);
    if fields.is_empty() {
        return None;
    }
    if fields.iter().all(|field| field.value.is_some()) {
        let fields = fields.iter().map(|field| EnumField {
            value: field.value.unwrap_or_default(),
            display_name: LocalizedText::new("", &field.name),
            description: LocalizedText::new("", &field.description),
            name: field.name.as_str().into(),
        });
        return Some(DataTypeDefinition::Enum(EnumDefinition {
            fields: Some(fields.collect()),
        }));
    }
    let base = node.targets(reference_type::HAS_SUBTYPE, false).next();
    let structure_type = if fields.iter().any(|field| field.is_optional) {
        StructureType::StructureWithOptionalFields
    } else {
        StructureType::Structure
    };
    let encoding = binary_encoding(nodes, node.number);
    let fields = fields.iter().map(|field| StructureField {
        name: field.name.as_str().into(),
        description: LocalizedText::new("", &field.description),
        data_type: node_id(field.data_type, namespace),
        value_rank: field.value_rank,
        array_dimensions: (field.value_rank > 0).then(|| vec![0; field.value_rank as usize]),
        max_string_length: 0,
        is_optional: field.is_optional,
    });
    Some(DataTypeDefinition::Structure(StructureDefinition {
        default_encoding_id: encoding.map_or_else(NodeId::null, |it| NodeId::new(namespace, it)),
        base_data_type: base.map_or_else(NodeId::null, |id| node_id(id, namespace)),
        structure_type,
        fields: Some(fields.collect()),
    }))
}

/// The fields of a type, those of its base types first.
fn inherited_fields<'a>(nodes: &'a Nodes, node: &'a Node) -> Vec<&'a Field> {
    let base = node.targets(reference_type::HAS_SUBTYPE, false).next();
    let base = base
        .filter(|id| id.own)
        .and_then(|id| nodes.get(&id.number));
    let mut fields = base.map_or_else(Vec::new, |base| inherited_fields(nodes, base));
    fields.extend(&node.fields);
    fields
}

/// Returns the number of the binary encoding of a structure.
pub fn binary_encoding(nodes: &Nodes, data_type: u32) -> Option<u32> {
    let of = Id {
        own: true,
        number: data_type,
    };
    let encodings = nodes.values().filter(|node| node.name == "Default Binary");
    let mut matching = encodings.filter(|node| {
        node.targets(reference_type::HAS_ENCODING, false)
            .any(|it| it == of)
    });
    matching.next().map(|node| node.number)
}
