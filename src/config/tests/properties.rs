//! Properties that hold for every value and every text.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::key::{Fallback, Key};
use super::super::kind::Kind;
use super::super::settings::Settings;
use super::super::table::{CAMERAS, Section, sections};
use super::super::values::Values;
use super::super::{Changes, Fault, applied, changes};
use super::{ConfigError, Loaded, MINIMAL, Site};

/// Every key, with its path and a camera source that has it.
fn keys() -> Vec<(&'static Section, &'static Key, String, &'static str)> {
    let mut keys = Vec::new();
    for section in sections() {
        for key in &section.keys {
            let id = if section.name == CAMERAS { ".left" } else { "" };
            let path = format!("{}{id}.{}", section.name, key.name);
            keys.push((
                section,
                key,
                path,
                key.sources.first().copied().unwrap_or("simulator"),
            ));
        }
    }
    keys
}

/// A configuration in which `path` is `value`, as dotted keys.
fn text(path: &str, value: &str, source: &str) -> String {
    let mut lines = BTreeMap::new();
    lines.insert("model.bundle".to_owned(), "\"/bundle\"".to_owned());
    lines.insert("cameras.left.source".to_owned(), format!("{source:?}"));
    lines.insert(path.to_owned(), value.to_owned());
    joined(&lines)
}

/// The lines of a file.
fn joined(values: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> = values
        .iter()
        .map(|(path, value)| format!("{path} = {value}"))
        .collect();
    lines.join("\n")
}

/// Values that a key of this kind refuses.
fn refused(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Whole(least, most) => {
            let below = (i64::MIN..least as i64).boxed();
            let above = (most..=i64::MAX as u64).prop_filter("within", move |n| *n > most);
            let above = if most == i64::MAX as u64 {
                below.clone()
            } else {
                above.prop_map(|n| n as i64).boxed()
            };
            prop_oneof![below, above]
                .prop_map(|n| n.to_string())
                .boxed()
        }
        Kind::OneOf(numbers) => any::<i64>()
            .prop_filter("allowed", move |n| {
                !numbers.iter().any(|allowed| *allowed as i64 == *n)
            })
            .prop_map(|n| n.to_string())
            .boxed(),
        Kind::Number(least, most) => any::<f64>()
            .prop_filter("allowed", move |n| !(least..=most).contains(n))
            .prop_map(|n| toml::Value::Float(n).to_string())
            .boxed(),
        Kind::Finite => prop_oneof!["nan", "inf", "-inf", "1e39", "-1e300"].boxed(),
        Kind::Choice(words) => "[a-z0-9]{0,8}"
            .prop_filter("allowed", move |word| !words.contains(&word.as_str()))
            .prop_map(|word| format!("{word:?}"))
            .boxed(),
        Kind::Either { no, yes } => "[a-z0-9]{0,8}"
            .prop_filter("allowed", move |word| word != no && word != yes)
            .prop_map(|word| format!("{word:?}"))
            .boxed(),
        Kind::Flag => prop_oneof!["0", "1", "\"true\"", "\"\""].boxed(),
        Kind::Path => Just("\"\"".to_owned()).boxed(),
        Kind::Address | Kind::AddressOrOff => "[a-z.]{0,3}[0-9]{0,6}:?"
            .prop_filter("allowed", |w| w != "off")
            .prop_map(|word| format!("{word:?}"))
            .boxed(),
        // No key of this kind accepts these.
        Kind::Text(..) => prop_oneof!["1", "true", "\"\"", "\"=,=\""].boxed(),
        Kind::Times => proptest::sample::select(
            &[
                "[]",
                "6",
                "\"06:00\"",
                "[6]",
                "[\"24:00\"]",
                "[\"06:00\", \"6:00\"]",
                "[\"06:00\", \"06:00\"]",
                "[[\"06:00\"]]",
            ][..],
        )
        .prop_map(str::to_owned)
        .boxed(),
    }
}

fn refusal() -> impl Strategy<Value = (String, String, &'static str)> {
    proptest::sample::select(keys()).prop_flat_map(|(_, key, path, source)| {
        refused(key.kind).prop_map(move |value| (path.clone(), value, source))
    })
}

/// A value that a key of this kind accepts, as its text in a file.
fn accepted(key: &Key) -> BoxedStrategy<String> {
    match key.kind {
        Kind::Whole(least, most) => (least..=most).prop_map(|n| n.to_string()).boxed(),
        Kind::OneOf(numbers) => proptest::sample::select(numbers)
            .prop_map(|n| n.to_string())
            .boxed(),
        Kind::Number(least, most) => (least..=most).prop_map(|n| format!("{n:?}")).boxed(),
        Kind::Finite => any::<f32>()
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(|n| toml::Value::Float(f64::from(n)).to_string())
            .boxed(),
        Kind::Choice(words) => proptest::sample::select(words)
            .prop_map(|word| format!("{word:?}"))
            .boxed(),
        Kind::Either { no, yes } => prop_oneof![Just(no), Just(yes)]
            .prop_map(|word| format!("{word:?}"))
            .boxed(),
        Kind::Flag => any::<bool>().prop_map(|flag| flag.to_string()).boxed(),
        Kind::Path => "/[a-z]{1,8}".prop_map(|path| format!("{path:?}")).boxed(),
        Kind::Address | Kind::AddressOrOff => any::<(std::net::Ipv4Addr, u16)>()
            .prop_map(|(ip, port)| format!("\"{ip}:{port}\""))
            .boxed(),
        Kind::Text(..) => Just(sample(key.name)).boxed(),
        Kind::Times => proptest::collection::btree_set(0_u32..1440, 1..=24)
            .prop_map(|minutes| {
                let time = |minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60);
                format!("{:?}", minutes.into_iter().map(time).collect::<Vec<_>>())
            })
            .boxed(),
    }
}

