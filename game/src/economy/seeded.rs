//! Faults that the tests plant, one at a time, to prove that they would be noticed. Other builds have none of it.

/// Whether a fault is planted and strikes now.
macro_rules! seeded {
    ($economy:expr, $bug:ident) => {{
        #[cfg(test)]
        let is_planted = $economy.planted.strikes(crate::economy::seeded::Bug::$bug);
        #[cfg(not(test))]
        let is_planted = false;
        is_planted
    }};
}
pub(super) use seeded;

/// A fault to plant.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    ForgetDebit,
    DoubleCredit,
    ForgetCredit,
    SkipPosting,
    PostOneSide,
    PriceWraps,
    PaysMoreThanAsked,
    SkipDedupe,
    ForgetRefusals,
    ShortMemory,
    PartialTrade,
    TradeToOneSide,
    DropClaimedTwice,
    StaleDrop,
    KeepConfirmations,
    IgnoreRevision,
    SkipRoomInTrade,
    IgnoreStackLimit,
    EscrowUnreserved,
    OfferStaysSpendable,
    OfferNegative,
    CancelLosesGoods,
    SelfTrade,
    LeaverStays,
    ExpiryUnbooked,
    RestockUnbooked,
    PartnerUntold,
}

#[cfg(test)]
impl Bug {
    pub(super) const ALL: [Self; 27] = [
        Self::ForgetDebit,
        Self::DoubleCredit,
        Self::ForgetCredit,
        Self::SkipPosting,
        Self::PostOneSide,
        Self::PriceWraps,
        Self::PaysMoreThanAsked,
        Self::SkipDedupe,
        Self::ForgetRefusals,
        Self::ShortMemory,
        Self::PartialTrade,
        Self::TradeToOneSide,
        Self::DropClaimedTwice,
        Self::StaleDrop,
        Self::KeepConfirmations,
        Self::IgnoreRevision,
        Self::SkipRoomInTrade,
        Self::IgnoreStackLimit,
        Self::EscrowUnreserved,
        Self::OfferStaysSpendable,
        Self::OfferNegative,
        Self::CancelLosesGoods,
        Self::SelfTrade,
        Self::LeaverStays,
        Self::ExpiryUnbooked,
        Self::RestockUnbooked,
        Self::PartnerUntold,
    ];

    /// Whether it makes or loses value, so that the books alone must tell, without a model beside them.
    pub(super) fn breaks_conservation(self) -> bool {
        matches!(
            self,
            Self::ForgetDebit
                | Self::DoubleCredit
                | Self::ForgetCredit
                | Self::SkipPosting
                | Self::PostOneSide
                | Self::SkipRoomInTrade
                | Self::IgnoreStackLimit
                | Self::EscrowUnreserved
                | Self::OfferStaysSpendable
                | Self::CancelLosesGoods
                | Self::ExpiryUnbooked
                | Self::RestockUnbooked
        )
    }
}

/// The fault of an economy, if it has one.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Planted {
    bug: Option<Bug>,
    /// It strikes at one in so many of its chances.
    every: u32,
    chances: std::sync::atomic::AtomicU32,
}

#[cfg(test)]
impl Planted {
    pub(super) fn always(bug: Bug) -> Self {
        Self { bug: Some(bug), every: 1, chances: Default::default() }
    }

    /// A fault that seldom strikes, unless what it takes to do harm is rare by itself.
    pub(super) fn seldom(bug: Bug) -> Self {
        let is_rare = matches!(bug, Bug::ShortMemory | Bug::SkipRoomInTrade | Bug::EscrowUnreserved);
        Self { every: if is_rare { 1 } else { 97 }, ..Self::always(bug) }
    }

    pub(super) fn strikes(&self, bug: Bug) -> bool {
        self.bug == Some(bug) && {
            let chance = self.chances.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (chance + 1).is_multiple_of(self.every)
        }
    }
}
