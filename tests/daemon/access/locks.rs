//! A lock from the daemon's machine: no change is accepted from another machine.

use std::net::{IpAddr, UdpSocket};

use inspectd_client::proto::line_service_client::LineServiceClient;
use inspectd_client::proto::{
    AddCameraRequest, LockChangesRequest, ReloadConfigurationRequest, RemoveCameraRequest,
    SetCameraControlsRequest, UnlockChangesRequest,
};
use inspectd_test_support::{missing, onnx_runtime, require};
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use super::{ACCESS, Client, SIMULATOR, SecuredSite, TLS};
use crate::harness::Daemon;

/// An address of this machine that is not loopback: a client that connects to it
/// counts as remote. No packet is sent.
fn outer_address() -> Option<IpAddr> {
    let address = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect("192.0.2.1:9")?;
        Ok(socket.local_addr()?.ip())
    };
    let address = address().ok();
    address
        .filter(|address| !address.is_loopback() && !address.is_unspecified())
        .or_else(|| {
            missing(
                "an IPv4 address other than loopback",
                "run the tests where a network interface is up",
            )
        })
}

/// An engineer who connects to that address.
fn from_elsewhere(secured: &SecuredSite, daemon: &Daemon, address: IpAddr) -> Client {
    let listen = daemon.address("server.listen");
    let port = listen.rsplit_once(':').expect("a port").1;
    let pair = secured.ca.client("engineer.line");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(secured.ca.pem()))
        .identity(Identity::from_pem(&pair.certificate, &pair.key))
        // The name in the daemon's certificate.
        .domain_name("127.0.0.1");
    let endpoint = Channel::from_shared(format!("https://{address}:{port}")).expect("an address");
    Client {
        channel: endpoint
            .tls_config(tls)
            .expect("what rcgen made")
            .connect_lazy(),
        token: None,
    }
}

fn lock() -> LockChangesRequest {
    LockChangesRequest {
        who: "anna".to_owned(),
        reason: "new lens".to_owned(),
        duration: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn local_lock_rejects_remote_changes_and_survives_a_restart() {
    require!(onnx_runtime());
    let address = require!(outer_address());
    let secured = SecuredSite::new("");
    secured.site.configure(
        &format!("{TLS}{ACCESS}[journal]\nfolder = \"journal\"\n"),
        SIMULATOR,
    );
    let everywhere = [("INSPECTD__SERVER__LISTEN", "0.0.0.0:0")];
    let daemon = secured.site.start_with(&everywhere);
    let port = daemon.address("server.listen");
    let port = port.rsplit_once(':').expect("a port").1;
    let pair = secured.ca.client("engineer.line");
    let here = Client::at_tls(
        &format!("https://127.0.0.1:{port}"),
        &secured.ca,
        Some(&pair),
    );
    let mut here = LineServiceClient::new(here.channel);
    let mut elsewhere = LineServiceClient::new(from_elsewhere(&secured, &daemon, address).channel);
    let reload = ReloadConfigurationRequest {};

    elsewhere
        .reload_configuration(reload)
        .await
        .expect("nothing is locked");
    let refused = elsewhere
        .lock_changes(lock())
        .await
        .expect_err("from elsewhere");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    here.lock_changes(lock()).await.expect("from here");
    let refused = elsewhere
        .reload_configuration(reload)
        .await
        .expect_err("locked");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("anna (new lens)"), "{refused}");
    let added = AddCameraRequest {
        camera_id: "new".to_owned(),
        toml: "source = \"simulator\"".to_owned(),
    };
    let removed = RemoveCameraRequest {
        camera_id: "line".to_owned(),
    };
    let controls = SetCameraControlsRequest {
        camera_id: "line".to_owned(),
        ..SetCameraControlsRequest::default()
    };
    for refused in [
        elsewhere.add_camera(added).await.map(drop),
        elsewhere.remove_camera(removed).await.map(drop),
        elsewhere.set_camera_controls(controls).await.map(drop),
    ] {
        let refused = refused.expect_err("locked");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("anna (new lens)"), "{refused}");
    }
    here.reload_configuration(reload).await.expect("from here");
    daemon.stop();

    let daemon = secured.site.start_with(&everywhere);
    let mut elsewhere = LineServiceClient::new(from_elsewhere(&secured, &daemon, address).channel);
    let refused = elsewhere
        .reload_configuration(reload)
        .await
        .expect_err("locked still");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let refused = elsewhere.unlock_changes(UnlockChangesRequest {}).await;
    assert_eq!(
        refused.expect_err("from elsewhere").code(),
        Code::PermissionDenied
    );
    daemon.stop();
}
