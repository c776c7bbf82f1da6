//! A table's definition in parts, and the SHOW CREATE TABLE text that they add up to.

use super::default::DefaultDef;
use super::lex::{Cutting, Parser, Read, Unread, quote_text};
use super::types::{carried_charset, charset_of, default_collation, plain_name, type_text, under_charset};
use crate::model::{Column, ColumnId, ColumnType, Generated, TableId, TableKind, TableName, TableSchema, quote_name};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    pub name: String,
    pub kind: ColumnType,
    pub width: Option<u8>,
    pub nullable: bool,
    /// `NULL` or `NOT NULL` was written.
    pub null_written: bool,
    /// Charset and collation as written; `resolve` makes `collation` of them.
    pub charset_written: Option<String>,
    pub collation_written: Option<String>,
    pub binary_written: bool,
    pub collation: Option<String>,
    pub default: Option<DefaultDef>,
    pub on_update: Option<String>,
    pub auto_increment: bool,
    pub comment: String,
    /// The expression of a CHECK on the column.
    pub check: Option<String>,
    /// How the server makes its values, and the expression.
    pub generated: Option<(Generated, String)>,
    pub invisible: bool,
    /// COMPRESSED
    pub compressed: bool,
    /// MySQL's SRID of a spatial column.
    pub srid: Option<u64>,
    /// Why pcloud does not carry it.
    pub refused: Option<String>,
    /// Of a column that the table had before.
    pub id: Option<ColumnId>,
    pub missing: Option<String>,
}

impl ColumnDef {
    /// Decides the collation, and whether characters are bytes, under the table's default collation.
    pub fn resolve(&mut self, table_collation: &str) {
        let characters = self.kind.is_text() || self.kind.is_binary();
        let declared_bytes = self.kind.is_binary();
        if !characters || declared_bytes {
            return;
        }
        if self.kind == ColumnType::Json {
            // CONVERT TO gives it another one, as any text
            self.collation.get_or_insert_with(|| "utf8mb4_bin".into());
            return;
        }
        let charset = self.charset_written.as_deref().map(plain_name).filter(|c| c != "default");
        let collation = match (self.collation_written.as_deref().map(plain_name), charset) {
            (Some(collation), _) if collation != "default" => collation,
            (_, Some(charset)) if self.binary_written && charset != "binary" => format!("{charset}_bin"),
            (_, Some(charset)) => default_collation(&charset),
            (_, None) if self.binary_written => format!("{}_bin", charset_of(table_collation)),
            (_, None) => table_collation.to_string(),
        };
        let charset = charset_of(&collation).to_string();
        if !carried_charset(&charset) {
            self.refused.get_or_insert_with(|| format!("its charset is {charset}"));
        }
        self.kind = under_charset(self.kind.clone(), &charset);
        let json = |c: &String| c.replace([' ', '`'], "").eq_ignore_ascii_case(&format!("json_valid({})", self.name));
        if self.kind == (ColumnType::Text { size: crate::model::TextSize::Long })
            && self.check.as_ref().is_some_and(json)
        {
            self.kind = ColumnType::Json;
        }
        self.collation = self.kind.is_text().then_some(collation);
        // decided once: another default of the table changes nothing here
        (self.collation_written, self.charset_written, self.binary_written) = (self.collation.clone(), None, false);
    }

