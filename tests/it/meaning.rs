//! The same statements on MariaDB and on pcloud's query layer over the same rows: every cell must be the same text,
//! or the statement must be on the list of those that are refused.

use crate::support::db::MariaDb;
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::parser::Parser;
use mysql_async::prelude::*;
use pcloud::model::{
    Column, ColumnId, ColumnType, Micros, RowsBuilder, TableId, TableName, TableSchema, Value, value_at,
};
use pcloud::query::ResultColumn;
use pcloud::query::meaning::{self, MysqlSyntax, SessionInfo};
use std::sync::Arc;

const STATEMENTS: &str = include_str!("../meaning.sql");

/// What a statement is to come to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Same,
    /// Rows in any order.
    Unordered,
    /// MariaDB answers, pcloud refuses.
    Refused,
    /// Both refuse.
    Error,
}

struct Case {
    line: usize,
    sql: String,
    expected: Expected,
}

/// The file's form: a statement a line, which may end in `-- refused: why`, `-- error` or `-- unordered`;
/// the lines before `-- statements` build the tables.
fn cases() -> (String, Vec<Case>) {
    let (setup, rest) = STATEMENTS.split_once("-- statements\n").expect("the marker");
    let first = setup.lines().count() + 2;
    let cases = rest
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.trim().is_empty() && !l.starts_with("--"))
        .map(|(i, l)| {
            let (sql, note) = l.split_once(" -- ").unwrap_or((l, ""));
            let expected = match note.split(':').next().unwrap_or("").trim() {
                "refused" => Expected::Refused,
                "error" => Expected::Error,
                "unordered" => Expected::Unordered,
                _ => Expected::Same,
            };
            Case { line: first + i, sql: sql.trim().trim_end_matches(';').to_string(), expected }
        })
        .collect();
    (setup.to_string(), cases)
}

/// The tables' columns, as the archive holds them.
async fn schema(conn: &mut mysql_async::Conn, table: &str) -> TableSchema {
    let rows: Vec<(String, String, String, Option<String>, String)> = conn
        .query(format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME, COLUMN_KEY FROM information_schema.COLUMNS
             WHERE TABLE_SCHEMA = 'm' AND TABLE_NAME = '{table}' ORDER BY ORDINAL_POSITION"
        ))
        .await
        .expect("the columns");
    let mut primary_key = Vec::new();
    let columns = rows
        .into_iter()
        .enumerate()
        .map(|(i, (name, kind, nullable, collation, key))| {
            if key == "PRI" {
                primary_key.push(i);
            }
            Column {
                nullable: nullable == "YES",
                collation,
                ..Column::new(ColumnId(i as u32), name, column_type(&kind))
            }
        })
        .collect();
    TableSchema {
        id: TableId(1),
        name: TableName::new("m", table),
        columns,
        primary_key,
        create: String::new(),
        next_column: 100,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    }
}

fn column_type(text: &str) -> ColumnType {
    let (name, rest) = text.split_once('(').unwrap_or((text.split(' ').next().unwrap_or(text), ""));
    let numbers: Vec<u32> =
        rest.split(')').next().unwrap_or("").split(',').filter_map(|n| n.trim_matches('\'').parse().ok()).collect();
    let members =
        || rest.trim_end_matches(')').split(',').map(|m| m.trim_matches('\'').to_string()).collect::<Vec<String>>();
    let unsigned = text.contains("unsigned");
    let int = |bytes| ColumnType::Int { bytes, unsigned, zerofill: None };
    let n = |i: usize| numbers.get(i).copied().unwrap_or(0);
    match name {
        "tinyint" => int(1),
        "smallint" => int(2),
        "int" => int(4),
        "bigint" => int(8),
        "decimal" => ColumnType::Decimal { precision: n(0) as u8, scale: n(1) as u8, unsigned, zerofill: false },
        "double" => ColumnType::Double { unsigned, decimals: None },
        "float" => ColumnType::Float { unsigned, decimals: None },
        "year" => ColumnType::Year,
        "date" => ColumnType::Date,
        "time" => ColumnType::Time { fsp: n(0) as u8 },
        "datetime" => ColumnType::DateTime { fsp: n(0) as u8 },
        "timestamp" => ColumnType::Timestamp { fsp: n(0) as u8 },
        "varchar" => ColumnType::Varchar { length: n(0) },
        "varbinary" => ColumnType::Varbinary { length: n(0) },
        "enum" => ColumnType::Enum { members: members() },
        other => panic!("no type {other} in this test"),
    }
}

