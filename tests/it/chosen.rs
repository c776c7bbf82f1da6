//! RESTORE TABLE … WHERE: the chosen rows come back, and no other row is touched.

use crate::support::archive::protect_once;
use crate::support::db::{Db, Product};
use crate::support::serve::Serve;

const SHOP: &str = "CREATE DATABASE shop; USE shop;
CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL);
CREATE TABLE orders (day DATE, n INT, person INT NOT NULL, total DECIMAL(8,2), at TIMESTAMP(6) NULL, code VARCHAR(9) UNIQUE, PRIMARY KEY (day, n),
  FOREIGN KEY (person) REFERENCES people (id) ON DELETE CASCADE);
CREATE TABLE heap (n INT);
INSERT INTO people VALUES (1, 'Ada'), (2, 'Björn'), (3, 'Chr');
INSERT INTO orders VALUES ('2026-01-01', 1, 1, 10, '2026-10-25 00:30:00.5', 'a'), ('2026-01-01', 2, 2, 20, '2026-07-01 12:00:00', 'b'),
  ('2026-01-02', 1, 2, 30, NULL, 'c'), ('2026-01-02', 2, 3, 40, '2026-01-01 00:00:00', NULL)";

/// All rows of both tables.
fn rows(db: &Db) -> String {
    db.sql("SET time_zone = '+00:00'; SELECT * FROM shop.people ORDER BY id; SELECT * FROM shop.orders ORDER BY day, n")
}

#[test]
fn chosen_rows_come_back_and_others_stay() {
    let (source, dir) = (Db::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql("SET GLOBAL time_zone = '+00:00'");
    source.sql(&SHOP.replace(" ON DELETE CASCADE", ""));
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    for product in [Product::MariaDb1011, Product::MySql9] {
        let db = Db::of(product, &["--default-time-zone=+00:00"]);
        into_a_live_table(&db, &serve);
    }
}

fn into_a_live_table(db: &Db, serve: &Serve) {
    let to = |what: &str, with: &str| format!("RESTORE TABLE {what} TO '{}' {with}", db.url());
    // absent: it is made with these rows only
    serve.sql(&to("shop.people WHERE name LIKE 'b%' OR id = 1", ""));
    assert_eq!(db.sql("SELECT * FROM shop.people ORDER BY id"), "1\tAda\n2\tBjörn\n");
    db.sql("DROP DATABASE shop");
    db.sql(SHOP);
    let whole = rows(db);
    // deleted by mistake
    db.sql("DELETE FROM shop.orders WHERE person = 2; UPDATE shop.orders SET total = 11 WHERE person = 1");
    let damaged = rows(db);
    let exists = serve.error(&to("shop.orders WHERE total < 25", ""));
    assert!(exists.contains("1 of the 2 rows exist in shop.orders") && exists.contains("replace = true"), "{exists}");
    assert_eq!(rows(db), damaged);
    serve.sql(&to("shop.orders WHERE person = (SELECT id FROM shop.people WHERE name = 'björn')", ""));
    assert_eq!(db.sql("SELECT COUNT(*), SUM(total) FROM shop.orders"), "4\t101.00\n");
    let plan = serve.sql(&format!("EXPLAIN {}", to("shop.orders WHERE orders.total >= 10", "WITH (replace = true)")));
    assert!(
        plan.contains("WHERE orders.total >= 10") && plan.contains("update rows") && plan.contains("insert rows"),
        "{plan}"
    );
    // a row that the predicate does not choose keeps what it has now
    db.sql("UPDATE shop.orders SET total = 99 WHERE person = 3; DELETE FROM shop.orders WHERE code = 'c'");
    serve.sql(&to("shop.orders WHERE total <= 30", "WITH (replace = true)"));
    db.sql("UPDATE shop.orders SET total = 40 WHERE total = 99");
    assert_eq!(rows(db), whole);
    // a parent is updated, not deleted: its children stay
    db.sql("UPDATE shop.people SET name = 'x'");
    serve.sql(&to("shop.people WHERE TRUE", "WITH (replace = true)"));
    assert_eq!(rows(db), whole);
    // the value of another row's unique key; a parent that is gone: all or nothing
    db.sql("DELETE FROM shop.orders WHERE code IN ('a', 'b'); INSERT INTO shop.orders VALUES ('2026-02-02', 1, 1, 1, NULL, 'b')");
    let before = rows(db);
    let taken = serve.error(&to("shop.orders WHERE day = '2026-01-01'", ""));
    assert!(taken.contains("another row has the value of a unique key"), "{taken}");
    assert_eq!(rows(db), before);
    db.sql("DELETE FROM shop.people WHERE id = 2");
    let before = rows(db);
    let orphan = serve.error(&to("shop.orders WHERE person = 2 AND code = 'c'", ""));
    assert!(orphan.contains("error 1452"), "{orphan}");
    assert_eq!(rows(db), before);
    // a trigger that changes what comes in is found out
    db.sql(
        "DELETE FROM shop.orders; CREATE TRIGGER shop.more BEFORE INSERT ON shop.orders FOR EACH ROW SET NEW.total = 0",
    );
    let changed = serve.error(&to("shop.orders WHERE person = 1", ""));
    assert!(changed.contains("differ in total"), "{changed}");
    db.sql("DROP TRIGGER shop.more");
    // what cannot be done safely is refused
    for (what, why) in [
        ("shop.heap WHERE n = 1", "no primary key"),
        ("shop.orders, shop.people WHERE TRUE", "one table"),
        ("shop.orders WHERE nix = 1", "nix"),
        ("shop.orders WHERE 1) UNION SELECT (1)", "one expression"),
        ("shop.orders WHERE 1) OR (1)", "one expression"),
    ] {
        let error = serve.error(&to(what, ""));
        assert!(error.contains(why), "{what}: {error}");
    }
    db.sql("ALTER TABLE shop.orders ADD COLUMN more INT");
    let error = serve.error(&to("shop.orders WHERE TRUE", ""));
    assert!(error.contains("column more is not in both"), "{error}");
    db.sql("ALTER TABLE shop.orders DROP COLUMN more");
    // an hour that happened twice, in the session's own time
    let zone = "SET time_zone = 'Europe/Berlin'; ";
    let twice = serve.error(&format!("{zone}{}", to("shop.orders WHERE code = 'a'", "")));
    assert!(twice.contains("happened twice") && twice.contains("time_zone"), "{twice}");
    serve.sql(&format!("{zone}{}", to("shop.orders WHERE at = '2026-01-01 01:00:00'", "")));
    assert_eq!(db.sql("SELECT at FROM shop.orders"), "2026-01-01 00:00:00.000000\n");
    assert_eq!(db.sql("SHOW DATABASES LIKE 'pcloud%'"), "");
}
