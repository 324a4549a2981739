//! Faults and their texts.

use super::super::Fault;
use super::{MINIMAL, Site, camera};

/// The faults of the minimal configuration with `text` after it.
fn faults_with(text: &str) -> Vec<String> {
    Site::with(&format!("{MINIMAL}{text}\n")).faults()
}

pub(super) fn check(text: &str, expected: &str) {
    assert_eq!(
        faults_with(text),
        [format!("inspectd.toml:{expected}")],
        "{text}"
    );
}

fn check_camera(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|fault| format!("inspectd.toml:{fault}"))
        .collect();
    assert_eq!(Site::with(&camera(text)).faults(), expected, "{text}");
}

#[test]
fn refused_value_is_reported_with_line_and_allowed_values() {
    check(
        "[server]\nlisten = \"localhost:1\"",
        "6: server.listen: \"localhost:1\", must be an IP address and a port, such as \"127.0.0.1:50051\"",
    );
    check(
        "[server]\n\nstream_limit = 0",
        "7: server.stream_limit: 0, must be a whole number, 1 to 4096",
    );
    check(
        "[server]\nstream_limit = \"7\"",
        "6: server.stream_limit: \"7\", must be a whole number, 1 to 4096",
    );
    check(
        "[server]\nheartbeat_interval_s = nan",
        "6: server.heartbeat_interval_s: NaN, must be a number, 0.1 to 3600",
    );
    check(
        "[verdict]\nthreshold = inf",
        "6: verdict.threshold: inf, must be a finite number",
    );
    check(
        "[engine]\nprovider = \"gpu\"",
        "6: engine.provider: \"gpu\", must be \"cpu\", \"cuda\" or \"openvino\"",
    );
    check(
        "[life]\nwatch_files = 1",
        "6: life.watch_files: 1, must be true or false",
    );
    check(
        "[engine]\nlibrary = \"\"",
        "6: engine.library: \"\", must be a path",
    );
    check(
        "[log]\nfilter = \"inspectd=loud\"",
        "6: log.filter: \"inspectd=loud\", must be a filter of tracing, such as \"info,inspectd=debug\"",
    );
    check(
        "[evidence]\nmemory_mib = [1]",
        "6: evidence.memory_mib: a list, must be a whole number, 0 to 65536",
    );
    check(
        "[evidence.memory_mib]\nx = 1",
        "5: evidence.memory_mib: a table, must be a whole number, 0 to 65536",
    );
    check(
        "[evidence]\nmemory_mib = 99999999999999999999",
        "6: evidence.memory_mib: a whole number beyond 64 bits, must be a whole number, 0 to 65536",
    );
    check(
        "[engine]\nlibrary = 1979-05-27",
        "6: engine.library: a date or time, must be a path",
    );
}

#[test]
fn unknown_key_is_refused_with_a_suggestion() {
    check(
        "[sever]\nlisten = 1",
        "5: sever: unknown key; did you mean \"server\"?",
    );
    check(
        "[server]\nlisen = 1",
        "6: server.lisen: unknown key; did you mean \"listen\"?",
    );
    check("[server]\nport = 1", "6: server.port: unknown key");
    check(
        "[server]\nlisten.port = 1",
        "6: server.listen: a table, must be an IP address and a port, such as \"127.0.0.1:50051\"",
    );
    check(
        "[server]\n\"stream_limit.x\" = 1",
        "6: server.\"stream_limit.x\": unknown key",
    );
    check(
        "[cameras.left.crop]\ntp = 1",
        "6: cameras.left.crop.tp: unknown key; did you mean \"top\"?",
    );
    check(
        "[cameras.UP]\nsource = \"url\"",
        "5: cameras: \"UP\", must be an id of 1 to 64 of a-z, 0-9, '-' and '_'",
    );
    check(
        "[cameras]\nright = 1",
        "6: cameras.right: 1, must be a table with keys of its own",
    );
}

#[test]
fn quoted_dotted_key_is_unknown() {
    let faults = Site::with(&format!(
        "\"log.filter\" = \"warn\"\n\"a[9]\" = 1\nlog = 3\n{MINIMAL}"
    ))
    .faults();
    assert_eq!(
        faults,
        [
            "inspectd.toml:1: \"log.filter\": unknown key",
            "inspectd.toml:2: \"a[9]\": unknown key",
            "inspectd.toml:3: log: 3, must be a table with keys of its own",
        ]
    );
}

