//! The small messages: input, command and hello, which a server reads, and notice, which a client does. The bytes are the
//! message itself.

use flatbuffers::VerifierOptions;
use throng_schema::limits::{
    INTENTS_MAX, NOTICE_BYTES_MAX, VERIFY_APPARENT_BYTES_MAX, VERIFY_DEPTH_MAX, VERIFY_TABLES_MAX,
};
use throng_schema::wire::{Command, Hello, Input, Notice};
use throng_schema::{
    INPUT_BYTES, INTENTS_SENT, InputRefusal, IntentFields, check_command, check_hello, check_input,
    check_notice, decode_input, read_command, read_hello, read_input, read_notice, write_command,
    write_input, write_notice,
};

const OPTIONS: VerifierOptions = VerifierOptions {
    max_depth: VERIFY_DEPTH_MAX,
    max_tables: VERIFY_TABLES_MAX,
    max_apparent_size: VERIFY_APPARENT_BYTES_MAX,
    ignore_missing_null_terminator: false,
};

/// Reads the bytes as each of them; panics if two ways of reading disagree.
pub fn run(data: &[u8]) {
    one(data);
    // Most mutations miss the size prefix; with it put right they get to what lies behind.
    if let Some(rest) = data.len().checked_sub(4) {
        let mut prefixed = data.to_vec();
        prefixed[..4].copy_from_slice(&(rest as u32).to_le_bytes());
        one(&prefixed);
    }
}

fn one(message: &[u8]) {
    let has_prefix = has_true_prefix(message);
    let input = read_input(message);
    let library = flatbuffers::size_prefixed_root_with_opts::<Input<'_>>(&OPTIONS, message);
    assert_eq!(input.is_ok(), has_prefix && library.is_ok());
    let checked = input.map_err(InputRefusal::from).and_then(|input| Ok(check_input(&input)?));
    assert_eq!(decode_input(message), checked);
    if let Ok(fields) = checked {
        let intents = fields.intents();
        assert!((1..=INTENTS_MAX.min(fields.sequence as usize)).contains(&intents.len()));
        assert!(intents.iter().all(|i| i.move_x.is_finite() && i.move_y.is_finite()));
        let first = fields.sequence - intents.len() as u32 + 1;
        assert!(fields.steps().map(|(sequence, _)| sequence).eq(first..=fields.sequence));
        // Laid by hand there are always four; those that are not in this message are not told apart from standing.
        let mut four = [IntentFields::default(); INTENTS_SENT];
        let sent = intents.len().min(INTENTS_SENT);
        four[..sent].copy_from_slice(&intents[..sent]);
        let mut again = [0; INPUT_BYTES];
        write_input(&mut again, fields.sequence, fields.ack_tick, fields.shown_tick, &four);
        let again = decode_input(&again).expect("checked");
        assert_eq!(
            (again.sequence, again.ack_tick, again.shown_tick),
            (fields.sequence, fields.ack_tick, fields.shown_tick)
        );
        assert_eq!(again.intents()[..sent], intents[..sent]);
    }

    asked_or_told(message, has_prefix);

    let hello = read_hello(message);
    let library = flatbuffers::size_prefixed_root_with_opts::<Hello<'_>>(&OPTIONS, message);
    assert_eq!(hello.is_ok(), has_prefix && library.is_ok());
    if let Ok(hello) = hello
        && let Ok(name) = check_hello(&hello)
    {
        assert!((1..=32).contains(&name.len()) && !name.chars().any(char::is_control));
    }
}

/// Commands and notices: both verdicts on the form are one, and what is sound can be laid again.
fn asked_or_told(message: &[u8], has_prefix: bool) {
    let mut out = [0; NOTICE_BYTES_MAX];
    let command = read_command(message);
    let library = flatbuffers::size_prefixed_root_with_opts::<Command<'_>>(&OPTIONS, message);
    assert_eq!(command.is_ok(), has_prefix && library.is_ok());
    if let Ok(command) = command
        && let Ok(fields) = check_command(&command)
    {
        assert!(fields.money >= 0 && fields.text.len() <= 256 && fields.name.len() <= 47);
        assert!(!fields.text.chars().chain(fields.name.chars()).any(char::is_control));
        let bytes = write_command(&mut out, &fields).expect("a checked one fits");
        assert_eq!(check_command(&read_command(&out[..bytes]).expect("ours")), Ok(fields));
    }
    let notice = read_notice(message);
    let library = flatbuffers::size_prefixed_root_with_opts::<Notice<'_>>(&OPTIONS, message);
    assert_eq!(notice.is_ok(), has_prefix && library.is_ok());
    if let Ok(notice) = notice
        && let Ok(fields) = check_notice(&notice)
    {
        let bytes = write_notice(&mut out, &fields).expect("a checked one fits");
        assert_eq!(check_notice(&read_notice(&out[..bytes]).expect("ours")), Ok(fields));
    }
}

pub(crate) fn has_true_prefix(message: &[u8]) -> bool {
    let prefix = message.first_chunk().map(|prefix| u32::from_le_bytes(*prefix) as usize);
    message.len() >= 8 && prefix == Some(message.len() - 4)
}
