//! What a user does: protect a live server, damage it, ask the past with the client, put it back.

use crate::support::archive::{pcloud, protect_once, succeeded, text};
use crate::support::db::{Db, MariaDb, Product};
use crate::support::serve::Serve;

#[test]
fn a_dropped_table_is_asked_and_brought_back() {
    a_dropped_table(Product::MariaDb1011);
}

#[test]
fn a_dropped_table_of_mysql_is_asked_and_brought_back() {
    a_dropped_table(Product::MySql9);
}

/// The newest transaction's GTID.
fn newest_gtid(db: &Db) -> String {
    let sql = match db.product.is_mysql() {
        true => "SELECT CONCAT(@@server_uuid, ':', SUBSTRING_INDEX(@@GLOBAL.gtid_executed, '-', -1))",
        false => "SELECT @@gtid_binlog_pos",
    };
    db.sql(sql).trim().to_string()
}

fn a_dropped_table(product: Product) {
    let (source, dir) = (Db::of(product, &[]), tempfile::tempdir().expect("a directory"));
    source.sql(
        "CREATE DATABASE shop COLLATE utf8mb4_general_ci; USE shop;
         CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40) NOT NULL);
         CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, total DECIMAL(8,2), KEY (customer),
           FOREIGN KEY (customer) REFERENCES customers (id));
         INSERT INTO customers VALUES (1, 'Ada'), (2, 'Björn'); INSERT INTO orders (customer, total) VALUES (1, 10.50), (2, 7)",
    );
    protect_once(dir.path(), &source.url(), "c");
    source.sql(
        "UPDATE shop.orders SET total = 11 WHERE id = 1; INSERT INTO shop.orders (customer, total) VALUES (1, 1.25)",
    );
    let gtid = newest_gtid(&source);
    let sums = source.sql("CHECKSUM TABLE shop.customers, shop.orders");
    source.sql("SET foreign_key_checks=0; UPDATE shop.orders SET total = 0; DROP TABLE shop.customers");
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path()).asked_by(product);
    let gone = serve.error("SELECT * FROM shop.customers");
    assert!(gone.contains("ERROR 1146 (42S02)") && gone.contains("shop.customers"), "{gone}");
    let joined = serve.sql(&format!(
        "SELECT c.name, SUM(o.total) FROM shop.orders AS OF GTID '{gtid}' o JOIN shop.customers AS OF GTID '{gtid}' c \
         ON c.id = o.customer GROUP BY c.name ORDER BY c.name"
    ));
    assert_eq!(joined, "Ada\t12.25\nBjörn\t7.00\n");
    let past = serve.sql(&format!(
        "SELECT n.id, old.total, n.total FROM shop.orders n JOIN shop.orders AS OF GTID '{gtid}' old ON old.id = n.id ORDER BY 1"
    ));
    assert_eq!(past, "1\t11.00\t0.00\n2\t7.00\t0.00\n3\t1.25\t0.00\n");
    let plan = serve.sql(&format!("EXPLAIN RESTORE TABLE shop.customers AS OF GTID '{gtid}' TO '{}'", source.url()));
    assert!(plan.contains("customers") && !plan.contains("secret"), "{plan}");
    serve.sql(&format!("RESTORE TABLE shop.customers AS OF GTID '{gtid}' TO '{}'", source.url()));
    let exists = serve.error(&format!("RESTORE TABLE shop.orders AS OF GTID '{gtid}' TO '{}'", source.url()));
    assert!(exists.contains("shop.orders") && exists.contains("replace"), "{exists}");
    serve.sql(&format!("RESTORE TABLE shop.orders AS OF GTID '{gtid}' TO '{}' WITH (replace = true)", source.url()));
    assert_eq!(source.sql("CHECKSUM TABLE shop.customers, shop.orders"), sums);
    let jobs = serve.sql("SHOW JOBS");
    assert_eq!(jobs.matches("succeeded").count(), 2, "{jobs}");
    source.sql("INSERT INTO shop.orders (customer, total) VALUES (2, 5)"); // the foreign key and the counter are there
    assert_eq!(source.sql("SELECT MAX(id) FROM shop.orders").trim(), "4");
    protect_once(dir.path(), &source.url(), "c");
    let verified = serve.sql(&format!("VERIFY CLUSTER c AGAINST '{}'", source.url()));
    assert_eq!(verified.matches("\tequal\t").count(), 2, "{verified}");
}

