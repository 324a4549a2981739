//! Relations between keys. A key whose own value was refused is not checked again.

use super::error::Fault;
use super::kind::Setting;
use super::table::CAMERAS;
use super::values::{Part, Values};

/// Notes every key that is not compatible with another.
pub(super) fn check(values: &Values, faults: &mut Vec<Fault>) {
    let mut checker = Checker(faults);
    checker.access(values);
    checker.engine(&values.part("engine"));
    checker.remote_engine(values);
    checker.at_most(&values.part("verdict"), "review_from", "threshold");
    if is_true(&values.part("journal"), "hold_unacknowledged") {
        checker.at_most(&values.part("journal"), "max_mib", "hold_max_mib");
    }
    checker.idle_gap(&values.part("parts"));
    checker.challenge(values);
    checker.shadow(values);
    checker.traces(&values.part("traces"));
    for id in &values.cameras {
        checker.camera(&values.part(format!("{CAMERAS}.{id}")));
    }
}

/// Largest memory of prerendered parts, bytes.
const PRERENDERED_BYTES: f64 = 2_147_483_648.0;

struct Checker<'a>(&'a mut Vec<Fault>);

impl Checker<'_> {
    /// Clients on other machines require authentication and encryption.
    fn access(&mut self, values: &Values) {
        let (server, tls) = (values.part("server"), values.part("tls"));
        self.needs(&tls, "certificate", "key");
        self.needs(&tls, "key", "certificate");
        self.needs(&tls, "client_ca", "certificate");
        if is_true(&tls, "require_client_certificate") {
            self.needs(&tls, "require_client_certificate", "client_ca");
        }
        for (key, example) in [
            ("listen", "127.0.0.1:50051"),
            ("page_listen", "127.0.0.1:8080"),
        ] {
            self.remote(values, &server, key, example);
        }
        if let (Some(Setting::Path(lookout)), Some(Setting::Path(unix))) =
            (server.get("lookout_socket"), server.get("unix_socket"))
            && lookout == unix
        {
            let found = format!("\"{}\", the same as server.unix_socket", lookout.display());
            self.refuse(&server, "lookout_socket", found, "another path");
        }
    }

    /// An address that other machines reach requires authentication and encryption.
    fn remote(&mut self, values: &Values, server: &Part<'_>, key: &str, example: &str) {
        let Some(Setting::Address(listen)) = server.get(key) else {
            return;
        };
        if listen.ip().is_loopback() {
            return;
        }
        let (tls, access) = (values.part("tls"), values.part("access"));
        let required = [(&tls, "certificate"), (&access, "clients")];
        let missing: Vec<String> = required
            .iter()
            .filter(|(part, key)| part.place(key).is_none())
            .map(|(part, key)| part.path(key))
            .collect();
        if !missing.is_empty() {
            let found = format!("\"{listen}\" without {}", missing.join(" and "));
            let allowed = format!(
                "a loopback address, such as \"{example}\", unless tls.certificate, tls.key and access.clients are set"
            );
            self.refuse(server, key, found, &allowed);
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

    /// The camera of the challenge is configured.
    fn challenge(&mut self, values: &Values) {
        let challenge = values.part("challenge");
        for key in ["camera", "interval_s"] {
            self.needs(&challenge, key, "folder");
        }
        let Some(camera) = text(&challenge, "camera") else {
            return;
        };
        if !values.cameras.iter().any(|id| id.as_str() == camera) {
            let found = format!("\"{camera}\"");
            self.refuse(&challenge, "camera", found, "the id of a configured camera");
        }
    }

    /// The shadow has one source, and a recipe only where there are recipes.
    fn shadow(&mut self, values: &Values) {
        let shadow = values.part("shadow");
        if shadow.place("recipe").is_none() {
            return;
        }
        if shadow.place("bundle").is_some() {
            let found = "set together with bundle".to_owned();
            self.refuse(
                &shadow,
                "recipe",
                found,
                "left out unless bundle is left out: a recipe has its own bundle",
            );
        }
        if values.part("recipes").place("folder").is_none() {
            let found = "set without recipes.folder".to_owned();
            self.refuse(
                &shadow,
                "recipe",
                found,
                "left out unless recipes.folder is set",
            );
        }
    }

    /// Traces over TLS need the certificates of a CA.
    fn traces(&mut self, traces: &Part<'_>) {
        for key in ["ca_file", "headers_file"] {
            self.needs(traces, key, "endpoint");
        }
        let Some(endpoint) = text(traces, "endpoint") else {
            return;
        };
        self.ca_of(traces, "endpoint", endpoint, "ca_file");
    }

    fn engine(&mut self, engine: &Part<'_>) {
        let Some(provider) = text(engine, "provider") else {
            return;
        };
        let other = |name: &str| format!("{name:?} with provider {provider:?}");
        match text(engine, "precision") {
            Some("tf32") if provider != "cuda" => self.refuse(
                engine,
                "precision",
                other("tf32"),
                "another: tf32 requires provider \"cuda\"",
            ),
            Some("bf16") if provider != "openvino" => self.refuse(
                engine,
                "precision",
                other("bf16"),
                "another: bf16 requires provider \"openvino\"",
            ),
            Some("int8") if provider == "cuda" => self.refuse(
                engine,
                "precision",
                other("int8"),
                "another: int8 requires provider \"cpu\" or \"openvino\"",
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

    /// A server answers early enough for the local engine to take its place; TLS needs the certificates of a CA.
    fn remote_engine(&mut self, values: &Values) {
        let remote = values.part("engine.remote");
        for key in ["model", "version", "timeout_ms", "hedge_after_ms", "ca"] {
            self.needs(&remote, key, "url");
        }
        let Some(url) = text(&remote, "url") else {
            return;
        };
        self.ca_of(&remote, "url", url, "ca");
        if let Some((hedge, timeout)) = numbers(&remote, "hedge_after_ms", "timeout_ms")
            && hedge >= timeout
        {
            let allowed = format!("below timeout_ms = {timeout}");
            self.refuse(&remote, "hedge_after_ms", hedge.to_string(), &allowed);
        }
        self.timeout_within_deadlines(values, &remote);
    }

    /// The server's time is less than every deadline. The key that is set is at fault.
    fn timeout_within_deadlines(&mut self, values: &Values, remote: &Part<'_>) {
        let deadline = |id| {
            let camera = values.part(format!("{CAMERAS}.{id}"));
            let deadline = camera.get("deadline_ms")?.number()?;
            Some((deadline, camera))
        };
        let deadlines = values.cameras.iter().filter_map(deadline);
        let least = deadlines.min_by(|(a, _), (b, _)| a.total_cmp(b));
        let (key, other) = ("timeout_ms", "deadline_ms");
        let Some(((timeout, _), (deadline, camera))) = numbers(remote, key, key).zip(least) else {
            return;
        };
        if timeout < deadline {
            return;
        }
        let why = "so that the local engine can take the server's place";
        if remote.place(key).is_some() {
            let allowed = format!("below {} = {deadline}, {why}", camera.path(other));
            self.refuse(remote, key, timeout.to_string(), &allowed);
        } else {
            let allowed = format!("above {} = {timeout}, {why}", remote.path(key));
            self.refuse(&camera, other, deadline.to_string(), &allowed);
        }
    }

    /// `https` has the certificates of a CA, `http` has none.
    fn ca_of(&mut self, part: &Part<'_>, key: &str, url: &str, ca: &str) {
        match (url.starts_with("https:"), part.place(ca)) {
            (true, None) => self.refuse(
                part,
                key,
                format!("{url:?} without {}", part.path(ca)),
                &format!("http://HOST:PORT unless {} is set", part.path(ca)),
            ),
            (false, Some(_)) => self.refuse(
                part,
                ca,
                format!("set with {key} {url:?}"),
                &format!("left out unless {key} is https://HOST:PORT"),
            ),
            _ => {}
        }
    }

    /// A gap in which no part is in view is longer than the time in which the views of a part arrive.
    fn idle_gap(&mut self, parts: &Part<'_>) {
        let (window, spread) = ("window_ms", "capture_spread_ms");
        let Some(((gap, window), (_, spread))) =
            numbers(parts, "idle_gap_ms", window).zip(numbers(parts, "idle_gap_ms", spread))
        else {
            return;
        };
        if gap <= window.max(spread) {
            let allowed = format!("above window_ms = {window} and capture_spread_ms = {spread}");
            self.refuse(parts, "idle_gap_ms", gap.to_string(), &allowed);
        }
    }

    fn camera(&mut self, camera: &Part<'_>) {
        if text(camera, "source") == Some("device") {
            self.together(camera, &["width", "height"]);
        } else if camera.place("pace").is_some() && camera.place("fps").is_some() {
            self.refuse(
                camera,
                "fps",
                "set together with pace".to_owned(),
                "left out unless pace is left out",
            );
        }
        self.prerender(camera);
        self.mode(camera);
        self.counted_device(camera);
        self.latency(camera);
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

    /// Prerendered parts fit into memory.
    fn prerender(&mut self, camera: &Part<'_>) {
        let key = "prerender";
        if camera.place(key).is_none() {
            return;
        }
        let size = numbers(camera, "width", "height");
        let Some(((width, height), (count, _))) = size.zip(numbers(camera, key, key)) else {
            return;
        };
        let limit = (PRERENDERED_BYTES / (3.0 * width * height)).floor();
        if count > limit {
            let allowed = format!("at most {limit} for {width}x{height} pixels");
            self.refuse(camera, key, count.to_string(), &allowed);
        }
    }

    /// Keys that only some modes have.
    fn mode(&mut self, camera: &Part<'_>) {
        let Some(mode) = text(camera, "mode") else {
            return;
        };
        let mut only_in = |key: &str, modes: &[&str]| {
            if camera.place(key).is_some() && !modes.contains(&mode) {
                let found = format!("set with mode {mode:?}");
                let modes = modes.join("\" or \"");
                let allowed = format!("left out unless mode is \"{modes}\"");
                self.refuse(camera, key, found, &allowed);
            }
        };
        only_in("queue", &["triggered", "requested"]);
        only_in("shed", &["triggered"]);
        if is_true(camera, "part_counter") {
            only_in("part_counter", &["free-running", "triggered"]);
        }
    }

    /// Frames that the driver of a device loses are found by its rate. With `triggered`, parts have no rate.
    fn counted_device(&mut self, camera: &Part<'_>) {
        let counts = is_true(camera, "part_counter");
        let runs_freely = text(camera, "mode") == Some("free-running");
        let device = text(camera, "source") == Some("device");
        if counts && runs_freely && device && camera.place("fps").is_none() {
            self.0.push(Fault::Missing {
                place: camera
                    .place("part_counter")
                    .unwrap_or("defaults")
                    .to_owned(),
                key: camera.path("fps"),
                allowed:
                    "set with part_counter and mode \"free-running\", so that lost frames are found"
                        .to_owned(),
            });
        }
    }

    /// A stream has no timestamps that can be compared with the time of a request.
    fn latency(&mut self, camera: &Part<'_>) {
        let requested = text(camera, "mode") == Some("requested");
        let stream = matches!(text(camera, "source"), Some("url" | "gstreamer"));
        if requested && stream && camera.place("latency_ms").is_none() {
            self.0.push(Fault::Missing {
                place: camera.place("mode").unwrap_or("defaults").to_owned(),
                key: camera.path("latency_ms"),
                allowed:
                    "set with mode \"requested\", so that no frame from before a request is taken; \
                          inspectctl camera latency measures it"
                        .to_owned(),
            });
        }
        if let Some((latency, deadline)) = numbers(camera, "latency_ms", "deadline_ms")
            && latency >= deadline
        {
            let allowed = format!("below deadline_ms = {deadline}, which begins with the exposure");
            self.refuse(camera, "latency_ms", latency.to_string(), &allowed);
        }
    }

    /// A reference image requires the expected size; limits of the view require a reference image.
    fn reference(&mut self, camera: &Part<'_>) {
        let is_set = |key| camera.place(key).is_some();
        if is_set("check.reference") && !(is_set("expected_width") && is_set("expected_height")) {
            let found = "set without expected_width and expected_height".to_owned();
            let allowed = "left out unless they are set: the image has that size";
            self.refuse(camera, "check.reference", found, allowed);
        }
        for key in ["check.shift_above", "check.turn_above_deg"] {
            if is_set(key) && !is_set("check.reference") {
                let found = "set without check.reference".to_owned();
                self.refuse(camera, key, found, "left out unless check.reference is set");
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

    /// `low` < `high`.
    fn below(&mut self, part: &Part<'_>, low: &str, high: &str) {
        if let Some((below, above)) = numbers(part, low, high)
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

    /// `low` <= `high`. The one that is set is at fault.
    fn at_most(&mut self, part: &Part<'_>, low: &str, high: &str) {
        let Some((below, above)) = numbers(part, low, high) else {
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

fn text<'a>(part: &Part<'a>, key: &str) -> Option<&'a str> {
    part.get(key)?.text()
}

fn is_true(part: &Part<'_>, key: &str) -> bool {
    part.get(key) == Some(&Setting::Flag(true))
}

fn numbers(part: &Part<'_>, a: &str, b: &str) -> Option<(f64, f64)> {
    Some((part.get(a)?.number()?, part.get(b)?.number()?))
}
