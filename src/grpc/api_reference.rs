//! `docs/api.md`: services, calls, messages and enums, generated from the descriptors of the protos with their comments.
//! The introduction of the page is written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Result as Written, Write};
use std::path::Path;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};

use super::proto::DESCRIPTORS;
use crate::access::permissions;

/// The package that is described.
const PACKAGE: &str = "inspectd.v1";

/// The lines around the generated part of the page.
const BEGIN: &str = "<!-- api: generated from the protos; UPDATE_DOCS=1 cargo test writes it -->\n";
const END: &str = "<!-- end of api -->\n";

/// Numbers of fields in `descriptor.proto`, of which the paths of comments consist.
mod part {
    /// `FileDescriptorProto.message_type`.
    pub const MESSAGE: i32 = 4;
    /// `FileDescriptorProto.enum_type`.
    pub const ENUM: i32 = 5;
    /// `FileDescriptorProto.service`.
    pub const SERVICE: i32 = 6;
    /// `DescriptorProto.field`, and the values of an enum and the methods of a service.
    pub const MEMBER: i32 = 2;
}

/// The comments of a file, by path.
struct Comments(BTreeMap<Vec<i32>, String>);

impl Comments {
    fn of(file: &FileDescriptorProto) -> Self {
        let info = file.source_code_info.as_ref().expect("source information");
        let comments = info.location.iter().filter_map(|location| {
            let text = location.leading_comments.as_deref()?;
            Some((location.path.clone(), text.to_owned()))
        });
        Self(comments.collect())
    }

    /// The comment at a path as one line.
    fn at(&self, path: &[i32]) -> String {
        let text = self.0.get(path).map_or("", String::as_str);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// A definition with its place in its file.
struct Defined<'a, T> {
    content: &'a T,
    comments: &'a Comments,
    path: [i32; 2],
}

impl<T> Defined<'_, T> {
    fn comment(&self) -> String {
        self.comments.at(&self.path)
    }

    fn comment_of(&self, member: usize) -> String {
        let [kind, index] = self.path;
        self.comments
            .at(&[kind, index, part::MEMBER, index_of(member)])
    }
}

fn index_of(position: usize) -> i32 {
    i32::try_from(position).expect("a small file")
}

/// All definitions of the package.
#[derive(Default)]
struct Api<'a> {
    services: Vec<Defined<'a, ServiceDescriptorProto>>,
    messages: BTreeMap<&'a str, Defined<'a, DescriptorProto>>,
    enums: BTreeMap<&'a str, Defined<'a, EnumDescriptorProto>>,
}

impl<'a> Api<'a> {
    fn add(&mut self, file: &'a FileDescriptorProto, comments: &'a Comments) {
        for (index, content) in file.service.iter().enumerate() {
            let path = [part::SERVICE, index_of(index)];
            self.services.push(Defined {
                content,
                comments,
                path,
            });
        }
        for (index, content) in file.message_type.iter().enumerate() {
            assert!(content.nested_type.is_empty() && content.enum_type.is_empty());
            let path = [part::MESSAGE, index_of(index)];
            let defined = Defined {
                content,
                comments,
                path,
            };
            self.messages.insert(content.name(), defined);
        }
        for (index, content) in file.enum_type.iter().enumerate() {
            let path = [part::ENUM, index_of(index)];
            let defined = Defined {
                content,
                comments,
                path,
            };
            self.enums.insert(content.name(), defined);
        }
    }

    /// Messages of calls: each is described with its call.
    fn of_calls(&self) -> BTreeSet<&str> {
        let services = self.services.iter();
        let methods = services.flat_map(|service| &service.content.method);
        let names: Vec<_> = methods
            .flat_map(|method| [short(method.input_type()), short(method.output_type())])
            .collect();
        let set: BTreeSet<_> = names.iter().copied().collect();
        assert_eq!(set.len(), names.len(), "a message belongs to one call");
        set
    }

    fn write(&self, text: &mut String) -> Written {
        for service in &self.services {
            self.write_service(text, service)?;
        }
        writeln!(text, "\n## Messages")?;
        let of_calls = self.of_calls();
        for (name, message) in &self.messages {
            if !of_calls.contains(name) {
                writeln!(text, "\n### {name}\n\n{}", message.comment())?;
                write_fields(text, message)?;
            }
        }
        writeln!(text, "\n## Enums")?;
        for (name, described) in &self.enums {
            writeln!(text, "\n### {name}\n\n{}", described.comment())?;
            write_values(text, described)?;
        }
        Ok(())
    }

    fn write_service(
        &self,
        text: &mut String,
        service: &Defined<'_, ServiceDescriptorProto>,
    ) -> Written {
        let name = service.content.name();
        writeln!(text, "\n## {name}\n\n{}", service.comment())?;
        writeln!(text, "\n| call | answer | role |\n|---|---|---|")?;
        for method in &service.content.method {
            let (call, answer) = (link(method.name()), answer(method));
            writeln!(text, "| {call} | {answer} | {} |", role(name, method))?;
        }
        for (index, method) in service.content.method.iter().enumerate() {
            let heading = method.name();
            let (comment, role) = (service.comment_of(index), role(name, method));
            writeln!(text, "\n### {heading}\n\n{comment} Role: {role}.")?;
            let stream = if method.client_streaming() {
                "A stream of requests"
            } else {
                "Request"
            };
            self.write_message(text, stream, method.input_type())?;
            let stream = if method.server_streaming() {
                "A stream of answers"
            } else {
                "Answer"
            };
            self.write_message(text, stream, method.output_type())?;
        }
        Ok(())
    }

