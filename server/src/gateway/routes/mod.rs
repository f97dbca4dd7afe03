//! What each route does, one file per subject.

pub mod account;
pub mod characters;
pub mod health;
pub mod play;
pub mod realms;
pub mod session;
