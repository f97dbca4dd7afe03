//! Where the clients' ways into the realm come from.

use std::net::{SocketAddr, ToSocketAddrs as _};

use throng_net::protocol::keys::{PrivateKey, SecretBytes};
use throng_net::protocol::token::Grant;

use super::config::BotsError;
use crate::grants::{self, Grants, GrantsConfig, GrantsReport, NOBODY_LISTENS};

/// Hands out grants, whenever there are some. Each is good for one session and for half a minute.
pub trait Door {
    /// A grant and which client it is for, counted from 0; `None` while there is none.
    fn next(&mut self) -> Option<(u32, Grant)>;

    /// That client could not enter with its grant in time.
    fn ask_again(&mut self, client: u32);

    /// Whether no grant will come any more, for anybody.
    fn is_shut(&mut self) -> bool;
}

/// The real one: a gateway, asked over HTTPS.
pub struct GatewayDoor {
    grants: Grants,
    realm: SocketAddr,
    /// One that has been taken out already: at first the one that told where the realm is.
    first: Option<grants::Grant>,
}

impl GatewayDoor {
    /// Starts asking, and waits for the first grant: it says where the realm is.
    ///
    /// # Errors
    /// When the settings cannot work, or nobody is granted entry.
    pub fn open(config: GrantsConfig) -> Result<Self, BotsError> {
        let gateway = config.gateway.clone();
        let grants = Grants::start(config)?;
        let Some(first) = grants.next_blocking() else {
            let report = grants.report();
            if report.refused.contains_key(NOBODY_LISTENS) {
                return Err(BotsError::NobodyListens { gateway });
            }
            let mut said: Vec<String> = Vec::new();
            for counts in [&report.refused, &report.busy, &report.lost] {
                said.extend(counts.iter().map(|(what, count)| format!("{what} ({count})")));
            }
            return Err(BotsError::NobodyGranted { gateway, said: said.join(", ") });
        };
        let realm = first.address.to_socket_addrs().ok().and_then(|mut all| all.next());
        let realm = realm.ok_or_else(|| BotsError::NoRealm { found: first.address.clone() })?;
        Ok(Self { grants, realm, first: Some(first) })
    }

    /// Where the realm is.
    pub fn realm(&self) -> SocketAddr {
        self.realm
    }

    /// How asking has gone so far.
    pub fn report(&self) -> GrantsReport {
        self.grants.report()
    }
}

impl Door for GatewayDoor {
    fn next(&mut self) -> Option<(u32, Grant)> {
        let granted = self.first.take().or_else(|| self.grants.try_next())?;
        let private_key = PrivateKey::new(SecretBytes::new(granted.private));
        let grant = Grant { token: granted.token, secret: SecretBytes::new(granted.secret), private_key };
        Some((granted.index, grant))
    }

    fn ask_again(&mut self, client: u32) {
        self.grants.ask_again(client);
    }

    fn is_shut(&mut self) -> bool {
        // In this order: what was granted last is there once all is settled.
        if self.grants.is_settled() && self.first.is_none() {
            self.first = self.grants.try_next();
            return self.first.is_none();
        }
        false
    }
}
