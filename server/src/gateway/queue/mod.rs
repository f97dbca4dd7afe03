//! The line before a full realm.
//!
//! ```text
//!  ask(now, room, account, ticket?) ─► room and nobody waits ─────────────────► Admitted
//!                                  └─► a place at the back, or the ticket's place ─► Wait{ticket, position, retry}
//!  ask again with the ticket ─► called? ─ yes ─► Admitted
//!                                       └ no ──► Wait
//!
//!  every 50 ms: as many as there is room for, at most so many a second, are called: the front first, and only those
//!  who have asked when they were told to
//! ```
//!
//! * **The line is what the clients carry.** A ticket holds the place's number, which grows with time; the process
//!   remembers numbers only to know who is still there. So a place survives a disconnect for as long as its ticket, five
//!   minutes after the last ask, and a restart of the gateway: whoever asks again is put back where the number belongs.
//! * **Nobody overtakes anybody who is there.** Somebody who does not ask when told to is passed over, and keeps the
//!   place meanwhile.
//! * **A number is admitted once.** Whoever was admitted can ask again while the seat is held for them (the answer
//!   may have been lost), and later goes to the back. After a restart a ticket that was used in the last five minutes
//!   would be taken once more: that costs others one place, and needs no disk to prevent it.
//! * A place is 32 bytes and a map entry; at most [`WAITING_MAX`] wait. Nothing is written anywhere.
//!
//! Time and room are arguments.

#[cfg(test)]
mod tests;
mod ticket;

use std::collections::{HashMap, VecDeque};

pub use ticket::{TICKET_BYTES, TICKET_CHARS, TicketKey};

use ticket::Ticket;

/// Most who wait for one realm; one more is told to come back later.
pub const WAITING_MAX: usize = 1 << 18;

/// How long a place is kept after its owner last asked.
pub const PLACE_KEPT_MS: u64 = 5 * 60 * 1000;

/// How long a seat is held for somebody who was admitted: a connect token lives 30 s, and the realm takes a moment to
/// count who has come.
pub const SEAT_HELD_MS: u64 = 35_000;

/// How much later than told somebody may ask and still count as being there: a slow line, a busy machine.
const LATE_MS: u64 = 10_000;

/// Pause between two looks at who can be called.
const CALL_EVERY_MS: u64 = 50;
/// Pause between two looks for places whose owner is gone.
const SWEEP_EVERY_MS: u64 = 1000;

/// Pauses between two asks: the shortest, what each place before adds at most, and the longest. With 100,000 waiting
/// and a realm that stays full they come to 1,700 asks a second.
const RETRY_MIN_MS: u64 = 3000;
const RETRY_PER_PLACE_MS: u64 = 4;
const RETRY_MAX_MS: u64 = 90_000;
/// The longest as it is spread.
const RETRY_MS_MOST: u64 = RETRY_MAX_MS + RETRY_MAX_MS / 4;

/// Places that may be given out in one millisecond before the numbers run ahead of the clock.
const NUMBERS_PER_MS: u64 = 1 << 16;

const _: () = assert!(RETRY_MS_MOST + LATE_MS < PLACE_KEPT_MS, "who asks as told keeps the place");

/// What a realm has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Players that it takes.
    pub capacity: u32,
    /// Players in it now.
    pub population: u32,
    /// Whether it takes anybody at all.
    pub is_open: bool,
}

/// How a question was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Go in: a seat is held for [`SEAT_HELD_MS`].
    Admitted,
    /// Wait.
    Wait {
        /// To be shown at the next ask.
        ticket: String,
        /// How many are before, and oneself.
        position: u32,
        /// When to ask again.
        retry_after_ms: u32,
    },
    /// Even the line is full.
    Full {
        /// When to ask again.
        retry_after_ms: u32,
    },
}

/// What has happened, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Admitted, each number once.
    pub admitted: u64,
    /// Places given out.
    pub joined: u64,
    /// Places taken up again by their ticket after a restart or a long silence.
    pub returned: u64,
    /// Tickets that were forged, somebody else's, another realm's, used or too old; their owner went to the back.
    pub tickets_refused: u64,
    /// Called, and did not come.
    pub missed: u64,
    /// Places whose owner never came back.
    pub expired: u64,
    /// Refused because the line was full.
    pub full: u64,
}

