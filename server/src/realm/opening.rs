//! Opening: a realm whose gateway is elsewhere lets nobody in at first.
//!
//! ```text
//!   gateway's clock:   behind by the skew ┄┄┄ ahead by the skew
//!   start ──► + skew: the oldest token that is taken ──► + 2 skew: so a gateway that is behind makes them by now
//! ```
//!
//! A token that was made before the start might have been used before it, and was, for all that the realm knows, if the clock
//! that made it is ahead. That a clock was set back counts as a start.

/// Whether a realm is open yet. Times are nanoseconds of the realm's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    shut_ns: u64,
    /// `None`: it is open, or will not be any more.
    opens_ns: Option<u64>,
}

impl Opening {
    /// Begins at `now_ns`, where clocks may differ by `skew_ns`; 0: at a gateway in this process, and it is open at once.
    pub fn begin(now_ns: u64, skew_ns: u64) -> Self {
        let shut_ns = skew_ns.saturating_mul(2);
        Self { shut_ns, opens_ns: (shut_ns > 0).then(|| now_ns.saturating_add(shut_ns)) }
    }

    /// The clock was set back. True: from now on nobody is let in.
    pub fn set_back(&mut self, now_ns: u64) -> bool {
        *self = Self::begin(now_ns, self.shut_ns / 2);
        self.opens_ns.is_some()
    }

    /// True once, when it opens. To be asked in every tick.
    pub fn is_over(&mut self, now_ns: u64) -> bool {
        self.opens_ns.take_if(|opens_ns| now_ns >= *opens_ns).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_apart_by_a_clock_elsewhere_waits_for_twice_the_skew() {
        let mut opening = Opening::begin(100, 5);
        assert_eq!([100, 109, 110, 111].map(|now| opening.is_over(now)), [false, false, true, false]);
        assert!(opening.set_back(200));
        assert_eq!([209, 210].map(|now| opening.is_over(now)), [false, true]);
        // Once more before it was over.
        assert!(opening.set_back(300) && opening.set_back(305));
        assert_eq!([310, 315, 316].map(|now| opening.is_over(now)), [false, true, false]);
    }

    #[test]
    fn beside_its_gateway_a_realm_is_open_at_once() {
        let mut opening = Opening::begin(100, 0);
        assert!(!opening.is_over(100) && !opening.set_back(200) && !opening.is_over(u64::MAX));
    }
}
