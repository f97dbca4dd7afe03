//! Every route of the gateway's document, with bodies of the fuzzer's, through the router and the handlers themselves:
//! no socket, no TLS, a store in memory, passwords hashed with Argon2's least parameters.
//!
//! The script is a plan and a list of steps: a route, how it is asked, then a body with its length before it. A route
//! with a number in its path takes the body for that as well.

mod store;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::{Body, Bytes as BodyBytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Method, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::Value;
use throng_net::protocol::keys::{Entropy, SecretBytes};
use throng_net::protocol::token::{RealmKeys, RootKey, TokenBody, open};
use throng_server::gateway::api;
use throng_server::gateway::board::{Board, LocalRealm, Realm, RealmState, RealmStatus, RemoteRealm};
use throng_server::gateway::connection::Peer;
use throng_server::gateway::fuzzing::{ROUTES, parse_body};
use throng_server::gateway::passwords::Passwords;
use throng_server::gateway::refusal::Refusal;
use throng_server::gateway::secrets::{Token, decode, invite_hash};
use throng_server::gateway::state::{Gateway, Parts, Registration, Settings};
use throng_store::{
    AccountId, Ban, CharacterId, Credentials, Expiring, FamilyId, Name, NewAccount, NewCharacter, NewInvite,
    NewSession, Note, Reason, Role, Store,
};
use tower_service::Service as _;
use zeroize::Zeroizing;

use crate::bytes::Bytes;
use store::MemoryStore;

/// What there is to ask, in the order of the numbers in scripts. A test compares it with the document.
pub const OPERATIONS: [(&str, &str); 13] = [
    ("post", "/v1/register"),
    ("post", "/v1/login"),
    ("post", "/v1/refresh"),
    ("post", "/v1/logout"),
    ("post", "/v1/password"),
    ("get", "/v1/characters"),
    ("post", "/v1/characters"),
    ("delete", "/v1/characters/{id}"),
    ("post", "/v1/play"),
    ("get", "/v1/realms"),
    ("post", "/v1/realm-status"),
    ("get", "/v1/openapi.json"),
    ("get", "/healthz"),
];

/// Plan, low bits: everybody may register, or who has an invitation, or nobody.
pub const INVITE: u8 = 1;
/// Nobody may register.
pub const CLOSED: u8 = 2;
/// Plan: the realm is full.
pub const FULL: u8 = 4;
/// Plan: the realm is about to stop.
pub const DRAINING: u8 = 8;

/// How it is asked: without a session.
pub const STRANGER: u8 = 0;
/// As Ada, who has a character.
pub const ADA: u8 = 1;
/// As whoever was given an access token last in this script.
pub const NEWEST: u8 = 2;
/// With what is no token.
pub const NO_TOKEN: u8 = 3;
/// Added: what was given last stands for every `$` in the body: a refresh token, a ticket or a character.
pub const FILLED: u8 = 4;
/// Added: not as JSON.
pub const OTHER_TYPE: u8 = 8;
/// Added: from another network.
pub const AWAY: u8 = 0x10;
/// Added: after a while, 7 s or 20 minutes.
pub const LATER: u8 = 0x20;
/// Added: the longer while.
pub const MUCH_LATER: u8 = 0x40;

/// When every script begins, Unix ms.
pub const STARTED_MS: u64 = 1_800_000_000_000;
/// The realm in the gateway's process, and the one that pushes its status.
pub const HERE: u32 = 1;
/// The realm that pushes its status.
pub const ELSEWHERE: u32 = 2;
/// Of the account that is there; its name is Ada.
pub const PASSWORD: &str = "correct horse";
/// The code of an invitation that is good twice.
pub const CODE: &str = "code";
/// Ada's tokens are these bytes, 32 times.
pub const ACCESS: u8 = 1;
/// Ada's refresh token.
pub const REFRESH: u8 = 2;
/// Ada's character.
pub const CHARACTER: u64 = 5;

const STEPS_MAX: usize = 6;
/// Operations of the store that a request may take, and passwords that it may hash: bounded work, whatever is asked.
const STORE_CALLS_MAX: u32 = 6;
const HASHES_MAX: u64 = 3;
/// Times that a request may be polled: nothing here ever has to be waited for.
const POLLS_MAX: u32 = 16;
/// Bytes of an answer, but for the document: some tokens, or all of an account's characters.
const ANSWER_BYTES_MAX: usize = 8192;

/// What all scripts share.
struct World {
    store: MemoryStore,
    passwords: Arc<Passwords>,
    routes: Router<Arc<Gateway>>,
    realm_keys: [RealmKeys; 2],
    here: Arc<Ed25519KeyPair>,
    elsewhere: [u8; 32],
    /// By method and path: the statuses that the document names.
    documented: BTreeMap<(String, String), Vec<u16>>,
}

/// The key that a realm signs its status with.
///
/// # Panics
/// Never: any seed is a key.
pub fn signing_key(realm_id: u32) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[realm_id as u8; 32]).unwrap_or_else(|_| unreachable!("any seed"))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap_or_else(|error| unreachable!("{error}"))
}

