//! What a connection is doing, and until when it may.
//!
//! ```text
//!   Idle ──first byte──► Head ──head complete──► Request ──answer made──► Answering ──flushed──► Idle
//!   10 s                 5 s                     10 s since the first byte ────────┘
//!   (before the first request: 5 s in all, to the end of its head)
//! ```
//!
//! No phase is prolonged by bytes that trickle in, and the time of a request runs until its answer has left: a client
//! that sends slowly and one that reads slowly are closed alike.
//!
//! An answer has left when the kernel has it, and kernels hold many answers for one who reads none. So requests that were
//! on their way before the answer to the one before them had left share its time: a connection has new time only once it
//! has been found waiting. Whoever asks and asks and never reads is closed after one request's time, wherever the kernels'
//! buffers end; [`limits::SEND_BUFFER_BYTES`] bounds what lies in ours meanwhile.

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
    /// Of the request whose head is arriving, and of those behind it without a pause.
    request_deadline: Option<Instant>,
    /// Whether all that had come was read when it was last looked.
    is_drained: bool,
    /// Whether a request has been answered.
    has_answered: bool,
}

impl Phases {
    /// A connection that waits for its first request.
    pub fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            timeouts,
            phase: Phase::Idle,
            // Whoever connects has something to ask.
            deadline: now + timeouts.head.min(timeouts.idle),
            request_deadline: None,
            is_drained: true,
            has_answered: false,
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
        let is_news = std::mem::take(&mut state.is_drained);
        if state.phase == Phase::Idle {
            state.phase = Phase::Head;
            if is_news {
                state.request_deadline = None;
            }
            let (head, request) = (state.timeouts.head, state.timeouts.request);
            let request_deadline = *state.request_deadline.get_or_insert(now + request);
            if state.has_answered {
                state.deadline = request_deadline.min(now + head);
            }
        }
    }

    /// Nothing has come in that could be read.
    pub fn nothing_arrived(&self, now: Instant) {
        let mut state = self.state();
        let was_drained = std::mem::replace(&mut state.is_drained, true);
        if state.phase == Phase::Idle && !was_drained {
            (state.request_deadline, state.deadline) = (None, now + state.timeouts.idle);
        }
    }

    /// A request's head is complete.
    pub fn request_began(&self, now: Instant) {
        let mut state = self.state();
        // In `Idle` the head came with the request before it.
        if matches!(state.phase, Phase::Idle | Phase::Head) {
            let request = state.timeouts.request;
            state.deadline = *state.request_deadline.get_or_insert(now + request);
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
            (state.phase, state.has_answered) = (Phase::Idle, true);
            // Otherwise whether it waits is known once there is nothing to read.
            if state.is_drained {
                state.deadline = now + state.timeouts.idle;
            }
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
        } else if polled.is_pending() {
            self.phases.nothing_arrived(Instant::now());
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
        assert_eq!(phases.now(), (Phase::Idle, start + second(5)), "who connects has something to ask");
        phases.nothing_arrived(start + second(1));
        phases.bytes_arrived(start + second(4));
        assert_eq!(phases.now(), (Phase::Head, start + second(5)), "and is not waited for twice");
        phases.nothing_arrived(start + second(4));
        phases.bytes_arrived(start + second(4));
        assert_eq!(phases.now(), (Phase::Head, start + second(5)));
        phases.request_began(start + second(5));
        assert_eq!(phases.now(), (Phase::Request, start + second(14)), "counted from the first byte");
        phases.bytes_arrived(start + second(13));
        assert_eq!(phases.now(), (Phase::Request, start + second(14)));
    }

    /// Asks and is answered, and waits from then on.
    fn exchange(phases: &Phases, now: Instant) {
        phases.bytes_arrived(now);
        phases.request_began(now);
        phases.nothing_arrived(now);
        phases.answer_made();
        phases.flushed(now);
    }

    #[test]
    fn who_waits_between_requests_has_new_time_for_each() {
        let start = Instant::now();
        let phases = Phases::new(Timeouts::default(), start);
        exchange(&phases, start + second(1));
        assert_eq!(phases.now(), (Phase::Idle, start + second(11)));
        phases.nothing_arrived(start + second(9));
        assert_eq!(phases.now(), (Phase::Idle, start + second(11)));
        phases.bytes_arrived(start + second(10));
        assert_eq!(phases.now(), (Phase::Head, start + second(15)));
        phases.request_began(start + second(12));
        assert_eq!(phases.now(), (Phase::Request, start + second(20)));
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
    }

    #[test]
    fn who_asks_without_a_pause_has_one_request_s_time_for_all() {
        let start = Instant::now();
        let phases = Phases::new(Timeouts::default(), start);
        phases.bytes_arrived(start);
        for number in 0..9 {
            // Each answer leaves; the next request was there before, in our buffer or in the kernel's.
            phases.request_began(start + second(number));
            phases.answer_made();
            phases.flushed(start + second(number));
            if number % 2 == 0 {
                phases.bytes_arrived(start + second(number));
            }
            assert!(phases.now().1 <= start + second(10), "{number}");
        }
        phases.request_began(start + second(9));
        assert_eq!(phases.now(), (Phase::Request, start + second(10)));
        phases.answer_made();
        phases.flushed(start + second(9));
        assert_eq!(phases.now(), (Phase::Idle, start + second(10)), "not yet known to wait");
        phases.nothing_arrived(start + second(9));
        assert_eq!(phases.now(), (Phase::Idle, start + second(19)));
        phases.request_began(start + second(15));
        assert_eq!(phases.now(), (Phase::Request, start + second(25)));
    }

    #[test]
    fn what_was_read_ahead_is_no_news() {
        let start = Instant::now();
        let phases = Phases::new(Timeouts::default(), start);
        phases.bytes_arrived(start);
        phases.request_began(start);
        // A second request has come and lies in our buffer; the kernel's is empty.
        phases.bytes_arrived(start + second(1));
        phases.nothing_arrived(start + second(1));
        phases.answer_made();
        phases.flushed(start + second(8));
        phases.request_began(start + second(8));
        assert_eq!(phases.now(), (Phase::Request, start + second(10)));
        phases.answer_made();
        phases.flushed(start + second(9));
        assert_eq!(phases.now(), (Phase::Idle, start + second(19)), "it waits");
        phases.bytes_arrived(start + second(18));
        assert_eq!(phases.now(), (Phase::Head, start + second(23)));
        phases.request_began(start + second(20));
        assert_eq!(phases.now(), (Phase::Request, start + second(28)));
    }
}
