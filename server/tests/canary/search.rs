//! Secrets, and the search for them in whatever is left behind.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Characters of a secret that are a hit even where the rest is cut off.
const PART: usize = 14;

/// Secrets, and the only files that may hold them.
#[derive(Default)]
pub struct Canaries(pub Vec<Canary>);

/// One secret.
pub struct Canary {
    pub what: &'static str,
    /// Any of these is a hit.
    pub needles: Vec<Vec<u8>>,
    /// Files whose path ends so may hold it.
    pub at_home: &'static [&'static str],
}

impl Canaries {
    /// A secret that belongs nowhere.
    pub fn text(&mut self, what: &'static str, secret: &str) -> String {
        self.text_at(what, secret, &[])
    }

    pub fn text_at(&mut self, what: &'static str, secret: &str, at_home: &'static [&'static str]) -> String {
        assert!(secret.len() >= PART && secret.is_ascii(), "{what} is too short to be found");
        let mut needles = needles_of(secret.as_bytes());
        needles.push(secret.as_bytes()[..PART].to_vec());
        needles.push(secret.as_bytes()[secret.len() - PART..].to_vec());
        self.0.push(Canary { what, needles, at_home });
        secret.to_owned()
    }

    /// A secret that is bytes, given in base64url.
    pub fn bytes(&mut self, what: &'static str, secret: &str) -> String {
        self.bytes_at(what, secret, &[])
    }

    pub fn bytes_at(&mut self, what: &'static str, secret: &str, at_home: &'static [&'static str]) -> String {
        let bytes = URL_SAFE_NO_PAD.decode(secret).expect("base64url");
        self.0.push(Canary { what, needles: needles_of(&bytes), at_home });
        self.text_at(what, secret, at_home)
    }

    /// Where any of them lies in `bytes`, unless it may lie in a file called `path`.
    pub fn hits(&self, path: &str, bytes: &[u8]) -> Vec<String> {
        let abroad = self.0.iter().filter(|canary| !canary.at_home.iter().any(|home| path.ends_with(home)));
        let hit = abroad.filter_map(|canary| {
            let at = canary.needles.iter().find_map(|needle| find(bytes, needle))?;
            let around = &bytes[at.saturating_sub(120)..(at + 60).min(bytes.len())];
            Some(format!("{} in {path} at {at}: …{}…", canary.what, String::from_utf8_lossy(around)))
        });
        hit.collect()
    }
}

/// The forms in which bytes are written down.
pub fn needles_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // As a list of numbers, which is how `Debug` shows bytes.
    let list = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    vec![
        bytes.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        STANDARD.encode(bytes).trim_end_matches('=').into(),
        URL_SAFE_NO_PAD.encode(bytes).into_bytes(),
        list.into_bytes(),
    ]
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    // The first byte is searched for quickly, the rest rarely.
    let (&first, rest) = needle.split_first()?;
    let last = hay.len().checked_sub(needle.len())?;
    let mut at = 0;
    while at <= last {
        at += hay[at..=last].iter().position(|&byte| byte == first)?;
        if hay[at + 1..].starts_with(rest) {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[test]
fn the_search_finds_what_is_there_in_each_form() {
    let mut canaries = Canaries::default();
    let text = canaries.text_at("text", "canary-selbst-eisvogel", &["home.txt"]);
    let bytes = canaries.bytes("bytes", &URL_SAFE_NO_PAD.encode([0xf1; 32]));
    for (hidden, what) in [
        (text.clone().into_bytes(), "text"),
        (text.as_bytes()[..PART].to_vec(), "text"),
        (text.as_bytes()[text.len() - PART..].to_vec(), "text"),
        (format!("{:?}", text.as_bytes()).into_bytes(), "text"),
        (STANDARD.encode(&text).into_bytes(), "text"),
        (bytes.clone().into_bytes(), "bytes"),
        (vec![0xf1; 32], "bytes"),
        ("F1".repeat(32).into_bytes(), "bytes"),
    ] {
        let hay = [&[0xf1, b'c'][..], &hidden, b" and more"].concat();
        let hits = canaries.hits("a.log", &hay);
        assert!(hits.len() == 1 || what == "bytes" && !hits.is_empty(), "{hits:?}");
        assert!(hits.iter().all(|hit| hit.starts_with(what)), "{hits:?}");
    }
    assert!(canaries.hits("home.txt", text.as_bytes()).is_empty());
    assert!(canaries.hits("a.log", b"canary-selbs\xf1\xf1").is_empty());
}
