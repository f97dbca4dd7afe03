use proptest::prelude::*;

use super::*;

const START_MS: u64 = 1_700_000_000_000;

fn queue(admit_per_s: u32) -> Queue {
    Queue::new(7, admit_per_s, TicketKey::new(&[7; 32]))
}

fn room(free: u32) -> Room {
    Room { capacity: 1000, population: 1000 - free, is_open: true }
}

fn wait(turn: Turn) -> (String, u32, u64) {
    match turn {
        Turn::Wait { ticket, position, retry_after_ms } => (ticket, position, u64::from(retry_after_ms)),
        other => panic!("expected to wait, but: {other:?}"),
    }
}

#[test]
fn with_room_nobody_waits() {
    let mut queue = queue(100);
    for account in 1..=100 {
        assert_eq!(queue.ask(START_MS, room(1000), account, None), Turn::Admitted);
    }
    assert_eq!(queue.waiting(), 0);
    let (_, position, _) = wait(queue.ask(START_MS, room(1000), 101, None));
    assert_eq!(position, 1, "the rate holds although there is room");
}

#[test]
fn seats_are_held_until_somebody_sits_or_does_not_come() {
    let mut queue = queue(100);
    assert_eq!(queue.ask(START_MS, room(2), 1, None), Turn::Admitted);
    assert_eq!(queue.ask(START_MS, room(2), 2, None), Turn::Admitted);
    assert_eq!(queue.ask(START_MS + 5, room(2), 2, None), Turn::Admitted, "the answer may have been lost");
    assert_eq!(queue.counters().admitted, 2, "which is not another admission");
    let (ticket, ..) = wait(queue.ask(START_MS, room(2), 3, None));
    // One of the two has come: the population says so, and the seat is not counted twice.
    queue.arrived(1);
    let (ticket, ..) = wait(queue.ask(START_MS + 3000, room(1), 3, Some(&ticket)));
    // The other never does.
    let later = START_MS + SEAT_HELD_MS;
    let (mut ticket, _, mut retry_ms) = wait(queue.ask(later - 1, room(1), 3, Some(&ticket)));
    let mut now_ms = later + retry_ms;
    for _ in 0..3 {
        match queue.ask(now_ms, room(1), 3, Some(&ticket)) {
            Turn::Admitted => return,
            turn => (ticket, _, retry_ms) = wait(turn),
        }
        now_ms += retry_ms;
    }
    panic!("the seat was never free again");
}

#[test]
fn a_clock_that_is_set_back_holds_no_seat_and_no_call_for_those_who_do_not_come() {
    let mut queue = queue(100);
    let wrong_ms = START_MS + 3_600_000;
    // One was admitted, one was called, and neither comes.
    assert_eq!(queue.ask(wrong_ms, room(1), 1, None), Turn::Admitted);
    wait(queue.ask(wrong_ms, room(1), 2, None));
    let (mut ticket, ..) = wait(queue.ask(wrong_ms + 1000, room(1), 3, None));
    wait(queue.ask(wrong_ms + 1000 + CALL_EVERY_MS, room(2), 3, Some(&ticket)));
    // By the right clock there is room for one, after the others' times at the latest.
    for step in 0..40 {
        match queue.ask(START_MS + step * RETRY_MIN_MS, room(1), 3, Some(&ticket)) {
            Turn::Admitted => return,
            turn => ticket = wait(turn).0,
        }
    }
    panic!("what the wrong clock held is held for an hour: {queue:?}");
}

#[test]
fn a_closed_realm_admits_nobody() {
    let mut queue = queue(100);
    let closed = Room { is_open: false, ..room(1000) };
    let mut ticket = None;
    for step in 0..20 {
        ticket = Some(wait(queue.ask(START_MS + step * 3000, closed, 1, ticket.as_deref())).0);
    }
    let (_, position, _) = wait(queue.ask(START_MS + 60_000, closed, 2, None));
    assert_eq!(position, 2);
}

#[test]
fn a_place_survives_a_disconnect_of_five_minutes_and_no_longer() {
    for (away_ms, expected) in [(PLACE_KEPT_MS - 1, 1), (PLACE_KEPT_MS, 2)] {
        let mut queue = queue(100);
        let (ticket, position, _) = wait(queue.ask(START_MS, room(0), 1, None));
        assert_eq!(position, 1);
        let mut other = wait(queue.ask(START_MS + 1, room(0), 2, None)).0;
        for step in 1..=6 {
            other = wait(queue.ask(START_MS + step * 50_000 - 10, room(0), 2, Some(&other))).0;
        }
        // The process's own memory of the place is a second or a retry longer than the ticket; a restart has none.
        let mut restarted = tests::queue(100);
        wait(restarted.ask(START_MS + away_ms, room(0), 2, Some(&other)));
        let (_, position, _) = wait(restarted.ask(START_MS + away_ms, room(0), 1, Some(&ticket)));
        assert_eq!(position, expected, "after {away_ms} ms");
    }
}

