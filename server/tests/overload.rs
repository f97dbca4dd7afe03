//! A realm whose ticks take too long: it holds things back in order, tells its clients, loses nobody and no snapshot,
//! and takes up everything again. The work is pretended, so nothing here waits or depends on how fast the machine is.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{DEADLINE, assert_undisturbed, on_both_backends, players, step, step_until};
use throng_server::config::IoChoice;
use throng_server::realm::{Controls, Effort, Rung};
use throng_server::report::Event;

#[test]
fn overload_engages_in_order_settles_and_releases_and_no_snapshot_is_left_out() {
    on_both_backends(
        |_| {},
        |realm| {
            let mut players = players(realm, 3);
            let full = realm.effort();
            assert_eq!(full, Effort::full(full.refresh_ticks));

            // Twice the time that there is.
            realm.burden(Duration::from_millis(100));
            let mut rungs = vec![None];
            let seen: u32 = players.iter().map(|player| player.snapshots).sum();
            for _ in 0..200 {
                step(realm, &mut players);
                if rungs.last() != Some(&realm.effort().rung) {
                    rungs.push(realm.effort().rung);
                }
            }
            assert_eq!(rungs, [None, Some(Rung::FarRefresh), Some(Rung::Thinking), Some(Rung::WorldTime)]);
            // One more tick: what is decided after one is told with the next.
            let settled = realm.effort();
            step(realm, &mut players);
            assert!((200..=512).contains(&settled.speed), "{settled:?}");
            assert!(settled.refresh_ticks > full.refresh_ticks && settled.think_divisor > 1, "{settled:?}");
            for player in &players {
                let pace = player.session.view().pace();
                assert_eq!((pace.speed, pace.refresh_ticks), (settled.speed, settled.refresh_ticks));
            }
            let engaged = realm.counters().overload_engaged;
            assert_eq!(realm.counters().overload_released, 0);
            let snapshots = players.iter().map(|player| player.snapshots).sum::<u32>() - seen;
            assert_eq!(snapshots, 201 * 3, "every client got one every tick");

            realm.burden(Duration::ZERO);
            step_until(realm, &mut players, "all is released", |realm, _| realm.effort() == full);
            let counters = realm.counters();
            assert_eq!(counters.overload_engaged, counters.overload_released);
            assert!(counters.overload_engaged >= engaged && counters.ticks_world_time_held > 0);
            assert_undisturbed(&players);
        },
    );
}

#[test]
fn a_running_realm_stretches_its_ticks_and_says_so() {
    let controls = Controls::new();
    let (events, heard) = mpsc::channel();
    let of_realm = controls.clone();
    let mut config = common::config(IoChoice::Auto);
    config.realm.tick_hz = 60;
    (config.overload.engage_ticks, config.overload.window_ticks) = (1, 1);
    let realm = std::thread::spawn(move || {
        common::host(&config, |realm| {
            realm.burden(Duration::from_secs(1));
            realm.run(&of_realm, &mut |event| drop(events.send(event)))
        })
    });
    let progress = loop {
        match heard.recv_timeout(DEADLINE).expect("a running realm") {
            Event::Progress(progress) if progress.speed == 200 => break progress,
            _ => {}
        }
    };
    assert_eq!((progress.overload_rung, progress.overload_steps), (Some(Rung::WorldTime), 12));
    let line = progress.line();
    assert!(line.contains("of 83 ms") && line.contains("overload step 12, world time at 20 %"), "{line}");
    controls.stop.raise();
    let report = realm.join().expect("no panic").expect("a realm").whole;
    assert_eq!((report.speed_min, report.overload_steps_max), (200, 12));
    // Six ticks at least at full stretch, of 83.3 instead of 16.7 ms each.
    assert!(report.stretched_ms >= 66.0, "{report:?}");
}
