//! Tests of the stores: what all of them must do ([`conformance`]), and what becomes of SQLite's files when a disk is
//! full, a lock is held, a file is foreign or a process is killed.

#[macro_use]
mod conformance;
mod canary;
mod durability;
mod failures;
mod help;
mod start;
mod throughput;

/// The suite over SQLite. Another implementation adds a module like this one.
mod sqlite {
    use crate::conformance::Case;
    use crate::help::Directory;

    fn open() -> (Directory, Case) {
        let directory = Directory::new();
        let store = directory.open();
        (directory, Case { store: store.clone(), credentials: store })
    }

    conformance_tests!(open);
}
