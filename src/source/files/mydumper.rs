//! What does a mydumper directory hold? Which file is what, in the order in which they are to be read.
//!
//! Names: `db-schema-create.sql`, `db.table-schema.sql`, `db.table.sql` or `db.table.00001.sql`,
//! `db.table-schema-view.sql`, `…-schema-triggers.sql`, `db-schema-post.sql`, each also `.gz` or `.zst`, and `metadata`.

use super::dump::Input;
use super::place::{self, Metadata};
use crate::error::{Context, Error, Kind, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is read of a directory.
#[derive(Debug, Default)]
pub struct Directory {
    pub inputs: Vec<Input>,
    pub metadata: Metadata,
}

/// A file of the directory: its name without `.sql` and what follows.
struct Entry {
    path: PathBuf,
    stem: String,
}

/// Whether a directory was written by mydumper.
pub fn is_directory(path: &Path) -> bool {
    ["metadata", "metadata.partial", "metadata.header"].iter().any(|n| path.join(n).is_file())
}

/// Lists a directory. Errors: `BadValue` when the dump was not finished; `Unsupported` for rows that are not written
/// as INSERT statements; `Io`.
pub fn open(directory: &Path) -> Result<Directory> {
    let shown = directory.join("metadata").display().to_string();
    let unfinished = || {
        Error::new(Kind::BadValue, format!("the mydumper directory {} was not finished", directory.display()))
            .hint("Its `metadata` file has no end: dump again.")
    };
    if !directory.join("metadata").is_file() {
        return Err(unfinished());
    }
    let text = std::fs::read(directory.join("metadata")).context(&shown)?;
    let metadata = place::metadata(&String::from_utf8_lossy(&text), &shown)?;
    if metadata.finished.is_none() {
        return Err(unfinished());
    }
    let entries = entries(directory)?;
    let schemas: Vec<&str> = entries.iter().filter_map(|e| e.stem.strip_suffix("-schema-create")).collect();
    let views: BTreeSet<&str> = entries.iter().filter_map(|e| e.stem.strip_suffix("-schema-view")).collect();
    let tables: Vec<&str> = entries.iter().filter_map(|e| e.stem.strip_suffix("-schema")).collect();
    let mut inputs: Vec<((u8, String), Input)> = Vec::new();
    for entry in &entries {
        let stem = entry.stem.as_str();
        let (order, whose) = match stem.rsplit_once("-schema") {
            Some((database, "-create")) => (0, database),
            Some((table, "")) if !views.contains(table) => (1, table),
            Some((_, "")) => continue, // a stand-in for the view
            Some((table, "-sequence")) => (1, table),
            Some((table, "-view")) => (3, table),
            Some((table, "-triggers")) => (4, table),
            Some((database, "-post")) => (5, database),
            _ if stem == "all-schema-create-tablespace" => continue,
            _ => (2, stem),
        };
        let group = if order == 2 { table_of(stem, &tables).to_string() } else { whose.to_string() };
        let input = Input {
            path: entry.path.clone(),
            database: Some(database_of(whose, &schemas).to_string()),
            // the bodies of programs hold semicolons, and no DELIMITER says so
            by_lines: order >= 3,
        };
        inputs.push(((order, format!("{group}\0{stem}")), input));
    }
    inputs.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Directory { inputs: inputs.into_iter().map(|(_, input)| input).collect(), metadata })
}

fn entries(directory: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).context(directory.display())? {
        let path = entry.context(directory.display())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        match plain.rsplit_once('.') {
            Some((stem, "sql")) => found.push(Entry { stem: stem.to_string(), path }),
            Some((_, "dat" | "csv" | "json")) => {
                let text = format!("{} holds rows that are not INSERT statements", path.display());
                return Err(
                    Error::new(Kind::Unsupported, text).hint("Run mydumper without --load-data, --csv and --format.")
                );
            }
            _ if name.contains(".sql.") => {
                let text = format!("{} is compressed in a way that pcloud does not read", path.display());
                return Err(Error::new(Kind::Unsupported, text)
                    .hint("Unpack it, or run mydumper with --compress=gzip or zstd."));
            }
            _ if plain.starts_with("metadata") || plain.ends_with("-checksum") || plain.ends_with(".log") => {}
            _ => tracing::debug!(file = %path.display(), "is no part of a mydumper dump"),
        }
    }
    Ok(found)
}

