//! A log with a byte changed, or cut off: refused with file and position, or read as if nothing were wrong; never
//! read as something else.

use crate::support::db::Db;
use crate::support::replica::{Replica, bookmark, everything};
use pcloud::error::{Error, Result};
use pcloud::model::*;
use pcloud::source::files::Files;
use pcloud::source::mysql::BinlogStream;
use pcloud::source::{ChangeStream, Filter, Source};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A log of rows, DDL and a statement, closed by the server; and where it is read from.
struct Log {
    db: Db,
    catalog: Catalog,
    start: Bookmark,
    file: PathBuf,
}

impl Log {
    fn new() -> Self {
        let db = Db::start(&[]);
        db.sql("FLUSH BINARY LOGS; CREATE DATABASE shop");
        let (start, catalog) = (bookmark(&db), Replica::of(&["shop"]).catalog);
        db.sql(
            "USE shop; CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO a VALUES (1, 'one'), (2, 'two'); \
             BEGIN; UPDATE a SET v = 'three' WHERE id = 1; DELETE FROM a WHERE id = 2; COMMIT; ALTER TABLE a ADD w INT DEFAULT 5; \
             SET SESSION binlog_format = STATEMENT; INSERT INTO a VALUES (3, 'x', 4); FLUSH BINARY LOGS",
        );
        let name = start.0.split(':').next().expect("a file");
        let file = db.data().join(name);
        Self { db, catalog, start, file }
    }

    fn name(&self) -> String {
        self.file.file_name().expect("a name").to_string_lossy().into_owned()
    }

    /// Reads a copy of the file with these bytes: everything that it tells.
    async fn copy(&self, dir: &Path, bytes: &[u8]) -> Result<Vec<String>> {
        let (dump, log) = (dir.join("dump.sql"), dir.join(self.name()));
        let (file, offset) = self.start.0.split_once(' ').and_then(|(p, _)| p.rsplit_once(':')).expect("a bookmark");
        std::fs::write(&dump, format!("-- CHANGE MASTER TO MASTER_LOG_FILE='{file}', MASTER_LOG_POS={offset};\n"))
            .expect("written");
        std::fs::write(&log, bytes).expect("written");
        let files = Files::open(&[dump, log], None, Filter::default())?;
        let base = files.base().await?;
        while base.next_table().await?.is_some() {}
        let outline = base.outline().await?;
        let stream = files.changes(&self.catalog, &self.start).await?;
        let mut stream = stream.ok_or_else(|| Error::internal("there are no binlog files"))?;
        let mut told = vec![format!("{:?}", outline.time)];
        while let Some(event) = stream.next().await? {
            told.push(format!("{event:?}"));
        }
        Ok(told)
    }

    /// Reads the server's log up to the end of the file.
    async fn live(&self) -> Result<Vec<String>> {
        let url = ServerUrl::parse(&self.db.url()).expect("a URL");
        let mut stream = BinlogStream::open(&url, &self.catalog, &self.start, &everything()).await?;
        let mut told = Vec::new();
        loop {
            let next = tokio::time::timeout(Duration::from_secs(60), stream.next()).await;
            match next.expect("an answer within a minute")? {
                Some(SourceEvent::CaughtUp { .. }) | None => return Ok(told),
                Some(SourceEvent::Progress { .. } | SourceEvent::Uneventful { .. }) => {}
                Some(event) => told.push(format!("{event:?}")),
            }
        }
    }

    fn refused(&self, error: &Error, what: &str) {
        assert!(error.message.contains(&self.name()), "{what}: {error}");
        let text = error.message.to_lowercase();
        assert!(text.contains(" at ") || text.contains(" position ") || text.contains(":"), "{what}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_changed_byte_or_cut_off_is_never_read_as_another() {
    let log = Log::new();
    let dir = tempfile::tempdir().expect("a directory");
    let good = std::fs::read(&log.file).expect("the file");
    let told = log.copy(dir.path(), &good).await.expect("it is whole");
    assert!(told.iter().any(|t| t.contains("three")) && told.iter().any(|t| t.contains("Uncertain")), "{told:#?}");
    let mut unchanged = 0;
    for at in 0..good.len() {
        for mask in [1u8 << (at % 8), 0xff] {
            let mut bad = good.clone();
            bad[at] ^= mask;
            match log.copy(dir.path(), &bad).await {
                Ok(again) => {
                    assert_eq!(again, told, "byte {at} ^ {mask:#x}");
                    unchanged += 1;
                }
                Err(error) => log.refused(&error, &format!("byte {at} ^ {mask:#x}")),
            }
        }
    }
    // only the mark of a file that is still being written has no checksum
    assert!(unchanged <= 2, "{unchanged} changes made no difference");
    for end in 0..good.len() {
        let error = log.copy(dir.path(), &good[..end]).await.expect_err(&format!("cut off at {end}"));
        log.refused(&error, &format!("cut off at {end}"));
    }
    println!("{} changed bytes, {} lengths: all refused but {unchanged}", 2 * good.len(), good.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_type_is_refused_with_its_place() {
    let log = Log::new();
    let dir = tempfile::tempdir().expect("a directory");
    let good = std::fs::read(&log.file).expect("the file");
    let told = log.copy(dir.path(), &good).await.expect("it is whole");
    let from: usize = log.start.0.split([':', ' ']).nth(1).and_then(|o| o.parse().ok()).expect("an offset");
    let (mut at, mut events) = (from, 0);
    while at < good.len() {
        let size = u32::from_le_bytes(good[at + 9..at + 13].try_into().expect("four bytes")) as usize;
        for kind in [99u8, 250] {
            let mut other = good.clone();
            other[at + 4] = kind;
            let sum = crc32fast::hash(&other[at..at + size - 4]);
            other[at + size - 4..at + size].copy_from_slice(&sum.to_le_bytes());
            let error = log.copy(dir.path(), &other).await.expect_err(&format!("type {kind} at {at}"));
            log.refused(&error, &format!("type {kind} at {at}"));
            assert!(error.message.contains(&kind.to_string()), "{error}");
        }
        (at, events) = (at + size, events + 1);
    }
    assert!(events > 15, "{events} events for {}", told.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_log_is_damaged_is_not_believed() {
    let log = Log::new();
    let good = std::fs::read(&log.file).expect("the file");
    let told = log.live().await.expect("it is whole");
    let from: usize = log.start.0.split([':', ' ']).nth(1).and_then(|o| o.parse().ok()).expect("an offset");
    let mut refused = 0;
    for at in (from..good.len()).step_by(23) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&log.file, &bad).expect("written");
        match log.live().await {
            Ok(again) => assert_eq!(again, told, "byte {at}"),
            Err(error) => {
                refused += 1;
                log.refused(&error, &format!("byte {at}"));
            }
        }
    }
    assert!(refused > 20, "{refused} were refused");
    std::fs::write(&log.file, &good).expect("written");
    assert_eq!(log.live().await.expect("it is whole again"), told);
}