/// The answer of something that has nothing to wait for.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..POLLS_MAX {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
    }
    panic!("a request waits for something");
}

fn done<T>(answer: throng_store::Answer<T>) -> T {
    ready(answer).unwrap_or_else(|error| unreachable!("{error}"))
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let passwords = Passwords::cheap().unwrap_or_else(|error| panic!("{error}"));
        let mut public = [0; 32];
        public.copy_from_slice(signing_key(ELSEWHERE).public_key().as_ref());
        let root = RootKey::new(3, SecretBytes::new([9; 32]));
        World {
            store: furnished(&passwords),
            passwords: Arc::new(passwords),
            routes: api::routes(),
            realm_keys: [HERE, ELSEWHERE].map(|realm_id| {
                RealmKeys::new([root.realm_key(realm_id)]).unwrap_or_else(|_| unreachable!("one key"))
            }),
            here: Arc::new(signing_key(HERE)),
            elsewhere: public,
            documented: documented(),
        }
    })
}

/// Ada, logged in and with a character; Bob, who is banned; an invitation.
fn furnished(passwords: &Passwords) -> MemoryStore {
    let (store, now_ms) = (MemoryStore::default(), STARTED_MS.cast_signed());
    for (number, who) in [(1, "Ada"), (2, "Bob")] {
        let Some(id) = AccountId::new(number) else { unreachable!("not zero") };
        let hash = ready(passwords.hash(Zeroizing::new(PASSWORD.to_owned())));
        let password = Some(hash.unwrap_or_else(|error| unreachable!("{error}")));
        let (email, invite, role) = (None, None, Role::Player);
        done(store.create_account(NewAccount { id, name: name(who), password, email, role, invite, now_ms }));
    }
    let (Some(ada), Some(bob)) = (AccountId::new(1), AccountId::new(2)) else { unreachable!("not zero") };
    let Some(character) = CharacterId::new(CHARACTER) else { unreachable!("not zero") };
    let Ok(reason) = Reason::new("spam") else { unreachable!("a short reason") };
    let Ok(note) = Note::new("friends") else { unreachable!("a short note") };
    done(store.ban(bob, Ban { until_ms: None, reason }));
    done(store.create_character(NewCharacter { id: character, account: ada, name: name("Grim"), now_ms }));
    let expiring =
        |byte, after_ms| Expiring { hash: Token::new([byte; 32]).hash(), expires_ms: now_ms + after_ms };
    done(store.create_session(NewSession {
        account: ada,
        family: FamilyId([1; 16]),
        access: expiring(ACCESS, 900_000),
        refresh: Some(expiring(REFRESH, 86_400_000)),
        device: None,
        version: None,
        now_ms,
    }));
    done(store.create_invite(NewInvite { code: invite_hash(CODE), uses: 2, expires_ms: None, note, now_ms }));
    store
}

fn documented() -> BTreeMap<(String, String), Vec<u16>> {
    let document = serde_json::to_value(api::document()).unwrap_or_else(|error| panic!("{error}"));
    let entries = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut documented = BTreeMap::new();
    for (path, item) in entries(&document["paths"]) {
        for (method, operation) in entries(&item) {
            let statuses =
                entries(&operation["responses"]).keys().filter_map(|key| key.parse().ok()).collect();
            documented.insert((method, path.clone()), statuses);
        }
    }
    documented
}

/// The operations of the document, by method and path: [`OPERATIONS`] in another order.
pub fn documented_operations() -> Vec<(String, String)> {
    documented().into_keys().collect()
}

/// What was given to whoever asked, for later steps.
#[derive(Default)]
struct Given {
    access: Option<String>,
    /// A refresh token, a ticket or a character.
    last: String,
}

struct Run {
    store: Arc<MemoryStore>,
    gateway: Arc<Gateway>,
    router: Router,
    clock: Arc<AtomicU64>,
    given: Given,
}

