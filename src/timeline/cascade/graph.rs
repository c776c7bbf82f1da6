//! Which tables' changes lead to which others, and when? Foreign keys come and go with their tables' schemas.

use crate::error::{Error, Kind, Result};
use crate::model::{ColumnId, ColumnType, ForeignKey, Reaction, Seq, TableId, TableSchema, same_table};
use crate::timeline::versions::{Span, Versions};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A foreign key with an action, for as long as neither of its tables changed.
#[derive(Debug, Clone)]
pub struct Link {
    pub child: TableId,
    /// `database/name`: the server acts on them in this order. Source: dict_foreign_compare in MariaDB's dict0mem.h.
    pub order: String,
    pub from: Seq,
    /// The first seq at which it does not hold any more.
    pub until: Seq,
    pub parent: TableId,
    /// Columns of the child, and the ones of the parent that they refer to.
    pub columns: Vec<(ColumnId, ColumnId)>,
    /// Why what it changes cannot be derived; it has no columns then.
    pub problem: Option<Error>,
    pub on_delete: Reaction,
    pub on_update: Reaction,
    pub child_schema: Arc<TableSchema>,
    pub parent_schema: Arc<TableSchema>,
}

impl Link {
    pub fn holds(&self, seq: Seq) -> bool {
        self.from <= seq && seq < self.until
    }
}

/// What takes part in the changes of one table.
#[derive(Debug, Default)]
pub struct Graph {
    /// In the server's order.
    pub links: Vec<Link>,
    /// Of each table but the first: the seq after which its changes are needed.
    pub needed: BTreeMap<TableId, Seq>,
}

/// The links that can change `table` in `(after, upto]`, over any number of others. `start`: of a table and a seq
/// after which its changes are needed, the seq of the rows to begin with.
pub fn graph(versions: &Versions, table: TableId, after: Seq, upto: Seq, start: impl Fn(TableId, Seq) -> Seq) -> Graph {
    let spans = versions.spans();
    let mut graph = Graph::default();
    graph.needed.insert(table, after);
    let mut open = vec![table];
    while let Some(child) = open.pop() {
        let from = start(child, graph.needed[&child]);
        for parent in parents(&spans, child, from, upto) {
            let known = graph.needed.get(&parent).copied();
            if known.is_none_or(|known| from < known) {
                graph.needed.insert(parent, from);
                open.push(parent);
            }
        }
    }
    for (child, after) in &graph.needed {
        graph.links.extend(links(&spans, *child, start(*child, *after), upto));
    }
    graph.links.sort_by(|a, b| a.order.cmp(&b.order));
    graph
}

fn parents(spans: &[Span], child: TableId, after: Seq, upto: Seq) -> Vec<TableId> {
    pairs(spans, child, after, upto).into_iter().map(|(_, parent, _)| parent.table).collect()
}

/// Of a child's foreign keys with actions in `(after, upto]`: its span, the parent's, and the key's position.
fn pairs(spans: &[Span], child: TableId, after: Seq, upto: Seq) -> Vec<(&Span, &Span, usize)> {
    let mut found = Vec::new();
    for span in spans.iter().filter(|s| s.table == child && s.from <= upto && s.until > after.next()) {
        for (at, key) in span.schema.foreign_keys.iter().enumerate().filter(|(_, k)| k.cascades()) {
            let meets = |s: &&Span| s.from < span.until && span.from < s.until;
            let exact: Vec<_> = spans.iter().filter(|s| s.schema.name == key.parent).filter(meets).collect();
            let alike = || spans.iter().filter(|s| same_table(&s.schema.name, &key.parent)).filter(meets).collect();
            let parents: Vec<&Span> = if exact.is_empty() { alike() } else { exact };
            found.extend(parents.into_iter().map(|parent| (span, parent, at)));
        }
    }
    found
}

fn links(spans: &[Span], child: TableId, after: Seq, upto: Seq) -> Vec<Link> {
    let link = |(span, parent, at): (&Span, &Span, usize)| {
        let key = &span.schema.foreign_keys[at];
        let (columns, problem) = match columns(key, &span.schema, &parent.schema) {
            Ok(columns) => (columns, None),
            Err(why) => {
                let text =
                    format!("what foreign key {} changed in table {} is not derived", key.name, span.schema.name);
                (Vec::new(), Some(Error::new(Kind::Unsupported, format!("{text}: {why}"))))
            }
        };
        Link {
            child,
            order: format!("{}/{}", span.schema.name.database, key.name),
            from: span.from.max(parent.from),
            until: span.until.min(parent.until),
            parent: parent.table,
            columns,
            problem,
            on_delete: key.on_delete,
            on_update: key.on_update,
            child_schema: span.schema.clone(),
            parent_schema: parent.schema.clone(),
        }
    };
    pairs(spans, child, after, upto).into_iter().map(link).collect()
}

/// The columns of both tables. Errors: why what the key changes cannot be derived.
fn columns(key: &ForeignKey, child: &TableSchema, parent: &TableSchema) -> Result<Vec<(ColumnId, ColumnId)>, String> {
    if let Some(text) = computed(key, child) {
        return Err(format!("the server computes {text} from it"));
    }
    let mut columns = Vec::new();
    for (own, other) in key.columns.iter().zip(&key.parent_columns) {
        let ours = child.columns.iter().find(|c| c.id == *own);
        let (Some(ours), Some((_, theirs))) = (ours, parent.column(other)) else {
            return Err(format!("column {other} of table {} is not known", parent.name));
        };
        if !comparable(&ours.kind, &theirs.kind) || ours.collation != theirs.collation {
            return Err(format!("column {} ({}) refers to {other} ({})", ours.name, ours.kind, theirs.kind));
        }
        // the engine copies what it holds, and it holds CHAR with spaces
        let padded = |kind: &ColumnType| matches!(kind, ColumnType::Char { .. });
        if key.on_update == Reaction::Cascade && padded(&theirs.kind) && !padded(&ours.kind) {
            return Err(format!("column {} ({}) takes over values of {other} ({})", ours.name, ours.kind, theirs.kind));
        }
        columns.push((*own, theirs.id));
    }
    Ok(columns)
}

/// The definition of a generated column that may have another value when the foreign key changes a row, if there is one:
/// one whose expression names its columns, or a period's.
fn computed<'a>(key: &ForeignKey, child: &'a TableSchema) -> Option<&'a str> {
    if key.on_delete != Reaction::SetNull && key.on_update == Reaction::Nothing {
        return None;
    }
    let own = child.columns.iter().filter(|c| key.columns.contains(&c.id)).map(|c| c.name.to_lowercase());
    let own: Vec<String> = own.collect();
    child.create.lines().map(|line| line.trim().trim_end_matches(',')).find(|line| {
        let line = line.to_lowercase();
        let expression = line.split_once("generated always as").map(|(_, expression)| expression.to_string());
        expression.is_some_and(|e| e.trim_start().starts_with("row ") || own.iter().any(|c| e.contains(c)))
    })
}

/// Whether equal values are held equally.
fn comparable(a: &ColumnType, b: &ColumnType) -> bool {
    use ColumnType::*;
    match (a, b) {
        (Int { unsigned: a, .. }, Int { unsigned: b, .. }) => a == b,
        (Decimal { scale: a, .. }, Decimal { scale: b, .. }) => a == b,
        (Binary { length: a }, Binary { length: b }) => a == b,
        (a, b) if a.is_text() && b.is_text() => true,
        (Varbinary { .. } | Blob { .. }, Varbinary { .. } | Blob { .. }) => true,
        (a, b) => a == b,
    }
}
