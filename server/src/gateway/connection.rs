//! One connection: handshake, requests, deadline, end.

use std::convert::Infallible;
use std::future::Future as _;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{EXPECT, HeaderValue, STRICT_TRANSPORT_SECURITY};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::counters::Counters;
use super::limits;
use super::phase::{AnswerBody, Phase, Phases, Timeouts, Watched};
use super::unread;

/// Who is at the other end, and which of our addresses it reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, never a mapped one.
    pub address: IpAddr,
    /// Ours, never a mapped one.
    pub local: IpAddr,
}

/// What every connection is served with.
pub(super) struct Shared {
    pub router: axum::Router,
    pub timeouts: Timeouts,
    /// None: plain HTTP.
    pub tls: Option<TlsAcceptor>,
    pub counters: std::sync::Arc<Counters>,
}

/// A year, as preload lists want it. Browsers ignore it for a certificate that they do not trust.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

impl Shared {
    /// Serves `stream` until it ends, breaks, oversteps a deadline, or `stop` turns true while it is idle.
    pub async fn serve(&self, stream: TcpStream, peer: Peer, stop: watch::Receiver<bool>) {
        let Some(tls) = &self.tls else { return self.requests(stream, peer, stop).await };
        match timeout(self.timeouts.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.requests(stream, peer, stop).await,
            Ok(Err(error)) => {
                self.counters.tls_failed.add(1);
                tracing::debug!(peer = %super::redact::Network(peer.address), %error, "TLS handshake failed");
            }
            Err(_) => self.counters.timeout_handshake.add(1),
        }
    }

    async fn requests<S>(&self, stream: S, peer: Peer, mut stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let phases = Phases::new(self.timeouts, Instant::now());
        let service = service_fn(|request: Request<Incoming>| {
            phases.request_began(Instant::now());
            self.answer(request, peer, phases.clone())
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // The phases do this: hyper's counts from the end of the last request and would cut idle connections.
            .header_read_timeout(None)
            .max_headers(limits::HEADERS_MAX)
            .max_buf_size(limits::HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(Watched::new(stream, phases.clone())), service);
        let mut connection = pin!(connection);
        let mut deadline = pin!(sleep_until(phases.now().1));
        let mut stopping = pin!(async { stop.wait_for(|is_stopping| *is_stopping).await.is_ok() });
        let mut is_stopping = false;

        // One task polls all three, so a phase that changed while the connection was polled is seen at once.
        let end = std::future::poll_fn(|cx| {
            if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(end) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ok(end));
            }
            let (phase, wanted) = phases.now();
            if deadline.deadline() != wanted {
                deadline.as_mut().reset(wanted);
            }
            deadline.as_mut().poll(cx).map(|()| Err(phase))
        })
        .await;
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // What parses as no request is worth a number; a peer that went away is not.
                if error.is_parse() || error.is_parse_too_large() {
                    self.counters.http_malformed.add(1);
                }
            }
            Err(Phase::Idle) => self.counters.timeout_idle.add(1),
            Err(Phase::Head) => self.counters.timeout_head.add(1),
            Err(Phase::Request) => self.counters.timeout_request.add(1),
            Err(Phase::Answering) => self.counters.timeout_answer.add(1),
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        phases: Phases,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let (mut head, body) = request.into_parts();
        head.extensions.insert(peer);
        // Who asks first whether to send a body has not sent it.
        let is_body_held_back = head.headers.contains_key(EXPECT);
        let body = unread::Shared::new(body);
        let mut router = self.router.clone();
        let Ok(mut response) = router.call(Request::from_parts(head, Body::new(body.clone()))).await;
        if !is_body_held_back {
            body.discard().await;
        }
        if self.tls.is_some() {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
        }
        self.counters.requests.add(1);
        Ok(response.map(|body| AnswerBody::new(body, phases)))
    }
}
