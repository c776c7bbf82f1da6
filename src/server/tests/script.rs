//! Answers out of a script.

use crate::model::{
    Column, ColumnId, ColumnType, RowsBuilder, TableId, TableName, TableSchema, TextSize, Value, ZERO_DATE,
    ZERO_DATETIME,
};
use crate::query::{Prepared, ResultColumn, Rows};
use crate::server::column::Charset;
use crate::server::engine::{Engine, Reply, State};
use crate::server::errno::SqlError;
use crate::server::registry::Registry;
use arrow::array::RecordBatch;
use arrow::datatypes::i256;
use async_trait::async_trait;
use futures::StreamExt;
use mysql_common::constants::StatusFlags;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub struct Script {
    registry: Arc<Registry>,
    id: u32,
    database: Option<String>,
    charset: Charset,
}

const BIG: ColumnType = ColumnType::Int { bytes: 8, unsigned: false, zerofill: None };
const LONG: ColumnType = ColumnType::Text { size: TextSize::Long };

fn table(kinds: &[ColumnType]) -> TableSchema {
    let column = |(i, kind): (usize, &ColumnType)| Column::new(ColumnId(i as u32), format!("c{i}"), kind.clone());
    TableSchema {
        id: TableId(1),
        name: TableName::new("toy", "types"),
        columns: kinds.iter().enumerate().map(column).collect(),
        primary_key: Vec::new(),
        create: String::new(),
        next_column: 0,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    }
}

pub fn batch(kinds: &[ColumnType], rows: &[Vec<Value>]) -> RecordBatch {
    let mut builder = RowsBuilder::new(&table(kinds));
    rows.iter().for_each(|r| builder.push(r).expect("values of the kinds"));
    builder.finish()
}

pub fn headings(kinds: &[ColumnType]) -> Vec<ResultColumn> {
    kinds.iter().enumerate().map(|(i, k)| ResultColumn::new(format!("c{i}"), k.clone())).collect()
}

fn one(kind: ColumnType, value: Value) -> Reply {
    let kinds = [kind];
    Reply::Rows(Rows::of(headings(&kinds), batch(&kinds, &[vec![value]])))
}

