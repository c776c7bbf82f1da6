//! What the archive says of itself, and real clients against the MySQL port.

use crate::support::made::{Made, START, int, row, table, varchar};
use pcloud::model::{Change, Micros, SchemaChange, TableName, value_at};
use pcloud::query::system::{ClusterScene, Listing, Scene, Show, Variables};
use pcloud::timeline::Timeline;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A session that has chosen no moment.
fn scene(timeline: &Arc<Timeline>) -> Scene {
    let moment = timeline.latest();
    let catalog = timeline.catalog_at(moment.seq).expect("the latest catalog");
    Scene {
        user: "ann".into(),
        connection: 1,
        now: Micros(START),
        database: Some("d".into()),
        cluster: None,
        clusters: vec![ClusterScene { name: "c".into(), timeline: timeline.clone(), moment, catalog }],
        named: Vec::new(),
        between: None,
        variables: Variables::new(1),
        warnings: Vec::new(),
        views: BTreeMap::new(),
    }
}

/// The answer as a client prints it: cells by `|`, rows by line, the heading first.
fn shown(sql: &str, scene: &Scene) -> Vec<String> {
    let show = Show::parse(sql).expect(sql).expect("a SHOW");
    let listing: Listing = show.answer(scene).expect(sql);
    let (columns, batch) = listing.batch().expect(sql);
    let cell = |row: usize, i: usize| {
        let value = value_at(batch.column(i), row, &columns[i].kind).expect("of its type");
        value.display(&columns[i].kind).map_or("NULL".to_string(), |b| String::from_utf8_lossy(&b).into_owned())
    };
    let mut lines = vec![columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join("|")];
    lines.extend((0..batch.num_rows()).map(|r| {
        let cells: Vec<_> = (0..columns.len()).map(|i| cell(r, i)).collect();
        cells.join("|")
    }));
    lines
}

#[tokio::test]
async fn the_archive_tells_what_it_holds() {
    let dir = tempfile::tempdir().expect("a directory");
    let a = table(1, "a", &[(0, "id", int()), (1, "name", varchar())], 1);
    let b = table(2, "b", &[(0, "id", int()), (1, "name", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(a.clone(), vec![row(1, "one")]), (b.clone(), vec![])]).await;
    made.commit(1.0, &[], &[(a.clone(), Change::Insert(row(2, "two")))]).await;
    let both = [(a.clone(), Change::Delete(row(2, "two"))), (b.clone(), Change::Insert(row(7, "x")))];
    made.commit(2.5, &[], &both).await;
    made.commit(3.0, &[SchemaChange::TableDropped { id: a.id }], &[]).await;
    let why = "its log has a gap.".to_string();
    let uncertain = SchemaChange::Uncertain { id: b.id, name: TableName::new("d", "b"), why };
    made.commit(4.0, &[uncertain], &[]).await;
    let refused = SchemaChange::Refused { name: TableName::new("d", "g"), why: "column p is of type point".into() };
    made.commit(5.0, &[refused], &[]).await;
    let timeline = Arc::new(made.timeline().await);
    let mut scene = scene(&timeline);

    let backups = shown("SHOW BACKUPS", &scene);
    assert_eq!(backups.len(), 4, "{backups:#?}");
    assert!(
        backups[1].starts_with("c|covered|NULL|2026-11-22 14:00:00.000000|0|2026-11-22 14:00:05.000000|5|0-1-5|2|5|"),
        "{}",
        backups[1]
    );
    assert!(backups[1].ends_with("|made by a test"), "{}", backups[1]);
    assert_eq!(
        backups[2],
        "c|uncertain|d.b|2026-11-22 14:00:04.000000|4|NULL|NULL|NULL|NULL|NULL|NULL|its log has a gap."
    );
    assert_eq!(backups[3], "c|not carried|d.g|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|column p is of type point");

    let clusters = shown("SHOW CLUSTERS", &scene);
    assert_eq!(
        clusters[1..],
        ["c|made by a test|2026-11-22 14:00:00.000000|2026-11-22 14:00:05.000000|1|1|Yes".to_string()]
    );
    let moment = shown("SHOW MOMENT", &scene);
    assert_eq!(moment, ["Cluster|Time_UTC|Seq|GTID", "c|2026-11-22 14:00:05.000000|5|0-1-5"]);

    let tables = |lines: &[String]| {
        lines[1..].iter().map(|l| l.split('|').take(4).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let at = |s: &str| format!("2026-11-22 14:00:0{s}00000");
    let all = tables(&shown("SHOW TRANSACTIONS", &scene));
    let third = format!("3 {} 0-1-3 d.a", at("3.0"));
    let first = format!("1 {} 0-1-1 d.a", at("1.0"));
    let second = format!("2 {} 0-1-2 d.a, d.b", at("2.5"));
    let fourth = format!("4 {} 0-1-4 d.b", at("4.0"));
    let fifth = format!("5 {} 0-1-5 d.g", at("5.0"));
    assert_eq!(all, [fifth.clone(), fourth.clone(), third.clone(), second.clone(), first.clone()]);
    assert_eq!(tables(&shown("SHOW TRANSACTIONS LIMIT 2", &scene)), [fifth, fourth.clone()]);
    assert_eq!(tables(&shown("SHOW TRANSACTIONS FOR a", &scene)), [third.clone(), second.clone(), first]);
    scene.between = Some((Micros(START + 2_500_000), Micros(START + 3_000_000)));
    let between = "SHOW TRANSACTIONS FOR d.b BETWEEN '2026-11-22 14:00:02.5' AND '2026-11-22 14:00:03'";
    assert_eq!(tables(&shown(between, &scene)), [second]);
}
