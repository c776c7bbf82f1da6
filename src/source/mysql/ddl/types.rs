//! Column types as they are declared, and as SHOW CREATE TABLE prints them.

use super::lex::{Parser, Read, Unread, quote_text};
use crate::model::{Charset, ColumnType, Shape, TextSize};

/// A declared type, before its charset decides between characters and bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub kind: ColumnType,
    /// The display width of an integer, or the M of FLOAT(M,D).
    pub width: Option<u8>,
    /// Charset and collation words that belong to the type.
    pub charset: Option<String>,
    /// `BINARY` after a text type: the charset's `_bin` collation.
    pub binary: bool,
    /// SERIAL: BIGINT UNSIGNED NOT NULL AUTO_INCREMENT UNIQUE.
    pub serial: bool,
}

/// What cannot be read, or is read and not carried.
pub enum TypeError {
    Unread(Unread),
    /// The type's name.
    NotCarried(String),
}

impl From<Unread> for TypeError {
    fn from(e: Unread) -> Self {
        Self::Unread(e)
    }
}

type Typed<T> = std::result::Result<T, TypeError>;

/// Reads a type. The tokens after it are left: NOT NULL, DEFAULT, COLLATE and so on.
pub fn read_type(p: &mut Parser<'_>) -> Typed<Declared> {
    let name = p.name()?.to_ascii_lowercase();
    let mut declared = Declared { kind: ColumnType::Date, width: None, charset: None, binary: false, serial: false };
    declared.kind = match name.as_str() {
        "tinyint" | "int1" => integer(p, 1, &mut declared.width)?,
        "smallint" | "int2" => integer(p, 2, &mut declared.width)?,
        "mediumint" | "int3" | "middleint" => integer(p, 3, &mut declared.width)?,
        "int" | "integer" | "int4" => integer(p, 4, &mut declared.width)?,
        "bigint" | "int8" => integer(p, 8, &mut declared.width)?,
        "bool" | "boolean" => {
            declared.width = Some(1);
            ColumnType::Int { bytes: 1, unsigned: false, zerofill: None }
        }
        "serial" => {
            declared.serial = true;
            ColumnType::Int { bytes: 8, unsigned: true, zerofill: None }
        }
        "decimal" | "numeric" | "dec" | "fixed" => decimal(p)?,
        "real" if p.real_as_float() => float(p, &mut declared.width)?,
        "float" | "float4" => float(p, &mut declared.width)?,
        "double" | "float8" | "real" => {
            if name == "double" {
                p.takes(&["PRECISION"]);
            }
            double(p, &mut declared.width)?
        }
        "bit" => ColumnType::Bit { bits: small(length(p)?.unwrap_or(1))? },
        "year" => match length(p)? {
            None | Some(4) => ColumnType::Year,
            Some(n) => return Err(TypeError::NotCarried(format!("YEAR({n})"))),
        },
        "date" => ColumnType::Date,
        "time" => ColumnType::Time { fsp: small(length(p)?.unwrap_or(0))? },
        "datetime" => ColumnType::DateTime { fsp: small(length(p)?.unwrap_or(0))? },
        "timestamp" => ColumnType::Timestamp { fsp: small(length(p)?.unwrap_or(0))? },
        "json" => ColumnType::Json,
        "uuid" => ColumnType::Uuid,
        "inet4" => ColumnType::Inet4,
        "inet6" => ColumnType::Inet6,
        // MySQL's default dimension
        "vector" => ColumnType::Vector { dimension: length(p)?.unwrap_or(2048) },
        "enum" => ColumnType::Enum { members: members(p)? },
        "set" => ColumnType::Set { members: members(p)? },
        name => match Shape::named(name) {
            Some(shape) => ColumnType::Geometry { shape },
            None => return strings(p, name, declared),
        },
    };
    if matches!(declared.kind, ColumnType::Enum { .. } | ColumnType::Set { .. }) {
        charset_words(p, &mut declared)?;
    }
    Ok(declared)
}