impl QueueCounters {
    /// Each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { admitted, joined, returned, tickets_refused, missed, expired, full } = *self;
        [
            ("admitted", admitted),
            ("joined", joined),
            ("returned", returned),
            ("tickets_refused", tickets_refused),
            ("missed", missed),
            ("expired", expired),
            ("full", full),
        ]
        .into_iter()
    }
}

/// The line of one realm.
#[derive(Debug)]
pub struct Queue {
    realm: u32,
    admit_per_s: u32,
    key: TicketKey,
    /// By number. New ones are greater than all before, so they go to the back.
    places: VecDeque<Place>,
    /// Whose number is where: an account has one place.
    numbers: HashMap<u64, u64>,
    /// Who was admitted in the last minutes, the oldest first; of them the last `seats_recent` can still be held.
    seats: VecDeque<(u64, Seat)>,
    seats_recent: usize,
    seated: HashMap<u64, Seat>,
    /// Seats that are held.
    held: u32,
    /// Places that are called.
    called: u32,
    number_last: u64,
    /// What may still be admitted this second, in thousandths of a player.
    allowance: u64,
    allowed_ms: u64,
    called_ms: u64,
    swept_ms: u64,
    counters: QueueCounters,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    account: u64,
    /// When its owner was told to ask next. In seconds, rounded up, because there are many of these.
    due_s: u32,
    /// Until when the call holds; 0 if there was none.
    called_until_s: u32,
}

/// A seat in the realm for somebody who was admitted.
#[derive(Clone, Copy, Debug)]
struct Seat {
    number: u64,
    /// Until when it is held.
    until_ms: u64,
    /// Whether it still is: not once its owner has arrived.
    is_held: bool,
}

impl Queue {
    /// An empty line. `admit_per_s` bounds how many go in each second, whatever room there is.
    pub fn new(realm: u32, admit_per_s: u32, key: TicketKey) -> Self {
        Self {
            realm,
            admit_per_s,
            key,
            places: VecDeque::new(),
            numbers: HashMap::new(),
            seats: VecDeque::new(),
            seats_recent: 0,
            seated: HashMap::new(),
            held: 0,
            called: 0,
            number_last: 0,
            // A full second's worth at the start.
            allowance: u64::from(admit_per_s) * 1000,
            allowed_ms: 0,
            called_ms: 0,
            swept_ms: 0,
            counters: QueueCounters::default(),
        }
    }

    /// `account` wants to play, and shows a ticket if it has one.
    pub fn ask(&mut self, now_ms: u64, room: Room, account: u64, ticket: Option<&str>) -> Turn {
        self.sweep(now_ms);
        // The answer to an earlier ask may have been lost.
        if self.seated.get(&account).is_some_and(|seat| seat.is_held && now_ms < seat.until_ms) {
            return Turn::Admitted;
        }
        let number = match self.numbers.get(&account) {
            Some(&number) => number,
            None => {
                if self.places.is_empty() && self.seat_at_once(now_ms, room, account) {
                    return Turn::Admitted;
                }
                if self.places.len() >= WAITING_MAX {
                    self.counters.full += 1;
                    return Turn::Full { retry_after_ms: RETRY_MAX_MS as u32 };
                }
                let number = self.number_for(now_ms, account, ticket);
                self.insert(Place { number, account, due_s: 0, called_until_s: 0 });
                number
            }
        };
        // Whoever asks is there, however late, and so before those behind when anybody is called.
        if let Some(at) = self.find(number) {
            self.places[at].due_s = seconds_up(now_ms);
        }
        self.call(now_ms, room);
        let Some(at) = self.find(number) else {
            // The map and the line go together; should they not, the account begins anew.
            self.numbers.remove(&account);
            return Turn::Full { retry_after_ms: RETRY_MIN_MS as u32 };
        };
        if self.places[at].called_until_s > 0 {
            self.places.remove(at);
            self.numbers.remove(&account);
            self.called -= 1;
            self.seat(now_ms, number, account);
            return Turn::Admitted;
        }
        let retry_ms = self.retry_ms(at, number, now_ms);
        self.places[at].due_s = seconds_up(now_ms + retry_ms);
        let ticket = Ticket {
            realm: self.realm,
            account,
            number,
            issued_ms: now_ms,
            expires_ms: now_ms + PLACE_KEPT_MS,
        };
        Turn::Wait {
            ticket: self.key.sign(&ticket),
            position: at as u32 + 1,
            retry_after_ms: retry_ms as u32,
        }
    }

