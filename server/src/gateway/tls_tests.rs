use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder of its own, removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("throng-tls-{}-{number}", std::process::id())))
    }

    fn source(&self) -> CertificateSource {
        CertificateSource::SelfSigned { folder: self.0.clone(), names: vec!["play.example.org".to_owned()] }
    }

    fn open(&self) -> Result<Certificates, TlsError> {
        Certificates::open(&self.source(), 2026)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn refused(folder: &Folder) -> String {
    folder.open().map(drop).expect_err("must be refused").to_string()
}

#[test]
fn a_self_signed_certificate_is_made_once() {
    let folder = Folder::new();
    let first = folder.open().expect("made").fingerprint();
    assert_eq!(first.len(), 32 * 3 - 1);
    assert_eq!(folder.open().expect("found").fingerprint(), first);
}

#[test]
fn half_a_pair_is_completed_or_told() {
    let folder = Folder::new();
    folder.open().expect("made");
    let key = fs::read(folder.0.join("key.pem")).expect("reads");
    // As a crash between the two would leave it.
    fs::remove_file(folder.0.join("cert.pem")).expect("removes");
    folder.open().expect("a certificate for the key that is there");
    assert_eq!(fs::read(folder.0.join("key.pem")).expect("reads"), key);

    fs::remove_file(folder.0.join("key.pem")).expect("removes");
    let told = refused(&folder);
    assert!(told.contains("without its key") && told.contains("delete the certificate"), "{told}");
}

#[test]
fn files_that_are_no_pair_are_told() {
    let (folder, other) = (Folder::new(), Folder::new());
    let told = Certificates::open(
        &CertificateSource::Files { certificate: "/nowhere/c.pem".into(), key: "/nowhere/k.pem".into() },
        2026,
    );
    let told = told.map(drop).expect_err("nothing there").to_string();
    assert!(told.contains("/nowhere/c.pem") && told.contains("gateway.tls_certificate"), "{told}");

    folder.open().expect("made");
    other.open().expect("made");
    fs::copy(other.0.join("key.pem"), folder.0.join("key.pem")).expect("copies");
    assert!(refused(&folder).contains("do not go together"));
    fs::write(folder.0.join("key.pem"), "-----BEGIN").expect("writes");
    assert!(refused(&folder).contains("PRIVATE KEY"));
    fs::write(folder.0.join("cert.pem"), "no certificate at all").expect("writes");
    assert!(refused(&folder).contains("CERTIFICATE"));
}

#[test]
fn a_change_is_taken_whole_or_not_at_all() {
    let (folder, other) = (Folder::new(), Folder::new());
    let certificates = folder.open().expect("made");
    let next = other.open().expect("made").fingerprint();
    let old = certificates.fingerprint();
    assert!(matches!(certificates.reload_if_changed(), Reload::Unchanged));

    fs::write(folder.0.join("cert.pem"), "half a fi").expect("writes");
    assert!(matches!(certificates.reload_if_changed(), Reload::Refused(_)));
    assert!(matches!(certificates.reload_if_changed(), Reload::StillRefused), "told once");
    fs::copy(other.0.join("cert.pem"), folder.0.join("cert.pem")).expect("copies");
    assert!(matches!(certificates.reload_if_changed(), Reload::Refused(_)), "the key is still the old one");
    assert_eq!(certificates.fingerprint(), old);

    fs::copy(other.0.join("key.pem"), folder.0.join("key.pem")).expect("copies");
    assert!(matches!(certificates.reload_if_changed(), Reload::Reloaded(found) if found == next));
    assert!(matches!(certificates.reload_if_changed(), Reload::Unchanged));
    assert_eq!(certificates.fingerprint(), next);

    fs::remove_file(folder.0.join("key.pem")).expect("removes");
    assert!(matches!(certificates.reload_if_changed(), Reload::Refused(_)));
    assert_eq!(certificates.fingerprint(), next);
}
