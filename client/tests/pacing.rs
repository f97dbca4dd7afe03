//! The beat of inputs against a model of the server's rules: odd clocks, slow worlds, slow programs, and cheats.

mod model;

use model::ground::{Ground, SPEED_MAX_M_S};
use model::{Match, Player, TICK_HZ, TICK_US, Way, apart_m};
use throng_client::Pacer;
use throng_client::limits::EARLY_BEATS_MAX;
use throng_schema::IntentFields;

const SECOND_US: u64 = 1_000_000;

#[test]
fn clocks_that_drift_neither_fill_the_queue_nor_starve_it() {
    let ground = Ground::wild();
    for (seed, way) in [(1, Way::GOOD), (2, Way::POOR)] {
        for drift_ppm in [-500, 0, 500] {
            let mut game = Match::new(&ground, seed, way, drift_ppm);
            game.run(120 * SECOND_US);
            let (inputs, ticks, steps) = (game.inputs(), game.ticks(), game.player.steps);
            game.queued = [0; 16];
            game.run(3720 * SECOND_US);
            let (inputs, ticks) = (game.inputs() - inputs, game.ticks() - ticks);
            let steps = game.player.steps - steps;
            println!(
                "{drift_ppm} ppm, {way:?}: {inputs} inputs {steps} steps in {ticks} ticks, {:?}, {:?}",
                game.queued,
                game.pacer.counters()
            );
            assert_eq!(game.player.refused, 0);
            assert!(inputs.abs_diff(ticks) <= 8, "{inputs} inputs in {ticks} ticks");
            assert!(u64::from(ticks).abs_diff(steps) <= 16, "{steps} steps in {ticks} ticks");
            let told: u64 = game.queued.iter().sum();
            let long: u64 = game.queued[6..].iter().sum();
            assert!(long * 1000 <= told, "more than five inputs waited in {long} of {told} snapshots");
            let none = game.queued[0];
            assert!(none * 5 <= told * 4, "none waited in {none} of {told} snapshots");
        }
    }
}

#[test]
fn a_world_that_slows_down_is_followed() {
    let ground = Ground::wild();
    let mut game = Match::new(&ground, 5, Way::POOR, 0);
    let mut now_s = 0;
    for speed in [1000, 500, 1000, 250, 600, 1000] {
        game.speed = speed;
        game.run((now_s + 10) * SECOND_US);
        let (inputs, ticks) = (game.inputs(), game.ticks());
        now_s += 40;
        game.run(now_s * SECOND_US);
        let (inputs, ticks) = (game.inputs() - inputs, game.ticks() - ticks);
        println!("speed {speed}: {inputs} inputs in {ticks} ticks, {:?}", game.pacer.counters());
        assert!(inputs.abs_diff(ticks) <= 4, "{inputs} inputs in {ticks} ticks at speed {speed}");
        assert_eq!(game.player.refused, 0, "at speed {speed}");
    }
    assert!(game.predictor.errors().quantile_m(0.99) < 0.1);
}

#[test]
fn a_program_that_draws_seldom_or_pauses_loses_no_steps_it_could_take() {
    let ground = Ground::wild();
    for frame_us in [16_667, 66_667, 150_000] {
        let mut game = Match::new(&ground, 8, Way::GOOD, 0);
        game.frame_us = frame_us;
        game.run(20 * SECOND_US);
        let (inputs, ticks) = (game.inputs(), game.ticks());
        game.run(80 * SECOND_US);
        let (inputs, ticks) = (game.inputs() - inputs, game.ticks() - ticks);
        assert!(inputs.abs_diff(ticks) <= 8, "{inputs} inputs in {ticks} ticks, a frame of {frame_us} us");
        assert_eq!((game.player.refused, game.pacer.counters().missed), (0, 0));
        // A second's pause: as many as may leave at once, and the beat goes on.
        game.frame_us = SECOND_US;
        game.run(80 * SECOND_US + SECOND_US / 2);
        let inputs = game.inputs();
        game.run(81 * SECOND_US);
        assert_eq!(game.inputs() - inputs, 4);
        assert!((10..=16).contains(&game.pacer.counters().missed), "{:?}", game.pacer.counters());
        game.frame_us = frame_us;
        game.run(90 * SECOND_US);
        assert_eq!(game.player.refused, 0);
    }
}

/// Distance that a client walks in a minute straight ahead whose clock goes `rate` times too fast, and that in turns is
/// silent for some ticks, sends all that it missed at once, and speaks for some; against the most of an honest one.
#[test]
fn clocks_that_lie_gain_nothing() {
    let ground = Ground::open();
    let honest_m = 60.0 * SPEED_MAX_M_S;
    let turns = [(0, 1), (40, 1), (40, 160), (2, 1)];
    for (rate, (silent, speaks)) in [1.0, 1.01, 1.1, 2.0, 10.0]
        .into_iter()
        .zip(std::iter::repeat(turns))
        .flat_map(|(rate, turns)| turns.map(|turn| (rate, turn)))
    {
        let mut player = Player::new(ground.somewhere(3, 4));
        let start = player.own.position;
        let (mut made, mut sequence) = (0.0, 0);
        for tick in 0..1200_u32 {
            made += rate;
            while tick % (silent + speaks) >= silent && f64::from(sequence) < made {
                sequence += 1;
                player.take([(sequence, IntentFields { move_x: 1.0, ..IntentFields::default() })]);
            }
            player.tick(&ground);
        }
        let gain = apart_m(start, player.own.position) / honest_m - 1.0;
        println!(
            "{rate} times, in turns {silent} ticks silent and {speaks} not: {:.2} %, {} refused",
            gain * 100.0,
            player.refused
        );
        assert!(gain <= 0.005, "{rate}, {silent}, {speaks}: {gain}");
    }
}

#[test]
fn the_model_refuses_a_client_that_does_not_listen() {
    let ground = Ground::wild();
    let mut game = Match::new(&ground, 3, Way::GOOD, 500);
    game.is_paced = false;
    game.run(3600 * SECOND_US);
    assert!(game.player.refused > 0, "a clock 500 ppm too fast fills the queue in a quarter of an hour");
}

#[test]
fn a_server_that_never_tells_of_waiting_inputs_is_not_sent_ever_more() {
    let mut pacer = Pacer::new(0);
    let mut inputs = 0;
    for tick in 0..20_000 {
        let now_us = tick * TICK_US;
        while pacer.due_us() <= now_us {
            pacer.sent(now_us);
            inputs += 1;
        }
        pacer.observe(now_us, TICK_HZ, 1000, 0);
    }
    assert_eq!(pacer.counters().early, EARLY_BEATS_MAX.into());
    assert!((20_016..=20_017).contains(&inputs), "{inputs}");
}

#[test]
fn what_a_server_says_of_its_pace_is_taken_with_salt() {
    let mut pacer = Pacer::new(0);
    for (tick_hz, speed, period_us) in [
        (20, 1000, 50_000),
        (20, 0, 1_000_000),
        (20, u16::MAX, 25_000),
        (0, 1000, 1_000_000),
        (60, 500, 33_332),
    ] {
        pacer.observe(0, tick_hz, speed, 1);
        assert_eq!(pacer.period_us(), period_us, "{tick_hz} Hz, speed {speed}");
    }
    // A quicker pace does not wait for what is left of a slow beat.
    pacer.observe(0, 20, 50, 1);
    pacer.sent(0);
    assert_eq!(pacer.due_us(), 1_000_000);
    pacer.observe(10_000, 20, 1000, 1);
    assert_eq!(pacer.due_us(), 60_000);
}
