//! What does the server say of itself?

use super::listing::{optional, text};
use super::scene::Scene;
use super::tables::{CHARSETS, COLLATIONS, lines};
use super::variables::Scope;
use crate::model::{Row, Value};

pub(super) fn engines() -> Vec<Row> {
    lines(include_str!("../../../sql/engines.tsv")).map(|l| l.into_iter().map(text).collect()).collect()
}

pub(super) fn charsets() -> Vec<Row> {
    lines(CHARSETS).map(|l| row(&l, &[3])).collect()
}

pub(super) fn collations() -> Vec<Row> {
    let order = |l: Vec<&'static str>| vec![l[0], l[1], l[2], l[3], "Yes", l[4]];
    lines(COLLATIONS).filter(|l| l.len() == 5).map(|l| row(&order(l), &[2, 5])).collect()
}

pub(super) fn applicability() -> Vec<Row> {
    let order = |l: Vec<&'static str>| vec![l[0], l[1], l[0], l[2], l[3]];
    lines(COLLATIONS).filter(|l| l.len() == 5).map(|l| row(&order(l), &[3])).collect()
}

/// Texts, but for the columns that are numbers.
fn row(cells: &[&str], numbers: &[usize]) -> Row {
    let cell = |(i, c): (usize, &&str)| match numbers.contains(&i) {
        true => c.parse().map_or(Value::Null, Value::Int),
        false => text(*c),
    };
    cells.iter().enumerate().map(cell).collect()
}

pub(super) fn variables(scene: &Scene, table: &str) -> Vec<Row> {
    let (scope, lower) = match table {
        "GLOBAL_VARIABLES" => (Scope::Global, false),
        "SESSION_VARIABLES" => (Scope::Session, false),
        // SHOW prints names in lower case
        "global" => (Scope::Global, true),
        _ => (Scope::Session, true),
    };
    let name = |n: &str| if lower { n.to_string() } else { n.to_uppercase() };
    scene.variables.list(scope).into_iter().map(|(n, v)| vec![text(name(n)), text(v)]).collect()
}

pub(super) fn system_variables(scene: &Scene) -> Vec<Row> {
    let global: std::collections::BTreeMap<_, _> = scene.variables.list(Scope::Global).into_iter().collect();
    let row = |(name, value): (&'static str, String)| {
        let default = global.get(name);
        let scope = if default.is_some() { "SESSION" } else { "SESSION ONLY" };
        vec![
            text(name.to_uppercase()),
            text(value),
            optional(default.cloned()),
            text("COMPILE-TIME"),
            optional(default.cloned()),
            text(scope),
            text("VARCHAR"),
            text(""),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
            text("NO"),
            Value::Null,
            Value::Null,
        ]
    };
    scene.variables.list(Scope::Session).into_iter().map(row).collect()
}

/// Counters that clients look at; nothing is counted for all sessions here.
pub(super) fn status() -> Vec<Row> {
    let list = [("Compression", "OFF"), ("Ssl_cipher", ""), ("Ssl_version", "")];
    list.iter().map(|(n, v)| vec![text(*n), text(*v)]).collect()
}

/// The session that asks; SHOW PROCESSLIST lists all.
pub(super) fn processlist(scene: &Scene) -> Vec<Row> {
    let zero = || Value::Int(0);
    let decimal = || Value::Decimal(arrow::datatypes::i256::ZERO);
    vec![vec![
        Value::Int(i64::from(scene.connection)),
        text(scene.user.as_str()),
        text("localhost"),
        optional(scene.database.clone()),
        text("Query"),
        zero(),
        text(""),
        Value::Null,
        decimal(),
        zero(),
        zero(),
        decimal(),
        zero(),
        zero(),
        zero(),
        zero(),
        Value::Null,
        zero(),
    ]]
}

pub(super) fn user_privileges(scene: &Scene) -> Vec<Row> {
    vec![vec![text(format!("'{}'@'localhost'", scene.user)), text("def"), text("SELECT"), text("NO")]]
}
