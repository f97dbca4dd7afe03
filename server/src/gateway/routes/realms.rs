//! The list of realms, and how realms elsewhere keep their lines in it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use ring::signature::Ed25519KeyPair;
use serde::{Deserialize, Serialize};
use throng_net::limits::REALM_KEYS_MAX;
use throng_net::protocol::token::KeyName;
use utoipa::ToSchema;

use crate::gateway::api::Json;
use crate::gateway::board::{
    Kick, Listing, News, RealmReport, RealmState, SignedReport, StatusFault, Vitals,
};
use crate::gateway::connection::Peer;
use crate::gateway::limits;
use crate::gateway::refusal::{ApiError, ApiResult, ErrorBody, Refusal};
use crate::gateway::secrets::{decode, encode};
use crate::gateway::state::Gateway;

/// How full a realm is, for people. Follows from population and capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// Less than half.
    Low,
    /// Less than four fifths.
    Medium,
    /// Some room left.
    High,
    /// None: who wants in waits in the queue.
    Full,
}

impl Load {
    /// Of these numbers.
    pub fn of(vitals: &Vitals) -> Self {
        let (population, capacity) = (u64::from(vitals.population), u64::from(vitals.capacity));
        if population >= capacity {
            Self::Full
        } else if population * 5 >= capacity * 4 {
            Self::High
        } else if population * 2 >= capacity {
            Self::Medium
        } else {
            Self::Low
        }
    }
}

/// A realm as it describes itself. `signature` is Ed25519 by `public_key` over `throng realm 1`, then id u32, as_of_ms
/// u64, population u32, capacity u32, tick_p99_us u32, state u8 (0 open, 1 draining, 2 starting), and name and address each as a
/// u16 length and its UTF-8 bytes; numbers little-endian.
#[derive(Serialize, ToSchema)]
pub struct RealmBody {
    /// What `play` is told.
    id: u32,
    /// What players call it.
    name: String,
    /// Where it is: host and UDP port.
    #[schema(example = "play.example.org:7777")]
    address: String,
    /// Players now.
    population: u32,
    /// Players at most.
    capacity: u32,
    /// Microseconds in which 99 of 100 ticks were computed.
    tick_p99_us: u32,
    /// Whether it lets players in.
    state: RealmState,
    /// When all this was so, Unix ms.
    as_of_ms: u64,
    /// The realm's key, 32 bytes in base64url. Remember it: it stays the same.
    public_key: String,
    /// 64 bytes in base64url.
    signature: String,
    /// How full it is; not signed, for it follows from what is.
    load: Load,
    /// Whether the gateway has heard of it lately; not signed.
    online: bool,
}

impl From<Listing> for RealmBody {
    fn from(listing: Listing) -> Self {
        let Listing { signed: SignedReport { report, public_key, signature }, is_online } = listing;
        Self {
            id: report.realm_id,
            population: report.vitals.population,
            capacity: report.vitals.capacity,
            tick_p99_us: report.vitals.tick_p99_us,
            state: report.vitals.state,
            as_of_ms: report.as_of_ms,
            public_key: encode(&public_key),
            signature: encode(&signature),
            load: Load::of(&report.vitals),
            online: is_online,
            name: report.name,
            address: report.address,
        }
    }
}

/// All realms that were ever heard of.
#[derive(Serialize, ToSchema)]
pub struct RealmsBody {
    /// By id.
    realms: Vec<RealmBody>,
}

/// What a realm in another process pushes, about once a second. `signature` is that of a listing. `push_signature` is by
/// the same key over `throng push 1`, then the bytes that `signature` is over, kicks_heard u64, and token_keys and arrived
/// each as a u16 number of entries and these, u16 with 8 bytes and u64; numbers little-endian.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusPush {
    /// Which realm.
    id: u32,
    /// What players call it, at most 64 bytes.
    name: String,
    /// Where it is: host and UDP port, at most 260 bytes.
    address: String,
    /// Players now.
    population: u32,
    /// Players at most.
    capacity: u32,
    /// Microseconds in which 99 of 100 ticks were computed.
    tick_p99_us: u32,
    /// Whether it lets players in.
    state: RealmState,
    /// When all this was so, Unix ms: later than in the push before, and within 5 s of the gateway's clock.
    as_of_ms: u64,
    /// 64 bytes in base64url, over the same bytes as in a listing, which shows it to everybody.
    signature: String,
    /// 64 bytes in base64url, over all fields. It is shown to nobody.
    push_signature: String,
    /// The keys that the realm opens connect tokens with: it is sent no others.
    #[schema(min_items = 1, max_items = 8)]
    token_keys: Vec<TokenKeyBody>,
    /// Accounts that have entered since the last push that was answered, decimal: no seat is held for them any longer.
    #[serde(default)]
    #[schema(max_items = 500)]
    arrived: Vec<String>,
    /// The number of the last kick that was heard of, 0 before the first.
    #[serde(default)]
    kicks_heard: u64,
}

/// A key for connect tokens. Every gateway numbers its keys from 1, so it has to agree in both.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenKeyBody {
    /// Its number.
    id: u16,
    /// 8 bytes in base64url: the first of HKDF-SHA-256 of the key without a salt, with the info `throng key fingerprint 1`.
    fingerprint: String,
}

/// Whom the realm is to put out. It says with the next push up to which number it has heard.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Kicks {
    /// The earliest first.
    pub kicks: Vec<KickBody>,
}

