//! LOAD DATA, from the server's files and from the client's, in every charset that a file may have: what the server made of
//! the file is in the archive.

use crate::support::archive::{pcloud, protect_once, rows_at, succeeded, text, timeline};
use crate::support::db::{Db, Product, run};
use crate::support::dump::{binlogs, dump};
use pcloud::model::{MomentSpec, TableName};
use std::path::PathBuf;

/// A file where both the server and its client find it.
fn file(db: &Db, name: &str, bytes: &[u8]) -> PathBuf {
    let path = db.instance().join("files").join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

fn load(db: &Db, statement: &str) {
    let client = db.product.client();
    run(db.program(client).args(["--local-infile=1", "--default-character-set=utf8mb4", "shop", "-e", statement]));
}

fn loaded(product: Product) {
    let db = Db::of(product, &["--local-infile=ON"]);
    db.sql(
        "CREATE DATABASE shop; USE shop;
         CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40), w VARCHAR(40) CHARACTER SET latin1, b VARBINARY(40), d DATE, n DECIMAL(9,2));
         CREATE TABLE bag (a INT, v VARCHAR(20)) CHARACTER SET latin1;
         CREATE TABLE many (id INT PRIMARY KEY, v VARCHAR(60), KEY (v)); INSERT INTO many VALUES (0, 'base')",
    );
    let dir = tempfile::tempdir().expect("a directory");
    let (archive, whole) = (dir.path().join("archive"), dir.path().join("whole.sql"));
    let place = if product.is_mysql() { "--source-data=2" } else { "--master-data=2" };
    dump(&db, &whole, &["--databases", "shop", "--single-transaction", place]);
    protect_once(&archive, &db.url(), "c");

    let utf8 = file(
        &db,
        "utf8.csv",
        "1,é€,é,\\0\\'x,2026-01-02,1.50\n2,\\N,ß,b,0001-01-01,-0.01\n3,\"a,b\nc\",,,\\N,\\N\n".as_bytes(),
    );
    let latin = file(&db, "latin.txt", b"10\t\xe9\xdf\t\xe9\n11\t\xa4\t\xfc\n");
    let cyrillic = file(&db, "cp1251.txt", b"20|\xcf\xf0\xe8\xe2\xe5\xf2|x#21|\xe9|y#");
    let raw = file(&db, "raw.txt", b"7\t\xe9\n7\t\xe9\n8\tb\n");
    let many: String = (1..60_001).map(|i| format!("{i}\tvalue {} of many\n", i % 977)).collect();
    let many = file(&db, "many.txt", many.as_bytes());
    let csv = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' (id, v, w, b, d, n)";
    load(&db, &format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE t {csv}", utf8.display()));
    load(
        &db,
        &format!(
            "LOAD DATA INFILE '{}' INTO TABLE t CHARACTER SET latin1 (id, v, @w) SET w = UPPER(@w), n = id / 4",
            latin.display()
        ),
    );
    let lines = "CHARACTER SET cp1251 FIELDS TERMINATED BY '|' LINES TERMINATED BY '#' (id, v, b)";
    load(&db, &format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE t {lines}", cyrillic.display()));
    load(&db, &format!("LOAD DATA INFILE '{}' INTO TABLE bag CHARACTER SET binary", raw.display()));
    load(&db, &format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE bag CHARACTER SET latin1", raw.display()));
    load(
        &db,
        &format!("LOAD DATA LOCAL INFILE '{}' REPLACE INTO TABLE t {csv} SET v = CONCAT(v, '!')", utf8.display()),
    );
    load(&db, &format!("LOAD DATA INFILE '{}' IGNORE INTO TABLE t CHARACTER SET latin1 (id, v, w)", latin.display()));
    load(&db, &format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE many", many.display()));
    protect_once(&archive, &db.url(), "c");
    let verified = succeeded(pcloud(&archive).args(["verify", "--against", &db.url()]));
    let said = text(&verified.stdout);
    // the one that ignored its rows wrote nothing
    assert!(said.contains("at seq 7 ("), "{said}");

    db.sql("FLUSH BINARY LOGS");
    let imported = dir.path().join("imported");
    succeeded(pcloud(&imported).args(["import", "--name", "c"]).arg(&whole).args(binlogs(&db)));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (live, files) = (timeline(&archive, "c").await, timeline(&imported, "c").await);
        for table in ["t", "bag", "many"] {
            let name = TableName::new("shop", table);
            let rows = rows_at(&live, &name, live.latest().seq).await;
            let same = files.resolve(&MomentSpec::Latest).expect("a moment").seq;
            assert_eq!(rows_at(&files, &name, same).await, rows, "{product:?} {table}");
        }
    });
}

#[test]
fn what_was_loaded_from_files_is_in_the_archive() {
    loaded(Product::MariaDb1011);
}

#[test]
fn what_mariadb_11_8_loaded_from_files_is_in_the_archive() {
    loaded(Product::MariaDb118);
}

#[test]
fn what_mysql_loaded_from_files_is_in_the_archive() {
    loaded(Product::MySql9);
}
