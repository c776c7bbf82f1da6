//! What does the archive hold? SHOW CLUSTERS, BACKUPS, TRANSACTIONS and MOMENT. All times are UTC.

use super::listing::{Listing, optional, text};
use super::scene::{ClusterScene, Scene};
use crate::archive::{Check, Proof};
use crate::error::Result;
use crate::model::{Catalog, Micros, Row, SchemaChange, Seq, TableName, Value};
use crate::timeline::CommitView;
use std::collections::BTreeSet;

fn time(t: Micros) -> Value {
    Value::DateTime(t.0)
}

fn count(n: usize) -> Value {
    Value::UInt(n as u64)
}

pub(super) fn clusters(scene: &Scene) -> Result<Listing> {
    let mut l = Listing::new(&[
        ("Cluster", "varchar(64)"),
        ("Source", "varchar(255)"),
        ("First_moment_UTC", "datetime(6)"),
        ("Last_moment_UTC", "datetime(6)"),
        ("Databases", "bigint unsigned"),
        ("Tables", "bigint unsigned"),
        ("Current", "varchar(3)"),
    ]);
    for c in &scene.clusters {
        let coverage = c.timeline.coverage()?;
        let current = scene.current().is_ok_and(|now| now.name == c.name);
        l.push(vec![
            text(c.name.as_str()),
            text(coverage.source),
            time(coverage.first.time),
            time(coverage.until),
            count(c.catalog.databases.len()),
            count(c.catalog.tables.len()),
            text(if current { "Yes" } else { "" }),
        ]);
    }
    Ok(l)
}

/// One line for what is covered, one for the single states before it, then one for each gap, one for each time in which a table is uncertain, and one for
/// each table that is not carried.
pub(super) fn backups(scene: &Scene) -> Result<Listing> {
    let mut l = Listing::new(&[
        ("Cluster", "varchar(64)"),
        ("State", "varchar(16)"),
        ("Table", "varchar(129)"),
        ("From_UTC", "datetime(6)"),
        ("From_seq", "bigint unsigned"),
        ("To_UTC", "datetime(6)"),
        ("To_seq", "bigint unsigned"),
        ("To_GTID", "varchar(1024)"),
        ("Bases", "bigint unsigned"),
        ("Segments", "bigint unsigned"),
        ("Base_bytes", "bigint unsigned"),
        ("Remark", "varchar(2048)"),
    ]);
    for c in &scene.clusters {
        let coverage = c.timeline.coverage()?;
        let name = || text(c.name.as_str());
        l.push(vec![
            name(),
            text("covered"),
            Value::Null,
            time(coverage.first.time),
            Value::UInt(coverage.first.seq.0),
            time(coverage.until),
            Value::UInt(coverage.latest.seq.0),
            optional(c.timeline.gtid_at(coverage.latest.seq)),
            count(coverage.bases),
            count(coverage.segments + coverage.packs),
            Value::UInt(coverage.base_bytes),
            text(coverage.source),
        ]);
        if let (Some(first), Some(last)) = (coverage.kept.first(), coverage.kept.last()) {
            let mut row = vec![name(), text("single states"), Value::Null];
            row.extend([time(first.time), Value::UInt(first.seq.0), time(last.time), Value::UInt(last.seq.0)]);
            row.resize(11, Value::Null);
            row.push(text(format!(
                "{} moments of this time are kept; AS OF another one names the nearest",
                coverage.kept.len()
            )));
            l.push(row);
        }
        for gap in &coverage.gaps {
            let mut row = vec![name(), text("gap"), Value::Null];
            row.extend([time(gap.from.time), Value::UInt(gap.from.seq.0)]);
            row.extend([time(gap.until.time), Value::UInt(gap.until.seq.0)]);
            row.resize(11, Value::Null);
            row.push(text(gap.why.as_str()));
            l.push(row);
        }
        for interval in &coverage.uncertain {
            let (until, seq) = match interval.until {
                Some(m) => (time(m.time), Value::UInt(m.seq.0)),
                None => (Value::Null, Value::Null),
            };
            let from = [time(interval.from.time), Value::UInt(interval.from.seq.0), until, seq];
            let mut row = vec![name(), text("uncertain"), text(interval.table.to_string())];
            row.extend(from);
            row.resize(11, Value::Null);
            row.push(text(interval.why.as_str()));
            l.push(row);
        }
        proven(c, scene.proofs.get(&c.name)).into_iter().for_each(|row| l.push(row));
        for (table, why) in &coverage.refused {
            let mut row = vec![name(), text("not carried"), text(table.to_string())];
            row.resize(11, Value::Null);
            row.push(text(why.why.as_str()));
            l.push(row);
        }
    }
    Ok(l)
}

