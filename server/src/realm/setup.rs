//! What a realm is made with, from its settings: game, sessions, socket, and the lines that tell of it.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use throng_game::{Game, GameConfig, Land, LandSource, Rules, Spawn, WorldConfig};
use throng_net::io::{Apart, BackendChoice, BindError, BindReport, Bound, SocketConfig};
use throng_net::protocol::keys::SecretBytes;
use throng_net::protocol::packet::{TYPE_CONTROL, TYPE_DATA, TYPE_DISCONNECT};
use throng_net::protocol::token::protocol_hash;
use throng_net::protocol::{PrefixCaps, ServerConfig};
use throng_schema::SCHEMA_VERSION;

use super::RealmError;
use crate::config::{Config, IoChoice, LAND_FLAT, RulesSettings, SpawnChoice};
use crate::gateway::keys::unix_ms;
use crate::report::{Buffer, Startup};
use crate::{land, limits};

/// The game of the settings, on its land.
pub(super) fn game(config: &Config) -> Result<Game, RealmError> {
    let (realm, world) = (&config.realm, &config.world);
    let made = match world.land.as_str() {
        LAND_FLAT => None,
        "" => Some(land::make(realm.seed, world.width_m, world.height_m)?),
        path => Some(land::read(Path::new(path))?),
    };
    let (mut width_m, mut height_m, mut settled) = (world.width_m, world.height_m, 0_u64);
    let land = match made {
        None => LandSource::Flat,
        Some(mut made) => {
            land::lay_out(&mut made, world.instances, world.view_radius_m)?;
            (width_m, height_m) = (made.size().x, made.size().y);
            settled = settlers(&made);
            LandSource::Given(Arc::new(made))
        }
    };
    let config = GameConfig {
        world: WorldConfig {
            width_m,
            height_m,
            view_radius_m: world.view_radius_m,
            entities_max: entities_max(realm.players_max, world.creatures, settled)?,
            tick_hz: realm.tick_hz,
            seed: realm.seed,
            refresh_ticks: world.refresh_ticks,
        },
        creatures: world.creatures,
        spawn: match world.spawn {
            SpawnChoice::Land => Spawn::Land,
            SpawnChoice::Everywhere => Spawn::Everywhere,
            SpawnChoice::Disc => Spawn::Disc { radius_m: world.spawn_radius_m },
        },
        land,
        rules: rules(&config.rules, realm.tick_hz),
    };
    Ok(Game::new(config)?)
}

/// Creatures at home in a land. Its areas, copies of them included, may ask for more than 32 bits count.
fn settlers(land: &Land) -> u64 {
    land.spawn_areas().iter().map(|area| u64::from(area.count)).sum()
}

/// Players, their bodies left behind, and creatures.
fn entities_max(players_max: u32, creatures: u32, settled: u64) -> Result<u32, RealmError> {
    // Some players' bodies are still there when others have come in their places.
    let players = u64::from(players_max) + u64::from(players_max / 8 + 8);
    let found = players + u64::from(creatures) + settled;
    let most = limits::ENTITIES_MAX;
    match u32::try_from(found) {
        Ok(found) if found <= most => Ok(found),
        _ => Err(RealmError::Crowded { found, settled, most }),
    }
}

/// The rules that an operator may change, and the others as they are, at this tick rate.
fn rules(settings: &RulesSettings, tick_hz: u16) -> Rules {
    let hz = f32::from(tick_hz);
    let ticks = |seconds: f32| ((seconds * hz).round() as u32).max(1);
    // The game's own numbers are for 20 ticks a second.
    let scaled = |at_20_hz: u32| ticks(at_20_hz as f32 / 20.0);
    let usual = Rules::default();
    let mut rules = Rules {
        linger_ticks: ticks(settings.linger_s),
        respawn_ticks: ticks(settings.respawn_s),
        drop_ticks: ticks(settings.drop_s),
        shout_ticks: ticks(settings.shout_s),
        shouts_ticks: ticks(settings.shouts_s),
        drops_max: settings.drops_max,
        ask_ticks: scaled(usual.ask_ticks),
        characters_max: settings.characters_max,
        instance_players_max: settings.instance_players_max,
        ..usual
    };
    let combat = &mut rules.combat;
    (combat.pvp, combat.fight_ticks) = (settings.pvp, ticks(settings.fight_s));
    for rest in [
        &mut combat.strike_rest_ticks,
        &mut combat.shot_rest_ticks,
        &mut combat.shot_flight_ticks,
        &mut combat.blast_rest_ticks,
        &mut combat.mend_ticks,
    ] {
        *rest = scaled(*rest);
    }
    for species in &mut rules.species {
        species.rest_ticks = scaled(species.rest_ticks);
        species.respawn_ticks = scaled(species.respawn_ticks);
    }
    rules
}

/// How often a port in use is tried again, and how long after. The kernel lets go of an io_uring, and of the port, up to
/// 40 ms after the process that had it was killed: whoever starts it again at once should not be told that it still runs.
const PORT_TRIES: u32 = 10;
const PORT_EVERY: Duration = Duration::from_millis(25);

/// Opens the socket.
pub(super) fn bind(config: &SocketConfig) -> Result<Bound, BindError> {
    until_free(|| throng_net::io::bind(config))
}

fn until_free<T>(mut bind: impl FnMut() -> Result<T, BindError>) -> Result<T, BindError> {
    for _ in 1..PORT_TRIES {
        match bind() {
            Err(BindError::PortInUse(_)) => thread::sleep(PORT_EVERY),
            done => return done,
        }
    }
    bind()
}

/// Milliseconds that the clock of whoever makes this realm's tokens may be ahead: another machine's, where the gateway is
/// not in this process.
pub(super) fn clock_skew_ms(config: &Config) -> u32 {
    if config.gateway.enabled { 0 } else { limits::CLOCK_SKEW_MS }
}

