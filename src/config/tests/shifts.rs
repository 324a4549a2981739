//! The starts of shifts, the only list.

use super::super::changes;
use super::{MINIMAL, Site, loaded};

fn with(starts: &str) -> String {
    format!("{MINIMAL}[shifts]\nstarts = {starts}\n")
}

fn starts(site: &Site) -> String {
    let settings = site.load().expect("valid").settings;
    settings.shifts.starts.to_string()
}

#[test]
fn starts_are_read_from_a_list_or_a_variable_with_commas_in_any_order() {
    assert_eq!(starts(&Site::with(MINIMAL)), "06:00, 14:00, 22:00");
    let site = Site::with(&with("[\"18:30\", \"06:30\"]"));
    assert_eq!(starts(&site), "06:30, 18:30");
    let site = site.variable("INSPECTD__SHIFTS__STARTS", "19:00,07:00, 00:00");
    assert_eq!(starts(&site), "00:00, 07:00, 19:00");
    let site = Site::with(MINIMAL).variable("INSPECTD__SHIFTS__STARTS", "");
    assert_eq!(
        site.faults(),
        [
            "environment variable INSPECTD__SHIFTS__STARTS: shifts.starts: \"\", must be a list of 1 to 24 different times \
             of day, such as [\"06:00\", \"14:00\", \"22:00\"]"
        ]
    );
}

#[test]
fn refused_list_is_reported_with_what_is_wrong_in_it() {
    let check = |starts: &str, found: &str| {
        let expected = format!(
            "inspectd.toml:6: shifts.starts: {found}, must be a list of 1 to 24 different times of day, such as \
             [\"06:00\", \"14:00\", \"22:00\"]"
        );
        assert_eq!(Site::with(&with(starts)).faults(), [expected], "{starts}");
    };
    check("[]", "an empty list");
    check("\"06:00\"", "\"06:00\"");
    check("6", "6");
    check("[\"06:00\", 14]", "14");
    check("[\"06:00\", [\"14:00\"]]", "a list");
    check("[\"06:00\", \"24:00\", \"6\"]", "\"24:00\"");
    check("[\"06:00\", \"14:00\", \"06:00\"]", "\"06:00\" twice");
    check(&format!("{:?}", ["06:00"; 25]), "25 times");
}

#[test]
fn default_and_order_of_the_starts_do_not_change_the_hash() {
    let least = loaded(MINIMAL).hash;
    assert_eq!(
        loaded(&with("[\"22:00\", \"06:00\", \"14:00\"]")).hash,
        least
    );
    assert_ne!(loaded(&with("[\"06:00\", \"14:00\"]")).hash, least);
}

#[test]
fn starts_are_live() {
    let [old, new] = [MINIMAL.to_owned(), with("[\"00:00\"]")].map(|text| loaded(&text).settings);
    let changes = changes(&old, &new);
    assert_eq!(changes.live, ["shifts.starts"]);
    assert_eq!(changes.restart, [""; 0]);
}