    /// `account` is in the realm: its seat need not be held any longer.
    pub fn arrived(&mut self, account: u64) {
        release(&mut self.seated, &mut self.held, account);
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.places.len()
    }

    /// What has happened.
    pub fn counters(&self) -> QueueCounters {
        self.counters
    }

    /// Bytes that the places take, the map's share included.
    pub fn memory_bytes(&self) -> usize {
        // A map of the standard library has a byte of control for each slot.
        self.places.capacity() * size_of::<Place>()
            + self.numbers.capacity() * 8 / 7 * (size_of::<(u64, u64)>() + 1)
    }

    /// The number of a good ticket, or a new one.
    fn number_for(&mut self, now_ms: u64, account: u64, ticket: Option<&str>) -> u64 {
        if let Some(text) = ticket {
            let shown = self.key.open(text).filter(|ticket| {
                ticket.realm == self.realm
                    && ticket.account == account
                    && now_ms < ticket.expires_ms
                    // One from a clock that was ahead could not be told from one that never ends.
                    && ticket.issued_ms <= now_ms + LATE_MS
                    && self.seated.get(&account).is_none_or(|seat| seat.number < ticket.number)
                    && self.find(ticket.number).is_none()
            });
            match shown {
                Some(ticket) => {
                    self.counters.returned += 1;
                    return ticket.number;
                }
                None => self.counters.tickets_refused += 1,
            }
        }
        self.counters.joined += 1;
        self.next_number(now_ms)
    }

    /// Numbers grow with time, so that those of an earlier process come before those of this one.
    fn next_number(&mut self, now_ms: u64) -> u64 {
        self.number_last = (self.number_last + 1).max(now_ms.saturating_mul(NUMBERS_PER_MS));
        self.number_last
    }

    fn insert(&mut self, place: Place) {
        let at = self.places.partition_point(|other| other.number < place.number);
        self.places.insert(at, place);
        self.numbers.insert(place.account, place.number);
    }

    fn find(&self, number: u64) -> Option<usize> {
        let at = self.places.partition_point(|place| place.number < number);
        self.places.get(at).filter(|place| place.number == number).map(|_| at)
    }

    /// Seats that are neither taken nor held.
    fn seats_free(&self, room: Room) -> u32 {
        if !room.is_open {
            return 0;
        }
        room.capacity.saturating_sub(room.population).saturating_sub(self.held).saturating_sub(self.called)
    }

    /// Adds what time has allowed, at most a second's worth.
    fn allow(&mut self, now_ms: u64) {
        // Time that seems to go back by a little is two requests that overtook each other, by more a clock that was set.
        let passed_ms = now_ms.saturating_sub(self.allowed_ms).min(1000);
        if passed_ms > 0 || self.allowed_ms - now_ms > 1000 {
            self.allowed_ms = now_ms;
        }
        let most = u64::from(self.admit_per_s.max(1)) * 1000;
        self.allowance = (self.allowance + passed_ms * u64::from(self.admit_per_s)).min(most);
    }

    fn seat_at_once(&mut self, now_ms: u64, room: Room, account: u64) -> bool {
        self.allow(now_ms);
        if self.allowance < 1000 || self.seats_free(room) == 0 {
            return false;
        }
        self.allowance -= 1000;
        let number = self.next_number(now_ms);
        self.seat(now_ms, number, account);
        true
    }

    fn seat(&mut self, now_ms: u64, number: u64, account: u64) {
        release(&mut self.seated, &mut self.held, account);
        let seat = Seat { number, until_ms: now_ms + SEAT_HELD_MS, is_held: true };
        self.seats.push_back((account, seat));
        self.seats_recent += 1;
        self.seated.insert(account, seat);
        self.held += 1;
        self.counters.admitted += 1;
    }