/// A line for each depth in which the archive was looked at, the newest look of each.
fn proven(cluster: &ClusterScene, proof: Option<&Result<Option<Proof>>>) -> Vec<Row> {
    let line = |at: Value, seq: Value, remark: String| {
        let mut row = vec![text(cluster.name.as_str()), text("last proof")];
        row.resize(5, Value::Null);
        row.extend([at, seq]);
        row.resize(11, Value::Null);
        row.push(text(remark));
        row
    };
    let proof = match proof {
        None => return Vec::new(),
        Some(Err(error)) => return vec![line(Value::Null, Value::Null, format!("not known: {error}"))],
        Some(Ok(None)) => {
            let remark = format!("never verified: VERIFY CLUSTER {}", cluster.name);
            return vec![line(Value::Null, Value::Null, remark)];
        }
        Some(Ok(Some(proof))) => proof,
    };
    let remark = |c: &Check| {
        let found =
            if c.faults == 0 { "nothing is wrong".to_string() } else { format!("{} things are wrong", c.faults) };
        let looked = match c.depth.as_str() {
            "live" => format!("{} tables equal to the live server's", c.tables),
            "restorable" => {
                format!("{} objects intact, {} states of {} tables rebuilt", c.objects, c.moments, c.tables)
            }
            "intact" => format!("{} objects read to the last byte", c.objects),
            _ => format!("{} objects are there", c.objects),
        };
        format!("{}: {found}; {looked}", c.depth)
    };
    proof.checks.iter().map(|c| line(time(c.at), Value::UInt(c.seq.0), remark(c))).collect()
}

/// The newest first.
pub(super) fn transactions(scene: &Scene, of: Option<&TableName>) -> Result<Listing> {
    let mut l = Listing::new(&[
        ("Seq", "bigint unsigned"),
        ("Time_UTC", "datetime(6)"),
        ("GTID", "varchar(128)"),
        ("Tables", "longtext"),
        ("Inserts", "bigint unsigned"),
        ("Updates", "bigint unsigned"),
        ("Deletes", "bigint unsigned"),
        ("DDL", "longtext"),
    ]);
    let cluster = scene.current()?;
    let timeline = &cluster.timeline;
    let within = |c: &CommitView<'_>| scene.between.is_none_or(|(a, b)| c.moment.time >= a && c.moment.time <= b);
    for commit in timeline.commits(timeline.first().seq.next(), timeline.latest().seq).rev().filter(within) {
        let catalog = timeline.catalog_at(commit.moment.seq)?;
        let before = match commit.schema.is_empty() {
            true => catalog.clone(),
            false => timeline.catalog_at(Seq(commit.moment.seq.0.saturating_sub(1)))?,
        };
        let tables = touched(&commit, &before, &catalog);
        if of.is_some_and(|t| !tables.contains(t)) {
            continue;
        }
        let sum = |n: fn(&crate::archive::TableCounts) -> u64| Value::UInt(commit.commit.rows.iter().map(n).sum());
        let names: Vec<_> = tables.iter().map(TableName::to_string).collect();
        let statements: Vec<_> = commit.schema.iter().filter_map(|e| e.statement.clone()).collect();
        l.push(vec![
            Value::UInt(commit.moment.seq.0),
            time(commit.moment.time),
            optional(commit.commit.gtid.clone()),
            text(names.join(", ")),
            sum(|c| c.inserts),
            sum(|c| c.updates),
            sum(|c| c.deletes),
            optional(Some(statements.join(";\n")).filter(|s| !s.is_empty())),
        ]);
    }
    Ok(l)
}

/// The tables whose rows or definition a commit changed.
fn touched(commit: &CommitView<'_>, before: &Catalog, after: &Catalog) -> BTreeSet<TableName> {
    let rows = commit.commit.rows.iter().map(|c| match after.tables.get(&c.table).or(before.tables.get(&c.table)) {
        Some(t) => t.name.clone(),
        None => TableName::new("", format!("#{}", c.table)),
    });
    let schema = commit.schema.iter().flat_map(|e| &e.changes).filter_map(|change| match change {
        SchemaChange::Table { schema } => Some(schema.name.clone()),
        SchemaChange::Uncertain { name, .. } | SchemaChange::Refused { name, .. } => Some(name.clone()),
        SchemaChange::TableDropped { id } => before.tables.get(id).map(|t| t.name.clone()),
        _ => None,
    });
    rows.chain(schema).collect()
}

/// Which moment an `AS OF` means: of the current cluster, or of each.
pub(super) fn moment(scene: &Scene) -> Result<Listing> {
    let mut l = Listing::new(&[
        ("Cluster", "varchar(64)"),
        ("Time_UTC", "datetime(6)"),
        ("Seq", "bigint unsigned"),
        ("GTID", "varchar(1024)"),
    ]);
    let row = |c: &ClusterScene| {
        let gtid = optional(c.timeline.gtid_at(c.moment.seq));
        vec![text(c.name.as_str()), time(c.moment.time), Value::UInt(c.moment.seq.0), gtid]
    };
    match scene.current() {
        Ok(c) => l.push(row(c)),
        Err(_) => scene.clusters.iter().for_each(|c| l.push(row(c))),
    }
    Ok(l)
}
