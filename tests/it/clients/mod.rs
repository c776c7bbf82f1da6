//! What the archive says of itself, and real clients against the MySQL port.

use crate::support::db::{MariaDb, cache, tree};
use crate::support::made::{Made, START, int, row, table, varchar};
use futures::TryStreamExt;
use pcloud::archive::Archive;
use pcloud::clock::SystemClock;
use pcloud::model::{Change, Micros, NotCarried, SchemaChange, ServerUrl, TableName, value_at};
use pcloud::query::system::{ClusterScene, Listing, Scene, Show, Variables};
use pcloud::query::{Answer, Limits, Service, Session};
use pcloud::restore::Jobs;
use pcloud::timeline::Timeline;
use pcloud::{capture, server, source};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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
        proofs: Default::default(),
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
    let refused =
        SchemaChange::Refused { name: TableName::new("d", "g"), why: NotCarried::table("column p is of type point") };
    made.commit(5.0, &[refused], &[]).await;
    let timeline = Arc::new(made.timeline().await);
    let mut scene = scene(&timeline);

    let backups = shown("SHOW BACKUPS", &scene);
    assert_eq!(backups.len(), 4, "{backups:#?}");
    assert!(
        backups[1].starts_with("c|covered|NULL|2026-11-22 14:00:00.000000|0|2026-11-22 14:00:04.999999|5|0-1-5|2|5|"),
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
        ["c|made by a test|2026-11-22 14:00:00.000000|2026-11-22 14:00:04.999999|1|1|Yes".to_string()]
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

/// What the clients look at: every kind of object, and types that are easily spoilt on the way.
const SHOP: &str = "CREATE DATABASE shop; USE shop;
    CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL DEFAULT 'it''s', UNIQUE KEY n (name));
    CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, cust INT, amount DECIMAL(10,2) NOT NULL,
        note TEXT, at TIMESTAMP NOT NULL DEFAULT current_timestamp(), e ENUM('a','b'), s SET('x','y'), j JSON, b BIT(10), y YEAR,
        f FLOAT, g DOUBLE, h INT(8) ZEROFILL, bin BINARY(4), bl BLOB, t TIME(3), d DATE, dt DATETIME(6),
        KEY c (cust, amount), CONSTRAINT fk FOREIGN KEY (cust) REFERENCES customers (id));
    CREATE TABLE nokey (a INT, b VARCHAR(9));
    CREATE VIEW v AS SELECT id, amount FROM orders WHERE amount > 1;
    CREATE TRIGGER tr BEFORE INSERT ON nokey FOR EACH ROW SET NEW.b = UPPER(NEW.b);
    CREATE PROCEDURE p(IN a INT) SELECT a;
    CREATE FUNCTION f(x INT) RETURNS INT DETERMINISTIC RETURN x + 1;
    CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO SELECT 1;
    INSERT INTO customers VALUES (1, 'Ada'), (2, 'Björn 🦀');
    INSERT INTO orders VALUES (1, 1, 10.50, 'it''s \\\\ \"q\"\\n', '2026-10-25 00:30:00', 'b', 'x,y', '{\"k\": 1}', b'1010', 1999,
        1.1, 2.2, 42, x'00ff', x'0027220a', '-12:34:56.789', '2026-02-28', '2026-01-01 00:00:00.000001');
    INSERT INTO orders (cust, amount) VALUES (2, 3.25), (NULL, 0.5);
    INSERT INTO nokey VALUES (1, 'x'), (1, 'x'), (NULL, NULL)";

/// A server in this process over an archive of a MariaDB that has the shop.
struct Shop {
    source: MariaDb,
    service: Arc<Service>,
    port: u16,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
}

impl Shop {
    async fn open() -> Shop {
        let source = tokio::task::spawn_blocking(|| {
            let source = MariaDb::start(&[]);
            source.sql(SHOP);
            source
        });
        let source = source.await.expect("the source starts");
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(SystemClock);
        let archive = Archive::create(&dir.path().to_string_lossy(), clock.as_ref()).await.expect("an archive");
        let url = ServerUrl::parse(&source.url()).expect("a URL");
        let captured = Arc::new(source::mysql::Server { url, filter: source::Filter::default(), connections: 2 });
        let options = capture::Options { once: true, ..capture::Options::new("c") };
        let quiet: capture::Show = Arc::new(|_| {});
        capture::run(&archive, captured, &options, clock.clone(), quiet, CancellationToken::new())
            .await
            .expect("captured");
        let service = Service::open(archive, clock.clone(), Limits::default()).await.expect("a service");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let stop = CancellationToken::new();
        let jobs = Arc::new(Jobs::new(clock));
        let settings = server::Settings::default();
        tokio::spawn(server::run(listener, service.clone(), jobs, settings, stop.clone()));
        Shop { source, service, port, stop, _dir: dir }
    }

