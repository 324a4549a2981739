//! The ids in the code are those of the published nodeset.

use super::import::binary_encoding;
use super::*;
use crate::ids;
use crate::machine::Transition;

fn name_of(number: u32) -> (&'static str, Class) {
    let node = NODES
        .get(&number)
        .unwrap_or_else(|| panic!("no node {number}"));
    assert!(node.own_name, "{}", node.name);
    (&node.name, node.class)
}

#[test]
fn nodeset_is_read_completely() {
    assert_eq!(NODES.len(), 790);
    let count = |class| NODES.values().filter(|node| node.class == class).count();
    assert_eq!(count(Class::ObjectType), 35);
    assert_eq!(count(Class::DataType), 22);
    assert_eq!(count(Class::Method), 119);
    // What the file contains as a value of OPC UA itself has been read.
    let valued = NODES.values().filter(|node| node.value != Value::None);
    assert_eq!(valued.count(), 329);
}

#[test]
fn ids_are_those_of_the_published_nodeset() {
    let check = |all: &[(&str, u32)], class| {
        for &(name, number) in all {
            assert_eq!(name_of(number), (name, class), "{number}");
        }
    };
    check(ids::object_type::ALL, Class::ObjectType);
    check(ids::event_type::ALL, Class::ObjectType);
    check(ids::state::ALL, Class::Object);
    check(ids::data_type::ALL, Class::DataType);
}

#[test]
fn binary_encodings_are_those_of_the_published_nodeset() {
    use ids::{binary_encoding as encoding, data_type};
    let check = |data_type, encoding| {
        assert_eq!(
            binary_encoding(&NODES, data_type),
            Some(encoding),
            "{data_type}"
        );
    };
    check(data_type::RECIPE_ID_EXTERNAL, encoding::RECIPE_ID_EXTERNAL);
    check(data_type::PRODUCT_ID, encoding::PRODUCT_ID);
    check(data_type::PART_ID, encoding::PART_ID);
    check(data_type::PROCESSING_TIMES, encoding::PROCESSING_TIMES);
    check(data_type::RESULT, encoding::RESULT);
    check(data_type::CONFIGURATION, encoding::CONFIGURATION);
    check(data_type::CONFIGURATION_ID, encoding::CONFIGURATION_ID);
    check(data_type::RECIPE_ID_INTERNAL, encoding::RECIPE_ID_INTERNAL);
    check(data_type::MEAS_ID, encoding::MEAS_ID);
    check(data_type::JOB_ID, encoding::JOB_ID);
    check(data_type::RESULT_ID, encoding::RESULT_ID);
    check(
        data_type::SYSTEM_STATE_DESCRIPTION,
        encoding::SYSTEM_STATE_DESCRIPTION,
    );
}

#[test]
fn transitions_have_the_published_ids_and_numbers() {
    let number_of = |id| {
        let number = children(&NODES, id)
            .into_iter()
            .find(|it| it.1.name == "TransitionNumber");
        number.expect("a transition").1.value.clone()
    };
    for (name, id, number) in Transition::all() {
        assert_eq!(name_of(id), (name, Class::Object));
        assert_eq!(number_of(id), Value::Plain(number.into()), "{name}");
    }
}

#[test]
fn xml_that_is_not_a_nodeset_is_refused_with_its_line() {
    let check = |xml: &str, expected: &str| {
        let error = parse::parse(xml).expect_err("not a nodeset");
        assert_eq!(error.to_string(), expected);
    };
    check("<UANodeSet/>", "line 1: <UANodeSet>: no <Aliases>");
    check(
        "<UANodeSet><Aliases/>\n<UAObject NodeId=\"ns=1;s=a\"/></UANodeSet>",
        "line 2: <UAObject>: \"ns=1;s=a\" is not a numeric id",
    );
}
