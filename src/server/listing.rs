//! What do SHOW PROCESSLIST, SHOW JOBS and RESTORE print?

use super::errno::SqlError;
use super::registry::Process;
use crate::error::Result;
use crate::model::{
    Column, ColumnId, ColumnType, Micros, RowsBuilder, TableId, TableName, TableSchema, TextSize, Value,
};
use crate::query::{ResultColumn, Rows};
use crate::restore::{JobStatus, Plan, Report};
use crate::upkeep::{Cost, Tally};
use crate::verify::{self, proof::Outcome};

const SHORT: ColumnType = ColumnType::Varchar { length: 512 };
const LONG: ColumnType = ColumnType::Text { size: TextSize::Long };
const NUMBER: ColumnType = ColumnType::Int { bytes: 8, unsigned: true, zerofill: None };
const SECONDS: ColumnType = ColumnType::Decimal { precision: 12, scale: 3, unsigned: true, zerofill: false };
const MONEY: ColumnType = ColumnType::Decimal { precision: 18, scale: 4, unsigned: true, zerofill: false };
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

/// What is wrong, a line each; then what was looked at.
pub fn proven(outcome: &Outcome) -> Result<Rows, SqlError> {
    let columns = [
        ("Depth", SHORT),
        ("Status", SHORT),
        ("Seq", NUMBER),
        ("Objects", NUMBER),
        ("Bytes", NUMBER),
        ("Remark", LONG),
    ];
    let line = |status: &str, seq: Value, objects: Value, bytes: Value, remark: &str| {
        vec![text(outcome.depth.to_string()), text(status), seq, objects, bytes, text(remark)]
    };
    let said = |status: &str, remark: &str| line(status, Value::Null, Value::Null, Value::Null, remark);
    let mut lines: Vec<_> = outcome.faults.iter().map(|fault| said("damaged", fault)).collect();
    lines.extend((outcome.more_faults > 0).then(|| said("damaged", &format!("and {} more", outcome.more_faults))));
    for r in &outcome.rebuilt {
        let remark = format!(
            "the state at {}: {} tables, {} rows; {} tables known from before, {} as a live server had them",
            r.moment.time, r.tables, r.rows, r.same, r.live
        );
        lines.push(line("rebuilt", Value::UInt(r.moment.seq.0), Value::Null, Value::Null, &remark));
    }
    lines.extend(outcome.remarks.iter().map(|remark| said("note", remark)));
    if outcome.unnamed > 0 {
        let remark = "named by no list: left behind, or replaced and not deleted yet";
        lines.push(line(
            "left over",
            Value::Null,
            Value::UInt(outcome.unnamed),
            Value::UInt(outcome.unnamed_bytes),
            remark,
        ));
    }
    let latest = outcome.latest.map_or(Value::Null, |m| Value::UInt(m.seq.0));
    let status = if outcome.whole() { "whole" } else { "not whole" };
    let (objects, bytes) = (Value::UInt(outcome.objects), Value::UInt(outcome.bytes));
    lines.push(line(status, latest, objects, bytes, &outcome.summary()));
    Ok(rows(&columns, lines)?)
}

/// A line for each kind of object, one for each cluster, one for all.
pub fn cost(cost: &Cost) -> Result<Rows, SqlError> {
    let columns = [
        ("Cluster", SHORT),
        ("Kind", SHORT),
        ("Objects", NUMBER),
        ("Bytes", NUMBER),
        ("Objects_per_day", NUMBER),
        ("Bytes_per_day", NUMBER),
        ("Requests_per_day", NUMBER),
        ("Monthly_storage", MONEY),
        ("Monthly_requests", MONEY),
        ("Currency", SHORT),
        ("Remark", LONG),
    ];
    let line = |cluster: &str, kind: &str, t: &Tally, remark: String| {
        let numbers = [t.objects, t.bytes, t.new_objects, t.new_bytes, t.new_requests].map(Value::UInt);
        let money = [money(Some(cost.storage(t))), money(cost.writing(t))];
        let names = [text(cluster), text(kind)];
        names
            .into_iter()
            .chain(numbers)
            .chain(money)
            .chain([text(cost.prices.currency.as_str()), text(remark)])
            .collect()
    };
    let mut lines: Vec<Vec<Value>> = Vec::new();
    for c in &cost.clusters {
        lines.extend(c.kinds.iter().map(|(kind, tally)| line(&c.cluster, kind, tally, String::new())));
    }
    lines.push(line("", "all", &cost.total(), cost.remark()));
    Ok(rows(&columns, lines)?)
}

/// With four decimals.
fn money(amount: Option<f64>) -> Value {
    let of = |a: f64| Value::Decimal(arrow::datatypes::i256::from_i128((a * 10_000.0).round() as i128));
    amount.map_or(Value::Null, of)
}
