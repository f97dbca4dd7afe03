//! Settings that parse but cannot work: found, needed, remedy.

use std::fmt;
use std::ops::RangeInclusive;

use rustls_pki_types::ServerName;

use super::gateway::{is_gateway_url, is_host_and_port};
use super::{Config, GatewaySettings, OverloadSettings, RulesSettings, SpawnChoice};
use crate::gateway::limits as gateway_limits;
use crate::limits;

/// One setting that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `section.key`.
    pub key: &'static str,
    /// The value found.
    pub found: String,
    /// What would work.
    pub needed: String,
    /// What to do.
    pub remedy: String,
}

/// All problems of one configuration: an operator should not meet them one restart at a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot work:")?;
        for Problem { key, found, needed, remedy } in &self.0 {
            write!(f, "\n  {key}: found {found}, needed {needed}\n    {remedy}")?;
        }
        Ok(())
    }
}

impl Config {
    /// Looks for values outside their limits and for settings that contradict each other.
    ///
    /// # Errors
    /// All problems at once.
    pub fn check(&self) -> Result<(), Problems> {
        let mut checker = Checker(Vec::new());
        checker.realm(self);
        checker.world(self);
        checker.rules(&self.rules);
        checker.overload(&self.overload);
        checker.net(self);
        checker.caps(self);
        checker.gateway(&self.gateway, self.realm.id);
        checker.report_to(self);
        if checker.0.is_empty() { Ok(()) } else { Err(Problems(checker.0)) }
    }
}

struct Checker(Vec<Problem>);

impl Checker {
    fn report(
        &mut self,
        key: &'static str,
        found: impl fmt::Display,
        needed: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (found, needed, remedy) = (found.to_string(), needed.into(), remedy.into());
        self.0.push(Problem { key, found, needed, remedy });
    }

    /// True when `value` lies in `range`. NaN lies in no range.
    fn within<T: PartialOrd + fmt::Display>(
        &mut self,
        key: &'static str,
        value: T,
        range: RangeInclusive<T>,
    ) -> bool {
        let is_within = range.contains(&value);
        if !is_within {
            let (low, high) = (range.start(), range.end());
            let name = key.to_ascii_uppercase().replace('.', "__");
            self.report(
                key,
                value,
                format!("{low} to {high}"),
                format!("set {key} in the settings file, or THRONG_{name}"),
            );
        }
        is_within
    }

    fn realm(&mut self, config: &Config) {
        let realm = &config.realm;
        self.within("realm.id", realm.id, limits::REALM_ID);
        self.name(&realm.name);
        self.within("realm.tick_hz", realm.tick_hz, limits::TICK_HZ);
        self.within("realm.players_max", realm.players_max, limits::PLAYERS);
        self.within("realm.threads", realm.threads, limits::THREADS);
        self.within("realm.drain_s", realm.drain_s, limits::DRAIN_S);
        self.within("log.status_every_s", config.log.status_every_s, 0..=limits::STATUS_EVERY_S_MAX);
    }

    fn world(&mut self, config: &Config) {
        let world = &config.world;
        let is_sized = self.within("world.width_m", world.width_m, limits::SIDE_M)
            & self.within("world.height_m", world.height_m, limits::SIDE_M);
        self.within("world.refresh_ticks", world.refresh_ticks, limits::REFRESH_TICKS);
        self.within("world.instances", world.instances, limits::INSTANCES);
        let side_m = world.width_m.min(world.height_m);
        if is_sized && world.land.is_empty() && side_m < limits::SIDE_M_MADE_MIN {
            self.report(
                "world.land",
                format!("none, in a world of {} x {} m", world.width_m, world.height_m),
                format!("a land, or {} m and more", limits::SIDE_M_MADE_MIN),
                "a land that is made has villages in it: make the world larger (world.width_m, world.height_m), or set \
                 world.land = \"flat\"",
            );
        }
        if is_sized && world.spawn == SpawnChoice::Disc {
            let half_side_m = world.width_m.min(world.height_m) / 2.0;
            if !(1.0..=half_side_m).contains(&world.spawn_radius_m) {
                self.report(
                    "world.spawn_radius_m",
                    world.spawn_radius_m,
                    format!("1 to {half_side_m}, half the smaller side of the world"),
                    "make the disc smaller or the world larger (world.width_m, world.height_m)",
                );
            }
        }
        if is_sized && self.within("world.view_radius_m", world.view_radius_m, limits::VIEW_RADIUS_M) {
            let cells = |side_m: f32| (side_m / world.view_radius_m).ceil() as u64;
            let found = cells(world.width_m) * cells(world.height_m);
            if found > limits::CELLS_MAX {
                self.report(
                    "world.width_m",
                    format!("a world of {found} cells of one view radius"),
                    format!("at most {} cells", limits::CELLS_MAX),
                    "make the world smaller (world.width_m, world.height_m) or world.view_radius_m larger",
                );
            }
        }
        let entities = u64::from(config.realm.players_max) + u64::from(world.creatures);
        if entities > u64::from(limits::ENTITIES_MAX) {
            self.report(
                "world.creatures",
                format!(
                    "{} creatures beside {} players, together {entities}",
                    world.creatures, config.realm.players_max
                ),
                format!("together at most {}", limits::ENTITIES_MAX),
                "lower world.creatures or realm.players_max",
            );
        }
    }

