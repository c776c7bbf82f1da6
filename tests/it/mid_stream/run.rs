//! Runs the cases on one server, and compares.

use super::cases::{CASES, Case};
use crate::support::archive::{rows_at, timeline};
use crate::support::db::{Db, Product};
use crate::support::history::TextRow;
use crate::support::port::Port;
use crate::support::replica::{table_from, table_of};
use mysql_async::prelude::*;
use mysql_async::{Conn, Row};
use pcloud::archive::Archive;
use pcloud::capture::{self, Options, Progress, Show, Summary};
use pcloud::clock::{Clock, SystemClock};
use pcloud::error::Kind;
use pcloud::model::{Seq, ServerUrl, TableId, TableName};
use pcloud::source::Filter;
use pcloud::source::mysql::Server;
use pcloud::timeline::Timeline;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What a table is: SHOW CREATE TABLE as pcloud reads and prints it, and its rows as text, sorted.
type Tables = BTreeMap<TableName, (String, Vec<TextRow>)>;

/// What the server had after one statement.
struct Recorded {
    statement: String,
    /// The number of its newest transaction.
    gtid: u64,
    tables: Tables,
    /// A table may be uncertain from here on.
    marked: bool,
}

struct Runner<'a> {
    db: &'a Db,
    case: &'a Case,
    index: usize,
    conn: Conn,
    recorded: Vec<Recorded>,
    /// Statements of the case that did not do what they should.
    wrong: Vec<String>,
}

/// All cases of this product, or those whose names PCLOUD_CASES has a part of.
pub async fn all(product: Product, options: &[&str]) {
    let db = Db::of(product, options);
    let dir = tempfile::tempdir().expect("a directory");
    let only = std::env::var("PCLOUD_CASES").unwrap_or_default();
    let mut runners = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        if case.on.contains(&product) && case.name.contains(&only) {
            let mut runner =
                Runner { db: &db, case, index, conn: db.connect().await, recorded: Vec::new(), wrong: Vec::new() };
            runner.setup().await;
            runners.push(runner);
        }
    }
    let (stop, told) = (CancellationToken::new(), Arc::new(tokio::sync::Notify::new()));
    let caught_up = told.clone();
    let show: Show = Arc::new(move |p| {
        if matches!(p, Progress::CaughtUp { .. }) {
            caught_up.notify_one();
        }
    });
    let running = tokio::spawn(capture(dir.path().display().to_string(), server(&db), false, show, stop.clone()));
    tokio::time::timeout(Duration::from_secs(120), told.notified()).await.expect("the first base is taken");
    for runner in &mut runners {
        runner.record("the beginning").await;
        runner.steps(runner.case.steps).await;
    }
    stop.cancel();
    running.await.expect("no panic");
    let quiet: Show = Arc::new(|_| ());
    let archive = dir.path().display().to_string();
    let summary = capture(archive.clone(), server(&db), true, quiet.clone(), CancellationToken::new()).await;
    for runner in &mut runners {
        runner.steps(runner.case.later).await;
    }
    let last = capture(archive, server(&db), true, quiet, CancellationToken::new()).await;
    println!("{} commits, {} bases", last.seq, last.manifest.bases.len());
    assert_eq!(last.uncertain, [], "after {:?}", summary.uncertain);
    let based: BTreeSet<TableName> =
        last.manifest.bases.iter().filter(|b| b.seq > Seq::ZERO).map(|b| b.schema.name.clone()).collect();
    compare(dir.path(), &mut runners, &based).await;
}

pub fn server(db: &Db) -> Server {
    Server { url: ServerUrl::parse(&db.url()).expect("a URL"), filter: Filter::default(), connections: 2 }
}

async fn capture(path: String, source: Server, once: bool, show: Show, stop: CancellationToken) -> Summary {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let archive = Archive::create(&path, clock.as_ref()).await.expect("an archive");
    let options = Options { once, flush_every: Duration::from_millis(500), ..Options::new("c") };
    capture::run(&archive, Arc::new(source), &options, clock, show, stop).await.expect("it is captured")
}

