//! The log, from where the archive ends: transactions become commits with seqs and times, commits become segments.
//!
//! A segment is written when its oldest commit has waited long enough or when it is large; a transaction that is too
//! large for one is written in parts, and counts only with its last one. When the source goes away within a
//! transaction, what was written of it is void, and it is told again from its beginning.

use super::backoff::Backoff;
use super::memory::Memory;
use super::reached::{Reached, based};
use super::retake::{Opened, Retakes};
use super::times::commit_time;
use super::{Options, Progress, Show, Summary};
use crate::archive::{Base, Cluster, Commit, Manifest, SchemaEntry, SegmentWriter, TableCounts, Uneventful};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::{
    Bookmark, Cascades, Catalog, Change, CommitTime, Micros, NotCarried, SchemaChange, Seq, SourceEvent, TableId,
    TableSchema,
};
use crate::source::{ChangeStream, Source};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// Commits of one segment, so that its footer stays small.
const SEGMENT_COMMITS: u64 = 16_384;

pub struct Log<'a> {
    cluster: Cluster,
    source: Arc<dyn Source>,
    pub(super) options: &'a Options,
    clock: Arc<dyn Clock>,
    pub(super) show: Show,
    pub(super) stop: CancellationToken,
    memory: &'a mut Memory,
    /// The time of the last commit in the archive, as readers date it.
    dated: Micros,
    /// What was received; `writer` holds what is not in the archive of it.
    reached: Reached,
    writer: SegmentWriter,
    /// Commits in `writer`, and when it must be written for their sake.
    unwritten: u64,
    due: Option<Instant>,
    /// The next segment voids what earlier ones hold of the open transaction.
    restarts: bool,
    open: Option<Open>,
    /// The bookmark that the archive holds, and since when.
    kept: (Bookmark, Instant),
    caught_up: bool,
    /// The archive could not be written, which was tried often enough: what was received is not kept.
    pub(super) broken: bool,
    retakes: Retakes,
    /// Of the catalog that is reached.
    cascades: Cascades,
    commits: u64,
    segments: u64,
}

/// What a run was told.
pub struct Told<'a> {
    pub options: &'a Options,
    pub clock: Arc<dyn Clock>,
    pub show: Show,
    pub stop: CancellationToken,
}

/// A transaction between `Begin` and `Commit`.
#[derive(Debug, Default)]
struct Open {
    gtid: Option<String>,
    rows: BTreeMap<TableId, TableCounts>,
    schema: Vec<SchemaEntry>,
    /// Row changes so far, of all tables.
    changes: u64,
}

/// Why a stream is no longer followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    FilesRead,
    CaughtUp,
}

impl<'a> Log<'a> {
    pub fn new(
        cluster: Cluster,
        source: Arc<dyn Source>,
        told: Told<'a>,
        memory: &'a mut Memory,
        reached: Reached,
    ) -> Self {
        let Told { options, clock, show, stop } = told;
        let mut retakes = Retakes::new(source.clone(), cluster.clone(), options.once);
        retakes.reconcile(&reached.catalog);
        Self {
            cascades: Cascades::of(&reached.catalog),
            writer: SegmentWriter::new(reached.segment + 1),
            unwritten: 0,
            due: None,
            restarts: reached.continues,
            open: None,
            kept: (reached.bookmark.clone(), Instant::now()),
            caught_up: false,
            broken: false,
            commits: 0,
            segments: 0,
            cluster,
            source,
            options,
            clock,
            show,
            stop,
            memory,
            dated: reached.time,
            reached,
            retakes,
        }
    }

