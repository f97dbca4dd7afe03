//! The program as an operator runs it: a folder, a settings file, `throng gateway` as a process of its own, commands
//! beside it, and a realm elsewhere that says once a second that it is there.

#![allow(dead_code, missing_docs)] // Each test file uses its own part.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustix::process::{Pid, Signal, kill_process};
use rustls::crypto::ring::default_provider;
use serde_json::Value;
use throng_net::protocol::token::RealmKey;
use throng_server::gateway::board::{News, RealmReport, RealmState, Vitals};
use throng_server::gateway::keys::read_realm_keys;
use throng_server::gateway::routes::realms::StatusPush;
use throng_server::gateway::secrets::encode;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What anything here may take before it is given up, far above what it needs.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// The realm elsewhere.
pub const REALM: u32 = 7;
const DATA: &str = "throng-data";
pub const SETTINGS: &str = "throng.toml";
/// The operator's terminal.
pub const STDOUT: &str = "gateway.stdout";
pub const STDERR: &str = "gateway.stderr";

/// Waits until something that happens by itself has happened.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < DEADLINE, "{what} did not happen");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// A folder with settings, removed in the end.
pub struct Place(PathBuf);

impl Place {
    /// Settings for a gateway on loopback; `gateway` and `more` are further lines of its section and after it.
    pub fn new(gateway: &str, more: &str) -> Self {
        Self::for_realm(&encode(signing_key().public_key().as_ref()), gateway, more)
    }

    /// The same for a realm with this key.
    pub fn for_realm(public_key: &str, gateway: &str, more: &str) -> Self {
        Self::with(&format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"{DATA}\"\n\
             realms = [{{ id = {REALM}, public_key = \"{public_key}\" }}]\n{gateway}\n{more}\n"
        ))
    }

    /// These settings and no others.
    pub fn with(settings: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("throng-operator-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        let place = Self(path);
        place.settle(settings);
        place
    }

    /// From now on these settings.
    pub fn settle(&self, settings: &str) {
        fs::write(self.0.join(SETTINGS), settings).expect("writable");
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn data(&self) -> PathBuf {
        self.0.join(DATA)
    }

    pub fn certificate(&self) -> Vec<u8> {
        fs::read(self.data().join("tls/cert.pem")).expect("made on the first start")
    }

    /// The program, in this folder, with none of the settings of the machine that runs the tests.
    pub fn throng(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
        self.furnish(&mut command);
        command.args(arguments);
        command
    }

    /// The same, allowed to leave a core dump of any size behind.
    fn throng_with_cores(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        self.furnish(&mut command);
        command.args(["-c", "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\""]);
        command.arg(env!("CARGO_BIN_EXE_throng")).args(arguments);
        command
    }

    fn furnish(&self, command: &mut Command) {
        command.current_dir(&self.0);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("THRONG_") && name != "THRONG_SIMD" {
                command.env_remove(name);
            }
        }
    }

    /// Runs a command of the operator's that must succeed.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.throng(arguments).args(["--config", SETTINGS]).output().expect("starts");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    /// The same with `--json`: its lines.
    pub fn run_json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process, ended with the test.
pub struct Process(pub Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().expect("starts"))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("a process of ours");
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        until("a process's end", || self.0.try_wait().expect("a child"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `throng gateway`.
pub struct GatewayProcess {
    process: Process,
    pub address: SocketAddr,
}

impl GatewayProcess {
    /// Starts it, and waits until it says where it listens.
    pub fn start(place: &Place) -> Self {
        let file = |name| File::create(place.path().join(name)).expect("writable");
        let mut command = place.throng_with_cores(&["gateway", "--config", SETTINGS]);
        let mut process = Process::start(command.stdout(file(STDOUT)).stderr(file(STDERR)));
        let address = until("the gateway's start", || {
            let told = fs::read_to_string(place.path().join(STDERR)).expect("readable");
            if let Some(status) = process.0.try_wait().expect("a child") {
                panic!("the gateway ended with {status}: {told}");
            }
            let (_, rest) = told.split_once("gateway at https://")?;
            let (address, _) = rest.split_once(", certificate")?;
            Some(address.parse().expect("an address"))
        });
        Self { process, address }
    }

    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Sends a signal, and waits for the end of the process.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        self.process.signal(signal);
        self.process.ended()
    }
}

/// An HTTP client that trusts one certificate and nobody else.
pub fn agent(place: &Place) -> Agent {
    let root = Certificate::from_pem(&place.certificate()).expect("PEM");
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[root]))
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .proxy(None)
        .build();
    config.into()
}

fn signing_key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[REALM as u8; 32]).expect("any seed is a key")
}

/// What the realm says now, with the keys that it has from the gateway of this data directory.
pub fn status_push(data: &Path) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let report = RealmReport {
        realm_id: REALM,
        as_of_ms: now.as_millis() as u64,
        vitals: Vitals { population: 0, capacity: 20_000, tick_p99_us: 900, state: RealmState::Open },
        name: "Elsewhere".to_owned(),
        address: "127.0.0.1:7777".to_owned(),
    };
    let keys =
        read_realm_keys(&data.join(format!("keys/realm-{REALM}.keys")), REALM).expect("made at the start");
    let token_keys = keys.iter().map(RealmKey::name).collect();
    let (news, key) = (News { token_keys, ..News::default() }, signing_key());
    serde_json::to_value(StatusPush::new(report.sign(&key), news, &key)).expect("JSON")
}

/// A realm that tells the gateway once a second that it is there.
pub struct Realm {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Realm {
    /// Returns once the gateway has heard of it.
    pub fn start(place: &Place, gateway: &GatewayProcess) -> Self {
        let (agent, url) = (agent(place), format!("{}/v1/realm-status", gateway.url()));
        let data = place.data();
        let is_over = Arc::new(AtomicBool::new(false));
        let is_listed = Arc::new(AtomicBool::new(false));
        let (told_over, listed) = (Arc::clone(&is_over), Arc::clone(&is_listed));
        let thread = thread::spawn(move || {
            while !told_over.load(Ordering::Relaxed) {
                let body = status_push(&data).to_string();
                let sent = agent.post(&url).header("content-type", "application/json").send(body.as_bytes());
                // Under a storm one or the other may fail, as it would in a real realm.
                if sent.is_ok_and(|response| response.status() == 204) {
                    listed.store(true, Ordering::Relaxed);
                }
                thread::park_timeout(Duration::from_secs(1));
            }
        });
        until("the realm's listing", || is_listed.load(Ordering::Relaxed).then_some(()));
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
