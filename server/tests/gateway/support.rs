//! A gateway of its own for each test, and clients for it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ring::signature::Ed25519KeyPair;
use rustls::crypto::ring::default_provider;
use serde_json::{Value, json};
use throng_net::protocol::keys::{Entropy, SecretBytes};
use throng_net::protocol::token::{KeyName, RealmKey, RealmKeys, RootKey};
use throng_server::gateway::board::{Board, LocalRealm, Realm, RealmStatus, RemoteRealm};
use throng_server::gateway::listen::ListenSettings;
use throng_server::gateway::passwords::{Passwords, PoolLimits};
use throng_server::gateway::run::{Chore, RunSettings, Running};
use throng_server::gateway::state::{Gateway, Parts, Registration, Settings};
use throng_server::gateway::tls::{CertificateSource, Certificates};
use throng_store::{SqliteOptions, SqliteStore};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// The realm in the gateway's process, and the one elsewhere.
pub const HERE: u32 = 1;
pub const ELSEWHERE: u32 = 2;
pub const PROTOCOL_HASH: u64 = 0x0123_4567_89ab_cdef;
pub const CAPACITY: u32 = 10;
pub const PASSWORD: &str = "correct horse battery";

const START_MS: u64 = 1_800_000_000_000;

/// What a test may wait before it is given up, far above what it needs.
const DEADLINE: Duration = Duration::from_secs(120);

/// A folder of its own, removed when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("throng-gateway-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How a test's gateway differs from the usual one.
pub struct Plan {
    pub registration: Registration,
    pub listen: ListenSettings,
    pub is_plain: bool,
    pub store: SqliteOptions,
    pub chores: Vec<Chore>,
    /// Of which realm it has token keys.
    pub keys_of: Option<u32>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            listen: ListenSettings::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            is_plain: false,
            store: SqliteOptions::default(),
            chores: Vec::new(),
            keys_of: Some(HERE),
        }
    }
}

/// A running gateway and what a test needs of it.
pub struct World {
    // Before the folder, which it writes to until it ends.
    pub running: Running,
    pub store: Arc<SqliteStore>,
    pub status: Arc<RealmStatus>,
    pub realm_keys: RealmKeys,
    clock: Arc<AtomicU64>,
    is_plain: bool,
    pub folder: Folder,
}

pub fn signing_key(realm_id: u32) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[realm_id as u8; 32]).expect("any seed is a key")
}

pub fn public_key(realm_id: u32) -> [u8; 32] {
    use ring::signature::KeyPair as _;
    signing_key(realm_id).public_key().as_ref().try_into().expect("32 bytes")
}

/// What the tokens of a realm are made with, the key 4 before all.
pub fn realm_keys(realm_id: u32) -> RealmKeys {
    RealmKeys::new([4, 3].map(|key_id| realm_key(key_id, realm_id))).expect("two keys")
}

fn realm_key(key_id: u16, realm_id: u32) -> RealmKey {
    RootKey::new(key_id, SecretBytes::new([key_id as u8; 32])).realm_key(realm_id)
}

/// The name of a key of the realm elsewhere that derives from this gateway's.
pub fn key_name(key_id: u16) -> KeyName {
    realm_key(key_id, ELSEWHERE).name()
}

/// A gateway that nobody listens for yet.
pub fn gateway(
    store: &Arc<SqliteStore>,
    registration: Registration,
    clock: &Arc<AtomicU64>,
) -> (Arc<Gateway>, Arc<RealmStatus>) {
    let status = Arc::new(RealmStatus::new(CAPACITY));
    let here = LocalRealm {
        id: HERE,
        name: "Here".to_owned(),
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7777)),
        public_address: None,
        status: Arc::clone(&status),
        key: Arc::new(signing_key(HERE)),
    };
    let elsewhere = RemoteRealm::new(ELSEWHERE, public_key(ELSEWHERE));
    // Slow machines are no reason to refuse: what the pool refuses, and when, is for its own tests.
    let limits = PoolLimits { permits: 2, queue_max: 64, deadline: DEADLINE };
    let clock = Arc::clone(clock);
    let gateway = Gateway::new(Parts {
        store: Arc::clone(store) as _,
        credentials: Arc::clone(store) as _,
        passwords: Arc::new(Passwords::start(limits).expect("threads start")),
        board: Board::new([Realm::Local(here), Realm::Remote(elsewhere)]).expect("two realms"),
        settings: Settings { registration, protocol_hash: PROTOCOL_HASH, admit_per_s: 100 },
        clock: Arc::new(move || clock.load(Ordering::Relaxed)),
        entropy: Entropy::new(&[7; 32].into()),
        ticket_secret: SecretBytes::new([8; 32]),
    });
    (gateway, status)
}

pub fn new_clock() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(START_MS))
}

impl World {
    pub fn new() -> Self {
        Self::planned(Plan::default())
    }

