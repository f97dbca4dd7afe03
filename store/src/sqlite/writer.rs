//! One thread that changes the database: whatever waits shares a commit, and so a sync.
//!
//! ```text
//!   queue ─► BEGIN IMMEDIATE ─► SAVEPOINT, job, RELEASE  for each ─► COMMIT, sync ─► answers
//!                                  └─ refused: ROLLBACK TO              └─ failed: each job again, alone
//! ```
//!
//! Nothing is answered before the commit, not even a refusal: it may rest on another job of the group.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::{Fault, must_stop, store_error};
use super::tally::Tally;
use crate::error::StoreError;
use crate::limits::{GROUP_JOBS_MAX, WAL_PAGES};

/// A change that waits.
pub(super) trait Job: Send {
    /// Does it in the open transaction, perhaps again after a rollback. An error is SQLite's: a refusal is kept.
    fn run(&mut self, connection: &Connection) -> Result<Outcome, rusqlite::Error>;
    /// Tells what came of it: what [`run`](Self::run) kept, or this error.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

/// What is to be done with what a job wrote.
#[derive(PartialEq, Eq)]
pub(super) enum Outcome {
    Keep,
    TakeBack,
}

/// A job from a function and the channel that waits for its result.
pub(super) struct Asked<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Asked<T, F> {
    pub(super) fn new(work: F, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work, result: None, answer }
    }
}

impl<T: Send, F: FnMut(&Connection) -> Result<T, Fault> + Send> Job for Asked<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<Outcome, rusqlite::Error> {
        self.result = None;
        match (self.work)(connection) {
            Ok(value) => {
                self.result = Some(Ok(value));
                Ok(Outcome::Keep)
            }
            Err(Fault::Refused(error)) => {
                self.result = Some(Err(error));
                Ok(Outcome::TakeBack)
            }
            Err(Fault::Failed(error)) => Err(error),
        }
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let result = match (failure, self.result) {
            (Some(failure), _) => Err(failure),
            (None, Some(result)) => result,
            (None, None) => Err(StoreError::Closed),
        };
        // Who asked may have gone away: the change stays made.
        let _ = self.answer.send(result);
    }
}

/// The thread's state.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) tally: Arc<Tally>,
    pub(super) busy_ms: u32,
    /// Why nothing is written any more.
    pub(super) stopped: Option<StoreError>,
    /// What went wrong last, told once and not for every job.
    pub(super) told: Option<StoreError>,
}

impl Writer {
    /// Runs until every sender is gone and everything that waited is answered.
    pub(super) fn run(mut self, queue: &Receiver<Box<dyn Job>>) {
        let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP_JOBS_MAX);
        while let Ok(first) = queue.recv() {
            group.push(first);
            group.extend(queue.try_iter().take(GROUP_JOBS_MAX - 1));
            if let Some(StoreError::Busy { .. }) = self.serve(&mut group) {
                // Whoever came meanwhile has waited as well: another full wait for each group would have no bound.
                let waiting: Vec<_> = queue.try_iter().collect();
                self.fail(waiting, &StoreError::Busy { waited_ms: u64::from(self.busy_ms) });
            }
        }
    }

    /// Does and answers all jobs of a group, and says why it could not.
    fn serve(&mut self, group: &mut Vec<Box<dyn Job>>) -> Option<StoreError> {
        let failure = match &self.stopped {
            Some(stopped) => Some(stopped.clone()),
            None => self.commit(group).err(),
        };
        match failure {
            None => {
                self.succeed(group.drain(..));
                self.copy_back();
                None
            }
            // One job that asks for too much room must not take the others with it.
            Some(failure)
                if group.len() > 1
                    && self.stopped.is_none()
                    && !matches!(failure, StoreError::Busy { .. }) =>
            {
                let mut jobs = std::mem::take(group).into_iter();
                while let Some(job) = jobs.next() {
                    let alone = self.serve(&mut vec![job]);
                    if let Some(busy @ StoreError::Busy { .. }) = alone {
                        self.fail(jobs, &busy);
                        return Some(busy);
                    }
                }
                None
            }
            Some(failure) => {
                self.fail(group.drain(..), &failure);
                Some(failure)
            }
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let done = self.try_commit(group);
        if done != Err(StoreError::Full) {
            return done;
        }
        // The log may be what fills the disk: give its room back and try once more.
        let truncated = self.connection.query_row("PRAGMA wal_checkpoint(truncate)", [], |row| row.get(0));
        match truncated {
            Ok(0) => self.try_commit(group),
            Ok(_) => done, // somebody reads what is in it
            Err(error) => Err(self.judge(&error)),
        }
    }

    fn try_commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let done = transact(&self.connection, group);
        if done.is_err() && !self.connection.is_autocommit() {
            // A failure here leaves the transaction open, and the next BEGIN fails: nothing is committed by accident.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        done.map_err(|error| self.judge(&error))
    }

    fn judge(&mut self, error: &rusqlite::Error) -> StoreError {
        let failure = store_error(error, self.busy_ms);
        if !must_stop(error) {
            return failure;
        }
        let stopped = StoreError::Stopped { detail: error.to_string() };
        self.stopped = Some(stopped.clone());
        self.tally.is_stopped.store(true, Relaxed);
        stopped
    }

    fn succeed(&mut self, jobs: impl ExactSizeIterator<Item = Box<dyn Job>>) {
        self.tally.writes.fetch_add(jobs.len() as u64, Relaxed);
        self.tally.commits.fetch_add(1, Relaxed);
        jobs.for_each(|job| job.answer(None));
        if self.told.take().is_some() {
            tracing::info!("the database can be written again");
        }
    }

    fn fail(&mut self, jobs: impl IntoIterator<Item = Box<dyn Job>>, failure: &StoreError) {
        for job in jobs {
            self.tally.failed.fetch_add(1, Relaxed);
            job.answer(Some(failure.clone()));
        }
        if self.told.as_ref() != Some(failure) {
            tracing::error!("{failure}");
            self.told = Some(failure.clone());
        }
    }

    /// Copies the log back into the database once it is long. Passive: waits for no reader, and nobody waits for it
    /// but the next job.
    fn copy_back(&mut self) {
        if let Err(error) = copy_back(&self.connection) {
            let failure = self.judge(&error);
            // Anything else is tried again after the next commit; the log keeps everything until then.
            if self.stopped.is_some() {
                self.fail([], &failure);
            }
        }
    }
}

fn transact(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), rusqlite::Error> {
    let execute = |sql| connection.prepare_cached(sql)?.execute([]);
    execute("BEGIN IMMEDIATE")?;
    for job in group {
        execute("SAVEPOINT job")?;
        if job.run(connection)? == Outcome::TakeBack {
            execute("ROLLBACK TO job")?;
        }
        execute("RELEASE job")?;
    }
    execute("COMMIT")?;
    Ok(())
}

fn copy_back(connection: &Connection) -> Result<(), rusqlite::Error> {
    let pages: i64 = connection
        .prepare_cached("PRAGMA wal_checkpoint(noop)")?
        .query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))?;
    if pages >= i64::from(WAL_PAGES) {
        connection.prepare_cached("PRAGMA wal_checkpoint(passive)")?.query_row([], |_| Ok(()))?;
    }
    Ok(())
}
