//! The companion nodeset of OPC 40100-1: parsed from the published XML, and added to the address space.

mod import;
mod parse;
mod value;
mod xml;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use self::import::{Import, browse_name, node_id};
pub use self::value::Value;

/// The published file.
const XML: &str = include_str!("../../nodeset/Opc.Ua.MachineVision.NodeSet2.xml");

/// The nodes of the file.
pub static NODES: LazyLock<Nodes> = LazyLock::new(|| {
    // The file is a part of the program; a test reads it.
    parse::parse(XML).expect("the embedded nodeset is valid")
});

/// Nodes by their numeric id.
pub type Nodes = BTreeMap<u32, Node>;

/// The id of a node: of the namespace of OPC UA, or of the one of the nodeset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// Whether it belongs to the nodeset, not to OPC UA itself.
    pub own: bool,
    /// The number.
    pub number: u32,
}

impl Id {
    /// An id of OPC UA itself.
    pub const fn standard(number: u32) -> Self {
        Self { own: false, number }
    }
}

/// The class of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// An object.
    Object,
    /// A variable.
    Variable,
    /// A method.
    Method,
    /// A type of objects.
    ObjectType,
    /// A type of variables.
    VariableType,
    /// A type of references.
    ReferenceType,
    /// A type of data.
    DataType,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The number of its id.
    pub number: u32,
    /// The class.
    pub class: Class,
    /// Whether the browse name is one of the nodeset, not of OPC UA itself.
    pub own_name: bool,
    /// The browse name.
    pub name: String,
    /// The display name.
    pub display_name: String,
    /// The description. Empty: none.
    pub description: String,
    /// The references from and to other nodes.
    pub references: Vec<Reference>,
    /// Whether a type is abstract.
    pub is_abstract: bool,
    /// The type of a value.
    pub data_type: Id,
    /// The rank of a value.
    pub value_rank: i32,
    /// The dimensions of a value.
    pub array_dimensions: Option<Vec<u32>>,
    /// The access level of a variable.
    pub access_level: u8,
    /// The value.
    pub value: Value,
    /// The definition of a type of data.
    pub fields: Vec<Field>,
}

/// A reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The type.
    pub kind: Id,
    /// The other node.
    pub target: Id,
    /// Whether it leads from this node to the other one.
    pub forward: bool,
}

/// A field of a structure, or a value of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: String,
    /// The description. Empty: none.
    pub description: String,
    /// The value, for an enumeration.
    pub value: Option<i64>,
    /// The type, for a structure.
    pub data_type: Id,
    /// The rank, for a structure.
    pub value_rank: i32,
    /// Whether it may be left out, for a structure.
    pub is_optional: bool,
}

/// Numbers of reference types of OPC UA itself.
pub mod reference_type {
    /// `Organizes`.
    pub const ORGANIZES: u32 = 35;
    /// `HasEncoding`.
    pub const HAS_ENCODING: u32 = 38;
    /// `HasTypeDefinition`.
    pub const HAS_TYPE_DEFINITION: u32 = 40;
    /// `HasSubtype`.
    pub const HAS_SUBTYPE: u32 = 45;
    /// `HasProperty`.
    pub const HAS_PROPERTY: u32 = 46;
    /// `HasComponent`.
    pub const HAS_COMPONENT: u32 = 47;
    /// `HasSubStateMachine`.
    pub const HAS_SUB_STATE_MACHINE: u32 = 117;
}

impl Node {
    /// Returns the other nodes of references of this type.
    pub fn targets(&self, kind: u32, forward: bool) -> impl Iterator<Item = Id> + '_ {
        let wanted = move |it: &&Reference| it.kind == Id::standard(kind) && it.forward == forward;
        self.references.iter().filter(wanted).map(|it| it.target)
    }

    /// Returns the type of an object or variable.
    pub fn type_definition(&self) -> Option<Id> {
        self.targets(reference_type::HAS_TYPE_DEFINITION, true)
            .next()
    }
}

/// Returns the components and properties of a node, with the type of the reference, in the order of their names.
pub fn children(nodes: &Nodes, number: u32) -> Vec<(u32, &Node)> {
    let owns = [
        reference_type::HAS_COMPONENT,
        reference_type::HAS_PROPERTY,
        reference_type::HAS_SUB_STATE_MACHINE,
    ];
    let mut found = Vec::new();
    for child in nodes.values() {
        for kind in owns {
            let parent = Id { own: true, number };
            let inverse = child.targets(kind, false).any(|target| target == parent);
            let target = Id {
                own: true,
                number: child.number,
            };
            let forward = nodes
                .get(&number)
                .is_some_and(|node| node.targets(kind, true).any(|it| it == target));
            if inverse || forward {
                found.push((kind, child));
                break;
            }
        }
    }
    found.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    found
}

#[cfg(test)]
mod tests;
