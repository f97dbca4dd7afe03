//! A gateway from its settings and its data directory.
//!
//! ```text
//!   [gateway], [caps] ──┐
//!   throng.db ──────────┤
//!   keys/*    ──────────┼──► Running
//!   tls/*     ──────────┤
//!   the realm here ─────┘
//! ```

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use throng_net::protocol::keys::{Entropy, SecretBytes};
use throng_store::{SqliteOptions, SqliteStore};

use super::board::{Board, BoardError, LocalRealm, Realm, RealmStatus, RemoteRealm};
use super::herald::{Herald, HeraldError};
use super::keys::{DataDir, KeyError, KeyRing, SETTLE_MS};
use super::kicks::Kicks;
use super::limits;
use super::listen::ListenSettings;
use super::passwords::Passwords;
use super::run::{Chore, RunSettings, Running, StartError};
use super::state::{Gateway, Parts, Settings, system_clock};
use super::tls::{Certificates, TlsError};
use crate::config::Config;
use crate::realm::{Arrivals, Orders};

/// The realm in the same process.
#[derive(Clone)]
pub struct OwnRealm {
    /// Where its UDP socket is.
    pub address: SocketAddr,
    /// What it tells; the realm has the other end.
    pub status: Arc<RealmStatus>,
    /// Who has entered it: the seats that were held for them are taken.
    pub arrivals: Arc<Arrivals>,
    /// Whom it is to put out.
    pub orders: Arc<Orders>,
}

/// Why a gateway cannot be opened. Each says what was found, what is needed and what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Its store.
    #[error(transparent)]
    Store(#[from] throng_store::OpenError),
    /// Its realms.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// The key of a realm elsewhere.
    #[error(
        "gateway.realms: the public_key of realm {0} is not 32 bytes in base64url\n  \
         copy it from `throng keys list` on that realm's machine"
    )]
    PublicKey(u32),
    /// Its certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads that hash passwords.
    #[error(
        "cannot start the threads that check passwords: {0}\n  \
         lower gateway.password_threads, or raise the limit on processes (ulimit -u)"
    )]
    Passwords(io::Error),
    /// No random bytes.
    #[error(
        "the system gives no random bytes; needed is the system call getrandom or /dev/urandom: allow one of them in the \
         container's profile"
    )]
    NoEntropy,
    /// Its socket and threads.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The way to a gateway elsewhere.
    #[error(transparent)]
    Herald(#[from] HeraldError),
}

/// The realm of these settings as a board lists it.
fn local_realm(
    config: &Config,
    dir: &DataDir,
    address: SocketAddr,
    status: Arc<RealmStatus>,
) -> Result<LocalRealm, KeyError> {
    Ok(LocalRealm {
        id: config.realm.id,
        name: config.realm.name.clone(),
        address,
        public_address: config.gateway.public_address(),
        status,
        key: Arc::new(dir.signing_key(config.realm.id)?),
    })
}

/// What tells the gateway elsewhere of the realm in this process, if the settings name one.
///
/// # Errors
/// [`OpenError::Keys`], [`OpenError::Herald`].
pub fn herald(config: &Config, own: OwnRealm) -> Result<Option<Herald>, OpenError> {
    let settings = &config.gateway;
    if settings.report_to.is_empty() {
        if !settings.enabled {
            tracing::warn!(
                "there is no gateway here, and none elsewhere hears of this realm, so nobody gets in: set \
                 gateway.report_to, or gateway.enabled = true"
            );
        }
        return Ok(None);
    }
    let OwnRealm { address, status, arrivals, orders } = own;
    let realm = local_realm(config, &settings.data_dir(), address, status)?;
    let ca = Some(PathBuf::from(&settings.report_ca)).filter(|path| !path.as_os_str().is_empty());
    Ok(Some(Herald::new(&settings.report_to, ca, realm, arrivals, orders)?))
}