    /// Follows the source until there is a reason to stop.
    pub async fn run(mut self) -> Result<Summary> {
        let mut backoff = Backoff::new(self.options.once);
        loop {
            let error = match self.connect().await {
                Ok(None) => break,
                Ok(Some(stream)) => match self.follow(stream, &mut backoff).await {
                    Ok(_) => break,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if self.broken {
                return Err(error);
            }
            self.abandon().await?;
            self.put_commits().await?;
            match backoff.after(&error).filter(|_| error.kind == Kind::Unreachable) {
                Some(retry_in) if self.pause(error.clone(), retry_in).await => {}
                Some(_) => break,
                None => return Err(error),
            }
        }
        self.abandon().await?;
        self.put_commits().await?;
        if self.kept.0 != self.reached.bookmark {
            self.put().await?;
        }
        Ok(self.summary())
    }

    /// A stream from the last commit on; `None`: the source has no log, or a stop was asked for.
    async fn connect(&mut self) -> Result<Option<Box<dyn ChangeStream>>> {
        let mut catalog = self.reached.catalog.clone();
        for id in self.retakes.passed() {
            // its base is still being read, but its rows belong on top of it already
            catalog.uncertain.remove(&id);
        }
        tokio::select! {
            opened = self.source.changes(&catalog, &self.reached.bookmark) => {
                let mut opened = opened?;
                if let Some(stream) = &mut opened {
                    self.retakes.awaited().into_iter().for_each(|(schema, at)| stream.retake(schema, &at));
                }
                Ok(opened)
            }
            () = self.stop.cancelled() => Ok(None),
        }
    }

    async fn follow(&mut self, mut stream: Box<dyn ChangeStream>, backoff: &mut Backoff) -> Result<End> {
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(End::Stopped),
                read = self.retakes.next() => {
                    if let Some(base) = self.retakes.taken(read) {
                        self.put_base(base).await?;
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => self.woken(stream.as_mut()).await?,
                event = stream.next() => {
                    let Some(event) = event? else { return Ok(End::FilesRead) };
                    if backoff.reset() {
                        (self.show)(Progress::Resumed);
                    }
                    self.event(event).await?;
                }
            }
            if self.options.once && self.caught_up && self.open.is_none() && self.retakes.idle() {
                return Ok(End::CaughtUp);
            }
        }
    }

    /// When something is to be done even if the source is silent.
    fn wake(&self) -> Instant {
        let heartbeat = match self.open {
            None => self.kept.1 + self.options.heartbeat,
            // a heartbeat within a transaction that is written in parts would end it
            Some(_) => Instant::now() + self.options.heartbeat,
        };
        let retake = if self.open.is_none() { self.retakes.due() } else { None };
        [self.due, retake].into_iter().flatten().fold(heartbeat, Instant::min)
    }

    async fn woken(&mut self, stream: &mut dyn ChangeStream) -> Result<()> {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            self.put().await?;
        }
        if self.open.is_none() {
            if self.retakes.due().is_some_and(|due| due <= now)
                && let Some(opened) = self.retakes.open(&self.reached.catalog).await
            {
                match opened {
                    Opened::Reading(schema, at) => stream.retake(schema, &at),
                    Opened::NotCarried(table, why) => stream.apply(&self.not_carried(&table, why)?),
                }
            }
            if self.kept.1 + self.options.heartbeat <= now {
                self.put().await?;
            }
        }
        Ok(())
    }

    async fn event(&mut self, event: SourceEvent) -> Result<()> {
        match event {
            SourceEvent::Begin { gtid } => match self.open.replace(Open { gtid, ..Open::default() }) {
                None => Ok(()),
                Some(_) => Err(Error::internal("the source began a transaction within another")),
            },
            SourceEvent::Rows { table, changes, cascades } => self.rows(&table, &changes, cascades).await,
            SourceEvent::Schema { database, statement, changes } => {
                let seq = self.reached.seq.next();
                if !changes.is_empty() {
                    self.opened()?.schema.push(SchemaEntry { seq, database, statement, changes });
                }
                Ok(())
            }
            SourceEvent::Commit { time, bookmark } => self.commit(time, bookmark).await,
            SourceEvent::Uneventful { gtid } => {
                self.writer.uneventful(Uneventful { after: self.reached.seq, gtid });
                Ok(())
            }
            SourceEvent::Progress { bookmark } => {
                if self.open.is_none() {
                    self.reached.bookmark = bookmark;
                }
                Ok(())
            }
            SourceEvent::CaughtUp { asked } => self.told_caught_up(asked).await,
            SourceEvent::RolledBack => {
                let caught_up = self.caught_up;
                self.abandon().await?;
                self.caught_up = caught_up;
                Ok(())
            }
            SourceEvent::Retaken { table } => self.retaken(table).await,
            SourceEvent::Missed { table } => {
                self.retakes.missed(table);
                Ok(())
            }
        }
    }

    fn opened(&mut self) -> Result<&mut Open> {
        self.open.as_mut().ok_or_else(|| Error::internal("the source told of a change outside a transaction"))
    }

    async fn rows(&mut self, table: &Arc<TableSchema>, changes: &[Change], cascades: bool) -> Result<()> {
        let seq = self.reached.seq.next();
        let open = self.opened()?;
        let first = open.changes;
        open.changes += changes.len() as u64;
        let counts =
            open.rows.entry(table.id).or_insert(TableCounts { table: table.id, inserts: 0, updates: 0, deletes: 0 });
        for change in changes {
            match change {
                Change::Insert(_) => counts.inserts += 1,
                Change::Update { .. } => counts.updates += 1,
                Change::Delete(_) => counts.deletes += 1,
            }
        }
        let child = self.cascades.has_parents(table.id);
        let referenced = if cascades { self.cascades.referenced(table.id) } else { &[] };
        for (change, order) in changes.iter().zip(first..) {
            self.writer.change_in_order(seq, table, change, child.then_some(order))?;
            if !referenced.is_empty() {
                self.writer.replaced(seq, table, referenced, change, order)?;
            }
        }
        if self.writer.bytes() >= self.options.transaction_bytes {
            self.put().await?;
        }
        Ok(())
    }

    async fn commit(&mut self, time: CommitTime, bookmark: Bookmark) -> Result<()> {
        let open = self.open.take().ok_or_else(|| Error::internal("the source committed no transaction"))?;
        // While a table is uncertain its rows are not told, yet each transaction counts: a new base of it must not
        // stand at the seq of a commit that came before some of the changes that the base holds.
        if open.rows.is_empty() && open.schema.is_empty() && self.reached.catalog.uncertain.is_empty() {
            // of databases that are left out, or a statement that changes nothing that is kept
            self.reached.bookmark = bookmark;
            return Ok(());
        }
        let time = commit_time(time, self.clock.now());
        let seq = self.reached.seq.next();
        for entry in &open.schema {
            self.writer.schema(entry.clone())?;
        }
        let rows = open.rows.into_values().collect();
        self.writer.commit(Commit { seq, time, gtid: open.gtid, bookmark: bookmark.clone(), rows })?;
        (self.reached.seq, self.reached.bookmark) = (seq, bookmark);
        self.reached.time = self.reached.time.max(time);
        self.commits += 1;
        self.unwritten += 1;
        self.due.get_or_insert(Instant::now() + self.options.flush_every);
        if !open.schema.is_empty() {
            let changes = open.schema.iter().flat_map(|entry| &entry.changes);
            self.apply(seq, changes);
        }
        if self.writer.bytes() >= self.options.flush_bytes || self.unwritten >= SEGMENT_COMMITS {
            self.put().await?;
        }
        Ok(())
    }

    fn apply<'c>(&mut self, seq: Seq, changes: impl Iterator<Item = &'c SchemaChange>) {
        for change in changes {
            self.reached.catalog.apply(change);
            if let SchemaChange::Uncertain { id, name, why } = change {
                tracing::warn!(table = %name, %seq, why, "the table is uncertain until a new base of it is taken");
                (self.show)(Progress::Uncertain { table: name.clone(), why: why.clone(), seq });
                self.retakes.want(*id);
            }
        }
        self.memory.changed();
        self.retakes.reconcile(&self.reached.catalog);
        self.cascades = Cascades::of(&self.reached.catalog);
    }