fn strings(p: &mut Parser<'_>, name: &str, mut declared: Declared) -> Typed<Declared> {
    let size = |name: &str| match name.as_bytes()[0] {
        b't' if name.starts_with("tiny") => TextSize::Tiny,
        b'm' => TextSize::Medium,
        b'l' => TextSize::Long,
        _ => TextSize::Normal,
    };
    declared.kind = match name {
        "char" | "character" | "nchar" | "national" => {
            if name == "national" && !p.takes_any(&["CHAR", "CHARACTER", "VARCHAR", "VARCHARACTER"]) {
                return Err(p.unexpected("CHAR").into());
            }
            let varying = p.takes(&["VARYING"]);
            if name.starts_with('n') {
                declared.charset = Some("utf8mb3".into());
            }
            match length(p)? {
                Some(n) if varying => ColumnType::Varchar { length: n },
                n => ColumnType::Char { length: n.unwrap_or(1) },
            }
        }
        "varchar" | "varcharacter" | "nvarchar" => {
            if name.starts_with('n') {
                declared.charset = Some("utf8mb3".into());
            }
            ColumnType::Varchar { length: length(p)?.ok_or_else(|| p.unexpected("a length"))? }
        }
        "binary" => ColumnType::Binary { length: length(p)?.unwrap_or(1) },
        "varbinary" => ColumnType::Varbinary { length: length(p)?.ok_or_else(|| p.unexpected("a length"))? },
        "tinytext" | "text" | "mediumtext" | "longtext" => match length(p)? {
            Some(n) => ColumnType::Text { size: size_for(u64::from(n) * 4) },
            None => ColumnType::Text { size: size(name) },
        },
        "tinyblob" | "blob" | "mediumblob" | "longblob" => match length(p)? {
            Some(n) => ColumnType::Blob { size: size_for(u64::from(n)) },
            None => ColumnType::Blob { size: size(name) },
        },
        "long" if p.takes(&["VARBINARY"]) => ColumnType::Blob { size: TextSize::Medium },
        "long" => {
            if !p.takes(&["VARCHAR"]) {
                p.takes_any(&["VARCHARACTER"]);
            }
            ColumnType::Text { size: TextSize::Medium }
        }
        other => return Err(TypeError::NotCarried(other.to_ascii_uppercase())),
    };
    charset_words(p, &mut declared)?;
    Ok(declared)
}

/// The smallest TEXT or BLOB that holds so many bytes. Source: MariaDB's Column_definition::calc_length.
fn size_for(bytes: u64) -> TextSize {
    match bytes {
        0..=255 => TextSize::Tiny,
        256..=65_535 => TextSize::Normal,
        65_536..=16_777_215 => TextSize::Medium,
        _ => TextSize::Long,
    }
}

/// `CHARACTER SET x`, `CHARSET x`, `ASCII`, `UNICODE`, `BYTE`, `BINARY`, as far as they come next.
fn charset_words(p: &mut Parser<'_>, declared: &mut Declared) -> Read<()> {
    loop {
        if p.takes(&["CHARACTER", "SET"]) || p.takes(&["CHAR", "SET"]) || p.takes(&["CHARSET"]) {
            declared.charset = Some(charset_name(p)?);
        } else if p.takes(&["ASCII"]) {
            declared.charset = Some("latin1".into());
        } else if p.takes(&["UNICODE"]) {
            declared.charset = Some("ucs2".into());
        } else if p.takes(&["BYTE"]) {
            declared.charset = Some("binary".into());
        } else if p.takes(&["BINARY"]) {
            declared.binary = true;
        } else {
            return Ok(());
        }
    }
}

/// A charset's or collation's name: a word or a string.
pub fn charset_name(p: &mut Parser<'_>) -> Read<String> {
    let name = if p.sees(&["BINARY"]) { p.name()? } else { p.name().or_else(|_| p.string())? };
    Ok(name.to_ascii_lowercase())
}

fn length(p: &mut Parser<'_>) -> Read<Option<u32>> {
    if !p.takes_sign('(') {
        return Ok(None);
    }
    if p.takes_sign(')') {
        return Ok(None);
    }
    let n = p.number()?;
    p.sign(')')?;
    u32::try_from(n).map(Some).map_err(|_| Unread::new(format!("a length of {n} is too large")))
}

fn small(n: u32) -> Read<u8> {
    u8::try_from(n).map_err(|_| Unread::new(format!("a length of {n} is too large")))
}

/// `(M)`, `(M,D)` or nothing.
fn two(p: &mut Parser<'_>) -> Read<(Option<u8>, Option<u8>)> {
    if !p.takes_sign('(') {
        return Ok((None, None));
    }
    let small = |n: u64| u8::try_from(n).map_err(|_| Unread::new(format!("a length of {n} is too large")));
    let m = small(p.number()?)?;
    let d = if p.takes_sign(',') { Some(small(p.number()?)?) } else { None };
    p.sign(')')?;
    Ok((Some(m), d))
}

/// `UNSIGNED`, `SIGNED`, `ZEROFILL`: (unsigned, zerofill).
fn signs(p: &mut Parser<'_>) -> (bool, bool) {
    let (mut unsigned, mut zerofill) = (false, false);
    loop {
        if p.takes(&["UNSIGNED"]) {
            unsigned = true;
        } else if p.takes(&["ZEROFILL"]) {
            (unsigned, zerofill) = (true, true);
        } else if !p.takes(&["SIGNED"]) {
            return (unsigned, zerofill);
        }
    }
}

fn integer(p: &mut Parser<'_>, bytes: u8, width: &mut Option<u8>) -> Read<ColumnType> {
    *width = length(p)?.map(small).transpose()?;
    let (unsigned, zerofill) = signs(p);
    let fill = zerofill.then(|| width.unwrap_or_else(|| default_width(bytes, true)));
    Ok(ColumnType::Int { bytes, unsigned, zerofill: fill })
}

