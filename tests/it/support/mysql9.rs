//! Oracle's MySQL 9 programs. The first use fetches them into a cache; a failure fails the test.

use super::mariadb::{cache, run, scripts};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `bin/mysql`, `bin/mysqldump`, `bin/mysqld`, …
pub fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let dir = cache().join("mysql9");
        run(Command::new(scripts().join("get-mysql9.sh")).arg("-d").arg(&dir));
        dir
    })
}
