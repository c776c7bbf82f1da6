//! What does each SHOW answer?
//!
//! As in the servers themselves, most are information_schema tables under other headings.

use super::columns::shown_default;
use super::listing::{Listing, text};
use super::objects::{made, objects_of};
use super::scene::{Scene, Visible};
use super::show::{Object, Show, What};
use super::tables::listing;
use super::{INFORMATION_SCHEMA, backups, server_rows};
use crate::error::{Error, Kind, Result};
use crate::model::{ObjectKind, TableName, Value, quote_name};
use crate::query::WarningLevel;

const TRIGGERS: [(&str, &str); 11] = [
    ("TRIGGER_NAME", "Trigger"),
    ("EVENT_MANIPULATION", "Event"),
    ("EVENT_OBJECT_TABLE", "Table"),
    ("ACTION_STATEMENT", "Statement"),
    ("ACTION_TIMING", "Timing"),
    ("CREATED", "Created"),
    ("SQL_MODE", "sql_mode"),
    ("DEFINER", "Definer"),
    ("CHARACTER_SET_CLIENT", "character_set_client"),
    ("COLLATION_CONNECTION", "collation_connection"),
    ("DATABASE_COLLATION", "Database Collation"),
];
const EVENTS: [(&str, &str); 15] = [
    ("EVENT_SCHEMA", "Db"),
    ("EVENT_NAME", "Name"),
    ("DEFINER", "Definer"),
    ("TIME_ZONE", "Time zone"),
    ("EVENT_TYPE", "Type"),
    ("EXECUTE_AT", "Execute at"),
    ("INTERVAL_VALUE", "Interval value"),
    ("INTERVAL_FIELD", "Interval field"),
    ("STARTS", "Starts"),
    ("ENDS", "Ends"),
    ("STATUS", "Status"),
    ("ORIGINATOR", "Originator"),
    ("CHARACTER_SET_CLIENT", "character_set_client"),
    ("COLLATION_CONNECTION", "collation_connection"),
    ("DATABASE_COLLATION", "Database Collation"),
];
const ROUTINES: [(&str, &str); 11] = [
    ("ROUTINE_SCHEMA", "Db"),
    ("ROUTINE_NAME", "Name"),
    ("ROUTINE_TYPE", "Type"),
    ("DEFINER", "Definer"),
    ("LAST_ALTERED", "Modified"),
    ("CREATED", "Created"),
    ("SECURITY_TYPE", "Security_type"),
    ("ROUTINE_COMMENT", "Comment"),
    ("CHARACTER_SET_CLIENT", "character_set_client"),
    ("COLLATION_CONNECTION", "collation_connection"),
    ("DATABASE_COLLATION", "Database Collation"),
];
const INDEX: [(&str, &str); 14] = [
    ("TABLE_NAME", "Table"),
    ("NON_UNIQUE", "Non_unique"),
    ("INDEX_NAME", "Key_name"),
    ("SEQ_IN_INDEX", "Seq_in_index"),
    ("COLUMN_NAME", "Column_name"),
    ("COLLATION", "Collation"),
    ("CARDINALITY", "Cardinality"),
    ("SUB_PART", "Sub_part"),
    ("PACKED", "Packed"),
    ("NULLABLE", "Null"),
    ("INDEX_TYPE", "Index_type"),
    ("COMMENT", "Comment"),
    ("INDEX_COMMENT", "Index_comment"),
    ("IGNORED", "Ignored"),
];
const FULL_COLUMNS: [(&str, &str); 9] = [
    ("COLUMN_NAME", "Field"),
    ("COLUMN_TYPE", "Type"),
    ("COLLATION_NAME", "Collation"),
    ("IS_NULLABLE", "Null"),
    ("COLUMN_KEY", "Key"),
    ("COLUMN_DEFAULT", "Default"),
    ("EXTRA", "Extra"),
    ("PRIVILEGES", "Privileges"),
    ("COLUMN_COMMENT", "Comment"),
];
const COLUMNS: [(&str, &str); 6] = [
    ("COLUMN_NAME", "Field"),
    ("COLUMN_TYPE", "Type"),
    ("IS_NULLABLE", "Null"),
    ("COLUMN_KEY", "Key"),
    ("COLUMN_DEFAULT", "Default"),
    ("EXTRA", "Extra"),
];
const TABLE_STATUS: [(&str, &str); 20] = [
    ("TABLE_NAME", "Name"),
    ("ENGINE", "Engine"),
    ("VERSION", "Version"),
    ("ROW_FORMAT", "Row_format"),
    ("TABLE_ROWS", "Rows"),
    ("AVG_ROW_LENGTH", "Avg_row_length"),
    ("DATA_LENGTH", "Data_length"),
    ("MAX_DATA_LENGTH", "Max_data_length"),
    ("INDEX_LENGTH", "Index_length"),
    ("DATA_FREE", "Data_free"),
    ("AUTO_INCREMENT", "Auto_increment"),
    ("CREATE_TIME", "Create_time"),
    ("UPDATE_TIME", "Update_time"),
    ("CHECK_TIME", "Check_time"),
    ("TABLE_COLLATION", "Collation"),
    ("CHECKSUM", "Checksum"),
    ("CREATE_OPTIONS", "Create_options"),
    ("TABLE_COMMENT", "Comment"),
    ("MAX_INDEX_LENGTH", "Max_index_length"),
    ("TEMPORARY", "Temporary"),
];