fn default_width(bytes: u8, unsigned: bool) -> u8 {
    match (bytes, unsigned) {
        (1, false) => 4,
        (1, true) => 3,
        (2, false) => 6,
        (2, true) => 5,
        (3, false) => 9,
        (3, true) => 8,
        (4, false) => 11,
        (4, true) => 10,
        _ => 20,
    }
}

fn decimal(p: &mut Parser<'_>) -> Read<ColumnType> {
    let (precision, scale) = two(p)?;
    let (unsigned, zerofill) = signs(p);
    let precision = precision.filter(|p| *p > 0).unwrap_or(10);
    let scale = scale.unwrap_or(0);
    if precision > 65 || scale > 38 || scale > precision {
        return Err(Unread::new(format!("DECIMAL({precision},{scale}) is out of range")));
    }
    Ok(ColumnType::Decimal { precision, scale, unsigned, zerofill })
}

fn float(p: &mut Parser<'_>, width: &mut Option<u8>) -> Read<ColumnType> {
    let (m, d) = two(p)?;
    let (unsigned, _) = signs(p);
    *width = d.and(m);
    Ok(match m {
        Some(bits) if d.is_none() && bits > 24 => ColumnType::Double { unsigned, decimals: None },
        _ => ColumnType::Float { unsigned, decimals: d },
    })
}

fn double(p: &mut Parser<'_>, width: &mut Option<u8>) -> Read<ColumnType> {
    let (m, d) = two(p)?;
    let (unsigned, _) = signs(p);
    *width = d.and(m);
    Ok(ColumnType::Double { unsigned, decimals: d })
}

fn members(p: &mut Parser<'_>) -> Read<Vec<String>> {
    p.sign('(')?;
    let mut members = vec![p.string()?.trim_end_matches(' ').to_string()];
    while p.takes_sign(',') {
        members.push(p.string()?.trim_end_matches(' ').to_string());
    }
    p.sign(')')?;
    Ok(members)
}

/// The type as SHOW CREATE TABLE prints it, with display widths.
pub fn type_text(kind: &ColumnType, width: Option<u8>) -> String {
    let decimals = |name: &str, unsigned: bool, decimals: Option<u8>| {
        let size = match (width, decimals) {
            (Some(m), Some(d)) => format!("({m},{d})"),
            _ => String::new(),
        };
        format!("{name}{size}{}", if unsigned { " unsigned" } else { "" })
    };
    match kind {
        ColumnType::Int { bytes, unsigned, zerofill } => {
            let plain = ColumnType::Int { bytes: *bytes, unsigned: false, zerofill: None };
            let width = zerofill.or(width).unwrap_or_else(|| default_width(*bytes, *unsigned));
            format!(
                "{plain}({width}){}{}",
                if *unsigned { " unsigned" } else { "" },
                if zerofill.is_some() { " zerofill" } else { "" }
            )
        }
        ColumnType::Float { unsigned, decimals: d } => decimals("float", *unsigned, *d),
        ColumnType::Double { unsigned, decimals: d } => decimals("double", *unsigned, *d),
        ColumnType::Enum { members } => {
            format!("enum({})", members.iter().map(|m| quote_text(m)).collect::<Vec<_>>().join(","))
        }
        ColumnType::Set { members } => {
            format!("set({})", members.iter().map(|m| quote_text(m)).collect::<Vec<_>>().join(","))
        }
        ColumnType::Json => "longtext".into(),
        other => other.to_string(),
    }
}

/// The type under a charset: characters of charset `binary` are bytes.
pub fn under_charset(kind: ColumnType, charset: &str) -> ColumnType {
    match kind {
        ColumnType::Char { length } if charset == "binary" => ColumnType::Binary { length },
        ColumnType::Varchar { length } if charset == "binary" => ColumnType::Varbinary { length },
        ColumnType::Text { size } if charset == "binary" => ColumnType::Blob { size },
        kind => kind,
    }
}

pub fn carried_charset(name: &str) -> bool {
    name == "binary" || Charset::named(name).is_some()
}

/// The one name of a charset or collation: `utf8` is `utf8mb3`.
pub fn plain_name(name: &str) -> String {
    match name.strip_prefix("utf8") {
        Some(rest) if rest.is_empty() || rest.starts_with('_') => format!("utf8mb3{rest}"),
        _ => name.to_string(),
    }
}

/// The collation that MariaDB 10.11 gives to a charset by itself. Of charsets that are not carried only the charset
/// counts.
pub fn default_collation(charset: &str) -> String {
    match (charset, Charset::named(charset)) {
        ("binary", _) => "binary".into(),
        (_, Some(known)) => known.default_collation().into(),
        (other, None) => format!("{other}_general_ci"),
    }
}

/// A collation's charset.
pub fn charset_of(collation: &str) -> &str {
    collation.split('_').next().unwrap_or(collation)
}
