//! One named counter for every reason and event.

use super::token::TokenFault;

/// Why a datagram was dropped. Nothing was answered, nothing was remembered, nobody else noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// No bytes at all, or an unknown or wrong-way type.
    UnknownType,
    /// Fewer bytes than the type needs, or another length than its own.
    Length,
    /// More than 1,200 bytes.
    Oversized,
    /// A handshake in another version of the datagram layer.
    Version,
    /// A hello with a payload beyond the limit, with bytes that must be zero and are not, or from port 0.
    HelloMalformed,
    /// Not a connect token, or one of another version or cipher.
    TokenMalformed,
    /// A token sealed with a key that this realm does not have, or no longer.
    TokenKeyUnknown,
    /// A token for another realm.
    TokenOtherRealm,
    /// A token whose time is over.
    TokenExpired,
    /// A token whose end lies further ahead than any token's may.
    TokenTooFarAhead,
    /// A token for clients of another build.
    TokenProtocol,
    /// A token invented by somebody who never had one of this realm.
    TokenGuard,
    /// More hellos with this token than any client sends.
    TokenLimited,
    /// A token that the gateway did not seal.
    TokenForged,
    /// A token in which the gateway sealed what cannot be.
    TokenBody,
    /// A token from before this server started: nobody knows any more whether it was used.
    TokenBeforeStart,
    /// A token that has been used.
    TokenUsed,
    /// The memory of used tokens is full, so that single use could not be kept.
    TokenMemoryFull,
    /// A public key in a token with which no secret can be agreed on.
    TokenPublicKey,
    /// Too much from this address that led to nothing.
    StrangerLimited,
    /// Too many sessions of this address or its network.
    PrefixFull,
    /// More handshakes than the configured rate.
    AcceptsLimited,
    /// Too many clients that were accepted and have not confirmed yet.
    UnconfirmedFull,
    /// A connection id that is not in the table.
    UnknownConnection,
    /// A disconnect for a connection that is gone: usually the second or third copy.
    LateDisconnect,
    /// For a session that has not confirmed yet, and not from where its hello came.
    WrongAddress,
    /// A sequence that has been received before.
    Duplicate,
    /// A sequence behind the replay window, or 0.
    TooOld,
    /// A sequence more than 65,536 ahead of the newest.
    TooFarAhead,
    /// Not sealed by the other end, or changed on its way.
    Forged,
    /// More datagrams than the session's input rate allows.
    RateLimited,
    /// An authentic control that means nothing: of an unknown kind, or a response to no challenge.
    Control,
    /// An answer to a salt that was never sent, or a datagram that this state does not wait for.
    Unexpected,
}

