//! Elements of the XML: ids, attributes, children and numbers.

use std::collections::HashMap;

use roxmltree::Node as Element;
use thiserror::Error;

use super::Id;

/// The XML is not a nodeset that this module can read.
#[derive(Debug, Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// The line.
    pub line: u32,
    /// What is wrong.
    pub message: String,
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
pub struct Aliases<'a>(pub HashMap<&'a str, &'a str>);

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

/// Returns the number of an attribute.
pub fn number<T: std::str::FromStr>(
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

/// Returns an attribute.
pub fn attribute<'a>(element: Element<'a, '_>, name: &str) -> Result<&'a str, ParseError> {
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
