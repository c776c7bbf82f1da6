//! docs/types.md: what becomes of each type, as the code says it.

use crate::support::made::{Made, table};
use crate::support::port::Port;
use mysql_async::prelude::*;
use mysql_async::{Row, Value as Cell};
use pcloud::model::{Charset, Column, ColumnId, ColumnType, Generated, Shape, TableSchema, TextSize, Value};
use pcloud::restore::sent_as;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// A column and a value of it, as its text.
fn samples() -> Vec<(ColumnType, &'static str)> {
    let int = |bytes, unsigned| ColumnType::Int { bytes, unsigned, zerofill: None };
    let decimal = |precision, scale| ColumnType::Decimal { precision, scale, unsigned: false, zerofill: false };
    let members = || vec!["a".to_string(), "b".into()];
    vec![
        (int(1, false), "-128"),
        (int(1, true), "255"),
        (int(2, false), "-32768"),
        (int(3, false), "-8388608"),
        (int(4, false), "-2147483648"),
        (int(8, false), "-9223372036854775808"),
        (int(8, true), "18446744073709551615"),
        (ColumnType::Int { bytes: 4, unsigned: true, zerofill: Some(10) }, "42"),
        (decimal(10, 2), "-0.05"),
        (decimal(65, 30), "0.000000000000000000000000000001"),
        (ColumnType::Float { unsigned: false, decimals: None }, "16777216"),
        (ColumnType::Double { unsigned: false, decimals: None }, "1e15"),
        (ColumnType::Bit { bits: 9 }, "\u{1}A"),
        (ColumnType::Year, "0000"),
        (ColumnType::Date, "2026-11-22"),
        (ColumnType::Date, "0000-00-00"),
        (ColumnType::Date, "2026-02-31"),
        (ColumnType::Time { fsp: 0 }, "-838:59:59"),
        (ColumnType::Time { fsp: 6 }, "-00:00:00.000001"),
        (ColumnType::DateTime { fsp: 3 }, "2026-11-22 14:05:00.123"),
        (ColumnType::DateTime { fsp: 0 }, "0000-00-00 10:00:00"),
        (ColumnType::Timestamp { fsp: 0 }, "2106-02-07 06:28:15"),
        (ColumnType::Char { length: 10 }, "abc"),
        (ColumnType::Varchar { length: 10 }, "é🦀"),
        (ColumnType::Text { size: TextSize::Normal }, "text"),
        (ColumnType::Enum { members: members() }, "b"),
        (ColumnType::Set { members: members() }, "a,b"),
        (ColumnType::Json, "{\"k\": 1}"),
        (ColumnType::Binary { length: 3 }, "a"),
        (ColumnType::Varbinary { length: 3 }, "a"),
        (ColumnType::Blob { size: TextSize::Normal }, "a"),
        (ColumnType::Uuid, "123E4567e89b12d3a456426655440000"),
        (ColumnType::Inet4, "10.0.0.1"),
        (ColumnType::Inet6, "2001:DB8::0001"),
        (ColumnType::Geometry { shape: Shape::Point }, "\0\0\0\0\u{1}\u{1}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        (ColumnType::Vector { dimension: 1 }, "\0\0\0\0"),
    ]
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::NULL => "NULL".into(),
        Cell::Bytes(b) if std::str::from_utf8(b).is_ok_and(|t| !t.contains(char::is_control)) => {
            format!("`{}`", String::from_utf8_lossy(b))
        }
        Cell::Bytes(b) => b.iter().map(|b| format!("{b:02X}")).collect(),
        Cell::Int(v) => format!("integer {v}"),
        Cell::UInt(v) => format!("integer {v}, unsigned"),
        Cell::Float(v) => format!("float {v}"),
        Cell::Double(v) => format!("double {v:e}"),
        Cell::Date(y, m, d, h, i, s, us) => format!("date {y}-{m}-{d} {h}:{i}:{s}.{us}"),
        Cell::Time(negative, d, h, i, s, us) => {
            format!("time {}{d} d {h}:{i}:{s}.{us}", if *negative { "-" } else { "" })
        }
    }
}

async fn rows() -> String {
    let samples = samples();
    let names: Vec<String> = (0..samples.len()).map(|i| format!("c{i}")).collect();
    let columns: Vec<(u32, &str, ColumnType)> =
        samples.iter().zip(&names).enumerate().map(|(i, ((k, _), n))| (i as u32, n.as_str(), k.clone())).collect();
    let schema: Arc<TableSchema> = table(1, "t", &columns, 1);
    let row: Vec<Value> =
        samples.iter().map(|(k, text)| Value::parse(k, text.as_bytes()).expect("a value of its type")).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let _made = Made::begin(dir.path(), &[(schema.clone(), vec![row])]).await;
    let port = Port::open(dir.path()).await;
    let mut conn = port.connect().await;
    conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
    let text: Row = conn.query_first("SELECT * FROM d.t").await.expect("an answer").expect("a row");
    let binary: Row = conn.exec_first("SELECT * FROM d.t", ()).await.expect("an answer").expect("a row");
    let mut page = String::new();
    for (i, column) in schema.columns.iter().enumerate() {
        let wire = text.columns_ref()[i].column_type();
        let arrow = column.kind.arrow().to_string();
        let (text, binary) = (shown(&text[i]), shown(&binary[i]));
        let binary = if binary == text { "the same".to_string() } else { binary };
        writeln!(page, "| {} | {arrow} | {text} | {binary} | {wire:?} | {} |", column.kind, sent_as(column))
            .expect("a String takes all");
    }
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_about_types_says_what_the_code_does() {
    let mut page = String::from(
        "| type | Arrow | text protocol | binary protocol | type on the wire | RESTORE sends |\n|---|---|---|---|---|---|\n",
    );
    page += &rows().await;
    let of = |collation: Option<&str>, generated: Option<Generated>| {
        let mut column = Column::new(ColumnId(0), "c", ColumnType::Varchar { length: 1 });
        (column.collation, column.generated) = (collation.map(str::to_string), generated);
        sent_as(&column)
    };
    writeln!(
        page,
        "\nText of other charsets: `{}`. Generated columns: {}.",
        of(Some("latin1_swedish_ci"), None),
        of(None, Some(Generated::Stored))
    )
    .expect("a String takes all");
    let names: Vec<_> = Charset::all().map(Charset::name).collect();
    writeln!(page, "\nCharsets: {}.", names.join(", ")).expect("a String takes all");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/types.md");
    let old = std::fs::read_to_string(&path).expect("docs/types.md");
    let (begin, end) = ("<!-- from here on: tests/it/types/page.rs -->\n", "<!-- up to here -->\n");
    let (head, rest) = old.split_once(begin).expect("the marker");
    let (_, tail) = rest.split_once(end).expect("the second marker");
    let new = format!("{head}{begin}\n{page}\n{end}{tail}");
    if std::env::var_os("PCLOUD_WRITE_DOCS").is_some() {
        std::fs::write(&path, &new).expect("written");
    }
    assert!(
        new == old || std::env::var_os("PCLOUD_WRITE_DOCS").is_some(),
        "docs/types.md differs; PCLOUD_WRITE_DOCS=1 writes it:\n{page}"
    );
}
