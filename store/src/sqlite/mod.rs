//! The store that is built in: SQLite, with one thread that writes and a few that read.
//!
//! * [`open`]: a path becomes a database that is ours, whole and of this version.
//! * [`writer`]: the group commit. [`readers`]: the queries.
//! * `accounts`, `sessions`, `characters`, `invites`, `upkeep`: the statements, as functions of a connection.
//! * [`schema`]: the tables. [`fault`]: what SQLite's errors mean.

mod accounts;
mod characters;
mod fault;
mod invites;
mod looks;
mod open;
mod open_error;
mod readers;
mod schema;
mod sessions;
mod tally;
mod upkeep;
mod writer;
#[cfg(test)]
mod writer_tests;

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use self::fault::{Fault, store_error};
use self::readers::Query;
use self::tally::Tally;
use self::writer::{Asked, Job, Writer};
use crate::error::StoreError;
use crate::ids::{AccountId, CharacterId, FamilyId, InviteId};
use crate::limits::{READ_QUEUE_JOBS, READERS_MAX, WRITE_QUEUE_JOBS};
use crate::names::Name;
use crate::records::{
    Account, AccountCursor, AccountPage, Ban, BulkAccount, Character, Counts, Credential, Health, Invite,
    NewAccount, NewCharacter, NewInvite, NewPassword, NewSession, Play, Purged, Rotated, Rotation, Session,
};
use crate::secret::TokenHash;
use crate::store::{Answer, Credentials, Store};

pub use open_error::OpenError;

/// How a database is used.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Connections that read, each with its thread; 1 to [`READERS_MAX`].
    pub readers: u32,
    /// Milliseconds that a call waits for another program to let go of the database before it fails as busy.
    pub busy_ms: u32,
    /// Whether to look through the whole file for damage first. Off for a short look, as a command line takes.
    pub check: bool,
    /// Pages (4 KiB) that the database may have; none is as many as the disk holds.
    pub pages_max: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 2, busy_ms: 2000, check: true, pages_max: None }
    }
}

/// A store in one file. Several processes can have it open: a command line beside a server.
///
/// Dropping it waits until everything that was asked for is done, one commit or so.
pub struct SqliteStore {
    jobs: Option<SyncSender<Box<dyn Job>>>,
    queries: Option<SyncSender<Query>>,
    threads: Vec<JoinHandle<()>>,
    tally: Arc<Tally>,
    busy_ms: u32,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it, with its directory. Blocks; so it is for the start of a program.
    pub fn open(path: &Path, options: &SqliteOptions) -> Result<Arc<Self>, OpenError> {
        let tally = Arc::new(Tally::default());
        let (jobs, waiting_jobs) = sync_channel(WRITE_QUEUE_JOBS);
        let (queries, waiting_queries) = sync_channel::<Query>(READ_QUEUE_JOBS);
        let writer = Writer {
            connection: open::writer(path, options)?,
            tally: Arc::clone(&tally),
            busy_ms: options.busy_ms,
            stopped: None,
            told: None,
        };
        let mut store = Self {
            jobs: Some(jobs),
            queries: Some(queries),
            threads: Vec::new(),
            tally,
            busy_ms: options.busy_ms,
        };
        let os = |source| OpenError::Os { action: "start a thread for", path: path.to_owned(), source };
        let waiting_queries = Arc::new(Mutex::new(waiting_queries));
        for _ in 0..options.readers.clamp(1, READERS_MAX) {
            let (connection, waiting) = (open::reader(path, options)?, Arc::clone(&waiting_queries));
            let run = move || readers::run(&connection, &waiting);
            store.threads.push(thread::Builder::new().name("store-read".into()).spawn(run).map_err(os)?);
        }
        let run = move || writer.run(&waiting_jobs);
        store.threads.push(thread::Builder::new().name("store-write".into()).spawn(run).map_err(os)?);
        Ok(Arc::new(store))
    }

    fn write<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let sent = send(self.jobs.as_ref(), Box::new(Asked::new(work, answer)) as Box<dyn Job>);
        self.answer(sent, result)
    }

    fn read<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let (tally, busy_ms) = (Arc::clone(&self.tally), self.busy_ms);
        let query: Query = Box::new(move |connection| {
            let found = work(connection).map_err(|fault| match fault {
                Fault::Refused(error) => error,
                Fault::Failed(error) => {
                    tally.failed.fetch_add(1, Relaxed);
                    store_error(&error, busy_ms)
                }
            });
            tally.reads.fetch_add(1, Relaxed);
            let _ = answer.send(found); // who asked may have gone away
        });
        self.answer(send(self.queries.as_ref(), query), result)
    }

    fn answer<T: Send + 'static>(
        &self,
        sent: Result<(), StoreError>,
        result: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Answer<T> {
        if sent == Err(StoreError::Overloaded) {
            self.tally.overloaded.fetch_add(1, Relaxed);
        }
        Box::pin(async move {
            sent?;
            result.await.unwrap_or(Err(StoreError::Closed))
        })
    }
}

