//! What do SHOW PROCESSLIST, SHOW JOBS and RESTORE print?

use super::errno::SqlError;
use super::registry::Process;
use crate::error::Result;
use crate::model::{
    Column, ColumnId, ColumnType, Micros, RowsBuilder, TableId, TableName, TableSchema, TextSize, Value,
};
use crate::query::{ResultColumn, Rows};
use crate::restore::{JobStatus, Plan, Report};
use crate::verify;

const SHORT: ColumnType = ColumnType::Varchar { length: 512 };
const LONG: ColumnType = ColumnType::Text { size: TextSize::Long };
const NUMBER: ColumnType = ColumnType::Int { bytes: 8, unsigned: true, zerofill: None };
const SECONDS: ColumnType = ColumnType::Decimal { precision: 12, scale: 3, unsigned: true, zerofill: false };
const TIME: ColumnType = ColumnType::DateTime { fsp: 6 };
/// Characters of a statement that SHOW PROCESSLIST without FULL shows.
const INFO_CHARACTERS: usize = 100;

fn text(v: impl Into<String>) -> Value {
    Value::Text(v.into())
}

fn optional(v: Option<String>) -> Value {
    v.map_or(Value::Null, Value::Text)
}

fn time(t: Option<Micros>) -> Value {
    t.map_or(Value::Null, |t| Value::DateTime(t.0))
}

fn rows(columns: &[(&str, ColumnType)], rows: Vec<Vec<Value>>) -> Result<Rows> {
    let column = |(i, (name, kind)): (usize, &(&str, ColumnType))| Column::new(ColumnId(i as u32), *name, kind.clone());
    let schema = TableSchema {
        id: TableId(0),
        name: TableName::new("", ""),
        columns: columns.iter().enumerate().map(column).collect(),
        primary_key: Vec::new(),
        create: String::new(),
        next_column: 0,
        foreign_keys: Vec::new(),
        kind: Default::default(),
    };
    let mut builder = RowsBuilder::new(&schema);
    rows.iter().try_for_each(|row| builder.push(row))?;
    let headings = columns.iter().map(|(name, kind)| ResultColumn::new(*name, kind.clone())).collect();
    Ok(Rows::of(headings, builder.finish()))
}

pub fn processes(list: Vec<(u32, Process)>, full: bool) -> Result<Rows, SqlError> {
    let columns = [
        ("Id", NUMBER),
        ("User", SHORT),
        ("Host", SHORT),
        ("db", SHORT),
        ("Command", SHORT),
        ("Time", NUMBER),
        ("State", SHORT),
        ("Info", LONG),
    ];
    let row = |(id, p): (u32, Process)| {
        let command = match &p.statement {
            _ if p.user.is_empty() && p.statement.is_none() => "Connect",
            Some(_) => "Query",
            None => "Sleep",
        };
        let info = p.statement.map(|s| if full { s } else { s.chars().take(INFO_CHARACTERS).collect() });
        vec![
            Value::UInt(id.into()),
            text(p.user),
            text(p.host),
            optional(p.database),
            text(command),
            Value::UInt(p.since.elapsed().as_secs()),
            text(""),
            optional(info),
        ]
    };
    Ok(rows(&columns, list.into_iter().map(row).collect())?)
}

/// Times are in UTC.
pub fn jobs(list: &[JobStatus]) -> Result<Rows, SqlError> {
    let columns = [
        ("Job", NUMBER),
        ("State", SHORT),
        ("Statement", LONG),
        ("Cluster", SHORT),
        ("Moment", TIME),
        ("Seq", NUMBER),
        ("Target", SHORT),
        ("Phase", SHORT),
        ("Tables", SHORT),
        ("Rows", SHORT),
        ("Started", TIME),
        ("Ended", TIME),
        ("Message", LONG),
    ];
    let row = |j: &JobStatus| {
        vec![
            Value::UInt(j.id),
            text(j.state.to_string()),
            text(&j.what),
            text(&j.cluster),
            time(j.moment.map(|m| m.time)),
            j.moment.map_or(Value::Null, |m| Value::UInt(m.seq.0)),
            text(&j.target),
            text(&j.phase),
            text(format!("{}/{}", j.tables_done, j.tables_total)),
            text(format!("{}/{}", j.rows_done, j.rows_total)),
            time(Some(j.started)),
            time(j.ended),
            text(&j.message),
        ]
    };
    Ok(rows(&columns, list.iter().map(row).collect())?)
}

pub fn plan(plan: &Plan) -> Result<Rows, SqlError> {
    let columns = [("Step", NUMBER), ("Action", SHORT), ("Object", SHORT), ("Detail", LONG)];
    let steps = plan.steps();
    let mut list: Vec<_> =
        steps.iter().map(|s| vec![Value::UInt(s.number), text(s.action), text(&s.object), text(&s.detail)]).collect();
    list.extend(plan.notes().iter().map(|note| vec![Value::Null, text("note"), text(""), text(note)]));
    Ok(rows(&columns, list)?)
}

/// Every table of a report was read back and compared.
pub fn report(job: u64, report: &Report) -> Result<Rows, SqlError> {
    let columns = [
        ("Job", NUMBER),
        ("State", SHORT),
        ("Tables", NUMBER),
        ("Rows", NUMBER),
        ("Checked", SHORT),
        ("Seconds", SECONDS),
        ("Notes", LONG),
    ];
    let thousandths = i128::try_from(report.took.as_millis()).unwrap_or(i128::MAX);
    let row = vec![
        Value::UInt(job),
        text("succeeded"),
        Value::UInt(report.tables),
        Value::UInt(report.rows),
        text("equal"),
        Value::Decimal(arrow::datatypes::i256::from_i128(thousandths)),
        text(report.notes.join(" ")),
    ];
    Ok(rows(&columns, vec![row])?)
}

/// A line for each table, followed by what differs in it.
pub fn compared(report: &verify::Report) -> Result<Rows, SqlError> {
    let columns = [
        ("Database", SHORT),
        ("Table", SHORT),
        ("Status", SHORT),
        ("Seq", NUMBER),
        ("Rows", NUMBER),
        ("Key", LONG),
        ("Column", SHORT),
        ("Archive", LONG),
        ("Server", LONG),
        ("Remark", LONG),
    ];
    let row = |f: &verify::Finding| {
        vec![
            text(&f.table.database),
            text(&f.table.table),
            text(f.status.to_string()),
            Value::UInt(report.moment.seq.0),
            f.rows.map_or(Value::Null, Value::UInt),
            optional(f.key.clone()),
            optional(f.column.clone()),
            optional(f.archive.clone()),
            optional(f.server.clone()),
            text(&f.remark),
        ]
    };
    Ok(rows(&columns, report.findings.iter().map(row).collect())?)
}
