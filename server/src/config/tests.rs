use super::*;
use crate::gateway::tls::CertificateSource;

fn no_environment() -> Vec<(String, String)> {
    Vec::new()
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A settings file of its own, removed when the test ends.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-config-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn refused_file(name: &str, text: &str) -> String {
    let file = File::new(name, text);
    Config::load(Some(&file.0), no_environment()).expect_err("must be refused").to_string()
}

fn refused_environment(name: &str, value: &str) -> String {
    Config::load(None, environment(&[(name, value)])).expect_err("must be refused").to_string()
}

#[test]
fn the_printed_file_is_the_defaults() {
    let parsed: Config = toml::from_str(DEFAULT_FILE).expect("the printed file parses");
    assert_eq!(parsed, Config::default());
    parsed.check().expect("the defaults work");
}

#[test]
fn the_printed_file_names_and_explains_every_key() {
    let defaults = toml::Table::try_from(Config::default()).expect("settings have a TOML form");
    let lines: Vec<&str> = DEFAULT_FILE.lines().collect();
    for (section, keys) in &defaults {
        let begin = lines.iter().position(|line| *line == format!("[{section}]"));
        let begin = begin.unwrap_or_else(|| panic!("section {section} is missing"));
        let inside = &lines[begin + 1..];
        let inside = &inside[..inside.iter().position(|line| line.starts_with('[')).unwrap_or(inside.len())];
        for key in keys.as_table().expect("a section is a table").keys() {
            let at = inside.iter().position(|line| line.starts_with(&format!("{key} = ")));
            let at = at.unwrap_or_else(|| panic!("{section}.{key} is missing"));
            // Keys that belong together share one comment above them.
            let above = inside[..at].iter().rev().take_while(|line| !line.is_empty());
            assert!(above.into_iter().any(|line| line.starts_with('#')), "{section}.{key} has no comment");
        }
    }
}

#[test]
fn a_file_that_says_little_keeps_the_other_defaults() {
    let file = File::new("little", "[realm]\ntick_hz = 30\n");
    let config = Config::load(Some(&file.0), no_environment()).expect("loads").config;
    assert_eq!(config.realm.tick_hz, 30);
    assert_eq!(config.realm.players_max, RealmSettings::default().players_max);
    assert_eq!(config.net, NetSettings::default());
}

#[test]
fn an_empty_file_is_warned_of_with_what_writes_one() {
    let file = File::new("empty", " \n");
    let Loaded { config, warnings } = Config::load(Some(&file.0), no_environment()).expect("loads");
    assert_eq!(config, Config::default());
    assert!(warnings.len() == 1 && warnings[0].contains("--print-config"), "{warnings:?}");
    let file = File::new("comment", "# as it is");
    assert!(Config::load(Some(&file.0), no_environment()).expect("loads").warnings.is_empty());
}

#[test]
fn an_address_without_ip_or_port_is_refused_with_one_that_is_right() {
    for (name, text) in
        [("port", "[net]\nlisten = \"7777\""), ("host", "[gateway]\nlisten = \"localhost:7780\"")]
    {
        let error = refused_file(name, text);
        assert!(error.contains("such as 0.0.0.0:7777") && error.contains("line 2"), "{error}");
    }
    assert!(refused_environment("THRONG_NET__LISTEN", "localhost:7777").contains("such as 0.0.0.0:7777"));
    assert!(parse_listen_address("[::1]:7").is_ok());
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = File::new("layers", "[realm]\ntick_hz = 30\nthreads = 3\n[net]\nlisten = \"127.0.0.1:1\"\n");
    let variables = environment(&[
        ("THRONG_REALM__TICK_HZ", "60"),
        ("THRONG_NET__LISTEN", "[::1]:9"),
        ("THRONG_NET__IO", "mmsg"),
        ("THRONG_WORLD__WIDTH_M", "750"),
        ("THRONG_LOG__FILTER", "debug"),
        ("THRONG_SIMD", "portable"),
        ("THRONG_LOG", "trace"),
        ("PATH", "/bin"),
    ]);
    let Loaded { config, warnings } = Config::load(Some(&file.0), variables).expect("loads");
    assert_eq!((config.realm.tick_hz, config.realm.threads), (60, 3));
    assert_eq!(config.net.listen, "[::1]:9".parse().expect("an address"));
    assert_eq!(config.net.io, IoChoice::Mmsg);
    assert_eq!(config.world.width_m, 750.0);
    assert_eq!(config.log.filter, "debug");
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn unknown_keys_and_wrong_types_are_refused_with_their_place() {
    let error = refused_file("key", "[realm]\ntick_hz = 20\nplayer_max = 5\n");
    assert!(error.contains("line 3, column 1"), "{error}");
    assert!(error.contains("player_max") && error.contains("players_max"), "{error}");

    let error = refused_file("section", "[relm]\ntick_hz = 20\n");
    assert!(error.contains("line 1") && error.contains("relm"), "{error}");

    let error = refused_file("type", "[realm]\n\ntick_hz = \"fast\"\n");
    assert!(error.contains("line 3, column 11") && error.contains("fast"), "{error}");

    let error = refused_file("negative", "[realm]\nthreads = -1\n");
    assert!(error.contains("line 2, column 11") && error.contains("-1"), "{error}");

    let error = refused_file("address", "[net]\nlisten = \"7777\"\n");
    assert!(error.contains("line 2, column 10"), "{error}");

    let error = refused_file("syntax", "[realm\n");
    assert!(error.contains("line 1"), "{error}");
    assert!(error.contains("--print-config"), "{error}");
}

#[test]
fn a_missing_file_is_refused_with_a_remedy() {
    let path = Path::new("/nowhere/throng.toml");
    let error = Config::load(Some(path), no_environment()).expect_err("must be refused").to_string();
    assert!(error.contains("/nowhere/throng.toml") && error.contains("--print-config"), "{error}");
}

#[test]
fn unknown_and_wrong_variables_are_refused_by_name() {
    let error = refused_environment("THRONG_REALM__TICKHZ", "20");
    assert!(error.contains("THRONG_REALM__TICKHZ") && error.contains("tick_hz"), "{error}");

    let error = refused_environment("THRONG_RELM__TICK_HZ", "20");
    assert!(error.contains("no section `relm`") && error.contains("realm"), "{error}");

    let error = refused_environment("THRONG_REALM__TICK_HZ", "fast");
    assert!(error.contains("THRONG_REALM__TICK_HZ=\"fast\"") && error.contains("20"), "{error}");

    let error = refused_environment("THRONG_REALM__THREADS", "-1");
    assert!(error.contains("-1"), "{error}");

    let error = refused_environment("THRONG_NET__IO", "epoll");
    assert!(error.contains("uring") && error.contains("mmsg"), "{error}");
}

#[test]
fn a_single_underscore_is_refused_and_a_stranger_only_warned_of() {
    let error = refused_environment("THRONG_NET_LISTEN", "0.0.0.0:1");
    assert!(error.contains("THRONG_NET__LISTEN"), "{error}");

    let loaded = Config::load(None, environment(&[("THRONG_SERVICE_HOST", "10.0.0.1")])).expect("loads");
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("THRONG_SERVICE_HOST"));
}

#[test]
fn a_variable_that_something_else_reads_is_passed_over() {
    let others = [("THRONG_PASSWORD", "hunter2"), ("THRONG_SIMD", "portable"), ("THRONG_LOG", "debug")];
    let loaded = Config::load(None, environment(&others)).expect("loads");
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, [""; 0]);
}

