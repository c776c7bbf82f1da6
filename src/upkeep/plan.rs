//! What would be kept, and what would go? Reads nothing but the history; changes nothing.

use super::options::Policy;
use crate::archive::LogPart;
use crate::error::Result;
use crate::model::{Micros, Moment, MomentSpec, Seq};
use crate::timeline::Timeline;
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a policy comes to now.
#[derive(Debug, Clone, PartialEq)]
pub struct Retention {
    /// Before: every moment was kept from here on.
    pub was: Moment,
    /// Every moment is kept from here on.
    pub start: Moment,
    /// Single states before the start that are kept.
    pub states: Vec<PlannedState>,
    /// Single states that go.
    pub dropped: Vec<Moment>,
    /// Of the log: what goes, in objects and bytes.
    pub objects: u64,
    pub bytes: u64,
    /// Bases that go, and their bytes. (Some may stay for a kept state; that is known when it is done.)
    pub bases: u64,
    pub base_bytes: u64,
    pub(super) cut: Cut,
}

/// A state that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedState {
    pub moment: Moment,
    /// The next commit's time.
    pub until: Micros,
    /// It is there already.
    pub exists: bool,
}

/// Where the log begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    /// After this segment.
    pub segment: u64,
    pub until: Micros,
    /// What holds commits of both sides of the start is written anew; first and last segment.
    pub anew: Option<(u64, u64)>,
}

impl Retention {
    /// Whether everything stays as it is.
    pub fn is_empty(&self) -> bool {
        self.start == self.was && self.dropped.is_empty()
    }
}

/// Errors: `Internal`.
pub fn plan(timeline: &Timeline, policy: &Policy, now: Micros) -> Result<Retention> {
    let now = now.min(timeline.until());
    let (start, cut) = begin(timeline, before(now, policy.every))?;
    let states = states(timeline, policy, now, start)?;
    let stays = |m: &Moment| states.iter().any(|s| s.moment == *m);
    let dropped = timeline.states().map(|(s, _)| s.moment).filter(|m| !stays(m)).collect();
    let gone = |part: LogPart| {
        part.last <= cut.segment || cut.anew.is_some_and(|(first, last)| part.first >= first && part.last <= last)
    };
    let log: Vec<u64> = timeline.log().filter(|v| gone(v.part)).map(|v| v.footer.end()).collect();
    let moved = start != timeline.first();
    let bases: Vec<u64> = timeline
        .bases()
        .filter(|b| moved && b.seq < start.seq)
        .map(|b| b.files.iter().map(|f| f.bytes).sum())
        .collect();
    Ok(Retention {
        was: timeline.first(),
        start,
        states,
        dropped,
        objects: log.len() as u64,
        bytes: log.iter().sum(),
        bases: bases.len() as u64,
        base_bytes: bases.iter().sum(),
        cut,
    })
}

