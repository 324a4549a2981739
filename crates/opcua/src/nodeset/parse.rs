//! Reads a file of the schema UANodeSet.

use std::collections::HashMap;

use roxmltree::{Document, Node as Element};
use thiserror::Error;

use super::{Class, Field, Id, Node, Nodes, Reference, Value};

/// The XML is not a nodeset that this module can read.
#[derive(Debug, Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    line: u32,
    message: String,
}

impl ParseError {
    /// An error at an element.
    pub fn new(element: Element<'_, '_>, message: &str) -> Self {
        let place = element.document().text_pos_at(element.range().start);
        Self {
            line: place.row,
            message: format!("<{}>: {message}", element.tag_name().name()),
        }
    }
}

/// The names of ids that the file declares.
pub struct Aliases<'a>(HashMap<&'a str, &'a str>);

impl Aliases<'_> {
    /// Reads an id or an alias.
    pub fn id(&self, element: Element<'_, '_>, text: &str) -> Result<Id, ParseError> {
        let text = self.0.get(text).copied().unwrap_or(text);
        let (own, rest) = match text.strip_prefix("ns=1;") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let number = rest.strip_prefix("i=").and_then(|it| it.parse().ok());
        let number = number
            .ok_or_else(|| ParseError::new(element, &format!("{text:?} is not a numeric id")))?;
        Ok(Id { own, number })
    }
}

/// Reads a nodeset with one namespace of its own.
pub fn parse(xml: &str) -> Result<Nodes, ParseError> {
    let document = Document::parse(xml).map_err(|error| ParseError {
        line: error.pos().row,
        message: error.to_string(),
    })?;
    let root = document.root_element();
    let declared = child(root, "Aliases")?
        .children()
        .filter(Element::is_element);
    let aliases = declared.filter_map(|it| Some((it.attribute("Alias")?, it.text()?.trim())));
    let aliases = Aliases(aliases.collect());
    let mut nodes = Nodes::new();
    for element in root.children().filter(Element::is_element) {
        let class = match element.tag_name().name() {
            "UAObject" => Class::Object,
            "UAVariable" => Class::Variable,
            "UAMethod" => Class::Method,
            "UAObjectType" => Class::ObjectType,
            "UAVariableType" => Class::VariableType,
            "UAReferenceType" => Class::ReferenceType,
            "UADataType" => Class::DataType,
            _ => continue,
        };
        let node = node(element, class, &aliases)?;
        nodes.insert(node.number, node);
    }
    Ok(nodes)
}

fn node(element: Element<'_, '_>, class: Class, aliases: &Aliases<'_>) -> Result<Node, ParseError> {
    let id = aliases.id(element, attribute(element, "NodeId")?)?;
    if !id.own {
        return Err(ParseError::new(element, "a node of another namespace"));
    }
    let browse_name = attribute(element, "BrowseName")?;
    let (own_name, name) = match browse_name.strip_prefix("1:") {
        Some(name) => (true, name),
        None => (false, browse_name),
    };
    let data_type = match element.attribute("DataType") {
        Some(text) => aliases.id(element, text)?,
        // The default of the schema: BaseDataType.
        None => Id::standard(24),
    };
    let value = element
        .children()
        .find(|it| it.tag_name().name() == "Value");
    let value = value.map_or(Ok(Value::None), |value| Value::parse(value, aliases))?;
    Ok(Node {
        number: id.number,
        class,
        own_name,
        name: name.to_owned(),
        display_name: child_text(element, "DisplayName")?,
        description: child_text(element, "Description").unwrap_or_default(),
        references: references(element, aliases)?,
        is_abstract: element.attribute("IsAbstract") == Some("true"),
        data_type,
        value_rank: number(element, "ValueRank", -1)?,
        array_dimensions: dimensions(element)?,
        access_level: number(element, "AccessLevel", 1)?,
        value,
        fields: fields(element, aliases)?,
    })
}

fn references(
    element: Element<'_, '_>,
    aliases: &Aliases<'_>,
) -> Result<Vec<Reference>, ParseError> {
    let mut found = Vec::new();
    for item in child(element, "References")?
        .children()
        .filter(Element::is_element)
    {
        found.push(Reference {
            kind: aliases.id(item, attribute(item, "ReferenceType")?)?,
            target: aliases.id(item, item.text().unwrap_or_default().trim())?,
            forward: item.attribute("IsForward") != Some("false"),
        });
    }
    Ok(found)
}

fn fields(element: Element<'_, '_>, aliases: &Aliases<'_>) -> Result<Vec<Field>, ParseError> {
    let Ok(definition) = child(element, "Definition") else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for item in definition.children().filter(Element::is_element) {
        let value = item.attribute("Value").map(str::parse).transpose();
        found.push(Field {
            name: attribute(item, "Name")?.to_owned(),
            description: child_text(item, "Description").unwrap_or_default(),
            value: value.map_err(|_| ParseError::new(item, "a value that is not a number"))?,
            data_type: aliases.id(item, item.attribute("DataType").unwrap_or("i=24"))?,
            value_rank: number(item, "ValueRank", -1)?,
            is_optional: item.attribute("IsOptional") == Some("true"),
        });
    }
    Ok(found)
}

fn dimensions(element: Element<'_, '_>) -> Result<Option<Vec<u32>>, ParseError> {
    let Some(text) = element.attribute("ArrayDimensions") else {
        return Ok(None);
    };
    let numbers = text.split(',').map(|it| it.trim().parse());
    let numbers = numbers.collect::<Result<_, _>>();
    let numbers = numbers.map_err(|_| ParseError::new(element, "dimensions that are not numbers"));
    numbers.map(Some)
}

fn number<T: std::str::FromStr>(
    element: Element<'_, '_>,
    name: &str,
    default: T,
) -> Result<T, ParseError> {
    let Some(text) = element.attribute(name) else {
        return Ok(default);
    };
    let number = text.trim().parse();
    number.map_err(|_| ParseError::new(element, &format!("{name} is not a number")))
}

fn attribute<'a>(element: Element<'a, '_>, name: &str) -> Result<&'a str, ParseError> {
    let value = element.attribute(name);
    value.ok_or_else(|| ParseError::new(element, &format!("no attribute {name}")))
}

/// Returns the first child element of this name.
pub fn child<'a, 'input>(
    element: Element<'a, 'input>,
    name: &str,
) -> Result<Element<'a, 'input>, ParseError> {
    let found = element.children().find(|it| it.tag_name().name() == name);
    found.ok_or_else(|| ParseError::new(element, &format!("no <{name}>")))
}

/// Returns the text of the first child element of this name.
pub fn child_text(element: Element<'_, '_>, name: &str) -> Result<String, ParseError> {
    let text = child(element, name)?.text().unwrap_or_default();
    Ok(text.trim().to_owned())
}
