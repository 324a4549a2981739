//! What keys must be to each other. A key whose own value was refused is not judged again.

use std::net::SocketAddr;

use super::error::Fault;
use super::table::CAMERAS;
use super::values::{FromSetting, Part, Values};

/// Notes every key that does not go with another.
pub(super) fn check(values: &Values, faults: &mut Vec<Fault>) {
    let mut checker = Checker(faults);
    checker.access(values);
    checker.engine(&values.part("engine"));
    checker.at_most(&values.part("verdict"), "review_from", "threshold");
    for id in &values.cameras {
        checker.camera(&values.part(format!("{CAMERAS}.{id}")));
    }
}

struct Checker<'a>(&'a mut Vec<Fault>);

impl Checker<'_> {
    /// Nobody beyond this machine is served unless it is known who they are, and nobody listens in.
    fn access(&mut self, values: &Values) {
        let (server, tls) = (values.part("server"), values.part("tls"));
        self.needs(&tls, "certificate", "key");
        self.needs(&tls, "key", "certificate");
        self.needs(&tls, "client_ca", "certificate");
        if tls.get("require_client_certificate") == Some(true) {
            self.needs(&tls, "require_client_certificate", "client_ca");
        }
        let listen = server.get::<Option<SocketAddr>>("listen").flatten();
        let Some(listen) = listen.filter(|listen| !listen.ip().is_loopback()) else {
            return;
        };
        let access = values.part("access");
        let wanted = [(&tls, "certificate"), (&access, "clients")];
        let missing: Vec<String> = wanted
            .iter()
            .filter(|(part, key)| part.place(key).is_none())
            .map(|(part, key)| part.path(key))
            .collect();
        if !missing.is_empty() {
            let found = format!("\"{listen}\" without {}", missing.join(" and "));
            let allowed = "an address of loopback, such as \"127.0.0.1:50051\", unless tls.certificate, \
                           tls.key and access.clients are set";
            self.refuse(&server, "listen", found, allowed);
        }
    }

    /// `key` is set only where `other` is.
    fn needs(&mut self, part: &Part<'_>, key: &str, other: &str) {
        if part.place(key).is_some() && part.place(other).is_none() {
            let other = part.path(other);
            let found = format!("set without {other}");
            self.refuse(part, key, found, &format!("left out unless {other} is set"));
        }
    }

    fn engine(&mut self, engine: &Part<'_>) {
        let provider: Option<String> = engine.get("provider");
        let Some(provider) = provider.as_deref() else {
            return;
        };
        let other = |name: &str| format!("{name:?} with provider {provider:?}");
        let precision: Option<String> = engine.get("precision");
        match precision.as_deref() {
            Some("tf32") if provider != "cuda" => self.refuse(
                engine,
                "precision",
                other("tf32"),
                "another: tf32 needs provider \"cuda\"",
            ),
            Some("bf16") if provider != "openvino" => self.refuse(
                engine,
                "precision",
                other("bf16"),
                "another: bf16 needs provider \"openvino\"",
            ),
            _ => {}
        }
        if engine.place("memory_limit_mib").is_some() && provider != "cuda" {
            let found = format!("set with provider {provider:?}");
            self.refuse(
                engine,
                "memory_limit_mib",
                found,
                "left out unless provider is \"cuda\"",
            );
        }
    }

    fn camera(&mut self, camera: &Part<'_>) {
        let source: Option<String> = camera.get("source");
        if source.as_deref() == Some("device") {
            self.together(camera, &["width", "height"]);
        } else if camera.place("pace").is_some() && camera.place("fps").is_some() {
            self.refuse(
                camera,
                "fps",
                "set beside pace".to_owned(),
                "left out, or pace must be",
            );
        }
        let mode: Option<String> = camera.get("mode");
        self.mode(camera, mode.as_deref());
        self.together(
            camera,
            &["crop.left", "crop.top", "crop.right", "crop.bottom"],
        );
        self.below(camera, "crop.left", "crop.right");
        self.below(camera, "crop.top", "crop.bottom");
        self.together(camera, &["expected_width", "expected_height"]);
        self.reference(camera);
        self.at_most(camera, "reopen_after_s", "reopen_after_max_s");
        self.at_most(camera, "review_from", "threshold");
    }

    /// What belongs to some modes alone.
    fn mode(&mut self, camera: &Part<'_>, mode: Option<&str>) {
        let Some(mode) = mode else { return };
        let mut alone = |key: &str, modes: &[&str]| {
            if camera.place(key).is_some() && !modes.contains(&mode) {
                let found = format!("set with mode {mode:?}");
                let modes = modes.join("\" or \"");
                let allowed = format!("left out unless mode is \"{modes}\"");
                self.refuse(camera, key, found, &allowed);
            }
        };
        alone("queue", &["triggered", "requested"]);
        alone("shed", &["triggered"]);
        if camera.get("part_counter") == Some(true) {
            alone("part_counter", &["free-running", "triggered"]);
        }
    }

    /// A reference image has the size that frames must have, and a view is compared with it alone.
    fn reference(&mut self, camera: &Part<'_>) {
        let sized = |key| camera.place(key).is_some();
        if sized("check.reference") && !(sized("expected_width") && sized("expected_height")) {
            let found = "set without expected_width and expected_height".to_owned();
            let allowed = "left out, or they must be set: the image has that size";
            self.refuse(camera, "check.reference", found, allowed);
        }
        for key in ["check.shift_above", "check.turn_above_deg"] {
            if sized(key) && !sized("check.reference") {
                let found = "set without check.reference".to_owned();
                self.refuse(
                    camera,
                    key,
                    found,
                    "left out, or check.reference must be set",
                );
            }
        }
    }

    fn refuse(&mut self, part: &Part<'_>, key: &str, found: String, allowed: &str) {
        let place = part.place(key).unwrap_or("defaults").to_owned();
        self.0.push(Fault::Value {
            place,
            key: part.path(key),
            found,
            allowed: allowed.to_owned(),
        });
    }

    /// All of `keys` or none.
    fn together(&mut self, part: &Part<'_>, keys: &[&str]) {
        let Some((set, place)) = keys.iter().find_map(|key| Some((*key, part.place(key)?))) else {
            return;
        };
        for missing in keys.iter().filter(|key| part.place(key).is_none()) {
            self.0.push(Fault::Missing {
                place: place.to_owned(),
                key: part.path(missing),
                allowed: format!("set, as {set} is"),
            });
        }
    }

    /// Whole numbers: `low` < `high`.
    fn below(&mut self, part: &Part<'_>, low: &str, high: &str) {
        if let Some((below, above)) = both::<u64>(part, low, high)
            && below >= above
        {
            self.refuse(
                part,
                high,
                above.to_string(),
                &format!("above {low} = {below}"),
            );
        }
    }

    /// Numbers: `low` <= `high`. Of the two the one that is set is at fault.
    fn at_most(&mut self, part: &Part<'_>, low: &str, high: &str) {
        let Some((below, above)) = both::<f64>(part, low, high) else {
            return;
        };
        if below <= above {
            return;
        }
        if part.place(low).is_some() {
            self.refuse(
                part,
                low,
                below.to_string(),
                &format!("at most {high} = {above}"),
            );
        } else {
            self.refuse(
                part,
                high,
                above.to_string(),
                &format!("at least {low} = {below}"),
            );
        }
    }
}

fn both<T: FromSetting>(part: &Part<'_>, a: &str, b: &str) -> Option<(T, T)> {
    Some((part.get(a)?, part.get(b)?))
}
