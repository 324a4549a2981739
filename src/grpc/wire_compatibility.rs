//! Checks that the protos are compatible with every release.
//!
//! `tests/data/inspectd-vX.Y.Z.bin` is the `google.protobuf.FileDescriptorSet` of a release. At a release,
//! this command writes it:
//!
//! ```text
//! RECORD_DESCRIPTORS=tests/data/inspectd-vX.Y.Z.bin cargo test -p inspectd --lib wire_compatibility
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto,
};

use super::proto::DESCRIPTORS;

/// The packages whose compatibility is checked.
const PACKAGE: &str = "inspectd.";

/// All messages, enums and methods of a descriptor set, by full name.
#[derive(Default)]
struct Interface {
    messages: BTreeMap<String, DescriptorProto>,
    enums: BTreeMap<String, EnumDescriptorProto>,
    methods: BTreeMap<String, MethodDescriptorProto>,
}

impl Interface {
    fn of(set: FileDescriptorSet) -> Self {
        let mut interface = Self::default();
        for file in set.file {
            if !file.package().starts_with(PACKAGE) {
                continue;
            }
            let package = file.package().to_owned();
            for message in file.message_type {
                interface.add_message(&package, message);
            }
            for described in file.enum_type {
                interface.add_enum(&package, described);
            }
            for service in file.service {
                let name = format!("{package}.{}", service.name());
                for method in service.method {
                    let name = format!("{name}/{}", method.name());
                    interface.methods.insert(name, method);
                }
            }
        }
        interface
    }

    fn add_message(&mut self, scope: &str, mut message: DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in std::mem::take(&mut message.nested_type) {
            self.add_message(&name, nested);
        }
        for nested in std::mem::take(&mut message.enum_type) {
            self.add_enum(&name, nested);
        }
        self.messages.insert(name, message);
    }

    fn add_enum(&mut self, scope: &str, described: EnumDescriptorProto) {
        let name = format!("{scope}.{}", described.name());
        self.enums.insert(name, described);
    }
}

/// What must not change in a field: name, type and label, and the oneof that it belongs to.
fn signature(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let oneof = field
        .oneof_index
        .and_then(|index| message.oneof_decl.get(index as usize))
        .map_or("no oneof", |oneof| oneof.name());
    format!(
        "{} = {}: {:?} {:?} {} in {oneof}",
        field.name(),
        field.number(),
        field.label(),
        field.r#type(),
        field.type_name(),
    )
}

fn compare_messages(name: &str, old: &DescriptorProto, new: &DescriptorProto) -> Vec<String> {
    let mut faults = Vec::new();
    let present: BTreeSet<String> = new.field.iter().map(|f| signature(f, new)).collect();
    for field in &old.field {
        let signature = signature(field, old);
        if !present.contains(&signature) {
            faults.push(format!("{name}: field changed or removed: {signature}"));
        }
    }
    for field in &new.field {
        let mut ranges = old.reserved_range.iter();
        let reserved = ranges.any(|range| (range.start()..range.end()).contains(&field.number()))
            || old.reserved_name.iter().any(|name| name == field.name());
        if reserved {
            let signature = signature(field, new);
            faults.push(format!(
                "{name}: field uses a reserved number or name: {signature}"
            ));
        }
    }
    faults
}

fn compare_enums(name: &str, old: &EnumDescriptorProto, new: &EnumDescriptorProto) -> Vec<String> {
    let mut faults = Vec::new();
    let values = |described: &EnumDescriptorProto| -> BTreeSet<(String, i32)> {
        let values = described.value.iter();
        values
            .map(|value| (value.name().to_owned(), value.number()))
            .collect()
    };
    let present = values(new);
    for (value, number) in values(old) {
        if !present.contains(&(value.clone(), number)) {
            faults.push(format!(
                "{name}: value changed or removed: {value} = {number}"
            ));
        }
    }
    for value in &new.value {
        let mut ranges = old.reserved_range.iter();
        // The end of a reserved range of an enum is inclusive.
        let reserved = ranges.any(|range| (range.start()..=range.end()).contains(&value.number()))
            || old.reserved_name.iter().any(|name| name == value.name());
        if reserved {
            let (value, number) = (value.name(), value.number());
            faults.push(format!(
                "{name}: value uses a reserved number or name: {value} = {number}"
            ));
        }
    }
    faults
}

fn method_signature(method: &MethodDescriptorProto) -> String {
    format!(
        "({}{}) returns ({}{})",
        if method.client_streaming() {
            "stream "
        } else {
            ""
        },
        method.input_type(),
        if method.server_streaming() {
            "stream "
        } else {
            ""
        },
        method.output_type(),
    )
}

