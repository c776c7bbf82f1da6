//! What do system and user variables hold, and what may be set?
//!
//! The list is `sql/variables.tsv`. A variable that is set to something that would change an answer, and that pcloud
//! does not do, is refused by name; those that change nothing for a reader are remembered and shown.

use super::zone::TimeZone;
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, Value};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What `@@version`, VERSION() and the greeting say. Clients and drivers branch on it: `MariaDB` makes them ask for
/// what MariaDB has (the statements and texts in the archive are of its dialect), and not for MySQL 8's dictionary
/// tables; 10.11 is the release whose answers are given; 99 cannot be mistaken for one of its patch releases.
pub const VERSION: &str = "10.11.99-MariaDB-pcloud";

/// The charsets in which statements and results may travel.
const CHARSETS: [&str; 5] = ["utf8mb4", "utf8mb3", "utf8", "ascii", "binary"];
/// Modes that change nothing about reading.
const MODES: [&str; 13] = [
    "ONLY_FULL_GROUP_BY",
    "NO_DIR_IN_CREATE",
    "NO_AUTO_VALUE_ON_ZERO",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES",
    "NO_ZERO_IN_DATE",
    "NO_ZERO_DATE",
    "ALLOW_INVALID_DATES",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "TRADITIONAL",
    "NO_AUTO_CREATE_USER",
    "NO_ENGINE_SUBSTITUTION",
    "IGNORE_BAD_TABLE_OPTIONS",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Session,
    Global,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// 1 or 0; SHOW VARIABLES says ON or OFF.
    Bool,
    Uint,
    Double,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// Remembered; it changes no answer.
    Free,
    /// It has a meaning here: see `checked`.
    Checked,
    Read,
}

#[derive(Debug)]
struct Definition {
    form: Form,
    session: bool,
    global: bool,
    set: Set,
    default: &'static str,
}

/// One session's variables.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// What differs from the list's default, as SHOW VARIABLES shows it.
    values: BTreeMap<&'static str, String>,
    users: BTreeMap<String, (ColumnType, Value)>,
    zone: TimeZone,
}

impl Variables {
    /// A new session's. `connection`: its number.
    pub fn new(connection: u32) -> Self {
        Self { values: BTreeMap::from([("pseudo_thread_id", connection.to_string())]), ..Self::default() }
    }

    /// The value of `@@name`, `@@session.name` or `@@global.name`.
    /// Errors: `UnknownVariable`; `Usage` for one that has no such scope.
    pub fn get(&self, scope: Option<Scope>, name: &str) -> Result<(ColumnType, Value)> {
        let (name, definition) = find(name)?;
        match scope {
            Some(Scope::Global) if !definition.global => {
                return Err(Error::new(Kind::Usage, format!("Variable '{name}' is a SESSION variable")));
            }
            Some(Scope::Session) if !definition.session => {
                return Err(Error::new(Kind::Usage, format!("Variable '{name}' is a GLOBAL variable")));
            }
            _ => {}
        }
        let shown = self.shown(scope.unwrap_or(Scope::Session), name, definition);
        // NULL is what "no conversion" looks like
        if name == "character_set_results" && shown.is_empty() {
            return Ok((text_type(), Value::Null));
        }
        Ok(match definition.form {
            Form::Bool => (int_type(), Value::Int(i64::from(matches!(shown, "ON" | "1" | "YES")))),
            Form::Uint => (uint_type(), Value::UInt(shown.parse().unwrap_or_default())),
            Form::Double => (
                ColumnType::Double { unsigned: false, decimals: Some(6) },
                Value::Double(shown.parse().unwrap_or_default()),
            ),
            Form::Text => (text_type(), Value::Text(shown.to_string())),
        })
    }

    fn shown<'a>(&'a self, scope: Scope, name: &str, definition: &'a Definition) -> &'a str {
        match scope {
            Scope::Session => self.values.get(name).map_or(definition.default, String::as_str),
            Scope::Global => definition.default,
        }
    }

    /// Every variable that SHOW VARIABLES prints, by name, with its text.
    pub fn list(&self, scope: Scope) -> Vec<(&'static str, String)> {
        let listed = |d: &Definition| scope == Scope::Session || d.global;
        let all = definitions().iter().filter(|(_, d)| listed(d));
        all.map(|(name, d)| (*name, self.shown(scope, name, d).to_string())).collect()
    }

