//! Which views, triggers, routines and events are there? Read from the statements that make them.

use super::listing::{optional, text};
use super::routine_text::{EventText, RoutineText, TriggerText, ViewText};
use super::scene::{Scene, Visible};
use super::schema_rows::database_facts;
use crate::model::{Object, ObjectKind, Row, Value};
use std::collections::BTreeMap;

/// The objects of one kind that can be named, by database and name.
pub(super) fn objects_of(databases: &[Visible], kind: ObjectKind) -> Vec<(&Visible, &Object)> {
    let of = |v: &'_ Visible, o: &Object| o.key.kind == kind && o.key.database == v.database;
    databases.iter().flat_map(|v| v.catalog.objects.values().filter(move |o| of(v, o)).map(move |o| (v, o))).collect()
}

/// How charsets were when an object was made; the archive keeps only its text.
const MADE_IN: [&str; 2] = ["utf8mb4", "utf8mb4_general_ci"];

fn database_collation(v: &Visible) -> String {
    database_facts(v.catalog.databases.get(&v.database).map_or("", String::as_str)).collation
}

pub(super) fn views(scene: &Scene) -> Vec<Row> {
    let databases = scene.visible();
    let row = |(v, o): (&Visible, &Object)| {
        let t = ViewText::read(&o.create);
        vec![
            text("def"),
            text(v.name.as_str()),
            text(o.key.name.as_str()),
            text(t.query),
            text(t.check_option),
            text("NO"),
            text(t.head.definer),
            text(t.head.security),
            text(MADE_IN[0]),
            text(MADE_IN[1]),
            text(t.head.algorithm),
        ]
    };
    objects_of(&databases, ObjectKind::View).into_iter().map(row).collect()
}

pub(super) fn triggers(scene: &Scene) -> Vec<Row> {
    let databases = scene.visible();
    let mut orders: BTreeMap<(String, String, String, String), i64> = BTreeMap::new();
    let mut rows = Vec::new();
    for (v, o) in objects_of(&databases, ObjectKind::Trigger) {
        let t = TriggerText::read(&o.create);
        let table = o.table.clone().unwrap_or(t.table);
        let order = orders.entry((v.name.clone(), table.clone(), t.timing.clone(), t.event.clone())).or_default();
        *order += 1;
        rows.push(vec![
            text("def"),
            text(v.name.as_str()),
            text(o.key.name.as_str()),
            text(t.event),
            text("def"),
            text(v.name.as_str()),
            text(table),
            Value::Int(*order),
            Value::Null,
            text(t.body),
            text("ROW"),
            text(t.timing),
            Value::Null,
            Value::Null,
            text("OLD"),
            text("NEW"),
            Value::Null,
            text(o.sql_mode.as_str()),
            text(t.head.definer),
            text(MADE_IN[0]),
            text(MADE_IN[1]),
            text(database_collation(v)),
        ]);
    }
    rows
}

pub(super) fn routines(scene: &Scene) -> Vec<Row> {
    let databases = scene.visible();
    let mut rows = Vec::new();
    for (kind, name) in [(ObjectKind::Function, "FUNCTION"), (ObjectKind::Procedure, "PROCEDURE")] {
        for (v, o) in objects_of(&databases, kind) {
            let t = RoutineText::read(&o.create);
            rows.push(vec![
                text(o.key.name.as_str()),
                text("def"),
                text(v.name.as_str()),
                text(o.key.name.as_str()),
                text(name),
                text(data_type(&t.returns)),
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                Value::Null,
                optional(Some(t.returns).filter(|r| !r.is_empty())),
                text("SQL"),
                text(t.body),
                Value::Null,
                Value::Null,
                text("SQL"),
                text(if t.deterministic { "YES" } else { "NO" }),
                text(t.data_access),
                Value::Null,
                text(t.head.security),
                Value::Null,
                Value::Null,
                text(o.sql_mode.as_str()),
                text(t.comment),
                text(t.head.definer),
                text(MADE_IN[0]),
                text(MADE_IN[1]),
                text(database_collation(v)),
            ]);
        }
    }
    rows
}

/// `int(11) unsigned` is an `int`.
fn data_type(kind: &str) -> String {
    kind.split(['(', ' ']).next().unwrap_or_default().to_lowercase()
}

pub(super) fn parameters(scene: &Scene) -> Vec<Row> {
    let databases = scene.visible();
    let mut rows = Vec::new();
    for (kind, name) in [(ObjectKind::Function, "FUNCTION"), (ObjectKind::Procedure, "PROCEDURE")] {
        for (v, o) in objects_of(&databases, kind) {
            let t = RoutineText::read(&o.create);
            let returned = (kind == ObjectKind::Function).then(|| (None, None, t.returns.clone()));
            let named = t.parameters.into_iter().map(|(mode, name, kind)| (Some(mode), Some(name), kind));
            let first = i64::from(returned.is_none());
            for (at, (mode, parameter, kind)) in (first..).zip(returned.into_iter().chain(named)) {
                let mut row = vec![text("def"), text(v.name.as_str()), text(o.key.name.as_str()), Value::Int(at)];
                row.extend([optional(mode), optional(parameter), text(data_type(&kind))]);
                row.resize(14, Value::Null);
                row.extend([text(kind), text(name)]);
                rows.push(row);
            }
        }
    }
    rows
}

pub(super) fn events(scene: &Scene) -> Vec<Row> {
    let databases = scene.visible();
    let row = |(v, o): (&Visible, &Object)| {
        let t = EventText::read(&o.create);
        vec![
            text("def"),
            text(v.name.as_str()),
            text(o.key.name.as_str()),
            text(t.head.definer),
            text("SYSTEM"),
            text("SQL"),
            text(t.body),
            text(if t.every.is_some() { "RECURRING" } else { "ONE TIME" }),
            moment(t.at),
            optional(t.every.as_ref().map(|(n, _)| n.clone())),
            optional(t.every.map(|(_, unit)| unit)),
            text(o.sql_mode.as_str()),
            moment(t.starts),
            moment(t.ends),
            text(t.status),
            text(if t.preserve { "PRESERVE" } else { "NOT PRESERVE" }),
            Value::Null,
            Value::Null,
            Value::Null,
            text(t.comment),
            Value::Int(0),
            text(MADE_IN[0]),
            text(MADE_IN[1]),
            text(database_collation(v)),
        ]
    };
    objects_of(&databases, ObjectKind::Event).into_iter().map(row).collect()
}

/// A quoted datetime of a schedule; NULL for what is none.
fn moment(literal: Option<String>) -> Value {
    let kind = crate::model::ColumnType::DateTime { fsp: 0 };
    literal.and_then(|t| Value::parse(&kind, t.as_bytes()).ok()).unwrap_or(Value::Null)
}

/// What SHOW CREATE prints of an object beside its text: sql_mode, charset and collations.
pub(super) fn made(v: &Visible, o: &Object) -> (String, [&'static str; 2], String) {
    (o.sql_mode.clone(), MADE_IN, database_collation(v))
}