fn send<T>(queue: Option<&SyncSender<T>>, item: T) -> Result<(), StoreError> {
    match queue.map(|queue| queue.try_send(item)) {
        Some(Ok(())) => Ok(()),
        Some(Err(TrySendError::Full(_))) => Err(StoreError::Overloaded),
        Some(Err(TrySendError::Disconnected(_))) | None => Err(StoreError::Closed),
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.jobs = None;
        self.queries = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing to wait for.
            let _ = thread.join();
        }
    }
}

impl Store for SqliteStore {
    fn create_account(&self, new: NewAccount) -> Answer<()> {
        self.write(move |at| accounts::create(at, &new))
    }

    fn create_accounts_bulk(
        &self,
        bulk: Vec<BulkAccount>,
        access_expires_ms: i64,
        now_ms: i64,
    ) -> Answer<()> {
        self.write(move |at| accounts::create_bulk(at, &bulk, access_expires_ms, now_ms))
    }

    fn account(&self, id: AccountId) -> Answer<Option<Account>> {
        self.read(move |at| accounts::by_id(at, id))
    }

    fn account_by_name(&self, name: &Name) -> Answer<Option<Account>> {
        let name = name.clone();
        self.read(move |at| accounts::by_name(at, &name))
    }

    fn accounts(&self, from: Option<AccountCursor>, rows_max: u32) -> Answer<AccountPage> {
        self.read(move |at| accounts::page(at, from.as_ref(), rows_max))
    }

    fn ban(&self, account: AccountId, ban: Ban) -> Answer<()> {
        self.write(move |at| accounts::ban(at, account, &ban))
    }

    fn unban(&self, account: AccountId) -> Answer<()> {
        self.write(move |at| accounts::unban(at, account))
    }

    fn create_session(&self, new: NewSession) -> Answer<()> {
        self.write(move |at| sessions::create(at, &new))
    }

    fn session(&self, access: TokenHash, now_ms: i64) -> Answer<Option<Session>> {
        self.read(move |at| sessions::by_access(at, access, now_ms))
    }

    fn rotate(&self, rotation: Rotation) -> Answer<Rotated> {
        self.write(move |at| sessions::rotate(at, &rotation))
    }

    fn revoke_family(&self, family: FamilyId) -> Answer<()> {
        self.write(move |at| sessions::revoke_family(at, family))
    }

    fn revoke_account(&self, account: AccountId, but: Option<FamilyId>) -> Answer<u64> {
        self.write(move |at| sessions::revoke_account(at, account, but))
    }

    fn create_character(&self, new: NewCharacter) -> Answer<()> {
        self.write(move |at| characters::create(at, &new))
    }

    fn characters(&self, account: AccountId) -> Answer<Vec<Character>> {
        self.read(move |at| characters::of_account(at, account))
    }

    fn delete_character(&self, account: AccountId, character: CharacterId, now_ms: i64) -> Answer<()> {
        self.write(move |at| characters::delete(at, account, character, now_ms))
    }

    fn begin_play(&self, account: AccountId, character: CharacterId, now_ms: i64) -> Answer<Play> {
        self.write(move |at| characters::begin_play(at, account, character, now_ms))
    }

    fn create_invite(&self, new: NewInvite) -> Answer<InviteId> {
        self.write(move |at| invites::create(at, &new))
    }

    fn is_invite_good(&self, code: TokenHash, now_ms: i64) -> Answer<bool> {
        self.read(move |at| invites::is_good(at, code, now_ms))
    }

    fn invites(&self) -> Answer<Vec<Invite>> {
        self.read(invites::all)
    }

    fn revoke_invite(&self, invite: InviteId) -> Answer<()> {
        self.write(move |at| invites::revoke(at, invite))
    }

    fn purge(&self, now_ms: i64, rows_max: u32) -> Answer<Purged> {
        self.write(move |at| upkeep::purge(at, now_ms, rows_max))
    }

    fn counts(&self) -> Answer<Counts> {
        self.read(upkeep::counts)
    }

    fn health(&self) -> Health {
        self.tally.health()
    }
}

impl Credentials for SqliteStore {
    fn credential_by_name(&self, name: &Name) -> Answer<Option<Credential>> {
        let name = name.clone();
        self.read(move |at| accounts::credential_by_name(at, &name))
    }

    fn credential(&self, account: AccountId) -> Answer<Option<Credential>> {
        self.read(move |at| accounts::credential_by_id(at, account))
    }

    fn set_password(&self, new: NewPassword) -> Answer<()> {
        self.write(move |at| accounts::set_password(at, &new))
    }
}
