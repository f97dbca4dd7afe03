//! Smooth positions of others, a little in the past.
//!
//! Snapshots arrive unevenly and some never do. The interpolator renders `delay_us` behind the newest
//! server time it could know of, so that there is usually a later place to glide to, and it only ever
//! shows an entity between two places where the server had it. When the world goes slower, so does playback.

use throng_schema::limits::SPEED_USUAL;

use crate::ids::IdMap;
use crate::limits::SAMPLES_MAX;
use crate::view::View;

/// How far in the past to render, and what counts as a jump.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InterpolationConfig {
    /// Render delay, microseconds of the world's time: two ticks at 20 Hz by default, so that one lost snapshot does
    /// not show. Cut to 14 ticks, what is kept of an entity.
    pub delay_us: u64,
    /// A move of more than this between two known places is a teleport and is not glided over, metres.
    pub jump_m: f32,
}

impl Default for InterpolationConfig {
    fn default() -> Self {
        Self { delay_us: 100_000, jump_m: 16.0 }
    }
}

/// Where to draw an entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Entity id.
    pub id: u32,
    /// Metres; x, y, z. Whole units are drawn at their lower corner, as the server rounds.
    pub position: [f32; 3],
    /// 1/65536 of a turn.
    pub yaw: u16,
}

/// One place where an entity was.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Server time, microseconds since tick 0.
    time_us: i64,
    units: [i32; 3],
    yaw: u8,
    /// The way here from the sample before is unknown or a teleport.
    jump: bool,
}

/// What is known of one entity: a ring of samples, `newest` being the place of the last.
#[derive(Clone, Debug)]
struct Track {
    id: u32,
    seen_tick: u32,
    /// Server time of the first snapshot without it.
    gone_us: Option<i64>,
    samples: [Sample; SAMPLES_MAX],
    count: usize,
    newest: usize,
}

/// Server time by local time, as the quickest delivery has it: how far the server may be by now.
#[derive(Clone, Copy, Debug)]
struct Clock {
    local_us: i64,
    server_us: i64,
    /// Server time that passes in a local second, 1/1000.
    speed: i64,
}

/// Keeps recent samples of everything in view and interpolates between them.
#[derive(Debug, Default)]
pub struct Interpolator {
    config: InterpolationConfig,
    clock: Option<Clock>,
    tick_us: i64,
    newest_tick: u32,
    units_per_metre: f32,
    tracks: Vec<Track>,
    places: IdMap,
}

impl Interpolator {
    /// An empty interpolator.
    pub fn new(config: InterpolationConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Takes in the view after a snapshot was reconstructed at `now_us`. A view whose tick is known already is ignored.
    pub fn observe(&mut self, now_us: u64, view: &View) {
        let tick = view.newest_tick();
        let Some(world) = view.world() else { return };
        if tick == self.newest_tick {
            return;
        }
        let tick_us = 1_000_000 / i64::from(world.tick_hz);
        if tick < self.newest_tick || tick_us != self.tick_us {
            // Another time line: nothing that was known lies on it.
            self.tracks.clear();
            self.places.clear();
            self.clock = None;
        }
        self.newest_tick = tick;
        self.tick_us = tick_us;
        self.units_per_metre = view.units_per_metre();
        let time_us = self.time_us(tick);
        self.follow_clock(now_us, time_us, view.pace().speed);

        for entity in view.near() {
            let units = view.units_of(entity.x, entity.y, entity.z);
            self.push(entity.id, tick, Sample { time_us, units, yaw: entity.yaw, jump: false });
        }
        for entity in view.far() {
            if entity.tick == tick {
                let sample = Sample { time_us, units: entity.units, yaw: entity.yaw, jump: false };
                self.push(entity.id, tick, sample);
            } else if let Some(&place) = self.places.get(&entity.id) {
                self.tracks[place as usize].seen_tick = tick;
            }
        }
        self.retire(time_us, self.render_us(now_us));
    }

    /// Fills `poses` with everything visible at `now_us`, in no order.
    pub fn sample(&self, now_us: u64, poses: &mut Vec<Pose>) {
        poses.clear();
        let Some(render_us) = self.render_us(now_us) else { return };
        let delay_us = self.delay_us();
        let metres_per_unit = 1.0 / f64::from(self.units_per_metre);
        poses.extend(self.tracks.iter().filter_map(|track| track.pose(render_us, delay_us, metres_per_unit)));
    }

    /// The server time shown at `now_us`, microseconds since tick 0; none before the first snapshot. In a world that
    /// goes at half its pace it goes at half the pace, too.
    pub fn render_us(&self, now_us: u64) -> Option<i64> {
        Some(self.clock?.server_us(now_us) - self.delay_us())
    }

    /// The tick at which the others are shown at `now_us`, rounded down; 0 before the first snapshot. It is what an
    /// input says it aimed at.
    pub fn shown_tick(&self, now_us: u64) -> u32 {
        let shown = self.render_us(now_us).map_or(0, |render_us| render_us / self.tick_us);
        // When nothing has come for a while everybody stays where the newest snapshot had them.
        shown.clamp(0, i64::from(self.newest_tick)) as u32
    }

    fn time_us(&self, tick: u32) -> i64 {
        i64::from(tick) * self.tick_us
    }

    fn delay_us(&self) -> i64 {
        (self.config.delay_us.min(i64::MAX as u64) as i64).min(self.tick_us * (SAMPLES_MAX as i64 - 2))
    }

    /// A quicker delivery is nearer the truth and is believed at once; clock drift is followed at 1/64 per snapshot.
    /// What is late by more than the whole delay tells of a clock that ran ahead, because the world had slowed down
    /// and the news was lost or the way has become longer: then nobody glides until it is put right, so at 1/8.
    fn follow_clock(&mut self, now_us: u64, time_us: i64, speed: u16) {
        let expected_us = self.clock.map_or(time_us, |clock| clock.server_us(now_us));
        let late_us = expected_us - time_us;
        let server_us = match late_us {
            ..=0 => time_us,
            late if late <= self.delay_us() => expected_us - late / 64,
            late => expected_us - late / 8,
        };
        self.clock = Some(Clock { local_us: now_us as i64, server_us, speed: i64::from(speed) });
    }

    fn push(&mut self, id: u32, tick: u32, sample: Sample) {
        let place = *self.places.entry(id).or_insert_with(|| {
            self.tracks.push(Track::new(id));
            (self.tracks.len() - 1) as u32
        });
        let jump_units = self.config.jump_m * self.units_per_metre;
        let track = &mut self.tracks[place as usize];
        track.push(sample, jump_units);
        track.seen_tick = tick;
    }

    /// Marks what this snapshot no longer shows, and drops what is past showing.
    fn retire(&mut self, time_us: i64, render_us: Option<i64>) {
        let mut place = 0;
        while let Some(track) = self.tracks.get_mut(place) {
            if track.seen_tick != self.newest_tick && track.gone_us.is_none() {
                track.gone_us = Some(time_us);
            }
            let is_past = matches!((track.gone_us, render_us), (Some(gone), Some(render)) if gone <= render);
            if !is_past {
                place += 1;
                continue;
            }
            let removed = self.tracks.swap_remove(place);
            self.places.remove(&removed.id);
            if let Some(moved) = self.tracks.get(place) {
                self.places.insert(moved.id, place as u32);
            }
        }
    }
}

impl Clock {
    fn server_us(&self, now_us: u64) -> i64 {
        let passed_us = (now_us as i64).saturating_sub(self.local_us);
        self.server_us + passed_us.saturating_mul(self.speed) / i64::from(SPEED_USUAL)
    }
}

impl Track {
    fn new(id: u32) -> Self {
        Self {
            id,
            seen_tick: 0,
            gone_us: None,
            samples: [Sample::default(); SAMPLES_MAX],
            count: 0,
            newest: 0,
        }
    }

