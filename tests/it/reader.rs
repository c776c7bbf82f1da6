//! An encrypted archive is read by a script that knows nothing but `docs/format.md`.

use crate::support::archive::{succeeded, text};
use crate::support::db::{MariaDb, cache, run, scripts};
use crate::support::sealed::Sealed;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn python() -> PathBuf {
    let out = Command::new(scripts().join("get-pyarrow.sh")).arg("-d").arg(cache().join("python-reader")).output();
    let out = out.expect("the script starts");
    assert!(out.status.success(), "{}", text(&out.stderr));
    PathBuf::from(text(&out.stdout).trim())
}

fn read(archive: &Path, table: &str, identity: Option<&Path>) -> Output {
    run(Command::new(scripts().join("get-age.sh")).arg("-d").arg(cache().join("age")));
    let path = format!("{}:{}", cache().join("age/bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut script = Command::new(python());
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/read_archive.py")).arg(archive).args(["c", table]);
    if let Some(identity) = identity {
        script.arg("--identity").arg(identity);
    }
    script.env("PATH", path).output().expect("python starts")
}

#[test]
fn a_script_reads_a_table_and_its_changes() {
    let (db, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    let archive = dir.path().join("archive");
    let sealed = Sealed::new(archive.display().to_string());
    db.sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE o (id INT PRIMARY KEY, what VARCHAR(20), at DATETIME(3), n DECIMAL(5,2));
         INSERT INTO o VALUES (1, 'Zoë', '2026-11-22 14:05:00.123', 1.5), (2, NULL, '0000-00-00', -0.25)",
    );
    succeeded(sealed.protect(&db.url()).arg("--once"));
    db.sql("USE shop; UPDATE o SET what = 'it''s' WHERE id = 1; ALTER TABLE o ADD COLUMN more INT; DELETE FROM o WHERE id = 2");
    succeeded(sealed.protect(&db.url()).arg("--once"));
    // what came so far is in a pack, what comes now in a segment
    succeeded(&mut sealed.reading(&["compact", "--grace", "0m"]));
    db.sql("INSERT INTO shop.o VALUES (3, 'c', NULL, NULL, 7)");
    succeeded(sealed.protect(&db.url()).arg("--once"));

    let out = read(&archive, "shop.o", Some(&sealed.identity()));
    let said = text(&out.stdout);
    assert!(out.status.success(), "{said}{}", text(&out.stderr));
    let lines: Vec<String> = said.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for wanted in [
        "shop.o, table 1: base at seq 0",
        "id=1 what='Zoë' at=2026-11-22 14:05:00.123000 n=1.50",
        "id=2 what=NULL at=0000-00-00 00:00:00 n=-0.25",
    ] {
        assert!(lines.iter().any(|l| l == wanted), "{wanted} is not in\n{said}");
    }
    let changes: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|l| l.strip_prefix("seq "))
        .map(|l| (l.split(' ').nth(1).expect("an operation"), l.split_once(" id=").expect("a row").1))
        .collect();
    let expected = [
        ("update", "1 what=\"it's\" at=2026-11-22 14:05:00.123000 n=1.50"),
        ("delete", "2"),
        ("insert", "3 what='c' at=NULL n=NULL more=7"),
    ];
    assert_eq!(changes, expected, "{said}");

    let nobody = read(&archive, "shop.o", None);
    assert!(!nobody.status.success() && text(&nobody.stderr).contains("--identity"), "{}", text(&nobody.stderr));
    let unknown = read(&archive, "shop.x", Some(&sealed.identity()));
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("shop.o"), "{}", text(&unknown.stderr));
}

#[test]
fn an_ssh_key_opens_an_archive() {
    let (db, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.o (id INT PRIMARY KEY); INSERT INTO shop.o VALUES (4)");
    for kind in ["ed25519", "rsa"] {
        let (key, archive) = (dir.path().join(kind), dir.path().join(format!("{kind}.archive")));
        run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "somebody@here", "-f"]).arg(&key));
        let public = std::fs::read_to_string(key.with_extension("pub")).expect("a public key");
        let sealed = Sealed::new(archive.display().to_string());
        let mut protect = sealed.blind(&["protect", &db.url(), "--name", "c", "--once", "--recipient", public.trim()]);
        succeeded(&mut protect);
        let out = succeeded(sealed.blind(&["verify", "--depth", "restorable", "--identity"]).arg(&key));
        assert!(text(&out.stdout).contains("nothing is wrong"), "{}", text(&out.stdout));
        let other = sealed.reading(&["verify"]).output().expect("pcloud starts");
        assert!(!other.status.success() && text(&other.stderr).contains("other keys"), "{}", text(&other.stderr));
    }
}