    /// An uncertain table turned out to be one that is not carried: a commit of our own says so.
    fn not_carried(&mut self, table: &TableSchema, why: NotCarried) -> Result<Vec<SchemaChange>> {
        tracing::warn!(table = %table.name, %why, "the table is not carried any more");
        let refused = SchemaChange::Refused { name: table.name.clone(), why };
        let changes = vec![SchemaChange::TableDropped { id: table.id }, refused];
        let (seq, time) = (self.reached.seq.next(), self.reached.time);
        self.writer.schema(SchemaEntry { seq, changes: changes.clone(), ..SchemaEntry::default() })?;
        let bookmark = self.reached.bookmark.clone();
        self.writer.commit(Commit { seq, time, gtid: None, bookmark, rows: Vec::new() })?;
        self.reached.seq = seq;
        self.commits += 1;
        self.unwritten += 1;
        self.due.get_or_insert(Instant::now() + self.options.flush_every);
        self.apply(seq, changes.iter());
        Ok(changes)
    }

    async fn told_caught_up(&mut self, asked: Instant) -> Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        let ago = i64::try_from(asked.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.writer.covers(Micros(self.clock.now().0.saturating_sub(ago)));
        if !self.caught_up {
            self.put_commits().await?;
            self.caught_up = true;
            (self.show)(Progress::CaughtUp { seq: self.reached.seq });
        }
        Ok(())
    }

