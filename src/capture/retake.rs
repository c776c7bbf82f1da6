//! How does an uncertain table become certain again? A new base of it is read at a place that the log has not reached
//! yet; when the log is there, the rows after it belong on top. When both the base is complete and its place in the
//! log is known, a manifest names it.
//!
//! A table that becomes uncertain again and again (a session that logs statements instead of rows) is not read again and
//! again: it waits until some time has passed since it was read last, and is uncertain meanwhile.
//!
//! While a base is opened the log stands still (the caller awaits `open`), or it could pass the place before anybody
//! knows of it. Its rows are then read while the log goes on.

use super::base;
use crate::archive::{Base, Cluster};
use crate::error::{Error, Kind, Result};
use crate::model::{Bookmark, Cascades, Catalog, NotCarried, Seq, TableId, TableSchema};
use crate::source::{BaseRows, Retake, Source};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Bases that are taken at once.
const AT_ONCE: usize = 2;
/// The least time between two bases of one table, in a run that goes on.
const EVERY: Duration = Duration::from_secs(60);
/// The pause after a failure; each further one makes it twice as long, so many times at most.
const PAUSE: Duration = Duration::from_secs(15);
const DOUBLINGS: u32 = 6;
/// Tries of a run that shall end.
const TRIES: u32 = 3;
const TRY_PAUSE: Duration = Duration::from_millis(500);
/// How long a table waits before it is looked whether its parents are certain.
const PARENT_PAUSE: Duration = Duration::from_millis(200);
/// The longest that the log stands still.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);

/// All uncertain tables, and how far each one's new base is.
pub struct Retakes {
    source: Arc<dyn Source>,
    cluster: Cluster,
    once: bool,
    tables: BTreeMap<TableId, State>,
    /// When the last base of a table was begun.
    begun: BTreeMap<TableId, Instant>,
    tasks: JoinSet<Read>,
    /// Tells the results of attempts that were given up from those of the current ones.
    attempt: u64,
}

enum State {
    Waiting { until: Instant, tries: u32 },
    GivenUp,
    Reading(Box<Reading>),
}

struct Reading {
    attempt: u64,
    tries: u32,
    schema: Arc<TableSchema>,
    bookmark: Bookmark,
    /// The seq at the base's place, once the log has reached it.
    seq: Option<Seq>,
    base: Option<Base>,
}

/// What became of a table that was opened.
pub enum Opened {
    /// Its rows are being read. The stream is to tell when it reaches this place.
    Reading(Arc<TableSchema>, Bookmark),
    /// There is no base to be had: the table, as it was known, is not carried any more.
    NotCarried(Arc<TableSchema>, NotCarried),
}

/// A base that was read to its end, or failed.
pub struct Read {
    table: TableId,
    attempt: u64,
    base: Result<Base>,
}

impl Retakes {
    pub fn new(source: Arc<dyn Source>, cluster: Cluster, once: bool) -> Self {
        Self {
            source,
            cluster,
            once,
            tables: BTreeMap::new(),
            begun: BTreeMap::new(),
            tasks: JoinSet::new(),
            attempt: 0,
        }
    }

    /// A table became uncertain. A base whose place comes before that, or may come, is of no use.
    pub fn want(&mut self, id: TableId) {
        match self.tables.get(&id) {
            // its place is still ahead, so it will hold what is uncertain now
            Some(State::Reading(reading)) if reading.seq.is_none() => {}
            _ => drop(self.tables.insert(id, self.waiting(id))),
        }
    }

    /// Until it may be read (again).
    fn waiting(&self, id: TableId) -> State {
        let now = Instant::now();
        let again = self.begun.get(&id).filter(|_| !self.once).map(|begun| *begun + EVERY);
        State::Waiting { until: again.map_or(now, |again| again.max(now)), tries: 0 }
    }

    /// Gives up on tables that are gone, have another name now, or are certain.
    pub fn reconcile(&mut self, catalog: &Catalog) {
        self.tables.retain(|id, state| match (catalog.tables.get(id), state) {
            _ if !catalog.uncertain.contains_key(id) => false,
            (None, _) => false,
            (Some(table), State::Reading(reading)) if reading.seq.is_none() => table.name == reading.schema.name,
            (Some(_), _) => true,
        });
        let missing: Vec<_> = catalog.uncertain.keys().filter(|id| catalog.tables.contains_key(id)).copied().collect();
        for id in missing {
            if !self.tables.contains_key(&id) {
                self.tables.insert(id, self.waiting(id));
            }
        }
        self.begun.retain(|id, _| catalog.tables.contains_key(id));
    }

    /// Whether nothing is under way or to be begun.
    pub fn idle(&self) -> bool {
        self.tables.values().all(|state| matches!(state, State::GivenUp))
    }

    /// When the next one may begin.
    pub fn due(&self) -> Option<Instant> {
        if self.running() >= AT_ONCE {
            return None;
        }
        self.tables
            .values()
            .filter_map(|s| if let State::Waiting { until, .. } = s { Some(*until) } else { None })
            .min()
    }

    fn running(&self) -> usize {
        self.tables.values().filter(|s| matches!(s, State::Reading(_))).count()
    }

