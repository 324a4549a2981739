use std::io::Read;

use proptest::prelude::*;

use super::*;

fn loaded(bytes: &[u8]) -> Result<Value, String> {
    let (objects, id) = load(bytes).map_err(|error| error.to_string())?;
    Ok(objects.get(id).clone())
}

#[test]
fn values_of_each_kind() {
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
    check(b"\x80\x02](K\x01e.", Value::Opaque);
    check(
        b"\x80\x02ccollections\nOrderedDict\n)R.",
        Value::Dict(vec![]),
    );
}

#[test]
fn a_dictionary_that_is_recalled_is_the_same_one() {
    let bytes = b"\x80\x02}q\x00K\x01K\x02sh\x00.";
    assert_eq!(loaded(bytes), Ok(Value::Dict(vec![(Id(1), Id(2))])));
}

#[test]
fn what_a_state_dict_has_not_is_refused() {
    let check = |bytes: &[u8], expected: &str| {
        let message = loaded(bytes).expect_err("refused");
        assert!(message.contains(expected), "{message}");
    };
    check(
        b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.",
        "it holds a posix.system, and only a state dict",
    );
    check(b"\x80\x04.", "is not of protocol 2");
    check(b"\x80\x02\x81.", "instruction 0x81 at byte 2");
    check(b"\x80\x02K", "ends too early");
    check(b"\x80\x02X\xff\xff\xff\xffhi.", "ends too early");
    check(b"\x80\x02.", "takes more values than there are");
    check(b"\x80\x02K\x01(s.", "takes more values than there are");
    check(b"\x80\x02t.", "lacks a mark");
    check(b"\x80\x02h\x07.", "recalls a value that was not remembered");
    check(b"\x80\x02K\x01K\x01K\x01s.", "sets items of no dictionary");
    check(b"\x80\x02K\x01)R.", "calls something in a way");
}

#[test]
fn depth_is_no_danger() {
    let mut bytes = b"\x80\x02)".to_vec();
    bytes.extend([0x85].repeat(1 << 20));
    bytes.push(b'.');
    loaded(&bytes).expect("a million tuples, each in the next");
}

fn state_dict() -> Vec<u8> {
    let archive = include_bytes!("../../../tests/fixtures/odd.pth");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("a zip");
    let mut pickle = Vec::new();
    let mut entry = zip.by_name("odd/data.pkl").expect("it is there");
    entry.read_to_end(&mut pickle).expect("whole");
    pickle
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut pickle = state_dict();
        let at = at.index(pickle.len());
        pickle[at] = byte;
        drop(load(&pickle));
        pickle.truncate(cut.index(pickle.len()));
        drop(load(&pickle));
    }
}
