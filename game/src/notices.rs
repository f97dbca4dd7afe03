//! What the tick tells players, in order, with all texts in one arena that is reused.

use std::ops::Range;

use throng_engine::Digest;

use crate::{Notice, PlayerId};

/// Notices of one tick.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    told: Vec<(PlayerId, Told)>,
    texts: Texts,
}

#[derive(Clone, Debug)]
enum Told {
    Plain(Notice<'static>),
    Heard(Heard),
}

/// Something said: how, by whom, and where its texts are.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    how: Hearing,
    from: u32,
    name: Span,
    text: Span,
}

/// How something said reaches a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    Said,
    Shouted,
    Whispered,
}

/// A piece of an arena of texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    pub fn end(self) -> u32 {
        self.start + self.len
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// Adds a text to a digest: its length, and its bytes eight at a time.
pub(crate) fn digest_text(text: &str, digest: &mut Digest) {
    digest.push(text.len() as u64);
    for bytes in text.as_bytes().chunks(8) {
        digest.push(bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
}

/// An arena of texts.
#[derive(Debug, Default)]
pub(crate) struct Texts(String);

impl Texts {
    /// Copies a text in.
    pub fn push(&mut self, text: &str) -> Span {
        let start = self.0.len() as u32;
        self.0.push_str(text);
        Span { start, len: text.len() as u32 }
    }

    pub fn get(&self, span: Span) -> &str {
        &self.0[span.range()]
    }

    pub fn digest(&self, digest: &mut Digest) {
        digest_text(&self.0, digest);
    }

    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Notices {
    pub fn clear(&mut self) {
        self.told.clear();
        self.texts.clear();
    }

    /// Makes room for what so many players are told in a usual tick.
    pub fn reserve(&mut self, players: usize) {
        self.told.reserve(8 * players);
        self.texts.reserve(64 * players);
    }

    pub fn tell(&mut self, player: PlayerId, notice: Notice<'static>) {
        self.told.push((player, Told::Plain(notice)));
    }

    /// Keeps what somebody says, for [`hear`](Self::hear).
    pub fn say(&mut self, how: Hearing, from: u32, name: &str, text: &str) -> Heard {
        Heard { how, from, name: self.texts.push(name), text: self.texts.push(text) }
    }

    /// Lets a player hear what was said.
    pub fn hear(&mut self, player: PlayerId, heard: &Heard) {
        self.told.push((player, Told::Heard(heard.clone())));
    }

    pub fn iter(&self) -> impl Iterator<Item = (PlayerId, Notice<'_>)> {
        self.told.iter().map(|(player, told)| {
            let notice = match told {
                Told::Plain(notice) => *notice,
                Told::Heard(Heard { how, from, name, text }) => {
                    let (name, text) = (self.texts.get(*name), self.texts.get(*text));
                    match how {
                        Hearing::Said => Notice::Said { from: *from, name, text },
                        Hearing::Shouted => Notice::Shouted { name, text },
                        Hearing::Whispered => Notice::Whispered { name, text },
                    }
                }
            };
            (*player, notice)
        })
    }
}
