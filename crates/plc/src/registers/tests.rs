//! Encodings, against bytes that were written by hand.

use proptest::prelude::*;

use super::*;

fn block(words: Order, text: Order) -> Block {
    Block::new(map::SERVER_WORDS, Encoding { words, text })
}

#[test]
fn word_order_is_that_of_the_registers_of_a_long_value() {
    let check = |order, expected: [u16; 2], expected_wide: [u16; 4]| {
        let mut block = block(order, Order::Big);
        block.put_f32(&map::SCORE, 1.5);
        assert_eq!(block.words()[8..10], expected);
        block.put_u64(&map::VERDICT_SEQUENCE, 0x0001_0002_0003_0004);
        assert_eq!(block.words()[28..32], expected_wide);
        block.put_u32(&map::RESULT_COUNTER, 0x0001_0002);
        assert_eq!(block.u32(&map::RESULT_COUNTER), 0x0001_0002);
    };
    // 1.5 is 3FC00000.
    check(Order::Big, [0x3fc0, 0], [1, 2, 3, 4]);
    check(Order::Little, [0, 0x3fc0], [4, 3, 2, 1]);
}

#[test]
fn text_order_is_that_of_the_characters_of_a_register() {
    let check = |order, expected: [u16; 2]| {
        let mut block = block(Order::Big, order);
        let part = PartNumber::of_id("ABC").expect("a short text");
        block.put_text(&map::PART_TEXT_OUT, &part.text);
        assert_eq!(block.words()[32..34], expected);
        assert_eq!(block.text(&map::PART_TEXT_OUT), part.text);
    };
    check(Order::Big, [0x4142, 0x4300]);
    check(Order::Little, [0x4241, 0x0043]);
}

#[test]
fn part_id_is_the_text_or_else_the_number() {
    let check = |number, text: &str, expected: Result<&str, InvalidPart>| {
        let mut part = PartNumber {
            number,
            text: [0; 32],
        };
        part.text[..text.len()].copy_from_slice(text.as_bytes());
        assert_eq!(part.id(), expected.map(str::to_owned), "{number} {text:?}");
    };
    check(0, "", Ok(""));
    check(7, "", Ok("7"));
    check(7, "A 1", Ok("A 1"));
    check(7, "A1      ", Ok("A1"));
    check(7, "        ", Ok("7"));
    check(
        0,
        "12345678901234567890123456789012",
        Ok("12345678901234567890123456789012"),
    );
    check(0, "A\0B", Err(InvalidPart));
    check(0, "A\n", Err(InvalidPart));
    check(0, "\u{e4}", Err(InvalidPart));
}

#[test]
fn write_beyond_the_block_changes_nothing() {
    let mut block = Block::new(4, Encoding::default());
    assert!(!block.write(3, &[1, 2]));
    assert!(!block.write(u16::MAX, &[1]));
    assert_eq!(block.words(), [0; 4]);
    assert!(block.write(2, &[1, 2]));
    assert_eq!(block.words(), [0, 0, 1, 2]);
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Big), Just(Order::Little)]
}

proptest! {
    #[test]
    fn what_the_plc_wrote_is_read_unchanged(
        words in order(),
        text in order(),
        numbers in any::<(u16, u16, u16, u16, u32)>(),
        characters in any::<[u8; 32]>(),
    ) {
        let plc = PlcWords {
            control: numbers.0,
            heartbeat: numbers.1,
            command: numbers.2,
            recipe_select: numbers.3,
            part: PartNumber { number: numbers.4, text: characters },
        };
        let mut block = Block::new(map::PLC_WORDS, Encoding { words, text });
        block.put_plc_words(&plc);
        prop_assert_eq!(block.plc_words(), plc);
    }

    #[test]
    fn id_that_registers_can_show_comes_back(id in "[ -~]{0,40}") {
        match PartNumber::of_id(&id) {
            Some(part) if id.trim_end() == id && !id.is_empty() => {
                prop_assert_eq!(part.id(), Ok(id));
            }
            Some(_) => {}
            None => prop_assert!(id.len() > 32),
        }
    }
}
