//! Named counters of everything that the gateway accepted, refused or gave up.

use std::sync::atomic::{AtomicU64, Ordering};

use super::refusal::Refusal;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        // Counters order nothing.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of one gateway since its start. Each only grows.
        #[derive(Debug)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: Count,)+
            refusals: [Count; Refusal::ALL.len()],
        }

        impl Default for Counters {
            fn default() -> Self {
                Self { $($name: Count::default(),)+ refusals: std::array::from_fn(|_| Count::default()) }
            }
        }

        impl Counters {
            /// Every counter with its name; a refusal's begins with `refused_`.
            pub fn iter(&self) -> impl Iterator<Item = (String, u64)> {
                let own = [$((stringify!($name).to_owned(), self.$name.get())),+];
                let refusals =
                    Refusal::ALL.iter().map(|&why| (format!("refused_{}", why.code()), self.refused(why)));
                own.into_iter().chain(refusals)
            }
        }
    };
}

counters! {
    /// Sockets that were accepted.
    sockets_accepted,
    /// Sockets closed at once: all places were taken.
    sockets_refused_total,
    /// Sockets closed at once: their address had its share.
    sockets_refused_address,
    /// Failed accepts, usually for want of file descriptors.
    accept_failed,
    /// TLS handshakes that failed: no TLS at all, another version, a certificate that the peer does not trust.
    tls_failed,
    /// Connections closed: the TLS handshake took too long.
    timeout_handshake,
    /// Connections closed: the head of a request took too long.
    timeout_head,
    /// Connections closed: a request, its body included, took too long.
    timeout_request,
    /// Connections closed: the answer was not read in time.
    timeout_answer,
    /// Connections closed: no request came.
    timeout_idle,
    /// Connections closed: what came was no HTTP/1.1, or its head was too large.
    http_malformed,
    /// Requests answered, whatever the answer.
    requests,
    /// Accounts registered.
    accounts_registered,
    /// Logins by password.
    logins,
    /// Attempts refused by the failures of an account.
    throttled_account,
    /// Attempts refused by the failures, or the rate, of a network that the account had logged in from before.
    throttled_device,
    /// Attempts refused by the rate of an IPv4 address or IPv6 /64.
    throttled_address,
    /// Attempts refused by the rate of an IPv4 /24 or IPv6 /48.
    throttled_network,
    /// Sessions continued by a refresh token.
    refreshes,
    /// Sessions ended by their owner.
    logouts,
    /// Passwords changed.
    passwords_changed,
    /// Refresh tokens that came a second time: their whole family was ended.
    refresh_reused,
    /// Characters created.
    characters_created,
    /// Characters deleted.
    characters_deleted,
    /// Connect tokens minted.
    connect_tokens_minted,
    /// Play requests that were given a place in a queue.
    queued,
    /// Rounds of a chore that ended in a panic.
    chores_panicked,
    /// Statuses pushed by realms.
    realm_statuses,
    /// Looks at which an account could not be named yet to a realm elsewhere that is to put it out: as many wait for that
    /// realm as may. It is tried again each second.
    kicks_put_off,
    /// Certificates loaded anew while running.
    certificates_reloaded,
    /// Certificate or key files that changed and could not be used; the old ones stay.
    certificates_refused,
}

impl Counters {
    /// Counts a refusal.
    pub fn refuse(&self, why: Refusal) {
        self.refusals[why as usize].add(1);
    }

    /// How often `why` was the answer.
    pub fn refused(&self, why: Refusal) -> u64 {
        self.refusals[why as usize].get()
    }
}
