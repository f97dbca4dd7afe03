//! A running gateway: its own threads, its chores, its end.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::api;
use super::limits;
use super::listen::{ListenError, ListenSettings, Listener};
use super::state::Gateway;
use super::tls::{Certificates, Reload, TlsError};

/// Looks once a second for what else changed, such as key files. It may block for as long as a file takes.
pub type Chore = Box<dyn FnMut(&Gateway) + Send>;

/// How a gateway is reached and kept.
pub struct RunSettings {
    /// The socket.
    pub listen: ListenSettings,
    /// None: plain HTTP, on loopback only.
    pub certificates: Option<Certificates>,
    /// Done once a second.
    pub chores: Vec<Chore>,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads.
    #[error("cannot start the gateway's threads: {0}\n  raise the limit on processes (ulimit -u, TasksMax)")]
    Threads(io::Error),
    /// The system does not say which port was taken.
    #[error("cannot find out where the gateway listens: {0}")]
    Address(io::Error),
}

/// A gateway that serves until it is told to stop, or dropped.
pub struct Running {
    local_addr: SocketAddr,
    fingerprint: Option<String>,
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    // Taken at the end.
    runtime: Option<(Runtime, JoinHandle<()>)>,
}

impl Running {
    /// Starts serving.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(gateway: Arc<Gateway>, settings: RunSettings) -> Result<Self, StartError> {
        let RunSettings { listen, certificates, chores } = settings;
        let runtime = Builder::new_multi_thread()
            .worker_threads(limits::RUNTIME_THREADS)
            .thread_name("gateway")
            .on_thread_start(yield_to_ticks)
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let acceptor = certificates.as_ref().map(Certificates::acceptor).transpose()?;
        let fingerprint = certificates.as_ref().map(Certificates::fingerprint);
        let listener = {
            let _context = runtime.enter();
            Listener::bind(listen, acceptor)?
        };
        let local_addr = listener.local_addr().map_err(StartError::Address)?;
        let (stop, stopping) = watch::channel(false);
        runtime.spawn(keep(Arc::clone(&gateway), certificates, chores, stopping.clone()));
        let router = api::router(Arc::clone(&gateway));
        let served = runtime.spawn(listener.serve(router, Arc::clone(&gateway.counters), stopping));
        Ok(Self { local_addr, fingerprint, gateway, stop, runtime: Some((runtime, served)) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// SHA-256 of the certificate that it started with; none without TLS.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// What it serves.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Lets no one else connect, waits for the requests in progress, and ends its threads. Not to be called from one
    /// of them.
    pub fn shutdown(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some((runtime, served)) = self.runtime.take() else { return };
        let _ = self.stop.send(true);
        // The accept loop bounds its own end; its panic would be ours to see in the log, not to repeat.
        let _ = runtime.block_on(served);
        runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A login must never delay a tick. On Linux the nice value is the thread's; where it is refused nothing is lost.
fn yield_to_ticks() {
    let _ = rustix::process::nice(limits::NICE);
}

/// What a gateway does by itself: new certificates, realms that went silent, new keys, old sessions.
async fn keep(
    gateway: Arc<Gateway>,
    certificates: Option<Certificates>,
    chores: Vec<Chore>,
    mut stop: watch::Receiver<bool>,
) {
    let mut seconds = interval(limits::RELOAD_EVERY);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let look_at_certificates = certificates
        .map(|certificates| -> Chore { Box::new(move |gateway: &Gateway| take_new(&certificates, gateway)) });
    let tell_of_realms: Chore = Box::new(Gateway::tell_of_all);
    let own = look_at_certificates.into_iter().chain([tell_of_realms]);
    let mut chores: Vec<Chore> = own.chain(chores).collect();
    for second in 0u64.. {
        tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => return,
            _ = seconds.tick() => {}
        }
        let shared = Arc::clone(&gateway);
        // Files may lie on a disk that is slow today, so this is no work for a thread that serves.
        let done = tokio::task::spawn_blocking(move || {
            chores.iter_mut().for_each(|chore| do_chore(chore, &shared));
            chores
        });
        // No panic gets out of a chore, so only the end of the runtime loses them.
        let Ok(back) = done.await else { return };
        chores = back;
        if second % limits::PURGE_EVERY_S == 0 {
            purge(&gateway).await;
        }
    }
}

/// Does a chore. One that panics is told of and done again in the next round: were it given up, new keys or the seats
/// of those who have arrived would be missed from then on without a word.
fn do_chore(chore: &mut Chore, gateway: &Gateway) {
    if catch_unwind(AssertUnwindSafe(|| chore(gateway))).is_err() {
        gateway.counters.chores_panicked.add(1);
        tracing::error!(
            "a chore of the gateway panicked (what, is said on standard error); it is tried again in {} s",
            limits::RELOAD_EVERY.as_secs()
        );
    }
}

/// Looks at the certificate's files.
fn take_new(certificates: &Certificates, gateway: &Gateway) {
    match certificates.reload_if_changed() {
        Reload::Unchanged | Reload::StillRefused => {}
        Reload::Reloaded(fingerprint) => {
            gateway.counters.certificates_reloaded.add(1);
            tracing::info!("new certificate in use, SHA-256 {fingerprint}");
        }
        Reload::Refused(error) => {
            gateway.counters.certificates_refused.add(1);
            tracing::error!("the new certificate is not used, the old one stays: {error}");
        }
    }
}

/// Removes what is past its time, in pieces, so that logins get between them.
async fn purge(gateway: &Gateway) {
    let rows_max = throng_store::limits::PURGE_ROWS_MAX;
    for _ in 0..limits::PURGE_ROUNDS_MAX {
        match gateway.store.purge(gateway.now_store_ms(), rows_max).await {
            Ok(purged) if purged.is_done(rows_max) => return,
            Ok(_) => {}
            Err(error) => {
                // Counted and told as every other failure of the store; the next round tries again.
                let _ = gateway.store_failed(error);
                return;
            }
        }
    }
}