pub(super) fn server_config(config: &Config) -> ServerConfig {
    ServerConfig {
        sessions_max: config.realm.players_max,
        timeout_us: u64::from(config.net.session_timeout_ms) * 1000,
        input_rate_hz: config.net.input_rate_hz,
        input_burst: config.net.input_burst,
        realm_id: config.realm.id,
        // Else a token used before a restart could look as if made after it.
        clock_skew_ms: clock_skew_ms(config),
        caps: PrefixCaps {
            ipv4: config.caps.ipv4,
            ipv4_24: config.caps.ipv4_24,
            ipv6_64: config.caps.ipv6_64,
            ipv6_56: config.caps.ipv6_56,
            ipv6_48: config.caps.ipv6_48,
            exempt: config.caps.networks(),
        },
        protocol_hash: protocol_hash(SCHEMA_VERSION),
        started_unix_ms: unix_ms(),
        ..ServerConfig::default()
    }
}

pub(super) fn socket_config(config: &Config) -> SocketConfig {
    SocketConfig {
        receive_buffer_bytes: config.net.receive_buffer_bytes as usize,
        apart: Some(Apart {
            home_first: TYPE_DATA,
            home_last: TYPE_CONTROL,
            buffer_bytes: limits::STRANGERS_BUFFER_BYTES,
        }),
        send_buffer_bytes: config.net.send_buffer_bytes as usize,
        backend: match config.net.io {
            IoChoice::Auto => BackendChoice::Auto,
            IoChoice::Uring => BackendChoice::Uring,
            IoChoice::Mmsg => BackendChoice::Mmsg,
        },
        ..SocketConfig::new(config.net.listen)
    }
}

pub(super) fn startup(config: &Config, game: &Game, threads: usize, bound: &BindReport) -> Startup {
    let buffer = |grant: &throng_net::io::BufferGrant| Buffer {
        asked_bytes: grant.asked_bytes as u64,
        granted_bytes: grant.granted_bytes as u64,
    };
    let world = game.world().config();
    let world_m = [world.width_m, world.height_m];
    Startup {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listen: bound.local_addr,
        simd: throng_engine::simd::Level::chosen()
            .map_or_else(|error| error.to_string(), |level| level.to_string()),
        io_backend: bound.backend.to_string(),
        io_reason: bound.reason.clone(),
        receive_buffer: buffer(&bound.receive_buffer),
        send_buffer: buffer(&bound.send_buffer),
        warnings: bound.warnings.clone(),
        threads: threads as u32,
        tick_hz: config.realm.tick_hz,
        players_max: config.realm.players_max,
        creatures: (u64::from(config.world.creatures) + settlers(game.land())) as u32,
        world_m,
        main_zone_m: game.land().instances(0).next().map_or(world_m, |(_, zone)| zone.size.to_array()),
        gateway: None,
    }
}

const _: () =
    assert!(TYPE_DATA < TYPE_DISCONNECT && TYPE_DISCONNECT < TYPE_CONTROL && TYPE_CONTROL - TYPE_DATA == 2);

/// What all randomness of a realm comes from.
pub(super) fn seed() -> Result<SecretBytes, RealmError> {
    SecretBytes::filled(|bytes| SystemRandom::new().fill(bytes)).map_err(|_| RealmError::NoEntropy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creatures_fight_as_fast_at_any_tick_rate() {
        let usual = Rules::default().species;
        for tick_hz in [10, 20, 60] {
            let scaled = rules(&RulesSettings::default(), tick_hz).species;
            assert_eq!(scaled.len(), usual.len());
            for (scaled, usual) in scaled.iter().zip(&usual) {
                let at = |ticks: u32| ticks * u32::from(tick_hz) / 20;
                assert_eq!(
                    (scaled.rest_ticks, scaled.respawn_ticks),
                    (at(usual.rest_ticks), at(usual.respawn_ticks)),
                    "{} at {tick_hz} ticks a second",
                    usual.name
                );
            }
        }
    }

    #[test]
    fn a_land_that_asks_for_too_many_is_refused_with_a_remedy() {
        assert_eq!(entities_max(80, 10, 5).expect("few"), 80 + 18 + 10 + 5);
        let most = u64::from(limits::ENTITIES_MAX);
        assert_eq!(u64::from(entities_max(80, 0, most - 98).expect("just enough")), most);
        // As many as areas and their copies can ask for, which no 32 bits hold.
        for (creatures, settled) in [(0, most - 97), (u32::MAX, 0), (u32::MAX, 1 << 34), (0, (1 << 32) - 98)]
        {
            let error = entities_max(80, creatures, settled).expect_err("too many").to_string();
            assert!(error.contains(&settled.to_string()) && error.contains("lower"), "{error}");
        }
    }

    #[test]
    fn only_a_port_in_use_is_tried_again() {
        let in_use = || BindError::PortInUse("127.0.0.1:7777".parse().expect("an address"));
        let mut tries = 0;
        let mut bind = |free_from: u32| {
            tries = 0;
            let bound = until_free(|| {
                tries += 1;
                if tries < free_from { Err(in_use()) } else { Ok(()) }
            });
            (bound.is_ok(), tries)
        };
        assert_eq!([bind(1), bind(3), bind(PORT_TRIES)], [(true, 1), (true, 3), (true, PORT_TRIES)]);
        assert_eq!(bind(u32::MAX), (false, PORT_TRIES));
        let mut tries = 0;
        let refused = until_free(|| {
            tries += 1;
            Err::<(), _>(BindError::UringRefused { reason: String::new() })
        });
        assert!(matches!(refused, Err(BindError::UringRefused { .. })) && tries == 1);
    }
}
