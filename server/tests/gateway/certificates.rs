//! Certificates: made, pinned, replaced while connections stay open.

use std::os::unix::fs::PermissionsExt as _;

use throng_server::gateway::tls::{CertificateSource, Certificates};
use ureq::tls::Certificate;

use crate::support::{Client, Folder, World, until};

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let world = World::new();
    let folder = world.folder.path().join("tls");
    let before = world.client();
    before.get("/healthz", None).expect(200);
    let old = world.running.fingerprint().expect("TLS").to_owned();

    // Half a replacement: the certificate of another key.
    let other = Folder::new();
    let source = CertificateSource::SelfSigned { folder: other.path().to_owned(), names: Vec::new() };
    let made = Certificates::open(&source, 2026).expect("a second certificate");
    assert_ne!(made.fingerprint(), old);
    std::fs::copy(other.path().join("cert.pem"), folder.join("cert.pem")).expect("copies");
    until("the refusal", || world.counter("certificates_refused") == 1);
    // The old one still serves: a new connection is accepted by a client that trusts it alone.
    before.get("/healthz", None).expect(200);

    std::fs::copy(other.path().join("key.pem"), folder.join("key.pem")).expect("copies");
    until("the reload", || world.counter("certificates_reloaded") == 1);
    let pem = std::fs::read(other.path().join("cert.pem")).expect("reads");
    let trusting = vec![Certificate::from_pem(&pem).expect("PEM")];
    let after = Client::new(format!("https://{}", world.address()), trusting);
    after.get("/healthz", None).expect(200);
    // The connection from before goes on: its client trusts no other certificate, so it cannot have connected anew.
    before.get("/healthz", None).expect(200);
    assert_eq!(world.counter("certificates_refused"), 1, "told once, not every second");
}

#[test]
fn a_key_is_for_its_owner_only() {
    let world = World::new();
    let key = std::fs::metadata(world.folder.path().join("tls/key.pem")).expect("the key was written");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn who_does_not_trust_the_certificate_gets_nowhere() {
    let world = World::new();
    let stranger = Client::new(format!("https://{}", world.address()), Vec::new());
    assert!(stranger.try_get("/healthz").is_err());
    until("the count", || world.counter("tls_failed") == 1);
}
