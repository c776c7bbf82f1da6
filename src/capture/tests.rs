//! The log against a source that tells what a test wrote down, and breaks where the test says so. The archive is real.

use super::*;
use crate::archive::{Cluster, Footer};
use crate::clock::FixedClock;
use crate::model::{
    Bookmark, Catalog, Change, CommitTime, Micros, RowsBuilder, SchemaChange, SourceEvent, TableId, TableSchema, Value,
};
use crate::source::mysql::ddl::parse_create_table;
use crate::source::{BaseSource, BaseTable, ChangeStream, Outline, Retake, base_rows};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::Mutex;

fn table(id: u32) -> Arc<TableSchema> {
    let name = TableName::new("shop", format!("t{id}"));
    let text = format!("CREATE TABLE t{id} (id INT PRIMARY KEY, v VARCHAR(2000))");
    Arc::new(parse_create_table(&text, name, TableId(id), ("utf8mb4", "utf8mb4_general_ci")).expect("a table"))
}

fn catalog() -> Catalog {
    let tables = [1, 2].map(|id| (TableId(id), table(id))).into();
    let databases = [("shop".to_string(), "CREATE DATABASE `shop`".to_string())].into();
    Catalog { tables, databases, next_table: 3, ..Catalog::default() }
}

fn bookmark(n: u32) -> Bookmark {
    Bookmark(format!("place {n}"))
}

fn row(id: i64) -> Vec<Value> {
    vec![Value::Int(id), Value::Text("x".repeat(500))]
}

fn begin() -> Told {
    Told::Event(SourceEvent::Begin { gtid: Some("0-1-7".into()) })
}

fn rows(of: u32, ids: std::ops::Range<i64>) -> Told {
    Told::Event(SourceEvent::Rows {
        table: table(of),
        changes: ids.map(|id| Change::Insert(row(id))).collect(),
        cascades: false,
    })
}

fn commit(n: u32) -> Told {
    Told::Event(SourceEvent::Commit { time: CommitTime::Second(1_000), bookmark: bookmark(n) })
}

fn schema(change: SchemaChange) -> Told {
    Told::Event(SourceEvent::Schema { database: "shop".into(), statement: None, changes: vec![change] })
}

fn caught_up() -> Told {
    Told::Event(SourceEvent::CaughtUp { asked: std::time::Instant::now() })
}

fn uncertain(id: u32) -> SchemaChange {
    SchemaChange::Uncertain { id: TableId(id), name: table(id).name.clone(), why: "It was altered.".into() }
}

#[derive(Debug, Clone)]
enum Told {
    Event(SourceEvent),
    /// The source goes away.
    Away,
    /// Nothing more comes, but a stop is asked for.
    Stop(CancellationToken),
    /// When a new base is awaited: the stream is at its place.
    AtPlace,
}

#[derive(Default)]
struct Script {
    /// What each connection tells.
    connections: Mutex<VecDeque<Vec<Told>>>,
    asked_from: Mutex<Vec<Bookmark>>,
    /// Of the first base these tables cannot be read.
    unreadable: Vec<u32>,
}

impl Script {
    fn new(connections: impl IntoIterator<Item = Vec<Told>>) -> Arc<Self> {
        Arc::new(Self { connections: Mutex::new(connections.into_iter().collect()), ..Self::default() })
    }

    fn asked_from(&self) -> Vec<Bookmark> {
        self.asked_from.lock().expect("no panic").clone()
    }
}

#[async_trait]
impl Source for Script {
    async fn check(&self, _tables: bool) -> Result<()> {
        Ok(())
    }

    async fn base(&self) -> Result<Box<dyn BaseSource>> {
        let tables = catalog().tables.into_values().collect();
        Ok(Box::new(ScriptBase { tables: Mutex::new(tables), unreadable: self.unreadable.clone() }))
    }

    async fn changes(&self, _catalog: &Catalog, from: &Bookmark) -> Result<Option<Box<dyn ChangeStream>>> {
        self.asked_from.lock().expect("no panic").push(from.clone());
        let told = self.connections.lock().expect("no panic").pop_front().expect("a script for each connection");
        Ok(Some(Box::new(ScriptStream { told: told.into(), awaited: None })))
    }

    async fn retake(&self, known: &TableSchema) -> Result<Retake> {
        let schema = table(known.id.0);
        Ok(Retake::Rows { rows: told_rows(schema.clone(), 5, false), schema, bookmark: bookmark(90) })
    }
}