#[test]
fn who_is_away_is_passed_over_and_keeps_the_place() {
    let mut queue = queue(100);
    let (away, ..) = wait(queue.ask(START_MS, room(0), 1, None));
    let (mut here, position, _) = wait(queue.ask(START_MS + 1, room(0), 2, None));
    assert_eq!(position, 2);
    for step in 1..=20 {
        here = wait(queue.ask(START_MS + step * 3000, room(0), 2, Some(&here))).0;
    }
    // One seat: it goes to the one who asks. The call comes with an ask, the answer with the next.
    let now_ms = START_MS + 63_000;
    assert_eq!(queue.ask(now_ms, room(1), 2, Some(&here)), Turn::Admitted);
    queue.arrived(2);
    let (again, position, retry_ms) = wait(queue.ask(now_ms + 1000, room(0), 1, Some(&away)));
    assert_eq!(position, 1, "at the front still");
    assert_eq!(queue.ask(now_ms + 1000 + retry_ms, room(1), 1, Some(&again)), Turn::Admitted);
}

#[test]
fn a_call_that_nobody_answers_goes_to_the_next() {
    let mut queue = queue(100);
    let (_, _, retry_ms) = wait(queue.ask(START_MS, room(0), 1, None));
    let (second, ..) = wait(queue.ask(START_MS + 1, room(0), 2, None));
    // The first is called and does not come; nobody else can have the seat meanwhile.
    let (second, ..) = wait(queue.ask(START_MS + 1000, room(1), 2, Some(&second)));
    let (second, ..) = wait(queue.ask(START_MS + retry_ms + 5000, room(1), 2, Some(&second)));
    let late_ms = START_MS + retry_ms + 2 * LATE_MS + 2000;
    let turn = queue.ask(late_ms, room(1), 2, Some(&second));
    assert_eq!((turn, queue.counters().missed), (Turn::Admitted, 1));
}

#[test]
fn a_used_ticket_goes_to_the_back() {
    let mut queue = queue(100);
    let (first, _, retry_ms) = wait(queue.ask(START_MS, room(0), 1, None));
    let now_ms = START_MS + retry_ms;
    assert_eq!(queue.ask(now_ms, room(1), 1, Some(&first)), Turn::Admitted);
    queue.arrived(1);
    let _ = wait(queue.ask(now_ms + 10, room(0), 2, None));
    let (_, position, _) = wait(queue.ask(now_ms + 20, room(0), 1, Some(&first)));
    assert_eq!((position, queue.counters().tickets_refused), (2, 1));
}

#[test]
fn tickets_of_others_and_of_other_realms_are_worth_nothing() {
    let mut before = queue(100);
    let (ticket, ..) = wait(before.ask(START_MS, room(0), 1, None));
    let (foreign, ..) = wait(Queue::new(8, 100, TicketKey::new(&[7; 32])).ask(START_MS, room(0), 3, None));
    let mut queue = queue(100);
    let _ = wait(queue.ask(START_MS + 10, room(0), 9, None));
    for (account, ticket) in [(2, ticket.as_str()), (3, &foreign), (4, "garbage"), (5, "")] {
        let (_, position, _) = wait(queue.ask(START_MS + 20, room(0), account, Some(ticket)));
        assert!(position > 1, "{account}");
    }
    assert_eq!(queue.counters().tickets_refused, 4);
    let (_, position, _) = wait(queue.ask(START_MS + 30, room(0), 1, Some(&ticket)));
    assert_eq!(position, 1, "its owner is put where it belongs");
}

#[test]
fn a_restart_keeps_the_order() {
    let mut before = queue(1000);
    let tickets: Vec<String> = (0..2000)
        .map(|account| wait(before.ask(START_MS + account / 3, room(0), account + 1, None)).0)
        .collect();
    let mut after = queue(1000);
    // They come back in an order of their own, and newcomers between them.
    for step in 0..2000_u64 {
        let account = step * 701 % 2000;
        wait(after.ask(START_MS + 60_000 + step, room(0), account + 1, Some(&tickets[account as usize])));
        wait(after.ask(START_MS + 60_000 + step, room(0), 10_000 + step, None));
    }
    let order: Vec<u64> = after.places.iter().map(|place| place.account).collect();
    let expected: Vec<u64> = (1..=2000).chain(10_000..12_000).collect();
    assert_eq!(order, expected);
    assert_eq!((after.counters().returned, after.counters().joined), (2000, 2000));
}