    fn rules(&mut self, rules: &RulesSettings) {
        let times = [
            ("rules.fight_s", rules.fight_s),
            ("rules.linger_s", rules.linger_s),
            ("rules.respawn_s", rules.respawn_s),
            ("rules.drop_s", rules.drop_s),
            ("rules.shout_s", rules.shout_s),
            ("rules.shouts_s", rules.shouts_s),
        ];
        for (key, seconds) in times {
            self.within(key, seconds, limits::RULE_S);
        }
        self.within("rules.drops_max", rules.drops_max, limits::DROPS);
        self.within("rules.instance_players_max", rules.instance_players_max, limits::PLAYERS);
        self.within("rules.characters_max", rules.characters_max, limits::CHARACTERS);
    }

    fn overload(&mut self, overload: &OverloadSettings) {
        let is_engage_sound =
            self.within("overload.engage_share", overload.engage_share, limits::ENGAGE_SHARE);
        if self.within("overload.window_ticks", overload.window_ticks, limits::WINDOW_TICKS) {
            self.within("overload.engage_ticks", overload.engage_ticks, 1..=overload.window_ticks);
        }
        self.within("overload.release_ms", overload.release_ms, limits::RELEASE_MS);
        self.within("overload.speed_min", overload.speed_min, limits::SPEED_MIN);
        let most = overload.engage_share * limits::RELEASE_OF_ENGAGE_MAX;
        if is_engage_sound && !(0.0..=most).contains(&overload.release_share) {
            self.report(
                "overload.release_share",
                overload.release_share,
                format!(
                    "0 to {most:.2}, which is {} of overload.engage_share",
                    limits::RELEASE_OF_ENGAGE_MAX
                ),
                "what is released must not engage at once: lower it, or raise overload.engage_share",
            );
        }
    }

    fn net(&mut self, config: &Config) {
        let net = &config.net;
        self.within("net.snapshot_bytes_max", net.snapshot_bytes_max, limits::SNAPSHOT_BYTES);
        self.within("net.session_timeout_ms", net.session_timeout_ms, limits::SESSION_TIMEOUT_MS);
        self.within("net.input_burst", net.input_burst, limits::INPUT_BURST);
        self.within("net.poll_us", net.poll_us, limits::POLL_US);
        self.within("net.receive_batch_max", net.receive_batch_max, limits::RECEIVE_BATCH);
        self.within("net.receive_buffer_bytes", net.receive_buffer_bytes, limits::SOCKET_BUFFER_BYTES);
        self.within("net.send_buffer_bytes", net.send_buffer_bytes, limits::SOCKET_BUFFER_BYTES);
        // One complaint for a rate beyond its own limit is enough.
        let tick_hz = u32::from(config.realm.tick_hz.min(*limits::TICK_HZ.end()));
        if !(2 * tick_hz..=limits::INPUT_RATE_HZ_MAX).contains(&net.input_rate_hz) {
            self.report(
                "net.input_rate_hz",
                net.input_rate_hz,
                format!("{} (twice realm.tick_hz) to {}", 2 * tick_hz, limits::INPUT_RATE_HZ_MAX),
                "a client sends one input a tick, and must be able to catch up: raise it to twice realm.tick_hz or more",
            );
        }
    }

