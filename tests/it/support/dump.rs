//! The real programs that dump a server, and what is read of their files.

use super::db::{Db, cache, run, scripts};
use super::replica::Replica;
use arrow::array::Array;
use pcloud::error::{Error, Result};
use pcloud::model::*;
use pcloud::source::files::Files;
use pcloud::source::{BaseSource, Source};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Runs `mariadb-dump` or `mysqldump`; compresses by the file's ending.
pub fn dump(db: &Db, to: &Path, options: &[&str]) {
    let program = if db.product.is_mysql() { "mysqldump" } else { "mariadb-dump" };
    let out = db.program(program).args(options).output().expect("the program starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let bytes = match to.extension().and_then(|e| e.to_str()) {
        Some("gz") => {
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(&out.stdout).expect("compressed");
            gz.finish().expect("compressed")
        }
        Some("zst") => zstd::encode_all(&out.stdout[..], 1).expect("compressed"),
        _ => out.stdout,
    };
    std::fs::write(to, bytes).expect("written");
}

/// Runs mydumper into a directory.
pub fn mydumper(db: &Db, to: &Path, options: &[&str]) {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    let tree = TREE.get_or_init(|| {
        let dir = cache().join("mydumper-bookworm");
        run(Command::new(scripts().join("get-mydumper.sh")).arg("-d").arg(&dir));
        dir
    });
    // once in a few hundred runs its threads wait for each other for ever: then it is run again
    for _ in 0..3 {
        let mut c = Command::new("timeout");
        c.arg("60").arg(tree.join("bin/mydumper"));
        c.arg("-S").arg(db.instance().join("server.sock")).args(["-u", "root", "-o"]).arg(to).args(options);
        let out = c.stdin(Stdio::null()).output().expect("it starts");
        if out.status.code() != Some(TIMED_OUT) {
            assert!(out.status.success(), "{c:?} failed:\n{}", String::from_utf8_lossy(&out.stderr));
            return;
        }
        std::fs::remove_dir_all(to).expect("what it left is removed");
    }
    panic!("mydumper did not end");
}

/// What `timeout` answers then.
const TIMED_OUT: i32 = 124;

/// The server's binlog files.
pub fn binlogs(db: &Db) -> Vec<PathBuf> {
    let all = std::fs::read_dir(db.data()).expect("the data directory").filter_map(|e| e.ok().map(|e| e.path()));
    let number = |p: &PathBuf| p.extension().is_some_and(|e| e.to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    let log = |p: &PathBuf| number(p) && p.file_stem().is_some_and(|s| s.to_string_lossy().contains("bin"));
    let mut files: Vec<PathBuf> = all.filter(log).collect();
    files.sort();
    files
}

/// Reads the base; the replica, and where the log goes on.
pub async fn try_base(files: &Files) -> Result<(Replica, Bookmark)> {
    let base: Box<dyn BaseSource> = files.base().await?;
    let mut replica = Replica::default();
    while let Some(mut table) = base.next_table().await? {
        let rows = replica.rows.entry(table.schema.id).or_default();
        while let Some(batch) = table.rows.next().await? {
            for i in 0..batch.num_rows() {
                let columns = table.schema.columns.iter().zip(batch.columns());
                let row = columns.map(|(c, a): (_, &std::sync::Arc<dyn Array>)| value_at(a, i, &c.kind));
                rows.push(row.collect::<Result<Row, Error>>()?);
            }
        }
    }
    let outline = base.outline().await?;
    replica.catalog = outline.catalog;
    Ok((replica, outline.bookmark))
}

pub async fn base(files: &Files) -> (Replica, Bookmark) {
    try_base(files).await.expect("the dump is read")
}
