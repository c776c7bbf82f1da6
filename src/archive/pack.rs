//! How do several segments become one object? Section by section, in the segments' own format.
//!
//! What is merged says the same as before: of each table's changes all are there that count, in one order.

use super::cluster::Cluster;
use super::part::LogPart;
use super::segment::{Commit, Footer, Gap, HEAD, OWN_COLUMNS, Replaced, SchemaEntry, Section, Uneventful};
use super::store::failed;
use super::upload::Upload;
use super::writer::{note, versions, write_footer, write_stream};
use crate::error::{Error, Result};
use crate::model::{Bookmark, Micros, Seq};
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, max, min, take_record_batch};
use arrow::error::ArrowError;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::sync::Arc;

/// Everything of a pack but the rows.
#[derive(Debug, Clone, Default)]
pub struct PackContent {
    /// With times that are monotone already.
    pub commits: Vec<Commit>,
    pub schema: Vec<SchemaEntry>,
    pub gaps: Vec<Gap>,
    pub uneventful: Vec<Uneventful>,
    pub bookmark: Bookmark,
    pub created: Micros,
    pub covers: Option<Micros>,
}

/// Writes one pack. Holds the rows of one section, and 8 MiB. Nothing refers to the pack until a list names it.
pub struct PackWriter {
    part: LogPart,
    path: Path,
    upload: Upload,
    sections: Vec<Section>,
    replaced: Vec<Replaced>,
}

impl std::fmt::Debug for PackWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackWriter").field("part", &self.part).field("sections", &self.sections.len()).finish()
    }
}

impl Cluster {
    /// Begins the pack that this part names. A name serves once: draw its token at random.
    pub async fn pack_writer(&self, part: LogPart) -> Result<PackWriter> {
        let path = self.object_path(&part.object());
        let upload = self.store().put_multipart(&path).await.map_err(|e| failed(&path, e))?;
        let mut upload = Upload::new(upload);
        upload.add(HEAD).await.map_err(|e| failed(&path, e))?;
        Ok(PackWriter { part, path, upload, sections: Vec::new(), replaced: Vec::new() })
    }
}

impl PackWriter {
    /// Adds a section like this one, of these sections' rows, which come in the order of the log. All sections come
    /// before all replaced rows, and those of one table in the order of the log.
    pub async fn section(&mut self, like: &Section, rows: &[RecordBatch]) -> Result<()> {
        let Some((rows, offset)) = self.together(rows)? else { return Ok(()) };
        let rows = if like.key.is_empty() { rows } else { self.linked(like, &rows)? };
        let (first, last) = self.seqs(&rows)?;
        let (length, crc32) = self.write(&rows).await?;
        self.sections.push(Section {
            offset,
            length,
            crc32,
            rows: rows.num_rows() as u64,
            first,
            last,
            ..like.clone()
        });
        Ok(())
    }

    /// The same with replaced rows.
    pub async fn replaced(&mut self, like: &Replaced, rows: &[RecordBatch]) -> Result<()> {
        let Some((rows, offset)) = self.together(rows)? else { return Ok(()) };
        let (first, last) = self.seqs(&rows)?;
        let (length, crc32) = self.write(&rows).await?;
        self.replaced.push(Replaced {
            offset,
            length,
            crc32,
            rows: rows.num_rows() as u64,
            first,
            last,
            ..like.clone()
        });
        Ok(())
    }

    /// Ends the pack: it is durable then. Returns what it says of itself, and its length in bytes.
    pub async fn finish(mut self, content: PackContent) -> Result<(Footer, u64)> {
        let mut uneventful = Vec::new();
        content.uneventful.into_iter().for_each(|it| note(&mut uneventful, it));
        let footer = Footer {
            number: self.part.last,
            first: Some(self.part.first),
            commits: content.commits,
            schema: content.schema,
            sections: std::mem::take(&mut self.sections),
            replaced: std::mem::take(&mut self.replaced),
            continues: false,
            restarts: false,
            bookmark: content.bookmark,
            created: content.created,
            covers: content.covers,
            gaps: content.gaps,
            uneventful,
        };
        footer
            .check(self.part, self.upload.bytes())
            .map_err(|why| Error::internal(format!("{} is not written: {why}", self.part)))?;
        let mut bytes = Vec::new();
        write_footer(&footer, &mut bytes)?;
        self.upload.add(&bytes).await.map_err(|e| failed(&self.path, e))?;
        self.upload.end().await.map_err(|e| failed(&self.path, e))?;
        Ok((footer, self.upload.bytes()))
    }

    /// All rows in one batch, and where its section will begin; `None`: there are none.
    fn together(&self, rows: &[RecordBatch]) -> Result<Option<(RecordBatch, u64)>> {
        let some: Vec<&RecordBatch> = rows.iter().filter(|b| b.num_rows() > 0).collect();
        let Some(first) = some.first() else { return Ok(None) };
        let rows = match some.as_slice() {
            [only] => (*only).clone(),
            _ => concat_batches(&first.schema(), some.iter().copied()).map_err(|e| self.fault(e))?,
        };
        Ok(Some((rows, self.upload.bytes())))
    }

    /// The rows in order of (key, seq), each version linked to the next.
    fn linked(&self, like: &Section, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut key: Vec<ArrayRef> = Vec::new();
        for id in &like.key {
            let at = like.columns.iter().position(|c| c == id);
            let column = at.and_then(|at| rows.columns().get(OWN_COLUMNS + at));
            let none = || Error::internal(format!("a section of table {} lacks a column of its key", like.table));
            key.push(column.ok_or_else(none)?.clone());
        }
        let (order, next) = versions(&key, self.column(rows)?.values(), like.ordered)?;
        let kept = take_record_batch(rows, &UInt32Array::from(order)).map_err(|e| self.fault(e))?;
        let mut columns = kept.columns().to_vec();
        columns[OWN_COLUMNS - 1] = Arc::new(UInt64Array::from(next));
        RecordBatch::try_new(kept.schema(), columns).map_err(|e| self.fault(e))
    }

    fn column<'a>(&self, rows: &'a RecordBatch) -> Result<&'a UInt64Array> {
        let seqs = rows.columns().first().and_then(|c| c.as_any().downcast_ref());
        seqs.ok_or_else(|| Error::internal(format!("rows without _seq come to {}", self.part)))
    }

    fn seqs(&self, rows: &RecordBatch) -> Result<(Seq, Seq)> {
        let seqs = self.column(rows)?;
        Ok((Seq(min(seqs).unwrap_or_default()), Seq(max(seqs).unwrap_or_default())))
    }

    async fn write(&mut self, rows: &RecordBatch) -> Result<(u64, u32)> {
        let mut bytes = Vec::new();
        write_stream(rows, &mut bytes).map_err(|e| self.fault(e))?;
        self.upload.add(&bytes).await.map_err(|e| failed(&self.path, e))?;
        Ok((bytes.len() as u64, crc32fast::hash(&bytes)))
    }

    fn fault(&self, e: ArrowError) -> Error {
        Error::internal(format!("writing {}: {e}", self.part))
    }
}
