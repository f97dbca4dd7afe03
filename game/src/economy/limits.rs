//! Limits of the economy: each with its unit and why it is what it is.

/// Most money that one holder can have, minor units. Sums of a few holders stay far inside an `i64`.
pub const MONEY_MAX: i64 = 1_000_000_000_000;

/// Highest base price of one item, minor units.
pub const PRICE_MAX: i64 = 1_000_000_000;

/// Most accounts in a world, of characters present and away.
pub const ACCOUNTS_MAX: u32 = 1 << 20;

/// Most kinds of items. The ledger has a row of books for each.
pub const ITEM_KINDS_MAX: usize = 4096;

/// Most of one item in one account: the highest stack limit that a catalogue may set.
pub const STACK_MAX: u32 = 1_000_000;

/// Different items in one account; 256 bytes of it.
pub const ACCOUNT_STACKS_MAX: usize = 32;

/// Different items in one drop, or on one side of a trade.
pub const GOODS_STACKS_MAX: usize = 8;

/// Operations per account whose outcomes are remembered. A client that has at most this many commands under way may
/// repeat any of them as often as it likes. 1.1 KiB per account.
pub const ANSWERS_MAX: usize = 64;

/// Most shops: as many as a land can have.
pub const SHOPS_MAX: usize = throng_motion::limits::SHOPS_MAX as usize;

/// Different items in one shop.
pub const SHOP_LINES_MAX: usize = 64;

/// Most drops on the ground at once. Their times of expiry are looked through once a tick: 4 bytes each.
pub const DROPS_MAX: u32 = 1 << 16;

/// Most changes that one operation can tell of: both sides of a trade, each its state, its money and its items.
pub const CHANGES_PER_OPERATION_MAX: usize = 2 * (2 + GOODS_STACKS_MAX);

const _: () = {
    // `fits` adds what is there, what is in escrow and what comes, each capped, without a check.
    assert!(MONEY_MAX < i64::MAX / 4);
    assert!(STACK_MAX < u32::MAX / 4);
    assert!(GOODS_STACKS_MAX <= ACCOUNT_STACKS_MAX && ACCOUNT_STACKS_MAX <= u8::MAX as usize);
};