impl Runner<'_> {
    fn text(&self, statement: &str) -> String {
        let database = format!("k{}", self.index);
        statement.replace("{x}", &format!("{database}x")).replace("{db}", &database)
    }

    async fn run(&mut self, statement: &str) {
        let text = self.text(statement);
        let (fails, sql) = text.strip_prefix("fails ").map_or((false, text.as_str()), |sql| (true, sql));
        match self.conn.query_drop(sql).await {
            Err(e) if !fails => self.wrong.push(format!("{}: {text}: {e}", self.case.name)),
            Ok(()) if fails => self.wrong.push(format!("{}: {text}: it did not fail", self.case.name)),
            _ => {}
        }
    }

    async fn setup(&mut self) {
        self.run("CREATE DATABASE {db}").await;
        self.run("CREATE DATABASE {x}").await;
        self.run("USE {db}").await;
        self.run("SET time_zone = '+00:00'").await;
        for statement in split(self.case.setup) {
            self.run(statement).await;
        }
    }

    async fn steps(&mut self, steps: &str) {
        for step in split(steps) {
            let (marked, statement) = step.strip_prefix("! ").map_or((false, step), |s| (true, s));
            if let Some(statement) = step.strip_prefix("quiet ") {
                // nobody can know of it
                self.run(statement).await;
                continue;
            }
            if statement == "RECONNECT" {
                self.conn = self.db.connect().await;
                self.run("USE {db}").await;
            } else {
                self.run(statement).await;
            }
            self.record(statement).await;
            self.recorded.last_mut().expect("just recorded").marked = marked;
        }
    }

    /// Asks, on a connection of its own, for everything in the case's databases.
    async fn record(&mut self, statement: &str) {
        let mut conn = self.db.connect().await;
        conn.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
        let list = self.text(
            "SELECT table_schema, table_name FROM information_schema.tables \
             WHERE table_type = 'BASE TABLE' AND table_schema IN ('{db}', '{x}')",
        );
        let names: Vec<(String, String)> = conn.query(list).await.expect("the tables");
        let mut tables = Tables::new();
        for (database, table) in names {
            let name = TableName::new(database, table);
            let create =
                table_of(self.db, &name, TableId(0)).await.map_or_else(|r| r.to_string(), |t| plain(&t.create));
            let rows = rows(&mut conn, &format!("SELECT * FROM {}", name.quoted())).await;
            tables.insert(name, (create, rows));
        }
        let gtid = newest_gtid(&mut conn, self.db.product).await;
        self.recorded.push(Recorded { statement: statement.to_string(), gtid, tables, marked: false });
    }

    /// Recorded moments that the archive answers alike, those that it refuses, and what is wrong.
    async fn compare(
        &mut self,
        timeline: &Timeline,
        (numbers, based): (&[(u64, Seq)], &BTreeSet<TableName>),
        port: &mut Conn,
    ) -> (usize, usize, Vec<String>) {
        let (mut equal, mut refused, mut wrong) = (0, 0, std::mem::take(&mut self.wrong));
        let mut doubted: BTreeMap<String, Seq> = BTreeMap::new();
        for moment in &self.recorded {
            let place = format!("{} (k{}), after {}", self.case.name, self.index, moment.statement);
            let n = numbers.partition_point(|(number, _)| *number <= moment.gtid);
            let seq = n.checked_sub(1).map_or(Seq::ZERO, |i| numbers[i].1);
            let catalog = timeline.catalog_at(seq).expect("a seq of the archive");
            let mine = [self.text("{db}"), self.text("{x}")];
            let ours: BTreeSet<&TableName> =
                catalog.tables.values().map(|t| &t.name).filter(|n| mine.contains(&n.database)).collect();
            let theirs: BTreeSet<&TableName> = moment.tables.keys().collect();
            if ours != theirs {
                wrong.push(format!("{place}: tables {ours:?} instead of {theirs:?}"));
                continue;
            }
            for name in ours {
                let (create, rows) = &moment.tables[name];
                match timeline.table(name, seq) {
                    Ok(schema) => {
                        let got = rows_at(timeline, name, seq).await;
                        if got != *rows {
                            wrong.push(format!("{place}: {name} has rows\n{got:?}\ninstead of\n{rows:?}"));
                        } else if let found = self.read(&schema.create, name)
                            && found != *create
                        {
                            wrong.push(format!("{place}: {name} is\n{found}\ninstead of\n{create}"));
                        } else {
                            equal += 1;
                        }
                    }
                    Err(e) if e.kind == Kind::Uncertain => {
                        refused += 1;
                        doubted.entry(name.table.clone()).or_insert(seq);
                    }
                    Err(e) => wrong.push(format!("{place}: {name}: {e}")),
                }
            }
        }
        wrong.extend(self.intervals(timeline, numbers, based));
        let expected: BTreeSet<&str> = self.case.uncertain.iter().map(|t| t.trim_end_matches('?')).collect();
        for table in doubted.keys().filter(|t| !expected.contains(t.as_str())) {
            wrong.push(format!("{}: table {table} is uncertain", self.case.name));
        }
        wrong.extend(self.through_the_port(port).await);
        (equal, refused, wrong)
    }

    /// Uncertain intervals begin with a marked statement and have an end; exactly the tables that the case names have
    /// new bases. (An interval is empty, and not told, when its base is of the very commit that began it.)
    fn intervals(&self, timeline: &Timeline, numbers: &[(u64, Seq)], based: &BTreeSet<TableName>) -> Vec<String> {
        let mut wrong = Vec::new();
        let mine = [self.text("{db}"), self.text("{x}")];
        let seq_of = |r: &Recorded| numbers.iter().find(|(n, _)| *n == r.gtid).map(|(_, s)| *s);
        let marked: Vec<Option<Seq>> = self.recorded.iter().filter(|r| r.marked).map(seq_of).collect();
        let intervals: Vec<_> =
            timeline.uncertain_intervals().into_iter().filter(|i| mine.contains(&i.table.database)).collect();
        for i in &intervals {
            if i.until.is_none() || !marked.contains(&Some(i.from.seq)) {
                wrong.push(format!("{}: {i:?}, marked {marked:?}", self.case.name));
            }
        }
        let based: BTreeSet<&str> =
            based.iter().filter(|t| mine.contains(&t.database)).map(|t| t.table.as_str()).collect();
        let may_be: BTreeSet<&str> = self.case.uncertain.iter().map(|t| t.trim_end_matches('?')).collect();
        let must_be: BTreeSet<&str> = self.case.uncertain.iter().copied().filter(|t| !t.ends_with('?')).collect();
        if !based.is_superset(&must_be) || !based.is_subset(&may_be) {
            wrong.push(format!("{}: new bases of {based:?}, expected of {:?}", self.case.name, self.case.uncertain));
        }
        wrong
    }

    /// A definition as the server's are recorded: by pcloud's own reader.
    fn read(&self, create: &str, name: &TableName) -> String {
        table_from(self.db.product, create, name, TableId(0)).map_or_else(|r| r.to_string(), |t| plain(&t.create))
    }

    /// The last moment, as clients see it.
    async fn through_the_port(&self, port: &mut Conn) -> Vec<String> {
        let mut wrong = Vec::new();
        let Some(last) = self.recorded.last() else { return wrong };
        port.query_drop("SET time_zone = '+00:00'").await.expect("UTC");
        for (name, (_, expected)) in &last.tables {
            match port.query::<Row, _>(format!("SELECT * FROM {}", name.quoted())).await {
                Ok(got) => {
                    let got = texts(got);
                    if got != *expected {
                        wrong.push(format!(
                            "{}: the port shows {name} as\n{got:?}\ninstead of\n{expected:?}",
                            self.case.name
                        ));
                    }
                }
                Err(e) => wrong.push(format!("{}: the port says of {name}: {e}", self.case.name)),
            }
        }
        wrong
    }
}

