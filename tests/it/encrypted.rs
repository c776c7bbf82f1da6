//! Binary logs that a server encrypts on its disk: it sends them in the clear, and their files are refused by name.

use crate::support::archive::{pcloud, protect_once, succeeded, text};
use crate::support::db::{Db, Product};
use crate::support::dump::{binlogs, dump};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The programs of MySQL once more, with a keyring in a file: the server looks for its manifest beside itself, and for the
/// keyring's settings beside its plugins.
fn mysql_with_keyring(dir: &Path) -> PathBuf {
    let (from, tree) = (Product::MySql9.tree(), dir.join("tree"));
    let list = |path: &Path| {
        let all = std::fs::read_dir(path).expect("a folder").map(|e| e.expect("an entry").path());
        all.map(|p| (p.file_name().expect("a name").to_string_lossy().into_owned(), p)).collect::<Vec<_>>()
    };
    // folders that are to be our own, outermost first; all else leads to the original
    let own = [
        "",
        "bin",
        "root",
        "root/usr",
        "root/usr/sbin",
        "root/usr/lib",
        "root/usr/lib/mysql",
        "root/usr/lib/mysql/plugin",
    ];
    for folder in own {
        let to = tree.join(folder);
        std::fs::create_dir(&to).expect("a folder");
        for (name, path) in list(&from.join(folder)) {
            let inside = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            match folder {
                // the scripts look for the rest where they stand
                "bin" => drop(std::fs::copy(&path, to.join(&name)).expect("copied")),
                "" if name.starts_with("template") => {}
                _ if own.contains(&inside.as_str()) => {}
                _ => symlink(&path, to.join(&name)).expect("linked"),
            }
        }
    }
    let keys = dir.join("keys");
    std::fs::create_dir(&keys).expect("a folder");
    let settings = format!("{{\"path\": \"{}\", \"read_only\": false}}", keys.join("keyring").display());
    std::fs::write(tree.join("root/usr/sbin/mysqld.my"), "{\"components\": \"file://component_keyring_file\"}")
        .expect("written");
    std::fs::write(tree.join("root/usr/lib/mysql/plugin/component_keyring_file.cnf"), settings).expect("written");
    tree
}

fn captured_and_its_files_refused(db: &Db) {
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(50)); INSERT INTO shop.t VALUES (1, 'base')");
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("whole.sql");
    let place = if db.product.is_mysql() { "--source-data=2" } else { "--master-data=2" };
    dump(db, &whole, &["--databases", "shop", "--single-transaction", place]);
    let archive = dir.path().join("archive");
    protect_once(&archive, &db.url(), "c");
    db.sql("INSERT INTO shop.t VALUES (2, 'logged'); FLUSH BINARY LOGS; UPDATE shop.t SET v = 'again' WHERE id = 1");
    protect_once(&archive, &db.url(), "c");
    let verified = succeeded(pcloud(&archive).args(["verify", "--against", &db.url()]));
    assert!(text(&verified.stdout).contains("seq 2"), "{}", text(&verified.stdout));

    let mut import = pcloud(&dir.path().join("imported"));
    let out = import.args(["import", "--name", "c"]).arg(&whole).args(binlogs(db)).output().expect("pcloud starts");
    let said = text(&out.stderr);
    assert!(!out.status.success() && said.contains("binlog.000001 is encrypted"), "{said}");
    assert!(said.contains("pcloud protect"), "{said}");
}

#[test]
fn an_encrypted_log_of_mysql_is_read_from_the_server_only() {
    let dir = tempfile::tempdir().expect("a directory");
    // root's own, so that the server runs as root too if the tests do: the tree leads to programs that only root may see
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    std::fs::set_permissions(dir.path(), mode).expect("own directory");
    let tree = mysql_with_keyring(dir.path());
    let db = Db::of_tree(Product::MySql9, &tree, &["--binlog-encryption=ON"]);
    assert_eq!(db.sql("SELECT @@binlog_encryption").trim(), "1");
    captured_and_its_files_refused(&db);
}

#[test]
fn an_encrypted_log_of_mariadb_is_read_from_the_server_only() {
    for product in [Product::MariaDb1011, Product::MariaDb118] {
        let dir = tempfile::tempdir().expect("a directory");
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(dir.path(), mode).expect("own directory");
        let keys = dir.path().join("keys");
        std::fs::write(&keys, "1;00112233445566778899aabbccddeeff\n").expect("written");
        let keys = format!("--file-key-management-filename={}", keys.display());
        let db = Db::of(product, &["--plugin-load-add=file_key_management", &keys, "--encrypt-binlog=ON"]);
        assert_eq!(db.sql("SELECT @@encrypt_binlog").trim(), "1");
        captured_and_its_files_refused(&db);
    }
}