/// Every type, with values at its edges, and a row of NULLs.
pub fn types() -> (Vec<ColumnType>, Vec<Vec<Value>>) {
    let int = |bytes, unsigned| ColumnType::Int { bytes, unsigned, zerofill: None };
    let decimal = |precision, scale, zerofill| ColumnType::Decimal { precision, scale, unsigned: zerofill, zerofill };
    let members = || vec!["a".to_string(), "b".to_string()];
    let text = |s: &str| Value::Text(s.into());
    let big = i256::from_string("-12345678901234567890123456789012345678901234567890123456789012345").expect("digits");
    let columns: Vec<(ColumnType, Value, Value)> = vec![
        (int(1, false), Value::Int(-128), Value::Int(127)),
        (int(1, true), Value::UInt(0), Value::UInt(255)),
        (int(2, false), Value::Int(-32768), Value::Int(32767)),
        (int(2, true), Value::UInt(0), Value::UInt(65535)),
        (int(3, false), Value::Int(-8_388_608), Value::Int(8_388_607)),
        (int(3, true), Value::UInt(0), Value::UInt(16_777_215)),
        (int(4, false), Value::Int(i32::MIN.into()), Value::Int(i32::MAX.into())),
        (int(4, true), Value::UInt(0), Value::UInt(u32::MAX.into())),
        (int(8, false), Value::Int(i64::MIN), Value::Int(i64::MAX)),
        (int(8, true), Value::UInt(0), Value::UInt(u64::MAX)),
        (ColumnType::Int { bytes: 4, unsigned: true, zerofill: Some(7) }, Value::UInt(42), Value::UInt(123_456_789)),
        (decimal(10, 2, false), Value::Decimal(i256::from_i128(-5)), Value::Decimal(i256::from_i128(1_234_567_890))),
        (decimal(5, 5, false), Value::Decimal(i256::from_i128(-12)), Value::Decimal(i256::ZERO)),
        (decimal(65, 30, false), Value::Decimal(big), Value::Decimal(i256::ONE)),
        (decimal(65, 0, false), Value::Decimal(big), Value::Decimal(i256::ZERO)),
        (decimal(8, 3, true), Value::Decimal(i256::from_i128(42)), Value::Decimal(i256::from_i128(12_345_678))),
        (ColumnType::Float { unsigned: false, decimals: None }, Value::Float(0.1), Value::Float(-3.402_823_5e38)),
        (ColumnType::Float { unsigned: false, decimals: Some(2) }, Value::Float(0.5), Value::Float(-1.25)),
        (ColumnType::Double { unsigned: false, decimals: None }, Value::Double(0.1), Value::Double(1.797e308)),
        (ColumnType::Double { unsigned: false, decimals: Some(3) }, Value::Double(-0.5), Value::Double(1e20)),
        (ColumnType::Bit { bits: 1 }, Value::UInt(0), Value::UInt(1)),
        (ColumnType::Bit { bits: 17 }, Value::UInt(1), Value::UInt(0x1_0203)),
        (ColumnType::Bit { bits: 64 }, Value::UInt(0), Value::UInt(u64::MAX)),
        (ColumnType::Year, Value::UInt(0), Value::UInt(2155)),
        (ColumnType::Date, Value::Date(ZERO_DATE), Value::Date(2_932_896)),
        (ColumnType::DateTime { fsp: 0 }, Value::DateTime(ZERO_DATETIME), Value::DateTime(-1_000_000)),
        (ColumnType::DateTime { fsp: 3 }, Value::DateTime(ZERO_DATETIME), Value::DateTime(86_400_123_000)),
        (ColumnType::DateTime { fsp: 6 }, Value::DateTime(253_402_300_799_999_999), Value::DateTime(0)),
        (ColumnType::Time { fsp: 0 }, Value::Time(-3_020_399_000_000), Value::Time(0)),
        (ColumnType::Time { fsp: 6 }, Value::Time(-1), Value::Time(3_020_399_999_999)),
        (ColumnType::Char { length: 10 }, text(""), text("aä€🦀")),
        (ColumnType::Varchar { length: 300 }, text(&"x".repeat(250)), text(&"ä".repeat(126))),
        (LONG, text(&"y".repeat(65_535)), text(&"z".repeat(65_536))),
        (ColumnType::Binary { length: 4 }, Value::Bytes(vec![0; 4]), Value::Bytes(vec![0xff, 0, 0xfe, 0xfb])),
        (ColumnType::Varbinary { length: 300 }, Value::Bytes(vec![0xfb; 251]), Value::Bytes(vec![])),
        (ColumnType::Blob { size: TextSize::Long }, Value::Bytes(vec![0xff]), Value::Bytes(vec![0])),
        (ColumnType::Enum { members: members() }, text("a"), text("b")),
        (ColumnType::Set { members: members() }, text("a,b"), text("")),
        (ColumnType::Json, text("{\"a\": 1}"), text("null")),
    ];
    let nulls = vec![Value::Null; columns.len()];
    let (mut kinds, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, l, h) in columns {
        kinds.push(kind);
        low.push(l);
        high.push(h);
    }
    (kinds, vec![low, high, nulls])
}

/// `per_batch` rows of one number each, counting from 0.
fn counting(rows: i64, per_batch: i64, pause: Duration) -> Rows {
    let batches = futures::stream::unfold(0i64, move |at| async move {
        if at >= rows {
            return None;
        }
        tokio::time::sleep(pause).await;
        let end = rows.min(at + per_batch);
        let values: Vec<_> = (at..end).map(|n| vec![Value::Int(n)]).collect();
        Some((Ok(batch(&[BIG], &values)), end))
    });
    Rows { columns: headings(&[BIG]), batches: batches.boxed() }
}

fn number(word: &str) -> Result<u32, SqlError> {
    word.parse().map_err(|_| SqlError::new(1064, "42000", format!("no number: {word}")))
}

impl Script {
    pub fn new(registry: Arc<Registry>, id: u32) -> Self {
        Self { registry, id, database: None, charset: Charset::default() }
    }