async fn compare(archive: &Path, runners: &mut [Runner<'_>], based: &BTreeSet<TableName>) {
    let began = Instant::now();
    let timeline = timeline(archive, "c").await;
    let number = |g: &str| g.rsplit(['-', ':']).next().and_then(|n| n.parse().ok());
    let numbers: Vec<(u64, Seq)> = timeline
        .commits(Seq::ZERO, timeline.latest().seq)
        .filter_map(|c| Some((number(c.commit.gtid.as_deref()?)?, c.commit.seq)))
        .collect();
    let port = Port::open(archive).await;
    let mut conn = port.connect().await;
    let (mut equal, mut refused, mut wrong, mut exact) = (0, 0, Vec::new(), 0);
    for runner in runners.iter_mut() {
        let (e, r, w) = runner.compare(&timeline, (&numbers, based), &mut conn).await;
        exact += usize::from(runner.case.uncertain.is_empty() && w.is_empty());
        (equal, refused) = (equal + e, refused + r);
        wrong.extend(w);
    }
    println!(
        "{} cases, {exact} of them exact; {equal} tables at moments equal, {refused} refused, {} wrong; {:?}",
        runners.len(),
        wrong.len(),
        began.elapsed()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn split(statements: &str) -> impl Iterator<Item = &str> {
    statements.split(" | ").map(str::trim).filter(|s| !s.is_empty())
}

async fn rows(conn: &mut Conn, select: &str) -> Vec<TextRow> {
    texts(conn.query(select).await.unwrap_or_else(|e| panic!("{select}: {e}")))
}

fn texts(rows: Vec<Row>) -> Vec<TextRow> {
    let cell = |v| match v {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(b) => Some(String::from_utf8_lossy(&b).into_owned()),
        other => panic!("the text protocol gave {other:?}"),
    };
    let mut rows: Vec<TextRow> = rows.into_iter().map(|r| r.unwrap().into_iter().map(cell).collect()).collect();
    rows.sort();
    rows
}

async fn newest_gtid(conn: &mut Conn, product: Product) -> u64 {
    let sql = if product.is_mysql() { "SELECT @@GLOBAL.gtid_executed" } else { "SELECT @@gtid_binlog_pos" };
    let set: String = conn.query_first(sql).await.expect("the GTIDs").expect("one row");
    set.rsplit(['-', ':']).next().and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

/// A definition without what two servers may print differently for the same table.
fn plain(create: &str) -> String {
    let (head, tail) = create.split_once(" AUTO_INCREMENT=").unwrap_or((create, ""));
    let text = format!("{head}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit()));
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
    match text.find("PARTITIONBY") {
        Some(at) => format!("{}{}", &text[..at], text[at..].to_uppercase().replace("ENGINE=INNODB", "")),
        None => text,
    }
}
