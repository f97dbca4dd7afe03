//! A store in memory: what the gateway's handlers ask of one, for one script. Not a model of what a store promises; the
//! store's own tests are that.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use throng_store::limits::{CHARACTERS_MAX, FAMILIES_MAX};
use throng_store::{
    Account, AccountCursor, AccountId, AccountPage, Answer, Ban, BulkAccount, Character, CharacterId, Counts,
    Credential, Credentials, FamilyId, Health, Invite, InviteId, Missing, Name, NewAccount, NewCharacter,
    NewInvite, NewPassword, NewSession, PasswordHash, Play, Purged, Revoke, Rotated, Rotation, Session,
    Store, StoreError, Taken, TokenHash,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Refresh,
    Used,
}

#[derive(Clone)]
struct Kept {
    account: Account,
    password: Option<PasswordHash>,
    version: u64,
}

#[derive(Clone)]
struct Token {
    kind: Kind,
    family: FamilyId,
    expires_ms: i64,
}

#[derive(Clone)]
struct Owned {
    owner: AccountId,
    character: Character,
    epoch: u64,
    is_deleted: bool,
}

/// Few of each, so lists are searched from end to end.
#[derive(Clone, Default)]
struct Tables {
    accounts: BTreeMap<AccountId, Kept>,
    /// The oldest first.
    logins: Vec<(FamilyId, AccountId)>,
    tokens: Vec<(TokenHash, Token)>,
    characters: BTreeMap<CharacterId, Owned>,
    invites: Vec<(TokenHash, u32)>,
}

/// The store, and what was done to it.
#[derive(Default)]
pub(super) struct MemoryStore {
    tables: Mutex<Tables>,
    calls: AtomicU32,
    changes: AtomicU64,
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { tables: Mutex::new(tables), ..Self::default() }
    }
}

fn answer<T: Send + 'static>(result: Result<T, StoreError>) -> Answer<T> {
    Box::pin(ready(result))
}

impl MemoryStore {
    /// Operations since the last time this was asked.
    pub fn take_calls(&self) -> u32 {
        self.calls.swap(0, Ordering::Relaxed)
    }

    /// Changes so far.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn read<T>(&self, with: impl FnOnce(&mut Tables) -> T) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        with(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T: Send + 'static>(
        &self,
        with: impl FnOnce(&mut Tables) -> Result<T, StoreError>,
    ) -> Answer<T> {
        let changed = self.read(with);
        self.changes.fetch_add(u64::from(changed.is_ok()), Ordering::Relaxed);
        answer(changed)
    }
}

impl Tables {
    fn kept(&mut self, account: AccountId) -> Result<&mut Kept, StoreError> {
        self.accounts.get_mut(&account).ok_or(StoreError::Missing(Missing::Account))
    }

    fn admitted(&mut self, account: AccountId, now_ms: i64) -> Result<&mut Kept, StoreError> {
        let kept = self.kept(account)?;
        match &kept.account.ban {
            Some(ban) if ban.holds(now_ms) => Err(StoreError::Banned(ban.clone())),
            _ => Ok(kept),
        }
    }

    fn token(&mut self, hash: TokenHash) -> Option<&mut Token> {
        self.tokens.iter_mut().find(|(own, _)| *own == hash).map(|(_, token)| token)
    }

    fn end(&mut self, is_over: impl Fn(FamilyId, AccountId) -> bool) -> u64 {
        let before = self.logins.len();
        self.logins.retain(|&(family, account)| !is_over(family, account));
        let Self { logins, tokens, .. } = self;
        tokens.retain(|(_, token)| logins.iter().any(|&(family, _)| family == token.family));
        (before - self.logins.len()) as u64
    }

    fn session(&mut self, family: FamilyId, expires_ms: i64) -> Option<Session> {
        let account = self.logins.iter().find(|(own, _)| *own == family)?.1;
        let Account { name, role, .. } = self.accounts.get(&account)?.account.clone();
        Some(Session { account, name, role, family, expires_ms })
    }

    fn keep(&mut self, hash: TokenHash, kind: Kind, family: FamilyId, expires_ms: i64) {
        self.tokens.push((hash, Token { kind, family, expires_ms }));
    }
}

