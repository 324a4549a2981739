use std::io::Read;

use proptest::prelude::*;

use super::*;

fn loaded(bytes: &[u8]) -> Result<Value, String> {
    let (objects, id) = load(bytes).map_err(|error| error.to_string())?;
    Ok(objects.get(id).clone())
}

#[test]
fn every_supported_kind_of_value_is_read() {
    let check =
        |bytes: &[u8], expected: Value| assert_eq!(loaded(bytes), Ok(expected), "{bytes:?}");
    check(b"\x80\x02K\xff.", Value::Int(255));
    check(b"\x80\x02M\xff\xff.", Value::Int(65535));
    check(b"\x80\x02J\xff\xff\xff\xff.", Value::Int(-1));
    check(
        b"\x80\x02\x8a\x05\x00\x00\x00\x00\x01.",
        Value::Int(1 << 32),
    );
    check(b"\x80\x02\x8a\x00.", Value::Int(0));
    check(b"\x80\x02X\x02\x00\x00\x00hi.", Value::Text("hi".into()));
    check(b"\x80\x02K\x01K\x02\x86.", Value::Tuple(vec![Id(0), Id(1)]));
    check(b"\x80\x02](K\x01e.", Value::List(vec![Id(1)]));
    check(b"\x80\x02]K\x01a.", Value::List(vec![Id(1)]));
    check(b"\x80\x02\x89.", Value::False);
    check(
        b"\x80\x02ccollections\nOrderedDict\n)R.",
        Value::Dict(vec![]),
    );
}

#[test]
fn memo_entry_refers_to_the_same_dictionary() {
    let bytes = b"\x80\x02}q\x00K\x01K\x02sh\x00.";
    assert_eq!(loaded(bytes), Ok(Value::Dict(vec![(Id(1), Id(2))])));
}

#[test]
fn pickle_that_is_not_a_state_dict_is_rejected_with_the_reason() {
    let check = |bytes: &[u8], expected: &str| {
        let message = loaded(bytes).expect_err("rejected");
        assert!(message.contains(expected), "{message}");
    };
    check(
        b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.",
        "contains a posix.system, but only a state dict",
    );
    check(b"\x80\x04.", "does not use protocol 2");
    check(b"\x80\x02\x81.", "instruction 0x81 at byte 2");
    check(b"\x80\x02K", "is truncated");
    check(b"\x80\x02X\xff\xff\xff\xffhi.", "is truncated");
    check(b"\x80\x02.", "pops from an empty stack");
    check(b"\x80\x02K\x01(s.", "pops from an empty stack");
    check(b"\x80\x02t.", "pops to a mark that does not exist");
    check(b"\x80\x02h\x07.", "reads a memo entry that does not exist");
    check(
        b"\x80\x02K\x01K\x01K\x01s.",
        "sets items of a value that is not a dictionary",
    );
    check(
        b"\x80\x02K\x01)R.",
        "calls a function in a different way than torch.save",
    );
}

#[test]
fn deeply_nested_pickle_is_read_without_stack_overflow() {
    let mut bytes = b"\x80\x02)".to_vec();
    bytes.extend([0x85].repeat(1 << 20));
    bytes.push(b'.');
    loaded(&bytes).expect("a million nested tuples");
}

fn state_dict() -> Vec<u8> {
    let archive = include_bytes!("../../../tests/fixtures/odd.pth");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("a zip");
    let mut pickle = Vec::new();
    let mut entry = zip.by_name("odd/data.pkl").expect("the entry exists");
    entry.read_to_end(&mut pickle).expect("readable");
    pickle
}

proptest! {
    #[test]
    fn damaged_pickle_does_not_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), length in any::<prop::sample::Index>()) {
        let mut pickle = state_dict();
        let at = at.index(pickle.len());
        pickle[at] = byte;
        drop(load(&pickle));
        pickle.truncate(length.index(pickle.len()));
        drop(load(&pickle));
    }
}
