use std::os::unix::fs::PermissionsExt as _;
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
fn a_name_that_is_missing_is_added_once_and_the_key_stays() {
    let folder = Folder::new();
    let first = folder.open().expect("made").fingerprint();
    let key = fs::read(folder.0.join("key.pem")).expect("reads");
    let with = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Certificates::open(&CertificateSource::SelfSigned { folder: folder.0.clone(), names }, 2026)
            .expect("opens")
            .fingerprint()
    };
    // Fewer names are in it already.
    assert_eq!(with(&[]), first);
    let all = ["play.example.org", "192.0.2.7", "2001:db8::7", "*.example.com"];
    let second = with(&all);
    assert_ne!(second, first);
    assert_eq!(with(&all), second);
    assert_eq!(fs::read(folder.0.join("key.pem")).expect("reads"), key);
    let pem = fs::read(folder.0.join("cert.pem")).expect("reads");
    let made = CertificateDer::from_pem_slice(&pem).expect("PEM");
    assert!(all.iter().chain(&["localhost", "127.0.0.1", "x.example.com"]).all(|name| is_for(&made, name)));
    assert!(!is_for(&made, "example.org"));
}

#[test]
fn a_certificate_of_somebody_else_is_left_alone() {
    let folder = Folder::new();
    let pair = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::new(vec!["other.example.org".to_owned()]).expect("names");
    let signed = request.self_signed(&pair).expect("signs").pem();
    fs::create_dir_all(&folder.0).expect("a folder");
    fs::write(folder.0.join("cert.pem"), &signed).expect("writes");
    fs::write(folder.0.join("key.pem"), pair.serialize_pem()).expect("writes");
    set_mode(&folder, 0o600);
    folder.open().expect("used as it is");
    assert_eq!(fs::read_to_string(folder.0.join("cert.pem")).expect("reads"), signed);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = Folder::new();
    folder.open().expect("made");
    for mode in [0o644, 0o640, 0o602] {
        set_mode(&folder, mode);
        let told = refused(&folder);
        assert!(told.contains("chmod 600") && told.contains(&format!("{mode:04o}")), "{told}");
    }
    set_mode(&folder, 0o600);
    folder.open().expect("its owner's alone");
}

fn set_mode(folder: &Folder, mode: u32) {
    fs::set_permissions(folder.0.join("key.pem"), fs::Permissions::from_mode(mode)).expect("sets");
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
