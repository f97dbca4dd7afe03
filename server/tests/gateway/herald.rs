//! What the operator of a realm elsewhere is told while its gateway does not hear of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use throng_server::gateway::board::{LocalRealm, RealmStatus};
use throng_server::gateway::herald::Herald;
use throng_server::gateway::listen::ListenSettings;

use crate::support::{ELSEWHERE, Plan, World, key_name, signing_key};

/// What a realm that reports to `gateway` says of a try that failed.
fn complaint(gateway: &str, ca: PathBuf) -> String {
    let status = Arc::new(RealmStatus::new(10));
    status.set_token_keys(vec![key_name(3)]);
    let realm = LocalRealm {
        id: ELSEWHERE,
        name: "There".to_owned(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 7777)),
        public_address: None,
        status,
        key: Arc::new(signing_key(ELSEWHERE)),
    };
    let herald =
        Herald::new(gateway, Some(ca), realm, Arc::default(), Arc::default()).expect("a certificate");
    assert_eq!((herald.outcome(), herald.failed()), (None, 0));
    herald.say();
    assert_eq!(herald.failed(), 1);
    herald.outcome().expect("it has said").expect_err("it cannot have worked")
}

#[test]
fn each_way_to_be_unheard_names_its_remedy() {
    let listen = ListenSettings::at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let [world, other] = [Plan { listen, ..Plan::default() }, Plan::default()].map(World::planned);
    let port = world.address().port();
    let here = format!("https://127.0.0.1:{port}");
    let ca = |world: &World| world.folder.path().join("tls/cert.pem");
    let closed = {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address").port()
    };
    for (told, needed) in [
        (complaint(&here, ca(&other)), ["gateway.report_ca", "tls/cert.pem"]),
        (
            complaint(&format!("https://127.0.0.2:{port}"), ca(&world)),
            ["gateway.tls_names", "gateway.report_to"],
        ),
        (
            complaint(&format!("https://127.0.0.1:{closed}"), ca(&world)),
            ["throng gateway", "gateway.report_to"],
        ),
        // Of the test's own time.
        (complaint(&here, ca(&world)), ["clocks", "chrony"]),
    ] {
        assert!(needed.iter().all(|part| told.contains(part)), "{needed:?}: {told}");
    }
}