    /// One line of SHOW CREATE TABLE.
    fn text(&self, table_collation: &str) -> String {
        let mut s = format!("{} {}", quote_name(&self.name), type_text(&self.kind, self.width));
        if self.compressed {
            s += " /*M!100301 COMPRESSED*/";
        }
        if let Some(collation) =
            self.collation.as_deref().filter(|c| *c != table_collation || self.kind == ColumnType::Json)
        {
            s += &format!(" CHARACTER SET {} COLLATE {collation}", charset_of(collation));
        }
        match &self.generated {
            None => s += &self.attributes(),
            Some((Generated::RowStart, _)) => s += " GENERATED ALWAYS AS ROW START",
            Some((Generated::RowEnd, _)) => s += " GENERATED ALWAYS AS ROW END",
            Some((how, expression)) => {
                let kept = if *how == Generated::Stored { "STORED" } else { "VIRTUAL" };
                s += &format!(" GENERATED ALWAYS AS ({expression}) {kept}");
                if self.invisible {
                    s += " INVISIBLE";
                }
            }
        }
        if let Some(srid) = self.srid {
            s += &format!(" /*!80003 SRID {srid} */");
        }
        if !self.comment.is_empty() {
            s += &format!(" COMMENT {}", quote_text(&self.comment));
        }
        if self.kind == ColumnType::Json {
            s += &format!(" CHECK (json_valid({}))", quote_name(&self.name));
        } else if let Some(check) = &self.check {
            s += &format!(" CHECK ({check})");
        }
        s
    }

    /// What a column has that is not generated.
    fn attributes(&self) -> String {
        let mut s = String::new();
        if !self.nullable {
            s += " NOT NULL";
        } else if matches!(self.kind, ColumnType::Timestamp { .. }) {
            s += " NULL";
        }
        if self.invisible {
            s += " INVISIBLE";
        }
        match self.default_text() {
            Some(text) => s += &format!(" DEFAULT {text}"),
            None if self.nullable => s += " DEFAULT NULL",
            None => {}
        }
        if let Some(text) = &self.on_update {
            s += &format!(" ON UPDATE {text}");
        }
        if self.auto_increment {
            s += " AUTO_INCREMENT";
        }
        s
    }

