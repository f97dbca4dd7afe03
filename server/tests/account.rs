//! `throng account`, `keys` and `invite` as an operator and a script meet them.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use throng_server::account::commands::{RealmCommand, take_up};
use throng_server::gateway::keys::{DataDir, read_realm_keys, unix_ms};
use throng_server::gateway::passwords::{Passwords, PoolLimits};
use throng_server::gateway::secrets::{Token, invite_hash};
use throng_store::{
    AccountId, Credentials, Name, NewAccount, Role, SqliteOptions, SqliteStore, Store, StoreError, TokenHash,
};
use zeroize::Zeroizing;

/// A data directory of its own, removed when the test ends.
struct Server(PathBuf);

impl Server {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("throng-account-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn run_with(&self, arguments: &str, input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throng"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("THRONG_") {
                command.env_remove(name);
            }
        }
        command.args(arguments.split_whitespace()).arg("--data-dir").arg(&self.0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        // A program that refuses before it reads is fine.
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        child.wait_with_output().expect("it ends")
    }

    /// What must succeed, in words.
    fn say(&self, arguments: &str) -> String {
        let output = self.run_with(arguments, "");
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What must succeed, as JSON.
    fn json(&self, arguments: &str) -> Vec<Value> {
        let text = self.say(&format!("{arguments} --json"));
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// What must be refused.
    fn refused(&self, arguments: &str, input: &str) -> String {
        let output = self.run_with(arguments, input);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    fn dir(&self) -> DataDir {
        DataDir::at(&self.0)
    }

    /// The store, open beside the command line as a server has it.
    fn store(&self) -> Arc<SqliteStore> {
        SqliteStore::open(&self.dir().database(), &SqliteOptions::default()).expect("opens")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn now_ms() -> i64 {
    unix_ms() as i64
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// Whether the stored password of `account` is `password`.
async fn is_password(store: &SqliteStore, account: &str, password: &str) -> bool {
    let passwords = Passwords::start(PoolLimits::default()).expect("threads");
    let credential = store.credential_by_name(&name(account)).await.expect("answers").expect("is there");
    passwords.verify(credential.password, Zeroizing::new(password.to_owned())).await.expect("not overloaded")
}

fn kicked(server: &Server) -> Vec<u64> {
    let mut kicked = Vec::new();
    take_up(&server.dir(), &[], |command| {
        let RealmCommand::Kick { account } = command else { panic!("{command:?}") };
        kicked.push(account);
        true
    })
    .expect("readable");
    kicked
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn an_account_gets_the_password_that_was_given_or_one_made_up() {
    let server = Server::new("create");
    let created = &server.json("account create Ada")[0];
    let password = created["password"].as_str().expect("made up").to_owned();
    let given = server.run_with("account create Bea --password-stdin", "correct horse\r\nmore\n");
    assert!(given.status.success(), "{given:?}");
    let said = String::from_utf8_lossy(&given.stdout);
    assert!(said.contains("Bea") && !said.contains("correct"), "{said}");
    let locked = &server.json("account create Cid --locked")[0];
    assert_eq!((&locked["locked"], &locked["password"]), (&Value::Bool(true), &Value::Null));

    let store = server.store();
    assert!(is_password(&store, "ada", &password).await);
    assert!(is_password(&store, "Bea", "correct horse").await);
    let credential = store.credential_by_name(&name("Cid")).await.expect("answers").expect("is there");
    assert!(credential.password.is_none());
    assert_eq!(credential.account.id.get().to_string(), locked["account"].as_str().expect("an id"));

    // Another one, while a server has the database open.
    let reset = &server.json("account reset-password Ada")[0];
    let new = reset["password"].as_str().expect("made up");
    assert!(new != password && is_password(&store, "Ada", new).await);
    assert!(!is_password(&store, "Ada", &password).await);
    assert_eq!(
        kicked(&server),
        [created["account"].as_str().expect("an id").parse::<u64>().expect("a number")]
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_what_to_do() {
    let server = Server::new("refused");
    let error = server.refused("account list", "");
    assert!(error.contains("--data-dir") && error.contains("--config"), "{error}");
    assert!(!server.0.exists(), "a look makes nothing");
    server.say("account create Ada --locked");
    let error = server.refused("account create ADA --locked", "");
    assert!(error.contains("taken"), "{error}");
    let error = server.refused("account create a --locked", "");
    assert!(error.contains("at least 3"), "{error}");
    let error = server.refused("account create Bea --password-stdin", "short\n");
    assert!(error.contains("8 to 128"), "{error}");
    let error = server.refused("account create Bea --password-stdin", "");
    assert!(error.contains("0 characters"), "{error}");
    let error = server.refused("account ban Nobody", "");
    assert!(error.contains("no account Nobody") && error.contains("account list"), "{error}");
    let error = server.refused("account ban Ada --until tomorrow", "");
    assert!(error.contains("2031-12-24"), "{error}");
    let error = server.refused("account ban Ada --until 2001-01-01", "");
    assert!(error.contains("past"), "{error}");
    let file = server.0.with_extension("file");
    std::fs::write(&file, "").expect("writes");
    let error = Server(file.clone()).refused("account list", "");
    std::fs::remove_file(&file).expect("removes");
    assert!(error.contains("cannot look into") && !error.contains("no accounts"), "{error}");
    let error = server.refused("keys list", "");
    assert!(error.contains("root.keys") && error.contains("keys rotate"), "{error}");
    let error = server.refused("invite revoke 77", "");
    assert!(error.contains("77"), "{error}");
    let error = server.refused("account create --count 2 --locked --prefix a! --sessions /tmp/never", "");
    assert!(error.contains("--prefix"), "{error}");
    assert_eq!(server.json("account list").len(), 1);
}

#[tokio::test]
async fn a_ban_takes_effect_beside_a_running_server() {
    let server = Server::new("ban");
    let id: u64 = server.json("account create Mallory --locked")[0]["account"]
        .as_str()
        .expect("an id")
        .parse()
        .expect("a number");
    let store = server.store();
    let said = server.json("account ban mallory --days 7 --reason spam");
    let until_ms = said[0]["ban_until_ms"].as_i64().expect("a time");
    assert!((until_ms - now_ms() - 7 * 86_400_000).abs() < 3_600_000);
    let account = store.account_by_name(&name("Mallory")).await.expect("answers").expect("is there");
    assert!(account.ban.is_some_and(|ban| ban.holds(now_ms()) && ban.reason.as_str() == "spam"));
    assert_eq!(kicked(&server), [id]);
    let listed = server.json("account list");
    assert_eq!((&listed[0]["banned"], listed[0]["ban_reason"].as_str()), (&Value::Bool(true), Some("spam")));
    assert!(server.say("account list").contains("(spam)"));
    assert_eq!(server.json("account unban Mallory")[0]["was_banned"], true);
    let account = store.account_by_name(&name("Mallory")).await.expect("answers").expect("is there");
    assert!(account.ban.is_none_or(|ban| !ban.holds(now_ms())));
    assert!(server.say("account ban Mallory").contains("for ever"));
}

#[tokio::test]
async fn many_accounts_come_with_tokens_that_work() {
    let server = Server::new("bulk");
    std::fs::create_dir_all(&server.0).expect("made");
    let tokens = server.0.join("bots.tokens");
    let command = format!("account create --count 300 --prefix bot --locked --sessions {}", tokens.display());
    let said = &server.json(&command)[0];
    assert_eq!(said["count"], 300);
    assert_eq!(mode(&tokens), 0o600);
    let text = std::fs::read_to_string(&tokens).expect("readable");
    let store = server.store();
    for (index, line) in text.lines().enumerate().step_by(37) {
        let token = Token::parse(line).expect("a token");
        let session = store.session(token.hash(), now_ms()).await.expect("answers").expect("is good");
        assert_eq!(session.name.as_str(), format!("bot{}", index + 1));
        let characters = store.characters(session.account).await.expect("answers");
        assert_eq!(characters.len(), 1);
        let later = store.session(token.hash(), now_ms() + 31 * 86_400_000).await.expect("answers");
        assert!(later.is_none(), "30 days");
    }
    assert_eq!(text.lines().count(), 300);
    let mut database = std::fs::read(server.dir().database()).expect("readable");
    database.extend(std::fs::read(server.0.join("throng.db-wal")).unwrap_or_default());
    let first = text.lines().next().expect("a line").as_bytes();
    assert!(!database.windows(first.len()).any(|window| window == first), "only hashes are stored");

    let error = server.refused(&command, "");
    assert!(error.contains("does not exist"), "a file of tokens is never overwritten: {error}");
    let other = server.0.join("other.tokens");
    let again =
        format!("account create --count 2 --prefix bot --first 300 --locked --sessions {}", other.display());
    let error = server.refused(&again, "");
    assert!(error.contains("--first") && !other.exists(), "{error}");
    server.say(&again.replace("--first 300", "--first 301"));
    assert_eq!(server.json("account list").len(), 302);
}

#[test]
fn keys_are_rotated_listed_and_revoked() {
    let server = Server::new("keys");
    assert_eq!(server.json("keys rotate")[0]["created"], 1);
    assert_eq!(server.json("keys rotate")[0]["created"], 2);
    let ids = |dir: &DataDir| {
        let keys = read_realm_keys(&dir.realm_keys(1), 1).expect("readable");
        keys.iter().map(|key| key.key_id()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&server.dir()), [2, 1]);
    let listed = server.json("keys list");
    assert_eq!(listed.len(), 3);
    assert!(
        listed[2]["public_key"].is_null() && !server.dir().realm_signing(1).exists(),
        "a look makes nothing"
    );
    server.dir().signing_key(1).expect("made, as at a start");
    assert_eq!(server.json("keys list")[2]["public_key"].as_str().map(str::len), Some(43));
    assert_eq!(listed.iter().filter(|line| line["in_use"] == true).count(), 1);
    let revoked = &server.json("keys rotate --revoke 1 --revoke 2")[0];
    assert_eq!((&revoked["created"], &revoked["removed"]), (&3.into(), &serde_json::json!([2, 1])));
    assert_eq!(ids(&server.dir()), [3]);
    assert!(server.refused("keys rotate --revoke 1", "").contains("there are 3"));
    let root = std::fs::read_to_string(server.dir().root_keys()).expect("readable");
    let key = root.trim_end().rsplit(' ').next().expect("a key");
    assert!(!server.say("keys list").contains(key));
}

#[tokio::test]
async fn an_invitation_is_good_for_as_many_accounts_as_it_says() {
    let server = Server::new("invite");
    let created = &server.json("invite create --uses 1 --days 2 --note guild")[0];
    let code = created["code"].as_str().expect("a code");
    let store = server.store();
    let new = |text: &str, number, invite: TokenHash| NewAccount {
        id: AccountId::new(number).expect("not zero"),
        name: name(text),
        password: None,
        email: None,
        role: Role::Player,
        invite: Some(invite),
        now_ms: now_ms(),
    };
    assert_eq!(store.create_account(new("Ada", 5, invite_hash("other"))).await, Err(StoreError::Invite));
    assert_eq!(store.create_account(new("Ada", 5, invite_hash(code))).await, Ok(()));
    assert_eq!(store.create_account(new("Bea", 6, invite_hash(code))).await, Err(StoreError::Invite));
    let listed = &server.json("invite list")[0];
    assert_eq!((&listed["uses_left"], listed["note"].as_str()), (&0.into(), Some("guild")));
    assert!(!server.say("invite list").contains(code));
    server.say(&format!("invite revoke {}", listed["invite"]));
    assert!(server.json("invite list").is_empty());
}
