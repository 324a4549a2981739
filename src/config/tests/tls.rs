//! Faults of the keys of TLS.

use super::faults::check;

#[test]
fn incomplete_tls_keys_are_refused() {
    let check = |text: &str, key: &str, found: &str, other: &str| {
        let fault = format!(
            "tls.{key}: {found} without tls.{other}, must be left out unless tls.{other} is set"
        );
        check(&format!("[tls]\n{text}"), &format!("6: {fault}"));
    };
    check("certificate = \"c\"", "certificate", "set", "key");
    check("key = \"k\"", "key", "set", "certificate");
    check("client_ca = \"c\"", "client_ca", "set", "certificate");
    let require = "require_client_certificate";
    check(&format!("{require} = true"), require, "set", "client_ca");
}
