//! Times as people write them: UTC, in the calendar of ISO 8601.

const DAY_MS: i64 = 24 * 3600 * 1000;

/// `2026-08-21 14:05` of Unix milliseconds.
pub(super) fn minute(unix_ms: i64) -> String {
    let (year, month, day) = civil(unix_ms.div_euclid(DAY_MS));
    let minutes = unix_ms.rem_euclid(DAY_MS) / 60_000;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minutes / 60, minutes % 60)
}

/// Unix milliseconds at which a day `YYYY-MM-DD` begins. None: there is no such day.
pub(super) fn day_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let is_form = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_form {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let days = days(year, month, day);
    // A day that does not exist comes out as another one.
    (civil(days) == (year, month, day)).then_some(days * DAY_MS)
}

/// Days since 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of days since 1970-01-01 (the same, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day_ms("1970-01-01"), Some(0));
        assert_eq!(day_ms("2000-03-01"), Some(951_868_800_000));
        assert_eq!(day_ms("2024-02-29"), Some(1_709_164_800_000));
        assert_eq!(minute(1_709_164_800_000 + 14 * 3_600_000 + 5 * 60_000 + 59_999), "2024-02-29 14:05");
        assert_eq!(minute(-1), "1969-12-31 23:59");
        for wrong in
            ["2023-02-29", "2024-13-01", "2024-00-10", "2024-1-01", "20240101", "", "tomorrow", "2024-01-32"]
        {
            assert_eq!(day_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_comes_back() {
        for number in -146_097..146_097 {
            let (year, month, day) = civil(number);
            assert_eq!(days(year, month, day), number);
        }
    }
}