    /// SET name = value. Nothing is changed when it fails.
    /// Errors: `UnknownVariable`; `ReadOnly` for global or read-only ones; `BadValue`; `Unsupported` for a value that
    /// asks for what pcloud does not do.
    pub fn set(&mut self, scope: Scope, name: &str, value: &Value) -> Result<()> {
        let (name, definition) = find(name)?;
        if definition.set == Set::Read {
            return Err(Error::new(Kind::ReadOnly, format!("Variable '{name}' is a read only variable")));
        }
        if scope == Scope::Global {
            return Err(Error::new(Kind::ReadOnly, format!("the global variable '{name}' cannot be set through SQL"))
                .hint(format!("Set it for this session: SET SESSION {name} = …")));
        }
        let text = formed(name, definition.form, value)?;
        match definition.set {
            Set::Checked => self.checked(name, text, value),
            _ => {
                self.values.insert(name, text);
                Ok(())
            }
        }
    }

    /// SET name = DEFAULT.
    pub fn set_default(&mut self, scope: Scope, name: &str) -> Result<()> {
        let (name, definition) = find(name)?;
        if scope == Scope::Global || definition.set == Set::Read {
            return self.set(scope, name, &Value::Text(definition.default.to_string()));
        }
        self.values.remove(name);
        if name == "time_zone" {
            self.zone = TimeZone::System;
        }
        Ok(())
    }

    /// SET NAMES charset [COLLATE collation]; `None`: the default.
    /// Errors: `BadValue` for unknown names, `Unsupported` for a charset that is not carried.
    pub fn set_names(&mut self, charset: Option<&str>, collation: Option<&str>) -> Result<()> {
        let charset = supported_charset(charset.unwrap_or("utf8mb4"))?;
        let collation = match collation {
            None => default_collation(charset).unwrap_or("utf8mb4_general_ci").to_string(),
            Some(c) => match super::tables::collation(c) {
                Some((name, of)) if of == charset => insensitive(name)?.to_string(),
                Some((name, _)) => {
                    let message = format!("COLLATION '{name}' is not valid for CHARACTER SET '{charset}'");
                    return Err(Error::new(Kind::BadValue, message));
                }
                None => return Err(Error::new(Kind::BadValue, format!("Unknown collation: '{c}'"))),
            },
        };
        for name in ["character_set_client", "character_set_connection", "character_set_results"] {
            self.values.insert(name, charset.to_string());
        }
        self.values.insert("collation_connection", collation);
        Ok(())
    }

    /// SET CHARACTER SET charset: the connection's stays the database's.
    pub fn set_character_set(&mut self, charset: Option<&str>) -> Result<()> {
        self.set_names(charset, None)?;
        self.values.remove("character_set_connection");
        self.values.remove("collation_connection");
        Ok(())
    }

    /// A user variable's type and value: `None` when it was never set (its value is NULL).
    pub fn user(&self, name: &str) -> Option<&(ColumnType, Value)> {
        self.users.get(&name.to_lowercase())
    }

    pub fn set_user(&mut self, name: &str, kind: ColumnType, value: Value) {
        self.users.insert(name.to_lowercase(), (kind, value));
    }

    pub fn time_zone(&self) -> TimeZone {
        self.zone
    }

    pub fn autocommit(&self) -> bool {
        self.text("autocommit") == "ON"
    }

    pub fn sql_mode(&self) -> &str {
        self.text("sql_mode")
    }

    /// In which charset results travel: `utf8mb4`, `utf8mb3`, `ascii` or `binary` (as they are).
    pub fn results_charset(&self) -> &str {
        Some(self.text("character_set_results")).filter(|c| !c.is_empty()).unwrap_or("binary")
    }

    pub fn collation(&self) -> &str {
        self.text("collation_connection")
    }

    /// At most so many rows of a SELECT without a LIMIT; `None`: all.
    pub fn select_limit(&self) -> Option<u64> {
        self.text("sql_select_limit").parse().ok().filter(|n| *n != u64::MAX)
    }

    /// How long a statement may take, in milliseconds; `None`: any time.
    pub fn statement_limit_ms(&self) -> Option<u64> {
        let seconds: f64 = self.text("max_statement_time").parse().unwrap_or_default();
        let ms: u64 = self.text("max_execution_time").parse().unwrap_or_default();
        let from_seconds = (seconds > 0.0).then_some((seconds * 1000.0).ceil() as u64);
        [from_seconds, Some(ms).filter(|n| *n > 0)].into_iter().flatten().min()
    }

    /// Puts in what only the session knows: `pcloud_as_of`, `warning_count`, `last_insert_id`, ….
    pub fn tell(&mut self, name: &str, value: impl Into<String>) {
        if let Ok((name, _)) = find(name) {
            self.values.insert(name, value.into());
        }
    }

