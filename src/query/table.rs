//! How are the rows of a table at a moment scanned? Which rows of which files stand is decided before (`timeline`);
//! from there on these are ordinary scans: Parquet files with a row selection each, and the changes from memory.
//!
//! Columns have lower-case names here, because MySQL's are compared without regard to case; the names as they are
//! travel in the fields' metadata. TIMESTAMP columns become local in the session's zone.

use super::local_time::to_local;
use super::meaning::column_field;
use super::partial;
use super::service::{STORE, Service};
use super::system::TimeZone;
use crate::error::{Error, Kind, Result};
use crate::model::{Column, ColumnType, Generated, Seq, TableSchema, Value, column_of};
use crate::query::meaning;
use crate::timeline::{BasePart, TableSnapshot, Timeline};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, ScalarValue, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetAccessPlan};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{ColumnarValue, Expr};
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::parquet::arrow::arrow_reader::RowSelection;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column as FileColumn, Literal};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type PlanResult<T> = std::result::Result<T, DataFusionError>;
type Plan = Arc<dyn ExecutionPlan>;

/// The columns of a table as statements see them.
pub(super) fn visible_schema(table: &TableSchema) -> SchemaRef {
    let field = |(i, c): (usize, &Column)| column_field(table, i, c).with_name(c.name.to_lowercase());
    Arc::new(Schema::new(table.columns.iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// The same of a cluster's table. In MariaDB the names `utf8mb4_0900_…` are others of its `utf8mb4_uca1400_nopad_…`, and not what
/// MySQL means by them.
pub(super) fn visible_in(timeline: &Timeline, table: &TableSchema) -> SchemaRef {
    let mut table = table.clone();
    if timeline.source().contains("MariaDB") {
        for collation in table.columns.iter_mut().filter_map(|c| c.collation.as_mut()) {
            if let Some(kind @ ("ai_ci" | "as_ci" | "as_cs")) = collation.strip_prefix("utf8mb4_0900_") {
                *collation = format!("utf8mb4_uca1400_nopad_{kind}");
            }
        }
    }
    visible_schema(&table)
}

/// A table at a seq.
pub(super) struct TableAt {
    service: Arc<Service>,
    timeline: Arc<Timeline>,
    table: Arc<TableSchema>,
    seq: Seq,
    zone: TimeZone,
    schema: SchemaRef,
    /// Whether the statement does more with dates than to show them.
    compares_dates: AtomicBool,
}

impl TableAt {
    pub fn new(
        service: Arc<Service>,
        timeline: Arc<Timeline>,
        table: Arc<TableSchema>,
        seq: Seq,
        zone: TimeZone,
    ) -> TableAt {
        let schema = visible_in(&timeline, &table);
        TableAt { service, timeline, table, seq, zone, schema, compares_dates: AtomicBool::new(false) }
    }

    /// The statement does more with dates than to show them.
    pub fn compare_dates(&self) {
        self.compares_dates.store(true, Ordering::Relaxed);
    }

    /// Errors: `Unsupported` when dates are compared, and some are in no calendar.
    async fn check_dates(&self, state: &dyn Session, snapshot: &TableSnapshot, wanted: &[usize]) -> PlanResult<()> {
        let dates = |i: &usize| matches!(self.table.columns[*i].kind, ColumnType::Date | ColumnType::DateTime { .. });
        if !self.compares_dates.load(Ordering::Relaxed) || !wanted.iter().any(dates) {
            return Ok(());
        }
        for part in snapshot.base.iter().filter(|p| p.rows() > 0) {
            let footer = self.footer(state, &self.object(part)).await?;
            partial::check_file(&self.table, wanted, &part.schema, &footer)?;
        }
        snapshot.changes.iter().try_for_each(|batch| partial::check_batch(&self.table, wanted, batch))
    }

    /// Parts that were written under one schema, as one scan.
    async fn files(&self, state: &dyn Session, parts: &[&BasePart], wanted: &[usize]) -> PlanResult<Plan> {
        let Some(first) = parts.first() else { return Ok(Arc::new(EmptyExec::new(self.projected(wanted)?))) };
        let file_schema = &first.schema;
        // the columns to read, and how each wanted column is made from them
        let mut read: Vec<usize> = Vec::new();
        let mut made: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
        for position in wanted {
            let (column, name) = (&self.table.columns[*position], self.schema.field(*position).name().clone());
            let found = file_schema.columns.iter().position(|c| c.id == column.id);
            let expr = match found {
                None => missing(column, self.zone).map_err(meaning::outside)?,
                Some(at) => {
                    let from = &file_schema.columns[at];
                    let mut expr: Arc<dyn PhysicalExpr> = Arc::new(FileColumn::new(&from.name, read.len()));
                    let kind = column.kind.arrow();
                    if from.kind.arrow() != kind {
                        // the column was widened since; what does not fit is an error, not NULL
                        let options = CastOptions { safe: false, ..Default::default() };
                        expr = Arc::new(CastExpr::new(expr, kind, Some(options)));
                    }
                    read.push(at);
                    local_expr(expr, &column.kind, self.zone)
                }
            };
            made.push((expr, name));
        }
        let (mut files, mut rows) = (Vec::new(), 0);
        for part in parts.iter().filter(|p| p.rows() > 0) {
            files.push(self.file(state, part).await?);
            rows += part.rows();
        }
        let scan = self.parquet(state, file_schema, files, rows, read)?;
        Ok(Arc::new(ProjectionExec::try_new_with_schema_metadata(made, scan, self.projected(wanted)?.as_ref())?))
    }

    fn projected(&self, wanted: &[usize]) -> PlanResult<SchemaRef> {
        Ok(Arc::new(self.schema.project(wanted)?))
    }

    fn object(&self, part: &BasePart) -> ObjectMeta {
        ObjectMeta {
            location: self.timeline.cluster().object_path(&part.file.path),
            // objects are immutable: their name says all
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: part.file.bytes,
            e_tag: None,
            version: None,
        }
    }

    async fn footer(&self, state: &dyn Session, meta: &ObjectMeta) -> PlanResult<Arc<ParquetMetaData>> {
        let store = self.store(state)?;
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        DFParquetMetadata::new(store.as_ref(), meta).with_file_metadata_cache(Some(cache)).fetch_metadata().await
    }

    async fn file(&self, state: &dyn Session, part: &BasePart) -> PlanResult<PartitionedFile> {
        let meta = self.object(part);
        let file = PartitionedFile::from(meta.clone());
        let Some(keep) = &part.keep else { return Ok(file) };
        let footer = self.footer(state, &meta).await?;
        let rows = footer.file_metadata().num_rows();
        if u64::try_from(rows) != Ok(part.file.rows) {
            let why = format!("it has {rows} rows instead of {}", part.file.rows);
            return Err(meaning::outside(Error::corrupt(meta.location, why)));
        }
        let ranges = keep.iter().map(|r| r.start as usize..r.end as usize);
        let selection = RowSelection::from_consecutive_ranges(ranges, part.file.rows as usize);
        let access = ParquetAccessPlan::try_new_from_overall_row_selection(selection, footer.row_groups())?;
        Ok(file.with_extension(access))
    }

    fn store(&self, state: &dyn Session) -> PlanResult<Arc<dyn ObjectStore>> {
        state.runtime_env().object_store(ObjectStoreUrl::parse(STORE)?)
    }

    fn parquet(
        &self,
        state: &dyn Session,
        schema: &TableSchema,
        files: Vec<PartitionedFile>,
        rows: u64,
        read: Vec<usize>,
    ) -> PlanResult<Plan> {
        let options =
            TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
        let arrow = schema.arrow();
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let source = ParquetSource::new(arrow.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(self.store(state)?, cache)));
        // of columns nothing is known: rows are hidden, so what the files say of them is no longer true
        let statistics = Statistics { num_rows: Precision::Exact(rows as usize), ..Statistics::new_unknown(&arrow) };
        let partitions = state.config_options().execution.target_partitions.max(1);
        let each = files.len().div_ceil(partitions).max(1);
        let groups = files.chunks(each).map(|c| FileGroup::new(c.to_vec())).collect();
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(Some(read))?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn changes(&self, snapshot: &TableSnapshot, wanted: &[usize]) -> PlanResult<Option<Plan>> {
        if snapshot.changes.is_empty() {
            return Ok(None);
        }
        let batches = snapshot
            .changes
            .iter()
            .map(|b| visible_batch(b, &self.schema, wanted, self.zone))
            .collect::<Result<Vec<_>>>()
            .map_err(meaning::outside)?;
        let plan: Plan = MemorySourceConfig::try_new_exec(&[batches], self.projected(wanted)?, None)?;
        Ok(Some(plan))
    }
}

#[async_trait]
impl TableProvider for TableAt {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters come back as conditions of the physical plan, which may prune pages of visible rows only.
    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> PlanResult<Plan> {
        let wanted = projection.cloned().unwrap_or_else(|| (0..self.table.columns.len()).collect());
        only_kept(&self.table, wanted.iter().filter_map(|i| self.table.columns.get(*i))).map_err(meaning::outside)?;
        let snapshot = self.service.snapshots.get(&self.timeline, self.table.id, self.seq).await;
        let snapshot = snapshot.map_err(meaning::outside)?;
        self.check_dates(state, &snapshot, &wanted).await?;
        let mut plans = Vec::new();
        let mut rest: Vec<&BasePart> = snapshot.base.iter().filter(|p| p.rows() > 0).collect();
        while let Some(first) = rest.first() {
            let schema = first.schema.clone();
            let (same, other) = rest.into_iter().partition(|p| p.schema == schema);
            rest = other;
            let same: Vec<&BasePart> = same;
            plans.push(self.files(state, &same, &wanted).await?);
        }
        plans.extend(self.changes(&snapshot, &wanted)?);
        match plans.len() {
            0 => Ok(Arc::new(EmptyExec::new(self.projected(&wanted)?))),
            1 => Ok(plans.remove(0)),
            _ => UnionExec::try_new(plans),
        }
    }
}

impl fmt::Debug for TableAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.table.name, self.seq)
    }
}