struct Engine {
    context: SessionContext,
}

impl Engine {
    async fn new(conn: &mut mysql_async::Conn, now: Micros) -> Engine {
        let info = SessionInfo {
            time_zone: "+00:00".into(),
            now,
            connection_id: 1,
            user: "pcloud@localhost".into(),
            database: Some("m".into()),
            sql_mode: String::new(),
            version: "10.11".into(),
        };
        let config = SessionConfig::new().with_target_partitions(2);
        let builder = SessionStateBuilder::new().with_config(config).with_default_features();
        let context = SessionContext::new_with_state(meaning::configure(builder, &info).build());
        let tables: Vec<String> = conn
            .query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='m'")
            .await
            .expect("tables");
        for table in tables {
            let schema = schema(conn, &table).await;
            let rows: Vec<mysql_async::Row> = conn.query(format!("SELECT * FROM m.{table}")).await.expect("rows");
            let mut builder = RowsBuilder::new(&schema);
            for row in rows {
                let values: Vec<Value> = schema
                    .columns
                    .iter()
                    .enumerate()
                    .map(|(i, c)| match row.as_ref(i).expect("a cell") {
                        mysql_async::Value::NULL => Value::Null,
                        mysql_async::Value::Bytes(b) => Value::parse(&c.kind, b).expect("a value"),
                        other => panic!("{other:?} in the text protocol"),
                    })
                    .collect();
                builder.push(&values).expect("a row");
            }
            let batch = builder.finish();
            let fields: Vec<_> =
                schema.columns.iter().enumerate().map(|(i, c)| meaning::column_field(&schema, i, c)).collect();
            let arrow = Arc::new(datafusion::arrow::datatypes::Schema::new(fields));
            let columns = batch
                .columns()
                .iter()
                .zip(arrow.fields())
                .map(|(a, f)| datafusion::arrow::compute::cast(a, f.data_type()).expect("local"))
                .collect();
            let batch = RecordBatch::try_new(arrow.clone(), columns).expect("a batch");
            let provider = MemTable::try_new(arrow, vec![vec![batch]]).expect("a table");
            context.register_table(table.as_str(), Arc::new(provider)).expect("registered");
        }
        Engine { context }
    }

    async fn run(&self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let mut parser = Parser::new(&MysqlSyntax).try_with_sql(sql).map_err(|e| e.to_string())?;
        let mut statement = parser.parse_statement().map_err(|e| e.to_string())?;
        if parser.peek_token().token != datafusion::sql::sqlparser::tokenizer::Token::EOF {
            return Err(format!("syntax near {}", parser.peek_token()));
        }
        let Statement::Query(query) = &mut statement else { return Err("no query".into()) };
        unique_names(query);
        meaning::drop_dual(query).map_err(|e| e.to_string())?;
        meaning::rewrite(query).map_err(|e| e.to_string())?;
        let plan = self
            .context
            .state()
            .statement_to_plan(DfStatement::Statement(Box::new(statement)))
            .await
            .map_err(|e| e.to_string())?;
        let (plan, columns) = meaning::finish(plan).map_err(|e| e.to_string())?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(|e| e.to_string())?;
        let batches = frame.collect().await.map_err(|e| e.to_string())?;
        rows_of(&batches, &columns)
    }
}

