//! Text in every charset, each of its characters.

use super::{Case, MARIADB, round_trip};
use crate::support::archive::protect_once;
use crate::support::db::{MariaDb, Product};
use crate::support::serve::Serve;
use pcloud::model::Charset;

/// Every character that the charset holds, as its bytes, but for NUL; in rows of at most 90.
fn characters(charset: Charset) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    if charset.is_utf8() || charset.widest() == 4 || charset.name() == "ucs2" {
        let wide = ["é", "ß", "Ω", "я", "€", "中", "が", "한", "\u{feff}", "\u{e000}", "🦀", "𐍈", "a", "\\", "'"];
        all.extend(wide.iter().filter_map(|c| charset.encode(c).map(|b| b.into_owned())));
    } else {
        let codes = (1..256u32).chain(0x8000..0x1_0000).chain(0x8f_0000..0x90_0000);
        for code in codes {
            let bytes = code.to_be_bytes();
            let bytes = &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(3)..];
            if charset.decode(bytes).is_some_and(|t| t.chars().count() == 1) {
                all.push(bytes.to_vec());
            }
        }
    }
    all.chunks(90).map(|c| c.concat()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn cases() -> Vec<Case> {
    Charset::all()
        .map(|charset| {
            let name = charset.name();
            let longest = 65_000 / charset.widest() / 20;
            let columns = format!("c CHAR(100), v VARCHAR({longest}), t TEXT, e ENUM('a','b c'), s SET('x','y')");
            let literal = |bytes: &[u8]| format!("CONVERT(x'{}' USING {name})", hex(bytes));
            let mut rows: Vec<_> = characters(charset)
                .iter()
                .map(|b| {
                    let all = literal(b);
                    // trailing spaces of a CHAR are not kept
                    format!("CONCAT({all},'.'),{all},CONCAT({all},{all}),'b c','x,y'")
                })
                .collect();
            rows.extend(["NULL,NULL,NULL,NULL,NULL".to_string(), "'','','','',''".into()]);
            rows.push(format!("'  a','b  ',REPEAT('c',{longest}),'a','y'"));
            Case { options: format!("CHARACTER SET {name}"), rows, ..Case::new(&format!("c_{name}"), &columns, &[]) }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_character_of_each_charset_is_carried_exactly() {
    for product in MARIADB {
        round_trip(product, &[], &cases()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_character_of_each_charset_of_mysql_is_carried_exactly() {
    round_trip(Product::MySql9, &[], &cases()).await;
}

#[test]
fn members_and_names_in_other_charsets_and_what_a_statement_computes_of_them() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    source.sql(
        "CREATE DATABASE t; CREATE TABLE t.m (id INT PRIMARY KEY, e ENUM('é','ü'), s SET('ä','ö') , k VARCHAR(9) CHARACTER SET sjis,
           u VARCHAR(9) CHARACTER SET utf16 DEFAULT 'é') CHARACTER SET latin1;
         INSERT INTO t.m VALUES (1, 'ü', 'ä,ö', CONVERT(x'955C5C' USING sjis), 'é🦀')",
    );
    protect_once(dir.path(), &source.url(), "c");
    source.sql(
        "INSERT INTO t.m (id, e, s, k) VALUES (2, 'é', 'ö', 'ｱ'); ALTER TABLE t.m ADD COLUMN d VARCHAR(5) DEFAULT 'ß';
         UPDATE t.m SET e = 'ü' WHERE id = 2",
    );
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    for asked in [
        "*",
        "HEX(e), HEX(s), HEX(k), HEX(u), HEX(d)",
        "LENGTH(e), LENGTH(s), LENGTH(k), LENGTH(u), LENGTH(d), CHAR_LENGTH(u), ORD(k), ASCII(u), MD5(d)",
        "UPPER(e), LOWER(e)",
        "CAST(k AS BINARY), CONCAT(e, s, d), LEFT(k, 1), HEX(CONVERT(k USING utf8mb4))",
    ] {
        let sql = format!("SELECT {asked} FROM t.m ORDER BY id");
        assert_eq!(serve.sql(&sql), source.sql(&sql), "{asked}");
    }
    let refused = serve.error("SELECT id FROM t.m WHERE k = 'x'");
    assert!(refused.contains("sjis_japanese_ci"), "{refused}");
}

#[test]
fn text_without_a_counterpart_in_unicode_is_refused_by_name() {
    let (source, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    // 815F is a second backslash of sjis: it comes back from Unicode as another byte
    source.sql(
        "CREATE DATABASE t; CREATE TABLE t.k (id INT PRIMARY KEY, k VARCHAR(9) CHARACTER SET sjis);
         CREATE TABLE t.l LIKE t.k; INSERT INTO t.k VALUES (1, x'815F'); INSERT INTO t.l VALUES (1, 'a')",
    );
    protect_once(dir.path(), &source.url(), "c");
    source.sql("INSERT INTO t.l VALUES (2, x'815F')");
    protect_once(dir.path(), &source.url(), "c");
    let serve = Serve::start(dir.path());
    for table in ["k", "l"] {
        let refused = serve.error(&format!("SELECT * FROM t.{table}"));
        assert!(refused.contains(&format!("t.{table}")) && refused.contains("column k"), "{refused}");
    }
}
