//! Precedence of layers, and the files that are read.

use std::fs;

use super::super::{Sources, load};
use super::{MINIMAL, Site};

fn filter(site: &Site) -> String {
    site.load().expect("valid").settings.log.filter
}

#[test]
fn later_layer_wins_for_each_key() {
    let site = Site::with(MINIMAL);
    assert_eq!(filter(&site), "info");
    site.write(
        "inspectd.toml",
        &format!("{MINIMAL}[log]\nfilter = \"warn\"\nformat = \"json\"\n"),
    );
    assert_eq!(filter(&site), "warn");
    site.write("conf.d/20-b.toml", "[log]\nfilter = \"error\"\n");
    site.write("conf.d/10-a.toml", "[log]\nfilter = \"trace\"\n");
    assert_eq!(filter(&site), "error");
    let site = site.variable("INSPECTD__LOG__FILTER", "debug");
    assert_eq!(filter(&site), "debug");
    let loaded = site.load().expect("valid");
    assert_eq!(
        loaded.settings.log.format,
        super::super::settings::LogFormat::Json
    );
    let files = ["inspectd.toml", "conf.d/10-a.toml", "conf.d/20-b.toml"];
    assert_eq!(loaded.files, files.map(|name| site.path(name)));
    assert_eq!(loaded.folder, site.folder.path());
}

#[test]
fn other_files_of_conf_d_are_not_read() {
    let site = Site::with(MINIMAL);
    for name in [
        "note.txt",
        ".hidden.toml",
        "old.toml.bak",
        ".#10-a.toml",
        "folder.toml/x.toml",
    ] {
        site.write(&format!("conf.d/{name}"), "not TOML");
    }
    assert_eq!(
        site.load().expect("valid").files,
        [site.path("inspectd.toml")]
    );
}

#[test]
fn variable_has_the_type_of_its_key() {
    let site = Site::with(MINIMAL)
        .variable("INSPECTD__SERVER__STREAM_LIMIT", "7")
        .variable("INSPECTD__SERVER__HEARTBEAT_INTERVAL_S", "0.5")
        .variable("INSPECTD__LIFE__WATCH_FILES", "false")
        .variable("INSPECTD__CAMERAS__LEFT__CROP__LEFT", "1")
        .variable("INSPECTD__CAMERAS__LEFT__CROP__TOP", "2")
        .variable("INSPECTD__CAMERAS__LEFT__CROP__RIGHT", "3")
        .variable("INSPECTD__CAMERAS__LEFT__CROP__BOTTOM", "4")
        .variable("INSPECTD__MODEL__BUNDLE", "relative")
        .variable("INSPECTD_CONFIG", "somebody else's")
        .variable("PATH", "/bin");
    let settings = site.load().expect("valid").settings;
    assert_eq!(settings.server.stream_limit, 7);
    assert_eq!(settings.server.heartbeat_interval.as_millis(), 500);
    assert!(!settings.life.watch_files);
    assert_eq!(
        settings.model.bundle,
        std::path::absolute("relative").expect("a folder")
    );
    let camera = settings.cameras.values().next().expect("one camera");
    assert_eq!(camera.crop.map(|crop| crop.bottom), Some(4));
}

#[test]
fn variables_suffice_if_no_file_is_required() {
    let site = Site::empty()
        .variable("INSPECTD__MODEL__BUNDLE", "/bundle")
        .variable("INSPECTD__CAMERAS__LEFT__SOURCE", "simulator");
    let sources = Sources {
        file: site.path("inspectd.toml"),
        required: false,
        environment: site.environment.clone(),
    };
    assert_eq!(
        load(&sources).expect("valid").files,
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(
        site.faults(),
        ["inspectd.toml: cannot be read: No such file or directory (os error 2)"]
    );
}

#[test]
fn only_unreadable_files_are_reported_if_there_are_any() {
    let site = Site::with("[server]\nlisten = \n[unknown]\n");
    site.write("conf.d/1.toml", "x = 1\nx = 2\n");
    site.write(
        "conf.d/2.toml",
        "[cameras.left]\nurl = \"rtsp://user:secret@host",
    );
    fs::write(site.path("conf.d/3.toml"), [b'#', 0xff]).expect("a file");
    site.write("conf.d/4.toml", &"#".repeat((1 << 20) + 1));
    site.write("conf.d/5.toml", "[log]\nfilter = 5\n");
    let faults = site.faults();
    let starts = [
        "inspectd.toml:2: not TOML: ",
        "conf.d/1.toml:2: not TOML: ",
        "conf.d/2.toml:2: not TOML: ",
        "conf.d/3.toml: cannot be read: stream did not contain valid UTF-8",
        "conf.d/4.toml: cannot be read: larger than 1 MiB",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault}");
        assert!(
            !fault.contains("secret") && !fault.contains('\n'),
            "{fault}"
        );
    }
}

#[test]
fn deep_nesting_is_refused() {
    let dotted = format!("{}=1", vec!["a"; 200_000].join("."));
    let lists = format!("a={}", "[".repeat(200_000));
    for text in [dotted, lists] {
        let faults = Site::with(&text).faults();
        assert!(
            faults[0].starts_with("inspectd.toml:1: "),
            "{}",
            &faults[0][..99]
        );
    }
}
