//! A configuration full of secrets, a log and a unit with them: none is in the archive.

use inspectd_test_support::{onnx_runtime, require};

use super::{JOURNAL, program, site, support, variables};
use crate::belt::REVIEW;
use crate::harness::Site;

/// Secrets, each in a place where one can be. None of them may be in the archive.
const SECRETS: [&str; 25] = [
    "Url-Passw0rd",
    "Overr1dden-url",
    "Qu3ry-value",
    "Path-v4lue",
    "enc%4fded-Pw",
    "encOded-Pw",
    "Blank pass word",
    "Numb3r#sign",
    "Slash/ed?Pw",
    "At@s1gn@Pw",
    "P1peline-pw",
    "P1peline quoted pw",
    "Loc4tion-pw",
    "Env1ronment-pw",
    "Unkn0wn-key-pw",
    "Wr0ng-key-pw",
    "Synt4x-error-pw",
    "C0mment-pw",
    "Un1t-pw",
    "L0g-header",
    "Key-l1ne-of-a-log",
    "J0urnal-message-pw",
    "Tok3n-of-a-file",
    "Dr0p-in quoted pw",
    "He4der-value",
];

/// A line of a private key.
const KEY_LINE: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgT2sQ";

/// A configuration that is not valid, with a secret in each place where one can be.
fn write_configuration(site: &Site, token: &str, hash: &str) {
    let camera =
        |id: &str, url: &str| format!("[cameras.{id}]\nsource = \"url\"\nurl = \"{url}\"\n");
    let cameras = [
        camera("a", "rtsp://admin:Overr1dden-url@10.0.0.1/s"),
        camera("b", "http://10.0.0.2/x.cgi?user=admin&pwd=Qu3ry-value"),
        camera("c", "rtsp://10.0.0.3/user=admin&password=Path-v4lue&n=1"),
        camera("d", "rtsp://admin:enc%4fded-Pw@10.0.0.4/s"),
        // Not valid.
        camera("e", "rtsp://admin:Blank pass word@10.0.0.5/s"),
        camera("f", "rtsp://admin:Numb3r#sign@10.0.0.6/s"),
        camera("g", "rtsp://admin:Slash/ed?Pw@10.0.0.7/s"),
        camera("h", "rtsp://admin:At@s1gn@Pw@10.0.0.8/s"),
        camera("i", "rtsp://10.0.0.9/s") + "password = \"Unkn0wn-key-pw\"\n",
        "[cameras.j]\nsource = \"gstreamer\"\npipeline = \"rtspsrc location=rtsp://u:Loc4tion-pw@10.0.0.10/s user-id=u \
         user-pw=P1peline-pw ! uridecodebin user-pw='P1peline quoted pw' ! appsink\"\n"
            .to_owned(),
        "[cameras.k]\nsource = \"device\"\ndevice = \"rtsp://u:Wr0ng-key-pw@10.0.0.11/s\"\n".to_owned(),
        camera("l", "rtsp://placeholder/s"),
    ];
    let top = format!(
        "{JOURNAL}{REVIEW}[recipes]\nfolder = \"recipes\"\n[tls]\ncertificate = \"daemon.pem\"\nkey = \"daemon.key\"\n\
         [access]\nclients = \"clients.toml\"\n[traces]\nheaders_file = \"headers\"\n"
    );
    site.configure(&top, &cameras.concat());
    std::fs::create_dir(site.path("conf.d")).expect("a folder");
    site.write(
        "conf.d/10.toml",
        "[cameras.a]\nurl = \"rtsp://admin:Url-Passw0rd@10.0.0.1/s\"\n",
    );
    site.write(
        "conf.d/20.toml",
        "[cameras.a]\nurl = \"rtsp://u:Synt4x-error-pw@cam\n",
    );
    site.write(
        "daemon.key",
        &format!("-----BEGIN PRIVATE KEY-----\n{KEY_LINE}\n-----END PRIVATE KEY-----\n"),
    );
    site.write(
        "clients.toml",
        &format!("[[client]]\nname = \"mes\"\nrole = \"viewer\"\ntoken_sha256 = \"{hash}\"\n"),
    );
    site.write("headers", "x-api: He4der-value\n");
    site.write("token", &format!("{token}\nTok3n-of-a-file\n"));
    site.write(
        "recipes/juice.toml",
        "# password: C0mment-pw\nproduct = \"Juice\"\nversion = \"1\"\nbundle = \"../bundle\"\n",
    );
}

