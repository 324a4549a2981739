//! `mhkd bench inference` with the bundle of a run.

use serde_json::Value;

use super::workspace::{fail, mhkd, shared_workspace, succeed};

/// Times `bundle`, a model of the tiny preset at 128x128.
pub(super) fn check(bundle: &str) {
    let json = shared_workspace().path("speed.json");
    let counts = ["--batch", "1,3", "--warm-up", "1", "--repeats", "3"];
    let stdout = succeed(
        mhkd(&["bench", "inference", bundle, bundle])
            .args(counts)
            .args(["--json", &json]),
    );
    assert!(stdout.contains("line 1.2.3 (tiny, f32)"), "{stdout}");
    let result: Value =
        serde_json::from_str(&std::fs::read_to_string(json).expect("written")).expect("JSON");
    let bundles = result["bundles"].as_array().expect("a list");
    assert_eq!(bundles.len(), 2);
    for bundle in bundles {
        assert!(bundle["parameters"].as_u64().expect("an integer") > 1_000_000);
        let timings = bundle["timings"].as_array().expect("a list");
        let batches: Vec<u64> = timings.iter().filter_map(|t| t["batch"].as_u64()).collect();
        assert_eq!(batches, [1, 3]);
        for timing in timings {
            let number = |key: &str| timing[key].as_f64().expect("a JSON number");
            assert!(number("median_ms") > 0.0 && number("images_per_second") > 0.0);
            assert_eq!(timing["runs"], 3);
        }
    }
    check_rejected(bundle);
}

fn check_rejected(bundle: &str) {
    let check = |arguments: &[&str], expected: &str| {
        let error = fail(mhkd(&["bench", "inference", bundle]).args(arguments));
        assert!(error.contains(expected), "{arguments:?}: {error}");
    };
    check(&["--batch", "0"], "batch = 0: must be at least 1");
    check(&["--repeats", "0"], "repeats = 0: must be at least 1");
    let mut unknown = mhkd(&["bench", "inference", bundle, "--device", "tpu"]);
    let output = unknown.output().expect("the program starts");
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(
        error.contains("device tpu: must be auto, cpu, cuda or cuda:N"),
        "{error}"
    );
    check(&["/nowhere"], "/nowhere");
}
