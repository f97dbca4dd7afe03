//! Limits of what is kept: each with its unit, where it comes from, and the assertions that tie them together.

/// Characters of the shortest name: two would be used up by the first thousand players.
pub const NAME_CHARS_MIN: usize = 3;

/// Characters of the longest name: what fits over a head.
pub const NAME_CHARS_MAX: usize = 24;

/// Bytes of the longest name in UTF-8: what a connect token has room for.
pub const NAME_BYTES_MAX: usize = 47;

/// Bytes that a name may have before it is normalised; more are not looked at. Compatibility forms shrink at most
/// to a fifth of their bytes, so no name that would fit is refused for this.
pub const NAME_INPUT_BYTES_MAX: usize = 256;

/// Marks in a row on one letter. Vietnamese needs two before composition and none after; stacks hide their neighbours.
pub const NAME_MARKS_MAX: usize = 2;

/// Bytes of the longest reason of a ban.
pub const REASON_BYTES_MAX: usize = 200;

/// Bytes of the longest label of a device.
pub const DEVICE_BYTES_MAX: usize = 64;

/// Bytes of the longest note of an invitation.
pub const NOTE_BYTES_MAX: usize = 100;

/// Bytes of the longest e-mail address: the path of RFC 5321 without its brackets.
pub const EMAIL_BYTES_MAX: usize = 254;

/// Bytes of the longest password hash in PHC form. Argon2id with a 16-byte salt and 32-byte output has 97.
pub const PASSWORD_HASH_BYTES_MAX: usize = 256;

/// Living characters of one account.
pub const CHARACTERS_MAX: u32 = 16;

/// Names that one account holds by its characters, living and deleted: creating and deleting in a loop cannot
/// reserve every name there is.
pub const CHARACTER_NAMES_MAX: u32 = 32;

/// Milliseconds for which the name of a deleted character stays taken, so that nobody can step into a known
/// player's shoes the minute after: 30 days.
pub const NAME_RESERVED_MS: i64 = 30 * 24 * 3600 * 1000;

/// Logins of one account that are alive at once; a further one ends the oldest.
pub const FAMILIES_MAX: u32 = 16;

/// Rotations of one login, after which it ends: every used refresh token is remembered until its time is over, so
/// this bounds their rows. 30 days at one every 15 minutes are 2,880.
pub const ROTATIONS_MAX: u32 = 4096;

/// Accounts of one bulk creation: 3 s of a writer that serves nobody else meanwhile.
pub const BULK_MAX: usize = 50_000;

/// Rows of one page of a listing.
pub const PAGE_ROWS_MAX: u32 = 1000;

/// Rows of each kind that one purge removes: a few milliseconds of the writer.
pub const PURGE_ROWS_MAX: u32 = 1000;

/// Invitations that exist at once, used up ones included.
pub const INVITES_MAX: u32 = 10_000;

/// Uses of one invitation.
pub const INVITE_USES_MAX: u32 = 10_000;

/// Jobs that wait for the writer; more are refused at once. At 1,000 a second and a full queue the last waits 4 s,
/// which is still within the deadline of a request.
pub const WRITE_QUEUE_JOBS: usize = 4096;

/// Jobs that share one commit. More would make the first wait for the last without saving anything: at 256 the sync
/// is already below 20 us a job.
pub const GROUP_JOBS_MAX: usize = 256;

/// Queries that wait for a reader; more are refused at once.
pub const READ_QUEUE_JOBS: usize = 4096;

/// Most connections that read.
pub const READERS_MAX: u32 = 16;

/// Pages of write-ahead log after which it is copied back into the database: 4 MiB at 4 KiB a page, as SQLite does
/// unless told otherwise.
pub const WAL_PAGES: u32 = 1000;

/// Bytes that the file of the write-ahead log is cut back to once a large transaction made it longer.
pub const WAL_BYTES_KEPT: u32 = 16 << 20;

const _: () = assert!(NAME_CHARS_MIN <= NAME_CHARS_MAX && NAME_CHARS_MAX <= NAME_BYTES_MAX);
const _: () = assert!(NAME_BYTES_MAX * 5 <= NAME_INPUT_BYTES_MAX);
const _: () = assert!(CHARACTERS_MAX <= CHARACTER_NAMES_MAX);
const _: () = assert!(GROUP_JOBS_MAX <= WRITE_QUEUE_JOBS);
const _: () = assert!(NAME_RESERVED_MS == 2_592_000_000);
