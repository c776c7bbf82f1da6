//! An encrypted archive, from the first key to the last answer, with the programs that users have.

use crate::support::archive::{succeeded, text};
use crate::support::db::{MariaDb, cache, run, scripts};
use crate::support::protect::Protect;
use crate::support::s3::S3;
use crate::support::sealed::Sealed;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Where the stock age program is.
fn age() -> &'static PathBuf {
    static AGE: OnceLock<PathBuf> = OnceLock::new();
    AGE.get_or_init(|| {
        let dir = cache().join("age");
        run(Command::new(scripts().join("get-age.sh")).arg("-d").arg(&dir));
        dir.join("bin/age")
    })
}

fn shop() -> MariaDb {
    let db = MariaDb::start(&[]);
    db.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.o (id INT PRIMARY KEY, what TEXT);
         INSERT INTO shop.o VALUES (1, 'very-secret-word'), (2, 'b')",
    );
    db
}

/// Every object of the bucket under the prefix: its key and bytes.
async fn objects(s3: &S3, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let client = s3.client();
    let listed = client.list_objects_v2().bucket("pcloud").prefix(format!("{prefix}/")).send().await.expect("listed");
    let mut all = Vec::new();
    for object in listed.contents() {
        let key = object.key().expect("a key").to_string();
        let got = client.get_object().bucket("pcloud").key(&key).send().await.expect("got");
        all.push((key, got.body.collect().await.expect("read").to_vec()));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_secrets_captures_and_another_one_answers() {
    let (s3, db) = (S3::start().await, shop());
    let sealed = Sealed::new(s3.url("shop"));
    succeeded(sealed.protect(&db.url()).arg("--once"));
    db.sql("UPDATE shop.o SET what = 'other-secret-word' WHERE id = 1; ALTER TABLE shop.o ADD COLUMN n INT DEFAULT 7; INSERT INTO shop.o VALUES (3, 'c', 3)");
    // it goes on where it was, without reading what it wrote
    succeeded(sealed.protect(&db.url()).arg("--once"));
    db.sql("DELETE FROM shop.o WHERE id = 2");
    succeeded(&mut sealed.blind(&["protect", &db.url(), "--name", "c", "--once"]));

    let serve = sealed.serve();
    assert_eq!(serve.sql("SELECT id, what, n FROM shop.o ORDER BY id"), "1\tother-secret-word\t7\n3\tc\t3\n");
    let first = serve.sql("SHOW BACKUPS");
    assert!(first.starts_with("c\t"), "{first}");
    let blind = sealed.blind(&["ls"]).output().expect("pcloud starts");
    assert!(!blind.status.success() && text(&blind.stderr).contains("--identity"), "{}", text(&blind.stderr));

    let (dir, mut kinds) = (tempfile::tempdir().expect("a directory"), [0; 3]);
    let all = objects(&s3, "shop").await;
    for (n, (key, bytes)) in all.iter().enumerate() {
        assert!(!bytes.windows(11).any(|w| w == b"secret-word"), "{key} holds plaintext");
        if key == "shop/pcloud.json" {
            continue;
        }
        let (sealed_file, plain) = (dir.path().join(n.to_string()), dir.path().join(format!("{n}.plain")));
        std::fs::write(&sealed_file, bytes).expect("written");
        let mut decrypt = Command::new(age());
        decrypt.arg("-d").arg("-i").arg(sealed.identity()).arg("-o").arg(&plain).arg(&sealed_file);
        succeeded(&mut decrypt);
        let plain = std::fs::read(plain).expect("read");
        let kind = match key.rsplit('.').next() {
            Some("parquet") => (0, plain.starts_with(b"PAR1") && plain.ends_with(b"PAR1")),
            Some("seg") => (1, plain.starts_with(b"PCLSEG01")),
            Some("json") => (2, serde_json::from_slice::<serde_json::Value>(&plain).is_ok()),
            _ => panic!("{key}"),
        };
        assert!(kind.1, "{key}");
        kinds[kind.0] += 1;
    }
    assert!(kinds.iter().all(|n| *n > 0), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_archive_is_away_capture_and_queries_go_on() {
    let (s3, db) = (S3::start().await, shop());
    let sealed = Sealed::new(s3.url("away"));
    let mut protect = Protect::start(sealed.protect(&db.url()));
    protect.says("caught up");
    let serve = sealed.serve();
    let count = "SELECT COUNT(*), SUM(id) FROM shop.o";
    assert_eq!(serve.sql(count), "2\t3\n");
    s3.go_away();
    for id in 10..20 {
        db.sql(&format!("INSERT INTO shop.o VALUES ({id}, 'while away')"));
    }
    eventually(|| serve.sql(count) == "12\t148\n").await;
    let spool = std::fs::read_dir(sealed.state()).expect("state").flatten().next().expect("the archive's").path();
    let waiting = std::fs::read_dir(spool.join("c/spool")).expect("a spool").flatten();
    assert!(waiting.filter(|e| e.file_name().to_string_lossy().ends_with(".seg")).count() > 0, "it waits here");
    let (asked, backups) = (std::time::Instant::now(), serve.sql("SHOW BACKUPS"));
    assert!(backups.contains("covered") && backups.contains("last proof"), "{backups}");
    assert!(backups.contains("not known: the archive does not answer"), "{:?}: {backups}", asked.elapsed());
    s3.come_back();
    let elsewhere =
        Sealed { dir: tempfile::tempdir().expect("a directory"), url: sealed.url.clone(), recipient: String::new() };
    std::fs::copy(sealed.identity(), elsewhere.identity()).expect("copied");
    let other = elsewhere.serve();
    eventually(|| other.sql(count) == "12\t148\n").await;
}

/// Waits until it is so.
async fn eventually(is_so: impl Fn() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(90);
    while !is_so() {
        assert!(std::time::Instant::now() < until, "it never was so");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_added_removed_and_old_objects_encrypted_anew() {
    let (s3, db) = (S3::start().await, shop());
    let (first, second) = (Sealed::new(s3.url("keys")), Sealed::new(s3.url("keys")));
    succeeded(first.protect(&db.url()).arg("--once"));
    let listed = || text(&succeeded(&mut first.blind(&["recipients", "list"])).stdout);
    assert_eq!(listed().trim(), first.recipient);
    let foreign = second.reading(&["ls"]).output().expect("pcloud starts");
    assert!(text(&foreign.stderr).contains("other keys"), "{}", text(&foreign.stderr));
    let misspelt = first.blind(&["recipients", "add", &first.recipient[..40]]).output().expect("pcloud starts");
    assert!(!misspelt.status.success());
    succeeded(&mut first.blind(&["recipients", "add", &second.recipient]));
    let slipped_in = first.protect(&db.url()).arg("--once").output().expect("pcloud starts");
    assert!(text(&slipped_in.stderr).contains("which was not given"), "{}", text(&slipped_in.stderr));
    succeeded(&mut first.reading(&["recipients", "rewrap"]));
    assert!(text(&succeeded(&mut second.reading(&["ls"])).stdout).contains('c'));
    succeeded(&mut first.blind(&["recipients", "remove", &first.recipient]));
    succeeded(&mut second.reading(&["recipients", "rewrap"]));
    assert_eq!(listed().trim(), second.recipient);
    let locked_out = first.reading(&["ls"]).output().expect("pcloud starts");
    assert!(text(&locked_out.stderr).contains("other keys"), "{}", text(&locked_out.stderr));
    db.sql("INSERT INTO shop.o VALUES (9, 'new')");
    let refused = first.protect(&db.url()).arg("--once").output().expect("pcloud starts");
    assert!(text(&refused.stderr).contains("is not encrypted to"), "{}", text(&refused.stderr));
    succeeded(first.blind(&["protect", &db.url(), "--name", "c", "--once"]).env("PCLOUD_STATE", first.state()));
    assert_eq!(second.serve().sql("SELECT COUNT(*) FROM shop.o"), "3\n");
}
