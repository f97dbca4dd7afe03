//! The `throng` program as an operator meets it: exit codes, messages, signals, reports.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use throng_server::report::{Event, RealmReport, Startup};
use throng_server::verdict::DemoReport;

/// What anything here may take before it is given up, far above what it needs.
const DEADLINE: Duration = Duration::from_secs(120);

fn throng(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
    // Settings of the machine that runs the tests are not part of them.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("THRONG_") && name != "THRONG_SIMD" {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    throng(arguments).output().expect("the program starts")
}

/// Runs what must fail and gives its message.
fn refused(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// A running program, ended with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> (Self, impl Iterator<Item = String> + use<>) {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().expect("piped");
        (Self(child), BufReader::new(stdout).lines().map_while(Result::ok))
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.0.id().to_string()]).status().expect("kill");
        assert!(status.success());
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the program did not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ids of its child processes.
    fn children(&self) -> Vec<String> {
        let id = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file of its own in the temporary folder, removed when the test ends.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("throng-program-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder of its own among the temporary ones, removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-program-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("writable");
        Self(path)
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }

    /// `serve` with accounts and keys in here and any free ports.
    fn serve(&self, arguments: &[&str]) -> Command {
        self.serve_at("127.0.0.1:0", arguments)
    }

    fn serve_at(&self, listen: &str, arguments: &[&str]) -> Command {
        let mut command = throng(&["serve", "--listen", listen]);
        command.args(arguments);
        command.env("THRONG_GATEWAY__DATA_DIR", self.at("data")).env("THRONG_GATEWAY__LISTEN", "127.0.0.1:0");
        command
    }

    /// `demo` with its temporary files in here.
    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = throng(&["demo"]);
        command.args(arguments).env("TMPDIR", &self.0);
        command
    }

    /// Accounts for bots, and where their session tokens are.
    fn bots(&self, count: u32) -> String {
        let (count, sessions) = (count.to_string(), self.at("sessions.txt"));
        let made = run(&[
            "account",
            "create",
            "--count",
            &count,
            "--prefix",
            "bot",
            "--locked",
            "--sessions",
            &sessions,
            "--data-dir",
            &self.at("data"),
        ]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        sessions
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).expect("there").next().is_none()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until the realm says that it listens.
fn listening(lines: &mut impl Iterator<Item = String>) -> Startup {
    let line = lines.next().expect("the realm says something");
    match serde_json::from_str(&line) {
        Ok(Event::Listening(startup)) => *startup,
        other => panic!("{line} is {other:?}"),
    }
}

#[test]
fn the_printed_settings_can_be_served_from() {
    let printed = run(&["serve", "--print-config"]);
    assert!(printed.status.success());
    assert_eq!(String::from_utf8_lossy(&printed.stdout), throng_server::config::DEFAULT_FILE);
}

#[test]
fn a_world_file_is_made_checked_and_served_and_a_damaged_one_is_refused() {
    let file = File::new("world.land");
    let generate = ["world", "generate", file.path(), "--width", "200", "--height", "100", "--seed", "7"];
    assert!(run(&generate).status.success());
    let bytes = std::fs::read(file.path()).expect("written");
    assert!(run(&generate).status.success());
    assert_eq!(std::fs::read(file.path()).expect("written"), bytes, "the same seed makes the same land");
    let checked = run(&["world", "check", file.path(), "--instances", "2"]);
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && told.contains("zone 0: 200 x 100 m, 1 laid out"), "{told}");

    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(file.path(), damaged).expect("writable");
    let error = refused(&mut throng(&["world", "check", file.path()]));
    assert!(error.contains("checksum") && error.contains(file.path()), "{error}");
    let folder = Folder::new("world");
    let error = refused(folder.serve(&[]).env("THRONG_WORLD__LAND", file.path()));
    assert!(error.contains("checksum") && error.contains(file.path()), "{error}");
    let error = refused(&mut throng(&["world", "check", "/nowhere.land"]));
    assert!(error.contains("/nowhere.land"), "{error}");
}