impl Run {
    fn new(plan: u8) -> Self {
        let world = world();
        let (store, clock) = (Arc::new(world.store.clone()), Arc::new(AtomicU64::new(STARTED_MS)));
        let status = RealmStatus::new(10);
        status.set_population(if plan & FULL == 0 { 3 } else { 10 });
        status.set_state(if plan & DRAINING == 0 { RealmState::Open } else { RealmState::Draining });
        let here = LocalRealm {
            id: HERE,
            name: "Here".to_owned(),
            address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7777)),
            public_address: None,
            status: Arc::new(status),
            key: Arc::clone(&world.here),
        };
        let elsewhere = RemoteRealm::new(ELSEWHERE, world.elsewhere);
        let registration = match plan & 3 {
            INVITE => Registration::Invite,
            CLOSED => Registration::Closed,
            _ => Registration::Open,
        };
        let now = Arc::clone(&clock);
        let gateway = Gateway::new(Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            credentials: Arc::clone(&store) as Arc<dyn Credentials>,
            passwords: Arc::clone(&world.passwords),
            board: Board::new([Realm::Local(here), Realm::Remote(elsewhere)])
                .unwrap_or_else(|error| unreachable!("{error}")),
            settings: Settings { registration, protocol_hash: 7, admit_per_s: 100 },
            clock: Arc::new(move || now.load(Ordering::Relaxed)),
            entropy: Entropy::new(&[7; 32].into()),
            ticket_secret: SecretBytes::new([8; 32]),
        });
        world.realm_keys.iter().for_each(|keys| gateway.set_realm_keys(keys.clone()));
        let router = api::served(world.routes.clone(), Arc::clone(&gateway));
        Self { store, gateway, router, clock, given: Given::default() }
    }

    fn step(&mut self, operation: usize, how: u8, body: &[u8]) {
        let (method, template) = OPERATIONS[operation];
        let body = if how & FILLED == 0 { body.to_vec() } else { filled(body, &self.given.last) };
        let Some(path) = path(template, &body) else { return };
        let wait_ms = [0, 7_000, 0, 1_200_000][usize::from(how >> 5 & 3)];
        self.clock.fetch_add(wait_ms, Ordering::Relaxed);

        let is_json = how & OTHER_TYPE == 0;
        let kind = if is_json { "application/json; charset=utf-8" } else { "text/plain" };
        let mut request = Request::new(Body::from(body.clone()));
        *request.uri_mut() = path;
        *request.method_mut() = match method {
            "get" => Method::GET,
            "post" => Method::POST,
            _ => Method::DELETE,
        };
        let headers = request.headers_mut();
        let header = |text: String| text.parse().unwrap_or_else(|_| unreachable!("plain ASCII"));
        headers.insert(CONTENT_TYPE, header(kind.to_owned()));
        let token = match how & 3 {
            ADA => Some(throng_server::gateway::secrets::encode(&[ACCESS; 32])),
            NEWEST => self.given.access.clone(),
            NO_TOKEN => Some("no token".to_owned()),
            _ => None,
        };
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, header(format!("Bearer {token}")));
        }
        let local = IpAddr::from([192, 0, 2, 1]);
        let address = IpAddr::from(if how & AWAY == 0 { [198, 51, 100, 1] } else { [203, 0, 113, 1] });
        request.extensions_mut().insert(Peer { address, local });

        let (hashes, changes) = (self.gateway.passwords.argon2_calls(), self.store.changes());
        let Ok(response) = ready(self.router.call(request));
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).map(|value| value.to_str().map(str::to_owned));
        let collected = ready(response.into_body().collect());
        let answer = collected.unwrap_or_else(|error| panic!("half an answer: {error}")).to_bytes();

        let calls = self.store.take_calls();
        assert!(calls <= STORE_CALLS_MAX, "{calls} operations of the store for {method} {template}");
        let hashes = self.gateway.passwords.argon2_calls() - hashes;
        assert!(hashes <= HASHES_MAX, "{hashes} passwords hashed for {method} {template}");
        let is_text = template == "/v1/openapi.json";
        assert!(answer.len() <= ANSWER_BYTES_MAX || is_text, "an answer of {} bytes", answer.len());
        let told: Value = match answer.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("no JSON: {error}")),
        };
        if status.is_success() {
            self.granted(method, template, status, &told);
        } else {
            let why = refused(status, &told, retry_after.and_then(Result::ok));
            // A refresh token that comes twice ends its login, and that is kept. So is a stronger hash of a right password,
            // whoever's it is.
            let may_change = template == "/v1/refresh" || template == "/v1/login" && why == Refusal::Banned;
            assert!(
                self.store.changes() == changes || may_change,
                "{why:?} of {method} {template} changed something"
            );
            self.expected(method, template, status, why, is_json, &body);
        }
    }

    /// A refusal is one that the document names, or one that every body can earn; and ours is never the fault.
    fn expected(
        &self,
        method: &str,
        path: &str,
        status: StatusCode,
        why: Refusal,
        is_json: bool,
        body: &[u8],
    ) {
        let world = world();
        let route = ROUTES.iter().position(|(own, _)| *own == path && method == "post");
        let of_bodies = [Refusal::BodyMalformed, Refusal::BodyTooLarge, Refusal::ContentType];
        let named = &world.documented[&(method.to_owned(), path.to_owned())];
        let is_named = named.contains(&status.as_u16()) || route.is_some() && of_bodies.contains(&why);
        assert!(is_named && why != Refusal::Internal, "{status} {why:?} for {method} {path}");
        let never = [Refusal::StoreBusy, Refusal::StoreFull, Refusal::StoreDown, Refusal::PasswordsBusy];
        assert!(!never.contains(&why), "{why:?} without a reason");
        // Whoever needs a session is asked for it first.
        if let Some(route) = route.filter(|_| why != Refusal::SessionInvalid) {
            let fault = [Refusal::BodyMalformed, Refusal::BodyTooLarge].contains(&why);
            assert_eq!(is_json && fault, is_json && !parse_body(route, body), "{why:?} for {path}");
            assert_eq!(!is_json, why == Refusal::ContentType);
        }
    }

    fn granted(&mut self, method: &str, path: &str, status: StatusCode, told: &Value) {
        let named = &world().documented[&(method.to_owned(), path.to_owned())];
        assert!(named.contains(&status.as_u16()), "{status} for {method} {path}");
        assert_eq!(told.is_null(), status == StatusCode::NO_CONTENT);
        let text = |field: &str| told[field].as_str().map(str::to_owned);
        if let (Some(access), Some(refresh)) = (text("access_token"), text("refresh_token")) {
            assert!(Token::parse(&access).is_some() && Token::parse(&refresh).is_some());
            (self.given.access, self.given.last) = (Some(access), refresh);
        } else if let Some(ticket) = text("ticket").or_else(|| text("id")) {
            self.given.last = ticket;
        } else if let Some(token) = text("token") {
            // What leaves here opens at the realm that it is for.
            let token = decode(&token).unwrap_or_else(|| panic!("no token of 328 bytes: {told}"));
            let mut bodies = world().realm_keys.iter().filter_map(|keys| open(&token, keys.current()).ok());
            let is_sound = |body: TokenBody| body.session_epoch > 0 && body.client_public != [0; 32];
            assert!(bodies.next().is_some_and(is_sound) && bodies.next().is_none());
        }
    }
}