fn before(now: Micros, span: Duration) -> Micros {
    Micros(now.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
}

/// The last commit at or before this time, or a little earlier, where the log can begin.
fn begin(timeline: &Timeline, at: Micros) -> Result<(Moment, Cut)> {
    let first = timeline.first();
    let gaps: Vec<Seq> = timeline.gaps().iter().map(|g| g.from.seq).collect();
    let stay = Cut { segment: timeline.upkeep().begins_after(), until: first.time, anew: None };
    let mut seq = timeline.log().flat_map(|v| v.footer.commits.iter().zip(v.times)).take_while(|(_, t)| **t <= at);
    let mut seq = seq.by_ref().last().map_or(first.seq, |(c, _)| c.seq);
    while seq > first.seq {
        if gaps.contains(&seq) {
            seq = seq.before(); // a gap is told of by its commit
            continue;
        }
        match cut(timeline, seq) {
            Ok(cut) => return Ok((timeline.moment(seq)?, cut)),
            Err(earlier) => seq = earlier,
        }
    }
    Ok((first, stay))
}

/// How the log is cut after this commit. Errors: where it could be cut instead, since a transaction is not at its end.
fn cut(timeline: &Timeline, seq: Seq) -> Result<Cut, Seq> {
    let views: Vec<_> = timeline.log().collect();
    let mut whole = views.iter().take_while(|v| v.after.seq <= seq).count();
    // what it holds of a later transaction is needed
    while whole > 0 && views[whole - 1].footer.continues {
        whole -= 1;
    }
    let until = whole.checked_sub(1).map(|i| views[i].until);
    let segment = whole.checked_sub(1).map_or(timeline.upkeep().begins_after(), |i| views[i].part.last);
    let time = timeline.moment(seq).map_or(Micros(0), |m| m.time);
    match views.get(whole) {
        None => Ok(Cut { segment, until: until.unwrap_or(time), anew: None }),
        Some(next) if next.before == seq => Ok(Cut { segment, until: until.unwrap_or(time), anew: None }),
        Some(next) => match views[whole..].iter().find(|v| !v.footer.continues && v.after.seq > seq) {
            Some(end) => Ok(Cut { segment, until: time, anew: Some((next.part.first, end.part.last)) }),
            None => Err(next.before),
        },
    }
}

/// The states at the whole hours, days and months before the start.
fn states(timeline: &Timeline, policy: &Policy, now: Micros, start: Moment) -> Result<Vec<PlannedState>> {
    let mut found: BTreeMap<Seq, PlannedState> = BTreeMap::new();
    let grids = [(Grid::Hours, policy.hourly), (Grid::Days, policy.daily), (Grid::Months, policy.monthly)];
    for (grid, span) in grids.into_iter().filter_map(|(grid, span)| Some((grid, span?))) {
        let oldest = before(now, span);
        let earliest = timeline.states().next().map_or(timeline.first(), |(s, _)| s.moment).time.max(oldest);
        let mut at = grid.floor(now);
        while let Some(time) = at.filter(|t| *t >= earliest) {
            // the start itself answers for the time after it; what cannot be asked now cannot be kept
            if time < start.time
                && let Ok(moment) = timeline.resolve(&MomentSpec::At(time))
                && moment.seq < start.seq
            {
                found.entry(moment.seq).or_insert(planned(timeline, moment)?);
            }
            at = grid.before(time);
        }
    }
    Ok(found.into_values().collect())
}

fn planned(timeline: &Timeline, moment: Moment) -> Result<PlannedState> {
    let existing = timeline.states().find(|(s, _)| s.moment == moment).map(|(s, _)| s.until);
    let until = match existing {
        Some(until) => until,
        None => timeline.moment(moment.seq.next())?.time,
    };
    Ok(PlannedState { moment, until, exists: existing.is_some() })
}

#[derive(Debug, Clone, Copy)]
enum Grid {
    Hours,
    Days,
    Months,
}

impl Grid {
    /// The last point at or before this time.
    fn floor(self, time: Micros) -> Option<Micros> {
        let at = DateTime::<Utc>::from_timestamp_micros(time.0)?;
        let day = at.date_naive();
        let floor = match self {
            Grid::Hours => return Some(Micros(time.0.div_euclid(3600 * Micros::SECOND) * 3600 * Micros::SECOND)),
            Grid::Days => day,
            Grid::Months => NaiveDate::from_ymd_opt(day.year(), day.month(), 1)?,
        };
        Some(Micros(floor.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros()))
    }

    /// The point before this one.
    fn before(self, point: Micros) -> Option<Micros> {
        let at = DateTime::<Utc>::from_timestamp_micros(point.0)?;
        let before = match self {
            Grid::Hours => at.checked_sub_signed(TimeDelta::hours(1))?,
            Grid::Days => at.checked_sub_signed(TimeDelta::days(1))?,
            Grid::Months => at.checked_sub_months(Months::new(1))?,
        };
        Some(Micros(before.timestamp_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Micros {
        let parsed = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time");
        Micros(parsed.and_utc().timestamp_micros())
    }

    #[test]
    fn points_are_whole_in_utc() {
        let at = micros("2024-03-01 00:30:10");
        let points = |grid: Grid| {
            let floor = grid.floor(at).expect("a point");
            [floor, grid.before(floor).expect("a point before")].map(|p| p.to_string()[..19].to_string())
        };
        assert_eq!(points(Grid::Hours), ["2024-03-01 00:00:00", "2024-02-29 23:00:00"]);
        assert_eq!(points(Grid::Days), ["2024-03-01 00:00:00", "2024-02-29 00:00:00"]);
        assert_eq!(points(Grid::Months), ["2024-03-01 00:00:00", "2024-02-01 00:00:00"]);
    }
}