const TYPES: &str = "
CREATE DATABASE t; USE t;
CREATE TABLE numbers (id INT PRIMARY KEY, t TINYINT, tu TINYINT UNSIGNED, s SMALLINT, su SMALLINT UNSIGNED, m MEDIUMINT, mu MEDIUMINT UNSIGNED,
  i INT, iu INT UNSIGNED, b BIGINT, bu BIGINT UNSIGNED, d DECIMAL(65,30), e DECIMAL(10,2) UNSIGNED, f FLOAT, g DOUBLE, x BIT(1), y BIT(64), z INT(8) ZEROFILL, yr YEAR);
CREATE TABLE times (id INT PRIMARY KEY, d DATE, t TIME, t6 TIME(6), dt DATETIME, dt3 DATETIME(3), ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL);
CREATE TABLE texts (id INT PRIMARY KEY, c CHAR(10), v VARCHAR(100), b BINARY(5), vb VARBINARY(20), tt TINYTEXT, tx TEXT, mt MEDIUMTEXT, lt LONGTEXT,
  tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB, en ENUM('a','b''c','ü'), st SET('x','y','z'), js JSON);
";

/// Extreme values of each type, and NULL everywhere; as rows for INSERT.
const VALUES: [(&str, &str); 12] = [
    (
        "numbers",
        "1,-128,255,-32768,65535,-8388608,16777215,-2147483648,4294967295,-9223372036854775808,18446744073709551615,\
      -99999999999999999999999999999999999.999999999999999999999999999999,99999999.99,-3.402823e38,1.7976931348623157e308,b'1',x'FFFFFFFFFFFFFFFF',42,2155",
    ),
    (
        "numbers",
        "2,127,0,32767,0,8388607,0,2147483647,0,9223372036854775807,0,0.000000000000000000000000000001,0.01,0.1,-2.2250738585072014e-308,b'0',0,99999999,0",
    ),
    ("numbers", "3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL"),
    ("numbers", "4,0,1,1,2,3,4,5,6,7,8,-0.5,1.5,16777216,0.1,b'1',5,0,1901"),
    (
        "times",
        "1,'1000-01-01','-838:59:59','-00:00:00.000001','1000-01-01 00:00:00','9999-12-31 23:59:59.999','1970-01-01 00:00:01','2038-01-19 03:14:07.999999'",
    ),
    (
        "times",
        "2,'9999-12-31','838:59:59','838:59:59.999999','2026-03-29 02:30:00','2026-10-25 02:30:00.5','2026-10-25 00:30:00','2026-10-25 01:30:00.123456'",
    ),
    ("times", "3,NULL,NULL,NULL,NULL,NULL,NULL,NULL"),
    (
        "times",
        "4,'0000-00-00','00:00:00','-12:34:56.789','0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00'",
    ),
    (
        "texts",
        "1,'abc   ','trailing  ',x'0100',x'0000FF','','ü','日本','🦀','',x'00FF',x'27','\\\\','a','x,z','{\"k\": [1, null, \"ü\"]}'",
    ),
    (
        "texts",
        "2,'','',x'0000000000','',REPEAT('t',255),REPEAT('é',30000),REPEAT('m',70000),REPEAT('l',300000),\
      REPEAT('b',255),REPEAT(x'0001',30000),REPEAT(x'FE',70000),REPEAT(x'00',300000),'b''c','','[]'",
    ),
    ("texts", "3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL"),
    (
        "texts",
        "4,'ÄÖ','it''s \\\"q\\\" \\\\ \\n\\t\\0 \\Z',x'4100000000',x'20',' ','a\\nb','\\r\\n','%_','a','b','c','d','ü','x,y,z','\"s\"'",
    ),
];

/// Every cell as hexadecimal of the text that the server shows.
fn shown(sql: impl Fn(&str) -> String, table: &str, clause: &str, columns: &str) -> String {
    let cells: Vec<_> = columns.split(',').map(|c| format!("HEX({c})")).collect();
    sql(&format!("SET time_zone = '+00:00'; SELECT {} FROM t.{table}{clause} ORDER BY id", cells.join(", ")))
}