#[test]
fn settings_that_cannot_be_used_are_refused_before_anything_starts() {
    let file = File::new("unknown.toml");
    std::fs::write(&file.0, "[realm]\ntick_hz = 20\ntick_rate = 20\n").expect("writable");
    let error = refused(&mut throng(&["serve", "--config", file.path()]));
    assert!(error.contains("line 3, column 1") && error.contains("tick_rate"), "{error}");

    let error = refused(throng(&["serve"]).env("THRONG_REALM__TICK_HZ", "9000"));
    assert!(error.contains("realm.tick_hz: found 9000, needed 10 to 60"), "{error}");

    let error = refused(throng(&["demo"]).env("THRONG_REALM__TICKS", "9"));
    assert!(error.contains("THRONG_REALM__TICKS"), "{error}");

    let error = refused(&mut throng(&["serve", "--report", "/nowhere/report.json"]));
    assert!(error.contains("/nowhere/report.json"), "{error}");

    let error = refused(throng(&["serve"]).env("THRONG_LOG", "no=such=filter"));
    assert!(error.contains("no=such=filter"), "{error}");
}

#[test]
fn a_port_in_use_is_an_error_with_a_remedy() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let folder = Folder::new("port");
    let error = refused(&mut folder.serve_at(&address, &[]));
    assert!(error.contains(&address) && error.contains("in use"), "{error}");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let gateway = taken.local_addr().expect("bound").to_string();
    let error = refused(folder.serve(&[]).env("THRONG_GATEWAY__LISTEN", &gateway));
    assert!(error.contains(&gateway) && error.contains("in use"), "{error}");

    let temporary = Folder::new("port-demo");
    let error = refused(&mut temporary.demo(&["--clients", "1", "--listen", &address]));
    assert!(
        error.contains(&address) && error.contains("in use"),
        "a demo tells why its realm failed: {error}"
    );
    assert!(temporary.is_empty(), "it leaves nothing behind");
}

