//! What the session says of itself: NOW(), USER(), DATABASE(), VERSION().

use super::cell::Cell;
use super::moment::{DAY, truncate};
use super::{Args, Call, Spec, lenient};
use crate::error::{Error, Kind, Result};
use crate::model::ColumnType;
use crate::query::meaning::{Collation, Derivation, Typ};

pub(super) const ALL: &[Spec] = &[
    lenient("my_now", 1, 1, |a| Ok(Typ::datetime(fsp(a)?)), |c| Ok(Cell::DateTime(truncate(local(c)?, c.out.scale())))),
    lenient(
        "my_utc_timestamp",
        1,
        1,
        |a| Ok(Typ::datetime(fsp(a)?)),
        |c| Ok(Cell::DateTime(truncate(c.session.now.0, c.out.scale()))),
    ),
    lenient("my_curdate", 0, 0, |_| Ok(Typ::of(ColumnType::Date)), |c| day(local(c)?)),
    lenient("my_utc_date", 0, 0, |_| Ok(Typ::of(ColumnType::Date)), |c| day(c.session.now.0)),
    lenient(
        "my_curtime",
        1,
        1,
        |a| Ok(Typ::time(fsp(a)?)),
        |c| Ok(Cell::Time(truncate(local(c)?.rem_euclid(DAY), c.out.scale()))),
    ),
    lenient(
        "my_utc_time",
        1,
        1,
        |a| Ok(Typ::time(fsp(a)?)),
        |c| Ok(Cell::Time(truncate(c.session.now.0.rem_euclid(DAY), c.out.scale()))),
    ),
    lenient("my_connection_id", 0, 0, |_| Ok(Typ::ubigint()), |c| Ok(Cell::UInt(c.session.connection_id.into()))),
    lenient("my_user", 0, 0, |_| Ok(system()), |c| Ok(Cell::text(c.session.user.as_str()))),
    lenient("my_database", 0, 0, |_| Ok(system()), |c| Ok(c.session.database.clone().map_or(Cell::Null, Cell::text))),
    lenient("my_version", 0, 0, |_| Ok(system()), |c| Ok(Cell::text(c.session.version.as_str()))),
];

fn system() -> Typ {
    Typ::text_in(Collation { derivation: Derivation::System, ..Collation::literal() })
}

fn fsp(a: &Args) -> Result<u8> {
    let word = a.word(0)?;
    word.parse()
        .ok()
        .filter(|n| *n <= 6)
        .ok_or_else(|| Error::new(Kind::BadValue, format!("Too big precision {word} for a date or time; 6 at most")))
}

fn local(c: &Call) -> Result<i64> {
    c.session.local(c.session.now)
}

fn day(us: i64) -> Result<Cell<'static>> {
    Ok(Cell::Date(us.div_euclid(DAY) as i32))
}
