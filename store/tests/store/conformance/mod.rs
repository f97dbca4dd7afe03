//! What every store must do: functions of a [`Case`], each on an empty store of its own.

mod accounts;
mod characters;
mod races;
mod sessions;

use std::sync::Arc;

use throng_store::{Credentials, Store};

pub use accounts::*;
pub use characters::*;
pub use races::*;
pub use sessions::*;

/// An empty store.
#[derive(Clone)]
pub struct Case {
    pub store: Arc<dyn Store>,
    pub credentials: Arc<dyn Credentials>,
}

/// One test for each function of the suite. `$open` makes something to keep alive and a [`Case`].
macro_rules! conformance_tests {
    ($open:path) => {
        conformance_tests! { $open:
            accounts_come_back_as_made
            names_are_unique_by_look
            logins_find_a_spelling_but_no_look_alike
            ids_are_not_reused
            listing_pages_through_all
            bans_end_logins_and_refuse_new_ones
            passwords_change_once_per_version
            locked_accounts_have_no_hash
            invitations_are_spent_with_the_account
            invitations_are_listed_and_revoked
            bulk_makes_all_or_none
            what_is_missing_is_said
            access_tokens_are_good_until_their_time
            a_refresh_token_is_good_once
            an_access_token_does_not_refresh
            logins_end_alone_and_together
            the_oldest_login_makes_room
            tokens_are_not_reused
            a_login_ends_after_its_rotations
            a_password_change_refuses_logins_under_way
            what_is_past_its_time_is_purged_in_batches
            characters_belong_to_their_account
            a_deleted_name_stays_taken_for_a_while
            names_held_are_bounded
            epochs_rise
            one_of_many_gets_a_name
            one_of_many_gets_the_last_use_of_an_invitation
            one_of_many_rotates_and_the_family_dies
            racing_plays_get_rising_epochs
            dropped_answers_take_nothing_back
        }
    };
    ($open:path: $($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                let (_kept, case) = $open();
                crate::conformance::$test(case).await;
            }
        )*
    };
}
