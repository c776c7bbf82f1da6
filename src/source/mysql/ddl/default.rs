//! What does a DEFAULT clause say, and which value is it in its column?

use super::lex::quote_text;
use super::table::{ColumnDef, same_name};
use crate::model::{Charset, ColumnType, Value};

/// What a DEFAULT clause says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultDef {
    Null,
    /// `'text'` or a number, as its characters.
    Literal {
        text: String,
        quoted: bool,
    },
    /// `b'101'`, `0x41`: its bytes.
    Raw(Vec<u8>),
    /// Anything that is computed, as its text.
    Expression(String),
}

impl ColumnDef {
    /// The default's value in this column, if it is a constant that the column holds unchanged.
    pub fn default_value(&self) -> Option<Value> {
        match self.default.as_ref()? {
            DefaultDef::Null => Some(Value::Null),
            DefaultDef::Expression(_) => None,
            DefaultDef::Raw(bytes) => match &self.kind {
                ColumnType::Bit { .. } => Value::parse(&self.kind, bytes).ok(),
                kind if kind.is_binary() || kind.is_text() => Value::parse(kind, bytes).ok(),
                kind => {
                    let number = bytes.iter().try_fold(0u64, |v, b| v.checked_mul(256)?.checked_add(u64::from(*b)))?;
                    Value::parse(kind, number.to_string().as_bytes()).ok()
                }
            },
            DefaultDef::Literal { text, quoted } => {
                let value = match (&self.kind, quoted) {
                    (ColumnType::Bit { bits }, false) => {
                        let v: u64 = text.parse().ok()?;
                        (*bits >= 64 || v >> bits == 0).then_some(Value::UInt(v))
                    }
                    // a number as a date is read by rules of its own
                    (kind, false) if !kind.is_numeric() && !kind.is_text() && text != "0" => None,
                    (ColumnType::Date | ColumnType::DateTime { .. } | ColumnType::Timestamp { .. }, _)
                        if text == "0" =>
                    {
                        Some(Value::implicit_default(&self.kind))
                    }
                    (ColumnType::Year, _) if text.len() != 4 => None,
                    (ColumnType::Char { .. }, _) => Some(Value::Text(text.trim_end_matches(' ').to_string())),
                    (kind, _) => Value::parse(kind, text.as_bytes()).ok(),
                }?;
                let longest = match &self.kind {
                    ColumnType::Char { length } | ColumnType::Varchar { length } => *length as usize,
                    _ => usize::MAX,
                };
                let charset = self.collation.as_deref().and_then(Charset::of_collation).unwrap_or_default();
                match (&value, &self.kind) {
                    (Value::Text(t), _) if t.chars().count() > longest || charset.encode(t).is_none() => None,
                    (Value::Text(t), ColumnType::Enum { members }) => {
                        members.iter().find(|m| m.to_lowercase() == t.to_lowercase()).map(|m| Value::Text(m.clone()))
                    }
                    (Value::Text(t), ColumnType::Set { members }) => set_value(t, members),
                    _ => Some(value),
                }
            }
        }
    }

    /// The DEFAULT clause's text, without the word; `None`: the column has none or NULL.
    pub fn default_text(&self) -> Option<String> {
        let verbatim = match self.default.as_ref()? {
            DefaultDef::Null => return None,
            DefaultDef::Expression(text) => return Some(text.clone()),
            DefaultDef::Raw(bytes) => format!("x'{}'", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
            DefaultDef::Literal { text, quoted: true } => quote_text(text),
            DefaultDef::Literal { text, quoted: false } => text.clone(),
        };
        let Some(value) = self.default_value() else { return Some(verbatim) };
        if let (ColumnType::Bit { .. }, Value::UInt(v)) = (&self.kind, &value) {
            return Some(format!("b'{v:b}'"));
        }
        let text = value.display(&self.kind).and_then(|t| String::from_utf8(t).ok());
        Some(match text {
            Some(text) if self.kind.is_numeric() => text,
            Some(text) => quote_text(&text),
            None => verbatim,
        })
    }
}

/// Members in their own order, each once. `None`: one of them is not a member.
fn set_value(text: &str, members: &[String]) -> Option<Value> {
    let wanted: Vec<&str> = text.split(',').filter(|m| !m.is_empty()).collect();
    let known = |w: &&str| members.iter().any(|m| same_name(m, w));
    let in_order = members.iter().filter(|m| wanted.iter().any(|w| same_name(m, w)));
    wanted.iter().all(known).then(|| Value::Text(in_order.map(String::as_str).collect::<Vec<_>>().join(",")))
}