impl From<TokenFault> for Reject {
    fn from(fault: TokenFault) -> Self {
        match fault {
            TokenFault::Layout => Reject::TokenMalformed,
            TokenFault::UnknownKey => Reject::TokenKeyUnknown,
            TokenFault::OtherRealm => Reject::TokenOtherRealm,
            TokenFault::Expired => Reject::TokenExpired,
            TokenFault::TooFarAhead => Reject::TokenTooFarAhead,
            TokenFault::ProtocolHash => Reject::TokenProtocol,
            TokenFault::Guard => Reject::TokenGuard,
            TokenFault::Forged => Reject::TokenForged,
            TokenFault::Body => Reject::TokenBody,
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Events of a [`Server`](super::Server) since it was made. Each received datagram raises exactly one of the
        /// counters above `sessions_opened`; what [`admit`](super::Server::admit) drops after all raises one more.
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
    /// Controls accepted.
    control,
    /// Disconnects accepted.
    disconnect,
    /// Hellos without a cookie, answered with a challenge.
    hello_challenged,
    /// Hellos with a cookie past its time (or from before a restart's clock), challenged again.
    hello_cookie_expired,
    /// Hellos with a cookie that is not ours or not for this address, challenged again.
    hello_cookie_wrong,
    /// Hellos with a good token, about which the application was asked.
    hello_asked,
    /// Hellos repeated by a client that was accepted: same accept again.
    hello_repeated,
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
    /// See [`Reject::TokenMalformed`].
    rejected_token_malformed,
    /// See [`Reject::TokenKeyUnknown`].
    rejected_token_key_unknown,
    /// See [`Reject::TokenOtherRealm`].
    rejected_token_other_realm,
    /// See [`Reject::TokenExpired`].
    rejected_token_expired,
    /// See [`Reject::TokenTooFarAhead`].
    rejected_token_too_far_ahead,
    /// See [`Reject::TokenProtocol`].
    rejected_token_protocol,
    /// See [`Reject::TokenGuard`].
    rejected_token_guard,
    /// See [`Reject::TokenLimited`].
    rejected_token_limited,
    /// See [`Reject::TokenForged`].
    rejected_token_forged,
    /// See [`Reject::TokenBody`].
    rejected_token_body,
    /// See [`Reject::TokenBeforeStart`].
    rejected_token_before_start,
    /// See [`Reject::TokenUsed`].
    rejected_token_used,
    /// See [`Reject::TokenMemoryFull`].
    rejected_token_memory_full,
    /// See [`Reject::TokenPublicKey`].
    rejected_token_public_key,
    /// See [`Reject::StrangerLimited`].
    rejected_stranger_limited,
    /// See [`Reject::PrefixFull`].
    rejected_prefix_full,
    /// See [`Reject::AcceptsLimited`].
    rejected_accepts_limited,
    /// See [`Reject::UnconfirmedFull`].
    rejected_unconfirmed_full,
    /// See [`Reject::UnknownConnection`].
    rejected_unknown_connection,
    /// See [`Reject::LateDisconnect`].
    rejected_late_disconnect,
    /// See [`Reject::WrongAddress`].
    rejected_wrong_address,
    /// See [`Reject::Duplicate`].
    rejected_duplicate,
    /// See [`Reject::TooOld`].
    rejected_too_old,
    /// See [`Reject::TooFarAhead`].
    rejected_too_far_ahead,
    /// See [`Reject::Forged`].
    rejected_forged,
    /// See [`Reject::RateLimited`].
    rejected_rate_limited,
    /// See [`Reject::Control`].
    rejected_control,
    /// Sessions opened: accepted, and confirmed by their client.
    sessions_opened,
    /// Sessions ended by their client.
    sessions_left,
    /// Sessions ended by silence.
    sessions_timed_out,
    /// Sessions ended by the application.
    sessions_closed,
    /// Clients accepted: a session each, still to be confirmed.
    accepted,
    /// Clients accepted that did not confirm in time, or took it back.
    accepted_unconfirmed,
    /// Clients refused because the table was full.
    refused_full,
    /// Clients refused by the application.
    refused_application,
    /// Authentic datagrams that acknowledge what was never sent. Used all the same, but for that.
    ack_unsent,
    /// Authentic datagrams from another address than their session's.
    strayed,
    /// Path challenges sent.
    path_challenges,
    /// Path challenges not sent, because the other address's network has too many sessions.
    path_prefix_full,
    /// Sessions moved to another address.
    sessions_moved,
    /// Times that the clock was set back so far that it was followed.
    clock_set_back,
}

impl Counters {
    #[cold]
    pub(super) fn rejected(&mut self, reject: Reject) {
        let counter = match reject {
            // A server expects nothing in particular: `Unexpected` is the client's.
            Reject::UnknownType | Reject::Unexpected => &mut self.rejected_unknown_type,
            Reject::Length => &mut self.rejected_length,
            Reject::Oversized => &mut self.rejected_oversized,
            Reject::Version => &mut self.rejected_version,
            Reject::HelloMalformed => &mut self.rejected_hello_malformed,
            Reject::TokenMalformed => &mut self.rejected_token_malformed,
            Reject::TokenKeyUnknown => &mut self.rejected_token_key_unknown,
            Reject::TokenOtherRealm => &mut self.rejected_token_other_realm,
            Reject::TokenExpired => &mut self.rejected_token_expired,
            Reject::TokenTooFarAhead => &mut self.rejected_token_too_far_ahead,
            Reject::TokenProtocol => &mut self.rejected_token_protocol,
            Reject::TokenGuard => &mut self.rejected_token_guard,
            Reject::TokenLimited => &mut self.rejected_token_limited,
            Reject::TokenForged => &mut self.rejected_token_forged,
            Reject::TokenBody => &mut self.rejected_token_body,
            Reject::TokenBeforeStart => &mut self.rejected_token_before_start,
            Reject::TokenUsed => &mut self.rejected_token_used,
            Reject::TokenMemoryFull => &mut self.rejected_token_memory_full,
            Reject::TokenPublicKey => &mut self.rejected_token_public_key,
            Reject::StrangerLimited => &mut self.rejected_stranger_limited,
            Reject::PrefixFull => &mut self.rejected_prefix_full,
            Reject::AcceptsLimited => &mut self.rejected_accepts_limited,
            Reject::UnconfirmedFull => &mut self.rejected_unconfirmed_full,
            Reject::UnknownConnection => &mut self.rejected_unknown_connection,
            Reject::LateDisconnect => &mut self.rejected_late_disconnect,
            Reject::WrongAddress => &mut self.rejected_wrong_address,
            Reject::Duplicate => &mut self.rejected_duplicate,
            Reject::TooOld => &mut self.rejected_too_old,
            Reject::TooFarAhead => &mut self.rejected_too_far_ahead,
            Reject::Forged => &mut self.rejected_forged,
            Reject::RateLimited => &mut self.rejected_rate_limited,
            Reject::Control => &mut self.rejected_control,
        };
        *counter += 1;
    }
}
