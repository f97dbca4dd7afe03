//! One named counter for every reason and event.

/// Why a datagram was dropped. Nothing was answered, nothing was remembered, nobody else noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// No bytes at all, or an unknown or wrong-way type.
    UnknownType,
    /// Fewer bytes than the type needs, or a handshake datagram of another length than its own.
    Length,
    /// More than 1,200 bytes.
    Oversized,
    /// A handshake in another version of the datagram layer.
    Version,
    /// A hello whose payload length is beyond the limit, or one from port 0.
    HelloMalformed,
    /// A hello that is older than the session it would replace, or comes within a second of its opening.
    HelloStale,
    /// A connection id that is not in the table.
    UnknownConnection,
    /// A disconnect for a connection that is gone: usually the second or third copy.
    LateDisconnect,
    /// The right connection id from the wrong address.
    WrongAddress,
    /// It acknowledges a sequence that was never sent.
    AckUnsent,
    /// A sequence that has been received before.
    Duplicate,
    /// A sequence behind the replay window, or 0.
    TooOld,
    /// More datagrams than the session's input rate allows.
    RateLimited,
    /// An answer to a salt that was never sent, or one that this state does not wait for.
    Unexpected,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Events of a [`Server`](super::Server) since it was made. Each received datagram raises exactly one of the
        /// counters above `sessions_opened`.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// All counters by name, in the order of their declaration.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Data datagrams accepted.
    data,
    /// Hellos without a cookie, answered with a challenge.
    hello_challenged,
    /// Hellos with a cookie past its time (or from before a restart's clock), challenged again.
    hello_cookie_expired,
    /// Hellos with a cookie that is not ours or not for this address, challenged again.
    hello_cookie_wrong,
    /// Hellos that opened a session.
    hello_accepted,
    /// Hellos repeated by a client that has a session: same welcome again.
    hello_repeated,
    /// Hellos that ended an older session of the same address.
    hello_replaced,
    /// Hellos refused because the table was full.
    hello_refused_full,
    /// Disconnects accepted.
    disconnect,
    /// See [`Reject::UnknownType`].
    rejected_unknown_type,
    /// See [`Reject::Length`].
    rejected_length,
    /// See [`Reject::Oversized`].
    rejected_oversized,
    /// See [`Reject::Version`].
    rejected_version,
    /// See [`Reject::HelloMalformed`].
    rejected_hello_malformed,
    /// See [`Reject::HelloStale`].
    rejected_hello_stale,
    /// See [`Reject::UnknownConnection`].
    rejected_unknown_connection,
    /// See [`Reject::LateDisconnect`].
    rejected_late_disconnect,
    /// See [`Reject::WrongAddress`].
    rejected_wrong_address,
    /// See [`Reject::AckUnsent`].
    rejected_ack_unsent,
    /// See [`Reject::Duplicate`].
    rejected_duplicate,
    /// See [`Reject::TooOld`].
    rejected_too_old,
    /// See [`Reject::RateLimited`].
    rejected_rate_limited,
    /// Sessions opened.
    sessions_opened,
    /// Sessions ended by their client.
    sessions_left,
    /// Sessions ended by silence.
    sessions_timed_out,
    /// Sessions ended by the application, refusals included.
    sessions_closed,
    /// Sessions ended because their address shook hands anew.
    sessions_replaced,
}

impl Counters {
    pub(super) fn rejected(&mut self, reject: Reject) {
        let counter = match reject {
            // A server expects nothing in particular: `Unexpected` is the client's.
            Reject::UnknownType | Reject::Unexpected => &mut self.rejected_unknown_type,
            Reject::Length => &mut self.rejected_length,
            Reject::Oversized => &mut self.rejected_oversized,
            Reject::Version => &mut self.rejected_version,
            Reject::HelloMalformed => &mut self.rejected_hello_malformed,
            Reject::HelloStale => &mut self.rejected_hello_stale,
            Reject::UnknownConnection => &mut self.rejected_unknown_connection,
            Reject::LateDisconnect => &mut self.rejected_late_disconnect,
            Reject::WrongAddress => &mut self.rejected_wrong_address,
            Reject::AckUnsent => &mut self.rejected_ack_unsent,
            Reject::Duplicate => &mut self.rejected_duplicate,
            Reject::TooOld => &mut self.rejected_too_old,
            Reject::RateLimited => &mut self.rejected_rate_limited,
        };
        *counter += 1;
    }
}
