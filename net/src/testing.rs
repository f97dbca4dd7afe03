//! A gateway of fixed keys, for tests, benches and tools that need a server and clients and no login.
//!
//! Everything follows from the number of the client: two runs make the same tokens. Never on in a server.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::limits::{DATAGRAM_BYTES_MAX, TOKEN_LIFE_MS};
use crate::protocol::keys::{PrivateKey, SecretBytes};
use crate::protocol::token::{
    Grant, RealmKeys, RootKey, TokenBody, TokenFields, TokenName, mint, protocol_hash,
};
use crate::protocol::{
    Admission, Client, ClientEvent, PrefixCaps, Received, Server, ServerConfig, SessionIndex, Ticket,
};

/// The realm of [`Gateway::config`].
pub const REALM_ID: u32 = 1;

/// Mints tokens from a root key that anybody can read here.
#[derive(Debug)]
pub struct Gateway {
    root: RootKey,
    /// Clients so far.
    minted: u64,
}

impl Default for Gateway {
    fn default() -> Self {
        Gateway { root: RootKey::new(7, SecretBytes::new(*b"a root key for tests, no secret ")), minted: 0 }
    }
}

impl Gateway {
    /// A gateway whose tokens are sealed with another key.
    pub fn with_key(key_id: u16) -> Self {
        Gateway { root: RootKey::new(key_id, SecretBytes::new([key_id as u8; 32])), minted: 0 }
    }

    /// The keys of a realm that takes this gateway's tokens.
    pub fn realm_keys(&self) -> RealmKeys {
        RealmKeys::new([self.root.realm_key(REALM_ID)]).expect("one key")
    }

    /// What a server needs to take this gateway's tokens: started at Unix time 0, no caps on any network, and as many
    /// handshakes as come.
    pub fn config(&self) -> ServerConfig {
        let all = ["0.0.0.0/0", "::/0"].map(|network| network.parse().expect("a network"));
        ServerConfig {
            realm_id: REALM_ID,
            protocol_hash: protocol_hash(0),
            accepts_per_s: 1_000_000,
            caps: PrefixCaps { exempt: all.into(), ..PrefixCaps::default() },
            ..ServerConfig::default()
        }
    }

    /// A server that takes this gateway's tokens.
    pub fn server(&self, config: ServerConfig) -> Server {
        Server::new(config, &[7; 32].into(), self.realm_keys()).expect("a sound configuration")
    }

    /// What the next client is given.
    pub fn grant(&mut self, now_us: u64) -> Grant {
        self.grant_with(now_us, REALM_ID, |_| {})
    }

    /// The same for a realm of one's choice, with fields changed before they are sealed.
    pub fn grant_with(&mut self, now_us: u64, realm_id: u32, change: impl FnOnce(&mut TokenFields)) -> Grant {
        self.minted += 1;
        let (number, key_id) = (self.minted, self.root.key_id());
        let bytes_of = |purpose: u8| -> [u8; 32] {
            let mut bytes = [purpose; 32];
            // Not in front: of a private key's first byte three bits mean nothing.
            bytes[4..6].copy_from_slice(&key_id.to_le_bytes());
            bytes[8..16].copy_from_slice(&number.to_le_bytes());
            bytes
        };
        let mut token_id = [0; 16];
        token_id.copy_from_slice(&bytes_of(1)[..16]);
        let secret = SecretBytes::new(bytes_of(2));
        let private_key = PrivateKey::new(SecretBytes::new(bytes_of(3)));
        let mut salt = [4; 24];
        salt.copy_from_slice(&bytes_of(4)[..24]);
        let now_ms = now_us / 1000;
        let mut fields = TokenFields {
            not_after_ms: now_ms + TOKEN_LIFE_MS,
            protocol_hash: protocol_hash(0),
            body: TokenBody {
                token_id,
                account: number,
                character: number,
                session_epoch: 1,
                issued_at_ms: now_ms,
                secret: secret.clone(),
                client_public: private_key.public(),
                idle_timeout_s: 0,
                rate_class: 0,
                flags: 0,
                name: TokenName::new(&format!("Tester {number}")).expect("a short name"),
                user_data: [0; 16],
            },
        };
        change(&mut fields);
        Grant { token: mint(&fields, &self.root.realm_key(realm_id), &salt), secret, private_key }
    }

    /// A client that is about to say hello.
    pub fn client(&mut self, now_us: u64, hello: impl Into<Arc<[u8]>>) -> Client {
        let grant = self.grant(now_us);
        let salt = self.minted.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Client::new(now_us, salt, grant, hello.into()).expect("a short hello")
    }

    /// A client in session, without loss.
    ///
    /// # Panics
    /// When the server does not take it.
    pub fn connect(&mut self, server: &mut Server, now_us: u64, from: SocketAddr) -> (Client, SessionIndex) {
        let mut client = self.client(now_us, *b"hello");
        let (session, _) = shake_hands(server, &mut client, now_us, from);
        (client, session)
    }
}

/// Brings a client about to say hello into session, without loss.
///
/// # Panics
/// When the server does not take it.
pub fn shake_hands(
    server: &mut Server,
    client: &mut Client,
    now_us: u64,
    from: SocketAddr,
) -> (SessionIndex, Box<Ticket>) {
    let mut out = [0; DATAGRAM_BYTES_MAX];
    while let Some(bytes) = client.poll(now_us, &mut out) {
        let mut answer = match server.handle(now_us, from, &mut out[..bytes]) {
            Received::Reply(answer) => answer.to_vec(),
            Received::Asking(asking) => match server.admit(now_us, asking) {
                Admission::Opened { reply, .. } => reply.to_vec(),
                other => panic!("a client was not admitted: {other:?}"),
            },
            Received::Connected { session, ticket, first: None } => return (session, ticket),
            other => panic!("{other:?} in an honest handshake"),
        };
        let event = client.handle(now_us, &mut answer);
        assert!(matches!(event, ClientEvent::Challenged | ClientEvent::Connected), "{event:?}");
    }
    panic!("the client gave up: {:?}", client.state());
}