#[test]
fn a_hundred_thousand_take_a_hundred_bytes_each() {
    let mut queue = queue(500);
    let mut asks_per_s = 0.0;
    for account in 1..=100_000_u64 {
        let (_, _, retry_ms) = wait(queue.ask(START_MS + account / 100, room(0), account, None));
        asks_per_s += 1000.0 / retry_ms as f64;
    }
    assert_eq!(queue.waiting(), 100_000);
    assert!(queue.memory_bytes() <= 100 * 100_000, "{} bytes", queue.memory_bytes());
    assert!(asks_per_s < 4000.0, "{asks_per_s} asks a second");
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut queue = queue(100);
    let (ticket, ..) = wait(queue.ask(START_MS, room(0), 1, None));
    let mut now_ms = START_MS - 3_600_000;
    let (ticket, _, retry_ms) = wait(queue.ask(now_ms, room(0), 1, Some(&ticket)));
    now_ms += retry_ms;
    assert_eq!(queue.ask(now_ms, room(1), 1, Some(&ticket)), Turn::Admitted);
}

/// One who waits, as a client would.
#[derive(Clone, Debug, Default)]
struct Client {
    ticket: Option<String>,
    ask_ms: u64,
    admitted: u32,
}

fn called(line: &Queue) -> impl Iterator<Item = &Place> {
    line.places.iter().filter(|place| place.called_until_s > 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Clients that come, ask when told, go silent for a while; seats that come free; a restart. Nobody is called before
    /// somebody with a lower number who is there; nobody is admitted twice; the realm is never over its capacity; and in
    /// the end all are in.
    #[test]
    fn nobody_overtakes_and_nobody_enters_twice(
        arrivals in prop::collection::vec(0_u64..60_000, 1..120),
        silent in prop::collection::vec((0_usize..120, 0_u64..120_000, 1000_u64..400_000), 0..20),
        frees in prop::collection::vec((0_u64..200_000, 1_u32..10), 1..20),
        restart_ms in prop::option::of(0_u64..200_000),
    ) {
        // By account; the first is nobody.
        let mut clients = vec![Client { admitted: 1, ..Client::default() }];
        clients.extend(arrivals.iter().map(|&ask_ms| Client { ask_ms, ..Client::default() }));
        let mut line = queue(20);
        let (mut capacity, mut population) = (0_u32, 0_u32);
        let mut events: Vec<(u64, u32)> = frees.clone();
        // Enough for all in the end.
        events.push((250_000, 200));
        for now_ms in (0..1_500_000_u64).step_by(500) {
            for &(at_ms, count) in &events {
                if at_ms / 500 == now_ms / 500 {
                    capacity += count;
                }
            }
            if restart_ms.is_some_and(|at_ms| at_ms / 500 == now_ms / 500) {
                line = queue(20);
            }
            for (account, client) in clients.iter_mut().enumerate() {
                if client.admitted > 0 || client.ask_ms > now_ms {
                    continue;
                }
                // A silence begins: the client asks again only when it is over.
                let pause = silent.iter().find(|&&(who, from_ms, for_ms)| {
                    who + 1 == account && (from_ms..from_ms + for_ms).contains(&now_ms)
                });
                if let Some(&(_, from_ms, for_ms)) = pause {
                    client.ask_ms = from_ms + for_ms;
                    continue;
                }
                let at_ms = START_MS + now_ms;
                let number = line.numbers.get(&(account as u64)).copied();
                let called_before: Vec<u64> = called(&line).map(|place| place.number).collect();
                let room = Room { capacity, population, is_open: true };
                let turn = line.ask(at_ms, room, account as u64, client.ticket.as_deref());
                let is_there = |place: &Place| place.due_s + (LATE_MS / 1000) as u32 > (at_ms / 1000) as u32;
                // The last who was called just now; the asker may have been, and is admitted already.
                let called_last = called(&line)
                    .map(|place| place.number)
                    .chain(number.filter(|_| turn == Turn::Admitted))
                    .filter(|number| !called_before.contains(number))
                    .max();
                let overtaken = line.places.iter().find(|place| {
                    called_last.is_some_and(|last| place.number < last)
                        && place.called_until_s == 0
                        && is_there(place)
                });
                prop_assert!(overtaken.is_none(), "{called_last:?} overtook {overtaken:?}");
                match turn {
                    Turn::Admitted => {
                        client.admitted += 1;
                        population += 1;
                        prop_assert!(population <= capacity, "{population} of {capacity}");
                        line.arrived(account as u64);
                        client.ticket = None;
                    }
                    Turn::Wait { ticket, retry_after_ms, .. } => {
                        client.ticket = Some(ticket);
                        client.ask_ms = now_ms + u64::from(retry_after_ms);
                    }
                    Turn::Full { .. } => prop_assert!(false, "the line is not that long"),
                }
            }
            let order: Vec<u64> = line.places.iter().map(|place| place.number).collect();
            prop_assert!(order.is_sorted());
            prop_assert_eq!(line.places.len(), line.numbers.len());
        }
        prop_assert!(clients.iter().all(|client| client.admitted == 1), "{clients:?}");
        prop_assert_eq!((line.waiting(), line.called, line.held), (0, 0, 0));
    }
}