/// A log with secrets.
fn log(token: &str, hash: &str) -> String {
    format!(
        "camera a: rtsp://admin:Overr1dden-url@10.0.0.1/s failed\nwrong password Url-Passw0rd\n\
         the pipeline said P1peline quoted pw\nAuthorization: Bearer L0g-header\nclient with {token}\nhash {hash}\n\
         decoded encOded-Pw, sent He4der-value\n-----BEGIN EC PRIVATE KEY-----\nKey-l1ne-of-a-log\n-----END EC PRIVATE KEY-----\nline {KEY_LINE}\n\
         open rtsp://admin:Blank pass word@10.0.0.5/s now\npassword=Unkn0wn-key-pw was read\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_secret_is_in_any_file_of_the_archive() {
    require!(onnx_runtime());
    let (site, addresses) = site();
    let mut variables = variables(&addresses);
    let daemon = site.start_with(&variables);
    daemon
        .verdicts()
        .await
        .until(|verdict| verdict.sequence >= 20)
        .await;
    daemon.stop();
    rusqlite::Connection::open(site.path("journal/journal.sqlite"))
        .expect("the journal")
        .execute(
            "UPDATE verdicts SET decision = 4, fault = 'camera_lost',
                message = 'rtsp://a:J0urnal-message-pw@10.0.0.9/s: refused' WHERE sequence = 7",
            [],
        )
        .expect("changed");
    let token = format!("inspectd_{}", "5e".repeat(32));
    let hash = "c0ffee".repeat(10) + "c0ff";
    write_configuration(&site, &token, &hash);
    variables.push((
        "INSPECTD__CAMERAS__L__URL",
        "rtsp://u:Env1ronment-pw@10.0.0.12/s",
    ));
    program(
        &site,
        "systemctl",
        "[Service]\nEnvironment=INSPECTD__CAMERAS__Z__URL=rtsp://u:Un1t-pw@cam\n\
         Environment=\"CAM=Dr0p-in quoted pw\" ORT_DYLIB_PATH=/usr/lib/o.so\n",
    );
    program(&site, "journalctl", &log(&token, &hash));
    let archive = support(&site, &["--token-file", "token"], &variables);
    let mut secrets: Vec<&str> = SECRETS.to_vec();
    secrets.extend([token.as_str(), hash.as_str(), KEY_LINE]);
    for (name, bytes) in &archive.files {
        let text = String::from_utf8_lossy(bytes);
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} is in {name}: {text}");
        }
    }
    for secret in &secrets {
        assert!(
            !archive.printed.contains(secret),
            "{secret}: {}",
            archive.printed
        );
    }
    // The rest is there.
    let configuration = archive.text("configuration.txt");
    for words in [
        "rtsp://10.0.0.1 (not shown)",
        "conf.d/10.toml:2",
        "20.toml:2: not TOML",
    ] {
        assert!(configuration.contains(words), "{words}: {configuration}");
    }
    let log = archive.text("log.txt");
    for words in ["camera a: ", "client with inspectd_***"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let faults = archive.text("faults.txt");
    assert!(
        faults.contains("7 ") && faults.contains("10.0.0.9/s: refused"),
        "{faults}"
    );
    assert!(
        archive
            .text("unit.txt")
            .contains("ORT_DYLIB_PATH=/usr/lib/o.so")
    );
    assert!(
        archive
            .text("recipes/juice.toml")
            .contains("product = \"Juice\"")
    );
}
