//! Statements that run while the archive is made smaller: none finds a file gone.

use super::shared::{compact, eager, retain, seconds};
use crate::support::made::{Made, int, row, table, varchar};
use futures::StreamExt;
use pcloud::archive::Folder;
use pcloud::clock::SystemClock;
use pcloud::error::{Error, Kind};
use pcloud::model::{Change, ColumnType, Row, value_at};
use pcloud::query::{Answer, Limits, Rows, Service, Session};
use pcloud::upkeep::Policy;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const BASE: i64 = 40_000;

async fn begun(session: &mut Session, sql: &str) -> Result<Rows, Error> {
    match session.run(sql, &[], CancellationToken::new()).await? {
        Answer::Rows(rows) => Ok(rows),
        other => panic!("{sql}: {other:?}"),
    }
}

/// The numbers of a one-row answer.
async fn numbers(session: &mut Session, sql: &str) -> Result<Vec<String>, Error> {
    let mut rows = begun(session, sql).await?;
    let kinds: Vec<ColumnType> = rows.columns.iter().map(|c| c.kind.clone()).collect();
    let mut found = Vec::new();
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        if batch.num_rows() == 1 {
            let cell = |(kind, array): (&ColumnType, &arrow::array::ArrayRef)| {
                let value = value_at(array, 0, kind).expect("a value");
                String::from_utf8_lossy(&value.display(kind).expect("not NULL")).into_owned()
            };
            found = kinds.iter().zip(batch.columns()).map(cell).collect();
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_never_finds_its_rows_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let rows: Vec<Row> = (0..BASE).map(|id| row(id, &format!("{id:040}"))).collect();
    let mut made = Made::begin(dir.path(), &[(t.clone(), rows)]).await;
    let commit = |n: i64| vec![(t.clone(), Change::Insert(row(BASE + n, "new")))];
    for n in 1..=30 {
        made.commit(n as f64 * 10.0, &[], &commit(n)).await;
    }
    let cluster = made.cluster.clone();
    let service = Service::open(made.archive.clone(), Arc::new(SystemClock), Limits::default()).await.expect("opened");
    // one that has begun, and is read slowly
    let mut slow = Session::new(service.clone(), 1, "tester".into());
    let mut open = begun(&mut slow, "SELECT v FROM d.t AS OF SEQ 3").await.expect("begun");
    let mut seen = open.batches.next().await.expect("rows").expect("read").num_rows();
    let stop = CancellationToken::new();
    let asking: Vec<_> = (2..5)
        .map(|n| {
            let (service, stop) = (service.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut session, mut rng) =
                    (Session::new(service, n, "tester".into()), fastrand::Rng::with_seed(n.into()));
                let (mut answered, mut refused) = (0, 0);
                while !stop.is_cancelled() {
                    let seq = rng.i64(0..=30);
                    let sql = format!("SELECT COUNT(*), MAX(id) FROM d.t AS OF SEQ {seq} WHERE v <> ''");
                    match numbers(&mut session, &sql).await {
                        Ok(found) => {
                            let last = if seq == 0 { BASE - 1 } else { BASE + seq };
                            assert_eq!(found, [(BASE + seq).to_string(), last.to_string()], "{sql}");
                            answered += 1;
                        }
                        Err(e) => {
                            assert!(
                                e.kind == Kind::OutOfRange && e.message.contains("archive of cluster c"),
                                "{sql}: {e}"
                            );
                            refused += 1;
                        }
                    }
                }
                (answered, refused)
            })
        })
        .collect();
    let options = eager(&mut fastrand::Rng::with_seed(7));
    for kept in [250.0, 200.0, 120.0, 60.0] {
        compact(&cluster, &options).await.expect("compacted");
        let policy = Policy { every: seconds(kept), ..Policy::default() };
        retain(&cluster, &policy, &options).await.expect("retained");
    }
    stop.cancel();
    let mut refusals = 0;
    for client in asking {
        let (answered, refused) = client.await.expect("every answer was right");
        assert!(answered > 0);
        refusals += refused;
    }
    println!("{refusals} moments were refused");
    while let Some(batch) = open.batches.next().await {
        seen += batch.expect("it is still there").num_rows();
    }
    assert_eq!(seen as i64, BASE + 3, "what began before ends as it began");
    drop((open, slow));
    let mut session = Session::new(service, 9, "tester".into());
    numbers(&mut session, "SELECT COUNT(*) FROM d.t AS OF SEQ 30").await.expect("answered");
    let before = cluster.objects(Folder::Bases).await.expect("listed").len();
    retain(&cluster, &Policy { every: seconds(60.0), ..Policy::default() }, &options).await.expect("swept");
    let after = cluster.objects(Folder::Bases).await.expect("listed").len();
    assert!(after < before, "{before} files of bases were there, now {after}");
}
