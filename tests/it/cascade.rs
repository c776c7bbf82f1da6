//! What foreign keys' actions change stands in no log. Is every table at every commit what the server had all the same?

use crate::support::archive::{pcloud, protect_once, rows_at, state_at, succeeded, text, timeline};
use crate::support::db::{Db, Product};
use crate::support::history::{State, TextRow, seed};
use fastrand::Rng;
use futures::TryStreamExt;
use mysql_async::Conn;
use mysql_async::prelude::*;
use pcloud::error::Kind;
use pcloud::model::{MomentSpec, TableName, value_at};
use pcloud::timeline::{Period, Timeline};

/// A server, one session on it, and what it answered after each transaction.
struct Watched {
    db: Db,
    conn: Conn,
    archive: tempfile::TempDir,
    /// Transactions' GTIDs, and the state after each.
    seen: Vec<(String, State)>,
    last: String,
}

impl Watched {
    async fn of(product: Product, options: &[&str], schema: &str) -> Self {
        let db = Db::of(product, options);
        db.sql(&format!("CREATE DATABASE h; USE h; {schema}"));
        let mut conn = db.connect().await;
        conn.query_drop("USE h").await.expect("USE");
        let archive = tempfile::tempdir().expect("a directory");
        protect_once(archive.path(), &db.url(), "c");
        let mut this = Self { db, conn, archive, seen: Vec::new(), last: String::new() };
        this.last = this.gtid().await;
        this
    }

    /// Of the newest transaction.
    async fn gtid(&mut self) -> String {
        let ask = if self.db.product.is_mysql() { "SELECT @@gtid_executed" } else { "SELECT @@gtid_binlog_pos" };
        let all: String = self.conn.query_first(ask).await.expect("a GTID").unwrap_or_default();
        // `server:1-17`
        match all.rsplit_once(':') {
            Some((server, numbers)) => format!("{server}:{}", numbers.rsplit('-').next().unwrap_or_default()),
            None => all,
        }
    }

    /// One transaction, or one statement. Errors of single statements are the server's business.
    async fn run(&mut self, statements: &[String]) {
        for statement in statements {
            if let Err(error) = self.conn.query_drop(statement).await {
                assert!(matches!(error, mysql_async::Error::Server(_)), "{statement}: {error}");
            }
        }
        let gtid = self.gtid().await;
        if gtid != self.last {
            self.seen.push((gtid.clone(), server_state(&mut self.conn).await));
            self.last = gtid;
        }
    }

    /// The same without foreign key checks. No second has in it both such rows and what they could be mistaken in.
    async fn run_unchecked(&mut self, mut statements: Vec<String>) {
        statements.insert(0, "SET foreign_key_checks = 0".into());
        let commit = statements.pop().expect("an end");
        for statement in &statements {
            let _ = self.conn.query_drop(statement).await;
        }
        later(&mut self.conn, 1).await;
        self.run(&[commit, "SET foreign_key_checks = 1".into()]).await;
    }

    fn capture(&self) {
        protect_once(self.archive.path(), &self.db.url(), "c");
    }

    /// Compares every state, and the versions that stood then.
    async fn compare(&self, what: &str) -> Timeline {
        let timeline = timeline(self.archive.path(), "c").await;
        for (i, (gtid, expected)) in self.seen.iter().enumerate() {
            let Ok(moment) = timeline.resolve(&MomentSpec::Gtid(gtid.clone())) else {
                let before = i.checked_sub(1).map(|before| &self.seen[before].1);
                assert_eq!(Some(expected), before, "{what}: {gtid} is not in the archive and changed something");
                continue;
            };
            let found = state_at(&timeline, "h", moment.seq).await;
            for (table, rows) in expected {
                let at = format!("{what}: table {table} at {gtid} (seq {})", moment.seq);
                assert_eq!(found.get(table), Some(rows), "{at}");
                let name = TableName::new("h", table);
                assert_eq!(&versions_at(&timeline, &name, moment.seq).await, rows, "versions, {at}");
            }
        }
        timeline
    }
}

