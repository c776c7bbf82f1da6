//! Which day is a date? Also dates that no calendar has, which servers hold when their sql_mode lets them.
//!
//! A date of the calendar is its days since 1970-01-01, `0000-00-00` the day before 0000-01-01. Any other (`2026-00-00`,
//! `2026-02-31`) is -10,000,000 + year · 512 + month · 32 + day: below every date, so that nothing else has its number.
//! As numbers these are in their own order, but not in order with the calendar's.

use super::types::ZERO_DATE;
use chrono::{Datelike, NaiveDate};

/// Days from 0000-12-31 to 1970-01-01.
const EPOCH: i32 = 719_163;
const PARTIAL: i32 = -10_000_000;

/// `None`: no server holds such a date (a month after 12, a day after 31).
pub fn day_of(year: u32, month: u32, day: u32) -> Option<i32> {
    if year > 9999 || month > 12 || day > 31 {
        return None;
    }
    if (year, month, day) == (0, 0, 0) {
        return Some(ZERO_DATE);
    }
    Some(match NaiveDate::from_ymd_opt(year as i32, month, day) {
        Some(date) => date.num_days_from_ce() - EPOCH,
        None => PARTIAL + (year * 512 + month * 32 + day) as i32,
    })
}

/// Year, month and day. `None`: the number is no date's.
pub fn date_of(day: i32) -> Option<(u16, u8, u8)> {
    if day == ZERO_DATE {
        return Some((0, 0, 0));
    }
    if is_partial(day) {
        let packed = u32::try_from(day - PARTIAL).ok()?;
        let (year, month, day) = (packed >> 9, packed >> 5 & 15, packed & 31);
        return day_of(year, month, day).is_some().then_some((year as u16, month as u8, day as u8));
    }
    let date = NaiveDate::from_num_days_from_ce_opt(day.checked_add(EPOCH)?)?;
    Some((u16::try_from(date.year()).ok()?, date.month() as u8, date.day() as u8))
}

/// Whether the day is in no calendar. The zero date is not partial.
pub fn is_partial(day: i32) -> bool {
    (PARTIAL..ZERO_DATE).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_date_has_a_number_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for year in [0, 1, 4, 1582, 1970, 2024, 2026, 9999] {
            for month in 0..=12 {
                for day in 0..=31 {
                    let number = day_of(year, month, day).expect("a date");
                    assert!(seen.insert(number), "{year}-{month}-{day}");
                    assert_eq!(date_of(number), Some((year as u16, month as u8, day as u8)));
                    let real = NaiveDate::from_ymd_opt(year as i32, month, day).is_some();
                    assert_eq!(is_partial(number), !real && (year, month, day) != (0, 0, 0));
                }
            }
        }
        assert_eq!((day_of(2026, 13, 1), day_of(2026, 1, 32), day_of(10_000, 1, 1)), (None, None, None));
    }
}