/// The path, where that can be asked for at all.
fn path(template: &str, body: &[u8]) -> Option<Uri> {
    let Some(prefix) = template.strip_suffix("{id}") else { return template.parse().ok() };
    let path = [prefix.as_bytes(), body].concat();
    // An empty one, or one with more parts, is another route's.
    let rest = path.get(prefix.len()..)?;
    let is_part = !rest.is_empty() && !rest.iter().any(|byte| b"/?#".contains(byte));
    Uri::from_maybe_shared(BodyBytes::from(path)).ok().filter(|_| is_part)
}

/// The body with what was given last for every `$`, as far as the first eight.
fn filled(body: &[u8], given: &str) -> Vec<u8> {
    let mut parts = body.splitn(9, |&byte| byte == b'$');
    let mut whole = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        whole.extend_from_slice(given.as_bytes());
        whole.extend_from_slice(part);
    }
    whole
}

/// Why it was refused, by an answer in the one form that refusals have.
fn refused(status: StatusCode, told: &Value, retry_after: Option<String>) -> Refusal {
    let error = &told["error"];
    let code = error["code"].as_str().unwrap_or_else(|| panic!("{status} without a code: {told}"));
    let why = Refusal::ALL.into_iter().find(|why| why.code() == code);
    let why = why.unwrap_or_else(|| panic!("an unknown code: {told}"));
    assert_eq!(why.status(), status, "{told}");
    let message = error["message"].as_str().unwrap_or_else(|| panic!("no message: {told}"));
    assert!((1..=400).contains(&message.len()) && !message.chars().any(char::is_control), "{message:?}");
    assert_eq!(retry_after, error.get("retry_after_s").map(Value::to_string), "header and body agree");
    let known = ["code", "message", "retry_after_s", "until_ms"];
    assert!(error.as_object().is_some_and(|error| error.keys().all(|key| known.contains(&key.as_str()))));
    why
}

/// Runs a script; panics if a request is more than answered.
pub fn run(data: &[u8]) {
    let mut script = Bytes(data);
    let mut run = Run::new(script.byte());
    for _ in 0..STEPS_MAX {
        let Some(operation) = script.next() else { break };
        let how = script.byte();
        run.step(usize::from(operation) % OPERATIONS.len(), how, script.run());
    }
}
