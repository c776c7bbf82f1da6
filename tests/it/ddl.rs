//! Schema statements on a real server: what follows from the log is what the server has.

use crate::support::db::MariaDb;
use crate::support::replica::{Replica, bookmark, everything, show_create, table_of};
use mysql_async::prelude::*;
use pcloud::model::*;
use pcloud::source::Filter;
use pcloud::source::mysql::BinlogStream;
use pcloud::source::mysql::ddl::{self, Session};
use std::collections::BTreeSet;

/// Statements that are followed exactly, in order, in database shop. Rows are there when they run.
const FOLLOWED: &[&str] = &[
    "CREATE TABLE a (id INT UNSIGNED NOT NULL AUTO_INCREMENT, name VARCHAR(20) NOT NULL DEFAULT 'it''s', PRIMARY KEY (id)) COMMENT 'the first'",
    "INSERT INTO a (name) VALUES ('one'), ('two'), ('three')",
    "ALTER TABLE a ADD COLUMN n INT, ADD COLUMN m INT NOT NULL DEFAULT 7 AFTER id, ADD k BIGINT UNSIGNED NOT NULL FIRST",
    "INSERT INTO a (name, k) VALUES ('four', 4)",
    "ALTER TABLE a ADD COLUMN (x VARCHAR(5) DEFAULT 'xy', y DECIMAL(8,3) NOT NULL, z DOUBLE DEFAULT 0.1, f FLOAT DEFAULT 1.5)",
    "ALTER TABLE a ADD COLUMN d DATE DEFAULT '2026-01-02', ADD COLUMN dt DATETIME(3) DEFAULT '2026-01-02 03:04:05.678', ADD t TIME NOT NULL, \
     ADD b BIT(9) DEFAULT b'101', ADD e ENUM('p','q') NOT NULL, ADD s SET('u','v') DEFAULT 'u,v', ADD bi BINARY(3) NOT NULL, \
     ADD bl BLOB, ADD ts TIMESTAMP NULL, ADD yr YEAR DEFAULT 2026",
    "ALTER TABLE a RENAME COLUMN n TO nn, DROP COLUMN m",
    "ALTER TABLE a CHANGE nn n INT AFTER name, MODIFY COLUMN x VARCHAR(40) DEFAULT 'xy' FIRST",
    "UPDATE a SET n = 1, x = 'longer than before' WHERE id = 1",
    "ALTER TABLE a CHANGE d dt DATE DEFAULT '2026-01-02', CHANGE dt d DATETIME(3) DEFAULT '2026-01-02 03:04:05.678'",
    "INSERT INTO a (name, k) VALUES ('five', 5)",
    "ALTER TABLE a ALTER COLUMN n SET DEFAULT 3, ALTER yr DROP DEFAULT, COMMENT = 'other', ALGORITHM=INPLACE, LOCK=NONE",
    "ALTER TABLE a ADD INDEX (name), ADD UNIQUE KEY u (k, id), ADD FULLTEXT INDEX ft (name), ADD KEY (name, n)",
    "CREATE INDEX i1 ON a (x(5), yr DESC)",
    "CREATE UNIQUE INDEX i2 ON shop.a (id, k)",
    "ALTER TABLE a RENAME INDEX i1 TO i3, DROP KEY i2",
    "DROP INDEX name ON a",
    "ALTER TABLE a MODIFY e ENUM('p','q','r') NOT NULL, MODIFY s SET('u','v','w') DEFAULT 'u,v'",
    "ALTER TABLE a MODIFY name VARCHAR(20) NULL DEFAULT NULL COMMENT 'may be \\\\ ''NULL'''",
    "CREATE TABLE b LIKE a",
    "INSERT INTO b (id, k) VALUES (1, 1)",
    "RENAME TABLE a TO tmp, b TO a, tmp TO b",
    "INSERT INTO a (id, k) VALUES (2, 2)",
    "UPDATE b SET k = k + 1",
    "TRUNCATE TABLE a",
    "INSERT INTO a (id, k) VALUES (9, 9)",
    "CREATE TABLE parent (id INT PRIMARY KEY, c INT UNIQUE) ENGINE=InnoDB",
    "CREATE TABLE child (id INT PRIMARY KEY, p INT, q INT, CHECK (q > 0), CONSTRAINT named CHECK (q < 100), \
     FOREIGN KEY (p) REFERENCES parent (id), CONSTRAINT fk2 FOREIGN KEY (q) REFERENCES parent (c) ON DELETE RESTRICT)",
    "INSERT INTO parent VALUES (1, 1), (2, 2)",
    "INSERT INTO child VALUES (1, 1, 1)",
    "RENAME TABLE parent TO mother",
    "ALTER TABLE mother RENAME COLUMN id TO mid",
    "ALTER TABLE child DROP FOREIGN KEY fk2, DROP CONSTRAINT named",
    "ALTER TABLE child RENAME TO kid",
    "ALTER TABLE kid DROP KEY fk2, ADD CONSTRAINT fk3 FOREIGN KEY (q) REFERENCES mother (c) ON UPDATE NO ACTION",
    "CREATE TABLE j (id BIGINT PRIMARY KEY, doc JSON, other LONGTEXT CHECK (other <> 'x y'), `we``ird` INT DEFAULT (1 + 1))",
    "INSERT INTO j VALUES (1, '{}', 'x', 5)",
    "ALTER TABLE j RENAME COLUMN doc TO js, ADD COLUMN doc2 JSON",
    "CREATE TABLE s AS SELECT id, name FROM b",
    "CREATE OR REPLACE TABLE s (id INT NOT NULL, id2 INT, PRIMARY KEY (id2, id)) PARTITION BY HASH (id) PARTITIONS 3",
    "INSERT INTO s VALUES (1, 1)",
    "CREATE TABLE IF NOT EXISTS s (other INT)",
    "CREATE TEMPORARY TABLE tmp (id INT)",
    "INSERT INTO tmp VALUES (1)",
    "DROP TEMPORARY TABLE tmp",
    "CREATE TABLE types (a INTEGER(5), b BOOL DEFAULT TRUE, c NUMERIC(6), d DOUBLE PRECISION, e CHARACTER VARYING(9), f NATIONAL CHAR(3), \
     g TEXT(100), h LONG, i TIMESTAMP NOT NULL DEFAULT NOW() ON UPDATE LOCALTIMESTAMP, j DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), k FLOAT(30), \
     l CHAR(3) CHARACTER SET ascii COLLATE ascii_bin, m VARCHAR(9) BINARY, n CHAR(4) BYTE, o DEC, p REAL, q INT8 UNSIGNED, r VARCHAR(3) CHARSET utf8, \
     s INT ZEROFILL DEFAULT 42, t FLOAT(7,2) DEFAULT 1, u DECIMAL(5,2) DEFAULT '1.5', v BLOB(70000), w SERIAL) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci",
    "ALTER TABLE types DEFAULT CHARACTER SET ascii",
    "ALTER TABLE types ADD COLUMN added VARCHAR(5)",
    "CREATE DATABASE more CHARACTER SET ascii COLLATE ascii_bin",
    "CREATE TABLE more.t (id INT PRIMARY KEY, v VARCHAR(10))",
    "INSERT INTO more.t VALUES (1, 'x')",
    "ALTER TABLE more.t RENAME shop.moved",
    "CREATE TABLE more.gone (id INT)",
    "DROP DATABASE more",
    "CREATE VIEW v AS SELECT id FROM j",
    "CREATE TRIGGER trg BEFORE INSERT ON j FOR EACH ROW SET NEW.other = 't'",
    "CREATE PROCEDURE pr() BEGIN SELECT 1; SELECT 2; END",
    "CREATE FUNCTION fu() RETURNS INT DETERMINISTIC RETURN 1",
    "CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO SELECT 1",
    "INSERT INTO j (id) VALUES (2)",
    "RENAME TABLE j TO jj",
    "ALTER VIEW v AS SELECT id FROM jj",
    "ALTER PROCEDURE pr READS SQL DATA SQL SECURITY INVOKER COMMENT 'it''s'",
    "CREATE OR REPLACE PROCEDURE PR2(a INT) COMMENT 'two' SELECT a",
    "CREATE OR REPLACE PROCEDURE pr2(a INT, OUT b VARCHAR(9)) DETERMINISTIC SET b = a",
    "ALTER PROCEDURE pr2 MODIFIES SQL DATA",
    "CREATE FUNCTION IF NOT EXISTS fu2(a DECIMAL(5,2)) RETURNS VARCHAR(9) CHARSET ascii READS SQL DATA RETURN CONCAT(a, ';')",
    "ALTER FUNCTION fu2 NO SQL",
    "ALTER EVENT ev ON SCHEDULE EVERY 2 YEAR STARTS '2030-01-01 00:00:00' ON COMPLETION PRESERVE RENAME TO ev2 DISABLE COMMENT 'later'",
    "ALTER EVENT ev2 DO BEGIN SET @a = ';'; SET @b = 'DO'; END",
    "CREATE OR REPLACE TRIGGER trg2 AFTER DELETE ON jj FOR EACH ROW SET @x = 1",
    "CREATE OR REPLACE VIEW v2 AS SELECT 'a''b' AS c",
    "DROP FUNCTION fu",
    "CREATE USER u1@localhost IDENTIFIED BY 'secret'",
    "GRANT SELECT ON shop.* TO u1@localhost",
    "ANALYZE TABLE jj",
    "ALTER TABLE jj ENGINE=InnoDB ROW_FORMAT=DYNAMIC, AUTO_INCREMENT=50",
    "ALTER TABLE IF EXISTS nothing ADD COLUMN x INT",
    "DROP TABLE IF EXISTS nothing, s",
    "OPTIMIZE TABLE jj",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_leaves_what_the_server_has() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE shop");
    let mut replica = Replica::of(&["shop"]);
    let url = ServerUrl::parse(&db.url()).expect("a URL");
    let mut stream =
        BinlogStream::open(&url, &replica.catalog, &bookmark(&db), &everything()).await.expect("the log opens");
    let mut conn = db.connect().await;
    conn.query_drop("USE shop").await.expect("USE");
    conn.query_drop("SET time_zone = '+00:00', sql_mode = ''").await.expect("UTC");
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for statement in FOLLOWED {
        if let Err(e) = conn.query_drop(*statement).await {
            wrong.push(format!("{statement}: {e}"));
        }
        replica.follow(&mut stream).await;
        if !statement.starts_with("INSERT INTO tmp") {
            // each is shown once, after the statement that made it
            for w in differences(&db, &replica).await {
                if seen.insert(w.clone()) {
                    wrong.push(format!("after {statement}\n{w}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    replica.assert_equals(&db).await;
    let objects: Vec<_> = replica.catalog.objects.keys().map(|k| format!("{:?} {}", k.kind, k.name)).collect();
    assert_eq!(
        objects,
        [
            "View v",
            "View v2",
            "Trigger trg",
            "Trigger trg2",
            "Procedure pr",
            "Procedure pr2",
            "Function fu2",
            "Event ev2",
            "Grant 'u1'@'localhost'"
        ]
    );
    objects_are_what_the_server_shows(&db, &replica).await;
    let trigger = replica.catalog.objects.values().find(|o| o.key.name == "trg").expect("the trigger");
    assert_eq!(trigger.table.as_deref(), Some("jj"));
    assert!(trigger.create.contains("ON `jj`"), "{}", trigger.create);
    loads_again(&db, &replica).await;
}

/// Texts of programs, as SHOW CREATE has them; triggers and views have their own spelling in the log.
async fn objects_are_what_the_server_shows(db: &MariaDb, replica: &Replica) {
    let mut conn = db.connect().await;
    conn.query_drop("USE shop").await.expect("USE");
    for object in replica.catalog.objects.values() {
        let (word, column) = match object.key.kind {
            ObjectKind::Procedure => ("PROCEDURE", 2),
            ObjectKind::Function => ("FUNCTION", 2),
            ObjectKind::Event => ("EVENT", 3),
            _ => continue,
        };
        let show = format!("SHOW CREATE {word} {}", quote_name(&object.key.name));
        let row: mysql_async::Row = conn.query_first(&show).await.expect(&show).expect("one row");
        let text: String = row.get(column).expect("the text");
        assert_eq!(object.create, text);
    }
}

/// Where tables, columns and definitions are not the server's.
async fn differences(db: &MariaDb, replica: &Replica) -> Vec<String> {
    let mut conn = db.connect().await;
    let names: Vec<(String, String)> = conn
        .query(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' \
             AND table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1, 2",
        )
        .await
        .expect("the tables");
    let mut known: Vec<(String, String)> =
        replica.catalog.tables.values().map(|t| (t.name.database.clone(), t.name.table.clone())).collect();
    known.sort();
    let mut wrong = Vec::new();
    if known != names {
        wrong.push(format!("tables {known:?}, not {names:?}"));
    }
    for (i, table) in replica
        .catalog
        .tables
        .values()
        .filter(|t| names.contains(&(t.name.database.clone(), t.name.table.clone())))
        .enumerate()
    {
        wrong.extend(replica.catalog.uncertain.get(&table.id).cloned());
        let server = table_of(db, &table.name, TableId(i as u32)).await.expect("the server's text is read");
        let text = show_create(db, &table.name).await;
        if plain(&table.create) != plain(&text) {
            wrong.push(format!("{}\nis not\n{text}", table.create));
        }
        let columns = |t: &TableSchema| {
            let column = |c: &Column| {
                format!("{} {} {} {:?} {:?} {}", c.name, c.kind, c.nullable, c.collation, c.default, c.extra)
            };
            t.columns.iter().map(column).collect::<Vec<_>>()
        };
        if (columns(table), &table.primary_key) != (columns(&server), &server.primary_key) {
            wrong.push(format!("{:#?}\nis not\n{:#?}", columns(table), columns(&server)));
        }
    }
    wrong
}

/// A definition without the number that the server gives next, which is not in the log, and without line ends.
fn plain(create: &str) -> String {
    let (head, tail) = create.split_once(" AUTO_INCREMENT=").unwrap_or((create, ""));
    let text = format!("{head}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit()));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The definitions make the same tables on an empty database.
async fn loads_again(db: &MariaDb, replica: &Replica) {
    let mut conn = db.connect().await;
    conn.query_drop("SET foreign_key_checks = 0").await.expect("SET");
    conn.query_drop("CREATE DATABASE copy").await.expect("a database");
    conn.query_drop("USE copy").await.expect("USE");
    for table in replica.catalog.tables.values() {
        conn.query_drop(&table.create).await.unwrap_or_else(|e| panic!("{}: {e}", table.create));
        let copy = show_create(db, &TableName::new("copy", &table.name.table)).await;
        assert_eq!(plain(&copy), plain(&table.create));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_followed_is_uncertain_by_name() {
    let db = MariaDb::start(&[]);
    db.sql("CREATE DATABASE shop");
    let mut replica = Replica::of(&["shop"]);
    let start = bookmark(&db);
    let doubtful = [
        "MODIFY n SMALLINT",
        "MODIFY v CHAR(20)",
        "MODIFY v VARCHAR(5)",
        "MODIFY n INT NOT NULL",
        "ADD COLUMN ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP",
        "ADD COLUMN u VARCHAR(36) DEFAULT (uuid())",
        "DROP PRIMARY KEY, ADD PRIMARY KEY (n, id)",
        "DROP PRIMARY KEY",
        "CONVERT TO CHARACTER SET ascii",
        "MODIFY v VARCHAR(20) COLLATE utf8mb4_bin",
        "PARTITION BY HASH (id) PARTITIONS 2, COALESCE PARTITION 1",
    ];
    for (i, change) in doubtful.iter().enumerate().take(10) {
        db.sql(&format!("USE shop; CREATE TABLE t{i} (id INT PRIMARY KEY, n INT NULL DEFAULT 1, v VARCHAR(20))"));
        db.sql(&format!("USE shop; SET sql_mode = ''; ALTER TABLE t{i} {change}"));
    }
    db.sql("USE shop; CREATE TABLE p (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (20)); \
            INSERT INTO p VALUES (1), (11); ALTER TABLE p DROP PARTITION a; CREATE TABLE fine (id INT PRIMARY KEY)");
    db.sql("USE shop; CREATE TABLE geo (id INT, g POINT); INSERT INTO geo VALUES (1, POINT(1, 2)); CREATE TABLE base (id INT PRIMARY KEY); \
            CREATE TABLE cascaded (id INT, b INT, FOREIGN KEY (b) REFERENCES base (id) ON DELETE CASCADE); \
            CREATE TABLE later (id INT, b INT); INSERT INTO later VALUES (1, NULL); \
            ALTER TABLE later ADD FOREIGN KEY (b) REFERENCES base (id) ON DELETE SET NULL; DROP TABLE geo");
    let url = ServerUrl::parse(&db.url()).expect("a URL");
    let mut stream = BinlogStream::open(&url, &replica.catalog, &start, &everything()).await.expect("the log opens");
    replica.follow(&mut stream).await;
    let mut uncertain: Vec<String> =
        replica.catalog.uncertain.keys().map(|id| replica.catalog.tables[id].name.table.clone()).collect();
    uncertain.sort();
    let mut expected: Vec<String> = (0..10).map(|i| format!("t{i}")).chain(["p".to_string()]).collect();
    expected.sort();
    assert_eq!(uncertain, expected, "{:#?}", replica.catalog.uncertain);
    for (id, why) in &replica.catalog.uncertain {
        let name = replica.catalog.tables[id].name.to_string();
        assert!(why.contains("ALTER TABLE") && why.contains(&name), "{why}");
    }
    let refused: Vec<&str> = replica.catalog.refused.keys().map(|n| n.table.as_str()).collect();
    assert_eq!(refused, ["cascaded", "later"]);
    assert!(replica.catalog.refused.values().all(|why| why.why.contains("the table has no primary key")));
}

/// A catalog of empty tables in `shop`, made by these statements.
fn made(statements: &[&str]) -> Catalog {
    let mut replica = Replica::of(&["shop"]);
    for statement in statements {
        let mut session = Session::new("shop");
        for change in ddl::apply(&replica.catalog, &Filter::default(), &mut session, statement) {
            replica.catalog.apply(&change);
        }
    }
    replica.catalog
}

/// What a statement makes of a catalog: tables that are there, and tables that are uncertain.
fn after(catalog: &Catalog, filter: &Filter, mut session: Session, statement: &str) -> (Vec<String>, Vec<String>) {
    let mut catalog = catalog.clone();
    for change in ddl::apply(&catalog.clone(), filter, &mut session, statement) {
        catalog.apply(&change);
    }
    let name = |id: &TableId| catalog.tables[id].name.to_string().replace("shop.", "");
    let mut tables: Vec<String> = catalog.tables.keys().map(name).collect();
    let mut uncertain: Vec<String> = catalog.uncertain.keys().map(name).collect();
    tables.sort();
    uncertain.sort();
    (tables, uncertain)
}

#[test]
fn a_statement_that_failed_counts_in_part() {
    let catalog = made(&["CREATE TABLE a (id INT)", "CREATE TABLE b (id INT)", "CREATE VIEW v AS SELECT 1"]);
    let failed = || Session { error: 1051, ..Session::new("shop") };
    let run = |statement| after(&catalog, &Filter::default(), failed(), statement);
    let both = || vec!["a".to_string(), "b".to_string()];
    assert_eq!(run("DROP TABLE a, missing"), (both(), vec!["a".to_string()]));
    assert_eq!(run("ALTER TABLE b ADD x INT"), (both(), vec!["b".to_string()]));
    assert_eq!(run("RENAME TABLE a TO c"), (both(), vec!["a".to_string()]));
    assert_eq!(run("DROP DATABASE shop"), (both(), both()));
    assert_eq!(run("INSERT INTO b VALUES (1)"), (both(), vec!["b".to_string()]));
    let (tables, uncertain) = run("CREATE TABLE c (id INT)");
    assert_eq!((tables.len(), uncertain), (3, vec!["c".to_string()]));
    // the views that were there are gone
    let changes = ddl::apply(&catalog, &Filter::default(), &mut failed(), "DROP VIEW v, missing");
    assert!(matches!(changes.as_slice(), [SchemaChange::ObjectDropped { .. }]), "{changes:?}");
}

#[test]
fn a_table_that_may_be_temporary_or_another_by_case_is_uncertain() {
    let catalog = made(&["CREATE TABLE a (id INT)", "CREATE TABLE b (id INT)"]);
    let run = |session, statement| after(&catalog, &Filter::default(), session, statement).1;
    let of_session = || Session { of_session: true, ..Session::new("shop") };
    for statement in ["ALTER TABLE a ADD x INT", "TRUNCATE a", "CREATE INDEX i ON a (id)", "DROP INDEX i ON a"] {
        assert_eq!(run(of_session(), statement), ["a"], "{statement}");
    }
    let folds = || Session { names_may_fold: true, ..Session::new("shop") };
    for statement in ["ALTER TABLE A ADD x INT", "TRUNCATE A", "RENAME TABLE A TO c"] {
        let uncertain = run(folds(), statement);
        assert!(uncertain.contains(&"a".to_string()) && uncertain.len() == 2, "{statement}: {uncertain:?}");
    }
    assert_eq!(run(folds(), "DROP TABLE IF EXISTS A"), ["a"]);
    assert!(run(Session::new("shop"), "DROP TABLE IF EXISTS A").is_empty());
    // known temporary tables hide the others
    let mut session = Session::new("shop");
    for statement in [
        "CREATE TEMPORARY TABLE a (x INT)",
        "ALTER TABLE a ADD y INT",
        "TRUNCATE a",
        "RENAME TABLE a TO c",
        "CREATE TEMPORARY TABLE b LIKE c",
        "INSERT INTO b SELECT * FROM c",
        "DROP TABLE b, c",
    ] {
        let changes = ddl::apply(&catalog, &Filter::default(), &mut session, statement);
        assert!(changes.is_empty(), "{statement}: {changes:?}");
    }
    assert!(session.temporary.is_empty());
    let changes = ddl::apply(&catalog, &Filter::default(), &mut session, "DROP TABLE b");
    assert!(matches!(changes.as_slice(), [SchemaChange::TableDropped { .. }]), "{changes:?}");
}

#[test]
fn statements_in_place_of_rows_name_what_they_change() {
    let catalog = made(&[
        "CREATE TABLE a (id INT)",
        "CREATE TABLE b (id INT)",
        "CREATE TABLE c (id INT)",
        "CREATE TABLE log (id INT)",
        "CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW CALL p(NEW.id)",
        "CREATE PROCEDURE p(i INT) INSERT INTO log VALUES (i)",
        "CREATE PROCEDURE dynamic() BEGIN PREPARE s FROM 'DELETE FROM c'; EXECUTE s; END",
        "CREATE FUNCTION f() RETURNS INT BEGIN DELETE FROM c; RETURN 1; END",
        "CREATE VIEW w AS SELECT * FROM b",
    ]);
    let run = |statement| after(&catalog, &Filter::default(), Session::new("shop"), statement).1;
    assert_eq!(run("INSERT LOW_PRIORITY INTO b SELECT * FROM c"), ["b"]);
    assert_eq!(run("INSERT INTO a VALUES (1)"), ["a", "log"]);
    assert_eq!(run("REPLACE w SELECT 1"), ["b"]);
    assert_eq!(run("UPDATE b SET id = 1 WHERE id IN (SELECT id FROM c)"), ["b"]);
    assert_eq!(run("UPDATE b AS x, c SET x.id = c.id"), ["b", "c"]);
    assert_eq!(run("DELETE FROM b WHERE id = f()"), ["b", "c"]);
    assert_eq!(run("DELETE b FROM b JOIN c USING (id)"), ["b", "c"]);
    assert_eq!(run("LOAD DATA INFILE 'x' IGNORE INTO TABLE `b` (id)"), ["b"]);
    assert_eq!(run("ANALYZE FORMAT=JSON DELETE FROM b"), ["b"]);
    assert_eq!(run("SELECT f()"), ["c"]);
    let all = ["a", "b", "c", "log"];
    assert_eq!(run("CALL dynamic()"), all);
    assert_eq!(run("SELECT unknown()"), all);
    assert_eq!(run("FROBNICATE b"), all);
    // a table of a database that is left out may have triggers that nobody knows
    let filter = Filter { include: vec!["shop".into()], exclude: vec![] };
    assert_eq!(after(&catalog, &filter, Session::new("crm"), "INSERT INTO x VALUES (1)").1, all);
    assert!(after(&catalog, &filter, Session::new("mysql"), "INSERT INTO x VALUES (1)").1.is_empty());
    // what comes in from there is not known
    let (tables, uncertain) = after(&catalog, &filter, Session::new("crm"), "RENAME TABLE x TO shop.y");
    assert_eq!((tables.len(), uncertain), (5, vec!["y".to_string()]));
}
