//! The own avatar where it will be once the server has taken the inputs that are on their way.
//!
//! ```text
//!  input s ──► step ──► predicted body ───────────────────────► position to draw
//!     │                     ▲                                        ▲
//!     ▼                     │ replay s', s'+1 ... s                  │ what a correction moved, fading away
//!  kept (64) ───────────────┤                                        │
//!                           │                                        │
//!  snapshot: own avatar after input s'-1 ──► as predicted? ── no ────┘
//! ```
//!
//! One input is one tick's step wherever it is applied, so with the server's own rules ([`Motion`]) the prediction is
//! exact, bit for bit, until something happens that only the server knows of: a push, a teleport, inputs lost for good.

mod errors;

pub use errors::ErrorHistogram;
use throng_schema::{INTENTS_SENT, IntentFields};

use crate::limits::INPUTS_KEPT_MAX;
use crate::pacing::Beat;
use crate::session::Session;
use crate::view::Own;

/// How an avatar moves: the server's rule.
pub trait Motion {
    /// One tick of `tick_s` seconds of one body that does what `intent` says. Whether it can may depend on its
    /// attributes, which are those that the newest snapshot told.
    fn step(&self, body: &mut Own, intent: &IntentFields, tick_s: f32);
}

/// How corrections are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictionConfig {
    /// Time in which what a correction moved fades to 1/e, microseconds.
    pub fade_us: u64,
    /// A correction by more than this is shown at once, metres: somebody was teleported.
    pub snap_m: f32,
}

impl Default for PredictionConfig {
    fn default() -> Self {
        Self { fade_us: 100_000, snap_m: 3.0 }
    }
}

/// What the predictor has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PredictionCounters {
    /// Snapshots compared with what was predicted.
    pub compared: u64,
    /// Of those, how many put the avatar elsewhere.
    pub corrections: u64,
    /// Corrections shown at once.
    pub snaps: u64,
    /// Inputs that had to be forgotten before any snapshot told of them.
    pub forgotten: u64,
}

/// An input on its way, and the body that it was predicted to lead to.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    sequence: u32,
    intent: IntentFields,
    after: Own,
}

/// Predicts the own avatar. Nothing is allocated after construction.
#[derive(Clone, Debug)]
pub struct Predictor {
    config: PredictionConfig,
    /// The input of sequence s lies at s modulo their number.
    kept: Box<[Kept; INPUTS_KEPT_MAX]>,
    /// Sequence of the newest input; 0 before the first.
    newest: u32,
    /// Of the newest snapshot; 0 before the first, and nothing is predicted until then.
    tick: u32,
    input_applied: u32,
    /// After the newest input, and before it.
    body: Own,
    before: Own,
    /// Of the newest input: its step is shown from when it was due until the next is.
    beat: Beat,
    tick_s: f32,
    /// What is still to fade of past corrections at `offset_us`, metres.
    offset: [f32; 3],
    offset_us: u64,
    counters: PredictionCounters,
    errors: ErrorHistogram,
}

impl Predictor {
    /// A predictor that knows of no avatar yet.
    pub fn new(config: PredictionConfig) -> Self {
        Self {
            config,
            kept: Box::new([Kept::default(); INPUTS_KEPT_MAX]),
            newest: 0,
            tick: 0,
            input_applied: 0,
            body: Own::default(),
            before: Own::default(),
            beat: Beat::default(),
            tick_s: 0.0,
            offset: [0.0; 3],
            offset_us: 0,
            counters: PredictionCounters::default(),
            errors: ErrorHistogram::default(),
        }
    }

    /// Catches up with `session`: call it after its [`poll`](Session::poll) gave `None`, and after each snapshot.
    /// A new session needs a new predictor.
    pub fn follow(&mut self, now_us: u64, motion: &impl Motion, session: &Session) {
        let (view, sent) = (session.view(), session.input_sent());
        let unseen = self.newest.saturating_add(1).max(sent.saturating_sub(INTENTS_SENT as u32 - 1));
        for sequence in unseen..=sent {
            if let Some(intent) = session.intent_of(sequence) {
                self.input(now_us, motion, sequence, intent, session.input_beat());
            }
        }
        if let Some(world) = view.world().filter(|_| view.newest_tick() != self.tick) {
            let tick_s = 1.0 / f32::from(world.tick_hz);
            self.reconcile(now_us, motion, view.newest_tick(), view.own(), view.input_applied(), tick_s);
        }
    }