    fn column(&self, id: ColumnId) -> Column {
        let mut extra = if self.auto_increment { "auto_increment".to_string() } else { String::new() };
        if let Some(text) = &self.on_update {
            extra = format!("on update {text}");
        }
        let generated = self.generated.as_ref().map(|(how, _)| *how);
        extra += match generated {
            None => "",
            Some(Generated::Virtual | Generated::Session) => "VIRTUAL GENERATED",
            Some(_) => "STORED GENERATED",
        };
        if self.invisible {
            extra = if extra.is_empty() { "INVISIBLE".into() } else { format!("{extra}, INVISIBLE") };
        }
        Column {
            id,
            name: self.name.clone(),
            kind: self.kind.clone(),
            nullable: self.nullable,
            collation: self.collation.clone(),
            missing: self.missing.clone(),
            default: self.default_text(),
            extra,
            comment: self.comment.clone(),
            invisible: self.invisible,
            generated,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    Primary,
    Unique,
    Index,
    Fulltext,
    Spatial,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    pub column: String,
    /// `(5)`, ` DESC`.
    pub suffix: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDef {
    pub kind: KeyKind,
    /// Empty for the primary key.
    pub name: String,
    pub parts: Vec<KeyPart>,
    /// ` USING BTREE`, ` COMMENT 'x'`.
    pub options: String,
    /// Made by the server for a foreign key.
    pub implied: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignDef {
    pub name: String,
    pub columns: Vec<String>,
    pub parent: (Option<String>, String),
    pub parent_columns: Vec<String>,
    /// ` ON DELETE CASCADE`, …
    pub actions: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckDef {
    pub name: String,
    pub expression: String,
    /// MySQL lets a check stand that nobody looks at.
    pub enforced: bool,
}

/// A table's definition, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableDef {
    pub columns: Vec<ColumnDef>,
    pub keys: Vec<KeyDef>,
    pub foreign: Vec<ForeignDef>,
    pub checks: Vec<CheckDef>,
    pub collation: String,
    /// `ENGINE`, `COMMENT`, … with their values as written. Not the charset.
    pub options: Vec<(String, String)>,
    /// `PERIOD FOR …` of system and application time.
    pub periods: Vec<String>,
    /// WITH SYSTEM VERSIONING
    pub versioned: bool,
    /// `PARTITION BY …`, or empty.
    pub partition: String,
    /// Why pcloud does not carry the table, beside what its columns say.
    pub refused: Option<String>,
}

impl TableDef {
    /// The parts of a table that is known. Errors: its text does not fit its columns.
    pub fn of(schema: &TableSchema) -> Read<Self> {
        let mut p = Parser::new(&schema.create, Cutting::default())?;
        let mut def = super::create::read_create(&mut p, "utf8mb4_general_ci")?.def;
        if def.columns.len() != schema.columns.len() {
            return Err(Unread::new("its definition and its columns differ"));
        }
        for (d, c) in def.columns.iter_mut().zip(&schema.columns) {
            if d.name != c.name {
                return Err(Unread::new("its definition and its columns differ"));
            }
            d.id = Some(c.id);
            d.missing = c.missing.clone();
        }
        Ok(def)
    }

    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| same_name(&c.name, column))
    }

    pub fn primary(&self) -> Option<&KeyDef> {
        self.keys.iter().find(|k| k.kind == KeyKind::Primary)
    }

    /// Column and reason, or only a reason, if pcloud does not carry the table.
    pub fn refusal(&self) -> Option<(Option<String>, String)> {
        if let Some(why) = &self.refused {
            return Some((None, why.clone()));
        }
        if let Some(c) = self.columns.iter().find(|c| c.refused.is_some()) {
            return Some((Some(c.name.clone()), c.refused.clone().unwrap_or_default()));
        }
        self.foreign_refusal().map(|why| (None, why))
    }

    /// Puts an option in place of the one with this name.
    pub fn set_option(&mut self, name: &str, value: String) {
        match self.options.iter_mut().find(|(n, _)| n == name) {
            Some((_, v)) => *v = value,
            None => self.options.push((name.to_string(), value)),
        }
    }

    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Puts keys in the order in which the server keeps them. Source: sort_keys in MariaDB's sql_table.cc.
    pub fn sort_keys(&mut self) {
        let columns = &self.columns;
        let rank = |k: &KeyDef| {
            let part_null = |p: &KeyPart| columns.iter().any(|c| same_name(&c.name, &p.column) && c.nullable);
            match k.kind {
                KeyKind::Primary => 0,
                KeyKind::Unique if k.parts.iter().any(part_null) => 3,
                KeyKind::Unique if k.parts.iter().any(|p| p.suffix.starts_with('(')) => 2,
                KeyKind::Unique => 1,
                KeyKind::Index | KeyKind::Spatial => 4,
                KeyKind::Fulltext => 5,
            }
        };
        let mut keys = std::mem::take(&mut self.keys);
        keys.sort_by_key(rank);
        self.keys = keys;
    }

    /// The table with these parts. Columns without an identity get new ones. `old`: the table as it was before.
    pub fn schema(&self, name: TableName, id: TableId, old: Option<&TableSchema>) -> Read<TableSchema> {
        let mut next = old.map_or(0, |t| t.next_column);
        let columns: Vec<Column> = self
            .columns
            .iter()
            .map(|c| {
                let id = c.id.unwrap_or_else(|| {
                    next += 1;
                    ColumnId(next - 1)
                });
                let mut column = c.column(id);
                let before = old.and_then(|t| t.columns.iter().find(|b| b.id == id)).and_then(|b| b.generated);
                if column.generated.is_some() && before == Some(Generated::LeftOut) {
                    column.generated = before;
                }
                column
            })
            .collect();
        let mut primary_key = Vec::new();
        for part in self.primary().map(|k| k.parts.as_slice()).unwrap_or_default() {
            let position = self.position(&part.column);
            primary_key.push(position.ok_or_else(|| Unread::new(format!("key column {} is missing", part.column)))?);
        }
        let create = self.text(&name.table);
        let foreign_keys = self.foreign.iter().map(|f| f.foreign_key(&name, &columns)).collect::<Read<_>>()?;
        let kind = match () {
            () if self.option("SEQUENCE").is_some() => TableKind::Sequence,
            () if self.versioned => TableKind::SystemVersioned,
            () => TableKind::Plain,
        };
        if kind == TableKind::Sequence {
            // each change is logged as its one row, whole: what only ALTER SEQUENCE changes makes it the same row
            primary_key = columns.iter().position(|c| c.name == "start_value").into_iter().collect();
        }
        Ok(TableSchema { id, name, columns, primary_key, create, next_column: next, foreign_keys, kind })
    }

    /// As SHOW CREATE TABLE prints it.
    pub fn text(&self, table: &str) -> String {
        let mut lines: Vec<String> = self.columns.iter().map(|c| c.text(&self.collation)).collect();
        lines.extend(self.keys.iter().map(key_text));
        lines.extend(self.periods.iter().cloned());
        // InnoDB keeps them by name
        let mut foreign: Vec<&ForeignDef> = self.foreign.iter().collect();
        foreign.sort_by(|a, b| a.name.cmp(&b.name));
        lines.extend(foreign.into_iter().map(foreign_text));
        lines.extend(self.checks.iter().map(|c| {
            let not = if c.enforced { "" } else { " /*!80016 NOT ENFORCED */" };
            format!("CONSTRAINT {} CHECK ({}){not}", quote_name(&c.name), c.expression)
        }));
        let mut s = format!("CREATE TABLE {} (\n  {}\n)", quote_name(table), lines.join(",\n  "));
        s += &format!(" ENGINE={}", self.option("ENGINE").unwrap_or("InnoDB"));
        if let Some(n) = self.option("AUTO_INCREMENT") {
            s += &format!(" AUTO_INCREMENT={n}");
        }
        s += &format!(" DEFAULT CHARSET={} COLLATE={}", charset_of(&self.collation), self.collation);
        let mut options: Vec<&(String, String)> =
            self.options.iter().filter(|(name, _)| !matches!(name.as_str(), "ENGINE" | "AUTO_INCREMENT")).collect();
        options.sort_by_key(|(name, _)| OPTIONS.iter().position(|o| o == name).unwrap_or(OPTIONS.len()));
        for (name, value) in options {
            s += &format!(" {name}={value}");
        }
        if self.versioned {
            s += " WITH SYSTEM VERSIONING";
        }
        if !self.partition.is_empty() {
            s += &format!("\n {}", self.partition);
        }
        s
    }
}

/// Options in the order in which SHOW CREATE TABLE prints them; others come after them. Source: add_table_options in
/// MariaDB's sql_show.cc.
const OPTIONS: [&str; 15] = [
    "MIN_ROWS",
    "MAX_ROWS",
    "AVG_ROW_LENGTH",
    "PACK_KEYS",
    "STATS_PERSISTENT",
    "STATS_AUTO_RECALC",
    "STATS_SAMPLE_PAGES",
    "CHECKSUM",
    "PAGE_CHECKSUM",
    "DELAY_KEY_WRITE",
    "ROW_FORMAT",
    "TRANSACTIONAL",
    "KEY_BLOCK_SIZE",
    "COMMENT",
    "CONNECTION",
];

/// MySQL compares names of columns and keys without regard to case.
pub fn same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

fn names(list: &[String]) -> String {
    list.iter().map(|n| quote_name(n)).collect::<Vec<_>>().join(", ")
}

fn key_text(key: &KeyDef) -> String {
    let parts =
        key.parts.iter().map(|p| format!("{}{}", quote_name(&p.column), p.suffix)).collect::<Vec<_>>().join(",");
    let head = match key.kind {
        KeyKind::Primary => "PRIMARY KEY".to_string(),
        KeyKind::Unique => format!("UNIQUE KEY {}", quote_name(&key.name)),
        KeyKind::Index => format!("KEY {}", quote_name(&key.name)),
        KeyKind::Fulltext => format!("FULLTEXT KEY {}", quote_name(&key.name)),
        KeyKind::Spatial => format!("SPATIAL KEY {}", quote_name(&key.name)),
    };
    format!("{head} ({parts}){}", key.options)
}

fn foreign_text(f: &ForeignDef) -> String {
    let parent = match &f.parent.0 {
        Some(database) => format!("{}.{}", quote_name(database), quote_name(&f.parent.1)),
        None => quote_name(&f.parent.1),
    };
    format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {parent} ({}){}",
        quote_name(&f.name),
        names(&f.columns),
        names(&f.parent_columns),
        f.actions
    )
}
