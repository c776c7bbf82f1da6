//! The events that describe tables and that change their rows, cut out of their bytes.

use super::event::{Cursor, Cut, Damage, RawEvent, inflate, utf8};

/// A table's shape, as it stands before row events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMap {
    pub id: u64,
    pub database: String,
    pub table: String,
    /// Type codes.
    pub types: Vec<u8>,
    /// The two bytes that belong to each type, the first one low.
    pub metadata: Vec<u16>,
    pub nullable: Vec<bool>,
    /// With binlog_row_metadata=MINIMAL and FULL; of numeric columns in order.
    pub unsigned: Option<Vec<bool>>,
    /// With FULL: of all columns.
    pub names: Option<Vec<String>>,
    /// With FULL: members of ENUM and of SET columns, in order of these columns.
    pub enums: Option<Vec<Vec<Vec<u8>>>>,
    pub sets: Option<Vec<Vec<Vec<u8>>>>,
    /// With FULL: positions of the primary key's columns, in the key's order; empty: there is none.
    pub primary_key: Vec<usize>,
}

/// The number by which row events refer to a table map.
pub fn table_id(body: &[u8]) -> Cut<u64> {
    Cursor(body).little(6)
}

/// Only the names: all that is needed of tables that are not kept.
pub fn table_map_names(body: &[u8]) -> Cut<(String, String)> {
    let mut c = Cursor(body);
    c.take(8)?;
    Ok((c.name()?, c.name()?))
}

pub fn table_map(body: &[u8]) -> Cut<TableMap> {
    let mut c = Cursor(body);
    let id = c.little(6)?;
    c.take(2)?;
    let (database, table) = (c.name()?, c.name()?);
    let columns = c.length()?;
    let types = c.take(columns)?.to_vec();
    let n = c.length()?;
    let mut m = Cursor(c.take(n)?);
    let metadata = types.iter().map(|t| type_metadata(*t, &mut m)).collect::<Cut<Vec<_>>>()?;
    let bits = c.take(columns.div_ceil(8))?;
    let nullable = (0..columns).map(|i| bit(bits, i)).collect();
    let mut map = TableMap {
        id,
        database,
        table,
        types,
        metadata,
        nullable,
        unsigned: None,
        names: None,
        enums: None,
        sets: None,
        primary_key: Vec::new(),
    };
    optional_metadata(&mut map, c)?;
    Ok(map)
}

pub fn bit(bits: &[u8], i: usize) -> bool {
    bits.get(i / 8).is_some_and(|b| b >> (i % 8) & 1 == 1)
}

fn type_metadata(kind: u8, m: &mut Cursor<'_>) -> Cut<u16> {
    Ok(match kind {
        // FLOAT, DOUBLE, TIMESTAMP2, DATETIME2, TIME2, compressed BLOB, JSON, TINY_BLOB to BLOB, GEOMETRY
        4 | 5 | 17 | 18 | 19 | 140 | 242 | 245 | 249..=252 | 255 => u16::from(m.u8()?),
        // VARCHAR, BIT, compressed VARCHAR; DECIMAL, ENUM, SET, VAR_STRING, STRING
        15 | 16 | 141 | 246 | 247 | 248 | 253 | 254 => m.u16()?,
        _ => 0,
    })
}

fn optional_metadata(map: &mut TableMap, mut c: Cursor<'_>) -> Cut<()> {
    while !c.0.is_empty() {
        let field = c.u8()?;
        let n = c.length()?;
        let mut f = Cursor(c.take(n)?);
        let members = |f: &mut Cursor<'_>| {
            let mut columns = Vec::new();
            while !f.0.is_empty() {
                let mut members = Vec::new();
                for _ in 0..f.length()? {
                    let n = f.length()?;
                    members.push(f.take(n)?.to_vec());
                }
                columns.push(members);
            }
            Ok::<_, Damage>(columns)
        };
        match field {
            1 => {
                let bits = f.0;
                map.unsigned = Some(
                    (0..bits.len() * 8).map(|i| bits.get(i / 8).is_some_and(|b| b << (i % 8) & 128 != 0)).collect(),
                );
            }
            4 => {
                let mut names = Vec::new();
                while !f.0.is_empty() {
                    let n = f.length()?;
                    names.push(utf8(f.take(n)?)?);
                }
                map.names = Some(names);
            }
            5 => map.sets = Some(members(&mut f)?),
            6 => map.enums = Some(members(&mut f)?),
            8 | 9 => {
                while !f.0.is_empty() {
                    map.primary_key.push(f.length()?);
                    if field == 9 {
                        f.length()?; // of the prefix
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    Write,
    Update,
    Delete,
}

/// Row changes of one table.
#[derive(Debug)]
pub struct RowsEvent<'a> {
    pub kind: RowsKind,
    pub columns: usize,
    /// Every column is there, in each image.
    pub full: bool,
    pub images: std::borrow::Cow<'a, [u8]>,
}

/// Whether the type is a row event: its operation, whether it is of version 2, whether it is compressed.
pub fn rows_kind(kind: u8) -> Option<(RowsKind, bool, bool)> {
    use RowsKind::*;
    let (operation, second, compressed) = match kind {
        23..=25 => (kind - 23, false, false),
        30..=32 => (kind - 30, true, false),
        166..=168 => (kind - 166, false, true),
        169..=171 => (kind - 169, true, true),
        _ => return None,
    };
    Some(([Write, Update, Delete][usize::from(operation)], second, compressed))
}

/// NO_FOREIGN_KEY_CHECKS_F in log_event.h of both families.
const UNCHECKED: u16 = 0x02;
/// With USE_SQL_FOREIGN_KEY_F, which MySQL sets from 9.6 on, where what foreign keys demand is logged (and not with
/// innodb_native_foreign_keys).
const NOTHING_UNLOGGED: u16 = UNCHECKED | 0x10;

/// Whether the server did, with these rows' changes, what foreign keys demand of rows that refer to them, unlogged.
pub fn rows_cascade(event: &RawEvent<'_>) -> Cut<bool> {
    let mut c = Cursor(event.body);
    c.take(6)?;
    Ok(c.u16()? & NOTHING_UNLOGGED == 0)
}

/// Whether the session looked at no foreign keys.
pub fn rows_unchecked(event: &RawEvent<'_>) -> Cut<bool> {
    let mut c = Cursor(event.body);
    c.take(6)?;
    Ok(c.u16()? & UNCHECKED != 0)
}

pub fn rows<'a>(event: &RawEvent<'a>) -> Cut<RowsEvent<'a>> {
    let (kind, second, compressed) = rows_kind(event.kind).ok_or_else(|| Damage("it is no row event".into()))?;
    let mut c = Cursor(event.body);
    c.take(8)?;
    if second {
        let n = usize::from(c.u16()?);
        c.take(n.checked_sub(2).ok_or_else(|| Damage("a length is malformed".into()))?)?;
    }
    let columns = c.length()?;
    let mut full = true;
    for _ in 0..if kind == RowsKind::Update { 2 } else { 1 } {
        let bits = c.take(columns.div_ceil(8))?;
        full &= (0..columns).all(|i| bit(bits, i));
    }
    let images = if compressed { inflate(c.0)?.into() } else { c.0.into() };
    Ok(RowsEvent { kind, columns, full, images })
}
