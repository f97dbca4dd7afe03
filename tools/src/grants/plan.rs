//! Whose turn it is: which token asks what, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The longest pause that a gateway can ask for.
const PAUSE_MS_MAX: u64 = 120_000;

/// What to ask next for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Which characters it has.
    Characters,
    /// To play this character, with the ticket of the last answer.
    Play {
        /// Its id.
        character: String,
        /// Its name.
        name: String,
        /// A place in the queue.
        ticket: Option<String>,
    },
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The account has this character.
    Character {
        /// Its id.
        character: String,
        /// Its name.
        name: String,
    },
    /// A connect token.
    Granted,
    /// A place in the queue.
    Queued {
        /// The ticket to show next time.
        ticket: String,
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// Not now: throttled, overloaded, draining.
    Busy {
        /// When to ask again.
        retry_after_ms: u64,
        /// What the gateway calls it.
        code: String,
    },
    /// No answer, or one that means nothing.
    Lost(String),
    /// No, and asking again would not help.
    Refused(String),
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this for that token.
    Do(u32, Step),
    /// Nothing for so many milliseconds.
    Wait(u64),
    /// Nothing until something changes.
    Idle,
}

/// The state of all tokens.
#[derive(Debug)]
pub struct Plan {
    tokens: Vec<Token>,
    /// Who asks when; the earliest first, and of those the lowest number.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    attempts_max: u32,
    patience_ms: u64,
    lost_pause_ms: u64,
    granted: u32,
    given_up: u32,
}

#[derive(Debug)]
struct Token {
    /// What it asks next; none while it is being asked, and once it is settled.
    step: Option<Step>,
    /// The character, once it is known, for asking again.
    character: Option<(String, String)>,
    /// Answers in a row that were none or not now.
    attempts: u32,
    /// When it began to ask.
    since_ms: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asking,
    Granted,
    GivenUp,
}

impl Plan {
    /// `count` tokens that all ask at once. A token is given up after `attempts_max` answers in a row that were none or
    /// "not now", and after `patience_ms` in all. After an answer that was none it pauses for `lost_pause_ms`, then twice,
    /// three times, at most ten times as long.
    pub fn new(count: u32, attempts_max: u32, patience_ms: u64, lost_pause_ms: u64) -> Self {
        let token = || Token {
            step: Some(Step::Characters),
            character: None,
            attempts: 0,
            since_ms: 0,
            state: State::Asking,
        };
        Self {
            tokens: (0..count).map(|_| token()).collect(),
            due: (0..count).map(|index| Reverse((0, index))).collect(),
            attempts_max,
            patience_ms,
            lost_pause_ms,
            granted: 0,
            given_up: 0,
        }
    }

    /// What to do now. Whoever is told to do something says with [`Self::answered`] how it went.
    pub fn next(&mut self, now_ms: u64) -> Next {
        let Some(&Reverse((due_ms, index))) = self.due.peek() else { return Next::Idle };
        if due_ms > now_ms {
            return Next::Wait(due_ms - now_ms);
        }
        self.due.pop();
        match self.tokens[index as usize].step.take() {
            Some(step) => Next::Do(index, step),
            // Never: what is due has a step. Nothing would be lost by looking again.
            None => Next::Wait(0),
        }
    }

    /// How it went.
    pub fn answered(&mut self, now_ms: u64, index: u32, verdict: Verdict) {
        let token = &mut self.tokens[index as usize];
        if token.state != State::Asking {
            return;
        }
        let known = |token: &Token, ticket| match token.character.clone() {
            Some((character, name)) => Step::Play { character, name, ticket },
            None => Step::Characters,
        };
        let (step, pause_ms) = match verdict {
            Verdict::Granted => {
                token.state = State::Granted;
                self.granted += 1;
                return;
            }
            Verdict::Refused(_) => return self.give_up(index),
            Verdict::Character { character, name } => {
                token.attempts = 0;
                token.character = Some((character, name));
                (known(token, None), 0)
            }
            Verdict::Queued { ticket, retry_after_ms } => {
                token.attempts = 0;
                (known(token, Some(ticket)), retry_after_ms)
            }
            Verdict::Busy { retry_after_ms, .. } => {
                token.attempts += 1;
                (known(token, None), retry_after_ms)
            }
            Verdict::Lost(_) => {
                token.attempts += 1;
                (known(token, None), self.lost_pause_ms * u64::from(token.attempts.min(10)))
            }
        };
        let due_ms = now_ms + pause_ms.min(PAUSE_MS_MAX);
        if token.attempts >= self.attempts_max || due_ms > token.since_ms + self.patience_ms {
            return self.give_up(index);
        }
        token.step = Some(step);
        self.due.push(Reverse((due_ms, index)));
    }

    /// Another grant for a token that had one or was given up; nothing if it is asking already, or is unknown.
    pub fn ask_again(&mut self, now_ms: u64, index: u32) {
        let Some(token) = self.tokens.get_mut(index as usize) else { return };
        match token.state {
            State::Asking => return,
            State::Granted => self.granted -= 1,
            State::GivenUp => self.given_up -= 1,
        }
        token.state = State::Asking;
        (token.attempts, token.since_ms) = (0, now_ms);
        token.step = Some(match token.character.clone() {
            Some((character, name)) => Step::Play { character, name, ticket: None },
            None => Step::Characters,
        });
        self.due.push(Reverse((now_ms, index)));
    }

    /// Whether nobody is asking.
    pub fn is_settled(&self) -> bool {
        (self.granted + self.given_up) as usize == self.tokens.len()
    }

    /// Tokens in all, granted and given up.
    pub fn counts(&self) -> (u32, u32, u32) {
        (self.tokens.len() as u32, self.granted, self.given_up)
    }

    fn give_up(&mut self, index: u32) {
        self.tokens[index as usize].state = State::GivenUp;
        self.given_up += 1;
    }
}
