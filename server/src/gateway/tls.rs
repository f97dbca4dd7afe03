//! The certificate: from files, or self-signed on the first start; taken anew when its files change.
//!
//! ```text
//!   cert.pem, key.pem ──► Certificates ──► resolver ──► handshakes from now on
//!        changed? each second ┘                └── connections that are open keep the keys they have
//! ```

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsAcceptor;

use super::limits;

/// Whom a certificate that was made here is of. A certificate with another subject is the operator's.
const SUBJECT: &str = "Throng gateway, self-signed";

/// Where certificate and key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// The operator's files, PEM.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// `cert.pem` and `key.pem` in a folder, made when they are missing. A certificate made here that lacks a name is made
    /// anew for the same key; one that somebody else made is left alone.
    SelfSigned {
        /// The folder.
        folder: PathBuf,
        /// Host names and addresses that players will use, beside `localhost`.
        names: Vec<String>,
    },
}

impl CertificateSource {
    fn paths(&self) -> (PathBuf, PathBuf) {
        match self {
            Self::Files { certificate, key } => (certificate.clone(), key.clone()),
            Self::SelfSigned { folder, .. } => (folder.join("cert.pem"), folder.join("key.pem")),
        }
    }
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(
        "cannot read {path:?}: {source}\n  \
         give the paths of a PEM certificate chain and its key with gateway.tls_certificate and gateway.tls_key, \
         or leave both empty for a self-signed certificate"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A self-signed pair cannot be kept.
    #[error(
        "cannot write {path:?}: {source}\n  make the folder writable, or choose another with gateway.data_dir"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path:?} cannot be used: {found}\n  needed is {needed}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
        /// What it should hold.
        needed: &'static str,
    },
    /// Others than its owner may read or change a key that was made here.
    #[error(
        "the key {path:?} has mode {found:04o}, so that others can read or change it; needed is 0600. If nobody did: \
         chmod 600 {path:?}. If somebody may have: delete it and cert.pem beside it, and a new pair is made; \
         players who pinned it must be told"
    )]
    Mode {
        /// The key.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
    },
    /// A self-signed pair of which half is there.
    #[error(
        "found the certificate {certificate:?} without its key {key:?}\n  \
         put the key back, or delete the certificate and a new pair is made; players who pinned it must be told"
    )]
    KeyMissing {
        /// The certificate.
        certificate: PathBuf,
        /// Where its key should be.
        key: PathBuf,
    },
    /// Certificate and key are both well and not each other's, or of a kind that TLS cannot use.
    #[error("the certificate {certificate:?} and the key {key:?} do not go together: {reason}")]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What the TLS library said.
        reason: String,
    },
    /// The library refused what we asked of it.
    #[error("cannot set up TLS: {0}")]
    Setup(String),
}

/// What a look at the files found.
#[derive(Debug)]
pub enum Reload {
    /// Nothing new.
    Unchanged,
    /// A new certificate is in use, with this fingerprint.
    Reloaded(String),
    /// The files changed and cannot be used; the old certificate stays. Told once per change.
    Refused(TlsError),
    /// The files are still the ones that could not be used.
    StillRefused,
}

/// The certificate in use.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    resolver: Arc<Resolver>,
    seen: Mutex<Seen>,
}

/// What tells one version of the two files from another.
type Stamp = [Option<(u64, i64, i64, u64)>; 2];

struct Seen {
    used: Stamp,
    refused: Option<Stamp>,
}

#[derive(Debug)]
struct Resolver(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificates {
    /// Reads the pair, making a self-signed one first when asked to and there is none. `year` is the current one.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn open(source: &CertificateSource, year: i32) -> Result<Self, TlsError> {
        let (certificate, key) = source.paths();
        if let CertificateSource::SelfSigned { names, .. } = source {
            make_missing(&certificate, &key, names, year)?;
            refuse_if_open(&key)?;
            complete_names(&certificate, &key, names, year)?;
        }
        let provider = Arc::new(ring::default_provider());
        // The stamp is older than what is read: a write in between is seen as a change.
        let used = stamp(&certificate, &key);
        let pair = read_pair(&certificate, &key, &provider)?;
        Ok(Self {
            certificate,
            key,
            provider,
            resolver: Arc::new(Resolver(RwLock::new(Arc::new(pair)))),
            seen: Mutex::new(Seen { used, refused: None }),
        })
    }

    /// What accepts TLS connections: TLS 1.2 and 1.3, HTTP/1.1.
    ///
    /// # Errors
    /// When the library has no common version with itself; it does.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Setup(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.resolver) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files and takes a new pair when both are whole.
    pub fn reload_if_changed(&self) -> Reload {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = stamp(&self.certificate, &self.key);
        if found == seen.used {
            seen.refused = None;
            return Reload::Unchanged;
        }
        // Tried again each time: a file can be completed within the clock's resolution.
        match read_pair(&self.certificate, &self.key, &self.provider) {
            Ok(pair) => {
                let fingerprint = fingerprint(&pair);
                *self.resolver.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                *seen = Seen { used: found, refused: None };
                Reload::Reloaded(fingerprint)
            }
            Err(_) if seen.refused == Some(found) => Reload::StillRefused,
            Err(error) => {
                seen.refused = Some(found);
                Reload::Refused(error)
            }
        }
    }

    /// SHA-256 of the certificate in use, as browsers show it.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.resolver.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn fingerprint(pair: &CertifiedKey) -> String {
    let der = pair.cert.first().map(AsRef::as_ref).unwrap_or_default();
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, der);
    let mut text = String::with_capacity(3 * digest.as_ref().len());
    for (number, byte) in digest.as_ref().iter().enumerate() {
        let separator = if number == 0 { "" } else { ":" };
        let _ = write!(text, "{separator}{byte:02X}");
    }
    text
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let data = fs::metadata(path).ok()?;
        Some((data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
    })
}