/// Until the server's clock has moved on by whole seconds.
pub async fn later(conn: &mut Conn, seconds: u64) {
    let time = async |conn: &mut Conn| {
        conn.query_first::<u64, _>("SELECT UNIX_TIMESTAMP()").await.expect("a time").expect("a time")
    };
    let until = time(conn).await + seconds;
    while time(conn).await < until {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn server_state(conn: &mut Conn) -> State {
    let tables: Vec<String> = conn.query("SHOW TABLES").await.expect("SHOW TABLES");
    let mut state = State::new();
    for table in tables {
        let rows: Vec<mysql_async::Row> = conn.query(format!("SELECT * FROM h.{table}")).await.expect("SELECT");
        let cell = |v: mysql_async::Value| match v {
            mysql_async::Value::NULL => None,
            mysql_async::Value::Bytes(b) => Some(text(&b)),
            other => panic!("the text protocol gave {other:?}"),
        };
        let mut rows: Vec<TextRow> = rows.into_iter().map(|r| r.unwrap().into_iter().map(cell).collect()).collect();
        rows.sort();
        state.insert(table, rows);
    }
    state
}

/// The versions that stood after a commit, without their times.
async fn versions_at(timeline: &Timeline, name: &TableName, seq: pcloud::model::Seq) -> Vec<TextRow> {
    let period = Period { from: seq, to: seq };
    let (schema, _, batches) = timeline.history(name, period).await.unwrap_or_else(|e| panic!("{name} at {seq}: {e}"));
    let batches: Vec<_> = batches.try_collect().await.expect("versions");
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cells = schema.columns.iter().zip(batch.columns()).map(|(c, a)| {
                let value = value_at(a, row, &c.kind).expect("a value of its type");
                value.display(&c.kind).map(|v| String::from_utf8(v).expect("text"))
            });
            rows.push(cells.collect());
        }
    }
    rows.sort();
    rows
}