#[test]
fn missing_key_is_reported() {
    let faults = Site::with("").faults();
    assert_eq!(
        faults,
        [
            "inspectd.toml: model.bundle: missing, must be a path",
            "inspectd.toml: cameras: missing, must be at least one table [cameras.ID]",
        ]
    );
    // An empty table has no place.
    let faults = faults_with("[cameras.right]");
    let start = "inspectd.toml: cameras.right.source: missing, must be \"device\", ";
    assert!(
        faults.len() == 1 && faults[0].starts_with(start),
        "{faults:#?}"
    );
}

#[test]
fn missing_key_of_each_source_is_reported() {
    let sources = "\"device\", \"url\", \"gstreamer\", \"file\", \"folder\" or \"simulator\"";
    check_camera(
        "rotate = 0",
        &[&format!(
            "4: cameras.left.source: missing, must be {sources}"
        )],
    );
    check_camera(
        "source = \"web\"",
        &[&format!(
            "4: cameras.left.source: \"web\", must be {sources}"
        )],
    );
    check_camera(
        "source = \"device\"",
        &["4: cameras.left.device: missing, must be a path"],
    );
    check_camera(
        "source = \"url\"",
        &[
            "4: cameras.left.url: missing, must be a URL that begins with rtsp://, rtsps://, http:// or https://; in a password, # is written %23, / %2F, ? %3F and @ %40",
        ],
    );
    check_camera(
        "source = \"gstreamer\"",
        &[
            "4: cameras.left.pipeline: missing, must be a GStreamer pipeline that ends in `! appsink`",
        ],
    );
    check_camera(
        "source = \"file\"",
        &["4: cameras.left.path: missing, must be a path"],
    );
    check_camera(
        "source = \"folder\"",
        &["4: cameras.left.path: missing, must be a path"],
    );
}

#[test]
fn key_of_another_source_is_refused() {
    check_camera(
        "source = \"simulator\"\nurl = \"rtsp://user:secret@host\"\nexposure_us = 5",
        &[
            "6: cameras.left.exposure_us: 5, must be left out for source \"simulator\": it belongs to \"device\"",
            "5: cameras.left.url: a value that is not shown, as it may hold a password, must be left out for \
             source \"simulator\": it belongs to \"url\"",
        ],
    );
    check_camera(
        "source = \"url\"\nurl = \"rtsp://host\"\nwidth = 64",
        &[
            "6: cameras.left.width: 64, must be left out for source \"url\": it belongs to \"device\" or \"simulator\"",
        ],
    );
}

#[test]
fn refused_url_is_not_shown() {
    check_camera(
        "source = \"url\"\nurl = \"ftp://user:secret@host\"",
        &[
            "5: cameras.left.url: a value that is not shown, as it may hold a password, must be a URL that begins \
           with rtsp://, rtsps://, http:// or https://; in a password, # is written %23, / %2F, ? %3F and @ %40",
        ],
    );
}

#[test]
fn incompatible_keys_of_the_engine_are_refused() {
    check(
        "[engine]\nprecision = \"tf32\"",
        "6: engine.precision: \"tf32\" with provider \"cpu\", must be another: tf32 requires provider \"cuda\"",
    );
    check(
        "[engine]\nprovider = \"cuda\"\nprecision = \"int8\"",
        "7: engine.precision: \"int8\" with provider \"cuda\", must be another: int8 requires provider \"cpu\" or \"openvino\"",
    );
    check(
        "[engine]\nprovider = \"cuda\"\nprecision = \"bf16\"",
        "7: engine.precision: \"bf16\" with provider \"cuda\", must be another: bf16 requires provider \"openvino\"",
    );
    check(
        "[engine]\nmemory_limit_mib = 64",
        "6: engine.memory_limit_mib: set with provider \"cpu\", must be left out unless provider is \"cuda\"",
    );
}

