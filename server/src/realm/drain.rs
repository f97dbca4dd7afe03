//! Draining: nobody else is let in, and who is in may finish, and then log out.
//!
//! ```text
//!   signal ──► drain ──┬─► the last player has left ──► their time to log out is over ──┬─► stop
//!                      │   nobody was there ────────────────────────────────────────────┤
//!                      └─► realm.drain_s is over ───────────────────────────────────────┘
//! ```
//!
//! A gateway in the same process ends with the realm. Were that the moment in which the last player leaves, that player
//! alone could not log out any more.

/// How far a realm's drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Somebody is in, or may be logging out.
    Going,
    /// The last player has just left, and has time to log out.
    Left,
    /// The realm stops.
    Over,
}

/// A drain that has begun. Times are nanoseconds of the realm's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    ends_ns: u64,
    /// How long the last player may take to log out.
    logout_ns: u64,
    was_anybody_in: bool,
    left_ns: Option<u64>,
}

impl Drain {
    /// Begins at `now_ns`, and takes `drain_ns` at most.
    pub fn begin(now_ns: u64, drain_ns: u64, logout_ns: u64) -> Self {
        Self { ends_ns: now_ns.saturating_add(drain_ns), logout_ns, was_anybody_in: false, left_ns: None }
    }

    /// How far it is with so many clients. To be asked in every tick.
    pub fn look(&mut self, now_ns: u64, clients: u32) -> Stage {
        if now_ns >= self.ends_ns {
            return Stage::Over;
        }
        if clients > 0 {
            // Who has a connect token may still come.
            (self.was_anybody_in, self.left_ns) = (true, None);
            return Stage::Going;
        }
        if !self.was_anybody_in || self.logout_ns == 0 {
            return Stage::Over;
        }
        match self.left_ns {
            None => {
                self.left_ns = Some(now_ns);
                Stage::Left
            }
            Some(left_ns) if now_ns - left_ns >= self.logout_ns => Stage::Over,
            Some(_) => Stage::Going,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: u64 = 100;
    const LOGOUT: u64 = 10;

    #[test]
    fn who_leaves_last_has_time_to_log_out() {
        let mut drain = Drain::begin(1000, DRAIN, LOGOUT);
        assert_eq!(drain.look(1000, 2), Stage::Going);
        assert_eq!(drain.look(1050, 1), Stage::Going);
        assert_eq!(drain.look(1051, 0), Stage::Left);
        assert_eq!(drain.look(1060, 0), Stage::Going);
        assert_eq!(drain.look(1061, 0), Stage::Over);
    }

    #[test]
    fn who_enters_late_is_waited_for() {
        let mut drain = Drain::begin(1000, DRAIN, LOGOUT);
        drain.look(1000, 1);
        assert_eq!(drain.look(1001, 0), Stage::Left);
        assert_eq!(drain.look(1005, 1), Stage::Going);
        assert_eq!(drain.look(1020, 0), Stage::Left);
        assert_eq!(drain.look(1030, 0), Stage::Over);
    }

    #[test]
    fn nothing_is_waited_for_where_nobody_was_or_the_gateway_stays() {
        assert_eq!(Drain::begin(1000, DRAIN, LOGOUT).look(1000, 0), Stage::Over);
        let mut elsewhere = Drain::begin(1000, DRAIN, 0);
        assert_eq!(elsewhere.look(1000, 1), Stage::Going);
        assert_eq!(elsewhere.look(1001, 0), Stage::Over);
    }

    #[test]
    fn a_drain_takes_no_longer_than_it_may() {
        let mut drain = Drain::begin(1000, DRAIN, LOGOUT);
        assert_eq!(drain.look(1099, 5), Stage::Going);
        assert_eq!(drain.look(1100, 5), Stage::Over);
        let mut late = Drain::begin(1000, DRAIN, LOGOUT);
        assert_eq!(late.look(1094, 1), Stage::Going);
        assert_eq!(late.look(1095, 0), Stage::Left);
        assert_eq!(late.look(1100, 0), Stage::Over, "the logout's time is part of it");
    }
}
