//! Which instant does the expression after AS OF name? It is constant: literals, NOW() and its kin, intervals,
//! variables and parameters. It is evaluated here, before anything is planned.
//!
//! NOW() is an instant, not a local time: an hour before it is an hour before it, also when the clocks change.
//! Days, weeks, months and years are counted on the session's calendar.

use super::lexer::{Lexeme, Token, syntax_error};
use super::local_time::{parse_datetime, parse_moment, to_local, to_utc};
use super::system::TimeZone;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, Value, ZERO_DATETIME};
use chrono::{DateTime, Months};

const DAY: i64 = 86_400 * Micros::SECOND;

/// What constant expressions may refer to.
pub(super) struct Constants<'a> {
    pub sql: &'a str,
    pub zone: TimeZone,
    pub now: Micros,
    /// `None` while a statement is only prepared.
    pub parameters: Option<&'a [Value]>,
    /// A user variable's value by its lower-case name without the sign; NULL if it is not set.
    pub variable: &'a dyn Fn(&str) -> Value,
}

#[derive(Debug, Clone, PartialEq)]
enum Constant {
    /// A parameter that is not known yet.
    Unknown,
    Null,
    Number(f64),
    Text(String),
    /// µs without a zone.
    Local(i64),
    Instant(Micros),
    Interval(Interval),
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Interval {
    months: i64,
    days: i64,
    micros: i64,
}

/// Reads an expression that begins at `tokens[*at]` and moves `at` past it.
/// Answers the instant; `None` when it depends on a parameter that is not known yet.
/// Errors: `Syntax`; `BadValue` for what is no time, NULL, or an ambiguous local time; `Unsupported` by name.
pub(super) fn instant(tokens: &[Token], at: &mut usize, constants: &Constants<'_>) -> Result<Option<Micros>> {
    let mut reader = Reader { tokens, at: *at, constants };
    let value = reader.sum()?;
    *at = reader.at;
    match value {
        Constant::Unknown => Ok(None),
        value => reader.as_instant(value).map(Some),
    }
}

/// Reads a string, variable or parameter that names something, such as a GTID.
pub(super) fn text(tokens: &[Token], at: &mut usize, constants: &Constants<'_>) -> Result<Option<String>> {
    let mut reader = Reader { tokens, at: *at, constants };
    let value = reader.atom()?;
    *at = reader.at;
    match value {
        Constant::Unknown => Ok(None),
        Constant::Text(text) => Ok(Some(text)),
        _ => Err(Error::new(Kind::BadValue, "a GTID is written as a string: AS OF GTID '0-1-42'")),
    }
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    constants: &'a Constants<'a>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn keyword(&self, ahead: usize) -> Option<String> {
        self.tokens.get(self.at + ahead)?.keyword()
    }

    fn symbol(&self, ahead: usize, symbol: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|t| t.is_symbol(symbol))
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.symbol(0, symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.syntax()) }
    }

    fn syntax(&self) -> Error {
        syntax_error(self.constants.sql, self.peek().map_or(self.constants.sql.len(), |t| t.start))
    }

    /// A number of terms with + and - between them.
    fn sum(&mut self) -> Result<Constant> {
        let mut value = self.atom()?;
        loop {
            let minus = self.symbol(0, "-");
            if !minus && !self.symbol(0, "+") {
                return Ok(value);
            }
            self.at += 1;
            let right = self.atom()?;
            value = match (value, right) {
                (Constant::Unknown, _) | (_, Constant::Unknown) => Constant::Unknown,
                (Constant::Null, _) | (_, Constant::Null) => Constant::Null,
                (Constant::Number(a), Constant::Number(b)) => Constant::Number(if minus { a - b } else { a + b }),
                (value, Constant::Interval(interval)) => self.add(value, interval, minus)?,
                (Constant::Interval(interval), value) if !minus => self.add(value, interval, false)?,
                _ => {
                    return Err(Error::new(Kind::BadValue, "only an INTERVAL can be added to or taken from a time")
                        .hint("Write NOW() - INTERVAL 1 HOUR."));
                }
            };
        }
    }

    fn atom(&mut self) -> Result<Constant> {
        let Some(token) = self.peek().cloned() else { return Err(self.syntax()) };
        match &token.lexeme {
            Lexeme::Text(text) => {
                self.at += 1;
                Ok(Constant::Text(text.clone()))
            }
            Lexeme::Number(text) => {
                self.at += 1;
                text.parse().map(Constant::Number).map_err(|_| self.syntax())
            }
            Lexeme::Variable(name) => {
                let Some(name) = name.strip_prefix('@').filter(|n| !n.starts_with('@')) else {
                    return Err(Error::new(Kind::Unsupported, format!("{name} cannot stand in a moment"))
                        .hint("Use a literal, NOW(), or a user variable."));
                };
                self.at += 1;
                Ok(of_value((self.constants.variable)(&name.to_lowercase())))
            }
            Lexeme::Placeholder(n) => {
                self.at += 1;
                match self.constants.parameters {
                    None => Ok(Constant::Unknown),
                    Some(values) => values.get(*n).cloned().map(of_value).ok_or_else(|| self.syntax()),
                }
            }
            Lexeme::Symbol("(") => {
                self.at += 1;
                let value = self.sum()?;
                self.expect(")")?;
                Ok(value)
            }
            Lexeme::Symbol("-") => {
                self.at += 1;
                match self.atom()? {
                    Constant::Number(n) => Ok(Constant::Number(-n)),
                    Constant::Unknown => Ok(Constant::Unknown),
                    _ => Err(self.syntax()),
                }
            }
            Lexeme::Word { quoted: false, text } => self.named(&text.to_ascii_uppercase()),
            _ => Err(self.syntax()),
        }
    }

    fn named(&mut self, name: &str) -> Result<Constant> {
        let literal = matches!(self.tokens.get(self.at + 1), Some(Token { lexeme: Lexeme::Text(_), .. }));
        match name {
            "TIMESTAMP" | "DATETIME" | "DATE" if literal => {
                self.at += 1;
                let value = self.atom()?;
                self.as_time(value)
            }
            "INTERVAL" => {
                self.at += 1;
                self.interval().map(|i| i.map_or(Constant::Unknown, Constant::Interval))
            }
            "NULL" => {
                self.at += 1;
                Ok(Constant::Null)
            }
            _ => self.call(name),
        }
    }

    fn call(&mut self, name: &str) -> Result<Constant> {
        let parentheses = self.symbol(1, "(");
        let now = self.constants.now;
        match name {
            "NOW" | "SYSDATE" | "CURRENT_TIMESTAMP" | "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_TIMESTAMP"
                if parentheses || !matches!(name, "NOW" | "SYSDATE") =>
            {
                self.at += 1;
                let digits = if parentheses { self.digits()? } else { 0 };
                let unit = 10_i64.pow(6 - digits);
                Ok(Constant::Instant(Micros(now.0.div_euclid(unit) * unit)))
            }
            "CURDATE" | "CURRENT_DATE" if parentheses || name == "CURRENT_DATE" => {
                self.at += 1;
                if self.take_symbol("(") {
                    self.expect(")")?;
                }
                Ok(Constant::Local(to_local(self.constants.zone, now.0).div_euclid(DAY) * DAY))
            }
            _ if parentheses => {
                self.at += 2;
                let value = self.function(name)?;
                self.expect(")")?;
                Ok(value)
            }
            _ => Err(self.syntax()),
        }
    }

    /// The arguments of a function whose opening parenthesis was read.
    fn function(&mut self, name: &str) -> Result<Constant> {
        let value = match name {
            "TIMESTAMP" | "CAST" | "CONVERT" | "DATE" | "FROM_UNIXTIME" | "DATE_ADD" | "DATE_SUB" | "ADDDATE"
            | "SUBDATE" => self.sum()?,
            _ => {
                return Err(Error::new(Kind::Unsupported, format!("{name}() cannot stand in a moment")).hint(
                    "A moment is a constant: a literal, a variable, NOW(), FROM_UNIXTIME(n), CAST(… AS DATETIME), ± INTERVAL.",
                ));
            }
        };
        match name {
            "TIMESTAMP" => self.as_time(value),
            "DATE" => self.as_date(value),
            "FROM_UNIXTIME" => match value {
                Constant::Number(n) => Ok(Constant::Instant(Micros((n * 1e6).round() as i64))),
                Constant::Unknown | Constant::Null => Ok(value),
                _ => Err(Error::new(Kind::BadValue, "FROM_UNIXTIME() takes a number of seconds")),
            },
            "CAST" | "CONVERT" => {
                let separator =
                    if name == "CAST" { self.keyword(0).as_deref() == Some("AS") } else { self.symbol(0, ",") };
                let kind = self.keyword(1);
                if !separator || !matches!(kind.as_deref(), Some("DATETIME" | "DATE")) {
                    return Err(self.syntax());
                }
                self.at += 2;
                if self.symbol(0, "(") {
                    self.digits()?;
                }
                if kind.as_deref() == Some("DATE") { self.as_date(value) } else { self.as_time(value) }
            }
            _ => {
                self.expect(",")?;
                let interval = match self.atom()? {
                    Constant::Interval(interval) => interval,
                    // ADDDATE(t, days)
                    Constant::Number(days) if name.ends_with("DATE") => {
                        Interval { days: days.round() as i64, ..Interval::default() }
                    }
                    Constant::Unknown => return Ok(Constant::Unknown),
                    _ => return Err(self.syntax()),
                };
                self.add(value, interval, name.contains("SUB"))
            }
        }
    }

    /// `(digits)`, which may be missing.
    fn digits(&mut self) -> Result<u32> {
        self.expect("(")?;
        if self.take_symbol(")") {
            return Ok(0);
        }
        let digits = match self.peek().map(|t| &t.lexeme) {
            Some(Lexeme::Number(n)) => n.parse().ok().filter(|n| *n <= 6),
            _ => None,
        };
        let digits = digits.ok_or_else(|| self.syntax())?;
        self.at += 1;
        self.expect(")")?;
        Ok(digits)
    }

    /// What follows the word INTERVAL. `None`: it depends on an unknown parameter.
    fn interval(&mut self) -> Result<Option<Interval>> {
        let amount = match self.atom()? {
            Constant::Number(n) => Some(n),
            Constant::Text(t) => Some(
                t.trim()
                    .parse()
                    .map_err(|_| Error::new(Kind::BadValue, format!("'{t}' is no number for an INTERVAL")))?,
            ),
            Constant::Unknown => None,
            _ => return Err(self.syntax()),
        };
        let unit = self.keyword(0).ok_or_else(|| self.syntax())?;
        self.at += 1;
        let whole = amount.map(|n| n.round() as i64).unwrap_or(0);
        let mut interval = Interval::default();
        match unit.as_str() {
            "MICROSECOND" => interval.micros = whole,
            "SECOND" => interval.micros = (amount.unwrap_or(0.0) * 1e6).round() as i64,
            "MINUTE" => interval.micros = whole.saturating_mul(60 * Micros::SECOND),
            "HOUR" => interval.micros = whole.saturating_mul(3600 * Micros::SECOND),
            "DAY" => interval.days = whole,
            "WEEK" => interval.days = whole.saturating_mul(7),
            "MONTH" => interval.months = whole,
            "QUARTER" => interval.months = whole.saturating_mul(3),
            "YEAR" => interval.months = whole.saturating_mul(12),
            _ => {
                return Err(Error::new(Kind::Unsupported, format!("INTERVAL … {unit} cannot stand in a moment"))
                    .hint("Use MICROSECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR."));
            }
        }
        Ok(amount.map(|_| interval))
    }

    fn add(&self, value: Constant, interval: Interval, minus: bool) -> Result<Constant> {
        let sign = if minus { -1 } else { 1 };
        let calendar = interval.months != 0 || interval.days != 0;
        match self.as_time(value)? {
            Constant::Instant(t) if calendar => {
                let local = add_local(to_local(self.constants.zone, t.0), interval, sign)?;
                Ok(Constant::Instant(to_utc(self.constants.zone, local)?))
            }
            Constant::Instant(t) => Ok(Constant::Instant(Micros(add_local(t.0, interval, sign)?))),
            Constant::Local(t) => Ok(Constant::Local(add_local(t, interval, sign)?)),
            other => Ok(other),
        }
    }

    /// A text read as a time; times stay.
    fn as_time(&self, value: Constant) -> Result<Constant> {
        match value {
            Constant::Text(text) => Ok(match parse_datetime(&text)? {
                (local, None) => Constant::Local(local),
                _ => Constant::Instant(parse_moment(&text, self.constants.zone)?),
            }),
            Constant::Number(_) | Constant::Interval(_) => Err(not_a_time()),
            time => Ok(time),
        }
    }

    fn as_date(&self, value: Constant) -> Result<Constant> {
        Ok(match self.as_time(value)? {
            Constant::Local(t) => Constant::Local(t.div_euclid(DAY) * DAY),
            Constant::Instant(t) => Constant::Local(to_local(self.constants.zone, t.0).div_euclid(DAY) * DAY),
            other => other,
        })
    }

    fn as_instant(&self, value: Constant) -> Result<Micros> {
        match self.as_time(value)? {
            Constant::Instant(t) => Ok(t),
            Constant::Local(ZERO_DATETIME) => Err(Error::new(Kind::BadValue, "0000-00-00 is no moment")),
            Constant::Local(t) => to_utc(self.constants.zone, t),
            _ => Err(Error::new(Kind::BadValue, "the moment is NULL")
                .hint("A user variable that is not set is NULL; SET it first.")),
        }
    }
}

