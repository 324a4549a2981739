//! Values in the nodeset.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opcua::types::argument::Argument;
use opcua::types::{ByteString, DateTime, EnumValueType, ExtensionObject, LocalizedText, Variant};
use roxmltree::Node;

use super::Id;
use super::xml::{Aliases, ParseError, child, child_text};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value, or one of a structure of the nodeset, which is a placeholder there.
    None,
    /// A value of a type of OPC UA itself.
    Plain(Variant),
    /// Arguments of a method.
    Arguments(Vec<ArgumentValue>),
}

/// An argument of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentValue {
    /// The name.
    pub name: String,
    /// The type.
    pub data_type: Id,
    /// The rank.
    pub value_rank: i32,
    /// The description. Empty: none.
    pub description: String,
}

impl Value {
    /// Returns the value for a server in which the namespace of the nodeset has this index.
    pub fn variant(&self, namespace: u16) -> Option<Variant> {
        match self {
            Self::None => None,
            Self::Plain(variant) => Some(variant.clone()),
            Self::Arguments(arguments) => {
                let objects = arguments.iter().map(|argument| {
                    ExtensionObject::from_message(Argument {
                        name: argument.name.as_str().into(),
                        data_type: super::import::node_id(argument.data_type, namespace),
                        value_rank: argument.value_rank,
                        array_dimensions: (argument.value_rank > 0)
                            .then(|| vec![0; argument.value_rank as usize]),
                        description: LocalizedText::new("", &argument.description),
                    })
                });
                Some(Variant::from(objects.collect::<Vec<_>>()))
            }
        }
    }

    /// Reads the element `Value`.
    pub(super) fn parse(value: Node<'_, '_>, aliases: &Aliases<'_>) -> Result<Self, ParseError> {
        let Some(content) = value.children().find(Node::is_element) else {
            return Ok(Self::None);
        };
        let text = content.text().unwrap_or_default().trim();
        let wrong = || ParseError::new(content, "a value that cannot be read");
        let plain = match content.tag_name().name() {
            "String" => Variant::from(text),
            "Boolean" => Variant::from(text == "true"),
            "UInt32" => Variant::from(text.parse::<u32>().map_err(|_| wrong())?),
            "DateTime" => Variant::from(DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?),
            "ListOfInt32" => {
                let numbers = content.children().filter(Node::is_element);
                let numbers = numbers.map(|it| it.text().unwrap_or_default().trim().parse::<i32>());
                Variant::from(
                    numbers
                        .collect::<Result<Vec<_>, _>>()
                        .map_err(|_| wrong())?,
                )
            }
            "ByteString" => {
                let digits: String = text.split_whitespace().collect();
                let bytes = STANDARD.decode(digits).map_err(|_| wrong())?;
                Variant::from(ByteString::from(bytes))
            }
            "ListOfExtensionObject" => return list(content, aliases),
            // A placeholder of a structure.
            "ExtensionObject" => return Ok(Self::None),
            _ => return Err(wrong()),
        };
        Ok(Self::Plain(plain))
    }
}

/// Reads arguments or values of an enumeration.
fn list(content: Node<'_, '_>, aliases: &Aliases<'_>) -> Result<Value, ParseError> {
    let mut arguments = Vec::new();
    let mut enumeration = Vec::new();
    for object in content.children().filter(Node::is_element) {
        let body = child(object, "Body")?.children().find(Node::is_element);
        let body = body.ok_or_else(|| ParseError::new(object, "no body"))?;
        let localized = |name: &str| {
            let text = body.children().find(|it| it.has_tag_name_of(name));
            let text = text.and_then(|it| child_text(it, "Text").ok());
            text.unwrap_or_default()
        };
        match body.tag_name().name() {
            "Argument" => {
                let data_type = child_text(child(body, "DataType")?, "Identifier")?;
                let rank = child_text(body, "ValueRank")?;
                arguments.push(ArgumentValue {
                    name: child_text(body, "Name")?,
                    data_type: aliases.id(body, &data_type)?,
                    value_rank: rank
                        .parse()
                        .map_err(|_| ParseError::new(body, "a rank that is not a number"))?,
                    description: localized("Description"),
                });
            }
            "EnumValueType" => {
                let value = child_text(body, "Value")?;
                enumeration.push(ExtensionObject::from_message(EnumValueType {
                    value: value
                        .parse()
                        .map_err(|_| ParseError::new(body, "a value that is not a number"))?,
                    display_name: LocalizedText::new("", &localized("DisplayName")),
                    description: LocalizedText::new("", &localized("Description")),
                }));
            }
            _ => return Err(ParseError::new(body, "a structure that is not known")),
        }
    }
    if enumeration.is_empty() {
        Ok(Value::Arguments(arguments))
    } else {
        Ok(Value::Plain(Variant::from(enumeration)))
    }
}

/// Compares the name of an element without its namespace.
trait HasName {
    fn has_tag_name_of(&self, name: &str) -> bool;
}

impl HasName for Node<'_, '_> {
    fn has_tag_name_of(&self, name: &str) -> bool {
        self.tag_name().name() == name
    }
}
