//! What a client costs: a whole server tick, from receiving inputs to handing the kernel snapshots, against a bare
//! `sendmmsg` loop that sends as many datagrams of the same sizes to the same addresses.
//!
//! The kernel's part of a send is the floor under every server. What this one adds must stay small beside it.

use std::cell::RefCell;
use std::net::Ipv4Addr;

use criterion::Criterion;
use throng_benches::raw::udp::{Parcel, RawSender};
use throng_benches::realm::{Realm, Stages};
use throng_benches::{Race, Watch, criterion, field, stay_on_this_thread};
use throng_net::io::BackendChoice;

/// Until first snapshots have let everybody in, and baselines and chains of blocks have settled.
const WARM_TICKS: usize = 60;

/// A realm and what its ticks have cost.
struct Measured {
    realm: Realm,
    clients: usize,
    ticks: usize,
    client_ticks: u64,
    stages: Stages,
}

impl Measured {
    /// A lap is `ticks` ticks.
    fn new(listen: Ipv4Addr, clients: usize, ticks: usize, backend: BackendChoice) -> RefCell<Self> {
        let mut realm = Realm::new(listen, clients, backend);
        (0..WARM_TICKS).for_each(|_| realm.tick());
        realm.take_stages();
        RefCell::new(Self { realm, clients, ticks, client_ticks: 0, stages: Stages::default() })
    }

    fn lap(&mut self, watch: &mut Watch) {
        for _ in 0..self.ticks {
            self.realm.tick();
            let spent = self.realm.take_stages();
            watch.add_ns(spent.sum_ns());
            self.stages.receive_ns += spent.receive_ns;
            self.stages.simulate_ns += spent.simulate_ns;
            self.stages.encode_ns += spent.encode_ns;
            self.stages.send_ns += spent.send_ns;
            self.client_ticks += self.clients as u64;
        }
    }

    fn parcels(&self) -> Vec<Parcel> {
        self.realm.datagrams().map(|(to, bytes)| Parcel::new(to, bytes)).collect()
    }

    fn print(&self, name: &str) {
        let each = |spent_ns: u64| spent_ns / self.client_ticks.max(1);
        let Stages { receive_ns, simulate_ns, encode_ns, send_ns } = self.stages;
        let bytes: usize = self.realm.datagrams().map(|(_, bytes)| bytes).sum();
        println!(
            "split cost_per_client {name}: receive {} + simulate {} + encode {} + send {} = {} ns; {} B a datagram; by {}",
            each(receive_ns),
            each(simulate_ns),
            each(encode_ns),
            each(send_ns),
            each(self.stages.sum_ns()),
            bytes / self.clients,
            self.realm.backend(),
        );
    }
}

fn bench(criterion: &mut Criterion) {
    // All laps are for as many client-ticks: one tick of 10,000 clients, or ten of 1,000.
    let clients = field::unless_smoke(field::CLIENTS) as usize;
    let (one, any) = (Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED);
    let realms = [
        ("throng 10k", Measured::new(one, clients, 1, BackendChoice::Auto)),
        ("throng 1k", Measured::new(one, clients / 10, 10, BackendChoice::Auto)),
        ("throng 10k mmsg", Measured::new(one, clients, 1, BackendChoice::Mmsg)),
        ("throng 10k on a wildcard", Measured::new(any, clients, 1, BackendChoice::Auto)),
    ];
    let mut raw = RawSender::open().expect("a socket can be had");
    let many = &realms[0].1;

    let mut race = Race::new("cost_per_client", clients as u64);
    for (name, realm) in &realms {
        race.lap(*name, |watch| realm.borrow_mut().lap(watch));
    }
    race.lap("raw sendmmsg", |watch| {
        let parcels = many.borrow().parcels();
        assert_eq!(parcels.len(), clients);
        watch.time(|| raw.send(&parcels));
    });
    race.goal("throng 10k", "raw sendmmsg", 1.5).goal("throng 10k mmsg", "raw sendmmsg", 1.5);
    race.goal("throng 10k", "throng 1k", 1.15);
    race.compare("throng 10k on a wildcard", "raw sendmmsg");
    race.run(criterion);
    for (name, realm) in &realms {
        realm.borrow().print(name);
    }
}

fn main() {
    stay_on_this_thread();
    let mut criterion = criterion();
    bench(&mut criterion);
    criterion.final_summary();
}