#[test]
fn incompatible_keys_are_refused() {
    check(
        "[server]\nunix_socket = \"/s\"\nlookout_socket = \"/s\"",
        "7: server.lookout_socket: \"/s\", the same as server.unix_socket, must be another path",
    );
    check(
        "[verdict]\nthreshold = 0.5\nreview_from = 0.6",
        "7: verdict.review_from: 0.6, must be at most threshold = 0.5",
    );
    check(
        "[parts]\nidle_gap_ms = 1000",
        "6: parts.idle_gap_ms: 1000, must be above window_ms = 1000 and capture_spread_ms = 100",
    );
    check(
        "[parts]\nwindow_ms = 100\ncapture_spread_ms = 2000\nidle_gap_ms = 1500",
        "8: parts.idle_gap_ms: 1500, must be above window_ms = 100 and capture_spread_ms = 2000",
    );
    let simulator = |text: &str, fault: &str| {
        check_camera(&format!("source = \"simulator\"\n{text}"), &[fault]);
    };
    simulator(
        "threshold = 0.5\nreview_from = 0.6",
        "6: cameras.left.review_from: 0.6, must be at most threshold = 0.5",
    );
    simulator(
        "pace = \"fast\"\nfps = 3",
        "6: cameras.left.fps: set together with pace, must be left out unless pace is left out",
    );
    simulator(
        "queue = 3",
        "5: cameras.left.queue: set with mode \"free-running\", must be left out unless mode is \"triggered\" or \"requested\"",
    );
    simulator(
        "mode = \"requested\"\nshed = \"oldest\"",
        "6: cameras.left.shed: set with mode \"requested\", must be left out unless mode is \"triggered\"",
    );
    simulator(
        "mode = \"requested\"\npart_counter = true",
        "6: cameras.left.part_counter: set with mode \"requested\", must be left out unless mode is \"free-running\" or \"triggered\"",
    );
    check_camera(
        "source = \"device\"\ndevice = \"/x\"\npart_counter = true",
        &[
            "6: cameras.left.fps: missing, must be set with part_counter and mode \"free-running\", so that lost frames are found",
        ],
    );
    check_camera(
        "source = \"url\"\nurl = \"http://h/v\"\nmode = \"requested\"",
        &[
            "6: cameras.left.latency_ms: missing, must be set with mode \"requested\", so that no frame from before a request is taken; inspectctl camera latency measures it",
        ],
    );
    check_camera(
        "source = \"url\"\nurl = \"http://h/v\"\nlatency_ms = 90\ndeadline_ms = 90",
        &[
            "6: cameras.left.latency_ms: 90, must be below deadline_ms = 90, which begins with the exposure",
        ],
    );
    simulator(
        "expected_height = 3",
        "5: cameras.left.expected_width: missing, must be set, as expected_height is",
    );
    simulator(
        "reopen_after_s = 31",
        "5: cameras.left.reopen_after_s: 31, must be at most reopen_after_max_s = 30",
    );
    simulator(
        "reopen_after_max_s = 0.5",
        "5: cameras.left.reopen_after_max_s: 0.5, must be at least reopen_after_s = 1",
    );
    simulator(
        "crop = { left = 3, top = 0, right = 3, bottom = 1 }",
        "5: cameras.left.crop.right: 3, must be above crop.left = 3",
    );
    simulator(
        "crop = { left = 0, top = 4, right = 3, bottom = 1 }",
        "5: cameras.left.crop.bottom: 1, must be above crop.top = 4",
    );
    simulator(
        "crop = { left = 0, top = 0, right = 1 }",
        "5: cameras.left.crop.bottom: missing, must be set, as crop.left is",
    );
    check_camera(
        "source = \"device\"\ndevice = \"/x\"\nwidth = 640",
        &["6: cameras.left.height: missing, must be set, as width is"],
    );
}

#[test]
fn limit_of_the_view_requires_a_reference_and_that_a_size() {
    check_camera(
        "source = \"simulator\"\ncheck.shift_above = 0.1\ncheck.turn_above_deg = 1",
        &[
            "5: cameras.left.check.shift_above: set without check.reference, must be left out unless \
             check.reference is set",
            "6: cameras.left.check.turn_above_deg: set without check.reference, must be left out unless \
             check.reference is set",
        ],
    );
    let site = Site::with(&camera(
        "source = \"simulator\"\ncheck.reference = \"view.png\"",
    ));
    let view = image::RgbImage::new(40, 50);
    view.save(site.path("view.png")).expect("an image");
    assert_eq!(
        site.faults(),
        [
            "inspectd.toml:5: cameras.left.check.reference: set without expected_width and expected_height, \
             must be left out unless they are set: the image has that size"
        ]
    );
}

#[test]
fn unusable_reference_image_is_a_fault() {
    let check = |name: &str, start: &str, end: &str| {
        let site = Site::with(&camera(&format!(
            "source = \"simulator\"\nexpected_width = 50\nexpected_height = 40\ncheck.reference = {name:?}"
        )));
        let view = image::RgbImage::new(40, 50);
        view.save(site.path("view.png")).expect("an image");
        site.write("text.png", "a text");
        let faults = site.faults();
        let start = format!("inspectd.toml:7: cameras.left.check.reference: {start}");
        assert!(
            faults.len() == 1 && faults[0].starts_with(&start) && faults[0].ends_with(end),
            "{faults:#?}"
        );
    };
    let unreadable = ", must be an image that can be read";
    check(
        "none.png",
        "none.png: cannot be read: No such file or directory (os error 2)",
        unreadable,
    );
    check("text.png", "text.png: ", unreadable);
    check(
        "view.png",
        "view.png: 40x50 pixels",
        ", must be of the expected size, 50x40 pixels",
    );
}