/// Opens the data directory, making what is missing, and starts to serve.
///
/// # Errors
/// See [`OpenError`].
pub fn open(config: &Config, own: Option<OwnRealm>, protocol_hash: u64) -> Result<Running, OpenError> {
    let settings = &config.gateway;
    let dir = DataDir::create(&settings.data_dir)?;
    warn_if_open(&dir);
    let clock = system_clock();
    let now_ms = clock();

    let mut realms = Vec::new();
    let mut seats: Option<Chore> = None;
    let mut own_orders = None;
    if let Some(OwnRealm { address, status, arrivals, orders }) = own {
        own_orders = Some(orders);
        let realm_id = config.realm.id;
        seats = Some(Box::new(move |gateway| {
            for account in arrivals.take() {
                gateway.queue(realm_id, |queue| queue.arrived(account));
            }
        }));
        realms.push(Realm::Local(local_realm(config, &dir, address, status)?));
    }
    for remote in &settings.realms {
        let public_key = remote.public_key().ok_or(OpenError::PublicKey(remote.id))?;
        realms.push(Realm::Remote(RemoteRealm::new(remote.id, public_key)));
    }
    let board = Board::new(realms)?;
    let mut ring = KeyRing::open(dir.clone(), board.ids().collect(), now_ms)?;

    let store = SqliteStore::open(&dir.database(), &SqliteOptions::default())?;
    let seed =
        SecretBytes::filled(|bytes| SystemRandom::new().fill(bytes)).map_err(|_| OpenError::NoEntropy)?;
    let gateway = Gateway::new(Parts {
        store: Arc::clone(&store) as _,
        credentials: store,
        passwords: Arc::new(Passwords::start(settings.password_pool()).map_err(OpenError::Passwords)?),
        board,
        settings: Settings {
            registration: settings.registration,
            protocol_hash,
            admit_per_s: settings.admit_per_s,
        },
        clock,
        entropy: Entropy::new(&seed),
        ticket_secret: dir.queue_secret()?,
    });
    for keys in ring.realm_keys(now_ms)? {
        gateway.set_realm_keys(keys);
    }
    let mut minting = ring.minting();
    let renew_keys: Chore = Box::new(move |gateway| match ring.look(gateway.now_ms()) {
        Ok(None) => {}
        Ok(Some(all)) => {
            all.into_iter().for_each(|keys| gateway.set_realm_keys(keys));
            let before = std::mem::replace(&mut minting, ring.minting());
            if minting == before {
                tracing::info!(
                    "other token keys read; connect tokens are made with key {minting}, \
                     and with a new one {} s after it was made",
                    SETTLE_MS / 1000
                );
            } else {
                tracing::info!(
                    "connect tokens are made with key {minting} now, for realms elsewhere once they have a copy of it"
                );
            }
        }
        Err(error) => tracing::error!("the new keys are not used, the old ones stay: {error}"),
    });

    let mut kicks = Kicks::new(dir.clone(), own_orders, &gateway);
    let pass_on_kicks: Chore = Box::new(move |gateway| {
        if let Err(error) = kicks.look(gateway) {
            tracing::warn!("cannot look for operators' commands in {}: {error}", dir.path().display());
        }
    });

    let certificates =
        settings.certificate().map(|source| Certificates::open(&source, year(now_ms))).transpose()?;
    let listen = ListenSettings {
        address: settings.listen,
        census: settings.census(&config.caps),
        timeouts: settings.timeouts(),
    };
    let running = Running::start(
        gateway,
        RunSettings {
            listen,
            certificates,
            chores: seats.into_iter().chain([renew_keys, pass_on_kicks]).collect(),
        },
    )?;
    Ok(running)
}

/// Each file in the data directory is for its owner only by itself, but whoever may write to the directory can replace
/// them, and whoever may enter it sees when somebody plays.
fn warn_if_open(dir: &DataDir) {
    let path = dir.path();
    let mode = fs::metadata(path).map_or(0, |data| data.mode() & 0o7777);
    if mode & 0o077 != 0 {
        let shown = path.display();
        tracing::warn!(
            "{shown} has mode {mode:04o}, so that others may enter it; needed is 0700: chmod 700 {shown}"
        );
    }
}

/// The year of a moment, near enough for a certificate that begins the year before and ends years after.
fn year(now_ms: u64) -> i32 {
    let years = now_ms / limits::YEAR_MS;
    1970 + i32::try_from(years).unwrap_or(0)
}