/// The keys that `check` complains about after `change`.
fn problems(change: impl FnOnce(&mut Config)) -> Vec<&'static str> {
    let mut config = Config::default();
    change(&mut config);
    match config.check() {
        Ok(()) => Vec::new(),
        Err(Problems(problems)) => problems.into_iter().map(|problem| problem.key).collect(),
    }
}

#[test]
fn every_limit_is_checked() {
    assert_eq!(problems(|c| c.realm.tick_hz = 9), ["realm.tick_hz"]);
    assert_eq!(problems(|c| c.realm.tick_hz = 61), ["realm.tick_hz"]);
    assert_eq!(problems(|c| c.realm.players_max = 0), ["realm.players_max"]);
    assert_eq!(problems(|c| c.realm.players_max = 1 << 20), ["realm.players_max"]);
    assert_eq!(problems(|c| c.realm.threads = 257), ["realm.threads"]);
    assert_eq!(problems(|c| c.realm.drain_s = 86_401), ["realm.drain_s"]);
    assert_eq!(problems(|c| c.world.width_m = f32::NAN), ["world.width_m"]);
    assert_eq!(problems(|c| c.world.height_m = 0.0), ["world.height_m"]);
    assert_eq!(problems(|c| c.world.view_radius_m = 201.0), ["world.view_radius_m"]);
    let tiny_cells =
        |c: &mut Config| (c.world.width_m, c.world.height_m, c.world.view_radius_m) = (9e3, 9e3, 1.0);
    assert_eq!(problems(tiny_cells), ["world.width_m"]);
    assert_eq!(problems(|c| c.world.refresh_ticks = 1), ["world.refresh_ticks"]);
    assert_eq!(problems(|c| c.world.creatures = u32::MAX), ["world.creatures"]);
    assert_eq!(problems(|c| c.world.instances = 1001), ["world.instances"]);
    assert_eq!(problems(|c| c.world.width_m = 63.0), ["world.land"]);
    assert!(problems(|c| (c.world.width_m, c.world.land) = (63.0, LAND_FLAT.to_owned())).is_empty());
    assert_eq!(problems(|c| c.rules.fight_s = 3601.0), ["rules.fight_s"]);
    assert_eq!(problems(|c| c.rules.linger_s = f32::NAN), ["rules.linger_s"]);
    assert_eq!(problems(|c| c.rules.respawn_s = -1.0), ["rules.respawn_s"]);
    assert_eq!(problems(|c| c.rules.drop_s = 0.0), ["rules.drop_s"]);
    assert_eq!(problems(|c| c.rules.shout_s = 0.0), ["rules.shout_s"]);
    assert_eq!(problems(|c| c.rules.shouts_s = f32::INFINITY), ["rules.shouts_s"]);
    assert_eq!(problems(|c| c.rules.drops_max = u32::MAX), ["rules.drops_max"]);
    assert_eq!(problems(|c| c.rules.instance_players_max = 0), ["rules.instance_players_max"]);
    assert_eq!(problems(|c| c.rules.characters_max = 0), ["rules.characters_max"]);
    assert_eq!(problems(|c| c.overload.engage_share = 1.1), ["overload.engage_share"]);
    assert_eq!(problems(|c| c.overload.engage_share = f32::NAN), ["overload.engage_share"]);
    assert_eq!(problems(|c| c.overload.window_ticks = 65), ["overload.window_ticks"]);
    assert_eq!(problems(|c| c.overload.engage_ticks = 13), ["overload.engage_ticks"]);
    assert_eq!(problems(|c| c.overload.engage_ticks = 0), ["overload.engage_ticks"]);
    assert_eq!(problems(|c| c.overload.release_share = 0.86), ["overload.release_share"]);
    assert_eq!(problems(|c| c.overload.release_share = f32::NAN), ["overload.release_share"]);
    assert_eq!(problems(|c| c.overload.release_ms = 99), ["overload.release_ms"]);
    assert_eq!(problems(|c| c.overload.speed_min = 49), ["overload.speed_min"]);
    assert_eq!(problems(|c| c.net.snapshot_bytes_max = 1201), ["net.snapshot_bytes_max"]);
    assert_eq!(problems(|c| c.net.session_timeout_ms = 0), ["net.session_timeout_ms"]);
    assert_eq!(problems(|c| c.net.input_burst = 0), ["net.input_burst"]);
    assert_eq!(problems(|c| c.net.poll_us = 0), ["net.poll_us"]);
    assert_eq!(problems(|c| c.net.receive_batch_max = 1), ["net.receive_batch_max"]);
    assert_eq!(problems(|c| c.net.receive_buffer_bytes = 1), ["net.receive_buffer_bytes"]);
    assert_eq!(problems(|c| c.net.send_buffer_bytes = u32::MAX), ["net.send_buffer_bytes"]);
    assert_eq!(problems(|c| c.log.status_every_s = u32::MAX), ["log.status_every_s"]);
}