const SCHEMA: &str = "
CREATE TABLE p (id INT PRIMARY KEY, code INT UNIQUE, a INT, b INT, UNIQUE (a, b), v INT);
CREATE TABLE c (id INT PRIMARY KEY, pid INT, pcode INT, v INT,
  CONSTRAINT c_p FOREIGN KEY (pid) REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT c_code FOREIGN KEY (pcode) REFERENCES p (code) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE g (cid INT NOT NULL, n INT NOT NULL, v INT, PRIMARY KEY (cid, n),
  CONSTRAINT g_c FOREIGN KEY (cid) REFERENCES c (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE gg (id INT PRIMARY KEY, cid INT, n INT, v INT,
  FOREIGN KEY (cid, n) REFERENCES g (cid, n) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE comp (id INT PRIMARY KEY, a INT, b INT, v INT,
  FOREIGN KEY (a, b) REFERENCES p (a, b) ON DELETE CASCADE ON UPDATE SET NULL);
CREATE TABLE tree (id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE);
CREATE TABLE list (id INT PRIMARY KEY, up INT, v INT, FOREIGN KEY (up) REFERENCES list (id) ON DELETE SET NULL);
CREATE TABLE one (id INT PRIMARY KEY, other INT, v INT);
CREATE TABLE two (id INT PRIMARY KEY, other INT, v INT,
  FOREIGN KEY (other) REFERENCES one (id) ON DELETE CASCADE ON UPDATE CASCADE);
ALTER TABLE one ADD FOREIGN KEY (other) REFERENCES two (id) ON DELETE SET NULL;
CREATE TABLE words (w VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, v INT);
CREATE TABLE spoken (id INT PRIMARY KEY, w VARCHAR(30) COLLATE utf8mb4_bin, v INT,
  FOREIGN KEY (w) REFERENCES words (w) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE names (w VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
CREATE TABLE called (id INT PRIMARY KEY, w CHAR(30) COLLATE utf8mb4_general_ci, v INT,
  FOREIGN KEY (w) REFERENCES names (w) ON DELETE CASCADE ON UPDATE CASCADE);";

/// Tables and their columns; `v` is nobody's.
const COLUMNS: &[(&str, &[&str])] = &[
    ("p", &["id", "code", "a", "b", "v"]),
    ("c", &["id", "pid", "pcode", "v"]),
    ("g", &["cid", "n", "v"]),
    ("gg", &["id", "cid", "n", "v"]),
    ("comp", &["id", "a", "b", "v"]),
    ("tree", &["id", "up", "v"]),
    ("list", &["id", "up", "v"]),
    ("one", &["id", "other", "v"]),
    ("two", &["id", "other", "v"]),
    ("words", &["w", "v"]),
    ("spoken", &["id", "w", "v"]),
    ("names", &["w", "v"]),
    ("called", &["id", "w", "v"]),
];

fn statement(rng: &mut Rng) -> String {
    let (table, columns) = COLUMNS[rng.usize(..COLUMNS.len())];
    let value = |rng: &mut Rng, column: &str| match column {
        "w" if matches!(table, "names" | "called") => {
            ["'a'", "'A'", "'b'", "'B '", "'cc'", "NULL"][rng.usize(..6)].to_string()
        }
        "w" => ["'a'", "'A'", "'b'", "'b '", "'ö'", "NULL"][rng.usize(..6)].to_string(),
        _ if rng.u8(..) < 20 => "NULL".to_string(),
        _ => rng.u8(1..9).to_string(),
    };
    let column = columns[rng.usize(..columns.len())];
    match rng.u8(..20) {
        0..=8 => {
            let values: Vec<_> = columns.iter().map(|c| value(rng, c)).collect();
            let verb = if rng.u8(..5) == 0 { "REPLACE" } else { "INSERT" };
            format!("{verb} INTO {table} VALUES ({})", values.join(", "))
        }
        9..=14 => {
            let set = columns[rng.usize(..columns.len())];
            format!("UPDATE {table} SET {set} = {} WHERE {column} = {}", value(rng, set), value(rng, column))
        }
        15 => format!("UPDATE {table} SET v = v + 1, {column} = {}", value(rng, column)),
        16 if column != "w" => {
            format!("UPDATE {table} SET {column} = {column} + 10 WHERE {column} < 5 ORDER BY {column} DESC")
        }
        _ => format!("DELETE FROM {table} WHERE {column} = {}", value(rng, column)),
    }
}

/// A transaction; now and then rolled back in part or whole.
fn transaction(rng: &mut Rng) -> Vec<String> {
    let mut all = vec!["START TRANSACTION".to_string()];
    for n in 0..rng.usize(1..7) {
        if rng.u8(..) < 10 {
            all.push(format!("SAVEPOINT s{n}"));
            all.push(statement(rng));
            all.push(format!("ROLLBACK TO s{n}"));
        }
        all.push(statement(rng));
    }
    all.push(if rng.u8(..) < 20 { "ROLLBACK" } else { "COMMIT" }.into());
    all
}

/// Statements between transactions: schemas that come and go.
const ALTERS: &[&str] = &[
    "ALTER TABLE c DROP FOREIGN KEY c_p",
    "ALTER TABLE c ADD CONSTRAINT c_p FOREIGN KEY (pid) REFERENCES p (id) ON DELETE SET NULL ON UPDATE CASCADE",
    "ALTER TABLE gg ADD COLUMN more INT DEFAULT 3",
    "ALTER TABLE gg DROP COLUMN more",
    "RENAME TABLE p TO q, q TO p",
    "ALTER TABLE p RENAME COLUMN code TO kode",
    "ALTER TABLE p RENAME COLUMN kode TO code",
    "CREATE TABLE late (id INT PRIMARY KEY, pid INT, FOREIGN KEY (pid) REFERENCES p (id) ON DELETE CASCADE)",
    "INSERT INTO late SELECT id, id FROM p",
    "DROP TABLE late",
];

async fn random_history(product: Product, options: &[&str]) {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut watched = Watched::of(product, options, SCHEMA).await;
    for round in 0..3 {
        for _ in 0..4 {
            let mut statements = vec!["START TRANSACTION".to_string()];
            statements.extend((0..8).map(|_| statement(&mut rng)));
            statements.push("COMMIT".into());
            watched.run_unchecked(statements).await;
        }
        later(&mut watched.conn, 3).await;
        for _ in 0..100 {
            if rng.u8(..) < 12 && !product.is_mysql() {
                let alter = ALTERS[rng.usize(..ALTERS.len())];
                watched.run(&[alter.to_string()]).await;
            }
            let statements = transaction(&mut rng);
            watched.run(&statements).await;
        }
        watched.capture();
        let timeline = watched.compare(&format!("seed {seed}, round {round}")).await;
        assert!(timeline.uncertain_intervals().is_empty(), "{:?}", timeline.uncertain_intervals());
    }
    println!("{} moments compared on {product:?}", watched.seen.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_moment_of_a_random_history_is_what_mariadb_10_had() {
    random_history(Product::MariaDb1011, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_moment_of_a_random_history_is_what_mariadb_11_had() {
    random_history(Product::MariaDb118, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_moment_of_a_random_history_is_what_mysql_9_had_which_logs_what_foreign_keys_change() {
    random_history(Product::MySql9, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_moment_of_a_random_history_is_what_mysql_9_had_whose_engine_changes_it_unlogged() {
    random_history(Product::MySql9, &["--innodb-native-foreign-keys=ON"]).await;
}

/// One thing after the other; each line a transaction.
const DIRECTED: &[&[&str]] = &[
    &["INSERT INTO p VALUES (1, 1, 1, 1, 0), (2, 2, 2, 2, 0), (3, 3, 3, 3, 0), (4, NULL, NULL, 4, 0)"],
    &["INSERT INTO c VALUES (1, 1, 1, 0), (2, 1, 2, 0), (3, 2, 1, 0), (4, NULL, NULL, 0), (5, 3, 3, 5)"],
    &["INSERT INTO g VALUES (1, 1, 0), (1, 2, 0), (2, 1, 0), (3, 1, 0), (5, 1, 1)"],
    &["INSERT INTO gg VALUES (1, 1, 1, 0), (2, 1, NULL, 0), (3, 3, 1, 0), (4, 5, 1, 7)"],
    &["INSERT INTO comp VALUES (1, 1, 1, 0), (2, 2, 2, 0), (3, 1, NULL, 0)"],
    // a column to which nobody refers
    &["UPDATE p SET v = 7"],
    // ON UPDATE CASCADE through a key of which the column is part
    &["UPDATE c SET id = 50 WHERE id = 5"],
    &["UPDATE p SET id = 30 WHERE id = 3"],
    // a child's own change before its parent's, and after it, in one transaction
    &["UPDATE c SET pid = 2 WHERE id = 1", "DELETE FROM p WHERE id = 1"],
    &["DELETE FROM c WHERE id = 50", "INSERT INTO c VALUES (50, 30, 3, 9)", "INSERT INTO g VALUES (50, 9, 9)"],
    &[
        "UPDATE p SET code = 33 WHERE id = 30",
        "UPDATE c SET v = 10 WHERE id = 50",
        "UPDATE p SET code = 34 WHERE id = 30",
    ],
    &["UPDATE p SET id = 31, code = NULL WHERE id = 30"],
    // without foreign keys nothing follows; what refers to nothing may follow a later parent
    &["SET foreign_key_checks = 0", "DELETE FROM p WHERE id = 2"],
    &["INSERT INTO p VALUES (2, 20, 20, 20, 1)"],
    &["DELETE FROM p WHERE id = 2"],
    // a tree, and a list
    &["INSERT INTO tree VALUES (1, NULL, 0), (2, 1, 0), (3, 2, 0), (4, 3, 0), (5, 1, 0), (6, NULL, 0), (7, 6, 0)"],
    &["DELETE FROM tree WHERE id = 2"],
    &["SET foreign_key_checks = 0", "UPDATE tree SET up = 6 WHERE id = 6"],
    &["DELETE FROM tree WHERE id IN (6, 1)", "INSERT INTO tree VALUES (1, 1, 1)"],
    &["INSERT INTO list VALUES (1, NULL, 0), (2, 1, 0), (3, 2, 0), (4, 4, 0)"],
    &["DELETE FROM list WHERE id IN (1, 4)"],
    &["REPLACE INTO list VALUES (2, NULL, 5)"],
    // a circle
    &[
        "INSERT INTO one VALUES (1, NULL, 0), (2, NULL, 0)",
        "INSERT INTO two VALUES (1, 1, 0), (2, 2, 0)",
        "UPDATE one SET other = 3 - id",
    ],
    &["DELETE FROM two WHERE id = 1"],
    &["UPDATE one SET id = id + 10"],
    &["DELETE FROM one"],
    // texts
    &[
        "INSERT INTO words VALUES ('a', 1), ('A', 2), ('b', 3)",
        "INSERT INTO spoken VALUES (1, 'a', 0), (2, 'A', 0), (3, 'b   ', 0)",
    ],
    &["UPDATE words SET w = 'bb' WHERE w = 'b'"],
    &["DELETE FROM words WHERE w = 'A'"],
    &["TRUNCATE TABLE spoken"],
    &["INSERT INTO spoken VALUES (1, 'a', 0)"],
    &["DELETE FROM words"],
];

#[tokio::test(flavor = "multi_thread")]
async fn each_action_does_what_the_server_did() {
    let mut watched = Watched::of(Product::MariaDb1011, &[], SCHEMA).await;
    for (n, statements) in DIRECTED.iter().enumerate() {
        let mut all = vec!["START TRANSACTION".to_string()];
        all.extend(statements.iter().map(|s| s.to_string()));
        all.push("COMMIT".into());
        let before = watched.last.clone();
        match statements[0] {
            "SET foreign_key_checks = 0" => {
                watched.run_unchecked(all).await;
                later(&mut watched.conn, 3).await;
            }
            _ => watched.run(&all).await,
        }
        assert_ne!(watched.last, before, "{statements:?} does something");
        if n % 10 == 9 {
            watched.capture();
        }
    }
    watched.capture();
    let timeline = watched.compare("directed").await;
    assert!(timeline.uncertain_intervals().is_empty(), "{:?}", timeline.uncertain_intervals());
    let spoken = rows_at(&timeline, &TableName::new("h", "spoken"), timeline.latest().seq).await;
    assert_eq!(spoken, [[Some("1".into()), None, Some("0".into())]]);

    // put back, at a moment after derived changes only
    let target = Db::start(&[]);
    let (gtid, expected) = &watched.seen[12];
    let seq = timeline.resolve(&MomentSpec::Gtid(gtid.clone())).expect("captured").seq;
    let moment = format!("seq:{seq}");
    succeeded(pcloud(watched.archive.path()).args([
        "restore",
        "--database",
        "h",
        "--as-of",
        &moment,
        "--to",
        &target.url(),
    ]));
    let mut conn = target.connect().await;
    conn.query_drop("USE h").await.expect("USE");
    assert_eq!(&server_state(&mut conn).await, expected, "restored as of {gtid}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_an_uncertain_table_is_uncertain_until_it_is_read_again_after_it() {
    let mut watched = Watched::of(Product::MariaDb1011, &[], SCHEMA).await;
    let one = |s: &str| vec![s.to_string()];
    watched.run(&one("INSERT INTO p VALUES (1, 1, 1, 1, 0), (2, 2, 2, 2, 0), (3, 3, 3, 3, 0)")).await;
    watched.run(&one("INSERT INTO c VALUES (1, 1, 1, 0), (2, 2, 2, 0), (3, 3, 3, 0)")).await;
    watched.run(&one("INSERT INTO g VALUES (1, 1, 0), (2, 1, 0), (3, 1, 0)")).await;
    watched.run(&one("DELETE FROM p WHERE id = 1")).await;
    let clear = watched.seen.len();
    // the log does not say which rows this changes
    watched.db.sql("USE h; SET binlog_format = 'STATEMENT'; UPDATE p SET v = 5");
    watched.run(&one("DELETE FROM p WHERE id = 2")).await;
    watched.capture();
    watched.run(&one("DELETE FROM p WHERE id = 3")).await;
    watched.capture();
    let timeline = timeline(watched.archive.path(), "c").await;
    let intervals = timeline.uncertain_intervals();
    for table in ["p", "c", "g", "gg", "comp"] {
        let of: Vec<_> = intervals.iter().filter(|i| i.table.table == table).collect();
        assert!(!of.is_empty() && of.iter().all(|i| i.until.is_some()), "{table}: {of:?}");
    }
    assert!(intervals.iter().all(|i| ["p", "c", "g", "gg", "comp"].contains(&i.table.table.as_str())), "{intervals:?}");
    for (n, (gtid, expected)) in watched.seen.iter().enumerate() {
        let seq = timeline.resolve(&MomentSpec::Gtid(gtid.clone())).expect("captured").seq;
        for (table, rows) in expected {
            let name = TableName::new("h", table);
            match timeline.table(&name, seq) {
                Ok(_) => assert_eq!(&rows_at(&timeline, &name, seq).await, rows, "{table} at {gtid}"),
                Err(error) => assert!(n == clear && error.kind == Kind::Uncertain, "{table} at {gtid}: {error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_parent_is_left_out_is_refused_by_name() {
    let db = Db::start(&[]);
    db.sql(&format!("CREATE DATABASE h; USE h; {SCHEMA}"));
    let dir = tempfile::tempdir().expect("a directory");
    let mut protect = pcloud(dir.path());
    protect.args(["protect", &db.url(), "--name", "c", "--once", "--exclude", "h.p"]);
    let out = protect.output().expect("pcloud starts");
    let said = text(&out.stderr);
    assert!(!out.status.success(), "{said}");
    for (table, key, parent) in [("h.c", "c_", "h.p"), ("h.g", "g_c", "h.c"), ("h.comp", "comp_ibfk_1", "h.p")] {
        let line =
            said.lines().find(|l| l.contains(&format!("table {table}:")) || l.contains(&format!("table {table} ")));
        assert!(line.is_some_and(|l| l.contains(key) && l.contains(&format!("table {parent}"))), "{table}: {said}");
    }
}
