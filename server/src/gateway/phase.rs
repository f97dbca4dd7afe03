//! What a connection is doing, and until when it may.
//!
//! ```text
//!   Idle ──first byte──► Head ──head complete──► Request ──answer made──► Answering ──flushed──► Idle
//!   15 s                 5 s                     10 s since the first byte ────────┘
//! ```
//!
//! No phase is prolonged by bytes that trickle in, and the time of a request runs until its answer has left: a client
//! that sends slowly and one that reads slowly are closed alike. A request that was pipelined behind an answer which
//! has not left yet gets no time of its own.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::limits;

/// How long each phase may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From the first byte of a request to the last of its answer.
    pub request: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// What requests in progress get when the gateway stops.
    pub shutdown: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: limits::HANDSHAKE_TIMEOUT,
            head: limits::HEAD_TIMEOUT,
            request: limits::REQUEST_TIMEOUT,
            idle: limits::IDLE_TIMEOUT,
            shutdown: limits::SHUTDOWN_TIMEOUT,
        }
    }
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It waits for a request.
    Idle,
    /// A request's head is arriving.
    Head,
    /// A request is being read or worked on.
    Request,
    /// The answer is on its way.
    Answering,
}

/// The phase of one connection, shared by its reader, its writer and its deadline.
#[derive(Clone)]
pub struct Phases(Arc<Mutex<State>>);

struct State {
    timeouts: Timeouts,
    phase: Phase,
    deadline: Instant,
    /// Of the request whose head is arriving.
    request_deadline: Instant,
}

impl Phases {
    /// A connection that waits for its first request.
    pub fn new(timeouts: Timeouts, now: Instant) -> Self {
        let deadline = now + timeouts.idle;
        Self(Arc::new(Mutex::new(State {
            timeouts,
            phase: Phase::Idle,
            deadline,
            request_deadline: deadline,
        })))
    }

    /// The phase, and when it must have ended.
    pub fn now(&self) -> (Phase, Instant) {
        let state = self.state();
        (state.phase, state.deadline)
    }

    /// Bytes came in.
    pub fn bytes_arrived(&self, now: Instant) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            state.phase = Phase::Head;
            state.deadline = now + state.timeouts.head;
            state.request_deadline = now + state.timeouts.request;
        }
    }

    /// A request's head is complete.
    pub fn request_began(&self, now: Instant) {
        let mut state = self.state();
        match state.phase {
            Phase::Head => state.deadline = state.request_deadline,
            // The head came with the request before it.
            Phase::Idle => state.deadline = now + state.timeouts.request,
            Phase::Request | Phase::Answering => {}
        }
        state.phase = Phase::Request;
    }

    /// The last byte of the answer has been handed to the connection.
    pub fn answer_made(&self) {
        self.state().phase = Phase::Answering;
    }

    /// Everything handed to the connection has left.
    pub fn flushed(&self, now: Instant) {
        let mut state = self.state();
        if state.phase == Phase::Answering {
            state.phase = Phase::Idle;
            state.deadline = now + state.timeouts.idle;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that tells its phases when bytes come in and when all have left.
pub struct Watched<S> {
    stream: S,
    phases: Phases,
}

impl<S> Watched<S> {
    /// Watches `stream`.
    pub fn new(stream: S, phases: Phases) -> Self {
        Self { stream, phases }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.phases.bytes_arrived(Instant::now());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = polled {
            self.phases.flushed(Instant::now());
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The body of an answer. Hyper drops it once it has taken the last byte, which is the only sign it gives.
pub struct AnswerBody {
    body: Body,
    phases: Phases,
}

impl AnswerBody {
    /// Watches `body`.
    pub fn new(body: Body, phases: Phases) -> Self {
        Self { body, phases }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.phases.answer_made();
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body.frame()).poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn trickling_bytes_prolong_nothing() {
        let start = Instant::now();
        let phases = Phases::new(Timeouts::default(), start);
        assert_eq!(phases.now(), (Phase::Idle, start + second(15)));
        phases.bytes_arrived(start + second(14));
        assert_eq!(phases.now(), (Phase::Head, start + second(19)));
        phases.bytes_arrived(start + second(18));
        assert_eq!(phases.now(), (Phase::Head, start + second(19)));
        phases.request_began(start + second(18));
        assert_eq!(phases.now(), (Phase::Request, start + second(24)), "counted from the first byte");
        phases.bytes_arrived(start + second(23));
        assert_eq!(phases.now(), (Phase::Request, start + second(24)));
    }

    #[test]
    fn an_answer_that_does_not_leave_gives_no_time_to_the_next_request() {
        let start = Instant::now();
        let phases = Phases::new(Timeouts::default(), start);
        phases.bytes_arrived(start);
        phases.request_began(start);
        phases.flushed(start + second(1));
        assert_eq!(phases.now().0, Phase::Request, "a flush before the answer means nothing");
        phases.answer_made();
        phases.request_began(start + second(9));
        assert_eq!(phases.now(), (Phase::Request, start + second(10)));
        phases.answer_made();
        phases.flushed(start + second(9));
        assert_eq!(phases.now(), (Phase::Idle, start + second(24)));
        phases.request_began(start + second(20));
        assert_eq!(
            phases.now(),
            (Phase::Request, start + second(30)),
            "pipelined, after its predecessor left"
        );
    }
}
