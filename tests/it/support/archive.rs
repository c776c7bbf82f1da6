//! The archive as a test looks at it: the binary that fills it, the timeline that reads it.

use super::history::{State, TextRow};
use futures::TryStreamExt;
use pcloud::archive::Archive;
use pcloud::model::{Seq, TableName, value_at};
use pcloud::timeline::Timeline;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program, as a user has it.
pub fn pcloud(archive: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_pcloud"));
    c.env("PCLOUD_ARCHIVE", archive).stdin(Stdio::null());
    c
}

pub fn succeeded(command: &mut Command) -> Output {
    let out = command.output().expect("pcloud starts");
    assert!(out.status.success(), "{command:?}: {}\n{}", text(&out.stdout), text(&out.stderr));
    out
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `pcloud protect … --once`
pub fn protect_once(archive: &Path, source: &str, name: &str) {
    succeeded(pcloud(archive).args(["protect", source, "--name", name, "--once"]));
}

pub async fn timeline(archive: &Path, name: &str) -> Timeline {
    let archive = Archive::open(&archive.to_string_lossy()).await.expect("the archive opens");
    Timeline::load(archive.cluster(name).expect("a name")).await.expect("the timeline loads")
}

/// Every row of a table at a seq, as MySQL's text, sorted.
pub async fn rows_at(timeline: &Timeline, name: &TableName, seq: Seq) -> Vec<TextRow> {
    let schema = timeline.table(name, seq).unwrap_or_else(|e| panic!("{name} at {seq}: {e}"));
    let batches = timeline.rows(schema.id, seq).await.unwrap_or_else(|e| panic!("{name} at {seq}: {e}"));
    let batches: Vec<_> = batches.try_collect().await.unwrap_or_else(|e| panic!("{name} at {seq}: {e}"));
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let cells = schema.columns.iter().zip(batch.columns()).map(|(c, a)| {
                let value = value_at(a, row, &c.kind).expect("a value of its type");
                value.display(&c.kind).map(|v| text(&v))
            });
            rows.push(cells.collect());
        }
    }
    rows.sort();
    rows
}

/// Every table of a database at a seq.
pub async fn state_at(timeline: &Timeline, database: &str, seq: Seq) -> State {
    let catalog = timeline.catalog_at(seq).expect("a known seq");
    let mut state = State::new();
    for table in catalog.tables.values().filter(|t| t.name.database == database) {
        state.insert(table.name.table.clone(), rows_at(timeline, &table.name, seq).await);
    }
    state
}
