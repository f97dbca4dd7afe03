//! The store that is built in: SQLite.

mod open_error;

pub use open_error::OpenError;

/// How a database is used.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Connections that read, each with its thread; 1 to [`READERS_MAX`](crate::limits::READERS_MAX).
    pub readers: u32,
    /// Milliseconds that a call waits for another program to let go of the database before it fails as busy.
    pub busy_ms: u32,
    /// Whether to look through the whole file for damage first: 1 s for each 200 MB or so.
    pub check: bool,
    /// Pages (4 KiB) that the database may have; none is as many as the disk holds.
    pub pages_max: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 2, busy_ms: 2000, check: true, pages_max: None }
    }
}