#[test]
fn every_limit_of_the_gateway_is_checked() {
    assert_eq!(problems(|c| c.realm.id = 0), ["realm.id"]);
    assert_eq!(problems(|c| c.realm.name = String::new()), ["realm.name"]);
    assert_eq!(problems(|c| c.realm.name = "a\u{1b}[2J".to_owned()), ["realm.name"]);
    assert_eq!(problems(|c| c.realm.name = "x".repeat(65)), ["realm.name"]);
    assert_eq!(problems(|c| c.caps.ipv4 = 0), ["caps.ipv4"]);
    assert_eq!(problems(|c| c.caps.ipv4 = 65), ["caps.ipv4"]);
    assert_eq!(problems(|c| c.caps.ipv6_56 = 257), ["caps.ipv6_56"]);
    assert_eq!(problems(|c| c.caps.ipv6_48 = u32::MAX), ["caps.ipv6_48"]);
    assert_eq!(problems(|c| c.caps.allow = vec!["::1".parse().expect("a network"); 65]), ["caps.allow"]);
    assert_eq!(problems(|c| c.gateway.admit_per_s = 0), ["gateway.admit_per_s"]);
    assert_eq!(problems(|c| c.gateway.password_threads = 65), ["gateway.password_threads"]);
    assert_eq!(problems(|c| c.gateway.password_queue_max = 0), ["gateway.password_queue_max"]);
    assert_eq!(problems(|c| c.gateway.password_deadline_ms = 1), ["gateway.password_deadline_ms"]);
    assert_eq!(problems(|c| c.gateway.sockets_max = 16), ["gateway.sockets_per_address_max"]);
    assert_eq!(problems(|c| c.gateway.sockets_per_address_max = 0), ["gateway.sockets_per_address_max"]);
    assert_eq!(problems(|c| c.gateway.handshake_timeout_ms = 99), ["gateway.handshake_timeout_ms"]);
    assert_eq!(problems(|c| c.gateway.head_timeout_ms = u32::MAX), ["gateway.head_timeout_ms"]);
    assert_eq!(problems(|c| c.gateway.request_timeout_ms = 4000), ["gateway.request_timeout_ms"]);
    assert_eq!(problems(|c| c.gateway.idle_timeout_ms = 0), ["gateway.idle_timeout_ms"]);
    assert_eq!(problems(|c| c.gateway.shutdown_timeout_ms = 0), ["gateway.shutdown_timeout_ms"]);
    assert_eq!(problems(|c| c.gateway.data_dir.clear()), ["gateway.data_dir"]);
    assert_eq!(problems(|c| c.gateway.tls_key = "k".to_owned()), ["gateway.tls_certificate"]);
    assert_eq!(problems(|c| c.gateway.tls_certificate = "c".to_owned()), ["gateway.tls_key"]);
    assert_eq!(problems(|c| c.gateway.tls = false), ["gateway.tls"]);
    let elsewhere = |url: &str, ca: &str| {
        let (url, ca) = (url.to_owned(), ca.to_owned());
        problems(move |c| {
            (c.gateway.enabled, c.gateway.report_to, c.gateway.report_ca) = (false, url, ca);
            c.gateway.public_address = "play.example.org:7777".to_owned();
        })
    };
    for right in
        ["https://play.example.org:7780", "https://192.0.2.1", "https://play.example.org/", "https://[::1]:1"]
    {
        assert!(elsewhere(right, "c").is_empty(), "{right}");
        assert_eq!(elsewhere(right, ""), ["gateway.report_ca"], "{right}");
    }
    for here in ["http://127.0.0.1:7780", "http://[::1]:7780", "http://localhost:7780"] {
        assert!(elsewhere(here, "").is_empty(), "{here}");
    }
    for wrong in [
        "play.example.org:7780",
        "http://192.0.2.1:7780",
        "http://localhost.example.org:1",
        "https://a/v1",
        "https://",
    ] {
        assert_eq!(elsewhere(wrong, "c"), ["gateway.report_to"], "{wrong}");
    }
    let both = |c: &mut Config| c.gateway.report_to = "http://localhost:7780".to_owned();
    assert_eq!(problems(both), ["gateway.report_to", "gateway.public_address"]);
    for wrong in ["7777", "play.example.org", "play.example.org:0", "1.2.3:7", ":7777", "a b:1", "[::1]"] {
        assert_eq!(
            problems(|c| c.gateway.public_address = wrong.to_owned()),
            ["gateway.public_address"],
            "{wrong}"
        );
    }
    for right in ["play.example.org:7777", "192.0.2.1:1", "[2001:db8::1]:7777", "localhost:7", "a.b.:7"] {
        assert!(problems(|c| c.gateway.public_address = right.to_owned()).is_empty(), "{right}");
    }
    for wrong in ["https://play.example.org", "play.example.org:7780", "a b", "10.0.0.0/8"] {
        assert_eq!(
            problems(|c| c.gateway.tls_names = vec![wrong.to_owned()]),
            ["gateway.tls_names"],
            "{wrong}"
        );
    }
    let names = ["play.example.org", "*.example.org", "192.0.2.1", "2001:db8::1", ""].map(str::to_owned);
    assert!(problems(|c| c.gateway.tls_names = names.to_vec()).is_empty());
    let realm = |id, public_key: &str| RemoteRealmSettings { id, public_key: public_key.to_owned() };
    let key = "A".repeat(43);
    assert!(problems(|c| c.gateway.realms = vec![realm(2, &key), realm(3, &key)]).is_empty());
    for wrong in [vec![realm(1, &key)], vec![realm(2, &key), realm(2, &key)], vec![realm(2, "AAAA")]] {
        assert_eq!(problems(|c| c.gateway.realms = wrong), ["gateway.realms"]);
    }
}