impl Show {
    /// The answer, of the scene's moment.
    /// Errors: `NoDatabase`, `UnknownDatabase`, `UnknownTable`, `UnknownColumn`, `Unsupported`; `Internal` for what
    /// somebody else answers (`What::Processlist`, `What::Jobs`, `What::Cost`).
    pub fn answer(&self, scene: &Scene) -> Result<Listing> {
        let mut answer = self.whole(scene)?;
        // LIKE looks at the object's name, but for triggers: at their table's
        let column = match self.what {
            What::Triggers => 2,
            What::Events | What::Routines { .. } | What::OpenTables => 1,
            _ => 0,
        };
        self.filter.apply(&mut answer, column)?;
        if let Some((skip, take)) = self.limit {
            answer.limit(skip, take);
        }
        self.headings(scene, &mut answer);
        Ok(answer)
    }

    fn whole(&self, scene: &Scene) -> Result<Listing> {
        match &self.what {
            What::Databases => Ok(listing("SCHEMATA", scene)?.project(&[("SCHEMA_NAME", "Database")])),
            What::Tables { full } => self.tables(scene, *full),
            What::OpenTables => Ok(Listing::new(&[
                ("Database", "varchar(64)"),
                ("Table", "varchar(64)"),
                ("In_use", "bigint"),
                ("Name_locked", "bigint"),
            ])),
            What::TableStatus => Ok(self.of_database(scene, "TABLES", "TABLE_SCHEMA")?.project(&TABLE_STATUS)),
            What::Columns { table, full } => self.columns(scene, table, *full),
            What::Index { table } => self.index(scene, table),
            What::Create { object, name, if_exists } => self.create(scene, *object, name, *if_exists),
            What::Triggers => Ok(self.of_database(scene, "TRIGGERS", "TRIGGER_SCHEMA")?.project(&TRIGGERS)),
            What::Events => Ok(self.of_database(scene, "EVENTS", "EVENT_SCHEMA")?.project(&EVENTS)),
            What::Routines { kind } => {
                let mut all = listing("ROUTINES", scene)?;
                all.keep(|l, r| l.text(r, "ROUTINE_TYPE") == *kind);
                Ok(all.project(&ROUTINES))
            }
            What::Clusters => backups::clusters(scene),
            What::Backups => backups::backups(scene),
            What::Transactions { table, .. } => {
                let table = table.as_ref().map(|t| self.transactions_of(scene, t)).transpose()?;
                backups::transactions(scene, table.as_ref())
            }
            What::Moment => backups::moment(scene),
            What::Processlist { .. } | What::Jobs | What::Cost => {
                Err(Error::internal("this SHOW is answered by the server"))
            }
            other => server_answer(other, scene),
        }
    }

