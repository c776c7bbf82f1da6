//! Compares.

use super::compare::{Sides, table};
use super::meeting::Meeting;
use super::progress::Progress;
use super::proof;
use super::report::{Finding, Report, Status};
use super::request::VerifyRequest;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Micros, Moment, ObjectKey, ObjectKind, TableName};
use crate::source::{BaseSource, Source, mysql};
use crate::timeline::Timeline;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Compares the newest state of a live server with the archive's at the same moment. `timeline`: of the request's
/// cluster. Nothing is changed on either side; the archive notes which tables were equal.
/// Errors: `OutOfRange` when the archive does not reach the server's moment in time; `Unreachable`, `Server`;
/// `Cancelled`. That tables differ is no error: the report says so.
pub async fn run(
    timeline: Arc<Timeline>,
    request: VerifyRequest,
    clock: Arc<dyn Clock>,
    progress: Arc<Progress>,
    cancel: CancellationToken,
) -> Result<Report> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            Err(Error::new(Kind::Cancelled, format!("VERIFY CLUSTER {} was cancelled", request.cluster)))
        }
        report = compare(timeline, &request, clock.as_ref(), &progress) => report,
    }
}

async fn compare(
    timeline: Arc<Timeline>,
    request: &VerifyRequest,
    clock: &dyn Clock,
    progress: &Progress,
) -> Result<Report> {
    let began = Instant::now();
    let options = &request.options;
    let server =
        mysql::Server { url: request.server.clone(), filter: options.filter.clone(), connections: options.parallel };
    progress.enter("opening a snapshot of the server");
    let base = server.base().await?;
    let outline = base.outline().await?;
    let wait = Duration::from_secs(options.wait_seconds);
    let meeting = Meeting::new(request.cluster.clone(), server, wait, timeline);
    let (timeline, moment) = meeting.at(&outline.bookmark, progress).await?;
    progress.meet_at(moment);
    progress.enter("comparing");
    let archive = timeline.catalog_at(moment.seq)?;
    let mut findings = one_sided(request, &archive, &outline.catalog);
    let (tables, rows) = base.expected().unwrap_or_default();
    progress.tables_total.store(tables as u64, Ordering::Relaxed);
    progress.rows_total.store(rows, Ordering::Relaxed);
    let found = Mutex::new(&mut findings);
    let lane = || lane(&meeting, request, progress, base.as_ref(), (&timeline, moment, &archive), &found);
    futures::future::try_join_all((0..base.lanes().max(1)).map(|_| lane())).await?;
    let findings: Vec<Finding> = findings.into_values().flatten().collect();
    if options.record {
        record(&timeline, (moment, clock.now()), &archive, &findings).await;
    }
    progress.enter("done");
    Ok(Report { moment, findings, rows: progress.rows_done.load(Ordering::Relaxed), took: began.elapsed() })
}

/// Tells the archive which tables were equal: what they came to must be had from it later, too.
async fn record(timeline: &Timeline, (moment, at): (Moment, Micros), archive: &Catalog, findings: &[Finding]) {
    let equal = findings.iter().filter_map(|f| Some((archive.table(&f.table)?.id, f.sum?))).collect();
    let wrong = [Status::Differs, Status::Missing, Status::Extra, Status::Failed];
    let faults = findings.iter().filter(|f| wrong.contains(&f.status)).count() as u64;
    if let Err(error) = proof::note_live(timeline, (moment, at), equal, faults).await {
        tracing::warn!(%error, "what was compared is not noted in the archive");
    }
}

type Findings = BTreeMap<TableName, Vec<Finding>>;

/// Compares one table after the other.
async fn lane(
    meeting: &Meeting,
    request: &VerifyRequest,
    progress: &Progress,
    base: &dyn BaseSource,
    (timeline, moment, archive): (&Timeline, Moment, &Catalog),
    found: &Mutex<&mut Findings>,
) -> Result<()> {
    while let Some(live) = base.next_table().await? {
        let name = live.schema.name.clone();
        let known = archive.table(&name).filter(|t| !archive.uncertain.contains_key(&t.id));
        if let Some(schema) = known {
            let sides = Sides { meeting, options: &request.options, progress, schema: schema.clone() };
            let findings = table(&sides, timeline, moment, live).await?;
            found.lock().await.insert(name, findings);
        }
        progress.tables_done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// What can be said without looking at rows: tables that only one side has, or that cannot be compared.
fn one_sided(request: &VerifyRequest, archive: &Catalog, server: &Catalog) -> Findings {
    let mut found = Findings::new();
    let filter = &request.options.filter;
    for table in archive.tables.values().filter(|t| filter.table(&t.name)) {
        let name = &table.name;
        let finding = if let Some(why) = archive.uncertain.get(&table.id) {
            Finding::of(name, Status::Uncertain).remark(why)
        } else if let Some(why) = server.refused.get(name) {
            Finding::of(name, Status::Refused).remark(format!("The server's table is not carried: {why}"))
        } else if server.table(name).is_none() {
            Finding::of(name, Status::Missing).remark("The archive has this table, the server does not.")
        } else {
            continue;
        };
        found.insert(name.clone(), vec![finding]);
    }
    for (name, why) in archive.refused.iter().chain(&server.refused).filter(|(name, _)| filter.table(name)) {
        found.entry(name.clone()).or_insert_with(|| vec![Finding::of(name, Status::Refused).remark(&why.why)]);
    }
    for table in server.tables.values().filter(|t| archive.table(&t.name).is_none()) {
        let remark = "The server has this table, the archive does not. If the capture leaves it out, leave it out here too: \
                      WITH (exclude = 'database.table').";
        let finding = Finding::of(&table.name, Status::Extra).remark(remark);
        found.entry(table.name.clone()).or_insert_with(|| vec![finding]);
    }
    for (key, status) in objects(archive, server) {
        let name = TableName::new(&key.database, &key.name);
        if filter.database(&key.database) {
            let remark = format!("It is a {:?}, not a table.", key.kind).to_lowercase();
            found.entry(name.clone()).or_default().push(Finding::of(&name, status).remark(remark));
        }
    }
    found
}

/// Views, triggers, routines and events that only one side has; not those that one side has and does not carry.
fn objects<'a>(archive: &'a Catalog, server: &'a Catalog) -> Vec<(&'a ObjectKey, Status)> {
    let only = |of: &'a Catalog, other: &'a Catalog, status| {
        let refused = |k: &ObjectKey| {
            k.kind == ObjectKind::View && other.refused.contains_key(&TableName::new(&k.database, &k.name))
        };
        let own = of.objects.keys().filter(|k| k.kind != ObjectKind::Grant);
        own.filter(move |k| !other.objects.contains_key(k) && !refused(k)).map(move |k| (k, status))
    };
    only(archive, server, Status::Missing).chain(only(server, archive, Status::Extra)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NotCarried, Object, SchemaChange};

    #[test]
    fn a_view_that_is_not_carried_is_not_there_twice() {
        let key = ObjectKey { kind: ObjectKind::View, database: "d".into(), name: "v".into() };
        let object = Object { key: key.clone(), create: String::new(), sql_mode: String::new(), table: None };
        let (mut archive, mut server) = (Catalog::default(), Catalog::default());
        server.apply(&SchemaChange::Object { object });
        assert_eq!(objects(&archive, &server), [(&key, Status::Extra)]);
        let why = NotCarried::view("its text has NATURAL JOIN");
        archive.apply(&SchemaChange::Refused { name: TableName::new("d", "v"), why });
        assert_eq!(objects(&archive, &server), []);
        assert_eq!(objects(&server, &archive), []);
    }
}