    async fn select(&self, what: &str, p: &[Value], cancel: CancellationToken) -> Result<Reply, SqlError> {
        let words: Vec<&str> = what.split(' ').collect();
        Ok(match (words.as_slice(), p) {
            (["1"], []) => one(BIG, Value::Int(1)),
            (["?"], [v @ (Value::Int(_) | Value::Null)]) => one(BIG, v.clone()),
            (["length", "?"], [Value::Bytes(v)]) => one(BIG, Value::Int(v.len() as i64)),
            (["length", "?"], [Value::Text(v)]) => one(BIG, Value::Int(v.len() as i64)),
            (["repeat", n], []) => one(LONG, Value::Text("y".repeat(number(n)? as usize))),
            (["types"], []) => {
                let (kinds, rows) = types();
                Reply::Rows(Rows::of(headings(&kinds), batch(&kinds, &rows)))
            }
            (["count", n], []) => Reply::Rows(counting(number(n)?.into(), 1000, Duration::ZERO)),
            (["slowly", n], []) => Reply::Rows(counting(number(n)?.into(), 1, Duration::from_millis(20))),
            (["nothing"], []) => Reply::Rows(counting(0, 1, Duration::ZERO)),
            (["sleep"], []) => {
                cancel.cancelled().await;
                return Err(SqlError::interrupted());
            }
            (["deaf"], []) => std::future::pending().await,
            (["panic"], []) => panic!("as asked"),
            (["panic", "later"], []) => {
                let rows = counting(10, 1, Duration::ZERO);
                let batches = rows.batches.map(|b| if b.is_ok() { panic!("as asked") } else { b });
                Reply::Rows(Rows { columns: rows.columns, batches: batches.boxed() })
            }
            (["failing"], []) => {
                let rows = counting(10, 5, Duration::ZERO);
                let last = crate::error::Error::corrupt("base/1", "a page is short");
                let batches = rows.batches.chain(futures::stream::iter([Err(last)]));
                Reply::Rows(Rows { columns: rows.columns, batches: batches.boxed() })
            }
            // a fault of the engine: not what it announced
            (["liar"], []) => Reply::Rows(Rows::of(headings(&[BIG]), batch(&[LONG], &[vec![Value::Text("x".into())]]))),
            (["user"], []) => one(
                LONG,
                Value::Text(
                    self.registry
                        .list()
                        .into_iter()
                        .find(|(id, _)| *id == self.id)
                        .map(|(_, p)| p.user)
                        .unwrap_or_default(),
                ),
            ),
            (["database"], []) => one(LONG, self.database.clone().map_or(Value::Null, Value::Text)),
            (["crab"], []) => one(LONG, Value::Text("🦀".into())),
            _ => return Err(SqlError::new(1054, "42S22", format!("Unknown column '{what}'"))),
        })
    }
}

#[async_trait]
impl Engine for Script {
    async fn enter(&mut self, _: &str, charset: Charset) -> Result<(), SqlError> {
        (self.database, self.charset) = (None, charset);
        Ok(())
    }

    async fn reset(&mut self) -> Result<(), SqlError> {
        Ok(())
    }

    async fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        if name == "nope" {
            return Err(SqlError::new(1049, "42000", "Unknown database 'nope'"));
        }
        self.database = Some(name.into());
        Ok(())
    }

    fn database(&self) -> Option<String> {
        self.database.clone()
    }

    async fn prepare(&mut self, sql: &str) -> Result<Prepared, SqlError> {
        Ok(Prepared { parameters: sql.matches('?').count(), columns: headings(&[BIG]) })
    }

    async fn run(&mut self, sql: &str, p: &[Value], cancel: CancellationToken) -> Result<Reply, SqlError> {
        let done = Reply::Done { affected: 3, info: String::new() };
        match sql.split_once(' ') {
            Some(("select", what)) => self.select(what, p, cancel).await,
            Some(("use", name)) => self.use_database(name).await.map(|()| done),
            Some(("kill", what)) => match what.strip_prefix("query ") {
                Some(id) => self.registry.kill(number(id)?, false).map(|()| done),
                None => self.registry.kill(number(what)?, true).map(|()| done),
            },
            Some(("show", _)) => {
                let list = self.registry.list().into_iter();
                let rows: Vec<_> = list.map(|(_, p)| vec![Value::Text(p.statement.unwrap_or_default())]).collect();
                Ok(Reply::Rows(Rows::of(headings(&[LONG]), batch(&[LONG], &rows))))
            }
            _ => Err(SqlError::new(1064, "42000", "You have an error in your SQL syntax")),
        }
    }

    async fn fields(&mut self, table: &str) -> Result<Vec<ResultColumn>, SqlError> {
        if table != "types" {
            return Err(SqlError::new(1146, "42S02", format!("Table '{table}' doesn't exist")));
        }
        Ok(headings(&types().0))
    }

    fn state(&self) -> State {
        State { status: StatusFlags::SERVER_STATUS_AUTOCOMMIT, warnings: 0, charset: self.charset }
    }
}
