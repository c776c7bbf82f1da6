//! How do rows become a Parquet file's bytes? In memory, a row group at a time.

use crate::model::TableSchema;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

/// Pages of key columns are small, so that few bytes are read to find a key.
const KEY_PAGE_BYTES: usize = 8 * 1024;
/// Of 3, 6, 9 and 12: the least that meets the limit of `tests/bench/tpch.sh`; it costs a quarter more time than 3.
const ZSTD_LEVEL: i32 = 9;
/// Larger dictionaries take more than the values themselves.
const NUMBER_DICTIONARY_BYTES: usize = 8 * 1024;
const TEXT_DICTIONARY_BYTES: usize = 64 * 1024;

/// Makes a Parquet file's bytes in memory, a column of a row group after the other: a compressor takes some 15 MB, and a
/// table may have a thousand columns.
pub(super) struct Encoder {
    file: SerializedFileWriter<Vec<u8>>,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    groups: usize,
}

impl Encoder {
    pub fn new(schema: &TableSchema) -> Result<Self> {
        let properties = properties(schema)?;
        let schema = schema.arrow();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
        let (file, columns) = writer.into_serialized_writer()?;
        Ok(Self { file, columns, schema, groups: 0 })
    }

    /// Adds a row group of the schema's columns.
    pub fn group(&mut self, batches: &[RecordBatch]) -> Result<()> {
        let columns = self.columns.create_column_writers(self.groups)?;
        self.groups += 1;
        let mut group = self.file.next_row_group()?;
        for (at, (mut column, field)) in columns.into_iter().zip(self.schema.fields()).enumerate() {
            for batch in batches {
                for leaf in compute_leaves(field, batch.column(at))? {
                    column.write(&leaf)?;
                }
            }
            column.close()?.append_to_row_group(&mut group)?;
        }
        group.close().map(drop)
    }

    /// Adds the footer.
    pub fn end(&mut self) -> Result<()> {
        self.file.finish().map(drop)
    }

    /// The bytes that were added since.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.file.inner_mut())
    }
}

/// A column keeps a dictionary while its values are few; then its values stand in the encoding that compresses best.
fn properties(schema: &TableSchema) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(ZSTD_LEVEL)?;
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("pcloud {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None); // row groups are ended here, by rows and by bytes
    for (at, column) in schema.columns.iter().enumerate() {
        let path = ColumnPath::new(vec![column.name.clone()]);
        let (kind, key) = (column.kind.arrow(), schema.primary_key.contains(&at));
        let bytes = matches!(kind, DataType::Utf8 | DataType::Binary);
        properties = properties.set_column_encoding(path.clone(), encoding(&kind, key));
        properties = if key {
            properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_data_page_size_limit(path, KEY_PAGE_BYTES)
        } else {
            let limit = if bytes { TEXT_DICTIONARY_BYTES } else { NUMBER_DICTIONARY_BYTES };
            properties.set_column_dictionary_page_size_limit(path, limit)
        };
    }
    Ok(properties.build())
}

/// How values stand that no dictionary holds.
fn encoding(kind: &DataType, key: bool) -> Encoding {
    match kind {
        DataType::Utf8 | DataType::Binary => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        kind if key && (kind.is_integer() || kind.is_temporal()) => Encoding::DELTA_BINARY_PACKED,
        _ => Encoding::BYTE_STREAM_SPLIT,
    }
}