    pub fn planned(plan: Plan) -> Self {
        let folder = Folder::new();
        let clock = new_clock();
        let store = SqliteStore::open(&folder.path().join("throng.db"), &plan.store).expect("a new database");
        let (gateway, status) = gateway(&store, plan.registration, &clock);
        let realm_keys = realm_keys(HERE);
        plan.keys_of.into_iter().for_each(|realm_id| gateway.set_realm_keys(self::realm_keys(realm_id)));
        let certificates = (!plan.is_plain).then(|| {
            let source =
                CertificateSource::SelfSigned { folder: folder.path().join("tls"), names: Vec::new() };
            Certificates::open(&source, 2026).expect("a fresh certificate")
        });
        let settings = RunSettings { listen: plan.listen, certificates, chores: plan.chores };
        let running = Running::start(gateway, settings).expect("starts");
        Self { running, store, status, realm_keys, clock, is_plain: plan.is_plain, folder }
    }

    pub fn gateway(&self) -> &Arc<Gateway> {
        self.running.gateway()
    }

    pub fn address(&self) -> SocketAddr {
        self.running.local_addr()
    }

    pub fn now_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn pass_s(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub fn counter(&self, name: &str) -> u64 {
        let counters = &self.gateway().counters;
        counters.iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("no counter {name}")).1
    }

    /// Runs an operation of the store that the gateway offers no route for.
    pub fn wait<T>(&self, answer: throng_store::Answer<T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(answer).unwrap_or_else(|error| panic!("the store refuses: {error}"))
    }

    pub fn client(&self) -> Client {
        let scheme = if self.is_plain { "http" } else { "https" };
        let roots = if self.is_plain { Vec::new() } else { vec![self.certificate()] };
        Client::new(format!("{scheme}://{}", self.address()), roots)
    }

    pub fn certificate(&self) -> Certificate<'static> {
        let pem =
            std::fs::read(self.folder.path().join("tls/cert.pem")).expect("the certificate was written");
        Certificate::from_pem(&pem).expect("PEM")
    }

    /// Registers, and lets enough time pass that the next may.
    pub fn register(&self, client: &Client, name: &str) -> Login {
        let reply = client.post("/v1/register", None, &json!({ "name": name, "password": PASSWORD }));
        self.pass_s(7);
        Login::of(reply.expect(201))
    }

    /// Logs in, whatever becomes of it, and lets enough time pass that the next may.
    pub fn login(&self, client: &Client, name: &str, password: &str) -> Reply {
        let reply = client.post("/v1/login", None, &json!({ "name": name, "password": password }));
        self.pass_s(7);
        reply
    }

    /// A raw connection, for what no HTTP client would send.
    pub fn raw(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("connects");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        stream
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let counters: Vec<_> = self.gateway().counters.iter().filter(|(_, count)| *count > 0).collect();
            eprintln!("the gateway counted {counters:?}");
        }
    }
}

/// Waits until something that happens by itself has happened.
pub fn until(what: &str, mut has_happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !has_happened() {
        assert!(start.elapsed() < DEADLINE, "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Tokens of a session.
#[derive(Clone)]
pub struct Login {
    pub account: u64,
    pub access: String,
    pub refresh: String,
}

impl Login {
    pub fn of(body: Value) -> Self {
        let text =
            |field: &str| body[field].as_str().unwrap_or_else(|| panic!("no {field}: {body}")).to_owned();
        Self {
            account: text("account_id").parse().expect("a number"),
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// An HTTP client that trusts one certificate.
pub struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    pub fn new(base: String, roots: Vec<Certificate<'static>>) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .proxy(None)
            .build();
        Self { agent: config.into(), base }
    }

    pub fn get(&self, path: &str, token: Option<&str>) -> Reply {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        Reply::of(request.call())
    }

    pub fn try_get(&self, path: &str) -> Result<u16, ureq::Error> {
        self.agent.get(format!("{}{path}", self.base)).call().map(|response| response.status().as_u16())
    }

    pub fn delete(&self, path: &str, token: Option<&str>) -> Reply {
        let mut request = self.agent.delete(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        Reply::of(request.call())
    }

    pub fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Reply {
        self.post_bytes(path, token, Some("application/json"), body.to_string().as_bytes())
    }

    pub fn post_bytes(&self, path: &str, token: Option<&str>, kind: Option<&str>, body: &[u8]) -> Reply {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        Reply::of(request.send(body))
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Reply {
    fn of(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Self {
        let mut response = response.expect("an answer");
        let headers = response.headers().iter();
        let mut headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        headers.sort();
        let text = response.body_mut().read_to_string().expect("a body");
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
        };
        Self { status: response.status().as_u16(), headers, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    /// The body of an answer with this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Asserts that this is the uniform error with this status and code.
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        let error = self.body["error"].as_object().expect("an object");
        assert!(self.body.as_object().expect("an object").len() == 1);
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
        let known = ["code", "message", "retry_after_s", "until_ms"];
        assert!(error.keys().all(|key| known.contains(&key.as_str())), "{error:?}");
        let told = error.get("retry_after_s").map(ToString::to_string);
        assert_eq!(self.header("retry-after"), told.as_deref(), "header and body agree");
    }
}