    fn push(&mut self, mut sample: Sample, jump_units: f32) {
        let last = self.samples[self.newest];
        let span = |axis: usize| (i64::from(sample.units[axis]) - i64::from(last.units[axis])) as f32;
        let distance = span(0).hypot(span(1)).hypot(span(2));
        sample.jump = self.gone_us.take().is_some() || distance > jump_units;
        self.newest = (self.newest + 1) % SAMPLES_MAX;
        self.samples[self.newest] = sample;
        self.count = (self.count + 1).min(SAMPLES_MAX);
    }

    /// Samples from the newest back.
    fn newest_first(&self) -> impl Iterator<Item = &Sample> {
        (0..self.count).map(|back| &self.samples[(self.newest + SAMPLES_MAX - back) % SAMPLES_MAX])
    }

    fn pose(&self, render_us: i64, delay_us: i64, metres_per_unit: f64) -> Option<Pose> {
        if self.gone_us.is_some_and(|gone| gone <= render_us) {
            return None;
        }
        let mut after: Option<&Sample> = None;
        for before in self.newest_first() {
            if before.time_us > render_us {
                after = Some(before);
                continue;
            }
            let (units, yaw) = match after {
                Some(after) if !after.jump => glide(before, after, render_us, delay_us),
                // Nothing later is known, or nothing lies between: stay.
                _ => (before.units.map(f64::from), u16::from(before.yaw) << 8),
            };
            return Some(Pose {
                id: self.id,
                position: units.map(|units| (units * metres_per_unit) as f32),
                yaw,
            });
        }
        // It has not appeared yet.
        None
    }
}

/// Between two samples. The later one became known about `delay_us` before its time is shown. Until then the
/// earlier place was held, so the way begins there: after a gap nothing leaps half-way at once.
fn glide(before: &Sample, after: &Sample, render_us: i64, delay_us: i64) -> ([f64; 3], u16) {
    let start_us = before.time_us.max(after.time_us - delay_us).min(after.time_us - 1);
    let part = ((render_us - start_us) as f64 / (after.time_us - start_us) as f64).clamp(0.0, 1.0);
    let along = |axis: usize| {
        let (from, to) = (f64::from(before.units[axis]), f64::from(after.units[axis]));
        from + (to - from) * part
    };
    let turn = f64::from(after.yaw.wrapping_sub(before.yaw) as i8) * 256.0 * part;
    let yaw = (u16::from(before.yaw) << 8).wrapping_add_signed(turn as i16);
    ([along(0), along(1), along(2)], yaw)
}
