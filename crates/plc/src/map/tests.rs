//! The map is consistent, and the documents have it.

use std::fmt::Write as _;
use std::fs;

use inspectd_test_support::project_root;

use super::*;

#[test]
fn registers_follow_each_other_and_long_values_have_even_addresses() {
    for registers in [PLC_REGISTERS, SERVER_REGISTERS] {
        let mut next = 0;
        for register in registers {
            assert_eq!(register.address, next, "{}", register.name);
            next = register.end();
            let long = register.kind.words() > 1;
            assert!(!long || register.address % 2 == 0, "{}", register.name);
        }
    }
    assert_eq!(VERDICT_SEQUENCE.address % 4, 0);
    // One request reads all of them.
    const { assert!(SERVER_WORDS <= 125 && PLC_WORDS < MIRROR) };
    assert_eq!(CONTROL.address, 0);
}

#[test]
fn names_and_numbers_are_unique() {
    let lists = [
        CONTROL_BITS,
        STATUS_BITS,
        DECISIONS,
        RECIPE_STATES,
        STATION_STATES,
        SERVER_FAULTS,
    ];
    for list in lists {
        for (place, one) in list.iter().enumerate() {
            for other in &list[..place] {
                assert!(
                    one.number != other.number && one.name != other.name,
                    "{one:?}"
                );
            }
        }
    }
    assert!(STATUS_BITS.iter().all(|bit| bit.number < DISCRETE_INPUTS));
    assert!(SERVER_FAULTS.iter().all(|code| code.number >= 100));
}

#[test]
fn decisions_are_those_of_the_api() {
    use inspectd_client::Decision;
    for (named, decision) in [
        (DECISION_PASS, Decision::Pass),
        (DECISION_REJECT, Decision::Reject),
        (DECISION_REVIEW, Decision::Review),
        (DECISION_FAULT, Decision::Fault),
    ] {
        assert_eq!(i32::from(named.number), i32::from(decision));
    }
}

fn register_table(registers: &[Register]) -> String {
    let mut table = "| address | name | type | meaning |\n|---|---|---|---|\n".to_owned();
    for register in registers {
        let last = register.end() - 1;
        let address = if last == register.address {
            last.to_string()
        } else {
            format!("{}..{last}", register.address)
        };
        let _ = writeln!(
            table,
            "| {address} | `{}` | {} | {} |",
            register.name,
            register.kind.name(),
            register.meaning
        );
    }
    table
}

fn name_table(heading: &str, names: &[Named]) -> String {
    let mut table = format!("| {heading} | name | meaning |\n|---|---|---|\n");
    for name in names {
        let _ = writeln!(
            table,
            "| {} | `{}` | {} |",
            name.number, name.name, name.meaning
        );
    }
    table
}

/// The part of `docs/modbus.md` between the marks.
fn documented() -> String {
    let parts = [
        "### Written by the PLC\n\nHolding registers; function codes 3, 6, 16, 22, 23.\n".to_owned(),
        register_table(PLC_REGISTERS),
        format!(
            "### Written by the server\n\nInput registers, function code 4; also holding registers from {MIRROR} on, function \
             codes 3 and 23.\n"
        ),
        register_table(SERVER_REGISTERS),
        "### Bits of `CONTROL`\n\nAlso coils 0 to 3; function codes 1, 5, 15.\n".to_owned(),
        name_table("bit", CONTROL_BITS),
        "### Bits of `STATUS`\n\nAlso discrete inputs 0 to 15; function code 2.\n".to_owned(),
        name_table("bit", STATUS_BITS),
        "### Values of `DECISION`\n".to_owned(),
        name_table("value", DECISIONS),
        "### Values of `FAULT_CODE` and `STATION_FAULT`\n\nSmaller ones are those of `FaultReason` \
         ([api.md](api.md)): 1 camera lost, 8 deadline missed, and so on.\n"
            .to_owned(),
        name_table("value", SERVER_FAULTS),
        "### Values of `RECIPE_STATE`\n".to_owned(),
        name_table("value", RECIPE_STATES),
        "### Values of `STATION_STATE`\n".to_owned(),
        name_table("value", STATION_STATES),
    ];
    parts.join("\n")
}

/// Compares the text of a file between two marks, or writes it if `UPDATE_DOCS=1`.
fn assert_contains(file: &str, [begin, end]: [&str; 2], expected: &str) {
    let path = project_root().join(file);
    let text = fs::read_to_string(&path).expect("a readable file");
    let start = text.find(begin).expect("the first mark") + begin.len();
    let length = text[start..].find(end).expect("the second mark");
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        let new = format!("{}{expected}{}", &text[..start], &text[start + length..]);
        fs::write(&path, new).expect("a writable file");
        return;
    }
    let hint = "UPDATE_DOCS=1 cargo test -p inspectd-plc writes it";
    assert_eq!(&text[start..start + length], expected, "{file}: {hint}");
}

#[test]
fn document_has_the_map() {
    let marks = [
        "<!-- map: generated from crates/plc/src/map.rs; UPDATE_DOCS=1 cargo test -p inspectd-plc writes it -->\n",
        "<!-- end of the map -->",
    ];
    assert_contains("docs/modbus.md", marks, &format!("\n{}\n", documented()));
}

#[test]
fn structured_text_has_the_constants_of_the_map() {
    let mut expected = String::new();
    let mut constant = |prefix: &str, name: &str, number: u16| {
        let _ = writeln!(expected, "    {prefix}{name} : UINT := {number};");
    };
    constant("", "MAP_VERSION_EXPECTED", VERSION);
    for register in PLC_REGISTERS {
        constant("W_", register.name, register.address);
    }
    for register in SERVER_REGISTERS {
        constant("R_", register.name, register.address);
    }
    for named in [DECISIONS, RECIPE_STATES, STATION_STATES, SERVER_FAULTS].concat() {
        constant("", named.name, named.number);
    }
    let mut masks = String::new();
    for (prefix, bits) in [("C_", CONTROL_BITS), ("S_", STATUS_BITS)] {
        for bit in bits {
            let _ = writeln!(
                masks,
                "    {prefix}{} : WORD := 16#{:04X};",
                bit.name,
                bit.mask()
            );
        }
    }
    let marks = [
        "(* constants of the register map: generated from crates/plc/src/map.rs *)\n",
        "(* end of the constants *)",
    ];
    let expected = format!("VAR_GLOBAL CONSTANT\n{expected}{masks}END_VAR\n");
    assert_contains("examples/plc/inspectd_station.st", marks, &expected);
}