fn told_rows(schema: Arc<TableSchema>, count: i64, unreadable: bool) -> crate::source::BaseRows {
    let (sender, rows) = base_rows();
    tokio::spawn(async move {
        let mut batch = RowsBuilder::new(&schema);
        (0..count).for_each(|id| batch.push(&row(id)).expect("a row"));
        sender.send(batch.finish()).await.expect("somebody reads");
        match unreadable {
            true => sender.fail(Error::new(Kind::Uncertain, "it was altered meanwhile")).await,
            false => sender.end().await,
        }
    });
    rows
}

struct ScriptBase {
    tables: Mutex<Vec<Arc<TableSchema>>>,
    unreadable: Vec<u32>,
}

#[async_trait]
impl BaseSource for ScriptBase {
    fn lanes(&self) -> usize {
        2
    }

    fn expected(&self) -> Option<(usize, u64)> {
        None
    }

    async fn next_table(&self) -> Result<Option<BaseTable>> {
        let Some(schema) = self.tables.lock().expect("no panic").pop() else { return Ok(None) };
        let rows = told_rows(schema.clone(), 3, self.unreadable.contains(&schema.id.0));
        Ok(Some(BaseTable { schema, rows }))
    }

    async fn outline(&self) -> Result<Outline> {
        let (catalog, time) = (catalog(), Micros(5_000_000));
        Ok(Outline { catalog, bookmark: bookmark(0), time, source: "Script 1".into() })
    }
}

struct ScriptStream {
    told: VecDeque<Told>,
    awaited: Option<TableId>,
}

#[async_trait]
impl ChangeStream for ScriptStream {
    async fn next(&mut self) -> Result<Option<SourceEvent>> {
        if let (Some(Told::AtPlace), None) = (self.told.front(), self.awaited) {
            return std::future::pending().await;
        }
        match self.told.pop_front() {
            Some(Told::Event(event)) => Ok(Some(event)),
            Some(Told::Away) => Err(Error::new(Kind::Unreachable, "away")),
            Some(Told::Stop(stop)) => {
                stop.cancel();
                std::future::pending().await
            }
            Some(Told::AtPlace) => Ok(self.awaited.take().map(|table| SourceEvent::Retaken { table })),
            None => std::future::pending().await,
        }
    }

    fn retake(&mut self, schema: Arc<TableSchema>, at: &Bookmark) {
        assert_eq!(*at, bookmark(90));
        self.awaited = Some(schema.id);
    }

    fn apply(&mut self, _changes: &[SchemaChange]) {}
}

struct Bench {
    dir: tempfile::TempDir,
    archive: Archive,
    options: Options,
    clock: Arc<FixedClock>,
    told: Arc<Mutex<Vec<Progress>>>,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(FixedClock::at(Micros(2_000_000_000)));
        let archive = Archive::create(&dir.path().display().to_string(), clock.as_ref()).await.expect("an archive");
        let options = Options { once: true, ..Options::new("c") };
        Self { dir, archive, options, clock, told: Arc::default() }
    }

    async fn run(&self, script: &Arc<Script>) -> Result<Summary> {
        self.run_until(script, CancellationToken::new()).await
    }

    async fn run_until(&self, script: &Arc<Script>, stop: CancellationToken) -> Result<Summary> {
        let told = self.told.clone();
        let show: Show = Arc::new(move |progress| told.lock().expect("no panic").push(progress));
        super::run(&self.archive, script.clone(), &self.options, self.clock.clone(), show, stop).await
    }

    fn cluster(&self) -> Cluster {
        self.archive.cluster("c").expect("a name")
    }

    async fn footers(&self) -> Vec<Footer> {
        let mut all = Vec::new();
        for number in self.cluster().segments_after(0).await.expect("listed") {
            all.push(self.cluster().footer(number).await.expect("a footer"));
        }
        all
    }
}

fn rows_of(footer: &Footer) -> u64 {
    footer.sections.iter().map(|s| s.rows).sum()
}