    /// A table of information_schema, of the database that the statement names.
    fn of_database(&self, scene: &Scene, table: &str, column: &str) -> Result<Listing> {
        let database = self.database_name(scene)?;
        let mut all = listing(table, scene)?;
        all.keep(|l, r| l.text(r, column) == database);
        Ok(all)
    }

    /// As the session names it. Errors: `NoDatabase`, `UnknownDatabase`.
    fn database_name(&self, scene: &Scene) -> Result<String> {
        match self.database.as_deref().or(scene.database.as_deref()) {
            Some(name) if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) => Ok(INFORMATION_SCHEMA.to_string()),
            name => scene.find(name).map(|v| v.name),
        }
    }

    fn tables(&self, scene: &Scene, full: bool) -> Result<Listing> {
        let all = self.of_database(scene, "TABLES", "TABLE_SCHEMA")?;
        // the heading that a WHERE names is the short one
        let name = format!("Tables_in_{}", self.database_name(scene)?);
        let wanted = [("TABLE_NAME", name.as_str()), ("TABLE_TYPE", "Table_type")];
        Ok(all.project(if full { &wanted } else { &wanted[..1] }))
    }

    /// LIKE shows in the first heading of some.
    fn headings(&self, scene: &Scene, answer: &mut Listing) {
        let Some(pattern) = self.filter.pattern() else { return };
        match &self.what {
            What::Databases => answer.rename(0, format!("Database ({pattern})")),
            What::Tables { .. } => {
                let database = self.database_name(scene).unwrap_or_default();
                answer.rename(0, format!("Tables_in_{database} ({pattern})"));
            }
            _ => {}
        }
    }

    fn columns(&self, scene: &Scene, table: &str, full: bool) -> Result<Listing> {
        let database = self.database_name(scene)?;
        if database != INFORMATION_SCHEMA {
            known_definition(&scene.find(Some(&database))?, table)?;
        }
        let mut columns = listing("COLUMNS", scene)?;
        let insensitive = database == INFORMATION_SCHEMA;
        columns.keep(|l, r| {
            let name = l.text(r, "TABLE_NAME");
            let named = name == table || (insensitive && name.eq_ignore_ascii_case(table));
            l.text(r, "TABLE_SCHEMA") == database && named
        });
        if columns.rows().is_empty() {
            return Err(missing_table(&scene.find(Some(&database))?, table));
        }
        if let Some(at) = columns.position("COLUMN_DEFAULT") {
            columns.change(at, shown_default);
        }
        Ok(columns.project(if full { &FULL_COLUMNS } else { &COLUMNS }))
    }

    fn index(&self, scene: &Scene, table: &str) -> Result<Listing> {
        let mut all = self.of_database(scene, "STATISTICS", "TABLE_SCHEMA")?;
        all.keep(|l, r| l.text(r, "TABLE_NAME") == table);
        if all.rows().is_empty() {
            let database = self.database_name(scene)?;
            let there = database == INFORMATION_SCHEMA || {
                let v = scene.find(Some(&database))?;
                has_view(&v, table) || v.catalog.table(&TableName::new(v.database.as_str(), table)).is_some()
            };
            if !there {
                return Err(missing_table(&scene.find(Some(&database))?, table));
            }
        }
        Ok(all.project(&INDEX))
    }

    /// The table that SHOW TRANSACTIONS FOR names, in the current cluster. It may be gone by now.
    fn transactions_of(&self, scene: &Scene, table: &str) -> Result<TableName> {
        let database = self.database.as_deref().or(scene.database.as_deref());
        let Some(database) = database else { return scene.find(None).map(|_| TableName::new("", table)) };
        let own = scene.find(Some(database)).map_or_else(|_| database.to_string(), |v| v.database);
        Ok(TableName::new(own, table))
    }

    fn create(&self, scene: &Scene, object: Object, name: &str, if_exists: bool) -> Result<Listing> {
        match object {
            Object::Database => create_database(scene, name, if_exists),
            Object::Table => self.create_table(scene, name),
            Object::View => {
                let v = scene.find(self.database.as_deref())?;
                if !has_view(&v, name) && v.catalog.table(&TableName::new(v.database.as_str(), name)).is_some() {
                    return Err(Error::new(Kind::UnknownTable, format!("'{}.{name}' is not of type 'VIEW'", v.name)));
                }
                create_view(&v, name)
            }
            Object::Trigger => self.create_program(scene, ObjectKind::Trigger, name),
            Object::Procedure => self.create_program(scene, ObjectKind::Procedure, name),
            Object::Function => self.create_program(scene, ObjectKind::Function, name),
            Object::Event => self.create_program(scene, ObjectKind::Event, name),
        }
    }

    fn create_table(&self, scene: &Scene, name: &str) -> Result<Listing> {
        let mut answer = Listing::new(&[("Table", "varchar(64)"), ("Create Table", "longtext")]);
        if self.database_name(scene)? == INFORMATION_SCHEMA {
            let schema = super::tables::schema(INFORMATION_SCHEMA, name).ok_or_else(|| {
                Error::new(Kind::UnknownTable, format!("Unknown table '{name}' in information_schema"))
            })?;
            let item = |c: &crate::model::Column| {
                let null = if c.nullable { "" } else { " NOT NULL" };
                format!("  {} {}{null}", quote_name(&c.name), c.kind)
            };
            let items: Vec<_> = schema.columns.iter().map(item).collect();
            let name = &schema.name.table;
            let create = format!("CREATE TEMPORARY TABLE {} (\n{}\n)", quote_name(name), items.join(",\n"));
            answer.push(vec![text(name.as_str()), text(create)]);
            return Ok(answer);
        }
        let v = scene.find(self.database.as_deref())?;
        if has_view(&v, name) {
            return create_view(&v, name);
        }
        known_definition(&v, name)?;
        let table =
            v.catalog.table(&TableName::new(v.database.as_str(), name)).ok_or_else(|| missing_table(&v, name))?;
        answer.push(vec![text(name), text(table.create.as_str())]);
        Ok(answer)
    }

    /// Trigger, procedure, function or event.
    fn create_program(&self, scene: &Scene, kind: ObjectKind, name: &str) -> Result<Listing> {
        let (title, heading, second) = match kind {
            ObjectKind::Trigger => ("Trigger", "SQL Original Statement", None),
            ObjectKind::Procedure => ("Procedure", "Create Procedure", None),
            ObjectKind::Function => ("Function", "Create Function", None),
            _ => ("Event", "Create Event", Some("time_zone")),
        };
        let databases = [scene.find(self.database.as_deref())?];
        let found = objects_of(&databases, kind).into_iter().find(|(_, o)| o.key.name.eq_ignore_ascii_case(name));
        let (v, object) = found.ok_or_else(|| {
            let message = format!("{title} {}.{name} does not exist at that moment", databases[0].name);
            Error::new(Kind::UnknownTable, message).hint(format!("SHOW {}S lists them.", plural(kind)))
        })?;
        let (mode, [charset, collation], database) = made(v, object);
        let mut headings = vec![(title, "varchar(64)"), ("sql_mode", "varchar(8192)")];
        headings.extend(second.map(|s| (s, "varchar(64)")));
        headings.push((heading, "longtext"));
        headings.extend([("character_set_client", "varchar(32)"), ("collation_connection", "varchar(64)")]);
        headings.push(("Database Collation", "varchar(64)"));
        let mut row = vec![text(object.key.name.as_str()), text(mode)];
        row.extend(second.map(|_| text("SYSTEM")));
        row.extend([text(object.create.as_str()), text(charset), text(collation), text(database)]);
        if kind == ObjectKind::Trigger {
            headings.push(("Created", "datetime(2)"));
            row.push(Value::Null);
        }
        let mut answer = Listing::new(&headings);
        answer.push(row);
        Ok(answer)
    }
}

