//! Threads that only read, each on its own connection: a query never waits for the writer, nor it for a query.

use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

/// A query that waits, with its answer's channel inside.
pub(super) type Query = Box<dyn FnOnce(&Connection) + Send>;

/// Runs until every sender is gone.
pub(super) fn run(connection: &Connection, queue: &Mutex<Receiver<Query>>) {
    loop {
        // The lock is held while waiting, so one thread waits for a query and the others for the lock.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(query) => query(connection),
            Err(_) => return,
        }
    }
}