/// Accounts, keys and invitations beside it go on as ever; a crash leaves nothing in the way of the next start.
#[test]
fn a_data_directory_is_served_by_one_process() {
    let folder = Folder::new("second");
    let (first, mut lines) = Running::start(&mut folder.serve(&["--progress", "json"]));
    // The others want the same sockets, so that they end even where the directory keeps nobody out.
    let startup = listening(&mut lines);
    let realm = startup.listen.to_string();
    let https = startup.gateway.expect("a gateway beside the realm").url.replace("https://", "");
    let data = folder.at("data");
    let elsewhere = format!("[{{ id = 2, public_key = \"{}\" }}]", "A".repeat(43));
    let mut gateway = throng(&["gateway"]);
    gateway.env("THRONG_GATEWAY__DATA_DIR", &data).env("THRONG_GATEWAY__LISTEN", https);
    for second in [&mut folder.serve_at(&realm, &[]), gateway.env("THRONG_GATEWAY__REALMS", elsewhere)] {
        let error = refused(second);
        for needed in [&format!("process {} serves", first.0.id()), &data, "gateway.data_dir", "stop"] {
            assert!(error.contains(needed), "{needed}: {error}");
        }
    }
    // A second realm of the same number, whose gateway is the first one's.
    let mut serve = folder.serve_at(&realm, &[]);
    serve.env("THRONG_GATEWAY__ENABLED", "false");
    let error = refused(&mut serve);
    assert!(error.contains("serves its realm 1") && error.contains("realm.id"), "{error}");

    for beside in [
        &["account", "create", "Ada"][..],
        &["account", "list"],
        &["account", "ban", "Ada"],
        &["invite", "create"],
        &["keys", "list"],
        &["keys", "rotate"],
    ] {
        let done = run(&[beside, &["--data-dir", &data]].concat());
        assert!(done.status.success(), "{beside:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    drop(first); // SIGKILL: it clears nothing away.
    let (mut next, mut lines) = Running::start(&mut folder.serve(&["--progress", "json"]));
    listening(&mut lines);
    next.signal("-TERM");
    assert!(next.wait().success());
}

#[test]
fn serve_stops_in_order_and_writes_its_report() {
    for signal in ["-INT", "-TERM"] {
        let report = File::new(&format!("report{signal}.json"));
        let folder = Folder::new(&format!("serve{signal}"));
        let arguments = ["--progress", "json", "--report", report.path()];
        let (mut realm, mut lines) = Running::start(&mut folder.serve(&arguments));
        let startup = listening(&mut lines);
        assert_ne!(startup.listen.port(), 0);
        let gateway = startup.gateway.expect("a gateway beside the realm");
        assert!(gateway.url.starts_with("https://127.0.0.1:") && !gateway.url.ends_with(":0"), "{gateway:?}");
        assert!(gateway.fingerprint.is_some() && Path::new(&folder.at("data/tls/cert.pem")).exists());
        let second = lines.next().expect("a second later");
        assert!(matches!(serde_json::from_str(&second), Ok(Event::Progress(_))), "{second}");
        realm.signal(signal);
        assert!(realm.wait().success());
        let last = lines.last().expect("a report");
        let Ok(Event::Report(said)) = serde_json::from_str(&last) else { panic!("{last}") };
        let written: RealmReport =
            serde_json::from_slice(&std::fs::read(&report.0).expect("written")).expect("a report");
        assert_eq!(*said, written);
        assert!(written.whole.ticks > 0);
    }
}

#[test]
fn a_realm_where_nobody_plays_need_not_drain() {
    let folder = Folder::new("drain");
    let mut serve = folder.serve(&["--progress", "json"]);
    let (mut realm, mut lines) = Running::start(serve.env("THRONG_REALM__DRAIN_S", "86400"));
    listening(&mut lines);
    realm.signal("-TERM");
    assert!(realm.wait().success());
}

#[test]
fn a_realm_drains_no_longer_than_it_may() {
    let folder = Folder::new("drained");
    let sessions = folder.bots(3);
    let mut serve = folder.serve(&["--progress", "json"]);
    serve.env("THRONG_CAPS__ALLOW", "127.0.0.0/8").env("THRONG_REALM__DRAIN_S", "1");
    let (mut realm, mut lines) = Running::start(&mut serve);
    let gateway = listening(&mut lines).gateway.expect("a gateway").url;
    let certificate = folder.at("data/tls/cert.pem");
    let way_in = ["bots", "--gateway", &gateway, "--ca", &certificate, "--sessions", &sessions];
    let _playing = Running::start(&mut throng(&[&way_in[..], &["--seconds", "600"]].concat()));
    let is_joined = |line: String| match serde_json::from_str(&line) {
        Ok(Event::Progress(progress)) => progress.clients == 3,
        other => panic!("{other:?}"),
    };
    assert!(lines.any(is_joined), "they get in");
    realm.signal("-TERM");
    assert!(realm.wait().success());
    let last = lines.last().expect("a report");
    let Ok(Event::Report(report)) = serde_json::from_str(&last) else { panic!("{last}") };
    let counts = &report.counters;
    assert_eq!((counts.realm["left"], counts.protocol["sessions_closed"]), (0, 3), "it ended their sessions");
}

#[test]
fn bots_play_against_a_realm() {
    let folder = Folder::new("bots");
    let sessions = folder.bots(20);
    let mut serve = folder.serve(&["--progress", "json"]);
    let (mut realm, mut lines) = Running::start(serve.env("THRONG_CAPS__ALLOW", "127.0.0.0/8"));
    let gateway = listening(&mut lines).gateway.expect("a gateway").url;
    let (certificate, report) = (folder.at("data/tls/cert.pem"), folder.at("bots.json"));
    let way_in = ["bots", "--gateway", &gateway, "--ca", &certificate, "--sessions", &sessions];
    let played = run(&[&way_in[..], &["--seconds", "1", "--json", &report]].concat());
    let said = String::from_utf8_lossy(&played.stdout);
    assert!(played.status.success(), "{said}{}", String::from_utf8_lossy(&played.stderr));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&report).expect("written")).expect("JSON");
    assert_eq!((&report["connected"], &report["view_mismatches"]), (&20.into(), &0.into()));

    let error = refused(&mut throng(&[&way_in[..], &["--seconds", "1", "--clients", "21"]].concat()));
    assert!(error.contains("holds 20") && error.contains("account create"), "{error}");
    realm.signal("-TERM");
    assert!(realm.wait().success());
    let last = lines.last().expect("a report");
    let Ok(Event::Report(report)) = serde_json::from_str(&last) else { panic!("{last}") };
    assert_eq!((report.counters.realm["joined"], report.counters.realm["left"]), (20, 20));
    assert!(report.counters.gateway.values().sum::<u64>() >= 20, "{:?}", report.counters.gateway);
}