fn plural(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Trigger => "TRIGGER",
        ObjectKind::Procedure => "PROCEDURE STATU",
        ObjectKind::Function => "FUNCTION STATU",
        _ => "EVENT",
    }
}

fn has_view(v: &Visible, name: &str) -> bool {
    v.catalog.objects.keys().any(|k| k.kind == ObjectKind::View && k.database == v.database && k.name == name)
}

/// Refuses a table whose rows are uncertain at that moment: its definition may be another as well.
fn known_definition(v: &Visible, name: &str) -> Result<()> {
    let table = v.catalog.table(&TableName::new(v.database.as_str(), name));
    match table.and_then(|t| v.catalog.uncertain.get(&t.id)) {
        None => Ok(()),
        Some(why) => {
            let text = format!("what table {}.{name} is at that moment is uncertain: {why}", v.name);
            Err(Error::new(Kind::Uncertain, text).hint("SHOW BACKUPS lists from when to when; ask another moment."))
        }
    }
}

/// Why a table of that name has nothing to show.
fn missing_table(v: &Visible, name: &str) -> Error {
    let refused = v.catalog.refused.get(&TableName::new(v.database.as_str(), name));
    if let Some(why) = refused {
        return Error::new(Kind::Unsupported, format!("table {}.{name} is not carried: {why}", v.name));
    }
    if has_view(v, name) {
        return Error::new(Kind::Unsupported, format!("the columns of view {}.{name} are not known", v.name))
            .hint(format!("SHOW CREATE VIEW {} prints its text.", quote_name(name)));
    }
    Error::new(Kind::UnknownTable, format!("Table '{}.{name}' doesn't exist at that moment", v.name))
        .hint("SHOW TABLES lists those that there are.")
}