    /// A client program of the MariaDB tree, connected here; what it prints. It must succeed.
    async fn client(&self, program: &str, arguments: &[&str]) -> String {
        let mut c = Command::new(tree().join("bin").join(program));
        c.args(["--no-defaults", "-h127.0.0.1", "-uann", "--protocol=tcp", "--default-character-set=utf8mb4"]);
        c.arg(format!("-P{}", self.port)).args(arguments);
        run(c).await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Runs a program to its end, off the threads that serve it. It must succeed.
async fn run(mut c: Command) -> String {
    let ended = tokio::task::spawn_blocking(move || {
        let out = c.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{c:?}: {e}"));
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{c:?}: {text}\n{}", String::from_utf8_lossy(&out.stderr));
        text
    });
    ended.await.expect("the program ends well")
}

/// What a statement prints in a session of this process; an error fails the test.
async fn answered(session: &mut Session, sql: &str) -> String {
    let answer = session.run(sql, &[], CancellationToken::new()).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let Answer::Rows(rows) = answer else { return String::new() };
    let columns = rows.columns;
    let batches: Vec<_> = rows.batches.try_collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut lines = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cell = |i: usize| {
                let value = value_at(batch.column(i), row, &columns[i].kind).expect("of its type");
                value.display(&columns[i].kind).map_or("NULL".into(), |b| String::from_utf8_lossy(&b).into_owned())
            };
            lines.push((0..columns.len()).map(cell).collect::<Vec<String>>().join("|"));
        }
    }
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_the_archive_makes_the_same_database_again() {
    let shop = Shop::open().await;
    let files = tempfile::tempdir().expect("a directory");
    let (whole, past) = (files.path().join("whole.sql"), files.path().join("past.sql"));
    // not through a pipe: a dump holds bytes that are no text
    let to = |file: &Path| format!("--result-file={}", file.display());
    let all = ["--single-transaction", "--routines", "--events", "--triggers", &to(&whole), "--databases", "shop"];
    shop.client("mariadb-dump", &all).await;
    shop.client("mariadb-dump", &["--single-transaction", &to(&past), "shop@latest"]).await;
    let same = tokio::task::spawn_blocking(move || {
        let other = MariaDb::start(&[]);
        other.sql(&format!("source {}", whole.display()));
        for statement in [
            "CHECKSUM TABLE shop.customers, shop.orders, shop.nokey",
            "SHOW CREATE TABLE shop.orders; SHOW CREATE TABLE shop.customers; SHOW CREATE TABLE shop.nokey",
            "SHOW CREATE VIEW shop.v; SHOW CREATE PROCEDURE shop.p; SHOW CREATE FUNCTION shop.f; SHOW CREATE EVENT shop.ev",
            "SELECT ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_NAME = 'tr'",
            "SHOW CREATE DATABASE shop; SELECT * FROM shop.v",
        ] {
            assert_eq!(other.sql(statement), shop.source.sql(statement), "{statement}");
        }
        other.sql(&format!("CREATE DATABASE past; USE past;\nsource {}", past.display()));
        let sums = |database: &str| other.sql(&format!("USE {database}; CHECKSUM TABLE customers, orders, nokey"));
        assert_eq!(sums("past").replace("past.", "shop."), sums("shop"), "the database of a moment");
    });
    same.await.expect("the dump is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_client_finds_its_way() {
    let shop = Shop::open().await;
    let out = shop
        .client(
            "mariadb",
            &["-t", "-e", "use shop\nstatus\nshow tables; show create table customers; select @@collation_database"],
        )
        .await;
    for part in
        ["Current database:\tshop", "10.11.99-MariaDB-pcloud", "Tables_in_shop", "UNIQUE KEY `n` (`name`)", "Threads"]
    {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    let names =
        "use shop\nselect name from customers order by id; show full columns from v; desc information_schema.tables";
    let out = shop.client("mariadb", &["-N", "-e", names]).await;
    assert!(out.starts_with("Ada\nBjörn 🦀\nid\tbigint"), "{out}");
    let past = "show tables from `shop@latest`; show moment; show backups; show transactions";
    assert!(shop.client("mariadb", &["-N", "-e", past]).await.contains("customers\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_drivers_and_tools_ask_is_answered() {
    let shop = Shop::open().await;
    let mut session = Session::new(shop.service.clone(), 1, "ann".into());
    session.use_database("shop").await.expect("it is there");
    for sql in include_str!("drivers.sql").lines().filter(|l| !l.is_empty() && !l.starts_with("--")) {
        answered(&mut session, sql).await;
    }
    let mut ask = async |sql: &str| answered(&mut session, sql).await;
    assert_eq!(
        ask("SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1")
            .await,
        "customers|BASE TABLE\nnokey|BASE TABLE\norders|BASE TABLE\nv|VIEW"
    );
    let keys = "SELECT k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, r.DELETE_RULE FROM information_schema.key_column_usage k \
                JOIN information_schema.referential_constraints r USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME)";
    assert_eq!(ask(keys).await, "cust|customers|RESTRICT");
    assert_eq!(ask("SELECT COUNT(*) FROM information_schema.COLUMNS WHERE table_name = 'V'").await, "2");
}

/// A Python with PyMySQL, MySQL Connector/Python and SQLAlchemy, made once in the cache.
async fn python() -> PathBuf {
    let dir = cache().join("python-clients-1");
    let python = dir.join("bin/python");
    if !dir.join("complete").exists() {
        let mut c = Command::new("python3");
        c.args(["-m", "venv"]).arg(&dir);
        run(c).await;
        let mut c = Command::new(&python);
        c.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "pymysql==1.2.4",
            "mysql-connector-python==26.10.0",
            "sqlalchemy==2.1.9",
        ]);
        run(c).await;
        std::fs::write(dir.join("complete"), "").expect("written");
    }
    python
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_drivers_and_sqlalchemy_read_it() {
    let python = python().await;
    let shop = Shop::open().await;
    let mut c = Command::new(python);
    c.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/clients/python.py")).arg(shop.port.to_string());
    let out = run(c).await;
    let row = "(1, Decimal('10.50'), 'it\\'s \\\\ \"q\"\\n')";
    assert!(out.contains(&format!("pymysql ({row},)")), "{out}");
    assert!(out.contains(&format!("connector [{row}]")), "{out}");
    assert_eq!(
        out.matches("['information_schema', 'shop'] ['customers', 'nokey', 'orders'] ['v']").count(),
        3,
        "{out}"
    );
    assert_eq!(
        out.matches("['id', 'amount']\nkeys ['id'] ['customers']\nreflected ['customers', 'nokey', 'orders']\ncount 3")
            .count(),
        3,
        "{out}"
    );
}