/// What rows have in a column that their file lacks.
fn missing(column: &Column, zone: TimeZone) -> Result<Arc<dyn PhysicalExpr>> {
    let value = column.missing.as_ref().map_or(Ok(Value::Null), |t| Value::parse(&column.kind, t.as_bytes()))?;
    let array = local_array(&column_of(&column.kind, &value, 1)?, &column.kind, zone)?;
    let scalar = ScalarValue::try_from_array(&array, 0).map_err(|e| Error::internal(format!("a default: {e}")))?;
    Ok(Arc::new(Literal::new(scalar)))
}

/// These columns of a batch in a table's own Arrow types, as statements see them.
/// Errors: `Internal` when the batch is not of the table.
pub(super) fn visible_batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
    wanted: &[usize],
    zone: TimeZone,
) -> Result<RecordBatch> {
    let wrong = |e| Error::internal(format!("a batch of rows: {e}"));
    let columns = wanted
        .iter()
        .map(|i| {
            let array = batch.columns().get(*i).ok_or_else(|| Error::internal(format!("a batch lacks column {i}")))?;
            localized(array, zone)
        })
        .collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(schema.project(wanted).map_err(wrong)?);
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(wrong)
}

fn local_array(array: &ArrayRef, kind: &ColumnType, zone: TimeZone) -> Result<ArrayRef> {
    if matches!(kind, ColumnType::Timestamp { .. }) { localized(array, zone) } else { Ok(array.clone()) }
}

