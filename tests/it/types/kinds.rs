//! Types and columns beside the plain ones.

use super::{Case, MARIADB, round_trip};
use crate::support::archive::{pcloud, protect_once, succeeded};
use crate::support::db::{Db, MariaDb, Product};
use crate::support::serve::Serve;

fn addresses() -> Vec<Case> {
    let mut uuids: Vec<String> = Vec::new();
    for version in 0..16 {
        for variant in 8..16 {
            uuids.push(format!("'01020304-0506-{version:x}708-{variant:x}90a-0b0c0d0e0f10',NULL,NULL"));
        }
    }
    uuids.extend([
        "'00000000-0000-0000-0000-000000000000','::','0.0.0.0'".into(),
        "'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF','ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff','255.255.255.255'".into(),
        "'123e4567e89b12d3a456426655440000','::1','127.0.0.1'".into(),
    ]);
    for inet6 in [
        "1::",
        "2001:DB8::ff00:42:8329",
        "1:0:0:2::3",
        "1::2:0:0:3:4",
        "1:0:2:3:4:5:6:7",
        "::ffff:1.2.3.4",
        "::1.2.3.4",
        "::ffff",
        "::ffff:0",
        "::1:0",
        "0:0:1::",
        "::1:0:0:0",
        "1:0:0:0:1:0:0:0",
        "0:1::1:0:0",
        "::fffe:1.2.3.4",
        "64:ff9b::1.2.3.4",
        "0:0:0:0:0:ffff:0:0",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "0:0:0:0:0:0:1:2",
    ] {
        uuids.push(format!("NULL,'{inet6}','10.0.0.1'"));
    }
    let rows: Vec<&str> = uuids.iter().map(String::as_str).collect();
    vec![Case::new("addresses", "u UUID, i6 INET6, i4 INET4 DEFAULT '1.2.3.4', KEY (u)", &rows)]
}

fn spatial() -> Case {
    let text = |t: &str| format!("ST_GeomFromText('{t}', 4326)");
    let mut rows = vec!["NULL,NULL,POINT(0, 0)".to_string(), "POINT(1, -2.5),POINT(1e300, 1e-300),POINT(3, 4)".into()];
    for shape in [
        "LINESTRING(0 0,1 1,2 3)",
        "POLYGON((0 0,10 0,10 10,0 10,0 0),(1 1,2 1,2 2,1 1))",
        "MULTIPOINT(1 1,2 2)",
        "MULTILINESTRING((0 0,1 1),(2 2,3 3))",
        "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
        "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))",
    ] {
        rows.push(format!("NULL,{},POINT(5, 6)", text(shape)));
    }
    Case { rows, ..Case::new("spatial", "p POINT, g GEOMETRY, k POINT NOT NULL, SPATIAL KEY (k)", &[]) }
}

fn compressed() -> Case {
    let columns = "v VARCHAR(200) COMPRESSED, t TEXT COMPRESSED, b VARBINARY(3000) COMPRESSED, l LONGBLOB COMPRESSED, \
        k VARCHAR(300) COMPRESSED CHARACTER SET latin1, m MEDIUMTEXT COMPRESSED CHARACTER SET utf16";
    Case::new(
        "compressed",
        columns,
        &[
            "NULL,NULL,NULL,NULL,NULL,NULL",
            "'','','','','',''",
            "'a','b','c','d','é','🦀'",
            "REPEAT('ab',100),REPEAT('lorem ',9000),REPEAT(x'00ff',1500),REPEAT('x',300000),REPEAT('é',300),REPEAT('🦀',20000)",
        ],
    )
}

