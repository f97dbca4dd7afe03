use super::*;

fn rules() -> Progression {
    let accomplishments = [
        Accomplishment { counter: Counter::Kills, at: 1 },
        Accomplishment { counter: Counter::Level, at: 3 },
        Accomplishment { counter: Counter::Kills, at: 10 },
        Accomplishment { counter: Counter::Trades, at: u64::MAX },
    ];
    Progression::new(vec![100, 300, 600], &accomplishments).unwrap()
}

fn numbers(gain: Gain) -> Vec<u32> {
    gain.accomplished.iter().collect()
}

#[test]
fn levels_follow_the_table_and_come_once() {
    let (rules, mut sheet) = (rules(), Sheet::new());
    assert_eq!(sheet.level(), 1);
    assert_eq!(sheet.gain_experience(&rules, 99).levels, 0);
    assert_eq!(sheet.gain_experience(&rules, 1).levels, 1);
    let gain = sheet.gain_experience(&rules, 500);
    assert_eq!((gain.levels, sheet.level(), numbers(gain)), (2, 4, vec![1]));
    assert_eq!(sheet.gain_experience(&rules, i64::MAX), Gain::default(), "the table has ended");
    assert_eq!(sheet.experience(), EXPERIENCE_MAX);
    for hostile in [0, -1, i64::MIN] {
        assert_eq!(sheet.gain_experience(&rules, hostile), Gain::default());
        assert_eq!((sheet.experience(), sheet.level()), (EXPERIENCE_MAX, 4));
    }
}

#[test]
fn an_accomplishment_comes_when_its_counter_reaches_it_and_never_again() {
    let (rules, mut sheet) = (rules(), Sheet::new());
    assert!(sheet.count(&rules, Counter::Kills, 0).accomplished.is_empty());
    assert_eq!(numbers(sheet.count(&rules, Counter::Kills, 1)), [0]);
    assert!(sheet.count(&rules, Counter::Kills, 8).accomplished.is_empty());
    assert_eq!(numbers(sheet.count(&rules, Counter::Kills, u64::MAX)), [2]);
    assert!(sheet.count(&rules, Counter::Kills, u64::MAX).accomplished.is_empty());
    assert_eq!(numbers(sheet.count(&rules, Counter::Trades, u64::MAX)), [3]);
    assert_eq!(sheet.accomplished().iter().collect::<Vec<_>>(), [0, 2, 3]);
    assert!(!sheet.accomplished().contains(1) && !sheet.accomplished().contains(u32::MAX));
}

#[test]
fn a_digest_tells_sheets_apart() {
    let (rules, mut sheet) = (rules(), Sheet::new());
    let digest = |sheet: &Sheet| {
        let mut digest = Digest::default();
        sheet.digest(&mut digest);
        digest.value()
    };
    let first = digest(&sheet);
    sheet.count(&rules, Counter::Visits, 1);
    let second = digest(&sheet);
    sheet.gain_experience(&rules, 1);
    assert!(first != second && second != digest(&sheet));
}

#[test]
fn impossible_progressions_are_refused() {
    assert_eq!(Progression::new(vec![1; 255], &[]).unwrap_err(), ProgressionError::Levels(255));
    for (steps, level, experience) in [(vec![0], 2, 0), (vec![5, 5], 3, 5), (vec![i64::MAX], 2, i64::MAX)] {
        let refused = Progression::new(steps, &[]).unwrap_err();
        assert_eq!(refused, ProgressionError::Step { level, experience });
    }
    let one = Accomplishment { counter: Counter::Kills, at: 1 };
    assert!(Progression::new(Vec::new(), &[one; 256]).is_ok());
    assert_eq!(
        Progression::new(Vec::new(), &[one; 257]).unwrap_err(),
        ProgressionError::Accomplishments(257)
    );
    let nothing = Accomplishment { at: 0, ..one };
    assert_eq!(Progression::new(Vec::new(), &[one, nothing]).unwrap_err(), ProgressionError::Nothing(1));
}