fn not_a_time() -> Error {
    Error::new(Kind::BadValue, "a number is no moment")
        .hint("Write FROM_UNIXTIME(n), or a string like '2026-11-22 14:05:00'.")
}

fn of_value(value: Value) -> Constant {
    match value {
        Value::Null => Constant::Null,
        Value::Int(n) => Constant::Number(n as f64),
        Value::UInt(n) => Constant::Number(n as f64),
        Value::Float(n) => Constant::Number(n.into()),
        Value::Double(n) => Constant::Number(n),
        // MySQL's decimals reach here only from user variables, as text
        Value::Decimal(n) => n.to_string().parse().map_or(Constant::Null, Constant::Number),
        Value::Date(days) => Constant::Local(i64::from(days) * DAY),
        Value::DateTime(us) => Constant::Local(us),
        Value::Time(us) => Constant::Number(us as f64 / 1e6),
        Value::Text(text) => Constant::Text(text),
        Value::Bytes(bytes) => Constant::Text(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn add_local(t: i64, interval: Interval, sign: i64) -> Result<i64> {
    let bad = || Error::new(Kind::BadValue, "the moment is out of the range of dates");
    let date = DateTime::from_timestamp_micros(t).ok_or_else(bad)?;
    let months = sign.saturating_mul(interval.months);
    let step = Months::new(u32::try_from(months.unsigned_abs()).map_err(|_| bad())?);
    let date =
        if months < 0 { date.checked_sub_months(step) } else { date.checked_add_months(step) }.ok_or_else(bad)?;
    let rest = interval.days.checked_mul(DAY).and_then(|d| d.checked_add(interval.micros)).ok_or_else(bad)?;
    date.timestamp_micros().checked_add(sign.checked_mul(rest).ok_or_else(bad)?).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{LexMode, tokenize};
    use super::*;

    fn eval(sql: &str, parameters: Option<&[Value]>) -> String {
        let tokens = tokenize(sql, LexMode::default()).unwrap().list;
        let constants = Constants {
            sql,
            zone: TimeZone::parse("Europe/Berlin").unwrap(),
            now: parse_moment("2026-10-25 03:10:00.5", TimeZone::System).unwrap(),
            parameters,
            variable: &|name| if name == "t" { Value::Text("2026-01-02".into()) } else { Value::Null },
        };
        let mut at = 0;
        match instant(&tokens, &mut at, &constants) {
            Ok(Some(t)) => format!("{t} +{}", tokens.len() - at),
            Ok(None) => format!("unknown +{}", tokens.len() - at),
            Err(e) => e.message,
        }
    }

    #[test]
    fn expressions_end_where_the_statement_goes_on() {
        for (sql, want) in [
            ("'2026-11-22 14:05:00' o JOIN x", "2026-11-22 13:05:00.000000 UTC +3"),
            ("NOW() - INTERVAL 1 HOUR o", "2026-10-25 02:10:00.000000 UTC +1"),
            ("NOW(6) - INTERVAL 2 HOUR - INTERVAL '30' MINUTE", "2026-10-25 00:40:00.500000 UTC +0"),
            ("NOW() - INTERVAL 1 DAY", "2026-10-24 02:10:00.000000 UTC +0"),
            ("INTERVAL 1 DAY + '2026-03-28 12:00'", "2026-03-29 10:00:00.000000 UTC +0"),
            ("TIMESTAMP'2026-01-31 12:00:00' + INTERVAL 1 MONTH AS x", "2026-02-28 11:00:00.000000 UTC +2"),
            ("CURRENT_TIMESTAMP, b", "2026-10-25 03:10:00.000000 UTC +2"),
            ("CURDATE()", "2026-10-24 22:00:00.000000 UTC +0"),
            ("FROM_UNIXTIME(1700000000)", "2023-11-14 22:13:20.000000 UTC +0"),
            ("CAST('2026-01-02 03:04:05' AS DATETIME(3)) x", "2026-01-02 02:04:05.000000 UTC +1"),
            ("DATE_SUB('2026-01-02', INTERVAL 1 WEEK)", "2025-12-25 23:00:00.000000 UTC +0"),
            ("@t", "2026-01-01 23:00:00.000000 UTC +0"),
            ("@none", "the moment is NULL"),
            ("5", "a number is no moment"),
            ("RAND()", "RAND() cannot stand in a moment"),
            (
                "'2026-10-25 01:30' + INTERVAL 1 HOUR",
                "the local time 2026-10-25 02:30:00 happened twice in \
              Europe/Berlin: it can be read as 2026-10-25 00:30:00.000000 UTC or as 2026-10-25 01:30:00.000000 UTC",
            ),
            ("? - INTERVAL ? DAY", "unknown +0"),
        ] {
            assert_eq!(eval(sql, None), want, "{sql}");
        }
        let values = [Value::DateTime(0), Value::Int(1)];
        assert_eq!(eval("? - INTERVAL ? DAY", Some(&values)), "1969-12-30 23:00:00.000000 UTC +0");
    }
}