    fn name(&mut self, name: &str) {
        let is_printable = !name.chars().any(char::is_control) && name.trim() == name;
        if name.is_empty() || name.len() > gateway_limits::REALM_NAME_BYTES_MAX || !is_printable {
            self.report(
                "realm.name",
                format!("{name:?}"),
                format!("1 to {} bytes of printable text", gateway_limits::REALM_NAME_BYTES_MAX),
                "it is what players see in the list of realms: give it a short name",
            );
        }
    }

    fn caps(&mut self, config: &Config) {
        let caps = &config.caps;
        let prefixes = [
            ("caps.ipv4", caps.ipv4),
            ("caps.ipv4_24", caps.ipv4_24),
            ("caps.ipv6_64", caps.ipv6_64),
            ("caps.ipv6_56", caps.ipv6_56),
            ("caps.ipv6_48", caps.ipv6_48),
        ];
        for (key, sessions) in prefixes {
            self.within(key, sessions, limits::CAP_SESSIONS);
        }
        // A narrower network's cap above a wider one's would never be reached.
        for (narrow, wide) in [(0, 1), (2, 3), (3, 4)] {
            let ((narrow_key, narrow), (wide_key, wide)) = (prefixes[narrow], prefixes[wide]);
            if narrow > wide {
                self.report(
                    narrow_key,
                    narrow,
                    format!("at most {wide} ({wide_key})"),
                    format!(
                        "the wider network holds the narrower one: raise {wide_key}, or lower {narrow_key}"
                    ),
                );
            }
        }
        if caps.allow.len() > limits::ALLOW_MAX {
            self.report(
                "caps.allow",
                format!("{} networks", caps.allow.len()),
                format!("at most {}", limits::ALLOW_MAX),
                "each is looked at for every new session: write wider networks",
            );
        }
    }

    fn gateway(&mut self, gateway: &GatewaySettings, own_realm_id: u32) {
        let numbers = [
            ("gateway.admit_per_s", gateway.admit_per_s, limits::ADMIT_PER_S),
            ("gateway.password_threads", gateway.password_threads, limits::PASSWORD_THREADS),
            ("gateway.password_queue_max", gateway.password_queue_max, limits::PASSWORD_QUEUE),
            ("gateway.password_deadline_ms", gateway.password_deadline_ms, limits::PASSWORD_DEADLINE_MS),
            ("gateway.sockets_max", gateway.sockets_max, limits::SOCKETS),
            ("gateway.handshake_timeout_ms", gateway.handshake_timeout_ms, limits::GATEWAY_TIMEOUT_MS),
            ("gateway.head_timeout_ms", gateway.head_timeout_ms, limits::GATEWAY_TIMEOUT_MS),
            ("gateway.request_timeout_ms", gateway.request_timeout_ms, limits::GATEWAY_TIMEOUT_MS),
            ("gateway.idle_timeout_ms", gateway.idle_timeout_ms, limits::GATEWAY_TIMEOUT_MS),
            ("gateway.shutdown_timeout_ms", gateway.shutdown_timeout_ms, limits::GATEWAY_TIMEOUT_MS),
        ];
        for (key, value, range) in numbers {
            self.within(key, value, range);
        }
        self.within(
            "gateway.sockets_per_address_max",
            gateway.sockets_per_address_max,
            1..=gateway.sockets_max.max(1),
        );
        // A request that waits for its password must get the answer that it waits for.
        let needed_ms = gateway.password_deadline_ms.max(gateway.head_timeout_ms);
        if gateway.request_timeout_ms <= needed_ms && limits::GATEWAY_TIMEOUT_MS.contains(&needed_ms) {
            self.report(
                "gateway.request_timeout_ms",
                gateway.request_timeout_ms,
                format!("more than {needed_ms}"),
                "a request contains its head and the wait for its password: raise it above \
                 gateway.head_timeout_ms and gateway.password_deadline_ms",
            );
        }
        if gateway.data_dir.is_empty() {
            self.report(
                "gateway.data_dir",
                "\"\"",
                "a folder",
                "name the folder that keeps accounts and keys",
            );
        }
        if gateway.tls_certificate.is_empty() != gateway.tls_key.is_empty() {
            let (key, other) = match gateway.tls_key.is_empty() {
                true => ("gateway.tls_key", "gateway.tls_certificate"),
                false => ("gateway.tls_certificate", "gateway.tls_key"),
            };
            self.report(
                key,
                "\"\"",
                format!("a PEM file that goes with {other}"),
                "set both, or neither for a self-signed certificate",
            );
        }
        for name in &gateway.tls_names {
            // A wildcard stands for one label.
            if !name.is_empty() && ServerName::try_from(name.replacen("*.", "any.", 1)).is_err() {
                self.report(
                    "gateway.tls_names",
                    format!("{name:?}"),
                    "host names and addresses, such as \"play.example.org\" or \"192.0.2.7\"",
                    "leave out the scheme and the port",
                );
            }
        }
        if gateway.enabled && !gateway.tls && !gateway.listen.ip().is_loopback() {
            self.report(
                "gateway.tls",
                format!("false with gateway.listen = \"{}\"", gateway.listen),
                "true, or a loopback address",
                "passwords must not cross a network in plain: set gateway.tls = true, or listen on 127.0.0.1",
            );
        }
        if !gateway.public_address.is_empty() && !is_host_and_port(&gateway.public_address) {
            self.report(
                "gateway.public_address",
                format!("{:?}", gateway.public_address),
                "a host and a UDP port, such as \"play.example.org:7777\" or \"[2001:db8::1]:7777\"",
                "correct it, or leave it empty to tell players the address by which they reached the gateway",
            );
        }
        self.remote_realms(gateway, own_realm_id);
    }