#[test]
fn bots_whom_no_gateway_lets_in_say_so() {
    let folder = Folder::new("nobody");
    let sessions = folder.bots(3);
    let bots = |gateway: &str, more: &[&str]| {
        let arguments = ["bots", "--gateway", gateway, "--sessions", &sessions, "--seconds", "1"];
        refused(&mut throng(&[&arguments[..], more].concat()))
    };
    let error = bots("127.0.0.1:7780", &[]);
    assert!(error.contains("https://127.0.0.1:7780"), "{error}");
    let error = bots("http://192.0.2.1:7780", &[]);
    assert!(error.contains("write https://"), "{error}");
    let error = bots("https://127.0.0.1:1", &["--ca", "/nowhere/cert.pem"]);
    assert!(error.contains("/nowhere/cert.pem"), "{error}");

    // One that knows none of these bots.
    let strange = Folder::new("strange");
    let (mut realm, mut lines) = Running::start(&mut strange.serve(&["--progress", "json"]));
    let gateway = listening(&mut lines).gateway.expect("a gateway").url;
    let error = bots(&gateway, &["--ca", &strange.at("data/tls/cert.pem")]);
    assert!(error.contains(&gateway) && error.contains("granted nobody entry"), "{error}");
    realm.signal("-TERM");
    assert!(realm.wait().success());
}

#[test]
fn a_demo_passes_and_writes_its_report() {
    for io in ["auto", "mmsg"] {
        let file = File::new(&format!("demo-{io}.json"));
        let folder = Folder::new(&format!("demo-{io}"));
        let arguments = ["--clients", "40", "--seconds", "2", "--io", io, "--json", file.path()];
        let output = folder.demo(&arguments).output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("measuring") && said.contains("passed"), "{said}");
        let report: DemoReport =
            serde_json::from_slice(&std::fs::read(&file.0).expect("written")).expect("a report");
        assert_eq!((report.clients, report.connected, report.tick_hz), (40, 40, 20));
        assert_eq!((report.view_mismatches, report.decode_errors), (0, 0));
        assert!(report.realm.measured.is_some_and(|measured| measured.client_ticks > 0));
        assert!(report.bytes_per_client_per_tick > 0.0 && report.visible_mean > 0.0);
        assert!(io == "auto" || report.io_backend == "mmsg");
        assert!(folder.is_empty(), "it leaves nothing behind");
    }
}

#[test]
fn an_interrupted_demo_stops_both_children() {
    let folder = Folder::new("interrupted");
    let (mut demo, mut lines) = Running::start(&mut folder.demo(&["--clients", "20", "--seconds", "600"]));
    assert!(lines.any(|line| line.starts_with("measuring")), "it gets going");
    let children = demo.children();
    assert_eq!(children.len(), 2, "{children:?}");
    demo.signal("-INT");
    assert_eq!(demo.wait().code(), Some(130));
    assert!(lines.any(|line| line.contains("realm")), "what was measured is still reported");
    assert_gone(&children);
    assert!(folder.is_empty(), "it leaves nothing behind");
}

#[test]
fn the_children_of_a_demo_do_not_outlive_it() {
    let folder = Folder::new("killed");
    let (demo, mut lines) = Running::start(&mut folder.demo(&["--clients", "20", "--seconds", "600"]));
    assert!(lines.any(|line| line.starts_with("settling") || line.starts_with("measuring")), "it gets going");
    let children = demo.children();
    assert_eq!(children.len(), 2, "{children:?}");
    drop(demo); // SIGKILL: no chance to tell them.
    assert_gone(&children);
}

fn assert_gone(children: &[String]) {
    let deadline = Instant::now() + DEADLINE;
    // A zombie that nobody has fetched yet has no command line any more.
    let is_there =
        |id: &String| std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty());
    while children.iter().any(is_there) {
        assert!(Instant::now() < deadline, "children {children:?} live on");
        thread::sleep(Duration::from_millis(10));
    }
}
