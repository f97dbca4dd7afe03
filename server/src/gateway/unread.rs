//! What a refused request still had to say.
//!
//! A connection that is closed with bytes unread takes its answer with it: the kernel resets it, and the client never
//! learns why it was refused. So what a handler left of a body is read and thrown away before the answer goes out, as
//! long as it is little; the deadline of the request holds for that as well.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::limits;

/// A body that a handler reads, and of which somebody else can read the rest.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Incoming>>);

impl Shared {
    /// Shares `body`.
    pub fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads what is left and throws it away, if it is little.
    pub async fn discard(self) {
        let mut discarded = 0;
        while !self.is_end_stream() && discarded <= limits::BODY_DISCARD_BYTES_MAX {
            if self.size_hint().lower() > limits::BODY_DISCARD_BYTES_MAX as u64 {
                return;
            }
            let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut *self.body()).poll_frame(cx)).await else {
                return;
            };
            discarded += frame.data_ref().map_or(0, Bytes::len);
        }
    }

    fn body(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