/// UTC instants become local times; everything else stays.
fn localized(array: &ArrayRef, zone: TimeZone) -> Result<ArrayRef> {
    if !matches!(array.data_type(), DataType::Timestamp(TimeUnit::Microsecond, Some(_))) {
        return Ok(array.clone());
    }
    let utc = array
        .as_primitive_opt::<TimestampMicrosecondType>()
        .ok_or_else(|| Error::internal(format!("a TIMESTAMP is held as {}", array.data_type())))?;
    let local = utc.unary::<_, TimestampMicrosecondType>(|t| to_local(zone, t));
    Ok(Arc::new(local))
}

fn local_expr(expr: Arc<dyn PhysicalExpr>, kind: &ColumnType, zone: TimeZone) -> Arc<dyn PhysicalExpr> {
    if matches!(kind, ColumnType::Timestamp { .. }) { Arc::new(LocalTime { utc: expr, zone }) } else { expr }
}

/// The session's local time of a UTC instant.
#[derive(Debug)]
struct LocalTime {
    utc: Arc<dyn PhysicalExpr>,
    zone: TimeZone,
}

impl PartialEq for LocalTime {
    fn eq(&self, other: &Self) -> bool {
        self.utc.eq(&other.utc) && self.zone == other.zone
    }
}

impl Eq for LocalTime {}

impl Hash for LocalTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.utc.hash(state);
        self.zone.to_string().hash(state);
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.utc, self.zone)
    }
}

impl PhysicalExpr for LocalTime {
    fn data_type(&self, _input: &Schema) -> PlanResult<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
    }

    fn nullable(&self, input: &Schema) -> PlanResult<bool> {
        self.utc.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        let utc = self.utc.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(localized(&utc, self.zone).map_err(meaning::outside)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.utc]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> PlanResult<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(utc) if children.is_empty() => Ok(Arc::new(LocalTime { utc, zone: self.zone })),
            _ => Err(DataFusionError::Internal("a local time is of one instant".into())),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Errors: the archive does not know the values of one of these columns.
pub fn only_kept<'a>(table: &TableSchema, mut columns: impl Iterator<Item = &'a Column>) -> Result<(), Error> {
    let Some(column) = columns.find(|c| !c.generated.is_none_or(Generated::is_kept)) else { return Ok(()) };
    let why = match column.generated {
        Some(Generated::LeftOut) => "which the imported dump leaves out",
        _ => "which is computed anew for each session",
    };
    let text = format!("column {} of {}, {why}, is not kept", column.name, table.name);
    Err(Error::new(Kind::Unsupported, text).hint("Name the other columns; RESTORE makes it again."))
}