    fn report_to(&mut self, config: &Config) {
        let gateway = &config.gateway;
        if gateway.report_to.is_empty() {
            return;
        }
        if !is_gateway_url(&gateway.report_to) {
            self.report(
                "gateway.report_to",
                format!("{:?}", gateway.report_to),
                "a gateway's address, such as \"https://play.example.org:7780\", or http:// on this machine",
                "correct it, or leave it empty",
            );
        } else if gateway.report_to.starts_with("https") && gateway.report_ca.is_empty() {
            self.report(
                "gateway.report_ca",
                "\"\"",
                "the path of a certificate, PEM",
                "name a copy of that gateway's data_dir/tls/cert.pem, or the certificate of who signed its own",
            );
        }
        if gateway.enabled {
            self.report(
                "gateway.report_to",
                format!("{:?} with gateway.enabled = true", gateway.report_to),
                "one gateway for a realm",
                "leave it empty, or set gateway.enabled = false",
            );
        }
        if gateway.public_address.is_empty() && config.net.listen.ip().is_unspecified() {
            self.report(
                "gateway.public_address",
                format!("\"\" with net.listen = \"{}\"", config.net.listen),
                "a host and a UDP port, such as \"play.example.org:7777\"",
                "a gateway elsewhere cannot know where players reach this realm: tell it, or listen on one address",
            );
        }
    }

    fn remote_realms(&mut self, gateway: &GatewaySettings, own_realm_id: u32) {
        let realms = &gateway.realms;
        if realms.len() >= gateway_limits::REALMS_MAX {
            self.report(
                "gateway.realms",
                format!("{} realms", realms.len()),
                format!("fewer than {}", gateway_limits::REALMS_MAX),
                "run a second gateway",
            );
        }
        for (index, realm) in realms.iter().enumerate() {
            let is_taken =
                realm.id == own_realm_id || realms[..index].iter().any(|earlier| earlier.id == realm.id);
            if is_taken || !limits::REALM_ID.contains(&realm.id) {
                self.report(
                    "gateway.realms",
                    format!("the id {}", realm.id),
                    "an id of its own for each realm, from 1, that is not realm.id",
                    "give each realm another realm.id",
                );
            }
            if realm.public_key().is_none() {
                self.report(
                    "gateway.realms",
                    format!("a public_key of {} characters", realm.public_key.len()),
                    "32 bytes in base64url, 43 characters",
                    "copy what `throng keys list` prints where that realm runs",
                );
            }
        }
    }
}
