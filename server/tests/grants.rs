//! From `throng account create --count` to connect tokens that a realm opens, over HTTPS, without one password hash.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use throng_net::protocol::keys::{Entropy, PrivateKey, SecretBytes};
use throng_net::protocol::token::open;
use throng_server::config::GatewaySettings;
use throng_server::gateway::board::{Board, LocalRealm, Realm, RealmStatus};
use throng_server::gateway::keys::{DataDir, KeyRing, read_realm_keys, unix_ms};
use throng_server::gateway::listen::ListenSettings;
use throng_server::gateway::passwords::Passwords;
use throng_server::gateway::run::{RunSettings, Running};
use throng_server::gateway::state::{Gateway, Parts, Registration, Settings, system_clock};
use throng_server::gateway::tls::Certificates;
use throng_store::{SqliteOptions, SqliteStore};
use throng_tools::grants::{Grants, GrantsConfig, read_tokens};

const REALM: u32 = 7;
const BOTS: usize = 300;
const PROTOCOL_HASH: u64 = 42;

/// A gateway on a data directory, put together as `throng serve` does.
fn gateway(dir: &DataDir) -> (Running, Arc<RealmStatus>) {
    let settings = GatewaySettings {
        data_dir: dir.path().to_str().expect("a plain path").to_owned(),
        ..GatewaySettings::default()
    };
    let store = SqliteStore::open(&dir.database(), &SqliteOptions::default()).expect("opens");
    let status = Arc::new(RealmStatus::new(10_000));
    let realm = LocalRealm {
        id: REALM,
        name: "Here".to_owned(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 7777)),
        public_address: settings.public_address(),
        status: Arc::clone(&status),
        key: Arc::new(dir.signing_key(REALM).expect("a key")),
    };
    let seed = SecretBytes::filled(|bytes| SystemRandom::new().fill(bytes)).expect("entropy");
    let gateway = Gateway::new(Parts {
        store: Arc::clone(&store) as _,
        credentials: store as _,
        passwords: Arc::new(Passwords::start(settings.password_pool()).expect("threads")),
        board: Board::new([Realm::Local(realm)]).expect("one realm"),
        settings: Settings {
            registration: Registration::Closed,
            protocol_hash: PROTOCOL_HASH,
            admit_per_s: settings.admit_per_s,
        },
        clock: system_clock(),
        entropy: Entropy::new(&seed),
        ticket_secret: dir.queue_secret().expect("a key"),
    });
    let ring = KeyRing::open(dir.clone(), vec![REALM], unix_ms()).expect("keys");
    for keys in ring.realm_keys(unix_ms()).expect("few") {
        gateway.set_realm_keys(keys);
    }
    let source = settings.certificate().expect("TLS");
    let year = 1970 + (unix_ms() / 31_556_952_000) as i32;
    let certificates = Certificates::open(&source, year).expect("a certificate");
    let listen = ListenSettings {
        timeouts: settings.timeouts(),
        ..ListenSettings::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    };
    let run = RunSettings { listen, certificates: Some(certificates), chores: Vec::new() };
    (Running::start(gateway, run).expect("starts"), status)
}

#[test]
fn bots_get_in_by_their_session_tokens_alone() {
    let path = std::env::temp_dir().join(format!("throng-grants-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let dir = DataDir::create(&path).expect("the temporary folder can be written");
    let sessions = path.join("bots.tokens");
    let created = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["account", "create", "--locked", "--count", &BOTS.to_string(), "--data-dir"])
        .arg(&path)
        .arg("--sessions")
        .arg(&sessions)
        .output()
        .expect("the program starts");
    assert!(created.status.success(), "{created:?}");

    let (running, _status) = gateway(&dir);
    let certificate = std::fs::read(dir.tls_dir().join("cert.pem")).expect("made at the start");
    let tokens = read_tokens(&sessions).expect("readable");
    let address = format!("https://{}", running.local_addr());
    let grants =
        Grants::start(GrantsConfig::new(address.clone(), Some(certificate), tokens)).expect("started");
    let keys = read_realm_keys(&dir.realm_keys(REALM), REALM).expect("readable");
    let (mut accounts, mut token_ids) = (BTreeSet::new(), BTreeSet::new());
    while let Some(grant) = grants.next_blocking() {
        let key_id = u16::from_le_bytes([grant.token[6], grant.token[7]]);
        let body = open(&grant.token, keys.get(key_id).expect("known")).expect("a token of this realm");
        assert_eq!(body.client_public, PrivateKey::new(SecretBytes::new(grant.private)).public());
        assert_eq!(body.secret.expose(), &grant.secret);
        assert_eq!((body.name.as_str(), grant.address.as_str()), (grant.name.as_str(), "127.0.0.1:7777"));
        assert_eq!(grant.name, format!("bot{}", grant.index + 1));
        accounts.insert(body.account);
        token_ids.insert(body.token_id);
    }
    let report = grants.report();
    assert_eq!((accounts.len(), token_ids.len()), (BOTS, BOTS), "{report:?}");
    assert_eq!(running.gateway().passwords.argon2_calls(), 0, "nobody's password was looked at");
    drop(grants);

    // Another certificate than the gateway's is not trusted, and not tried again and again.
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let tokens = read_tokens(&sessions).expect("readable");
    let config = GrantsConfig::new(address, Some(other.cert.pem().into_bytes()), tokens);
    let grants = Grants::start(config).expect("started");
    assert!(grants.next_blocking().is_none());
    let report = grants.report();
    assert_eq!(report.refused.get("certificate_not_trusted"), Some(&(BOTS as u64)), "{report:?}");
    drop(grants);
    running.shutdown();
    std::fs::remove_dir_all(path).expect("removed");
}
