//! Which names are refused, and which are the same.

use proptest::prelude::*;

use super::names::{Name, NameError};

fn same(a: &str, b: &str) -> bool {
    let (a, b) = (Name::new(a).unwrap().looks(), Name::new(b).unwrap().looks());
    a.iter().any(|look| b.contains(look))
}

#[test]
fn takes_names_of_the_world() {
    for good in [
        "Ann",
        "alice",
        "Jean-Luc",
        "O'Neil",
        "Dr.No",
        "snake_case",
        "Zoë",
        "Łukasz",
        "Nguyễn",
        "Müller",
        "Дмитрий",
        "Ελένη",
        "עומר",
        "محمد",
        "राम",
        "สมชาย",
        "山田太郎",
        "ゆきこ",
        "김민수",
        "user 42",
        "bot-00001",
    ] {
        assert_eq!(Name::new(good).map(|name| name.to_string()), Ok(good.to_owned()), "{good}");
    }
}

#[test]
fn says_why_a_name_is_refused() {
    use NameError::*;
    let cases = [
        ("", TooShort(0)),
        ("ab", TooShort(2)),
        ("abcdefghijklmnopqrstuvwxy", TooLong(25)),
        ("山田太郎山田太郎山田太郎山田太郎", TooManyBytes(48)),
        ("\x1b[31mred", Character('\x1b')),
        ("new\nline", Character('\n')),
        ("nul\0nul", Character('\0')),
        ("a\u{202e}bc", Character('\u{202e}')),
        ("zero\u{200b}width", Character('\u{200b}')),
        ("smile😀", Character('😀')),
        ("a@b.example", Character('@')),
        ("<script>", Character('<')),
        ("filler\u{3164}", Character('\u{1160}')),
        (" abc", Separator(' ')),
        ("abc ", Separator(' ')),
        ("a  bc", Separator(' ')),
        ("a-_bc", Separator('_')),
        ("...", Separator('.')),
        ("\u{301}abc", Mark('\u{301}')),
        ("q\u{308}\u{308}\u{308}abc", Mark('\u{308}')),
        ("раypal", MixedScripts),
        ("Aλpha", MixedScripts),
    ];
    for (text, why) in cases {
        assert_eq!(Name::new(text), Err(why), "{text:?}");
    }
    assert_eq!(Name::new(&"x".repeat(1 << 20)), Err(TooManyBytes(1 << 20)));
}

#[test]
fn messages_never_repeat_what_a_terminal_would_obey() {
    for text in ["\x1b[31mred", "a\u{202e}bc", "\u{9b}abc"] {
        let message = Name::new(text).unwrap_err().to_string();
        assert!(message.is_ascii() && message.chars().all(|c| !c.is_control()), "{message:?}");
    }
}

#[test]
fn forms_of_one_name_are_one() {
    assert_eq!(Name::new("ﬁnn").unwrap().as_str(), "finn");
    assert_eq!(Name::new("Ａｌｉｃｅ").unwrap(), Name::new("Alice").unwrap());
    assert_eq!(Name::new("Zoe\u{308}").unwrap(), Name::new("Zoë").unwrap());
    for (a, b) in [("Alice", "aLICE"), ("STRASSE", "straße"), ("ΟΔΟΣ", "οδος"), ("Izmir", "ızmir")]
    {
        assert_eq!(Name::new(a).unwrap().key(), Name::new(b).unwrap().key(), "{a} {b}");
    }
}

#[test]
fn names_that_look_alike_are_taken() {
    for (a, b) in [
        ("alice", "ALICE"),
        ("Alice", "AIice"),    // capital i for small L
        ("alice", "AIice"),    // the same beside a spelling without capitals
        ("alice", "ALlCE"),    // small L for capital i
        ("paypal", "раураӏ"),  // all Cyrillic
        ("BOB", "ВОВ"),        // capitals of Cyrillic
        ("bob", "вов"),        // whose small letters differ
        ("scope", "ѕсоре"),    // Cyrillic again
        ("modern", "rnodern"), // r n for m
        ("bot0", "botO"),
        ("bot1", "botl"),
        ("Straße", "STRASSE"),
    ] {
        assert!(same(a, b), "{a} {b}");
    }
}

#[test]
fn names_that_differ_are_not() {
    for (a, b) in
        [("anna", "avva"), ("Kai", "Kal"), ("Dana", "Dava"), ("Mila", "Mira"), ("bot-00001", "bot-00010")]
    {
        assert!(!same(a, b), "{a} {b}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_bounded_name_or_refused(text in "\\PC{0,40}|.{0,60}|[\\x00-\\x7f]{0,30}") {
        if let Ok(name) = Name::new(&text) {
            prop_assert!((3..=24).contains(&name.as_str().chars().count()));
            prop_assert!(name.as_str().len() <= 47);
            prop_assert!(name.as_str().chars().all(|c| !c.is_control()));
            // Composing it again changes nothing, and its looks are few and short.
            prop_assert_eq!(Name::new(name.as_str()), Ok(name.clone()));
            let looks = name.looks();
            prop_assert!((1..=4).contains(&looks.len()));
            prop_assert!(looks.iter().all(|look| look.len() <= 4096));
        }
    }

    #[test]
    fn every_spelling_of_a_latin_name_is_the_same(name in "[a-zA-Z]{3,24}", capitals in any::<u32>()) {
        let spelt: String = name
            .chars()
            .enumerate()
            .map(|(i, c)| if capitals >> i & 1 == 1 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect();
        prop_assert!(same(&name, &spelt));
        prop_assert_eq!(Name::new(&name).unwrap().key(), Name::new(&spelt).unwrap().key());
    }
}