fn computed() -> Vec<Case> {
    vec![
        Case {
            given: Some("a,t"),
            then: "UPDATE t.computed SET a = a + 1; DELETE FROM t.computed WHERE id = 2; \
                REPLACE INTO t.computed (id, a, t) VALUES (3, 99, 'new'); \
                INSERT INTO t.computed (id, a) VALUES (4, 1) ON DUPLICATE KEY UPDATE a = 77; \
                INSERT INTO t.computed (id, a, t) SELECT id + 500, a, t FROM t.computed WHERE id < 9; \
                UPDATE t.computed SET t = 'only this' WHERE id = 1"
                .into(),
            ..Case::new(
                "computed",
                "a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, t VARCHAR(20), c VARCHAR(40) AS (CONCAT(t, '!', a)) VIRTUAL, \
                 u VARCHAR(20) CHARACTER SET latin1 AS (UPPER(t)) STORED, KEY (c), KEY (v)",
                &["1,'a'", "NULL,NULL", "-5,'xyz'", "7,'é'", "8,''"],
            )
        },
        Case {
            given: Some("a"),
            ..Case::new(
                "hidden",
                "a INT, h INT INVISIBLE DEFAULT 7, e DATE DEFAULT (CURDATE()), CHECK (a > 0)",
                &["1", "2"],
            )
        },
        Case {
            given: Some("a,h"),
            asked: "id, h, a",
            ..Case::new("named", "a INT, h TEXT INVISIBLE", &["1,'x'", "2,NULL"])
        },
    ]
}

fn versioned() -> Vec<Case> {
    let then = |t: &str| {
        format!(
            "UPDATE t.{t} SET a = a + 1 WHERE id < 3; UPDATE t.{t} SET a = a + 1 WHERE id = 1; DELETE FROM t.{t} WHERE id = 2; \
             REPLACE INTO t.{t} (id, a) VALUES (3, 9); INSERT INTO t.{t} (id, a) VALUES (4, 1) ON DUPLICATE KEY UPDATE a = 77; \
             DELETE FROM t.{t} WHERE id = 5; INSERT INTO t.{t} (id, a) VALUES (5, 55); UPDATE t.{t} SET id = 600 WHERE id = 4"
        )
    };
    let rows = ["1", "2", "3", "4", "5"];
    vec![
        Case {
            given: Some("a"),
            options: "WITH SYSTEM VERSIONING".into(),
            then: then("versioned"),
            ..Case::new("versioned", "a INT", &rows)
        },
        Case {
            given: Some("a"),
            options: "WITH SYSTEM VERSIONING".into(),
            then: then("periods"),
            ..Case::new(
                "periods",
                "a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, \
                 PERIOD FOR SYSTEM_TIME (s, e)",
                &rows,
            )
        },
    ]
}

fn dates() -> Case {
    Case::new(
        "dates",
        "d DATE, t DATETIME, f DATETIME(6), e DATE DEFAULT '2026-00-00'",
        &[
            "'2026-00-00','2026-00-00 10:00:00','2026-02-00 23:59:59.999999','2024-00-31'",
            "'2026-02-31','2026-04-31 00:00:00','0000-00-00 10:00:00','0000-00-01'",
            "'0000-00-00','0000-00-00 00:00:00','0000-00-00 00:00:00.5','0000-01-00'",
            "'9999-00-00','9999-11-31 12:00:00','0001-02-30 00:00:00.000001',NULL",
            "'2024-02-29','1000-01-01 00:00:00','9999-12-31 23:59:59.999999','9999-12-31'",
        ],
    )
}

