//! How does a machine that cannot read the archive know where it was? It remembers, in a directory of its own.
//!
//! Before each segment or manifest is written, what will be reached with it is noted under both their numbers. So after a
//! kill there is a note for whatever the archive's newest names are. Notes hold the catalog and bookmarks, never rows. Where the
//! archive can be read, it alone decides.

use super::reached::Reached;
use crate::archive::{Cluster, Manifest};
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Catalog, Micros, Seq};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Notes of one cluster.
#[derive(Debug)]
pub struct Memory {
    /// `None`: the archive can be read.
    directory: Option<PathBuf>,
    /// The schema file that the next note names, if it is still true.
    schema: Option<String>,
    /// Counts schema files.
    written: u64,
}

/// `<manifest>-<segment>.json`
#[derive(Serialize, Deserialize)]
struct Note {
    schema: String,
    seq: Seq,
    time: Micros,
    until: Micros,
    bookmark: Bookmark,
    segment: u64,
    continues: bool,
}

/// `schema-<n>.json`: what seldom changes.
#[derive(Serialize, Deserialize)]
struct Schema<M, C> {
    manifest: M,
    catalog: C,
}

impl Memory {
    /// Errors: `Io`.
    pub fn of(cluster: &Cluster) -> Result<Self> {
        let wanted = !cluster.archive().recipients().is_empty();
        let directory = cluster.local().filter(|_| wanted).map(|local| local.join("memory"));
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory).map_err(|e| Error::io(directory.display(), e))?;
        }
        // numbers of a run before are never used again
        let written = directory.as_deref().map(schemas).transpose()?.unwrap_or_default();
        Ok(Self { directory, schema: None, written })
    }

    /// Whether notes are taken at all.
    pub fn is_used(&self) -> bool {
        self.directory.is_some()
    }

    /// The tables or bases are not what they were.
    pub fn changed(&mut self) {
        self.schema = None;
    }

    /// Before the object is written with which this is reached.
    pub fn note(&mut self, reached: &Reached) -> Result<()> {
        let Some(directory) = self.directory.clone() else { return Ok(()) };
        let schema = match &self.schema {
            Some(schema) => schema.clone(),
            None => {
                self.written += 1;
                let name = format!("schema-{:020}.json", self.written);
                let schema = Schema { manifest: &reached.manifest, catalog: &reached.catalog };
                write(&directory, &name, &schema)?;
                self.schema.insert(name).clone()
            }
        };
        let note = Note {
            schema,
            seq: reached.seq,
            time: reached.time,
            until: reached.until,
            bookmark: reached.bookmark.clone(),
            segment: reached.segment,
            continues: reached.continues,
        };
        write(&directory, &name(reached.manifest.number, reached.segment), &note)
    }

    /// The object is written: earlier notes are of no use any more. What stays only takes space.
    pub fn kept(&self, reached: &Reached) {
        let (Some(directory), Some(schema)) = (&self.directory, &self.schema) else { return };
        let note = name(reached.manifest.number, reached.segment);
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let file = entry.file_name();
            if file != *note.as_str() && file != *schema.as_str() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// What was reached with these newest objects.
    /// Errors: `Fenced` when this machine did not write them; `Corrupt`, `Io`.
    pub fn recall(&self, cluster: &Cluster, manifest: u64, segment: u64) -> Result<Reached> {
        let Some(directory) = &self.directory else { return Err(Error::internal("nothing is remembered here")) };
        let path = directory.join(name(manifest, segment));
        if !path.exists() {
            let text = format!(
                "cluster {} reaches to manifest {manifest} and segment {segment} in the archive, and this machine did not write them",
                cluster.name()
            );
            return Err(Error::new(Kind::Fenced, text).hint(
                "Stop whoever else captures it; then start this one once with --identity FILE, which reads the archive to go on from there.",
            ));
        }
        let note: Note = read(&path)?;
        let Schema { manifest, catalog }: Schema<Manifest, Catalog> = read(&directory.join(&note.schema))?;
        Ok(Reached {
            manifest,
            catalog,
            seq: note.seq,
            time: note.time,
            until: note.until,
            bookmark: note.bookmark,
            segment: note.segment,
            continues: note.continues,
        })
    }
}

fn name(manifest: u64, segment: u64) -> String {
    format!("{manifest:020}-{segment:020}.json")
}

/// The highest number of a schema file.
fn schemas(directory: &Path) -> Result<u64> {
    let entries = std::fs::read_dir(directory).map_err(|e| Error::io(directory.display(), e))?;
    let number = |entry: std::fs::DirEntry| {
        entry.file_name().to_str()?.strip_prefix("schema-")?.strip_suffix(".json")?.parse::<u64>().ok()
    };
    Ok(entries.flatten().filter_map(number).max().unwrap_or_default())
}

/// Durable before it has its name.
fn write(directory: &Path, name: &str, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|e| Error::internal(format!("writing JSON: {e}")))?;
    let (path, staged) = (directory.join(name), directory.join(format!("{name}.new")));
    let done = || -> std::io::Result<()> {
        let mut file = File::create(&staged)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&staged, &path)?;
        File::open(directory)?.sync_all()
    };
    done().map_err(|e| Error::io(path.display(), e))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path.display(), e))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::corrupt(path.display(), e))
}