#[test]
fn every_type_is_carried_exactly_from_base_and_log_to_the_client_and_back() {
    let (source, target, dir) = (MariaDb::start(&[]), MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql(TYPES);
    let mode = "SET sql_mode='NO_BACKSLASH_ESCAPES'; SET sql_mode='', time_zone='+00:00';";
    let insert = |(table, values): &(&str, &str), shift: u32| {
        let (id, rest) = values.split_once(',').expect("an id");
        let id: u32 = id.parse().expect("a number");
        source.sql(&format!("{mode} INSERT INTO t.{table} VALUES ({},{rest})", id + shift));
    };
    VALUES.iter().for_each(|v| insert(v, 0));
    protect_once(dir.path(), &source.url(), "c"); // these come with the base
    VALUES.iter().for_each(|v| insert(v, 100)); // and these with the log
    let sums = source.sql("CHECKSUM TABLE t.numbers, t.times, t.texts");
    let gtid = source.sql("SELECT @@gtid_binlog_pos").trim().to_string();
    let columns = |t: &str| {
        source.sql(&format!("SELECT GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='t' AND TABLE_NAME='{t}'"))
    };
    let tables = ["numbers", "times", "texts"];
    let plain: Vec<_> = tables
        .iter()
        .map(|t| source.sql(&format!("SET time_zone='+00:00'; SELECT * FROM t.{t} ORDER BY id")))
        .collect();
    let berlin = source.sql("SET time_zone='+05:30'; SELECT ts, ts6 FROM t.times WHERE id > 0 ORDER BY id");
    let hex: Vec<_> = tables.iter().map(|t| shown(|s| source.sql(s), t, "", columns(t).trim())).collect();
    source.sql("UPDATE t.texts SET v = 'x'; DELETE FROM t.times; TRUNCATE t.numbers");
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    let clause = format!(" AS OF GTID '{gtid}'");
    for (i, table) in tables.iter().enumerate() {
        let found = serve.sql(&format!("SET time_zone='+00:00'; SELECT * FROM t.{table}{clause} ORDER BY id"));
        for (found, expected) in found.lines().zip(plain[i].lines()) {
            assert_eq!(found, expected, "{table}");
        }
        assert_eq!(found, plain[i], "{table}");
    }
    let found =
        serve.sql(&format!("SET time_zone='+05:30'; SELECT ts, ts6 FROM t.times{clause} WHERE id > 0 ORDER BY id"));
    assert_eq!(found, berlin, "TIMESTAMP in the session's zone");
    let text_columns = "id,c,v,b,vb,tt,tx,mt,lt,tb,bl,mb,lb,en,st,js";
    let expected = shown(|s| source.sql(s), "texts", "", text_columns);
    assert_ne!(expected, hex[2], "the UPDATE is there");
    assert_eq!(shown(|s| serve.sql(s), "texts", &clause, text_columns), hex[2], "HEX of each text");
    succeeded(pcloud(dir.path()).args(["restore", "--database", "t", "--gtid", &gtid, "--to", &target.url()]));
    assert_eq!(target.sql("CHECKSUM TABLE t.numbers, t.times, t.texts"), sums, "CHECKSUM TABLE after RESTORE");
}

#[test]
fn errors_have_the_numbers_that_clients_expect_and_the_server_lives_on() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v INT); INSERT INTO d.t VALUES (1, 2)");
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    for (statement, parts) in [
        ("SELEC 1", &["1064", "42000"][..]),
        ("SELECT * FROM d.nope", &["1146", "42S02", "nope"]),
        ("SELECT * FROM nope.t", &["1049", "42000", "nope"]),
        ("SELECT nope FROM d.t", &["1054", "42S22", "nope"]),
        ("SELECT * FROM t", &["1046", "3D000"]),
        ("SELECT NO_SUCH_FUNCTION(1)", &["1305", "42000"]),
        ("SELECT @@no_such_variable", &["1193", "HY000"]),
        ("INSERT INTO d.t VALUES (3, 4)", &["1290"]),
        ("SELECT * FROM d.t AS OF TIMESTAMP '1999-01-01 00:00:00'", &["first moment", "UTC"]),
        ("SELECT * FROM d.t AS OF TIMESTAMP '2099-01-01 00:00:00'", &["complete up to", "UTC"]),
        ("SELECT * FROM d.t AS OF GTID '0-9-999999'", &["0-9-999999"]),
        ("RESTORE TABLE d.t TO 'mysql://u:hidden@127.0.0.1:1/'", &["127.0.0.1:1"]),
        ("RESTORE TABLE d.nope TO 'mysql://u:hidden@127.0.0.1:1/'", &["ERROR"]),
        ("KILL 4294967", &["1094"]),
        ("CANCEL JOB 77", &["77"]),
    ] {
        let error = serve.error(statement);
        for part in parts {
            assert!(error.contains(part), "{statement}: {part} is not in: {error}");
        }
        assert!(!error.contains("hidden"), "{error}");
        assert_eq!(serve.sql("SELECT v FROM d.t"), "2\n", "after {statement}");
    }
}

#[test]
fn the_demo_prints_the_damaged_and_the_undamaged_rows() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pcloud"));
    let out = succeeded(command.args(["demo", "--once"]));
    let said = text(&out.stdout);
    for part in ["0.01", "34.50", "Fumiko Sato", "was", "now_is"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert_eq!(said.matches("AS OF TIMESTAMP").count(), 5, "{said}");
}