#[test]
fn dates_of_no_calendar_are_shown_and_not_compared() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql(
        "SET sql_mode = 'ALLOW_INVALID_DATES'; CREATE DATABASE t; CREATE TABLE t.d (id INT PRIMARY KEY, d DATE, n INT);
         CREATE TABLE t.k LIKE t.d; INSERT INTO t.d VALUES (1, '2026-02-31', 5), (2, '2026-02-01', 6);
         INSERT INTO t.k VALUES (1, '2026-02-28', 5)",
    );
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    let shown = |sql: &str| assert_eq!(serve.sql(sql), source.sql(sql), "{sql}");
    let refused = |sql: &str| {
        let error = serve.error(sql);
        assert!(error.contains("column d of t."), "{sql}: {error}");
    };
    for sql in [
        "SELECT * FROM t.d WHERE n > 1 ORDER BY n DESC",
        "SELECT x.d, y.n AS m FROM t.d x JOIN t.k y ON x.id = y.id",
        "SELECT COUNT(*), SUM(n) FROM t.d",
        "SELECT z.d FROM (SELECT d, id FROM t.d) z ORDER BY z.id LIMIT 1",
        "SELECT * FROM t.k WHERE d > '2026-01-01'",
    ] {
        shown(sql);
    }
    for sql in [
        "SELECT id FROM t.d WHERE d > '2026-01-01'",
        "SELECT id FROM t.d ORDER BY d",
        "SELECT MAX(d) FROM t.d",
        "SELECT YEAR(d) FROM t.d",
        "SELECT d FROM t.d GROUP BY d",
        "SELECT id FROM t.k WHERE d < (SELECT d FROM t.d WHERE id = 1)",
    ] {
        refused(sql);
    }
    source.sql("SET sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO t.k VALUES (2, '2026-00-00', 1)");
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    assert_eq!(serve.sql("SELECT d FROM t.k WHERE id = 2"), "2026-00-00\n");
    assert!(serve.error("SELECT id FROM t.k ORDER BY d").contains("column d of t.k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_of_mariadb_is_carried_exactly() {
    for product in MARIADB {
        let mut cases = addresses();
        cases.extend(computed());
        cases.extend(versioned());
        cases.extend([spatial(), compressed(), dates()]);
        cases.push(Case::new("fulltext", "t TEXT, FULLTEXT KEY (t)", &["'some words'", "NULL"]));
        if product == Product::MariaDb118 {
            cases.push(Case::new(
                "vectors",
                "v VECTOR(3) NOT NULL, w VECTOR(1)",
                &["VEC_FromText('[1,2.5,-3e10]'),NULL", "VEC_FromText('[0,0,0]'),VEC_FromText('[1e-30]')"],
            ));
            cases.push(Case::new(
                "late",
                "a TIMESTAMP NULL, b TIMESTAMP(6) NULL",
                &["'2038-01-19 03:14:08','2106-02-07 06:28:15.999999'", "'2100-01-01 00:00:00','1970-01-01 00:00:01'"],
            ));
        }
        round_trip(product, &[], &cases).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_of_mysql_is_carried_exactly() {
    let mut cases = computed();
    cases.extend([spatial(), dates()]);
    cases.push(Case::new("fulltext", "t TEXT, FULLTEXT KEY (t)", &["'some words'", "NULL"]));
    cases.push(Case::new(
        "zones",
        "p POINT SRID 4326 NOT NULL, g GEOMETRY SRID 0",
        &["ST_GeomFromText('POINT(1 2)', 4326),NULL"],
    ));
    cases.push(Case::new(
        "vectors",
        "v VECTOR(3), w VECTOR",
        &["STRING_TO_VECTOR('[1,2.5,-3e10]'),NULL", "NULL,STRING_TO_VECTOR('[1e-30]')"],
    ));
    round_trip(Product::MySql9, &[], &cases).await;
}

#[test]
fn addresses_are_compared_as_their_server_does() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    let case = addresses().remove(0);
    source.sql(&format!("CREATE DATABASE t; CREATE TABLE t.addresses (id INT PRIMARY KEY, {})", case.columns));
    source.sql(&case.insert(1));
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    for sql in [
        "SELECT u FROM t.addresses ORDER BY u, id",
        "SELECT i6 FROM t.addresses ORDER BY i6 DESC, id",
        "SELECT DISTINCT i4 FROM t.addresses ORDER BY i4",
        "SELECT id FROM t.addresses WHERE u = '123E4567-e89b-12d3-a456-426655440000'",
        "SELECT id FROM t.addresses WHERE u IN ('123e4567e89b12d3a456426655440000', '00000000-0000-0000-0000-000000000000') ORDER BY id",
        "SELECT id FROM t.addresses WHERE i6 > '1::' ORDER BY id",
        "SELECT id FROM t.addresses WHERE i6 = '0:0:0:0:0:0:0:1' AND i4 <> '1.2.3.4'",
        "SELECT COUNT(*), i4 FROM t.addresses GROUP BY i4 ORDER BY i4",
        "SELECT a.id FROM t.addresses a JOIN t.addresses b ON a.u = b.u WHERE b.id = 7",
        "SELECT CONCAT(u, '/', i6), LENGTH(i4), UPPER(u) FROM t.addresses WHERE id = 131",
        "SELECT id FROM t.addresses WHERE CAST(i4 AS CHAR) LIKE '127%'",
    ] {
        assert_eq!(serve.sql(sql), source.sql(sql), "{sql}");
    }
    for refused in ["SELECT id FROM t.addresses WHERE u = 'x'", "SELECT id FROM t.addresses WHERE u = i6"] {
        assert!(serve.error(refused).contains("uuid"), "{refused}");
    }
}

#[test]
fn stars_leave_invisible_columns_out_and_what_a_session_computes_is_refused() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql(
        "CREATE DATABASE t; CREATE TABLE t.h (id INT PRIMARY KEY, a INT, h INT INVISIBLE DEFAULT 7);
         CREATE TABLE t.k (id INT PRIMARY KEY, b INT); INSERT INTO t.h (id, a) VALUES (1, 10), (2, 20); INSERT INTO t.k VALUES (1, 5);
         CREATE VIEW t.w AS SELECT * FROM t.h;
         CREATE TABLE t.s (id INT PRIMARY KEY, n DATETIME AS (NOW()) VIRTUAL); INSERT INTO t.s (id) VALUES (1)",
    );
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    for sql in [
        "SELECT * FROM t.h",
        "SELECT *, h FROM t.h",
        "SELECT h, id FROM t.h WHERE h = 7",
        "SELECT x.*, y.b FROM t.h x JOIN t.k y ON x.id = y.id",
        "SELECT * FROM t.h x JOIN t.k y ON x.id = y.id",
        "SELECT * FROM t.k, t.h ORDER BY t.h.id",
        "SELECT t.h.* FROM t.h",
        "SELECT * FROM (SELECT * FROM t.h) d",
        "SELECT * FROM t.w",
        "SELECT COUNT(*) FROM t.h WHERE EXISTS (SELECT * FROM t.k WHERE t.k.id = t.h.id)",
        "SELECT id FROM t.s",
        "SHOW COLUMNS FROM t.h",
    ] {
        assert_eq!(serve.sql(sql), source.sql(sql), "{sql}");
    }
    for sql in ["SELECT * FROM t.s", "SELECT * FROM t.s FOR SYSTEM_TIME ALL", "SELECT n FROM t.s FOR SYSTEM_TIME ALL"] {
        let refused = serve.error(sql);
        assert!(refused.contains("column n of t.s"), "{sql}: {refused}");
    }
    assert_eq!(serve.sql("SELECT id FROM t.s FOR SYSTEM_TIME ALL").trim(), "1");
    // what is not kept does not differ
    let verified = succeeded(pcloud(dir.path()).args(["verify", "--against", &source.url()]));
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(said.contains("t.s: equal: Not kept, and not compared: column n."), "{said}");
}

#[test]
fn a_sequence_goes_on_where_it_was() {
    for product in MARIADB {
        let (source, target, dir) =
            (Db::of(product, &[]), Db::of(product, &[]), tempfile::tempdir().expect("a directory"));
        source.sql("CREATE DATABASE t; CREATE SEQUENCE t.a; CREATE SEQUENCE t.b START WITH 5 INCREMENT BY 10 CACHE 3 CYCLE MAXVALUE 999");
        source.sql("SELECT NEXTVAL(t.b)");
        protect_once(dir.path(), &source.url(), "c");
        source.sql("SELECT NEXTVAL(t.a), SETVAL(t.b, 95); CREATE SEQUENCE t.c; SELECT NEXTVAL(t.c); ALTER SEQUENCE t.c INCREMENT BY 7; RENAME TABLE t.c TO t.d");
        protect_once(dir.path(), &source.url(), "c");
        let serve = Serve::start(dir.path());
        for sequence in ["a", "b", "d"] {
            let sql = format!("SELECT * FROM t.{sequence}");
            assert_eq!(serve.sql(&sql), source.sql(&sql), "{product:?} {sequence}");
        }
        assert_eq!(serve.sql("SHOW FULL TABLES IN t"), source.sql("SHOW FULL TABLES IN t"));
        succeeded(pcloud(dir.path()).args(["restore", "--database", "t", "--to", &target.url()]));
        for sequence in ["a", "b", "d"] {
            let show = format!("SELECT * FROM t.{sequence}; SHOW CREATE SEQUENCE t.{sequence}");
            assert_eq!(target.sql(&show), source.sql(&show), "{product:?} {sequence}");
        }
        assert_eq!(target.sql("SELECT NEXTVAL(t.a)").trim(), "1001");
    }
}
