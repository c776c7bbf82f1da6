//! Random tables and values. Nothing here knows what a statement will do: the server itself is asked afterwards.

use crate::support::db::Product;
use fastrand::Rng;

const TYPES: &[&str] = &[
    "TINYINT",
    "TINYINT UNSIGNED",
    "SMALLINT",
    "MEDIUMINT UNSIGNED",
    "INT",
    "INT UNSIGNED",
    "BIGINT",
    "BIGINT UNSIGNED",
    "DECIMAL(10,3)",
    "DECIMAL(65,30)",
    "FLOAT",
    "DOUBLE",
    "BIT(1)",
    "BIT(20)",
    "YEAR",
    "DATE",
    "TIME",
    "TIME(3)",
    "DATETIME",
    "DATETIME(6)",
    "TIMESTAMP NULL",
    "TIMESTAMP(4) NULL",
    "CHAR(10)",
    "VARCHAR(40)",
    "VARCHAR(20) CHARACTER SET latin1",
    "VARCHAR(20) CHARACTER SET utf16",
    "TINYTEXT CHARACTER SET gbk",
    "TEXT",
    "BINARY(6)",
    "VARBINARY(30)",
    "BLOB",
    "MEDIUMBLOB",
    "ENUM('a','b','ü')",
    "SET('x','y','z')",
    "JSON",
    "POINT",
    "GEOMETRY",
];
const MARIADB_TYPES: &[&str] = &["UUID", "INET6", "INET4", "VARCHAR(50) COMPRESSED", "BLOB COMPRESSED"];
const NEW_MARIADB_TYPES: &[&str] = &["VECTOR(3)"];
const MYSQL_TYPES: &[&str] = &["VECTOR(3)"];

const WORDS: &[&str] =
    &["", "a", "A", "Grüße", "o''clock", "back\\\\slash", "日本", "🦀", "two words", "NULL", "%_ ", "x "];

/// A column type of the server's.
pub fn column_type(rng: &mut Rng, product: Product) -> &'static str {
    let more: &[&[&str]] = match product {
        Product::MariaDb1011 => &[MARIADB_TYPES],
        Product::MariaDb118 => &[MARIADB_TYPES, NEW_MARIADB_TYPES],
        Product::MySql9 => &[MYSQL_TYPES],
    };
    // the rarer types only now and then, so that most tables have common ones alone
    match rng.u8(..10) {
        0 => {
            let all: Vec<_> = more.concat();
            all[rng.usize(..all.len())]
        }
        _ => TYPES[rng.usize(..TYPES.len())],
    }
}

/// A column's definition behind its name.
pub fn column(rng: &mut Rng, product: Product) -> String {
    let kind = column_type(rng, product);
    let plain = ["TINYINT", "INT", "BIGINT", "DECIMAL(10,3)", "DOUBLE"].contains(&kind);
    match rng.u8(..10) {
        0 | 1 if plain => format!("{kind} NOT NULL DEFAULT {}", rng.u8(..9)),
        2 if kind == "VARCHAR(40)" => format!("{kind} NOT NULL DEFAULT 'd'"),
        3 if plain => format!("{kind} NOT NULL"),
        _ => kind.to_string(),
    }
}

/// A CREATE TABLE statement. `parents`: tables that have a key named `id`, and its type.
pub fn create_table(rng: &mut Rng, product: Product, name: &str, parents: &[(String, String)]) -> String {
    let mut parts = Vec::new();
    let mut tail = String::new();
    match rng.u8(..13) {
        0..=2 => {
            parts.push("id INT NOT NULL AUTO_INCREMENT PRIMARY KEY".to_string());
            tail = partitions(rng, "id");
        }
        3 => parts.extend(["a INT NOT NULL", "b VARCHAR(20) NOT NULL", "PRIMARY KEY (b, a)"].map(String::from)),
        4 => parts.push("id VARCHAR(20) NOT NULL PRIMARY KEY".into()),
        5 => parts.push("x INT".into()),
        6 => parts.push("x INT NOT NULL UNIQUE".into()),
        7 => parts.push("id DECIMAL(8,2) NOT NULL PRIMARY KEY".into()),
        8 => parts.push("id VARBINARY(8) NOT NULL PRIMARY KEY".into()),
        _ if parents.is_empty() => parts.push("id INT NOT NULL PRIMARY KEY".into()),
        n => {
            let own = (name.to_string(), "INT".to_string());
            let (parent, kind) = if rng.u8(..6) == 0 { &own } else { &parents[rng.usize(..parents.len())] };
            let action = ["CASCADE", "SET NULL", "RESTRICT"][rng.usize(..3)];
            parts.push("id INT NOT NULL PRIMARY KEY".into());
            parts.push(format!("parent {kind}"));
            let key = format!("FOREIGN KEY (parent) REFERENCES `{parent}` (id) ON DELETE {action}");
            parts.push(if n % 2 == 0 { key + " ON UPDATE CASCADE" } else { key });
        }
    }
    for i in 0..rng.usize(1..7) {
        parts.push(format!("c{i} {}", column(rng, product)));
    }
    // a primary key behind the columns must stay there
    parts.sort_by_key(|p| p.starts_with("PRIMARY KEY") || p.starts_with("FOREIGN KEY"));
    let charset = match rng.u8(..8) {
        0 => " DEFAULT CHARSET=latin1",
        1 => " DEFAULT CHARSET=utf8mb3",
        2 => " DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci",
        _ => "",
    };
    format!("CREATE TABLE {name} ({}) ENGINE=InnoDB{charset}{tail}", parts.join(", "))
}