/// An account whose sessions end.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct KickBody {
    /// Grows from one to the next.
    pub number: u64,
    /// Whose, decimal.
    #[schema(example = "1234567890123456789")]
    pub account: String,
}

impl StatusPush {
    /// The push of a status with all that goes with it, signed with the realm's key.
    pub fn new(status: SignedReport, news: News, key: &Ed25519KeyPair) -> Self {
        let push_signature = news.sign(&status.report, key);
        let SignedReport { report, signature, .. } = status;
        Self {
            id: report.realm_id,
            population: report.vitals.population,
            capacity: report.vitals.capacity,
            tick_p99_us: report.vitals.tick_p99_us,
            state: report.vitals.state,
            as_of_ms: report.as_of_ms,
            signature: encode(&signature),
            push_signature: encode(&push_signature),
            name: report.name,
            address: report.address,
            token_keys: news
                .token_keys
                .iter()
                .map(|key| TokenKeyBody { id: key.key_id, fingerprint: encode(&key.fingerprint) })
                .collect(),
            arrived: news.arrived.iter().map(u64::to_string).collect(),
            kicks_heard: news.kicks_heard,
        }
    }
}

/// The server browser's list.
#[utoipa::path(get, path = "/v1/realms", tag = "realms", responses((status = 200, body = RealmsBody)))]
pub async fn list(State(gateway): State<Arc<Gateway>>, peer: Peer) -> axum::Json<RealmsBody> {
    let realms = gateway.board.listings(peer.local, gateway.now_ms()).map(RealmBody::from).collect();
    axum::Json(RealmsBody { realms })
}

/// For realms in other processes: their numbers and what else the gateway needs, signed. They learn whom to put out.
#[utoipa::path(post, path = "/v1/realm-status", tag = "realms", request_body = StatusPush, responses(
    (status = 200, body = Kicks, description = "listed, and there is somebody to put out"),
    (status = 204, description = "listed"),
    (status = 401, body = ErrorBody, description = "status_unsigned"),
    (status = 409, body = ErrorBody, description = "status_stale"),
    (status = 422, body = ErrorBody, description = "field_invalid")))]
pub async fn push_status(
    State(gateway): State<Arc<Gateway>>,
    Json(body): Json<StatusPush>,
) -> ApiResult<Response> {
    let realm_id = body.id;
    let arrived: Option<Vec<u64>> = body.arrived.iter().map(|account| account.parse().ok()).collect();
    let arrived = arrived.filter(|arrived| arrived.len() <= limits::ARRIVED_MAX).ok_or_else(|| {
        ApiError::from(Refusal::FieldInvalid).saying("arrived has at most 500 accounts, decimal numbers")
    })?;
    let name = |key: &TokenKeyBody| Some(KeyName { key_id: key.id, fingerprint: decode(&key.fingerprint)? });
    let token_keys: Option<Vec<KeyName>> = body.token_keys.iter().map(name).collect();
    let token_keys =
        token_keys.filter(|keys| (1..=REALM_KEYS_MAX).contains(&keys.len())).ok_or_else(|| {
            ApiError::from(Refusal::FieldInvalid).saying(
                "token_keys has 1 to 8 keys, each with an id and a fingerprint of 8 bytes in base64url",
            )
        })?;
    let news = News { kicks_heard: body.kicks_heard, token_keys, arrived };
    let signature = decode(&body.signature).ok_or(Refusal::StatusUnsigned)?;
    let push_signature = decode(&body.push_signature).ok_or(Refusal::StatusUnsigned)?;
    let report = RealmReport {
        realm_id: body.id,
        as_of_ms: body.as_of_ms,
        vitals: Vitals {
            population: body.population,
            capacity: body.capacity,
            tick_p99_us: body.tick_p99_us,
            state: body.state,
        },
        name: body.name,
        address: body.address,
    };
    let pushed = gateway.board.push(gateway.now_ms(), report, signature, &news, &push_signature);
    pushed.map_err(|fault| match fault {
        StatusFault::Unsigned => Refusal::StatusUnsigned.into(),
        StatusFault::Stale => Refusal::StatusStale.into(),
        StatusFault::Unpresentable => ApiError::from(Refusal::FieldInvalid)
            .saying("name has 1 to 64 printable bytes, address is a host and a port"),
    })?;
    gateway.counters.realm_statuses.add(1);
    gateway.tell_of(realm_id);
    gateway.queue(realm_id, |queue| news.arrived.iter().for_each(|&account| queue.arrived(account)));
    let kicks = gateway.board.kicks(realm_id, news.kicks_heard);
    if kicks.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let body = |Kick { number, account }| KickBody { number, account: account.to_string() };
    Ok(axum::Json(Kicks { kicks: kicks.into_iter().map(body).collect() }).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_follows_from_the_numbers() {
        let load = |population, capacity| {
            Load::of(&Vitals { population, capacity, tick_p99_us: 0, state: RealmState::Open })
        };
        assert_eq!(load(0, 10), Load::Low);
        assert_eq!(load(4, 10), Load::Low);
        assert_eq!(load(5, 10), Load::Medium);
        assert_eq!(load(8, 10), Load::High);
        assert_eq!(load(9, 10), Load::High);
        assert_eq!(load(10, 10), Load::Full);
        assert_eq!(load(u32::MAX, u32::MAX), Load::Full);
        assert_eq!(load(0, 0), Load::Full, "a realm for nobody has no room");
    }
}