/// The name of a table's files, which a chunk's number follows.
fn table_of<'a>(stem: &'a str, tables: &[&str]) -> &'a str {
    let fits = |t: &&&str| stem.strip_prefix(**t).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    tables.iter().filter(fits).map(|t| &stem[..t.len()]).max_by_key(|t| t.len()).unwrap_or(stem)
}

/// The database in a file's name: databases and tables may have dots in their names.
fn database_of<'a>(name: &'a str, databases: &[&str]) -> &'a str {
    let fits = |d: &&&str| name == **d || name.strip_prefix(**d).is_some_and(|rest| rest.starts_with('.'));
    match databases.iter().filter(fits).map(|d| &name[..d.len()]).max_by_key(|d| d.len()) {
        Some(known) => known,
        None => name.split_once('.').map_or(name, |(database, _)| database),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[&str], metadata: Option<&str>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        files.iter().for_each(|f| std::fs::write(dir.path().join(f), "").expect("written"));
        if let Some(text) = metadata {
            std::fs::write(dir.path().join("metadata"), text).expect("written");
        }
        dir
    }

    #[test]
    fn definitions_come_before_rows_and_programs_after_and_a_tables_chunks_together() {
        let files = [
            "a.b-schema-create.sql",
            "a-schema-create.sql.gz",
            "a.b.t-schema.sql",
            "a.b.t.00002.sql.zst",
            "a.b.t.00001.sql",
            "a.b.t.x-schema.sql",
            "a.b.t.x.00000.sql",
            "a.v-schema.sql",
            "a.v-schema-view.sql",
            "a.b.t-schema-triggers.sql",
            "a-schema-post.sql",
            "a.b.t-checksum",
            "a.b.t.00003.00001.sql",
        ];
        let dir = directory(&files, Some("Started dump at: x\nFinished dump at: y\n"));
        let found = open(dir.path()).expect("listed");
        let list: Vec<_> = found
            .inputs
            .iter()
            .map(|i| {
                (
                    i.path.file_name().expect("a name").to_str().expect("text"),
                    i.database.as_deref().expect("one"),
                    i.by_lines,
                )
            })
            .collect();
        assert_eq!(
            list,
            [
                ("a-schema-create.sql.gz", "a", false),
                ("a.b-schema-create.sql", "a.b", false),
                ("a.b.t-schema.sql", "a.b", false),
                ("a.b.t.x-schema.sql", "a.b", false),
                ("a.b.t.00001.sql", "a.b", false),
                ("a.b.t.00002.sql.zst", "a.b", false),
                ("a.b.t.00003.00001.sql", "a.b", false),
                ("a.b.t.x.00000.sql", "a.b", false),
                ("a.v-schema-view.sql", "a", true),
                ("a.b.t-schema-triggers.sql", "a.b", true),
                ("a-schema-post.sql", "a", true),
            ]
        );
    }

    #[test]
    fn what_is_not_whole_or_not_sql_is_refused_by_name() {
        let done = Some("Finished dump at: y\n");
        for (files, metadata, word) in [
            (&["metadata.partial"][..], None, "not finished"),
            (&[], Some("Started dump at: x\n"), "not finished"),
            (&["a.t.00001.dat"], done, "a.t.00001.dat"),
            (&["a.t.00001.sql.lz4"], done, "a.t.00001.sql.lz4"),
        ] {
            let dir = directory(files, metadata);
            assert!(is_directory(dir.path()));
            let error = open(dir.path()).expect_err(word);
            assert!(error.message.contains(word) && error.hint.is_some(), "{error}");
        }
    }
}
