//! The subcommands of an operator: accounts, keys, invitations.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

/// Where things are kept, and how to tell of them.
#[derive(Args, Debug, Clone, Default)]
pub struct PlaceArgs {
    /// Settings file, for its gateway.data_dir
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of accounts and keys, instead of the settings' gateway.data_dir
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// `throng account`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng account create Ada
      makes an account and prints a password for it, once
  throng account create Ada --password-stdin < password.txt
  throng account create --count 10000 --prefix bot --locked --sessions bots.tokens
      accounts that nobody can log in to, with a character and a session token each, for `throng bots`
  throng account ban Mallory --days 7 --reason 'sold gold'
  throng account reset-password Ada

All of these work beside a running server, and take effect there at once.")]
pub struct AccountArgs {
    /// What to do
    #[command(subcommand)]
    pub command: AccountCommand,
}

/// The subcommands of `throng account`.
#[derive(Subcommand, Debug, Clone)]
pub enum AccountCommand {
    /// Make an account, or many
    Create(CreateArgs),
    /// List all accounts
    List {
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Keep an account out: its logins end, and what it plays is closed
    Ban(BanArgs),
    /// Let a banned account in again
    Unban {
        /// The account's name
        name: String,
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Give an account another password: all its logins end, and what it plays is closed
    ResetPassword {
        /// The account's name
        name: String,
        /// Read the new password from standard input instead of making one up and printing it
        #[arg(long)]
        password_stdin: bool,
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// `throng account create`.
#[derive(Args, Debug, Clone)]
#[command(group(ArgGroup::new("whom").required(true).args(["name", "count"])))]
pub struct CreateArgs {
    /// The account's name: 3 to 24 letters and digits, with single separators between them
    pub name: Option<String>,
    /// Read the password from standard input instead of making one up and printing it
    #[arg(long, conflicts_with_all = ["locked", "count"])]
    pub password_stdin: bool,
    /// No password: nobody can log in until one is set
    #[arg(long)]
    pub locked: bool,
    /// Make so many accounts with a character and a session token each
    #[arg(long, value_name = "N", requires_all = ["locked", "sessions"], value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: Option<u32>,
    /// What their names begin with; a number follows
    #[arg(long, value_name = "PREFIX", default_value = "bot", requires = "count")]
    pub prefix: String,
    /// The first such number
    #[arg(long, value_name = "N", default_value_t = 1, requires = "count")]
    pub first: u32,
    /// Write the session tokens to FILE, one a line, readable by its owner only; it must not exist
    #[arg(long, value_name = "FILE", requires = "count")]
    pub sessions: Option<PathBuf>,
    /// Days that the session tokens are good
    #[arg(long, value_name = "D", default_value_t = 30, requires = "count", value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
    /// Where things are kept
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `throng account ban`.
#[derive(Args, Debug, Clone)]
pub struct BanArgs {
    /// The account's name
    pub name: String,
    /// The first day (UTC) on which it may log in again; without this and --days: never
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "days")]
    pub until: Option<String>,
    /// Days that the ban holds
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: Option<u32>,
    /// Why, in words for the player
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Where things are kept
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `throng keys`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng keys list
  throng keys rotate
  throng keys rotate --revoke 3

A rotation refuses nobody: what was made with the old key stays good until it ends. Revoking refuses at once whatever was
made with that key: players on their way in ask for another token. A running server notices both within a second. A realm on
another machine needs a copy of its file before the next rotation, and at once if a key was revoked.")]
pub struct KeysArgs {
    /// What to do
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// The subcommands of `throng keys`.
#[derive(Subcommand, Debug, Clone)]
pub enum KeysCommand {
    /// Make a new key for connect tokens
    Rotate {
        /// Accept this key no longer; can be given several times
        #[arg(long, value_name = "KID")]
        revoke: Vec<u16>,
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// List the keys by their ids, and the public keys of the realms
    List {
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// `throng invite`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Examples:
  throng invite create --uses 5 --days 14 --note 'the guild'
  throng invite list
  throng invite revoke 7

Invitations are asked for where gateway.registration is \"invite\".")]
pub struct InviteArgs {
    /// What to do
    #[command(subcommand)]
    pub command: InviteCommand,
}

/// The subcommands of `throng invite`.
#[derive(Subcommand, Debug, Clone)]
pub enum InviteCommand {
    /// Make an invitation and print its code, once
    Create {
        /// Accounts that can be made with it
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        uses: u32,
        /// Days that it is good; without this: until it is used up
        #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: Option<u32>,
        /// What to remember it by
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// List all invitations, without their codes
    List {
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Take an invitation back
    Revoke {
        /// Its id, as `throng invite list` prints it
        id: i64,
        /// Where things are kept
        #[command(flatten)]
        place: PlaceArgs,
    },
}