    /// The log is at the place of a new base: what follows belongs on top of it.
    async fn retaken(&mut self, id: TableId) -> Result<()> {
        if let Some(schema) = self.retakes.told(id, self.reached.seq) {
            self.reached.catalog.tables.insert(id, schema);
            self.memory.changed();
            self.cascades = Cascades::of(&self.reached.catalog);
            if let Some(base) = self.retakes.complete(id) {
                self.put_base(base).await?;
            }
        }
        Ok(())
    }

    /// Names a new base in the next manifest, after every commit that it holds is in the archive.
    async fn put_base(&mut self, base: Base) -> Result<()> {
        self.put_commits().await?;
        let Some(table) = self.reached.catalog.tables.get(&base.table) else { return Ok(()) };
        let name = table.name.clone();
        let mut manifest = Manifest { number: self.reached.manifest.number + 1, ..self.reached.manifest.clone() };
        manifest.created = self.clock.now();
        if base.seq == Seq::ZERO {
            based(&mut manifest.catalog, &base);
        }
        let (seq, id) = (base.seq, base.table);
        manifest.bases.push(base);
        let cluster = self.cluster.clone();
        self.memory.changed();
        let mut next = Reached { manifest: manifest.clone(), time: self.dated, ..self.reached.clone() };
        // its schema is the one that the log has reached by now, not the base's
        next.catalog.uncertain.remove(&id);
        self.memory.note(&next)?;
        self.keep(
            || cluster.put_manifest(&manifest),
            || async {
                let readable = cluster.archive().is_readable();
                Ok(readable && cluster.manifest().await?.is_some_and(|newest| newest == manifest))
            },
        )
        .await?;
        self.reached.manifest = manifest;
        self.reached.catalog.uncertain.remove(&id);
        self.memory.kept(&self.reached);
        (self.show)(Progress::Retaken { table: name, seq });
        Ok(())
    }

    /// Writes what was committed and is not in the archive.
    async fn put_commits(&mut self) -> Result<()> {
        if self.unwritten > 0 { self.put().await } else { Ok(()) }
    }

    /// Forgets the open transaction: it will be told again.
    async fn abandon(&mut self) -> Result<()> {
        if self.open.take().is_none() {
            return Ok(());
        }
        if self.unwritten > 0 || self.writer.has_uneventful() {
            self.put().await?;
        } else {
            self.writer = SegmentWriter::new(self.reached.segment + 1);
        }
        self.restarts |= self.reached.continues;
        self.caught_up = false;
        Ok(())
    }

    /// Writes a segment of all that was received; nothing received makes a heartbeat.
    async fn put(&mut self) -> Result<()> {
        let number = self.reached.segment + 1;
        let writer = std::mem::replace(&mut self.writer, SegmentWriter::new(number + 1));
        let continues = writer.open_seq().is_some();
        let bookmark = self.reached.bookmark.clone();
        let segment = writer.finish(bookmark.clone(), self.clock.now(), continues, self.restarts)?;
        let (times, until) = segment.footer.times(self.dated, self.reached.until);
        let dated = times.last().copied().unwrap_or(self.dated);
        if self.memory.is_used() {
            self.memory.note(&Reached { segment: number, continues, time: dated, until, ..self.reached.clone() })?;
        }
        let cluster = self.cluster.clone();
        self.keep(
            || cluster.put_segment(segment.clone()),
            || async { Ok(cluster.archive().is_readable() && cluster.footer(number).await? == segment.footer) },
        )
        .await?;
        (self.reached.segment, self.reached.continues) = (number, continues);
        (self.dated, self.reached.until) = (dated, until);
        self.memory.kept(&self.reached);
        (self.unwritten, self.due, self.restarts) = (0, None, false);
        self.kept = (bookmark, Instant::now());
        self.segments += 1;
        (self.show)(Progress::Log { seq: self.reached.seq, time: self.reached.time, segments: self.segments });
        Ok(())
    }

    fn summary(&self) -> Summary {
        let Catalog { tables, uncertain, .. } = &self.reached.catalog;
        let name = |id: &TableId| tables.get(id).map(|t| t.name.clone());
        Summary {
            manifest: self.reached.manifest.clone(),
            seq: self.reached.seq,
            commits: self.commits,
            segments: self.segments,
            uncertain: uncertain.iter().filter_map(|(id, why)| Some((name(id)?, why.clone()))).collect(),
        }
    }
}