    fn text(&self, name: &str) -> &str {
        find(name).map_or("", |(name, d)| self.shown(Scope::Session, name, d))
    }

    /// Sets a variable that has a meaning here. `text` is the value as it will be shown.
    fn checked(&mut self, name: &'static str, text: String, value: &Value) -> Result<()> {
        let default = self.text_default(name);
        let text = match name {
            "time_zone" => {
                self.zone = TimeZone::parse(&text)?;
                self.zone.to_string()
            }
            "sql_mode" => sql_mode(&text, value)?,
            "character_set_results" if value.is_null() || text.is_empty() => String::new(),
            "character_set_client" | "character_set_connection" | "character_set_results" => {
                supported_charset(&text)?.to_string()
            }
            "collation_connection" => match super::tables::collation(&text) {
                Some((name, charset)) => {
                    supported_charset(charset)?;
                    insensitive(name)?.to_string()
                }
                None => return Err(Error::new(Kind::BadValue, format!("Unknown collation: '{text}'"))),
            },
            "tx_isolation" | "transaction_isolation" => isolation(&text)?.to_string(),
            // any of these reads the same here: nothing can be written
            "tx_read_only" | "transaction_read_only" | "autocommit" | "sql_select_limit" => text,
            "max_statement_time" | "max_execution_time" => text,
            "pcloud_as_of" => text,
            _ if text == default => text,
            _ => {
                return Err(Error::new(Kind::Unsupported, format!("{name} can only be {default}, not {text}")));
            }
        };
        if name == "tx_isolation" || name == "transaction_isolation" {
            self.values.insert("tx_isolation", text.clone());
            self.values.insert("transaction_isolation", text);
        } else {
            self.values.insert(name, text);
        }
        Ok(())
    }

    fn text_default(&self, name: &str) -> &'static str {
        definitions().get(name).map_or("", |d| d.default)
    }
}

fn int_type() -> ColumnType {
    ColumnType::Int { bytes: 8, unsigned: false, zerofill: None }
}

fn uint_type() -> ColumnType {
    ColumnType::Int { bytes: 8, unsigned: true, zerofill: None }
}

fn text_type() -> ColumnType {
    ColumnType::Varchar { length: 4096 }
}

fn definitions() -> &'static BTreeMap<&'static str, Definition> {
    static ALL: OnceLock<BTreeMap<&'static str, Definition>> = OnceLock::new();
    ALL.get_or_init(|| {
        let lines = include_str!("../../../sql/variables.tsv").lines().filter(|l| !l.starts_with('#'));
        lines
            .filter_map(|line| {
                let [name, form, scope, set, default] = line.splitn(5, '\t').collect::<Vec<_>>().try_into().ok()?;
                let form = match form {
                    "bool" => Form::Bool,
                    "uint" => Form::Uint,
                    "double" => Form::Double,
                    _ => Form::Text,
                };
                let set = match set {
                    "free" => Set::Free,
                    "checked" => Set::Checked,
                    _ => Set::Read,
                };
                let (session, global) = (scope != "global", scope != "session");
                Some((name, Definition { form, session, global, set, default }))
            })
            .collect()
    })
}

fn find(name: &str) -> Result<(&'static str, &'static Definition)> {
    definitions().get_key_value(name.to_lowercase().as_str()).map(|(n, d)| (*n, d)).ok_or_else(|| {
        Error::new(Kind::UnknownVariable, format!("Unknown system variable '{name}'"))
            .hint("SHOW VARIABLES lists them.")
    })
}

/// The value in the form in which SHOW VARIABLES shows the variable.
fn formed(name: &str, form: Form, value: &Value) -> Result<String> {
    let bad = || {
        let shown = value.display(&text_type()).map(|b| String::from_utf8_lossy(&b).into_owned());
        let shown = shown.unwrap_or_else(|| "NULL".to_string());
        Error::new(Kind::BadValue, format!("Variable '{name}' can't be set to the value of '{shown}'"))
    };
    let text = match value {
        Value::Text(t) => t.clone(),
        Value::Bytes(b) => String::from_utf8(b.clone()).map_err(|_| bad())?,
        Value::Int(i) => i.to_string(),
        Value::UInt(u) => u.to_string(),
        Value::Double(d) => d.to_string(),
        Value::Float(d) => d.to_string(),
        Value::Decimal(_) => value
            .display(&ColumnType::Decimal { precision: 65, scale: 0, unsigned: false, zerofill: false })
            .map(|b| String::from_utf8_lossy(&b).into_owned())
            .unwrap_or_default(),
        Value::Null if name == "character_set_results" => String::new(),
        _ => return Err(bad()),
    };
    match form {
        Form::Bool => match text.to_ascii_uppercase().as_str() {
            "1" | "ON" | "TRUE" | "YES" => Ok("ON".to_string()),
            "0" | "OFF" | "FALSE" | "NO" => Ok("OFF".to_string()),
            _ => Err(bad()),
        },
        Form::Uint if matches!(value, Value::Int(i) if *i < 0) => Ok("0".to_string()),
        Form::Uint => text.trim().parse::<u64>().map(|n| n.to_string()).map_err(|_| bad()),
        Form::Double => text.trim().parse::<f64>().map(|n| format!("{:.6}", n.max(0.0))).map_err(|_| bad()),
        Form::Text => Ok(text),
    }
}

