//! What did a dump set before its rows? The session as far as the meaning of values depends on it.

use super::insert::Writing;
use crate::error::{Error, Kind, Result};
use crate::model::{ColumnType, TableSchema};
use std::collections::HashMap;

/// sql_mode, time_zone and the charset of values, as the SET statements so far left them.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub sql_mode: String,
    /// TIMESTAMPs are written in UTC.
    utc: bool,
    /// SET NAMES binary: texts are the bytes of their columns' own charsets.
    binary: bool,
    /// What `@x = @@variable` kept.
    kept: HashMap<String, String>,
}

impl Settings {
    pub fn writing(&self) -> Writing {
        Writing {
            ansi_quotes: self.sql_mode.contains("ANSI"),
            plain_backslash: self.sql_mode.contains("NO_BACKSLASH_ESCAPES"),
            own_charsets: self.binary,
        }
    }

    /// Takes a SET statement. Errors: `Unsupported` for a charset in which values are not read.
    pub fn set(&mut self, text: &str) -> Result<()> {
        let list = text.trim_start().get(3..).unwrap_or_default().trim_start();
        let names = list.get(..6).is_some_and(|w| w.eq_ignore_ascii_case("NAMES "));
        if names {
            let charset = list[6..].split_whitespace().next().unwrap_or_default().trim_matches(['\'', '"']);
            return self.names(&charset.to_ascii_lowercase());
        }
        for assignment in assignments(list) {
            let Some((name, value)) = assignment.split_once('=') else { continue };
            let value = value.trim();
            match variable(name).as_str() {
                "sql_mode" => self.sql_mode = self.value(value).to_ascii_uppercase(),
                "time_zone" => self.utc = matches!(self.value(value).as_str(), "+00:00" | "UTC"),
                name if name.starts_with('@') => {
                    let kept = match variable(value).as_str() {
                        "sql_mode" => self.sql_mode.clone(),
                        "time_zone" if self.utc => "+00:00".to_string(),
                        _ => String::new(),
                    };
                    self.kept.insert(name.to_string(), kept);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn names(&mut self, charset: &str) -> Result<()> {
        self.binary = charset == "binary";
        if matches!(charset, "utf8mb4" | "utf8" | "utf8mb3" | "binary" | "ascii") || charset.starts_with('@') {
            return Ok(());
        }
        Err(Error::new(Kind::Unsupported, format!("the dump is written in {charset}"))
            .hint("Dump with --default-character-set=utf8mb4."))
    }

    /// A literal's text, or what a variable kept; of anything else, nothing.
    fn value(&self, value: &str) -> String {
        match value.as_bytes() {
            [quote @ (b'\'' | b'"'), .., last] if quote == last => value[1..value.len() - 1].to_string(),
            [b'@', ..] => self.kept.get(&value.to_ascii_lowercase()).cloned().unwrap_or_default(),
            _ => String::new(),
        }
    }

    /// Whether what is set says how to read this table's values. Errors: `Unsupported`.
    pub fn fits(&self, schema: &TableSchema) -> Result<()> {
        if !self.utc && schema.columns.iter().any(|c| matches!(c.kind, ColumnType::Timestamp { .. })) {
            let text = format!("table {} has TIMESTAMP columns, in a zone that the dump does not name", schema.name);
            return Err(Error::new(Kind::Unsupported, text).hint("Dump without --skip-tz-utc."));
        }
        Ok(())
    }
}

/// `@@SESSION.SQL_MODE`, `SESSION sql_mode` and `sql_mode` are one.
fn variable(name: &str) -> String {
    let name = name.trim().trim_end_matches(':').trim().to_ascii_lowercase();
    let plain = name.strip_prefix("@@").or(Some(name.as_str()).filter(|n| !n.starts_with('@')));
    let Some(plain) = plain else { return name };
    let plain = plain.strip_prefix("session").map_or(plain, |n| n.trim_start_matches('.').trim_start());
    plain.trim_matches('`').to_string()
}

/// The list cut at its commas, but not within quotes.
fn assignments(list: &str) -> Vec<&str> {
    let (mut out, mut start, mut within) = (Vec::new(), 0, None);
    for (i, c) in list.char_indices() {
        match (within, c) {
            (None, '\'' | '"') => within = Some(c),
            (Some(quote), c) if c == quote => within = None,
            (None, ',') => {
                out.push(&list[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(&list[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_and_put_back() {
        let mut s = Settings::default();
        let set = |s: &mut Settings, text: &str| s.set(text).expect(text);
        set(&mut s, "SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO,ANSI'");
        assert!(s.writing().ansi_quotes && !s.writing().plain_backslash);
        set(&mut s, "SET @saved_sql_mode       = @@sql_mode");
        set(&mut s, "SET sql_mode              = 'NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES'");
        assert!(!s.writing().ansi_quotes && s.writing().plain_backslash);
        set(&mut s, "SET sql_mode              = @saved_sql_mode");
        assert_eq!(s.sql_mode, "NO_AUTO_VALUE_ON_ZERO,ANSI");
        set(&mut s, "SET @@SESSION.sql_mode=@OLD_SQL_MODE");
        assert_eq!(s.sql_mode, "");
        set(&mut s, "SET @OLD_TIME_ZONE=@@TIME_ZONE");
        set(&mut s, "SET TIME_ZONE='+00:00'");
        assert!(s.utc);
        set(&mut s, "SET @saved_time_zone = @@time_zone, time_zone = 'SYSTEM'");
        assert!(!s.utc);
        set(&mut s, "SET time_zone = @saved_time_zone");
        assert!(s.utc);
        set(&mut s, "SET NAMES binary");
        assert!(s.binary);
        set(&mut s, "SET NAMES 'utf8mb4' COLLATE x");
        assert!(!s.binary);
        let error = s.set("SET NAMES cp1251").expect_err("not read");
        assert!(error.message.contains("cp1251") && error.hint.is_some(), "{error}");
    }
}
