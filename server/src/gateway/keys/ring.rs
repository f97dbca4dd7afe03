//! The keys that a gateway makes tokens with, kept up to date.

use throng_net::protocol::token::RealmKeys;

use super::{DataDir, FileWatch, KeyError, RootKeys};

/// The root keys of a running gateway and what its realms get of them.
pub struct KeyRing {
    dir: DataDir,
    realms: Vec<u32>,
    watch: FileWatch,
    roots: RootKeys,
    minting: u16,
    /// The last look found a file that it could not read, and has said so.
    is_unreadable: bool,
}

impl KeyRing {
    /// The keys of a data directory, made where there are none, and the files of these realms.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn open(dir: DataDir, realms: Vec<u32>, now_ms: u64) -> Result<Self, KeyError> {
        // Watched first: what changes between the two is then seen twice, and not never.
        let watch = FileWatch::new(dir.root_keys());
        let roots = RootKeys::read_or_create(&dir, &realms, now_ms)?;
        let minting = roots.minting(now_ms);
        Ok(Self { dir, realms, watch, roots, minting, is_unreadable: false })
    }

    /// The key that tokens are made with, as of the last look.
    pub fn minting(&self) -> u16 {
        self.minting
    }

    /// The keys of each realm, the one to make tokens with first.
    ///
    /// # Errors
    /// When there are more than realms accept.
    pub fn realm_keys(&self, now_ms: u64) -> Result<Vec<RealmKeys>, KeyError> {
        let keys = self.realms.iter().map(|&realm_id| self.roots.realm_keys(realm_id, now_ms));
        keys.collect::<Result<_, _>>().map_err(|source| KeyError::Keys { path: self.dir.root_keys(), source })
    }

    /// To be called once a second: the keys of each realm, if they are others than at the last call, because the file
    /// was replaced or a new key has settled.
    ///
    /// # Errors
    /// When the new file cannot be used. What was read before stays in use, and the error comes once.
    pub fn look(&mut self, now_ms: u64) -> Result<Option<Vec<RealmKeys>>, KeyError> {
        let has_changed = self.watch.has_changed();
        if has_changed {
            match RootKeys::read(&self.dir) {
                Ok(roots) => (self.roots, self.is_unreadable) = (roots, false),
                Err(error) => {
                    // Its mode may be mended, which no look at the file's contents notices.
                    self.watch.look_again();
                    return if std::mem::replace(&mut self.is_unreadable, true) {
                        Ok(None)
                    } else {
                        Err(error)
                    };
                }
            }
        }
        let minting = self.roots.minting(now_ms);
        if !has_changed && minting == self.minting {
            return Ok(None);
        }
        self.minting = minting;
        self.realm_keys(now_ms).map(Some)
    }
}