fn partitions(rng: &mut Rng, key: &str) -> String {
    match rng.u8(..4) {
        0 => format!(" PARTITION BY HASH ({key}) PARTITIONS 3"),
        1 => format!(
            " PARTITION BY RANGE ({key}) (PARTITION p0 VALUES LESS THAN (20), PARTITION p1 VALUES LESS THAN (60), \
             PARTITION p2 VALUES LESS THAN MAXVALUE)"
        ),
        _ => String::new(),
    }
}

/// A literal for a column, whose type is as information_schema spells it.
pub fn value(rng: &mut Rng, product: Product, kind: &str, nullable: bool) -> String {
    if nullable && rng.u8(..) < 35 {
        return "NULL".into();
    }
    let base = kind.split(['(', ' ']).next().unwrap_or_default();
    match base {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => match rng.u8(..12) {
            0 => "-1".into(),
            1 => "127".into(),
            2 => "99999999999999999999".into(),
            3 => "-99999999999999999999".into(),
            _ => rng.u32(..120).to_string(),
        },
        "decimal" => match rng.u8(..6) {
            0 => "99999999999999999999999999999999999999999".into(),
            1 => "-0.0005".into(),
            _ => format!("{}{}.{:03}", if rng.bool() { "-" } else { "" }, rng.u32(..200), rng.u32(..1000)),
        },
        "float" | "double" => {
            ["0", "-0.1", "3.25", "1e30", "-1.5e-20", "16777217", "0.333333333333"][rng.usize(..7)].into()
        }
        "bit" => rng.u32(..1 << 20).to_string(),
        "year" => ["0", "1901", "2026", "2155"][rng.usize(..4)].into(),
        "date" => {
            ["'0000-00-00'", "'2024-02-29'", "'1000-01-01'", "'9999-12-31'", "'2026-11-23'"][rng.usize(..5)].into()
        }
        "time" => {
            ["'00:00:00'", "'-838:59:59'", "'12:34:56.789'", "'-00:00:00.5'", "'100:00:00'"][rng.usize(..5)].into()
        }
        "datetime" => {
            ["'0000-00-00 00:00:00'", "'2026-03-29 02:30:00'", "'9999-12-31 23:59:59'", "'2026-11-23 09:08:07.654321'"]
                [rng.usize(..4)]
            .into()
        }
        "timestamp" => {
            ["'0000-00-00 00:00:00'", "'1970-01-02 00:00:00'", "'2037-12-31 23:59:59.9999'", "'2026-11-23 09:08:07'"]
                [rng.usize(..4)]
            .into()
        }
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            let bytes: String =
                (0..rng.usize(..12)).map(|_| format!("{:02x}", [0u8, 255, 32, 65, 39][rng.usize(..5)])).collect();
            format!("x'{bytes}'")
        }
        "enum" => rng.u8(1..4).to_string(),
        "set" => rng.u8(..8).to_string(),
        "json" => ["'{\"b\": [1, null, \"ü\"], \"a\": 1.5}'", "'[]'", "'\"s\"'", "'{\"long\": {\"n\": -12345678901}}'"]
            [rng.usize(..4)]
        .into(),
        "point" | "geometry" => format!("ST_GeomFromText('POINT({} {})')", rng.u8(..90), rng.u8(..90)),
        "uuid" => format!("'{:08x}-1111-2222-3333-{:012x}'", rng.u32(..), rng.u32(..)),
        "inet6" => ["'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:10.0.0.1'"][rng.usize(..3)].into(),
        "inet4" => format!("'10.0.{}.{}'", rng.u8(..), rng.u8(..)),
        "vector" => {
            let text = format!("'[{},0.5,-{}]'", rng.u8(..), rng.u8(..));
            if product.is_mysql() { format!("STRING_TO_VECTOR({text})") } else { format!("VEC_FromText({text})") }
        }
        "longtext" if rng.bool() => "'{\"k\": [1, 2]}'".into(), // MariaDB's JSON
        _ => format!("'{}{}'", WORDS[rng.usize(..WORDS.len())], rng.u8(..30)),
    }
}