#[test]
fn refused_partner_does_not_count_as_missing() {
    check_camera(
        "source = \"simulator\"\nexpected_width = 0\nexpected_height = 3",
        &["5: cameras.left.expected_width: 0, must be a whole number, 1 to 32768"],
    );
}

#[test]
fn faults_of_all_layers_are_reported_together_with_their_places() {
    let site = Site::with("[server]\nlisten = 1\nlisen = 2\n[cameras.left]\nsource = \"file\"\n");
    site.write("conf.d/1.toml", "[log]\nformat = \"xml\"\n");
    let site = site
        .variable("INSPECTD__SERVER__STREAM_LIMIT", "many")
        .variable("INSPECTD__SERVER__LISTN", "x")
        .variable("INSPECTD__SERVER", "x")
        .variable("INSPECTD__CAMERAS__A.B__SOURCE", "url")
        .variable("INSPECTD____", "x");
    assert_eq!(
        site.faults(),
        [
            "inspectd.toml:3: server.lisen: unknown key; did you mean \"listen\"?",
            "environment variable INSPECTD__CAMERAS__A.B__SOURCE: cameras.a.b.source: unknown key",
            "environment variable INSPECTD__SERVER: server: \"x\", must be a table with keys of its own",
            "environment variable INSPECTD__SERVER__LISTN: server.listn: unknown key; did you mean \"listen\"?",
            "environment variable INSPECTD____: .: unknown key",
            "inspectd.toml:2: server.listen: 1, must be an IP address and a port, such as \"127.0.0.1:50051\"",
            "environment variable INSPECTD__SERVER__STREAM_LIMIT: server.stream_limit: \"many\", must be a whole \
             number, 1 to 4096",
            "inspectd.toml: model.bundle: missing, must be a path",
            "inspectd.toml:5: cameras.left.path: missing, must be a path",
            "conf.d/1.toml:2: log.format: \"xml\", must be \"auto\", \"text\", \"json\" or \"journald\"",
        ]
    );
}

#[test]
fn required_key_of_a_wrong_type_does_not_count_as_missing() {
    let faults = Site::with("[model]\nbundle = []\n[cameras.left]\nsource = 1979-05-27\n").faults();
    assert_eq!(
        faults,
        [
            "inspectd.toml:2: model.bundle: a list, must be a path",
            "inspectd.toml:4: cameras.left.source: a date or time, must be \"device\", \"url\", \"gstreamer\", \
             \"file\", \"folder\" or \"simulator\"",
        ]
    );
}

#[test]
fn fault_has_the_path_of_its_key() {
    let faults = Site::with(&format!("{MINIMAL}[log]\nfilter = 1\n"))
        .load()
        .expect_err("refused")
        .faults;
    assert_eq!(
        faults.iter().map(Fault::key).collect::<Vec<_>>(),
        [Some("log.filter")]
    );
    assert_eq!(
        Fault::Unreadable {
            place: String::new(),
            reason: String::new()
        }
        .key(),
        None
    );
}

#[test]
fn other_address_without_tls_and_clients_is_refused() {
    let unless = "must be a loopback address, such as \"127.0.0.1:50051\", unless tls.certificate, tls.key \
                  and access.clients are set";
    let tls = "[tls]\ncertificate = \"c\"\nkey = \"k\"\n";
    let clients = "[access]\nclients = \"c\"\n";
    let check = |listen: &str, more: &str, expected: Option<&str>| {
        let faults = faults_with(&format!("[server]\nlisten = \"{listen}\"\n{more}"));
        let expected: Vec<String> = expected
            .iter()
            .map(|found| format!("inspectd.toml:6: server.listen: {found}, {unless}"))
            .collect();
        assert_eq!(faults, expected, "{listen} {more}");
    };
    for local in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
        check(local, "", None);
    }
    for (listen, shown) in [
        ("0.0.0.0:1", "\"0.0.0.0:1\""),
        ("[::]:1", "\"[::]:1\""),
        ("192.168.20.5:1", "\"192.168.20.5:1\""),
    ] {
        let without = |keys: &str| format!("{shown} without {keys}");
        check(
            listen,
            "",
            Some(&without("tls.certificate and access.clients")),
        );
        check(listen, tls, Some(&without("access.clients")));
        check(listen, clients, Some(&without("tls.certificate")));
        check(listen, &format!("{tls}{clients}"), None);
    }
}