#[tokio::test]
async fn the_base_is_manifest_one_and_commits_follow_it_with_times_and_counts() {
    let bench = Bench::new().await;
    let told = vec![begin(), rows(1, 10..12), rows(2, 10..11), commit(1), begin(), commit(2), caught_up()];
    let script = Script::new([told]);
    let summary = bench.run(&script).await.expect("it ends");
    let manifest = bench.cluster().manifest().await.expect("read").expect("there");
    assert_eq!((manifest.number, manifest.start.time, manifest.bookmark.clone()), (1, Micros(5_000_000), bookmark(0)));
    assert_eq!(manifest.bases.iter().map(|b| (b.table.0, b.rows())).collect::<Vec<_>>(), [(1, 3), (2, 3)]);
    let footers = bench.footers().await;
    assert_eq!(footers.len(), 1, "one segment for what came at once: {footers:?}");
    let commits = &footers[0].commits;
    assert_eq!(commits.len(), 1, "a transaction without changes that are kept does not count");
    assert_eq!(
        (commits[0].seq, commits[0].time, commits[0].gtid.as_deref()),
        (Seq(1), Micros(1_000_999_999), Some("0-1-7"))
    );
    assert_eq!(commits[0].rows.iter().map(|c| (c.table.0, c.inserts)).collect::<Vec<_>>(), [(1, 2), (2, 1)]);
    assert_eq!(footers[0].bookmark, bookmark(2), "but its place is kept");
    assert_eq!((summary.seq, summary.commits, summary.manifest.number), (Seq(1), 1, 1));
    let told = bench.told.lock().expect("no panic");
    assert!(matches!(told.last(), Some(Progress::CaughtUp { seq: Seq(1) })), "{told:?}");
}

#[tokio::test]
async fn a_transaction_in_parts_that_breaks_off_is_void_and_told_again() {
    let mut bench = Bench::new().await;
    bench.options.transaction_bytes = 2_000;
    let first = vec![begin(), rows(1, 0..1), commit(1), begin(), rows(1, 10..15), rows(1, 20..22), Told::Away];
    let second = vec![begin(), rows(1, 10..15), rows(1, 20..25), commit(2), caught_up()];
    let script = Script::new([first, second]);
    let summary = bench.run(&script).await.expect("it ends");
    assert_eq!(script.asked_from(), [bookmark(0), bookmark(1)], "again from the last commit");
    let shape: Vec<_> =
        bench.footers().await.iter().map(|f| (f.commits.len(), rows_of(f), f.continues, f.restarts)).collect();
    assert_eq!(
        shape,
        [
            (1, 6, true, false), // commit 1, and the first part of 2
            (0, 5, true, true),  // 2 from its beginning: what came before is void
            (0, 5, true, false),
            (1, 0, false, false), // committed
        ]
    );
    assert_eq!(summary.seq, Seq(2));
}

#[tokio::test]
async fn a_run_that_ends_within_a_transaction_is_followed_by_one_that_begins_it_again() {
    let mut bench = Bench::new().await;
    (bench.options.transaction_bytes, bench.options.once) = (2_000, false);
    let stop = CancellationToken::new();
    let first = vec![begin(), rows(1, 0..1), commit(1), begin(), rows(1, 10..15), Told::Stop(stop.clone())];
    bench.run_until(&Script::new([first]), stop).await.expect("stopped");
    bench.options.once = true;
    let script = Script::new([vec![begin(), rows(1, 10..12), commit(2), caught_up()]]);
    let summary = bench.run(&script).await.expect("it ends");
    assert_eq!(script.asked_from(), [bookmark(1)]);
    let footers = bench.footers().await;
    let last = footers.last().expect("a segment");
    assert_eq!((last.restarts, last.continues, rows_of(last), last.commits.len()), (true, false, 2, 1));
    assert_eq!((summary.seq, summary.commits), (Seq(2), 1));
    // nothing new: nothing is written
    let before = footers.len();
    bench.run(&Script::new([vec![caught_up()]])).await.expect("it ends");
    assert_eq!(bench.footers().await.len(), before);
}

#[tokio::test]
async fn who_comes_second_to_a_number_stops() {
    let bench = Bench::new().await;
    bench.run(&Script::new([vec![caught_up()]])).await.expect("a base");
    // another writer takes segment 1 while this one has it in hand
    let rival = Script::new([vec![begin(), rows(1, 0..1), commit(1), caught_up()]]);
    let slow = Arc::new(Script {
        connections: Mutex::new([vec![begin(), rows(2, 0..1), commit(1), caught_up()]].into()),
        ..Script::default()
    });
    let mut memory = Memory::of(&bench.cluster()).expect("none is needed");
    let reached = Reached::load(&bench.cluster(), &memory).await.expect("read").expect("there");
    bench.run(&rival).await.expect("the first");
    let (show, stop): (Show, _) = (Arc::new(|_| ()), CancellationToken::new());
    let told = log::Told { options: &bench.options, clock: bench.clock.clone(), show, stop };
    let log = log::Log::new(bench.cluster(), slow, told, &mut memory, reached);
    let error = log.run().await.expect_err("the second");
    assert_eq!(error.kind, Kind::Fenced, "{error}");
    assert_eq!(bench.footers().await.len(), 1);
}