fn sample(name: &str) -> String {
    let text = match name {
        "url" => "rtsp://user:word@host/stream",
        "pipeline" => "videotestsrc ! appsink",
        "pixel_format" => "YUYV",
        "endpoint" | "remote.url" => "http://127.0.0.1:4317",
        _ => "warn",
    };
    format!("{text:?}")
}

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    Site::with(text).load()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn value_out_of_range_is_a_fault_of_its_key((path, value, source) in refusal()) {
        let faults = load_text(&text(&path, &value, source)).expect_err("refused").faults;
        prop_assert!(faults.iter().any(|fault| fault.key() == Some(&path)), "{value} {faults:#?}");
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in ".*") {
        let _ = load_text(&text);
        let _ = load_text(&format!("{MINIMAL}{text}"));
    }

    #[test]
    fn any_toml_is_read_or_refused_without_panic(
        path in "(server|model|cameras|cameras\\.a|engine|log|x)(\\.[a-z_]{1,9}|\\.crop|\\.source|\\.\"[a-z.\\[0-9]{0,9}\"){0,3}",
        value in "[0-9]{1,30}|\"[a-z]{0,9}\"|[0-9.]{1,6}|\\[1, 2\\]|\\{ a = 1 \\}|true|1979-05-27|\\{\\}",
    ) {
        let _ = load_text(&format!("{path} = {value}\n"));
    }

    #[test]
    fn any_variable_is_read_or_refused_without_panic(name in "[A-Za-z_.\\[\\]0-9-]{0,20}", value in ".*") {
        let _ = Site::with(MINIMAL).variable(&format!("INSPECTD__{name}"), &value).load();
    }
}

/// Random values for all keys of a camera's source, and of the daemon.
fn values() -> impl Strategy<Value = BTreeMap<String, String>> {
    let source = proptest::sample::select(
        &["device", "url", "gstreamer", "file", "folder", "simulator"][..],
    );
    source.prop_flat_map(|source| {
        let fits = |key: &Key| key.fits(Some(source));
        let chosen = keys()
            .into_iter()
            .filter(|(section, key, ..)| section.name != CAMERAS || fits(key));
        let all: Vec<_> = chosen
            .map(|(_, key, path, _)| {
                let fixed = key.name == "source";
                let value = if fixed {
                    Just(format!("{source:?}")).boxed()
                } else {
                    accepted(key)
                };
                let value = match key.fallback {
                    Fallback::Required => value.prop_map(Some).boxed(),
                    _ => proptest::option::of(value).boxed(),
                };
                value.prop_map(move |value| (path.clone(), value))
            })
            .collect();
        all.prop_map(|all| {
            all.into_iter()
                .filter_map(|(path, value)| Some((path, value?)))
                .collect()
        })
    })
}

/// The settings of `values`, without the keys that are not compatible with others.
fn reconciled(mut values: BTreeMap<String, String>) -> Loaded {
    loop {
        let faults = match load_text(&joined(&values)) {
            Ok(loaded) => return loaded,
            Err(error) => error.faults,
        };
        let before = values.len();
        for key in faults.iter().filter_map(Fault::key) {
            let partners = [
                key.replace("width", "height"),
                key.replace("height", "width"),
                key.replace("latency_ms", "mode"),
                key.replace("fps", "part_counter"),
            ];
            let crop = key.contains(".crop.");
            let depends =
                |path: &String| partners.contains(path) || crop && path.contains(".crop.");
            values.retain(|path, _| !depends(path));
        }
        assert!(values.len() < before, "{faults:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Settings and their values by path have the same content.
    #[test]
    fn settings_are_restored_from_their_values(values in values()) {
        let settings = reconciled(values).settings;
        let cameras = settings.cameras.keys().cloned().collect();
        prop_assert_eq!(Settings::read(&Values::new(settings.values(), cameras)), settings);
    }

    /// The active settings differ from the old ones only in the live keys, from the new ones only in the others.
    #[test]
    fn reload_applies_the_live_keys_and_no_other(old in values(), new in values()) {
        let (old, new) = (reconciled(old).settings, reconciled(new).settings);
        let all = changes(&old, &new);
        // Live keys may be incompatible with keys that wait for a restart.
        let Ok(active) = applied(&old, &new) else {
            prop_assert!(!all.restart.is_empty());
            return Ok(());
        };
        prop_assert_eq!(changes(&old, &active), Changes { live: all.live, restart: Vec::new() });
        prop_assert_eq!(changes(&active, &new), Changes { live: Vec::new(), restart: all.restart });
    }
}