impl Store for MemoryStore {
    fn create_account(&self, new: NewAccount) -> Answer<()> {
        self.change(|tables| {
            let key = new.name.key();
            if tables.accounts.values().any(|kept| kept.account.name.key() == key) {
                return Err(StoreError::Taken(Taken::AccountName));
            }
            if let Some(code) = new.invite {
                let left = tables.invites.iter_mut().find(|(own, _)| *own == code).map(|(_, left)| left);
                *left.filter(|left| **left > 0).ok_or(StoreError::Invite)? -= 1;
            }
            let NewAccount { id, name, role, now_ms, password, .. } = new;
            let account = Account { id, name, role, created_ms: now_ms, login_ms: None, ban: None };
            tables.accounts.insert(id, Kept { account, password, version: 0 });
            Ok(())
        })
    }

    fn is_invite_good(&self, code: TokenHash, _: i64) -> Answer<bool> {
        answer(Ok(self.read(|tables| tables.invites.iter().any(|(own, left)| *own == code && *left > 0))))
    }

    fn create_accounts_bulk(&self, _: Vec<BulkAccount>, _: i64, _: i64) -> Answer<()> {
        answer(Err(StoreError::Closed))
    }

    fn account(&self, id: AccountId) -> Answer<Option<Account>> {
        answer(Ok(self.read(|tables| tables.accounts.get(&id).map(|kept| kept.account.clone()))))
    }

    fn account_by_name(&self, name: &Name) -> Answer<Option<Account>> {
        let key = name.key();
        let found = self.read(|tables| {
            tables.accounts.values().find(|kept| kept.account.name.key() == key).map(|k| k.account.clone())
        });
        answer(Ok(found))
    }

    fn accounts(&self, _: Option<AccountCursor>, _: u32) -> Answer<AccountPage> {
        answer(Err(StoreError::Closed))
    }

    fn ban(&self, account: AccountId, ban: Ban) -> Answer<()> {
        self.change(|tables| {
            tables.kept(account)?.account.ban = Some(ban);
            tables.end(|_, own| own == account);
            Ok(())
        })
    }

    fn unban(&self, account: AccountId) -> Answer<()> {
        self.change(|tables| {
            tables.kept(account)?.account.ban = None;
            Ok(())
        })
    }

    fn create_session(&self, new: NewSession) -> Answer<()> {
        self.change(|tables| {
            let kept = tables.admitted(new.account, new.now_ms)?;
            if new.version.is_some_and(|version| version != kept.version) {
                return Err(StoreError::Stale);
            }
            kept.account.login_ms = Some(new.now_ms);
            tables.logins.push((new.family, new.account));
            tables.keep(new.access.hash, Kind::Access, new.family, new.access.expires_ms);
            if let Some(refresh) = new.refresh {
                tables.keep(refresh.hash, Kind::Refresh, new.family, refresh.expires_ms);
            }
            let mut own = tables.logins.iter().filter(|(_, account)| *account == new.account);
            let oldest = own.next().map(|(family, _)| *family);
            if own.count() >= FAMILIES_MAX as usize {
                tables.end(|family, _| Some(family) == oldest);
            }
            Ok(())
        })
    }

    fn session(&self, access: TokenHash, now_ms: i64) -> Answer<Option<Session>> {
        let found = self.read(|tables| {
            let token = tables.token(access).filter(|t| t.kind == Kind::Access && now_ms < t.expires_ms)?;
            let (family, expires_ms) = (token.family, token.expires_ms);
            tables.session(family, expires_ms)
        });
        answer(Ok(found))
    }

    fn rotate(&self, rotation: Rotation) -> Answer<Rotated> {
        self.change(|tables| {
            let Some(token) = tables.token(rotation.used) else { return Ok(Rotated::Unknown) };
            let family = token.family;
            match token.kind {
                Kind::Used => {
                    let Some(Session { account, .. }) = tables.session(family, 0) else {
                        return Ok(Rotated::Unknown);
                    };
                    tables.end(|own, _| own == family);
                    return Ok(Rotated::Reused { account, family });
                }
                Kind::Refresh if rotation.now_ms < token.expires_ms => token.kind = Kind::Used,
                _ => return Ok(Rotated::Unknown),
            }
            tables.tokens.retain(|(_, token)| token.kind != Kind::Access || token.family != family);
            tables.keep(rotation.access.hash, Kind::Access, family, rotation.access.expires_ms);
            tables.keep(rotation.refresh.hash, Kind::Refresh, family, rotation.refresh.expires_ms);
            Ok(tables.session(family, rotation.access.expires_ms).map_or(Rotated::Unknown, Rotated::Fresh))
        })
    }

