//! Sockets that cost a gateway a place and do nothing for it, and how long it bears with each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};
use tokio_rustls::client::TlsStream;

use super::pace::Pace;
use super::tally::{Broken, Clocked, Times};
use super::target::{Target, attacker_address};
use super::wire::{self, Request, Wire};
use super::{Field, stopped};
use crate::rng::Rng;

/// Pause between two bytes of those who drip.
const DRIP_EVERY: Duration = Duration::from_millis(500);
/// Bytes that a request claims to have and never sends.
const BODY_BYTES: usize = 1000;
/// What one who never reads asks for: answers of some 40 MB, far more than a kernel holds for one side, in 70 KB of
/// requests, far more than a gateway reads ahead.
const UNREAD_REQUESTS: usize = 1000;
/// Receive buffer of one who never reads; the kernel has a lower bound of its own.
const UNREAD_BUFFER_BYTES: u32 = 4096;

/// Where a socket stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stall {
    /// Says nothing at all.
    Silent,
    /// Sends half of a TLS hello.
    HelloHalf,
    /// Sends a TLS hello a byte at a time.
    HelloDrip,
    /// Is done with TLS and says nothing.
    Mute,
    /// Sends half of a request's head.
    HeadHalf,
    /// Sends a head a byte at a time.
    HeadDrip,
    /// Sends a head and half of the body.
    BodyHalf,
    /// Sends a head and then the body a byte at a time.
    BodyDrip,
    /// Asks a lot and reads nothing.
    Unread,
    /// Asks one thing as it should, and then nothing more.
    Idle,
}

impl Stall {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Silent,
        Self::HelloHalf,
        Self::HelloDrip,
        Self::Mute,
        Self::HeadHalf,
        Self::HeadDrip,
        Self::BodyHalf,
        Self::BodyDrip,
        Self::Unread,
        Self::Idle,
    ];
}

/// Many slow sockets.
pub struct SlowStorm {
    /// Sockets, in all.
    pub sockets: u32,
    /// New ones a second.
    pub rate_hz: u32,
    /// Where they stall, in turn. Empty: everywhere.
    pub stalls: Vec<Stall>,
}

/// What came of them. Times run from the connection to the end of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlowReport {
    /// Sockets.
    pub sockets: u64,
    /// Those that the gateway closed.
    pub closed: Times,
    /// Those that were still open at the end of the storm.
    pub open: u64,
    /// By where they stall.
    pub by_stall: BTreeMap<Stall, StallReport>,
}

/// Sockets that stall in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StallReport {
    /// Sockets.
    pub sockets: u64,
    /// Those that did not get so far: no connection, or closed before they could stall.
    pub too_early: u64,
    /// Those that the gateway closed, too early ones included.
    pub closed: Times,
    /// Those that were still open at the end of the storm.
    pub open: u64,
}

/// How a socket ended.
enum End {
    /// There was none.
    Unconnected,
    /// The gateway closed it before it stalled.
    TooEarly(Duration),
    /// The gateway closed it.
    Closed(Duration),
    /// It was open to the end of the storm.
    Open,
}

impl SlowStorm {
    pub(super) async fn run(self, field: Arc<Field>, is_over: watch::Receiver<bool>) -> SlowReport {
        let stalls = if self.stalls.is_empty() { Stall::ALL.to_vec() } else { self.stalls };
        let mut rng = Rng::new(field.seed);
        let mut pace = Pace::new(self.rate_hz);
        let mut sockets = JoinSet::new();
        let wanted = self.sockets as usize;
        while sockets.len() < wanted && !*is_over.borrow() && Instant::now() < field.ends {
            // Not by number: what the pace left out is made up for.
            for _ in pace.due().await {
                let number = sockets.len();
                if number == wanted {
                    break;
                }
                let (stall, from) = (stalls[number % stalls.len()], attacker_address(&mut rng));
                let (field, is_over) = (Arc::clone(&field), is_over.clone());
                sockets.spawn(async move {
                    let buffer = (stall == Stall::Unread).then_some(UNREAD_BUFFER_BYTES);
                    let Ok(stream) = wire::connect(&field.target, from, buffer).await else {
                        return (stall, End::Unconnected);
                    };
                    let begun = Instant::now();
                    let end = tokio::select! {
                        ended = stall.until_closed(&field.target, stream) => match ended {
                            Ok(()) => End::Closed(begun.elapsed()),
                            Err(_) => End::TooEarly(begun.elapsed()),
                        },
                        () = stopped(is_over, field.ends) => End::Open,
                    };
                    (stall, end)
                });
            }
        }
        let mut all = Clocked::new();
        let mut report = SlowReport::default();
        let mut clocked: BTreeMap<Stall, Clocked> = BTreeMap::new();
        while let Some(socket) = sockets.join_next().await {
            let Ok((stall, end)) = socket else { continue };
            let of_stall = report.by_stall.entry(stall).or_default();
            report.sockets += 1;
            of_stall.sockets += 1;
            of_stall.too_early += u64::from(matches!(end, End::Unconnected | End::TooEarly(_)));
            match end {
                End::Unconnected => {}
                End::TooEarly(took) | End::Closed(took) => {
                    all.add(took);
                    clocked.entry(stall).or_insert_with(Clocked::new).add(took);
                }
                End::Open => {
                    of_stall.open += 1;
                    report.open += 1;
                }
            }
        }
        report.closed = all.times();
        for (stall, clocked) in clocked {
            report.by_stall.entry(stall).or_default().closed = clocked.times();
        }
        report
    }
}