    /// Opens the next one that is due.
    pub async fn open(&mut self, catalog: &Catalog) -> Option<Opened> {
        let now = Instant::now();
        if self.running() >= AT_ONCE {
            return None;
        }
        self.wait_for_parents(catalog, now);
        let (id, tries) = self.tables.iter().find_map(|(id, state)| match state {
            State::Waiting { until, tries } if *until <= now => Some((*id, *tries)),
            _ => None,
        })?;
        let table = catalog.tables.get(&id)?;
        let opened = match tokio::time::timeout(OPEN_TIMEOUT, self.source.retake(table)).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::new(Kind::Unreachable, format!("the source took too long to open {}", table.name))),
        };
        match opened {
            Ok(Retake::Rows { schema, bookmark, rows }) => {
                self.read(id, tries, schema.clone(), bookmark.clone(), rows);
                Some(Opened::Reading(schema, bookmark))
            }
            Ok(Retake::NotCarried(why)) => Some(Opened::NotCarried(table.clone(), why)),
            Ok(Retake::Nothing) => {
                self.again(id, tries);
                None
            }
            Err(error) => {
                tracing::warn!(%error, table = %table.name, "a new base cannot be taken now");
                self.again(id, tries);
                None
            }
        }
    }

    /// While a table is uncertain, its rows' changes are not told, so nobody can derive what foreign keys make of them
    /// in other tables: those would soon be uncertain again. (Where the way leads back to the table itself, all of
    /// these tables are read one after the other, and certain as soon as no rows change meanwhile.)
    fn wait_for_parents(&mut self, catalog: &Catalog, now: Instant) {
        let cascades = Cascades::of(catalog);
        if cascades.is_empty() {
            return;
        }
        let given_up: Vec<_> =
            self.tables.iter().filter(|(_, s)| matches!(s, State::GivenUp)).map(|(id, _)| *id).collect();
        for (id, state) in &mut self.tables {
            let State::Waiting { until, .. } = state else { continue };
            let before =
                |parent: &TableId| catalog.uncertain.contains_key(parent) && !cascades.ancestors(*parent).contains(id);
            let mut parents = cascades.ancestors(*id).into_iter().filter(before).peekable();
            if parents.peek().is_none() {
                continue;
            }
            if parents.any(|parent| given_up.contains(&parent)) {
                *state = State::GivenUp;
            } else {
                *until = (*until).max(now + PARENT_PAUSE);
            }
        }
    }

    fn read(&mut self, id: TableId, tries: u32, schema: Arc<TableSchema>, bookmark: Bookmark, rows: BaseRows) {
        self.begun.insert(id, Instant::now());
        self.attempt += 1;
        let attempt = self.attempt;
        let (cluster, table) = (self.cluster.clone(), schema.clone());
        self.tasks.spawn(async move {
            let base = base::write(&cluster, table, rows, |_, _| ()).await;
            Read { table: id, attempt, base }
        });
        let reading = Reading { attempt, tries, schema, bookmark, seq: None, base: None };
        self.tables.insert(id, State::Reading(Box::new(reading)));
    }

    /// Tries again after a pause, if at all.
    fn again(&mut self, id: TableId, tries: u32) {
        let tries = tries + 1;
        let state = match self.once {
            true if tries >= TRIES => State::GivenUp,
            true => State::Waiting { until: Instant::now() + TRY_PAUSE, tries },
            false => {
                let pause = PAUSE * 2u32.pow(tries.saturating_sub(1).min(DOUBLINGS));
                State::Waiting { until: Instant::now() + pause, tries }
            }
        };
        self.tables.insert(id, state);
    }

    /// The next base that was read. Cancel-safe; never comes while nothing is under way.
    pub async fn next(&mut self) -> Read {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(read)) => return read,
                Some(Err(error)) => tracing::error!(%error, "a task that takes a base stopped"),
                None => std::future::pending().await,
            }
        }
    }

    /// Takes a base that was read. Returns it when its seq is known too.
    pub fn taken(&mut self, read: Read) -> Option<Base> {
        match self.tables.get_mut(&read.table) {
            Some(State::Reading(reading)) if reading.attempt == read.attempt => match read.base {
                Ok(base) => {
                    reading.base = Some(base);
                    self.complete(read.table)
                }
                Err(error) => {
                    tracing::warn!(%error, table = %reading.schema.name, "a new base could not be read");
                    let tries = reading.tries;
                    self.again(read.table, tries);
                    None
                }
            },
            // of an attempt that was given up
            _ => None,
        }
    }

    /// The log has reached the place of this table's new base, after commit `seq`. Returns the table as it is there;
    /// `None`: nobody waits for it any more.
    pub fn told(&mut self, id: TableId, seq: Seq) -> Option<Arc<TableSchema>> {
        match self.tables.get_mut(&id) {
            Some(State::Reading(reading)) => {
                reading.seq = Some(seq);
                Some(reading.schema.clone())
            }
            _ => None,
        }
    }

    /// The log does not lead to the place of this table's new base.
    pub fn missed(&mut self, id: TableId) {
        if let Some(State::Reading(reading)) = self.tables.get(&id)
            && reading.seq.is_none()
        {
            tracing::warn!(table = %reading.schema.name, "the log has passed a new base's place: another base is taken");
            let tries = reading.tries;
            self.again(id, tries);
        }
    }

    /// The new base, if everything is known of it.
    pub fn complete(&mut self, id: TableId) -> Option<Base> {
        let State::Reading(reading) = self.tables.get_mut(&id)? else { return None };
        let base = Base { seq: reading.seq?, ..reading.base.take()? };
        self.tables.remove(&id);
        Some(base)
    }

    /// Places that a stream which is opened anew is to tell.
    pub fn awaited(&self) -> Vec<(Arc<TableSchema>, Bookmark)> {
        let reading = self.tables.values().filter_map(|s| if let State::Reading(r) = s { Some(r) } else { None });
        reading.filter(|r| r.seq.is_none()).map(|r| (r.schema.clone(), r.bookmark.clone())).collect()
    }

    /// Tables whose rows are told, since the log has passed the place of their new base.
    pub fn passed(&self) -> impl Iterator<Item = TableId> {
        self.tables.iter().filter_map(|(id, state)| match state {
            State::Reading(reading) if reading.seq.is_some() => Some(*id),
            _ => None,
        })
    }
}