    /// Calls the front of the line.
    fn call(&mut self, now_ms: u64, room: Room) {
        if self.places.is_empty() || !is_due(&mut self.called_ms, now_ms, CALL_EVERY_MS) {
            return;
        }
        self.allow(now_ms);
        let mut free = self.seats_free(room);
        let now_s = (now_ms / 1000) as u32;
        for place in &mut self.places {
            if free == 0 || self.allowance < 1000 {
                break;
            }
            // Who is later than told, and that by more than a slow line explains, is not there.
            if place.called_until_s > 0 || place.due_s + (LATE_MS / 1000) as u32 <= now_s {
                continue;
            }
            place.called_until_s = place.due_s.max(now_s) + (LATE_MS / 1000) as u32;
            self.allowance -= 1000;
            self.called += 1;
            free -= 1;
        }
    }

    /// Takes back calls that nobody answered, seats that were held long enough, and places whose owner is gone.
    fn sweep(&mut self, now_ms: u64) {
        if !is_due(&mut self.swept_ms, now_ms, SWEEP_EVERY_MS) {
            return;
        }
        // What lies further in the future than anything is ever put is from a clock that was set back since: it is over.
        let is_over = |until_ms: u64, most_ms: u64| until_ms <= now_ms || until_ms > now_ms + most_ms;
        while let Some(&(account, seat)) = self.seats.get(self.seats.len() - self.seats_recent)
            && is_over(seat.until_ms, SEAT_HELD_MS)
        {
            self.seats_recent -= 1;
            // Not if the same account has been given another seat since.
            if self.seated.get(&account).is_some_and(|held| held.number == seat.number) {
                release(&mut self.seated, &mut self.held, account);
            }
        }
        // Numbers that were admitted are remembered for as long as a ticket with them could be shown.
        while let Some(&(account, seat)) = self.seats.front()
            && self.seats.len() > self.seats_recent
            && is_over(seat.until_ms + PLACE_KEPT_MS, SEAT_HELD_MS + PLACE_KEPT_MS)
        {
            self.seats.pop_front();
            if self.seated.get(&account).is_some_and(|held| held.number == seat.number) {
                self.seated.remove(&account);
            }
        }
        let now_s = (now_ms / 1000) as u32;
        let kept_s = (PLACE_KEPT_MS / 1000) as u32;
        let (called, counters, numbers) = (&mut self.called, &mut self.counters, &mut self.numbers);
        let (due_s_most, late_s) = (seconds_up(now_ms + RETRY_MS_MOST), (LATE_MS / 1000) as u32);
        self.places.retain_mut(|place| {
            if place.due_s > due_s_most {
                place.due_s = now_s;
            }
            if place.called_until_s > 0 && !(now_s + 1..=due_s_most + late_s).contains(&place.called_until_s)
            {
                place.called_until_s = 0;
                *called -= 1;
                counters.missed += 1;
            }
            let is_kept = place.due_s + kept_s > now_s;
            if !is_kept {
                *called -= u32::from(place.called_until_s > 0);
                numbers.remove(&place.account);
                counters.expired += 1;
            }
            is_kept
        });
    }

    /// When the one at `at` should ask again: the further back the later, but not much later than its turn can come;
    /// spread by a quarter either way, so that a crowd that came at once does not stay one.
    fn retry_ms(&self, at: usize, number: u64, now_ms: u64) -> u64 {
        let at = at as u64;
        let turn_ms = at * 1000 / u64::from(self.admit_per_s.max(1));
        let base_ms = RETRY_MIN_MS + (at * RETRY_PER_PLACE_MS).min(turn_ms / 2);
        let base_ms = base_ms.min(RETRY_MAX_MS);
        base_ms - base_ms / 4 + mix(number ^ now_ms.rotate_left(32)) % (base_ms / 2)
    }
}

/// Holds the seat of `account` no longer.
fn release(seated: &mut HashMap<u64, Seat>, held: &mut u32, account: u64) {
    if let Some(seat) = seated.get_mut(&account).filter(|seat| seat.is_held) {
        seat.is_held = false;
        *held -= 1;
    }
}

/// Whether `every_ms` have passed; then the next are counted from now. A clock that was set back counts as passed.
fn is_due(last_ms: &mut u64, now_ms: u64, every_ms: u64) -> bool {
    let is_due = now_ms.abs_diff(*last_ms) >= every_ms;
    if is_due {
        *last_ms = now_ms;
    }
    is_due
}

fn seconds_up(ms: u64) -> u32 {
    ms.div_ceil(1000).min(u64::from(u32::MAX)) as u32
}

/// The finaliser of SplitMix64: spreads, and needs no state. Nobody gains by foreseeing it.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
