//! What outlives the process: accounts, characters, sessions and invitations.

#![forbid(unsafe_code)]