    fn write_message(&self, text: &mut String, what: &str, name: &str) -> Written {
        let name = short(name);
        let message = &self.messages[name];
        if message.content.field.is_empty() {
            writeln!(text, "\n**{what}**: `{name}`, without fields.")
        } else {
            let comment = message.comment();
            writeln!(text, "\n**{what}**: `{name}`. {comment}")?;
            write_fields(text, message)
        }
    }
}

fn answer(method: &MethodDescriptorProto) -> &'static str {
    match (method.client_streaming(), method.server_streaming()) {
        (false, false) => "one",
        (false, true) => "a stream",
        (true, false) => "one, after a stream of requests",
        (true, true) => "a stream, to a stream of requests",
    }
}

/// The lowest role that may make a call.
fn role(service: &str, method: &MethodDescriptorProto) -> String {
    let path = format!("/{PACKAGE}.{service}/{}", method.name());
    let row = permissions::of(&path).expect("every call has a role");
    row.least.to_string()
}

/// The name of a type of the package without the package.
fn short(name: &str) -> &str {
    let own = name
        .strip_prefix('.')
        .and_then(|name| name.strip_prefix(PACKAGE));
    own.and_then(|name| name.strip_prefix('.')).unwrap_or(name)
}

/// A link to the section of a definition.
fn link(name: &str) -> String {
    format!("[`{name}`](#{})", name.to_lowercase())
}

fn write_fields(text: &mut String, message: &Defined<'_, DescriptorProto>) -> Written {
    if message.content.field.is_empty() {
        return writeln!(text, "\nWithout fields.");
    }
    writeln!(
        text,
        "\n| field | number | type | meaning |\n|---|---|---|---|"
    )?;
    for (index, field) in message.content.field.iter().enumerate() {
        let (name, number) = (field.name(), field.number());
        let kind = field_type(field, message.content);
        let comment = message.comment_of(index).replace('|', "\\|");
        assert!(!comment.is_empty(), "{name} has no comment");
        writeln!(text, "| `{name}` | {number} | {kind} | {comment} |")?;
    }
    Ok(())
}

fn write_values(text: &mut String, described: &Defined<'_, EnumDescriptorProto>) -> Written {
    writeln!(text, "\n| value | number | meaning |\n|---|---|---|")?;
    for (index, value) in described.content.value.iter().enumerate() {
        let (name, number) = (value.name(), value.number());
        let comment = described.comment_of(index).replace('|', "\\|");
        assert!(!comment.is_empty(), "{name} has no comment");
        writeln!(text, "| `{name}` | {number} | {comment} |")?;
    }
    Ok(())
}

/// The type of a field, with a link if it is defined on the page.
fn field_type(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum => {
            let name = short(field.type_name());
            match name.rsplit_once('.') {
                // Timestamp and Duration.
                Some((_, name)) => format!("`{name}`"),
                None => link(name),
            }
        }
        scalar => {
            let name = scalar.as_str_name().trim_start_matches("TYPE_");
            format!("`{}`", name.to_lowercase())
        }
    };
    let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
    match (field.label(), oneof) {
        (Label::Repeated, _) => format!("repeated {kind}"),
        (_, Some(oneof)) => {
            let oneof = message.oneof_decl[oneof as usize].name();
            format!("{kind}, one of `{oneof}`")
        }
        _ if field.proto3_optional() => format!("optional {kind}"),
        _ => kind,
    }
}

/// The generated part of the page.
fn reference() -> String {
    let set = FileDescriptorSet::decode(DESCRIPTORS).expect("the build writes valid descriptors");
    let files = set.file.iter().filter(|file| file.package() == PACKAGE);
    let files: Vec<_> = files.map(|file| (file, Comments::of(file))).collect();
    let mut api = Api::default();
    for (file, comments) in &files {
        api.add(file, comments);
    }
    api.services.sort_by_key(|service| service.content.name());
    let mut text = String::new();
    api.write(&mut text)
        .expect("writing to a String cannot fail");
    text
}

#[test]
fn page_describes_the_present_protos() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let text = std::fs::read_to_string(&page).expect("docs/api.md exists");
    let (before, rest) = text.split_once(BEGIN).expect("a begin marker");
    let (_, after) = rest.split_once(END).expect("an end marker");
    let expected = format!("{before}{BEGIN}{}\n{END}{after}", reference());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, expected).expect("docs/api.md can be written");
    } else {
        assert!(
            text == expected,
            "docs/api.md is out of date: UPDATE_DOCS=1 cargo test writes it"
        );
    }
}

#[test]
fn headings_of_the_page_are_unique() {
    let text = reference();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let names: Vec<_> = headings
        .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase())
        .collect();
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "two sections have one anchor");
}

#[test]
fn every_definition_has_a_comment() {
    let text = reference();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("### ") {
            assert_eq!(lines.next(), Some(""), "{line}");
            let comment = lines.next().unwrap_or_default();
            assert!(
                comment.len() > 5 && !comment.starts_with(['|', ' ']),
                "{line}"
            );
        }
    }
}
