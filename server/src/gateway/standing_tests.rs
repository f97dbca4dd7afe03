use ring::signature::{Ed25519KeyPair, KeyPair as _};
use throng_net::protocol::token::KeyName;

use super::*;
use crate::gateway::board::{News, Realm, RealmReport, RemoteRealm, SignedReport, Vitals};

const START_MS: u64 = 1_800_000_000_000;
const SILENT_MS: u64 = limits::STATUS_MAX_AGE_MS + 1;

/// A board with realm 7 on it, and what was told of it.
struct Stage {
    key: Ed25519KeyPair,
    board: Board,
    standings: Standings,
    now_ms: u64,
}

impl Stage {
    fn new() -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("any seed is a key");
        let public = key.public_key().as_ref().try_into().expect("32 bytes");
        let board = Board::new([Realm::Remote(RemoteRealm::new(7, public))]).expect("one realm");
        let standings = Standings::new(board.elsewhere());
        Self { key, board, standings, now_ms: START_MS }
    }

    /// The lines of the next second, in which the realm says this; none: it says nothing.
    fn second(&mut self, said: Option<RealmState>) -> Vec<String> {
        self.now_ms += 1000;
        if let Some(state) = said {
            let report = RealmReport {
                realm_id: 7,
                as_of_ms: self.now_ms,
                vitals: Vitals { population: 3, capacity: 9, tick_p99_us: 4500, state },
                name: "Höhle".to_owned(),
                address: "play.example.org:7777".to_owned(),
            };
            let token_keys = vec![KeyName { key_id: 1, fingerprint: [1; 8] }];
            let news = News { token_keys, ..News::default() };
            let push_signature = news.sign(&report, &self.key);
            let SignedReport { report, signature, .. } = report.sign(&self.key);
            self.board.push(self.now_ms, report, signature, &news, &push_signature).expect("taken");
        }
        self.look()
    }

    fn look(&self) -> Vec<String> {
        // Twice, as after a push and by the chore: the second look has nothing to tell.
        let look = || self.standings.look(&self.board, 7, self.now_ms);
        [look(), look()].into_iter().flatten().map(|change| change.to_string()).collect()
    }

    fn silence(&mut self) -> Vec<String> {
        self.now_ms += SILENT_MS;
        self.look()
    }
}

#[test]
fn each_change_is_one_line() {
    let mut stage = Stage::new();
    let (open, draining) = (Some(RealmState::Open), Some(RealmState::Draining));
    assert_eq!(stage.second(None), [""; 0], "what was never heard of is told at the start");
    assert_eq!(
        stage.second(open),
        ["realm 7, \"Höhle\", is here: players are sent to play.example.org:7777"]
    );
    for _ in 0..60 {
        assert_eq!(stage.second(open), [""; 0]);
    }
    for _ in 0..9 {
        assert_eq!(stage.second(None), [""; 0], "some may be lost");
    }
    assert_eq!(stage.second(open), [""; 0]);

    let [silent] = &stage.silence()[..] else { panic!("one line") };
    assert!(silent.contains("realm 7") && silent.contains("for 10 s") && silent.contains("the log there"));
    assert_eq!(stage.silence(), [""; 0]);
    assert_eq!(
        stage.second(open),
        ["realm 7, \"Höhle\", is back: players are sent to play.example.org:7777"]
    );

    assert_eq!(stage.second(draining), ["realm 7, \"Höhle\", drains: nobody else is let in"]);
    assert_eq!(stage.second(draining), [""; 0]);
    assert_eq!(stage.second(open), ["realm 7, \"Höhle\", lets players in again"]);
    stage.second(draining);
    assert_eq!(
        stage.silence(),
        ["realm 7, \"Höhle\", which was draining, has not been heard of for 10 s: it is offline"]
    );
    assert_eq!(stage.second(draining), ["realm 7, \"Höhle\", is back, and drains: nobody is let in"]);
}

#[test]
fn a_realm_that_starts_lets_nobody_in_yet() {
    let mut stage = Stage::new();
    let (starting, open) = (Some(RealmState::Starting), Some(RealmState::Open));
    assert_eq!(stage.second(starting), ["realm 7, \"Höhle\", is here, and lets players in within 10 s"]);
    let opens = ["realm 7, \"Höhle\", lets players in: they are sent to play.example.org:7777"];
    assert_eq!(stage.second(open), opens);
    let [again] = &stage.second(starting)[..] else { panic!("one line") };
    assert!(again.contains("was started again"), "{again}");
    assert_eq!(stage.second(open), opens);
    stage.silence();
    assert_eq!(stage.second(starting), ["realm 7, \"Höhle\", is back, and lets players in within 10 s"]);
    let [silent] = &stage.silence()[..] else { panic!("one line") };
    assert!(silent.contains("the log there"), "one that always fails as it starts: {silent}");
}

#[test]
fn a_realm_may_be_draining_when_it_is_first_heard_of() {
    let mut stage = Stage::new();
    let told = stage.second(Some(RealmState::Draining));
    assert_eq!(told, ["realm 7, \"Höhle\", is here, and drains: nobody is let in"]);
    assert!(stage.standings.look(&stage.board, 8, stage.now_ms).is_none(), "no realm of this gateway");
}
