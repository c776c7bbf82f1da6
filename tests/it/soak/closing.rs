//! What ends a round: a moment that is restored, and changes past the log that VERIFY finds.

use super::judge::{Judgement, Refusals, difference};
use super::watch::{Seen, lines};
use super::work::server;
use super::{Place, open};
use crate::support::archive::{pcloud, text};
use fastrand::Rng;
use mysql_async::Conn;
use mysql_async::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Restores a moment of which the sums are known, as far as it is answered, into the other server.
pub async fn restored(place: &Place, seen: &[Seen], judged: &mut Judgement, rng: &mut Rng) {
    let summed: Vec<&Seen> = seen.iter().filter(|m| !m.sums.is_empty()).collect();
    let Some(moment) = rng.choice(summed) else { return };
    place.target.sql("DROP DATABASE IF EXISTS s; CREATE DATABASE s");
    let mut conn = open(&place.target).await.expect("the other server runs");
    conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
    // one by one: a table that is refused shall not keep the others away
    for (table, sum) in &moment.sums {
        let mut command = pcloud(&place.archive);
        command.args(["restore", "--gtid", &moment.gtid, "--to", &place.target.url(), "--table"]);
        command.arg(format!("s.{table}"));
        let out =
            tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("pcloud starts");
        let what = format!("restore s.{table} of {}", moment.gtid);
        if !out.status.success() {
            judged.refused(&place.refusals, &what, &text(&out.stderr));
            continue;
        }
        let found = lines(&mut conn, &format!("SELECT * FROM s.`{table}`")).await.expect("it is there");
        let expected = moment.tables.get(table).and_then(|t| t.lines.as_ref()).expect("what has a sum has rows");
        if found != *expected {
            judged.wrong.push(format!("{what}: {}", difference(&found, expected)));
            continue;
        }
        let create: (String, String) =
            conn.query_first(format!("SHOW CREATE TABLE s.`{table}`")).await.expect("a text").expect("one");
        let now: Option<(String, Option<String>)> =
            conn.query_first(format!("CHECKSUM TABLE s.`{table}`")).await.expect("a sum");
        let now = now.and_then(|(_, sum)| sum).unwrap_or_default();
        // MariaDB's sum of a table with generated columns depends on what was read and altered before
        let depends = create.1.contains(" GENERATED ALWAYS AS") && !place.db.product.is_mysql();
        if now == *sum || depends {
            judged.restored += 1;
        } else {
            judged.wrong.push(format!("{what}: CHECKSUM TABLE gives {now}, not {sum}, of equal rows; {}", create.1));
        }
    }
}

/// Changes tables without a word in the log: VERIFY says all is equal before, names exactly them after, and says again
/// that all is equal when new bases of them are taken.
pub async fn past_the_log(place: &Place, judged: &mut Judgement, rng: &mut Rng) {
    let verified = verify(place).await;
    if let Some(wrong) = unequal(&verified, &BTreeSet::new()) {
        return judged.wrong.push(format!("VERIFY of what nobody touched: {wrong}"));
    }
    let mut conn = open(&place.db).await.expect("the server runs");
    conn.query_drop("SET sql_log_bin = 0").await.expect("the log is off");
    let before = state(&mut conn).await;
    let tables: Vec<&String> = verified.iter().filter(|(_, (status, _))| status == "equal").map(|(t, _)| t).collect();
    for _ in 0..3 {
        let Some(table) = rng.choice(&tables).filter(|t| before.contains_key(**t)) else { continue };
        let (database, name) = table.split_once('.').expect("a full name");
        let t = format!("`{database}`.`{name}`");
        let sql = match rng.u8(..5) {
            0 => format!("ALTER TABLE {t} ADD COLUMN past{} INT", rng.u32(..)),
            1 => format!("INSERT IGNORE INTO {t} () VALUES ()"),
            2 => format!("DELETE FROM {t} ORDER BY 1 LIMIT 2"),
            3 => format!("INSERT IGNORE INTO {t} SELECT * FROM {t} LIMIT 1"),
            _ => format!("DELETE FROM {t} LIMIT 1"),
        };
        conn.query_drop(sql).await.or_else(server).expect("the server stays");
    }
    let after = state(&mut conn).await;
    let changed: BTreeSet<String> =
        after.iter().filter(|(t, l)| before.get(*t) != Some(l)).map(|(t, _)| t.clone()).collect();
    let verified = verify(place).await;
    if let Some(wrong) = unequal(&verified, &changed) {
        return judged.wrong.push(format!("VERIFY of {changed:?}, which were changed past the log: {wrong}"));
    }
    judged.found += changed.len();
    let retake: Vec<String> = changed.iter().flat_map(|t| ["--retake".to_string(), t.clone()]).collect();
    place.catch_up(&retake).await;
    if let Some(wrong) = unequal(&verify(place).await, &BTreeSet::new()) {
        judged.wrong.push(format!("VERIFY after new bases of {changed:?}: {wrong}"));
    }
    // what comes now is another moment than the last one that was logged
    place.db.sql("CREATE TABLE s.gone (x INT); DROP TABLE s.gone");
}

/// Each base table of the server as text.
async fn state(conn: &mut Conn) -> BTreeMap<String, Vec<String>> {
    let names: Vec<(String, String)> =
        conn.query("SHOW FULL TABLES FROM s WHERE Table_type = 'BASE TABLE'").await.expect("a list");
    let mut all = BTreeMap::new();
    for (name, _) in names {
        let lines = lines(conn, &format!("SELECT * FROM s.`{name}`")).await.expect("rows");
        all.insert(format!("s.{name}"), lines);
    }
    all
}

/// What VERIFY says of each table: the status, and the line.
async fn verify(place: &Place) -> BTreeMap<String, (String, String)> {
    let mut command = pcloud(&place.archive);
    command.args(["verify", "--against", &place.db.url()]);
    let out = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("pcloud starts");
    let printed = text(&out.stdout);
    let mut found = BTreeMap::new();
    for line in printed.lines().filter(|l| l.starts_with('|')).skip(1) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [table, status, ..] = cells[..]
            && !table.is_empty()
        {
            let remarks: Vec<_> = printed.lines().filter(|l| l.starts_with(&format!("{table}: "))).collect();
            found.insert(table.to_string(), (status.to_string(), remarks.join("; ")));
        }
    }
    assert!(!found.is_empty(), "VERIFY says nothing: {printed}\n{}", text(&out.stderr));
    found
}

/// The first table that is not said to differ and should be, or the other way round.
fn unequal(verified: &BTreeMap<String, (String, String)>, changed: &BTreeSet<String>) -> Option<String> {
    if let Some(table) = changed.iter().find(|t| verified.get(*t).is_none_or(|(status, _)| status != "differs")) {
        return Some(format!("{table} is not found: {:?}", verified.get(table)));
    }
    let refusals = Refusals::documented();
    let fits = |(table, (status, why)): &(&String, &(String, String))| match status.as_str() {
        "equal" | "refused" => true,
        "not compared" if refusals.kind(why).is_some() => true,
        _ => changed.contains(*table),
    };
    verified.iter().find(|entry| !fits(entry)).map(|(table, (status, why))| format!("{table} {status}: {why}"))
}
