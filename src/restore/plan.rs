//! What would a restore do? Reads the archive and the target; changes nothing.

use super::across::Across;
use super::ddl::{self, Staged};
use super::encode::Way;
use super::inventory::{Inventory, REPLACED_PREFIX, STAGE_PREFIX};
use super::merge::Standing;
use super::notes::{merge_notes, notes};
use super::request::{Options, RestoreRequest, What};
use super::server::Family;
use super::sink::{Connection, Session, SinkError, Target};
use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Moment, Object, ObjectKind, Seq, ServerUrl, TableName, TableSchema};
use crate::timeline::Timeline;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// MySQL's limit for a name, in characters.
const NAME_CHARS: usize = 64;
/// Databases of the server itself.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// All that is decided before anything is changed.
#[derive(Clone)]
pub struct Plan {
    pub(super) timeline: Arc<Timeline>,
    pub(super) request: RestoreRequest,
    pub(super) moment: Moment,
    /// What tells this restore's databases and connections from others'.
    pub(super) token: String,
    pub(super) way: Way,
    pub(super) databases: Vec<DatabasePlan>,
    pub(super) tables: Vec<TablePlan>,
    pub(super) objects: Vec<ObjectPlan>,
    /// What stands in the way and is moved out of it, in the same statement that moves the tables into place.
    pub(super) replaced: Vec<Replaced>,
    /// Triggers of tables that are replaced: `database.name`. They would keep the tables from being moved.
    pub(super) old_triggers: Vec<TableName>,
    /// The rows go into this table, which stands there.
    pub(super) merge: Option<Standing>,
    /// JSON columns are MySQL's own, on both sides.
    pub(super) own_json: bool,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct DatabasePlan {
    pub name: String,
    /// CREATE DATABASE as it was at the moment.
    pub create: String,
    /// Whether the target has it.
    pub exists: bool,
    /// Where its tables are staged; `None`: it has none.
    pub stage: Option<String>,
    /// Where tables go that are replaced; `None`: there are none.
    pub replaced: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct TablePlan {
    pub schema: Arc<TableSchema>,
    pub stage: TableName,
    pub staged: Staged,
    /// Of each column: what information_schema will call its collation, where it has one that matters.
    pub collations: Vec<Option<String>>,
}

#[derive(Debug, Clone)]
pub(super) struct ObjectPlan {
    pub object: Object,
    /// A procedure, function or event of this name is there and is dropped before.
    pub replaces: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Replaced {
    pub name: TableName,
    /// Views cannot leave their database.
    pub view: bool,
    pub to: TableName,
}

impl Plan {
    pub fn cluster(&self) -> &str {
        &self.request.cluster
    }

    pub fn what(&self) -> &What {
        &self.request.what
    }

    pub fn moment(&self) -> Moment {
        self.moment
    }

    pub fn target(&self) -> &ServerUrl {
        &self.request.target
    }

    pub fn options(&self) -> &Options {
        &self.request.options
    }

    /// What the reader should know: what is not restored, what is left on the target. Whole sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn connect_to(&self) -> Target {
        target(&self.request, &self.token)
    }
}

fn target(request: &RestoreRequest, token: &str) -> Target {
    let Options { lock_wait_seconds, log_bin, .. } = request.options;
    Target::new(request.target.clone(), Session { token: token.to_string(), lock_wait_seconds, log_bin })
}

/// Resolves the moment, reads what stands on the target, and decides every step.
/// Errors: `OutOfRange`, `UnknownTable`, `UnknownDatabase`, `Uncertain`, `Unsupported` (a table that is not carried; a
/// target that does not take it), `Exists` (without `replace`), `Unreachable`, `Server`.
pub async fn plan(timeline: Arc<Timeline>, request: &RestoreRequest) -> Result<Plan> {
    if timeline.cluster().name() != request.cluster {
        return Err(Error::internal(format!(
            "a restore of cluster {} was given the history of {}",
            request.cluster,
            timeline.cluster().name()
        )));
    }
    let moment = timeline.resolve(&request.moment)?;
    let mut wanted = Wanted::new(&timeline, request, moment)?;
    let mut bytes = [0u8; 4];
    getrandom::fill(&mut bytes).map_err(|e| Error::internal(format!("no random bytes: {e}")))?;
    let token = bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let connected = target(request, &token).connect().await;
    let mut connection = connected.map_err(|e| e.about(format!("RESTORE TO {}", request.target)))?;
    let found = Inventory::read(&mut connection, &wanted.databases.keys().cloned().collect()).await?;
    let merge = chosen(&mut connection, request, &mut wanted, moment, &found).await?;
    let mut plan = decide(timeline, request, moment, wanted, found, &token, merge)?;
    plan.notes.extend(connection.warning(&request.target));
    Ok(plan)
}

/// Looks at `WHERE predicate`, if there is one: whether it can be evaluated, and whether the rows go into a table that stands.
async fn chosen(
    connection: &mut Connection,
    request: &RestoreRequest,
    wanted: &mut Wanted,
    moment: Moment,
    found: &Inventory,
) -> Result<Option<Standing>> {
    let Some(rows) = &request.rows else { return Ok(None) };
    let [table] = wanted.tables.as_slice() else {
        return Err(Error::new(Kind::Usage, "RESTORE … WHERE restores rows of one table").hint("Name one table."));
    };
    drop(rows.rows(table, moment.seq).await?);
    let Some((name, view)) = found.standing(&table.name) else { return Ok(None) };
    if view {
        return Err(Error::new(Kind::Exists, format!("{name} is a view on the target, which takes no rows"))
            .hint("Nothing was changed. Drop or rename the view, or restore to another server."));
    }
    let about = |e: SinkError| e.about(format!("reading the definition of {name}"));
    let standing = Standing::read(connection, name).await.map_err(about)?;
    standing.takes(table)?;
    wanted.objects.clear();
    Ok(Some(standing))
}

/// What of the archive is asked for.
pub(super) struct Wanted {
    /// Name to CREATE DATABASE statement.
    pub databases: BTreeMap<String, String>,
    pub tables: Vec<Arc<TableSchema>>,
    /// In the order in which they are made.
    pub objects: Vec<Object>,
}

impl Wanted {
    fn new(timeline: &Timeline, request: &RestoreRequest, moment: Moment) -> Result<Self> {
        let catalog = timeline.catalog_at(moment.seq)?;
        let names: BTreeSet<String> = match &request.what {
            What::Cluster => catalog.databases.keys().filter(|d| !SYSTEM.contains(&d.as_str())).cloned().collect(),
            What::Databases(names) => names.iter().cloned().collect(),
            What::Tables(names) => names.iter().map(|t| t.database.clone()).collect(),
        };
        let mut databases = BTreeMap::new();
        for name in names {
            if SYSTEM.contains(&name.as_str()) {
                return Err(Error::new(Kind::Unsupported, format!("database {name} belongs to the server itself"))
                    .hint("Restore the databases of your own."));
            }
            let create = catalog.databases.get(&name).ok_or_else(|| {
                Error::new(
                    Kind::UnknownDatabase,
                    format!("Unknown database '{name}' at {} (seq {})", moment.time, moment.seq),
                )
                .hint("SHOW DATABASES lists those of a moment.")
            })?;
            databases.insert(name, create.clone());
        }
        let tables = match &request.what {
            What::Tables(names) => {
                let names: BTreeSet<_> = names.iter().collect();
                names.into_iter().map(|n| timeline.table(n, moment.seq)).collect::<Result<_>>()?
            }
            _ => tables_of(timeline, &catalog, &databases, moment.seq)?,
        };
        let objects = objects_of(&catalog, request, &databases, &tables);
        Ok(Self { databases, tables, objects })
    }
}

/// All tables of whole databases. A table that cannot be had is an error: a part of a database is not the database.
fn tables_of(
    timeline: &Timeline,
    catalog: &Catalog,
    databases: &BTreeMap<String, String>,
    seq: Seq,
) -> Result<Vec<Arc<TableSchema>>> {
    if let Some((name, why)) = catalog.refused.iter().find(|(t, _)| databases.contains_key(&t.database)) {
        return Err(Error::new(Kind::Unsupported, format!("table {name} is not carried by this archive: {why}"))
            .hint("RESTORE TABLE brings back the tables that you name."));
    }
    let mut tables = Vec::new();
    for table in catalog.tables.values().filter(|t| databases.contains_key(&t.name.database)) {
        tables.push(timeline.table(&table.name, seq)?);
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tables)
}

fn objects_of(
    catalog: &Catalog,
    request: &RestoreRequest,
    databases: &BTreeMap<String, String>,
    tables: &[Arc<TableSchema>],
) -> Vec<Object> {
    let Options { views, triggers, routines, events, .. } = request.options;
    let whole = !matches!(request.what, What::Tables(_));
    let names: BTreeSet<&TableName> = tables.iter().map(|t| &t.name).collect();
    let mut objects: Vec<Object> = catalog.objects.values().cloned().collect();
    objects.retain(|o| match o.key.kind {
        ObjectKind::Grant => false,
        ObjectKind::Trigger => {
            let table = TableName::new(&o.key.database, o.table.as_deref().unwrap_or_default());
            triggers && names.contains(&table)
        }
        ObjectKind::View => views && whole && databases.contains_key(&o.key.database),
        ObjectKind::Procedure | ObjectKind::Function => routines && whole && databases.contains_key(&o.key.database),
        ObjectKind::Event => events && whole && databases.contains_key(&o.key.database),
    });
    // views call functions; triggers come when all tables stand; events may begin to run at once
    objects.sort_by_key(|o| match o.key.kind {
        ObjectKind::Function => 0,
        ObjectKind::Procedure => 1,
        ObjectKind::View => 2,
        ObjectKind::Trigger => 3,
        ObjectKind::Event | ObjectKind::Grant => 4,
    });
    objects
}

fn decide(
    timeline: Arc<Timeline>,
    request: &RestoreRequest,
    moment: Moment,
    wanted: Wanted,
    found: Inventory,
    token: &str,
    merge: Option<Standing>,
) -> Result<Plan> {
    refused_by_settings(&wanted, &found)?;
    let mut replaced = Vec::new();
    if merge.is_none() {
        replaced = in_the_way(request, &wanted, &found, token)?;
        keys_from_outside(&wanted, &found)?;
    }
    let from = Family::named_in(&timeline.coverage()?.source);
    let own_json = from == Some(Family::MySql) && found.target.server.family == Family::MySql;
    let mut across = Across::new(from, &found.target, &request.options.collation);
    let databases: Vec<DatabasePlan> = wanted
        .databases
        .iter()
        .enumerate()
        .map(|(n, (name, create))| {
            let staged = wanted.tables.iter().any(|t| t.name.database == *name);
            let gone = replaced.iter().any(|r| !r.view && found.same(&r.name.database, name));
            DatabasePlan {
                name: name.clone(),
                create: across.database(name, create),
                exists: found.has_database(name),
                stage: staged.then(|| beside(STAGE_PREFIX, token, name, n)),
                replaced: gone.then(|| beside(REPLACED_PREFIX, token, name, n)),
            }
        })
        .collect();
    let stage_of = |name: &TableName| {
        let database = databases.iter().find(|d| d.name == name.database).and_then(|d| d.stage.clone());
        TableName::new(database.unwrap_or_else(|| name.database.clone()), &name.table)
    };
    let names: BTreeSet<&TableName> = wanted.tables.iter().map(|t| &t.name).collect();
    let mut tables = Vec::new();
    for schema in &wanted.tables {
        let stage = stage_of(&schema.name);
        // a parent that comes along is referred to where it is staged: the key follows it into place
        let now_at = |parent: &TableName| if names.contains(parent) { stage_of(parent) } else { parent.clone() };
        let staged = ddl::stage_table(&across.table(schema)?, &schema.name, &stage, now_at)?;
        let collations = schema.columns.iter().map(|c| across.expected(c)).collect();
        tables.push(TablePlan { schema: schema.clone(), stage, staged, collations });
    }
    let old_triggers = found
        .triggers
        .iter()
        .filter(|t| replaced.iter().any(|r| found.same_table(&r.name, &t.table)))
        .map(|t| TableName::new(&t.table.database, &t.name))
        .collect();
    let objects = wanted
        .objects
        .iter()
        .map(|object| ObjectPlan {
            replaces: found.has_program(&object.key.database, object.key.kind, &object.key.name),
            object: across.object(object),
        })
        .collect();
    let way = match found.target.local_infile {
        true => Way::Infile,
        // room for the packet's own header
        false => Way::Insert { limit: found.target.max_allowed_packet.saturating_sub(1024) },
    };
    let mut notes = if merge.is_some() { merge_notes(&wanted, &found) } else { notes(request, &wanted, &found) };
    notes.extend(across.finish()?);
    let request = request.clone();
    let token = token.to_string();
    Ok(Plan {
        timeline,
        request,
        moment,
        token,
        way,
        databases,
        tables,
        objects,
        replaced,
        old_triggers,
        merge,
        own_json,
        notes,
    })
}

/// What the target's settings forbid, whoever asks.
fn refused_by_settings(wanted: &Wanted, found: &Inventory) -> Result<()> {
    let target = &found.target;
    if target.closed {
        return Err(Error::new(Kind::Server, "the target is read-only (super_read_only is on)")
            .hint("Restore to its primary, or SET GLOBAL super_read_only = 0, read_only = 0 there."));
    }
    let keyless = wanted.tables.iter().find(|t| !t.has_key());
    let setting = match (target.requires_keys, target.makes_keys) {
        (true, _) => "sql_require_primary_key",
        (_, true) => "sql_generate_invisible_primary_key",
        _ => return Ok(()),
    };
    keyless.map_or(Ok(()), |table| {
        Err(Error::new(
            Kind::Unsupported,
            format!("table {} has no primary key, and {setting} is on at the target", table.name),
        )
        .hint(format!("SET GLOBAL {setting} = 0 there, or restore the other tables. Nothing was changed.")))
    })
}

/// The name of a database of ours, for one of theirs.
fn beside(prefix: &str, token: &str, database: &str, n: usize) -> String {
    let name = format!("{prefix}{token}_{database}");
    if name.chars().count() <= NAME_CHARS { name } else { format!("{prefix}{token}_{n}") }
}

/// Everything on the target that bears a name that the restore needs.
/// Errors: `Exists` if there is any and it must not be replaced.
fn in_the_way(request: &RestoreRequest, wanted: &Wanted, found: &Inventory, token: &str) -> Result<Vec<Replaced>> {
    let views = wanted.objects.iter().filter(|o| o.key.kind == ObjectKind::View);
    let views = views.map(|o| TableName::new(&o.key.database, &o.key.name));
    let names: Vec<TableName> = wanted.tables.iter().map(|t| t.name.clone()).chain(views).collect();
    if let Some((n, a)) = names.iter().enumerate().find(|(n, a)| names[..*n].iter().any(|b| found.same_table(a, b))) {
        let other = names[..n].iter().find(|b| found.same_table(a, b)).unwrap_or(a);
        return Err(Error::new(Kind::Exists, format!("the target takes {other} and {a} for one name"))
            .hint("It runs with lower_case_table_names on: restore them one at a time."));
    }
    let standing: Vec<_> = names.iter().filter_map(|name| found.standing(name)).collect();
    let programs = wanted.objects.iter().filter(|o| found.has_program(&o.key.database, o.key.kind, &o.key.name));
    let mut taken: Vec<String> = standing.iter().map(|(name, _)| name.to_string()).collect();
    taken.extend(programs.map(|o| format!("{}.{}", o.key.database, o.key.name)));
    if !request.options.replace && !taken.is_empty() {
        let more = if taken.len() > 5 { format!(" and {} more", taken.len() - 5) } else { String::new() };
        let first: Vec<_> = taken.iter().take(5).map(String::as_str).collect();
        let verb = if taken.len() == 1 { "exists" } else { "exist" };
        return Err(Error::new(
            Kind::Exists,
            format!("{}{more} {verb} on the target {}", first.join(", "), request.target),
        )
        .hint("Nothing was changed. WITH (replace = true) puts what is restored in its place."));
    }
    triggers_elsewhere(wanted, found, &standing)?;
    let replaced = standing.into_iter().enumerate().map(|(n, (name, view))| Replaced {
        name: name.clone(),
        view,
        to: match view {
            true => TableName::new(&name.database, format!("{REPLACED_PREFIX}{token}_{n}")),
            false => {
                let nth = wanted.databases.keys().position(|d| found.same(d, &name.database)).unwrap_or(n);
                let own = wanted.databases.keys().nth(nth).unwrap_or(&name.database);
                TableName::new(beside(REPLACED_PREFIX, token, own, nth), &name.table)
            }
        },
    });
    Ok(replaced.collect())
}

/// A trigger's name is taken in its whole database.
fn triggers_elsewhere(wanted: &Wanted, found: &Inventory, standing: &[(&TableName, bool)]) -> Result<()> {
    for object in wanted.objects.iter().filter(|o| o.key.kind == ObjectKind::Trigger) {
        let stays = |t: &&super::inventory::Trigger| !standing.iter().any(|(name, _)| found.same_table(name, &t.table));
        let same = |t: &&super::inventory::Trigger| {
            found.same(&t.table.database, &object.key.database)
                && t.name.to_lowercase() == object.key.name.to_lowercase()
        };
        if let Some(other) = found.triggers.iter().filter(stays).find(same) {
            return Err(Error::new(
                Kind::Exists,
                format!(
                    "trigger {}.{} exists on the target, on table {}",
                    object.key.database, other.name, other.table
                ),
            )
            .hint("Nothing was changed. Rename that trigger, or restore WITH (triggers = false)."));
        }
    }
    Ok(())
}

/// A table that is replaced takes the foreign keys that refer to it along: other tables' keys would follow the old one.
fn keys_from_outside(wanted: &Wanted, found: &Inventory) -> Result<()> {
    let comes = |name: &TableName| wanted.tables.iter().any(|t| found.same_table(&t.name, name));
    let key =
        found.foreign_keys.iter().find(|k| found.standing(&k.parent).is_some() && comes(&k.parent) && !comes(&k.child));
    match key {
        None => Ok(()),
        Some(key) => Err(Error::new(
            Kind::Unsupported,
            format!(
                "{} cannot be replaced: on the target {} refers to it by foreign key {} and is not restored with it",
                key.parent, key.child, key.name
            ),
        )
        .hint(format!("Name {} in the RESTORE too, or drop that key first. Nothing was changed.", key.child))),
    }
}
