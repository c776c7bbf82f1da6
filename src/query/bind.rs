//! Which table at which moment is a reference? Its own clause decides, else the moment in its database's name as it
//! is written there, else the transaction's or session's AS OF, else the default database's moment, else what the
//! transaction has pinned, else the latest.

use super::history::History;
use super::lexer::{LexMode, Token, tokenize};
use super::moments::{AsOf, DatabaseName, Span};
use super::service::Service;
use super::system::{self, TimeZone};
use super::table::TableAt;
use crate::error::{Error, Kind, Result};
use crate::model::{Micros, Moment, MomentSpec, ObjectKey, ObjectKind, TableName, TableSchema};
use crate::timeline::{Period, Timeline};
use datafusion::catalog::TableProvider;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the session contributes to where and when a table is looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// Those that the archive has.
    pub clusters: Vec<String>,
    /// The default database.
    pub database: Option<DatabaseName>,
    /// The transaction's AS OF, else the session's.
    pub moment: Option<MomentSpec>,
    /// Where the open transaction has read the latest, it goes on reading this moment.
    pub pinned: BTreeMap<String, Moment>,
}

impl Place {
    /// The cluster of a database that is named without one. Errors: `NoDatabase` when it is not clear which.
    pub fn cluster(&self) -> Result<&str> {
        let named = self.database.as_ref().and_then(|d| d.cluster.as_deref());
        match (named, self.clusters.as_slice()) {
            (Some(cluster), _) => Ok(cluster),
            (None, [only]) => Ok(only),
            (None, []) => Err(Error::new(Kind::NoDatabase, "the archive has no cluster yet")
                .hint("Begin one with `pcloud protect SOURCE --name NAME`.")),
            (None, many) => Err(Error::new(Kind::NoDatabase, "the archive has several clusters, and none is chosen")
                .hint(format!("Name the database as `{}/database`, or USE it so.", many[0]))),
        }
    }
}

/// What a reference was bound to.
pub(super) enum Source {
    Table { timeline: Arc<Timeline>, table: Arc<TableSchema>, moment: Moment },
    History { timeline: Arc<Timeline>, name: TableName, period: Period },
    System { table: Arc<TableSchema>, moment: Option<MomentSpec> },
    View(View),
}

/// A view's query, to be read in its own database at its moment.
pub(super) struct View {
    pub cluster: String,
    pub moment: Moment,
    pub database: String,
    pub name: String,
    /// The text that holds the query, and the query's tokens.
    pub sql: String,
    pub tokens: Vec<Token>,
    /// `CREATE VIEW v (a, b)`
    pub columns: Vec<String>,
}

/// In which surroundings a reference stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// Within a view: its cluster, database and moment.
    pub view: Option<(String, String, Moment)>,
}

/// Binds the references of one statement.
pub(super) struct Binder {
    pub service: Arc<Service>,
    pub place: Place,
    pub zone: TimeZone,
    /// Loaded for this statement, so that all its references see one history.
    pub timelines: BTreeMap<String, Arc<Timeline>>,
    /// The latest moments that were read, by cluster.
    pub read: BTreeMap<String, Moment>,
    /// What was bound, under the names that planning knows it by.
    pub bound: Vec<(String, Source)>,
}

impl Binder {
    /// Loads the histories that the tokens may need.
    pub async fn new(service: Arc<Service>, place: Place, zone: TimeZone, tokens: &[Token]) -> Result<Binder> {
        let mut timelines = BTreeMap::new();
        let current = place.cluster().ok().map(str::to_string);
        for cluster in &place.clusters {
            let prefix = format!("{cluster}/");
            let named = tokens.iter().any(|t| t.word().is_some_and(|w| w.starts_with(&prefix)));
            if current.as_ref() == Some(cluster) || named {
                timelines.insert(cluster.clone(), service.timeline(cluster).await?);
            }
        }
        Ok(Binder { service, place, zone, timelines, read: BTreeMap::new(), bound: Vec::new() })
    }

    /// The history of a cluster. Errors: `UnknownDatabase`.
    pub fn timeline(&self, cluster: &str) -> Result<Arc<Timeline>> {
        self.timelines.get(cluster).cloned().ok_or_else(|| {
            Error::new(Kind::UnknownDatabase, format!("the archive has no cluster '{cluster}'"))
                .hint("SHOW CLUSTERS lists those that it has.")
        })
    }