/// The outermost SELECT's columns get names of their own, as the statement layer gives them.
fn unique_names(query: &mut datafusion::sql::sqlparser::ast::Query) {
    use datafusion::sql::sqlparser::ast::{Expr, Ident, SelectItem, SetExpr};
    if let SetExpr::Select(select) = query.body.as_mut() {
        let mut seen = std::collections::HashSet::new();
        for (i, item) in select.projection.iter_mut().enumerate() {
            if let SelectItem::UnnamedExpr(e) = item
                && !seen.insert(e.to_string())
            {
                let taken = std::mem::replace(e, Expr::Identifier(Ident::new("x")));
                *item = SelectItem::ExprWithAlias { expr: taken, alias: Ident::new(format!("column_{i}")) };
            }
        }
    }
}

fn rows_of(batches: &[RecordBatch], columns: &[ResultColumn]) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let mut cells = Vec::new();
            for (array, column) in batch.columns().iter().zip(columns) {
                let value = value_at(array, row, &column.kind).map_err(|e| format!("{}: {e}", column.name))?;
                cells.push(match value.display(&column.kind) {
                    None => "NULL".to_string(),
                    Some(bytes) => String::from_utf8(bytes).unwrap_or_else(|e| format!("{:?}", e.into_bytes())),
                });
            }
            rows.push(cells);
        }
    }
    Ok(rows)
}

async fn expected(conn: &mut mysql_async::Conn, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let rows: Vec<mysql_async::Row> = conn.query(sql).await.map_err(|e| e.to_string())?;
    Ok(rows
        .iter()
        .map(|row| {
            (0..row.len())
                .map(|i| match row.as_ref(i).expect("a cell") {
                    mysql_async::Value::NULL => "NULL".to_string(),
                    mysql_async::Value::Bytes(b) => {
                        String::from_utf8(b.clone()).unwrap_or_else(|e| format!("{:?}", e.into_bytes()))
                    }
                    other => format!("{other:?}"),
                })
                .collect()
        })
        .collect())
}

#[tokio::test]
async fn every_statement_means_what_it_means_in_mariadb() {
    let (setup, cases) = cases();
    let db = MariaDb::start(&["--sql-mode=", "--default-time-zone=+00:00"]);
    let mut conn = db.connect().await;
    for statement in setup.split(";\n").map(str::trim).filter(|s| !s.is_empty()) {
        conn.query_drop(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
    let now = Micros(1_764_000_000_123_456);
    conn.query_drop("SET timestamp = 1764000000.123456").await.expect("the clock");
    let engine = Engine::new(&mut conn, now).await;
    let mut wrong = Vec::new();
    let (mut same, mut refused) = (0, 0);
    for case in &cases {
        let theirs = expected(&mut conn, &case.sql).await;
        let ours = engine.run(&case.sql).await;
        let fault = match (case.expected, theirs, ours) {
            (Expected::Same, Ok(a), Ok(b)) if a == b => None,
            (Expected::Unordered, Ok(mut a), Ok(mut b)) => {
                a.sort();
                b.sort();
                (a != b).then(|| format!("MariaDB {a:?}\n       pcloud {b:?}"))
            }
            (Expected::Refused, Ok(_), Err(e)) if !e.contains("Internal error") => {
                refused += 1;
                continue;
            }
            (Expected::Error, Err(_), Err(_)) => None,
            (_, Err(e), _) if case.expected != Expected::Error => Some(format!("MariaDB: {e}")),
            (_, a, b) => Some(format!("MariaDB {a:?}\n       pcloud {b:?}")),
        };
        match fault {
            None => same += 1,
            Some(f) => wrong.push(format!("line {}: {}\n       {f}", case.line, case.sql)),
        }
    }
    println!("{} statements: {same} the same, {refused} refused, {} wrong", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} statements differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(same >= 300, "only {same} statements were compared");
}