impl Stall {
    /// Stalls until the other side has had enough. An error: it had before it could see what this is.
    async fn until_closed(self, target: &Target, mut stream: TcpStream) -> Result<(), Broken> {
        match self {
            Self::Silent => closed(&mut stream).await,
            Self::HelloHalf => {
                let hello = hello(target)?;
                stream.write_all(&hello[..hello.len() / 2]).await.map_err(|_| Broken::Cut)?;
                closed(&mut stream).await;
            }
            Self::HelloDrip => dripped(&mut stream, &hello(target)?).await,
            Self::Mute => closed(&mut wire::secure(target, stream).await?).await,
            Self::HeadHalf => {
                let mut stream = wire::secure(target, stream).await?;
                sent(&mut stream, "GET /v1/realms HTTP/1.1\r\nhost: ").await?;
                closed(&mut stream).await;
            }
            Self::HeadDrip => {
                let mut stream = wire::secure(target, stream).await?;
                let head = format!("GET /v1/realms HTTP/1.1\r\nhost: x\r\nx-slow: {}", "z".repeat(4000));
                dripped(&mut stream, head.as_bytes()).await;
            }
            Self::BodyHalf => {
                let mut stream = wire::secure(target, stream).await?;
                sent(&mut stream, &(body_head(target) + &" ".repeat(BODY_BYTES / 2))).await?;
                closed(&mut stream).await;
            }
            Self::BodyDrip => {
                let mut stream = wire::secure(target, stream).await?;
                sent(&mut stream, &body_head(target)).await?;
                dripped(&mut stream, &[b' '; BODY_BYTES - 1]).await;
            }
            Self::Unread => unread(target, wire::secure(target, stream).await?).await?,
            Self::Idle => {
                let mut wire = Wire::of(target, wire::secure(target, stream).await?);
                wire.ask(&Request { method: "GET", path: "/healthz", token: None, body: None }).await?;
                closed(&mut wire.into_stream()).await;
            }
        }
        Ok(())
    }
}

/// Waits for the other side's end of a connection.
async fn closed<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut buffer = [0; 1024];
    // A parting word may come first; an end without TLS's farewell and a reset are ends as well.
    while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
}

/// Sends a byte at a time until the other side ends the connection.
async fn dripped<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let dripping = async {
        let mut drops = interval(DRIP_EVERY);
        for byte in bytes {
            drops.tick().await;
            if writer.write_all(&[*byte]).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        () = closed(&mut reader) => {}
        () = dripping => {}
    }
}

async fn sent(stream: &mut TlsStream<TcpStream>, text: &str) -> Result<(), Broken> {
    stream.write_all(text.as_bytes()).await.map_err(|_| Broken::Cut)?;
    stream.flush().await.map_err(|_| Broken::Cut)
}

/// Asks a lot and reads no answer. Ends with the reset that says that this was noticed.
async fn unread(target: &Target, mut stream: TlsStream<TcpStream>) -> Result<(), Broken> {
    let request = Request { method: "GET", path: "/v1/openapi.json", token: None, body: None };
    let requests = request.text(&target.host).repeat(UNREAD_REQUESTS);
    // It ends when the kernel has taken it all, or when the gateway has had enough.
    if stream.write_all(requests.as_bytes()).await.is_err() {
        return Ok(());
    }
    let (socket, _) = stream.get_ref();
    loop {
        // Readable it is all the time, and the end behind what is unread cannot be seen. The reset can.
        let ready = socket.ready(Interest::ERROR).await.map_err(|_| Broken::Cut)?;
        if ready.is_error() {
            return Ok(());
        }
        sleep(DRIP_EVERY).await;
    }
}

/// The first bytes of a TLS connection.
fn hello(target: &Target) -> Result<Vec<u8>, Broken> {
    let mut connection =
        ClientConnection::new(Arc::clone(&target.tls), target.name.clone()).map_err(|_| Broken::Handshake)?;
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).map_err(|_| Broken::Handshake)?;
    Ok(bytes)
}

fn body_head(target: &Target) -> String {
    format!(
        "POST /v1/login HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {BODY_BYTES}\r\n\r\n",
        target.host
    )
}