fn read_pair(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain_pem = read_pem(certificate)?;
    let key_pem = zeroize::Zeroizing::new(read_pem(key)?);
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&chain_pem).collect::<Result<_, _>>().map_err(|error| {
            content(
                certificate,
                error.to_string(),
                "one or more CERTIFICATE blocks of PEM, the server's own first",
            )
        })?;
    if chain.is_empty() {
        return Err(content(
            certificate,
            "it has no CERTIFICATE block".to_owned(),
            "one or more CERTIFICATE blocks of PEM, the server's own first",
        ));
    }
    let private = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|error| content(key, error.to_string(), "one PRIVATE KEY block of PEM, not encrypted"))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|error| TlsError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        reason: error.to_string(),
    })
}

fn content(path: &Path, found: String, needed: &'static str) -> TlsError {
    TlsError::Content { path: path.to_owned(), found, needed }
}

fn read_pem(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limits::PEM_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    Ok(bytes)
}

/// Makes the pair, or the certificate for a key whose certificate is missing: the key is written first, so a crash
/// between the two leaves just that.
fn make_missing(certificate: &Path, key: &Path, names: &[String], year: i32) -> Result<(), TlsError> {
    let pair = match (certificate.exists(), key.exists()) {
        (true, true) => return Ok(()),
        (true, false) => {
            return Err(TlsError::KeyMissing { certificate: certificate.to_owned(), key: key.to_owned() });
        }
        (false, true) => {
            let pem = zeroize::Zeroizing::new(read_pem(key)?);
            key_pair(key, &pem)?
        }
        (false, false) => {
            let pair = rcgen::KeyPair::generate().map_err(|error| TlsError::Setup(error.to_string()))?;
            write_whole(key, zeroize::Zeroizing::new(pair.serialize_pem()).as_bytes(), 0o600)?;
            pair
        }
    };
    self_sign(certificate, &pair, names, year)
}

/// Refuses a key that others than its owner may read or change, as key files are refused. An operator's own files may
/// be shared with a group, as some programs that renew certificates do.
fn refuse_if_open(key: &Path) -> Result<(), TlsError> {
    let data = fs::metadata(key).map_err(|source| TlsError::Read { path: key.to_owned(), source })?;
    if data.mode() & 0o077 != 0 {
        return Err(TlsError::Mode { path: key.to_owned(), found: data.mode() & 0o7777 });
    }
    Ok(())
}

/// Makes the certificate anew, for the same key, where the settings name what it is not for.
fn complete_names(certificate: &Path, key: &Path, names: &[String], year: i32) -> Result<(), TlsError> {
    let pem = read_pem(certificate)?;
    // What cannot be read is refused, with its remedy, by who reads the pair.
    let Ok(old) = CertificateDer::from_pem_slice(&pem) else { return Ok(()) };
    let missing: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !name.is_empty() && !is_for(&old, name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let path = certificate.display();
    if !old.windows(SUBJECT.len()).any(|bytes| bytes == SUBJECT.as_bytes()) {
        tracing::warn!(
            "the certificate {path} is not for {missing:?} (gateway.tls_names), and was not made here, so it stays: \
             replace it by one that is, or delete it and its key and a new pair is made"
        );
        return Ok(());
    }
    let key_pem = zeroize::Zeroizing::new(read_pem(key)?);
    let pair = key_pair(key, &key_pem)?;
    self_sign(certificate, &pair, names, year)?;
    tracing::info!(
        "the certificate {path} was not for {missing:?} (gateway.tls_names): made anew for the same key; \
         tell players its fingerprint, and give them the new file"
    );
    Ok(())
}

/// Whether a certificate is for a name or an address.
fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    // A wildcard stands for one label.
    let Ok(name) = ServerName::try_from(name.replacen("*.", "any.", 1)) else { return false };
    rustls::server::ParsedCertificate::try_from(certificate)
        .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, &name).is_ok())
}

fn key_pair(path: &Path, pem: &[u8]) -> Result<rcgen::KeyPair, TlsError> {
    rcgen::KeyPair::from_pem(std::str::from_utf8(pem).unwrap_or_default())
        .map_err(|error| content(path, error.to_string(), "one PRIVATE KEY block of PEM"))
}

fn self_sign(certificate: &Path, pair: &rcgen::KeyPair, names: &[String], year: i32) -> Result<(), TlsError> {
    let mut all_names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    all_names.extend(names.iter().filter(|name| !name.is_empty()).cloned());
    let mut request =
        rcgen::CertificateParams::new(all_names).map_err(|error| TlsError::Setup(error.to_string()))?;
    request.distinguished_name = rcgen::DistinguishedName::new();
    request.distinguished_name.push(rcgen::DnType::CommonName, SUBJECT);
    // A day before this year: the clocks of players differ.
    request.not_before = rcgen::date_time_ymd(year - 1, 12, 31);
    request.not_after = rcgen::date_time_ymd(year + limits::SELF_SIGNED_YEARS, 12, 31);
    request.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let signed = request.self_signed(pair).map_err(|error| TlsError::Setup(error.to_string()))?;
    write_whole(certificate, signed.pem().as_bytes(), 0o644)
}

/// Writes a file that is either whole or not there, on disk before it is named.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    let written = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let fresh = path.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|source| TlsError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
