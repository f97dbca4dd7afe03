//! Named counters of everything that the rules refused, cut short or repaired.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters of one game since its start. Each only grows.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct GameCounters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl GameCounters {
            /// Every counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }
    };
}

counters! {
    /// Characters that entered, or came back to their body.
    entered,
    /// Players that left.
    left,
    /// Bodies that were taken out of the world after their player had left.
    departed,
    /// Refused: no room for another avatar.
    refused_full,
    /// Refused among them: as many characters are known as may be, and none was found that could be forgotten.
    refused_characters,
    /// Characters forgotten to make room for new ones: long away, and with no more than a new one has.
    characters_forgotten,
    /// Intents that were applied.
    intents_applied,
    /// Intents numbered at or below one that has been seen; ignored.
    intents_stale,
    /// Intents beyond what may wait for time to pass; refused.
    intents_over_budget,
    /// Intents whose direction is NaN or infinite; refused.
    intents_malformed,
    /// Intents and commands of nobody who is here; refused.
    inputs_of_nobody,
    /// Commands that did something.
    commands_done,
    /// Commands that did nothing, whatever the reason; their players were told it.
    commands_refused,
    /// Commands sent again, and answered as before.
    commands_repeated,
    /// Commands beyond what may wait for one tick; refused unanswered.
    commands_too_many,
    /// Commands whose text is too long, or not one line of text.
    texts_refused,
    /// Things said that not everybody near was told of, because too many stood there.
    say_cut,
    /// Trades ended because the two went too far apart, or one of them died or left.
    trades_parted,
    /// Things that nobody picked up in time.
    drops_expired,
    /// Things that players could not put on the ground because too many lie there.
    drops_refused,
    /// Things that creatures carried and that vanished with them because too many lie on the ground, or the books are
    /// wrong.
    loot_refused,
    /// Avatars that died.
    avatars_died,
    /// Creatures that died.
    creatures_died,
    /// Commands about goods refused because money or things did not add up before.
    deals_stopped,
    /// Ticks after which money or things did not add up. Anything but 0 is a bug.
    ledger_imbalance,
}
