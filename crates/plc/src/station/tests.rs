//! Requests to a station.

use std::time::Duration;

use super::*;
use crate::config::Settings;
use crate::handshake::{Decision, Judged};

fn station() -> Station {
    let text = "[stations.a]\nunit = 1\ncamera = \"top\"\nheartbeat_timeout_ms = 0\n";
    let mut settings = Settings::parse("plc.toml", text).expect("a valid configuration");
    let (id, settings) = settings.stations.pop_first().expect("a station");
    let memory = Memory {
        key_prefix: "k".to_owned(),
        keys: 0,
        open: None,
        last_command: 0,
        part_number: 0,
        part_text: [0; 32],
        recipe_select: 0,
    };
    let now = Instant::now();
    let station = Station::new(id, settings, memory, now);
    station.apply(|machine| machine.daemon(true, "", now));
    station
}

#[test]
fn addresses_and_counts_outside_of_the_map_are_refused() {
    let station = station();
    let last = map::SERVER_WORDS - 1;
    let mirror = map::MIRROR;
    let check = |table, address, count, expected: Result<(), Refusal>| {
        let read = station.read(table, address, count);
        assert_eq!(read.map(|_| ()), expected, "{table:?} {address} {count}");
    };
    check(Table::Input, 0, map::SERVER_WORDS, Ok(()));
    check(Table::Input, last, 1, Ok(()));
    check(Table::Input, last, 2, Err(Refusal::Address));
    check(Table::Input, u16::MAX, 1, Err(Refusal::Address));
    check(Table::Input, 0, 0, Err(Refusal::Value));
    check(Table::Input, 0, 126, Err(Refusal::Value));
    check(Table::Holding, 0, map::PLC_WORDS, Ok(()));
    check(Table::Holding, map::PLC_WORDS, 1, Err(Refusal::Address));
    check(Table::Holding, mirror - 1, 2, Err(Refusal::Address));
    check(Table::Holding, mirror, map::SERVER_WORDS, Ok(()));
    check(Table::Holding, mirror + last, 2, Err(Refusal::Address));
    let check = |table, address, count, expected: Result<(), Refusal>| {
        let read = station.read_bits(table, address, count);
        assert_eq!(read.map(|_| ()), expected, "{table:?} {address} {count}");
    };
    check(BitTable::Coils, 0, 4, Ok(()));
    check(BitTable::Coils, 0, 5, Err(Refusal::Address));
    check(BitTable::DiscreteInputs, 0, 16, Ok(()));
    check(BitTable::DiscreteInputs, 15, 2, Err(Refusal::Address));
    check(BitTable::DiscreteInputs, 0, 2001, Err(Refusal::Value));
}

#[test]
fn writes_outside_of_the_block_of_the_plc_change_nothing() {
    let station = station();
    let now = Instant::now();
    let check = |address, words: &[u16], expected| {
        let written = station.write(1, address, words, now);
        assert_eq!(written, Err(expected), "{address} {words:?}");
    };
    check(map::PLC_WORDS - 1, &[1, 1], Refusal::Address);
    check(map::MIRROR, &[1], Refusal::Address);
    check(u16::MAX, &[1], Refusal::Address);
    check(0, &[], Refusal::Value);
    check(0, &[1 << map::COILS, 5], Refusal::Value);
    assert_eq!(
        station.write_bits(1, 4, &[true], now),
        Err(Refusal::Address)
    );
    assert_eq!(
        station.write_bits(1, u16::MAX, &[true], now),
        Err(Refusal::Address)
    );
    assert_eq!(station.read(Table::Holding, 0, 22), Ok(vec![0; 22]));
    station.write(1, 0, &[0], now).expect("the first writer");
    assert_eq!(station.write(2, 0, &[0], now), Err(Refusal::Busy(NotOwner)));
}

#[test]
fn coils_and_masked_writes_change_single_bits_of_the_control_word() {
    let station = station();
    let now = Instant::now();
    let control = || {
        station
            .read(Table::Holding, 0, 1)
            .expect("the control word")[0]
    };
    station.write(1, 0, &[0], now).expect("the first writer");
    station
        .write_bits(1, 1, &[true, true], now)
        .expect("two bits");
    assert_eq!(control(), 0b0110);
    station.write_bits(1, 2, &[false], now).expect("a bit");
    assert_eq!(control(), 0b0010);
    assert_eq!(
        station.read_bits(BitTable::Coils, 0, 4),
        Ok(vec![false, true, false, false])
    );
    station
        .write_masked(1, 0, [0b1101, 0b1000], now)
        .expect("a bit");
    assert_eq!(control(), 0b0000);
    station
        .write_masked(1, 0, [0b1011, 0b0100], now)
        .expect("a bit");
    assert_eq!(control(), 0b0100);
}

#[test]
fn input_registers_holding_registers_and_discrete_inputs_show_the_same() {
    let station = station();
    let now = Instant::now();
    station.write(1, 0, &[0], now).expect("the first writer");
    station.write(1, 4, &[0, 9], now).expect("a part");
    station.write(1, 0, &[1], now).expect("a trigger");
    station.apply(|machine| machine.saved(1, true, now));
    station.apply(|machine| {
        let judged = Judged {
            key: "k-1".to_owned(),
            part_id: "9".to_owned(),
            decision: Some(Decision::Pass),
            ..Judged::default()
        };
        assert!(machine.judged(judged, now + Duration::from_millis(5)));
    });
    let input = station
        .read(Table::Input, 0, map::SERVER_WORDS)
        .expect("all");
    let holding = station.read(Table::Holding, map::MIRROR, map::SERVER_WORDS);
    assert_eq!(holding.as_ref(), Ok(&input));
    assert_eq!(input[3], 1);
    assert_eq!(input[13], 50);
    let bits = station
        .read_bits(BitTable::DiscreteInputs, 0, 16)
        .expect("all");
    let word = bits
        .iter()
        .rev()
        .fold(0, |word, &bit| word << 1 | u16::from(bit));
    assert_eq!(word, input[1]);
    let expected = [map::RESULT_VALID, map::OK, map::DAEMON_CONNECTED];
    let expected: u16 = expected.iter().map(map::Named::mask).sum();
    assert_eq!(word, expected);
}