/// Every incompatibility of `new` with `old`. Additions are compatible.
fn incompatibilities(old: &Interface, new: &Interface) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, message) in &old.messages {
        match new.messages.get(name) {
            Some(present) => faults.extend(compare_messages(name, message, present)),
            None => faults.push(format!("message removed: {name}")),
        }
    }
    for (name, described) in &old.enums {
        match new.enums.get(name) {
            Some(present) => faults.extend(compare_enums(name, described, present)),
            None => faults.push(format!("enum removed: {name}")),
        }
    }
    for (name, method) in &old.methods {
        let expected = method_signature(method);
        match new.methods.get(name).map(method_signature) {
            Some(present) if present == expected => {}
            Some(present) => faults.push(format!("{name}: {expected} changed to {present}")),
            None => faults.push(format!("method removed: {name}")),
        }
    }
    faults
}

fn present() -> FileDescriptorSet {
    FileDescriptorSet::decode(DESCRIPTORS).expect("the build writes valid descriptors")
}

/// The file names and descriptors of all releases.
fn releases() -> Vec<(String, FileDescriptorSet)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let entries = fs::read_dir(&folder).expect("the folder exists");
    let mut releases = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("inspectd-v") && name.ends_with(".bin") {
            let bytes = fs::read(&path).expect("the file is readable");
            let set = FileDescriptorSet::decode(&*bytes).expect("a descriptor set");
            releases.push((name.into_owned(), set));
        }
    }
    releases
}

#[test]
fn the_protos_are_compatible_with_every_release() {
    if let Some(file) = std::env::var_os("RECORD_DESCRIPTORS") {
        let mut set = present();
        for file in &mut set.file {
            file.source_code_info = None;
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        fs::write(path, set.encode_to_vec()).expect("the file is writable");
    }
    let new = Interface::of(present());
    let releases = releases();
    assert!(!releases.is_empty(), "tests/data contains no release");
    for (name, set) in releases {
        let old = Interface::of(set);
        assert!(old.messages.len() > 50, "{name} is not complete");
        let faults = incompatibilities(&old, &new);
        assert!(
            faults.is_empty(),
            "incompatible with {name}:\n{}",
            faults.join("\n")
        );
    }
}

/// The incompatibilities after `change` of the present descriptors.
fn faults_after(change: impl FnOnce(&mut Interface)) -> Vec<String> {
    let old = Interface::of(present());
    let mut new = Interface::of(present());
    change(&mut new);
    incompatibilities(&old, &new)
}

fn verdict(interface: &mut Interface) -> &mut DescriptorProto {
    let verdict = interface.messages.get_mut("inspectd.v1.Verdict");
    verdict.expect("the message exists")
}

#[test]
fn a_renumbered_a_renamed_and_a_retyped_field_are_each_reported() {
    assert_eq!(faults_after(|_| ()), Vec::<String>::new());
    let faults = faults_after(|new| {
        let fields = &mut verdict(new).field;
        fields[0].number = Some(999);
        fields[1].name = Some("renamed".to_owned());
        fields[2].set_type(prost_types::field_descriptor_proto::Type::Double);
    });
    assert_eq!(faults.len(), 3, "{faults:#?}");
}

#[test]
fn removed_messages_enums_and_methods_are_reported_and_additions_are_not() {
    let faults = faults_after(|new| {
        new.messages.remove("inspectd.v1.Verdict");
        new.enums.remove("inspectd.v1.Decision");
        new.methods.remove("inspectd.v1.LineService/GetStatus");
        let added = DescriptorProto::default();
        new.messages.insert("inspectd.v1.Added".to_owned(), added);
    });
    let expected = [
        "message removed: inspectd.v1.Verdict",
        "enum removed: inspectd.v1.Decision",
        "method removed: inspectd.v1.LineService/GetStatus",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn a_field_with_a_reserved_number_is_reported() {
    let mut old = Interface::of(present());
    verdict(&mut old)
        .reserved_range
        .push(prost_types::descriptor_proto::ReservedRange {
            start: Some(900),
            end: Some(901),
        });
    let mut new = Interface::of(present());
    verdict(&mut new).field.push(FieldDescriptorProto {
        name: Some("added".to_owned()),
        number: Some(900),
        ..FieldDescriptorProto::default()
    });
    let faults = incompatibilities(&old, &new);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].contains("reserved number"), "{faults:#?}");
}
