//! Text files with secrets in them: read with suspicion, replaced whole.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use throng_net::protocol::keys::SecretBytes;
use zeroize::Zeroizing;

use super::KeyError;

/// Bytes of the largest key file: eight keys are under 1 KiB, the rest is room for comments.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The permission bits that only the owner may have.
const MODE_OTHERS: u32 = 0o077;

/// Makes a directory that only its owner may enter, unless there is one.
pub(super) fn create_dir(path: &Path) -> Result<(), KeyError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| KeyError::Io {
        action: "create the directory",
        path: path.to_owned(),
        source,
    })
}

/// Held while keys are changed, so that two programs that change them do it one after the other.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else holds it.
    pub fn take(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join(".lock");
        let failed = |source| KeyError::Io { action: "lock", path: path.clone(), source };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// A line to write.
pub(super) struct Line(Zeroizing<String>);

impl Line {
    /// The first line, which says what the file is.
    pub fn title(title: &str) -> Self {
        Self(Zeroizing::new(title.to_owned()))
    }

    /// A line for people.
    pub fn comment(text: &str) -> Self {
        Self(Zeroizing::new(format!("# {text}")))
    }

    /// A record without a key.
    pub fn plain(word: &str, value: impl std::fmt::Display) -> Self {
        Self(Zeroizing::new(format!("{word} {value}")))
    }

    /// `key`, some numbers, and the key.
    pub fn key(numbers: &[u64], key: &SecretBytes) -> Self {
        // As long as it can get, so that it never moves and leaves a copy behind.
        let mut line = Zeroizing::new(String::with_capacity(16 + 21 * numbers.len() + 64));
        line.push_str("key ");
        for number in numbers {
            let _ = write!(line, "{number} ");
        }
        for byte in key.expose() {
            let _ = write!(line, "{byte:02x}");
        }
        Self(line)
    }
}

/// Puts `lines` in the place of the file: readers see all of the old or all of the new.
pub(super) fn write(path: &Path, lines: &[Line]) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io { action: "write", path: path.to_owned(), source };
    let (dir, name) = match (path.parent(), path.file_name()) {
        (Some(dir), Some(name)) => (dir, name),
        _ => return Err(failed(io::Error::from(io::ErrorKind::InvalidFilename))),
    };
    let mut new_name = name.to_owned();
    new_name.push(".new");
    let new = dir.join(new_name);
    // Left behind by a crash; whoever is here holds the lock.
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
    for line in lines {
        file.write_all(line.0.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)
}

/// A file as it was read. Its text is wiped when it is dropped.
pub(super) struct Lines {
    path: PathBuf,
    remedy: &'static str,
    text: Zeroizing<Vec<u8>>,
    records: Vec<Record>,
}

/// A line that is neither the title nor a comment: where its words are.
#[derive(Clone)]
pub(super) struct Record {
    line: usize,
    words: Vec<(usize, usize)>,
}

/// Reads the file, if nobody but its owner can and its first line is `title`. `remedy` completes "Restore the file from
/// a backup, or".
pub(super) fn read(path: &Path, title: &'static str, remedy: &'static str) -> Result<Lines, KeyError> {
    let failed = |source| KeyError::Io { action: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing { path: path.to_owned(), remedy },
        _ => failed(source),
    })?;
    // Of what was opened: a link may lead elsewhere by the time that its path is looked at again.
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & MODE_OTHERS != 0 {
        return Err(KeyError::Mode { path: path.to_owned(), found: metadata.mode() & 0o7777 });
    }
    // One allocation that never moves.
    let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    let mut lines = Lines { path: path.to_owned(), remedy, text, records: Vec::new() };
    if lines.text.len() as u64 > FILE_BYTES_MAX || !lines.text.is_ascii() {
        return Err(lines.malformed(1, "a text file in ASCII of at most 64 KiB"));
    }
    let mut is_titled = false;
    let (mut at, mut number) = (0, 0);
    while at < lines.text.len() {
        let end =
            lines.text[at..].iter().position(|&byte| byte == b'\n').map_or(lines.text.len(), |n| at + n);
        number += 1;
        let words = words(&lines.text, at, end);
        let is_comment = words.first().is_none_or(|&(from, _)| lines.text[from] == b'#');
        if number == 1 {
            is_titled = lines.text[at..end].trim_ascii() == title.as_bytes();
        } else if !is_comment {
            lines.records.push(Record { line: number, words });
        }
        at = end + 1;
    }
    if is_titled { Ok(lines) } else { Err(lines.malformed(1, title)) }
}

/// Where the words between two places are.
fn words(text: &[u8], from: usize, to: usize) -> Vec<(usize, usize)> {
    let mut at = from;
    let mut words = Vec::new();
    for word in text[from..to].split(u8::is_ascii_whitespace) {
        if !word.is_empty() {
            words.push((at, at + word.len()));
        }
        at += word.len() + 1;
    }
    words
}

impl Lines {
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    pub fn malformed(&self, line: usize, needed: &'static str) -> KeyError {
        KeyError::Malformed { path: self.path.clone(), line, needed, remedy: self.remedy }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn word(&self, record: &Record, index: usize) -> &[u8] {
        record.words.get(index).map_or(&[][..], |&(from, to)| &self.text[from..to])
    }
}

impl Record {
    /// The number after `word`, in a record of just these two.
    pub fn value(&self, lines: &Lines, word: &'static str) -> Option<u64> {
        let is_it = self.words.len() == 2 && lines.word(self, 0) == word.as_bytes();
        is_it.then(|| self.number(lines, 1)).flatten()
    }

    /// The number at `index`.
    pub fn number(&self, lines: &Lines, index: usize) -> Option<u64> {
        std::str::from_utf8(lines.word(self, index)).ok()?.parse().ok()
    }

    /// The key of a record `key`, so many numbers, key.
    pub fn key(&self, lines: &Lines, numbers: usize) -> Result<SecretBytes, KeyError> {
        let hex = lines.word(self, numbers + 1);
        let is_it = self.words.len() == numbers + 2 && lines.word(self, 0) == b"key" && hex.len() == 64;
        let mut key = Zeroizing::new([0; 32]);
        let mut is_hex = is_it;
        if is_it {
            for (byte, digits) in key.iter_mut().zip(hex.chunks_exact(2)) {
                let digit = |at: usize| char::from(digits[at]).to_digit(16);
                match (digit(0), digit(1)) {
                    (Some(high), Some(low)) => *byte = (high << 4 | low) as u8,
                    _ => is_hex = false,
                }
            }
        }
        if !is_hex {
            return Err(self.malformed(lines, "`key`, its numbers, and 64 hexadecimal digits"));
        }
        Ok(SecretBytes::new(*key))
    }

    pub fn malformed(&self, lines: &Lines, needed: &'static str) -> KeyError {
        lines.malformed(self.line, needed)
    }
}