#[test]
fn lists_come_from_the_environment_too() {
    let load = |name: &str, value: &str| Config::load(None, environment(&[(name, value)]));
    let config = load("THRONG_CAPS__ALLOW", "127.0.0.0/8, ::1,10.1.2.3/8").expect("loads").config;
    let networks: Vec<String> = config.caps.allow.iter().map(Network::to_string).collect();
    assert_eq!(networks, ["127.0.0.0/8", "::1/128", "10.0.0.0/8"]);
    let config = load("THRONG_CAPS__ALLOW", "").expect("loads").config;
    assert!(config.caps.allow.is_empty());
    let config = load("THRONG_CAPS__ALLOW", "[\"127.0.0.0/8\"]").expect("loads").config;
    assert_eq!(config.caps.allow.len(), 1);
    let realms = "[{ id = 2, public_key = \"x\" }, { id = 3, public_key = \"y\" }]";
    let config = load("THRONG_GATEWAY__REALMS", realms).expect("loads").config;
    assert_eq!(config.gateway.realms[1], RemoteRealmSettings { id: 3, public_key: "y".to_owned() });
    let config = load("THRONG_GATEWAY__REGISTRATION", "invite").expect("loads").config;
    assert_eq!(config.gateway.registration, Registration::Invite);

    let error = refused_environment("THRONG_CAPS__ALLOW", "127.0.0.0/33");
    assert!(error.contains("127.0.0.0/33") && error.contains("2001:db8::/32"), "{error}");
    let error = refused_environment("THRONG_CAPS__ALLOW", "[127.0.0.0/8");
    assert!(error.contains("THRONG_CAPS__ALLOW"), "{error}");
    let error = refused_environment("THRONG_GATEWAY__REALMS", "2");
    assert!(error.contains("THRONG_GATEWAY__REALMS"), "{error}");
    let error = refused_file("allow", "[caps]\nallow = [\"localhost\"]\n");
    assert!(error.contains("line 2") && error.contains("localhost"), "{error}");
    let error = refused_file("registration", "[gateway]\nregistration = \"all\"\n");
    assert!(error.contains("line 2") && error.contains("invite"), "{error}");
}

