//! Reads a file of the schema UANodeSet.

use roxmltree::{Document, Node as Element};

use super::xml::{Aliases, ParseError, attribute, child, child_text, number};
use super::{Class, Field, Id, Node, Nodes, Reference, Value};

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