/// The charset's own name, if results and statements may travel in it.
fn supported_charset(name: &str) -> Result<&'static str> {
    let lower = name.to_lowercase();
    let found = CHARSETS.iter().find(|c| **c == lower).map(|c| if *c == "utf8" { "utf8mb3" } else { c });
    found.ok_or_else(|| match super::tables::charset(&lower) {
        Some(_) => Error::new(Kind::Unsupported, format!("character set {lower} is not supported by this port"))
            .hint("Use utf8mb4 (or utf8mb3, ascii, binary): SET NAMES utf8mb4"),
        None => Error::new(Kind::BadValue, format!("Unknown character set: '{name}'")),
    })
}

/// Literals compare without regard to case here, whatever the connection's collation is.
fn insensitive(collation: &'static str) -> Result<&'static str> {
    match collation.ends_with("_bin") || collation.ends_with("_cs") {
        true => Err(Error::new(Kind::Unsupported, format!("collation_connection {collation} is not supported"))
            .hint("Add COLLATE to the comparison instead; columns compare by their own collation anyway.")),
        false => Ok(collation),
    }
}

fn default_collation(charset: &str) -> Option<&'static str> {
    super::tables::charset(charset)
}

fn isolation(text: &str) -> Result<&'static str> {
    const LEVELS: [&str; 4] = ["READ-UNCOMMITTED", "READ-COMMITTED", "REPEATABLE-READ", "SERIALIZABLE"];
    let wanted = text.to_uppercase().replace(' ', "-");
    LEVELS.into_iter().find(|l| *l == wanted).ok_or_else(|| {
        Error::new(Kind::BadValue, format!("Variable 'tx_isolation' can't be set to the value of '{text}'"))
    })
}