#[tokio::test]
async fn an_uncertain_table_is_certain_again_from_its_new_base() {
    let bench = Bench::new().await;
    let told = vec![
        begin(),
        schema(uncertain(1)),
        commit(1),
        begin(),
        // rows of the uncertain table, which are not told
        commit(2),
        caught_up(),
        Told::AtPlace,
        begin(),
        rows(1, 20..21),
        commit(3),
    ];
    let summary = bench.run(&Script::new([told])).await.expect("it ends");
    assert_eq!(summary.uncertain, []);
    let manifest = bench.cluster().manifest().await.expect("read").expect("there");
    assert_eq!(manifest.number, 2);
    let base = manifest.bases.last().expect("a base");
    assert_eq!((base.table, base.seq, base.rows()), (TableId(1), Seq(2), 5));
    let memory = Memory::of(&bench.cluster()).expect("none is needed");
    let reached = Reached::load(&bench.cluster(), &memory).await.expect("read").expect("there");
    assert!(reached.catalog.uncertain.is_empty(), "a later run knows it too");
}

#[tokio::test]
async fn a_table_that_the_first_base_could_not_read_is_taken_as_soon_as_the_log_is_followed() {
    let bench = Bench::new().await;
    let script = Arc::new(Script {
        connections: Mutex::new([vec![caught_up(), Told::AtPlace]].into()),
        unreadable: vec![2],
        ..Script::default()
    });
    let summary = bench.run(&script).await.expect("it ends");
    assert_eq!(summary.uncertain, []);
    let manifest = bench.cluster().manifest().await.expect("read").expect("there");
    assert_eq!(
        manifest.bases.iter().map(|b| (b.table.0, b.seq, b.rows())).collect::<Vec<_>>(),
        [(1, Seq(0), 3), (2, Seq(0), 5)]
    );
    assert!(manifest.catalog.uncertain.is_empty());
}

#[tokio::test]
async fn a_table_that_is_dropped_is_not_waited_for() {
    let bench = Bench::new().await;
    let told = vec![
        begin(),
        schema(uncertain(1)),
        commit(1),
        begin(),
        schema(SchemaChange::TableDropped { id: TableId(1) }),
        commit(2),
        caught_up(),
    ];
    let summary = bench.run(&Script::new([told])).await.expect("it ends");
    assert_eq!((summary.seq, summary.uncertain, summary.manifest.number), (Seq(2), vec![], 1));
}

#[tokio::test]
async fn a_store_that_fails_is_waited_for_and_nothing_is_lost() {
    let bench = Bench::new().await;
    bench.run(&Script::new([vec![caught_up()]])).await.expect("a base");
    let (here, away) = (bench.dir.path().join("c"), bench.dir.path().join("away"));
    let told = bench.told.clone();
    let show: Show = Arc::new(move |progress| {
        match progress {
            // what the archive holds has been read by now
            Progress::Checking => std::fs::rename(&here, &away).expect("taken away"),
            Progress::Waiting { .. } => std::fs::rename(&away, &here).expect("brought back"),
            _ => {}
        }
        told.lock().expect("no panic").push(progress);
    });
    let script = Script::new([vec![begin(), rows(1, 0..2), commit(1), caught_up()]]);
    let stop = CancellationToken::new();
    let summary = super::run(&bench.archive, script, &bench.options, bench.clock.clone(), show, stop).await;
    assert_eq!(summary.expect("it ends").seq, Seq(1));
    assert_eq!(bench.footers().await.iter().map(rows_of).sum::<u64>(), 2);
    let told = bench.told.lock().expect("no panic");
    assert!(told.iter().any(|p| matches!(p, Progress::Waiting { .. })), "{told:?}");
    assert!(told.iter().any(|p| matches!(p, Progress::Resumed)), "{told:?}");
}
