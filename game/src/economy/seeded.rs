//! Faults that the tests plant, one at a time, to prove that they would be noticed. Other builds have none of it.

/// Whether a fault is planted.
macro_rules! seeded {
    ($economy:expr, $bug:ident) => {{
        #[cfg(test)]
        let is_planted = $economy.bug == Some(crate::economy::seeded::Bug::$bug);
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
}

#[cfg(test)]
impl Bug {
    pub(super) const ALL: [Self; 26] = [
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