fn create_view(v: &Visible, name: &str) -> Result<Listing> {
    let databases = [v.clone()];
    let found = objects_of(&databases, ObjectKind::View).into_iter().find(|(_, o)| o.key.name == name);
    let (v, object) = found.ok_or_else(|| missing_table(v, name))?;
    let (_, [charset, collation], _) = made(v, object);
    let mut answer = Listing::new(&[
        ("View", "varchar(64)"),
        ("Create View", "longtext"),
        ("character_set_client", "varchar(32)"),
        ("collation_connection", "varchar(64)"),
    ]);
    answer.push(vec![text(name), text(object.create.as_str()), text(charset), text(collation)]);
    Ok(answer)
}

fn create_database(scene: &Scene, name: &str, if_exists: bool) -> Result<Listing> {
    let mut answer = Listing::new(&[("Database", "varchar(64)"), ("Create Database", "varchar(1024)")]);
    let create = if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
        "CREATE DATABASE `information_schema` /*!40100 DEFAULT CHARACTER SET utf8mb3 */".to_string()
    } else {
        let v = scene.find(Some(name))?;
        v.catalog.databases.get(&v.database).cloned().unwrap_or_default()
    };
    let create = match create.strip_prefix("CREATE DATABASE `") {
        Some(rest) if if_exists => format!("CREATE DATABASE /*!32312 IF NOT EXISTS*/ `{rest}"),
        _ => create,
    };
    answer.push(vec![text(name), text(create)]);
    Ok(answer)
}