    /// What a name is bound to. `database`: as it was written before the table's name.
    pub fn resolve(
        &mut self,
        database: Option<&str>,
        table: &str,
        clause: Option<&AsOf>,
        around: &Surroundings,
    ) -> Result<Source> {
        let written = database.map(|d| DatabaseName::parse(d, &self.place.clusters, self.zone)).transpose()?;
        let named = written.as_ref().map(|d| d.database.as_str());
        if let Some(name) = named.filter(|d| d.eq_ignore_ascii_case(system::INFORMATION_SCHEMA)) {
            let of_view = around.view.as_ref().map(|(_, _, moment)| MomentSpec::Seq(moment.seq));
            let moment = of_view.or(written.as_ref().and_then(|d| d.moment.clone()));
            return self.system(name, table, clause, moment);
        }
        if let Some((cluster, own, moment)) = &around.view {
            let name = TableName::new(named.unwrap_or(own), table);
            return self.at(&cluster.clone(), *moment, name);
        }
        let default = self.place.database.as_ref();
        let Some(name) = named.or(default.map(|d| d.database.as_str())).map(str::to_string) else {
            return Err(
                Error::new(Kind::NoDatabase, "No database selected").hint("USE a database, or write database.table.")
            );
        };
        if written.is_none() && name.eq_ignore_ascii_case(system::INFORMATION_SCHEMA) {
            return self.system(&name, table, clause, None);
        }
        let cluster = match written.as_ref().and_then(|d| d.cluster.clone()) {
            Some(cluster) => cluster,
            None => self.place.cluster()?.to_string(),
        };
        let timeline = self.timeline(&cluster)?;
        let name = TableName::new(name, table);
        match clause {
            Some(AsOf::History(span)) => {
                let period = period(&timeline, *span)?;
                Ok(Source::History { timeline, name, period })
            }
            Some(AsOf::Moment(spec)) => self.at(&cluster, timeline.resolve(spec)?, name),
            None => {
                let moment = self.moment(&cluster, written.as_ref())?;
                self.at(&cluster, moment, name)
            }
        }
    }

    /// The moment of a reference without a clause.
    pub fn moment(&mut self, cluster: &str, written: Option<&DatabaseName>) -> Result<Moment> {
        let timeline = self.timeline(cluster)?;
        let default = self.place.database.as_ref().filter(|_| written.is_none());
        let spec = written
            .and_then(|d| d.moment.as_ref())
            .or(self.place.moment.as_ref())
            .or(default.and_then(|d| d.moment.as_ref()));
        if let Some(spec) = spec {
            return timeline.resolve(spec);
        }
        let moment = self.place.pinned.get(cluster).copied().unwrap_or_else(|| timeline.latest());
        self.read.insert(cluster.to_string(), moment);
        Ok(moment)
    }

    fn at(&self, cluster: &str, moment: Moment, name: TableName) -> Result<Source> {
        let timeline = self.timeline(cluster)?;
        let catalog = timeline.catalog_at(moment.seq)?;
        let key = ObjectKey { kind: ObjectKind::View, database: name.database.clone(), name: name.table.clone() };
        match catalog.objects.get(&key) {
            Some(view) if catalog.table(&name).is_none() => {
                let (tokens, columns) = view_query(&name, &view.create, &view.sql_mode)?;
                Ok(Source::View(View {
                    cluster: cluster.to_string(),
                    moment,
                    database: name.database,
                    name: name.table,
                    sql: view.create.clone(),
                    tokens,
                    columns,
                }))
            }
            _ => {
                let table = timeline.table(&name, moment.seq)?;
                Ok(Source::Table { timeline, table, moment })
            }
        }
    }

    fn system(&self, database: &str, table: &str, clause: Option<&AsOf>, moment: Option<MomentSpec>) -> Result<Source> {
        let schema = system::schema(database, table).ok_or_else(|| {
            Error::new(Kind::UnknownTable, format!("Unknown table '{}' in information_schema", table.to_uppercase()))
        })?;
        let moment = match clause {
            Some(AsOf::History(_)) => {
                return Err(Error::new(Kind::Unsupported, format!("information_schema.{table} has no history"))
                    .hint("Ask single moments with AS OF."));
            }
            Some(AsOf::Moment(spec)) => Some(spec.clone()),
            None => moment,
        };
        Ok(Source::System { table: schema, moment })
    }

    /// Keeps what a reference was bound to, and answers the name under which planning finds it.
    pub fn keep(&mut self, source: Source) -> String {
        let what = match &source {
            Source::Table { table, moment, .. } => format!("{}@{}", table.name, moment.seq),
            Source::History { name, .. } => format!("{name}@history"),
            Source::System { table, .. } => table.name.to_string(),
            Source::View(view) => format!("{}.{}", view.database, view.name),
        };
        let name = format!("{what}#{}", self.bound.len());
        self.bound.push((name.clone(), source));
        name
    }

    /// Makes the scans of everything that was bound, but for the system tables.
    pub async fn providers(&self) -> Result<Vec<(String, Arc<dyn TableProvider>)>> {
        let mut all: Vec<(String, Arc<dyn TableProvider>)> = Vec::new();
        for (name, source) in &self.bound {
            match source {
                Source::Table { timeline, table, moment } => {
                    let scan =
                        TableAt::new(self.service.clone(), timeline.clone(), table.clone(), moment.seq, self.zone);
                    all.push((name.clone(), Arc::new(scan)));
                }
                Source::History { timeline, name: table, period } => {
                    let scan = History::new(timeline.clone(), table.clone(), *period, self.zone).await?;
                    all.push((name.clone(), Arc::new(scan)));
                }
                Source::System { .. } | Source::View(_) => {}
            }
        }
        Ok(all)
    }
}