#[test]
fn gateway_settings_become_what_the_gateway_takes() {
    let mut gateway = GatewaySettings::default();
    assert!(matches!(gateway.certificate(), Some(CertificateSource::SelfSigned { .. })));
    assert_eq!(gateway.public_address(), None);
    assert!(gateway.password_pool().permits >= 1);
    (gateway.tls_certificate, gateway.tls_key) = ("c".to_owned(), "k".to_owned());
    gateway.password_threads = 3;
    gateway.public_address = "a.example:1".to_owned();
    assert!(matches!(gateway.certificate(), Some(CertificateSource::Files { .. })));
    assert_eq!((gateway.password_pool().permits, gateway.public_address().is_some()), (3, true));
    gateway.tls = false;
    assert!(gateway.certificate().is_none());
    let caps =
        CapsSettings { allow: vec!["127.0.0.0/8".parse().expect("a network")], ..CapsSettings::default() };
    assert_eq!(gateway.census(&caps).exempt.len(), 1);
    assert_eq!(gateway.timeouts().idle.as_millis(), 10_000);
}

#[test]
fn contradictions_are_found_together_and_say_what_to_do() {
    let mut config = Config::default();
    config.realm.tick_hz = 60;
    config.net.input_rate_hz = 40;
    config.world.spawn = SpawnChoice::Disc;
    config.world.spawn_radius_m = 5000.0;
    let problems = config.check().expect_err("must be refused");
    let keys: Vec<_> = problems.0.iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["world.spawn_radius_m", "net.input_rate_hz"]);
    let text = problems.to_string();
    assert!(text.contains("found 5000, needed 1 to 1000"), "{text}");
    assert!(text.contains("found 40, needed 120"), "{text}");
    assert!(problems.0.iter().all(|problem| !problem.remedy.is_empty()));
}