/// What does not depend on databases.
fn server_answer(what: &What, scene: &Scene) -> Result<Listing> {
    Ok(match what {
        What::Variables { global } => {
            let mut l = Listing::new(&[("Variable_name", "varchar(64)"), ("Value", "varchar(4096)")]);
            server_rows::variables(scene, if *global { "global" } else { "session" })
                .into_iter()
                .for_each(|r| l.push(r));
            l
        }
        What::Status => listing("SESSION_STATUS", scene)?
            .project(&[("VARIABLE_NAME", "Variable_name"), ("VARIABLE_VALUE", "Value")]),
        What::Engines => listing("ENGINES", scene)?.project(&[
            ("ENGINE", "Engine"),
            ("SUPPORT", "Support"),
            ("COMMENT", "Comment"),
            ("TRANSACTIONS", "Transactions"),
            ("XA", "XA"),
            ("SAVEPOINTS", "Savepoints"),
        ]),
        What::Charsets => listing("CHARACTER_SETS", scene)?.project(&[
            ("CHARACTER_SET_NAME", "Charset"),
            ("DESCRIPTION", "Description"),
            ("DEFAULT_COLLATE_NAME", "Default collation"),
            ("MAXLEN", "Maxlen"),
        ]),
        What::Collations => listing("COLLATIONS", scene)?.project(&[
            ("COLLATION_NAME", "Collation"),
            ("CHARACTER_SET_NAME", "Charset"),
            ("ID", "Id"),
            ("IS_DEFAULT", "Default"),
            ("IS_COMPILED", "Compiled"),
            ("SORTLEN", "Sortlen"),
        ]),
        What::Plugins => listing("PLUGINS", scene)?.project(&[
            ("PLUGIN_NAME", "Name"),
            ("PLUGIN_STATUS", "Status"),
            ("PLUGIN_TYPE", "Type"),
            ("PLUGIN_LIBRARY", "Library"),
            ("PLUGIN_LICENSE", "License"),
        ]),
        What::Privileges => {
            let mut l =
                Listing::new(&[("Privilege", "varchar(10)"), ("Context", "varchar(15)"), ("Comment", "varchar(64)")]);
            l.push(vec![text("Select"), text("Tables"), text("To retrieve rows from table")]);
            l
        }
        What::Profiles => Listing::new(&[("Query_ID", "int"), ("Duration", "double"), ("Query", "varchar(40)")]),
        What::Grants { account } => grants(scene, account.as_deref())?,
        What::Warnings { errors, count } => warnings(scene, *errors, *count),
        other => return Err(Error::internal(format!("{other:?} is answered elsewhere"))),
    })
}

/// Of the session; or, FOR an account, those of the source's account as the archive keeps them.
fn grants(scene: &Scene, account: Option<&str>) -> Result<Listing> {
    let title = account.map_or_else(|| format!("{}@localhost", scene.user), str::to_string);
    let mut l = Listing::new(&[(&format!("Grants for {title}"), "varchar(1024)")]);
    let Some(account) = account else {
        l.push(vec![text(format!("GRANT SELECT ON *.* TO {}@`localhost`", quote_name(&scene.user)))]);
        return Ok(l);
    };
    let plain = |name: &str| name.replace(['\'', '`'], "");
    let objects = scene.current()?.catalog.objects.values();
    let found = objects.into_iter().find(|o| o.key.kind == ObjectKind::Grant && plain(&o.key.name) == plain(account));
    let Some(object) = found else {
        let message = format!("There is no such grant defined for user {account} in the archive at that moment");
        return Err(Error::new(Kind::UnknownTable, message));
    };
    object.create.lines().for_each(|line| l.push(vec![text(line)]));
    Ok(l)
}

fn warnings(scene: &Scene, errors: bool, count: bool) -> Listing {
    let wanted: Vec<_> = scene.warnings.iter().filter(|w| !errors || w.level == WarningLevel::Error).collect();
    if count {
        let heading = if errors { "@@session.error_count" } else { "@@session.warning_count" };
        let mut l = Listing::new(&[(heading, "bigint")]);
        l.push(vec![Value::Int(i64::try_from(wanted.len()).unwrap_or(i64::MAX))]);
        return l;
    }
    let mut l = Listing::new(&[("Level", "varchar(7)"), ("Code", "int"), ("Message", "varchar(512)")]);
    for w in wanted {
        let level = match w.level {
            WarningLevel::Note => "Note",
            WarningLevel::Warning => "Warning",
            WarningLevel::Error => "Error",
        };
        l.push(vec![text(level), Value::Int(w.code.into()), text(w.message.as_str())]);
    }
    l
}