fn period(timeline: &Timeline, span: Span) -> Result<Period> {
    let at = |time: Micros| timeline.resolve(&MomentSpec::At(time)).map(|m| m.seq);
    let (from, to) = match span {
        Span::All => return Ok(Period { from: timeline.first().seq, to: timeline.latest().seq }),
        Span::Between(from, to) => (from, to),
        Span::FromTo(from, to) => (from, Micros(to.0.saturating_sub(1))),
    };
    if to < from {
        return Err(Error::new(Kind::BadValue, format!("the period ends before it begins ({from})")));
    }
    Ok(Period { from: at(from)?, to: at(to)? })
}

/// Under these the same text of a view means something else.
const FOREIGN_MODES: [&str; 10] = [
    "PIPES_AS_CONCAT",
    "ANSI",
    "ORACLE",
    "MSSQL",
    "DB2",
    "POSTGRESQL",
    "HIGH_NOT_PRECEDENCE",
    "NO_UNSIGNED_SUBTRACTION",
    "PAD_CHAR_TO_FULL_LENGTH",
    "TIME_ROUND_FRACTIONAL",
];

/// The query in a CREATE VIEW statement, and the names that the view gives its columns.
fn view_query(name: &TableName, create: &str, sql_mode: &str) -> Result<(Vec<Token>, Vec<String>)> {
    let unreadable = || {
        Error::new(Kind::Unsupported, format!("the text of view {name} is not understood: {create}"))
            .hint("Ask the view's tables themselves.")
    };
    let mode = sql_mode.split(',').find(|m| FOREIGN_MODES.iter().any(|f| f.eq_ignore_ascii_case(m.trim())));
    if let Some(mode) = mode {
        return Err(Error::new(
            Kind::Unsupported,
            format!("view {name} was made under sql_mode {mode}, which is not supported"),
        )
        .hint("Ask the view's tables themselves."));
    }
    let mut tokens = tokenize(create, lex_mode(sql_mode)).map_err(|_| unreadable())?.list;
    let mut at = tokens.iter().position(|t| t.is("VIEW")).ok_or_else(unreadable)? + 1;
    // IF NOT EXISTS
    at += if tokens.get(at).is_some_and(|t| t.is("IF")) { 3 } else { 0 };
    at += if tokens.get(at + 1).is_some_and(|t| t.is_symbol(".")) { 3 } else { 1 };
    let mut columns = Vec::new();
    if tokens.get(at).is_some_and(|t| t.is_symbol("(")) {
        while !tokens.get(at).ok_or_else(unreadable)?.is_symbol(")") {
            at += 1;
            columns.extend(tokens.get(at).and_then(|t| t.word()).map(str::to_string));
        }
        at += 1;
    }
    if !tokens.get(at).is_some_and(|t| t.is("AS")) {
        return Err(unreadable());
    }
    let mut query = tokens.split_off(at + 1);
    while query.last().is_some_and(|t| t.is_symbol(";")) {
        query.pop();
    }
    if let [.., check, option] = query.as_slice()
        && check.is("CHECK")
        && option.is("OPTION")
    {
        let with = query.iter().rposition(|t| t.is("WITH")).ok_or_else(unreadable)?;
        query.truncate(with);
    }
    Ok((query, columns))
}

/// What a sql_mode says of quotes and escapes.
pub(super) fn lex_mode(sql_mode: &str) -> LexMode {
    let has = |mode: &str| sql_mode.split(',').any(|m| m.trim().eq_ignore_ascii_case(mode));
    LexMode { ansi_quotes: has("ANSI_QUOTES") || has("ANSI"), no_backslash_escapes: has("NO_BACKSLASH_ESCAPES") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_found_in_a_views_text() {
        let name = TableName::new("shop", "v");
        let read = |create: &str| {
            let (tokens, columns) = view_query(&name, create, "").unwrap();
            (create[tokens[0].start..tokens.last().unwrap().end].to_string(), columns)
        };
        assert_eq!(
            read(
                "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v` AS select `a` \
                 from `t`"
            ),
            ("select `a` from `t`".into(), vec![])
        );
        assert_eq!(
            read("CREATE OR REPLACE VIEW shop.v (x, `y z`) AS SELECT 1, 2 WITH LOCAL CHECK OPTION;"),
            ("SELECT 1, 2".into(), vec!["x".to_string(), "y z".to_string()])
        );
        assert_eq!(view_query(&name, "CREATE TABLE t (a INT)", "").unwrap_err().kind, Kind::Unsupported);
    }
}