/// The modes in upper case, each once. Errors: `BadValue`, `Unsupported`.
fn sql_mode(text: &str, value: &Value) -> Result<String> {
    if matches!(value, Value::Int(0) | Value::UInt(0)) {
        return Ok(String::new());
    }
    let mut modes: Vec<String> = Vec::new();
    for mode in text.split(',').map(|m| m.trim().to_uppercase()).filter(|m| !m.is_empty()) {
        if !MODES.contains(&mode.as_str()) {
            return Err(
                if mode.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                    && !mode.starts_with(|c: char| c.is_ascii_digit())
                {
                    Error::new(Kind::Unsupported, format!("sql_mode {mode} is not supported"))
                        .hint(format!("Supported are {}.", MODES.join(", ")))
                } else {
                    Error::new(Kind::BadValue, format!("Variable 'sql_mode' can't be set to the value of '{mode}'"))
                },
            );
        }
        if !modes.contains(&mode) {
            modes.push(mode);
        }
    }
    Ok(modes.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(v: &str) -> Value {
        Value::Text(v.to_string())
    }

    #[test]
    fn every_line_of_the_list_is_a_variable() {
        let lines = include_str!("../../../sql/variables.tsv").lines().filter(|l| !l.starts_with('#')).count();
        assert_eq!(definitions().len(), lines);
        let v = Variables::new(7);
        for (name, d) in definitions() {
            let scope = if d.session { Scope::Session } else { Scope::Global };
            assert!(v.get(Some(scope), name).is_ok(), "{name}");
        }
        assert_eq!(v.get(None, "VERSION").expect("known").1, text(VERSION));
        assert_eq!(v.get(None, "pseudo_thread_id").expect("known").1, Value::UInt(7));
    }

    #[test]
    fn what_is_unknown_global_or_read_only_is_refused() {
        let mut v = Variables::new(1);
        assert_eq!(v.get(None, "nope").err().map(|e| e.kind), Some(Kind::UnknownVariable));
        assert_eq!(v.set(Scope::Session, "nope", &text("1")).err().map(|e| e.kind), Some(Kind::UnknownVariable));
        assert_eq!(v.set(Scope::Session, "version", &text("1")).err().map(|e| e.kind), Some(Kind::ReadOnly));
        assert_eq!(v.set(Scope::Global, "sql_mode", &text("")).err().map(|e| e.kind), Some(Kind::ReadOnly));
        assert_eq!(v.get(Some(Scope::Session), "version").err().map(|e| e.kind), Some(Kind::Usage));
    }

    #[test]
    fn the_zone_is_checked_and_kept() {
        let mut v = Variables::new(1);
        v.set(Scope::Session, "time_zone", &text("europe/berlin")).expect("a zone");
        assert_eq!(v.get(None, "time_zone").expect("known").1, text("Europe/Berlin"));
        assert_eq!(v.time_zone(), TimeZone::Named(chrono_tz::Europe::Berlin));
        assert_eq!(v.set(Scope::Session, "time_zone", &text("Nowhere")).err().map(|e| e.kind), Some(Kind::BadValue));
        assert_eq!(v.time_zone(), TimeZone::Named(chrono_tz::Europe::Berlin));
        v.set_default(Scope::Session, "time_zone").expect("settable");
        assert_eq!(v.time_zone(), TimeZone::System);
    }

    #[test]
    fn charsets_that_do_not_travel_are_refused_by_name() {
        let mut v = Variables::new(1);
        v.set_names(Some("utf8"), None).expect("carried");
        assert_eq!(v.results_charset(), "utf8mb3");
        assert_eq!(v.collation(), "utf8mb3_general_ci");
        v.set_names(Some("utf8mb4"), Some("utf8mb4_unicode_ci")).expect("carried");
        assert_eq!(v.collation(), "utf8mb4_unicode_ci");
        let e = v.set_names(Some("latin1"), None).expect_err("not carried");
        assert_eq!(e.kind, Kind::Unsupported);
        assert!(e.message.contains("latin1"));
        assert_eq!(v.set_names(Some("klingon"), None).err().map(|e| e.kind), Some(Kind::BadValue));
        let sensitive = v.set_names(Some("utf8mb4"), Some("utf8mb4_bin"));
        assert_eq!(sensitive.err().map(|e| e.kind), Some(Kind::Unsupported));
        let mixed = v.set_names(Some("utf8mb4"), Some("utf8mb3_bin"));
        assert_eq!(mixed.err().map(|e| e.kind), Some(Kind::BadValue));
        v.set(Scope::Session, "character_set_results", &Value::Null).expect("NULL: as they are");
        assert_eq!(v.get(None, "character_set_results").expect("known").1, Value::Null);
        assert_eq!(v.results_charset(), "binary");
    }

    #[test]
    fn modes_that_change_a_statements_meaning_are_refused() {
        let mut v = Variables::new(1);
        v.set(Scope::Session, "sql_mode", &text("strict_trans_tables,NO_ZERO_DATE,STRICT_TRANS_TABLES"))
            .expect("harmless");
        assert_eq!(v.sql_mode(), "STRICT_TRANS_TABLES,NO_ZERO_DATE");
        v.set(Scope::Session, "sql_mode", &text("")).expect("none");
        let e = v.set(Scope::Session, "sql_mode", &text("ANSI_QUOTES")).expect_err("not supported");
        assert_eq!(e.kind, Kind::Unsupported);
        assert!(e.message.contains("ANSI_QUOTES"));
    }

    #[test]
    fn switches_take_all_their_spellings() {
        let mut v = Variables::new(1);
        for (value, on) in [(Value::Int(0), false), (text("on"), true), (text("FALSE"), false), (Value::UInt(1), true)]
        {
            v.set(Scope::Session, "autocommit", &value).expect("a switch");
            assert_eq!(v.autocommit(), on);
        }
        assert_eq!(v.set(Scope::Session, "autocommit", &Value::Int(2)).err().map(|e| e.kind), Some(Kind::BadValue));
        v.set(Scope::Session, "sql_select_limit", &Value::Int(200)).expect("a number");
        assert_eq!(v.select_limit(), Some(200));
        v.set(Scope::Session, "max_statement_time", &Value::Double(1.5)).expect("a number");
        assert_eq!(v.statement_limit_ms(), Some(1500));
        let e = v.set(Scope::Session, "div_precision_increment", &Value::Int(9)).expect_err("only the default");
        assert_eq!(e.kind, Kind::Unsupported);
    }
}
