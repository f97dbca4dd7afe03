//! A herd that comes back, seen from inside: what it must not cost.

use std::sync::atomic::AtomicBool;

use throng_server::gateway::secrets::{Token, encode};
use throng_store::{AccountId, BulkAccount, CharacterId, FamilyId, Name, Store as _};
use throng_tools::storm::{self, Attack, ReconnectStorm, Session, Storm, Target};

use crate::support::{HERE, World};

/// Fewer than go into a realm in the first second: the clock of these tests stands still, and a line with it.
const PLAYERS: u32 = 60;

#[test]
fn who_comes_back_costs_no_password_hash() {
    let world = World::new();
    world.status.set_capacity(PLAYERS);
    let mut tokens = String::new();
    let bulk = (1..=PLAYERS).map(|number| {
        let name = Name::new(&format!("player{number}")).expect("a name");
        let token = [number as u8; 32];
        tokens += &format!("{}\n", encode(&token));
        BulkAccount {
            account: AccountId::new(u64::from(number)).expect("an id"),
            character: CharacterId::new(u64::from(number)).expect("an id"),
            character_name: name.clone(),
            name,
            family: FamilyId([number as u8; 16]),
            access: Token::new(token).hash(),
        }
    });
    let now_ms = world.now_ms() as i64;
    world.wait(world.store.create_accounts_bulk(bulk.collect(), now_ms + 60_000, now_ms));

    let certificate = std::fs::read(world.folder.path().join("tls/cert.pem")).expect("written");
    let storm = Storm {
        target: Target::new(&format!("https://{}", world.address()), &certificate).expect("a gateway here"),
        attack: Attack::Reconnect(ReconnectStorm {
            sessions: Session::read(&tokens).expect("tokens"),
            realm_id: HERE,
            sockets_max: 20,
        }),
        honest: None,
        seconds: 120,
        pid: None,
        seed: 1,
    };
    let report = storm::run(storm, &AtomicBool::new(false)).expect("a storm").reconnect.expect("a report");
    assert_eq!((report.through, report.failed.len()), (u64::from(PLAYERS), 0), "{report:?}");
    assert_eq!(world.counter("connect_tokens_minted"), u64::from(PLAYERS));
    assert_eq!(world.gateway().passwords.argon2_calls(), 0);
}