    fn revoke_family(&self, family: FamilyId) -> Answer<()> {
        self.change(|tables| {
            tables.end(|own, _| own == family);
            Ok(())
        })
    }

    fn revoke_account(&self, account: AccountId, but: Option<FamilyId>) -> Answer<u64> {
        self.change(|tables| Ok(tables.end(|family, own| own == account && Some(family) != but)))
    }

    fn create_character(&self, new: NewCharacter) -> Answer<()> {
        self.change(|tables| {
            tables.admitted(new.account, new.now_ms)?;
            let living = tables.characters.values().filter(|own| own.owner == new.account && !own.is_deleted);
            if living.count() >= CHARACTERS_MAX as usize {
                let (of, remedy) = ("characters of this account", "delete one first");
                return Err(StoreError::Limit { of, count_max: CHARACTERS_MAX.into(), remedy });
            }
            let key = new.name.key();
            if tables.characters.values().any(|own| own.character.name.key() == key) {
                return Err(StoreError::Taken(Taken::CharacterName));
            }
            let NewCharacter { id, account: owner, name, now_ms } = new;
            let character = Character { id, name, created_ms: now_ms, played_ms: None };
            tables.characters.insert(id, Owned { owner, character, epoch: 0, is_deleted: false });
            Ok(())
        })
    }

    fn characters(&self, account: AccountId) -> Answer<Vec<Character>> {
        let own = self.read(|tables| {
            let own = tables.characters.values().filter(|own| own.owner == account && !own.is_deleted);
            own.map(|own| own.character.clone()).collect()
        });
        answer(Ok(own))
    }

    fn delete_character(&self, account: AccountId, character: CharacterId, _: i64) -> Answer<()> {
        self.change(|tables| {
            let own = tables.characters.get_mut(&character);
            let own = own.filter(|own| own.owner == account && !own.is_deleted);
            own.ok_or(StoreError::Missing(Missing::Character))?.is_deleted = true;
            Ok(())
        })
    }

    fn begin_play(&self, account: AccountId, character: CharacterId, now_ms: i64) -> Answer<Play> {
        self.change(|tables| {
            let role = tables.admitted(account, now_ms)?.account.role;
            let own = tables.characters.get_mut(&character);
            let own = own.filter(|own| own.owner == account && !own.is_deleted);
            let own = own.ok_or(StoreError::Missing(Missing::Character))?;
            own.epoch += 1;
            own.character.played_ms = Some(now_ms);
            Ok(Play { session_epoch: own.epoch, name: own.character.name.clone(), role })
        })
    }

    fn create_invite(&self, new: NewInvite) -> Answer<InviteId> {
        self.change(|tables| {
            tables.invites.push((new.code, new.uses));
            Ok(InviteId(tables.invites.len() as i64))
        })
    }

    fn invites(&self) -> Answer<Vec<Invite>> {
        answer(Err(StoreError::Closed))
    }

    fn revoke_invite(&self, _: InviteId) -> Answer<()> {
        answer(Err(StoreError::Closed))
    }

    fn purge(&self, _: i64, _: u32) -> Answer<Purged> {
        answer(Ok(Purged::default()))
    }

    fn counts(&self) -> Answer<Counts> {
        answer(Err(StoreError::Closed))
    }

    fn health(&self) -> Health {
        Health::default()
    }
}

impl Credentials for MemoryStore {
    fn credential_by_name(&self, name: &Name) -> Answer<Option<Credential>> {
        let key = name.key();
        let found = self.read(|tables| {
            tables.accounts.values().find(|kept| kept.account.name.key() == key).map(credential)
        });
        answer(Ok(found))
    }

    fn credential(&self, account: AccountId) -> Answer<Option<Credential>> {
        answer(Ok(self.read(|tables| tables.accounts.get(&account).map(credential))))
    }

    fn set_password(&self, new: NewPassword) -> Answer<()> {
        self.change(|tables| {
            let kept = tables.kept(new.account)?;
            if new.version.is_some_and(|version| version != kept.version) {
                return Err(StoreError::Stale);
            }
            (kept.password, kept.version) = (new.password, kept.version + 1);
            let but = match new.revoke {
                Revoke::All => None,
                Revoke::AllBut(family) => Some(family),
                Revoke::None => return Ok(()),
            };
            tables.end(|family, own| own == new.account && Some(family) != but);
            Ok(())
        })
    }
}

fn credential(kept: &Kept) -> Credential {
    Credential { account: kept.account.clone(), password: kept.password.clone(), version: kept.version }
}
