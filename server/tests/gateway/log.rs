//! What the operator of a gateway reads of its realms.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use throng_server::gateway::board::{News, RealmReport, RealmState, Vitals};

use crate::realms::{push, report};
use crate::support::{World, key_name, until};

/// All that this test program logs.
static LOGGED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn logged() -> MutexGuard<'static, Vec<u8>> {
    LOGGED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        logged().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The clock is the test's, so nobody waits ten seconds.
#[test]
fn a_realm_that_comes_drains_goes_silent_and_returns_is_a_line_each_time() {
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
    // A name of its own tells these lines from those of other tests, whose realms have the same number.
    let name = "Logbuch";
    let lines = || -> Vec<String> {
        let text = String::from_utf8(logged().clone()).expect("text");
        text.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
    };
    let world = World::new();
    let client = world.client();
    let say = |state| {
        world.pass_s(1);
        let said = report(world.now_ms());
        let said = RealmReport { vitals: Vitals { state, ..said.vitals }, name: name.to_owned(), ..said };
        let news = News { token_keys: vec![key_name(3)], ..News::default() };
        client.post("/v1/realm-status", None, &push(said, news)).expect(204);
    };
    let mut expected = 0;
    let mut told = |level: &str, words: &str| {
        expected += 1;
        let lines = lines();
        assert_eq!(lines.len(), expected, "{lines:?}");
        let last = lines.last().expect("a line");
        assert!(last.contains(level) && last.contains(words), "{level} {words}: {last}");
    };
    say(RealmState::Open);
    say(RealmState::Open);
    told("INFO", "is here");
    world.pass_s(11);
    until("the gateway's look at the silent", || lines().len() > 1);
    told("WARN", "it is offline");
    say(RealmState::Open);
    told("INFO", "is back");
    say(RealmState::Draining);
    say(RealmState::Draining);
    told("INFO", "drains");
    say(RealmState::Starting);
    told("INFO", "was started again");
    say(RealmState::Open);
    told("INFO", "lets players in");
    // Nobody asked for this one.
    say(RealmState::Starting);
    told("WARN", "was started again");
    world.pass_s(11);
    until("the gateway's look at the silent", || lines().len() > 7);
    told("WARN", "it is offline");
}