    /// An input of `beat` was made by `now_us`: the avatar takes its step at once. One that is not newer than the last
    /// is ignored.
    pub fn input(
        &mut self,
        now_us: u64,
        motion: &impl Motion,
        sequence: u32,
        intent: IntentFields,
        beat: Beat,
    ) {
        if sequence <= self.newest {
            return;
        }
        let shown = self.position(now_us);
        self.before = self.body;
        if shown.is_some() {
            motion.step(&mut self.body, &intent, self.tick_s);
        }
        let kept = &mut self.kept[sequence as usize % INPUTS_KEPT_MAX];
        self.counters.forgotten += u64::from(kept.sequence > self.input_applied);
        *kept = Kept { sequence, intent, after: self.body };
        (self.newest, self.beat) = (sequence, beat);
        // A beat that came early cuts the way of the last step short.
        self.keep_showing(now_us, shown);
    }

    /// The server says that after the input `input_applied`, at `tick`, the avatar is `own`, and that a tick is
    /// `tick_s` seconds. The inputs that it does not know of yet are taken again from there.
    pub fn reconcile(
        &mut self,
        now_us: u64,
        motion: &impl Motion,
        tick: u32,
        own: &Own,
        input_applied: u32,
        tick_s: f32,
    ) {
        let shown = self.position(now_us);
        (self.tick, self.input_applied, self.tick_s) = (tick, input_applied, tick_s);
        // How many inputs wait says nothing of the body.
        let own = Own { queued: 0, ..*own };
        let kept = &self.kept[input_applied as usize % INPUTS_KEPT_MAX];
        if shown.is_some() && kept.sequence == input_applied {
            self.counters.compared += 1;
            self.errors.add(distance(kept.after.position, own.position));
            if kept.after == own {
                return;
            }
            self.counters.corrections += u64::from(kept.after.position != own.position);
        }
        (self.before, self.body) = (own, own);
        let oldest = self.newest.saturating_sub(INPUTS_KEPT_MAX as u32 - 1).max(1);
        for sequence in oldest.max(input_applied.saturating_add(1))..=self.newest {
            let kept = &mut self.kept[sequence as usize % INPUTS_KEPT_MAX];
            if kept.sequence == sequence {
                self.before = self.body;
                motion.step(&mut self.body, &kept.intent, self.tick_s);
                kept.after = self.body;
            }
        }
        // What is compared with from now on if the server takes nothing more.
        let kept = &mut self.kept[input_applied as usize % INPUTS_KEPT_MAX];
        if kept.sequence == input_applied {
            kept.after = own;
        }
        self.keep_showing(now_us, shown);
    }

    /// Where to draw the avatar at `now_us`, metres: on the way of its newest step, beside it by what has not faded of
    /// past corrections. None before the first snapshot.
    pub fn position(&self, now_us: u64) -> Option<[f32; 3]> {
        if self.tick == 0 {
            return None;
        }
        let offset = self.offset_at(now_us);
        let unfaded = self.unfaded(now_us);
        Some([0, 1, 2].map(|axis| unfaded[axis] + offset[axis]))
    }

    /// The body after the newest input, as the server will have it.
    pub fn body(&self) -> &Own {
        &self.body
    }

    /// What has happened so far.
    pub fn counters(&self) -> &PredictionCounters {
        &self.counters
    }

    /// How far the avatar was from where it had been predicted, over all snapshots compared.
    pub fn errors(&self) -> &ErrorHistogram {
        &self.errors
    }

    fn unfaded(&self, now_us: u64) -> [f32; 3] {
        let Beat { due_us, period_us } = self.beat;
        let part = (now_us.saturating_sub(due_us) as f32 / period_us.max(1) as f32).min(1.0);
        let (from, to) = (self.before.position, self.body.position);
        [0, 1, 2].map(|axis| from[axis] + (to[axis] - from[axis]) * part)
    }

    fn offset_at(&self, now_us: u64) -> [f32; 3] {
        let age = now_us.saturating_sub(self.offset_us) as f32 / self.config.fade_us.max(1) as f32;
        self.offset.map(|metres| metres * (-age).exp())
    }

    /// Lets what is drawn at `now_us` go on from `shown`, unless that is too far from where the avatar now is.
    fn keep_showing(&mut self, now_us: u64, shown: Option<[f32; 3]>) {
        let Some(shown) = shown else { return };
        let place = self.unfaded(now_us);
        (self.offset, self.offset_us) = ([0, 1, 2].map(|axis| shown[axis] - place[axis]), now_us);
        // Worded so that what is no number is a jump, too.
        let is_near = distance(shown, place) <= self.config.snap_m;
        if !is_near {
            self.offset = [0.0; 3];
            self.before = self.body;
            self.counters.snaps += 1;
        }
    }
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    let [x, y, z] = [0, 1, 2].map(|axis| a[axis] - b[axis]);
    (x * x + y * y + z * z).sqrt()
}
