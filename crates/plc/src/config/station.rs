//! Settings of a station.

use std::collections::BTreeMap;
use std::time::Duration;

use inspectd_client::ConsumerName;

use crate::handshake::{Mode, Settings as HandshakeSettings};
use crate::registers::{Encoding, Order};
use inspectd_gateway::config::Section;

/// What a station inspects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One camera, by its id.
    Camera(String),
    /// A group of cameras, by its id.
    Group(String),
}

/// The settings of a station.
#[derive(Clone, Debug)]
pub struct StationSettings {
    /// The Modbus unit id.
    pub unit: u8,
    /// What it inspects.
    pub target: Target,
    /// The consumer that acknowledges for it.
    pub consumer: ConsumerName,
    /// How values are stored in registers.
    pub encoding: Encoding,
    /// The interval of the heartbeat of the server.
    pub heartbeat_interval: Duration,
    /// Mode, time limits, recipes.
    pub handshake: HandshakeSettings,
}

/// All stations; `None` only if there is a fault.
pub(super) fn stations(document: &Section<'_>) -> Option<BTreeMap<String, StationSettings>> {
    let sections = document.sections("stations");
    if sections.is_empty() {
        let fault = "at least one station is required, such as [stations.filler]";
        document.fault("stations", fault);
    }
    let mut units: BTreeMap<u8, String> = BTreeMap::new();
    let mut consumers: BTreeMap<String, String> = BTreeMap::new();
    let mut complete = true;
    let mut found = BTreeMap::new();
    for (id, section) in sections {
        if !is_name(&id) {
            section.fault("", &format!("{id:?}: the id must be {NAME}"));
        }
        let Some(settings) = station(&id, &section) else {
            complete = false;
            section.finish();
            continue;
        };
        if let Some(other) = units.insert(settings.unit, id.clone()) {
            section.fault(
                "unit",
                &format!("{} is that of station {other}", settings.unit),
            );
        }
        let consumer = settings.consumer.to_string();
        if let Some(other) = consumers.insert(consumer.clone(), id.clone()) {
            section.fault(
                "consumer",
                &format!("{consumer} is that of station {other}"),
            );
        }
        section.finish();
        found.insert(id, settings);
    }
    complete.then_some(found)
}

const NAME: &str = "1 to 64 of a-z, 0-9, '-' and '_'";

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

fn station(id: &str, section: &Section<'_>) -> Option<StationSettings> {
    let unit = section.integer("unit", 0..=255);
    if unit.is_none() && !section.is_set("unit") {
        section.fault("unit", "missing, must be a whole number, 0 to 255");
    }
    let target = target(section);
    let name = |text: &str| is_name(text).then(|| text.to_owned());
    let consumer = section.parsed("consumer", NAME, name);
    let consumer = consumer.unwrap_or_else(|| default_consumer(id));
    let order = |key| {
        let order = section.parsed(key, r#""big" or "little""#, |text| match text {
            "big" => Some(Order::Big),
            "little" => Some(Order::Little),
            _ => None,
        });
        order.unwrap_or_default()
    };
    let encoding = Encoding {
        words: order("word_order"),
        text: order("text_order"),
    };
    let interval = section.integer("heartbeat_interval_ms", 50..=10_000);
    let handshake = handshake(section);
    Some(StationSettings {
        unit: u8::try_from(unit?).ok()?,
        target: target?,
        consumer: consumer.parse().ok()?,
        encoding,
        heartbeat_interval: Duration::from_millis(interval.unwrap_or(500)),
        handshake,
    })
}

/// The consumer of a station that names none. A long id is shortened to what a consumer may have.
fn default_consumer(id: &str) -> String {
    let id: String = id
        .chars()
        .filter(|&letter| is_name(&letter.to_string()))
        .collect();
    format!("plc-{}", &id[..id.len().min(60)])
}

fn target(section: &Section<'_>) -> Option<Target> {
    let name = |text: &str| is_name(text).then(|| text.to_owned());
    let camera = section.parsed("camera", NAME, name);
    let group = section.parsed("group", NAME, name);
    match (section.is_set("camera"), section.is_set("group")) {
        (true, true) => section.fault("group", "not together with `camera`"),
        (false, false) => section.fault("camera", "missing: `camera` or `group` must be set"),
        _ => {}
    }
    camera.map(Target::Camera).or(group.map(Target::Group))
}

fn handshake(section: &Section<'_>) -> HandshakeSettings {
    let mode = section.parsed("mode", r#""triggered" or "follow""#, |text| match text {
        "triggered" => Some(Mode::Triggered),
        "follow" => Some(Mode::Follow),
        _ => None,
    });
    let milliseconds = |key, first, default| {
        let value = section.integer(key, first..=3_600_000);
        Duration::from_millis(value.unwrap_or(default))
    };
    let heartbeat_timeout = milliseconds("heartbeat_timeout_ms", 0, 3000);
    let recipe = format!("the id of a recipe, {NAME}");
    let recipes = section.numbered("recipes", 1..=u16::MAX, &recipe, is_name);
    HandshakeSettings {
        mode: mode.unwrap_or(Mode::Triggered),
        verdict_timeout: milliseconds("verdict_timeout_ms", 10, 5000),
        acknowledge_timeout: milliseconds("acknowledge_timeout_ms", 10, 10_000),
        heartbeat_timeout: (!heartbeat_timeout.is_zero()).then_some(heartbeat_timeout),
        reconnect: milliseconds("reconnect_ms", 0, 10_000),
        outdated_after: milliseconds("outdated_after_ms", 10, 60_000),
        recipes: recipes.into_iter().collect(),
    }
}
