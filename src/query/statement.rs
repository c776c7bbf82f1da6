//! What kind of statement is it? Only those that are listed here are carried out; the rest is refused by name.

use super::answer::{RestoreStatement, RestoreWhat, VerifyStatement};
use super::constant::Constants;
use super::lexer::{Lexeme, Token, Tokens, syntax_error};
use super::moments::{moment_of, read_moment};
use super::system::{SetStatement, Show};
use crate::error::{Error, Kind, Result};
use crate::model::{MomentSpec, TableName};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Statement {
    /// Nothing but comments, or something that has no meaning in a read-only archive.
    Nothing,
    Query(Vec<Token>),
    /// EXPLAIN of a query.
    Explain(Vec<Token>),
    /// SHOW, DESCRIBE.
    Show(Show),
    Set(SetStatement),
    Use(String),
    Begin {
        /// What stands after START TRANSACTION.
        characteristics: Vec<Token>,
        snapshot: bool,
    },
    /// COMMIT or ROLLBACK; `chain`: another transaction begins.
    End {
        chain: bool,
    },
    Kill {
        id: u32,
        connection: bool,
    },
    Restore {
        explain: bool,
        tokens: Vec<Token>,
    },
    CancelJob(u64),
    Verify(VerifyStatement),
}

/// Statements that change something, by their first word.
const WRITES: [&str; 29] = [
    "INSERT",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "RENAME",
    "GRANT",
    "REVOKE",
    "LOAD",
    "IMPORT",
    "OPTIMIZE",
    "REPAIR",
    "ANALYZE",
    "CALL",
    "INSTALL",
    "UNINSTALL",
    "CHANGE",
    "RESET",
    "PURGE",
    "STOP",
    "SHUTDOWN",
    "MERGE",
    "CACHE",
    "BINLOG",
    "XA",
    "SIGNAL",
];

/// Reads a statement. Errors: `Syntax`; `ReadOnly` for what would change something; `Unsupported` by name.
pub(super) fn read(sql: &str, tokens: Tokens) -> Result<Statement> {
    let (comments, mut list) = (tokens.comments, tokens.list);
    while list.last().is_some_and(|t| t.is_symbol(";")) {
        list.pop();
    }
    let Some(first) = list.first() else {
        return if comments { Ok(Statement::Nothing) } else { Err(Error::new(Kind::Syntax, "Query was empty")) };
    };
    if list.iter().any(|t| t.is_symbol(";")) {
        return Err(Error::new(Kind::Unsupported, "several statements in one text are not supported")
            .hint("Send them one by one."));
    }
    if first.is_symbol("(") {
        return Ok(Statement::Query(list));
    }
    let keyword = first.keyword().ok_or_else(|| syntax_error(sql, first.start))?;
    let is = |at: usize, word: &str| list.get(at).is_some_and(|t| t.is(word));
    match keyword.as_str() {
        "SELECT" | "WITH" => Ok(Statement::Query(list)),
        "EXPLAIN" | "DESCRIBE" | "DESC" => explain(sql, list),
        "SHOW" => show(sql),
        "SET" => match SetStatement::parse(sql)? {
            Some(set) => Ok(Statement::Set(set)),
            None => Err(syntax_error(sql, first.start)),
        },
        "USE" => match list.as_slice() {
            [_, name] => name.word().map(|n| Statement::Use(n.to_string())),
            _ => None,
        }
        .ok_or_else(|| syntax_error(sql, list.get(1).map_or(sql.len(), |t| t.start))),
        "START" if is(1, "TRANSACTION") => Ok(begin(list.split_off(2))),
        "BEGIN" if list.len() == 1 || is(1, "WORK") => Ok(begin(Vec::new())),
        "COMMIT" | "ROLLBACK" => {
            // ROLLBACK TO SAVEPOINT x leaves the transaction open
            let to = list.iter().any(|t| t.is("TO"));
            let chain = is(1, "AND") && is(2, "CHAIN") || is(2, "AND") && is(3, "CHAIN");
            Ok(if to { Statement::Nothing } else { Statement::End { chain } })
        }
        "SAVEPOINT" | "RELEASE" | "FLUSH" | "LOCK" | "UNLOCK" => Ok(Statement::Nothing),
        "KILL" => kill(sql, &list),
        "RESTORE" => Ok(Statement::Restore { explain: false, tokens: list }),
        "CANCEL" if is(1, "JOB") => {
            let number = list.get(2).and_then(number);
            let number = number.filter(|_| list.len() == 3);
            number
                .map(Statement::CancelJob)
                .ok_or_else(|| syntax_error(sql, list.get(2).map_or(sql.len(), |t| t.start)))
        }
        "VERIFY" => super::verify::read(sql, &list).map(Statement::Verify),
        "BACKUP" | "DO" | "HANDLER" | "PREPARE" | "EXECUTE" | "DEALLOCATE" | "CHECK" | "CHECKSUM" | "VALUES"
        | "TABLE" | "HELP" => Err(unsupported(&keyword)),
        k if WRITES.contains(&k) => {
            Err(Error::new(Kind::ReadOnly, format!("{k} is refused: the archive is read-only"))
                .hint("Change the source; to put a past state into a live server: RESTORE … AS OF … TO 'mysql://…'."))
        }
        _ => Err(syntax_error(sql, first.start)),
    }
}

fn unsupported(keyword: &str) -> Error {
    let error = Error::new(Kind::Unsupported, format!("{keyword} is not supported"));
    match keyword {
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => error.hint("Prepare statements through the client's own protocol."),
        "DO" => error.hint("Use SELECT."),
        "BACKUP" => error.hint("`pcloud protect` takes backups."),
        "CHECKSUM" => error.hint("Count or hash the rows in a SELECT."),
        _ => error,
    }
}

fn number(token: &Token) -> Option<u64> {
    match &token.lexeme {
        Lexeme::Number(n) => n.parse().ok(),
        _ => None,
    }
}

fn explain(sql: &str, mut list: Vec<Token>) -> Result<Statement> {
    if let Some(show) = Show::parse(sql)? {
        return Ok(Statement::Show(show));
    }
    if list.get(1).is_some_and(|t| t.is("RESTORE")) {
        return Ok(Statement::Restore { explain: true, tokens: list.split_off(1) });
    }
    let query = list.iter().position(|t| t.is("SELECT") || t.is("WITH") || t.is_symbol("("));
    let options: Vec<&Token> = list.iter().skip(1).take(query.unwrap_or(0).saturating_sub(1)).collect();
    match query {
        Some(at) if options.is_empty() || options.len() == 1 && options.iter().all(|o| o.is("EXTENDED")) => {
            Ok(Statement::Explain(list.split_off(at)))
        }
        _ => Err(Error::new(Kind::Unsupported, "this form of EXPLAIN is not supported").hint("Write EXPLAIN SELECT …")),
    }
}

fn show(sql: &str) -> Result<Statement> {
    match Show::parse(sql)? {
        Some(show) => Ok(Statement::Show(show)),
        None => Err(syntax_error(sql, 0)),
    }
}

fn begin(characteristics: Vec<Token>) -> Statement {
    let snapshot = characteristics.iter().any(|t| t.is("SNAPSHOT"));
    Statement::Begin { characteristics, snapshot }
}

/// KILL [CONNECTION | QUERY] n
fn kill(sql: &str, list: &[Token]) -> Result<Statement> {
    let query = list.get(1).is_some_and(|t| t.is("QUERY"));
    let skip = usize::from(query || list.get(1).is_some_and(|t| t.is("CONNECTION")));
    let id = list.get(1 + skip).and_then(number).and_then(|n| u32::try_from(n).ok());
    match id.filter(|_| list.len() == 2 + skip) {
        Some(id) => Ok(Statement::Kill { id, connection: !query }),
        None => Err(syntax_error(sql, list.get(1 + skip).map_or(sql.len(), |t| t.start))),
    }
}

/// What the characteristics of a transaction say: the moment, if there is one.
/// Errors: `ReadOnly` for READ WRITE with a moment; `Syntax`.
pub(super) fn characteristics(tokens: &[Token], constants: &Constants<'_>) -> Result<Option<MomentSpec>> {
    let (mut at, mut moment, mut write) = (0, None, false);
    let fault = |at: usize| syntax_error(constants.sql, tokens.get(at).map_or(constants.sql.len(), |t| t.start));
    while let Some(token) = tokens.get(at) {
        if let Some(spec) = read_moment(tokens, &mut at, constants)? {
            moment = Some(spec);
            continue;
        }
        match token.keyword().as_deref() {
            Some("WRITE") => write = true,
            Some("READ" | "ONLY" | "WITH" | "CONSISTENT" | "SNAPSHOT" | "ISOLATION" | "LEVEL" | "REPEATABLE") => {}
            Some("COMMITTED" | "UNCOMMITTED" | "SERIALIZABLE") => {}
            _ if token.is_symbol(",") => {}
            _ => return Err(fault(at)),
        }
        at += 1;
    }
    match moment {
        Some(_) if write => Err(Error::new(Kind::ReadOnly, "a transaction of a past moment is READ ONLY")),
        moment => Ok(moment),
    }
}

/// Reads `RESTORE { CLUSTER c | DATABASE d, … | TABLE d.t, … [WHERE …] } [AS OF …] TO target [WITH (…)]`.
/// `database`: the default one, for tables that are named without. Errors: `Syntax`, `NoDatabase`, `BadValue`.
pub(super) fn restore(
    tokens: &[Token],
    constants: &Constants<'_>,
    database: Option<&str>,
    split: &dyn Fn(&str) -> Result<super::moments::DatabaseName>,
) -> Result<RestoreStatement> {
    Restore { tokens, at: 1, constants, database, split, cluster: None, named: None }.read()
}

struct Restore<'a> {
    tokens: &'a [Token],
    at: usize,
    constants: &'a Constants<'a>,
    database: Option<&'a str>,
    split: &'a dyn Fn(&str) -> Result<super::moments::DatabaseName>,
    cluster: Option<String>,
    /// The moment in a database's name.
    named: Option<MomentSpec>,
}

impl Restore<'_> {
    fn fault(&self) -> Error {
        let at = self.tokens.get(self.at).map_or(self.constants.sql.len(), |t| t.start);
        syntax_error(self.constants.sql, at).hint(
            "RESTORE { CLUSTER c | DATABASE d, … | TABLE d.t, … } [AS OF …] TO 'mysql://…' [WITH (option = value, …)]",
        )
    }

    fn take(&mut self, keyword: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|t| t.is(keyword));
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|t| t.is_symbol(symbol));
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> Result<String> {
        let word = self.tokens.get(self.at).and_then(|t| t.word()).map(str::to_string).ok_or_else(|| self.fault())?;
        self.at += 1;
        Ok(word)
    }

    /// A database's own name; its cluster and moment are kept.
    fn database_name(&mut self, name: &str) -> Result<String> {
        let name = (self.split)(name)?;
        if self.cluster.is_some() && name.cluster.is_some() && self.cluster != name.cluster {
            return Err(Error::new(Kind::Usage, "one RESTORE takes from one cluster"));
        }
        self.cluster = self.cluster.take().or(name.cluster);
        if self.named.is_some() && name.moment.is_some() && self.named != name.moment {
            return Err(Error::new(Kind::Usage, "one RESTORE takes from one moment").hint("Say it once, with AS OF."));
        }
        self.named = self.named.take().or(name.moment);
        Ok(name.database)
    }

    fn read(mut self) -> Result<RestoreStatement> {
        let what = self.what()?;
        let predicate = self.predicate()?;
        let moment = read_moment(self.tokens, &mut self.at, self.constants)?;
        if !self.take("TO") {
            return Err(self.fault());
        }
        let target = match self.tokens.get(self.at).map(|t| &t.lexeme) {
            Some(Lexeme::Text(text)) => text.clone(),
            Some(Lexeme::Word { text, .. }) => text.clone(),
            _ => return Err(self.fault()),
        };
        self.at += 1;
        let options = if self.take("WITH") { self.options()? } else { Vec::new() };
        if self.at < self.tokens.len() {
            return Err(self.fault());
        }
        let moment = moment.or(self.named);
        Ok(RestoreStatement { what, predicate, moment, cluster: self.cluster, target, options })
    }

    fn what(&mut self) -> Result<RestoreWhat> {
        if self.take("CLUSTER") {
            let name = self.word()?;
            self.cluster = Some(name.clone());
            return Ok(RestoreWhat::Cluster(name));
        }
        let databases = self.take("DATABASE") || self.take("DATABASES") || self.take("SCHEMA");
        if !databases && !self.take("TABLE") && !self.take("TABLES") {
            return Err(self.fault());
        }
        let (mut names, mut tables) = (Vec::new(), Vec::new());
        loop {
            let first = self.word()?;
            if databases {
                names.push(self.database_name(&first)?);
            } else if self.take_symbol(".") {
                let database = self.database_name(&first)?;
                tables.push(TableName::new(database, self.word()?));
            } else {
                let database = self.database.ok_or_else(|| {
                    Error::new(Kind::NoDatabase, "No database selected").hint("Write RESTORE TABLE database.table.")
                })?;
                let database = self.database_name(database)?;
                tables.push(TableName::new(database, first));
            }
            if !self.take_symbol(",") {
                break;
            }
        }
        Ok(if databases { RestoreWhat::Databases(names) } else { RestoreWhat::Tables(tables) })
    }

    /// The text of WHERE: up to AS OF or TO, outside of parentheses.
    fn predicate(&mut self) -> Result<Option<String>> {
        if !self.take("WHERE") {
            return Ok(None);
        }
        let (start, mut depth) = (self.at, 0_usize);
        while let Some(token) = self.tokens.get(self.at) {
            let as_of = token.is("AS") && self.tokens.get(self.at + 1).is_some_and(|t| t.is("OF"));
            if depth == 0 && (as_of || token.is("TO")) {
                break;
            }
            depth += usize::from(token.is_symbol("("));
            depth = depth.saturating_sub(usize::from(token.is_symbol(")")));
            self.at += 1;
        }
        let ends = self.tokens.get(start).zip(self.tokens.get(self.at.saturating_sub(1)));
        let text = ends.filter(|_| self.at > start).and_then(|(a, b)| self.constants.sql.get(a.start..b.end));
        text.map(|t| Some(t.to_string())).ok_or_else(|| self.fault())
    }

    fn options(&mut self) -> Result<Vec<(String, String)>> {
        let mut options = Vec::new();
        if !self.take_symbol("(") {
            return Err(self.fault());
        }
        loop {
            let name = self.word()?.to_lowercase();
            if !self.take_symbol("=") {
                return Err(self.fault());
            }
            let value = match self.tokens.get(self.at).map(|t| &t.lexeme) {
                Some(Lexeme::Word { text, .. } | Lexeme::Text(text) | Lexeme::Number(text)) => text.clone(),
                _ => return Err(self.fault()),
            };
            self.at += 1;
            options.push((name, value));
            if !self.take_symbol(",") {
                break;
            }
        }
        if self.take_symbol(")") { Ok(options) } else { Err(self.fault()) }
    }
}

/// `SET pcloud_as_of = 'text'`: as a time, or as in a database's name.
pub(super) fn session_moment(text: &str, constants: &Constants<'_>) -> Result<MomentSpec> {
    moment_of(text, constants.zone)
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{LexMode, tokenize};
    use super::super::moments::DatabaseName;
    use super::super::system::TimeZone;
    use super::*;
    use crate::model::{Micros, Value};

    fn kind(sql: &str) -> std::result::Result<Statement, Kind> {
        tokenize(sql, LexMode::default()).and_then(|t| read(sql, t)).map_err(|e| e.kind)
    }

    #[test]
    fn statements_are_told_apart() {
        assert_eq!(kind("/* only this */ ;"), Ok(Statement::Nothing));
        assert_eq!(kind(""), Err(Kind::Syntax));
        assert_eq!(kind("USE `a@b`;"), Ok(Statement::Use("a@b".into())));
        assert_eq!(kind("KILL QUERY 5"), Ok(Statement::Kill { id: 5, connection: false }));
        assert_eq!(kind("KILL 5"), Ok(Statement::Kill { id: 5, connection: true }));
        assert_eq!(kind("KILL x"), Err(Kind::Syntax));
        assert_eq!(kind("CANCEL JOB 3"), Ok(Statement::CancelJob(3)));
        assert_eq!(kind("ROLLBACK TO SAVEPOINT x"), Ok(Statement::Nothing));
        assert_eq!(kind("COMMIT AND CHAIN"), Ok(Statement::End { chain: true }));
        assert!(matches!(kind("(SELECT 1) UNION SELECT 2"), Ok(Statement::Query(_))));
        assert!(matches!(kind("EXPLAIN SELECT 1"), Ok(Statement::Explain(_))));
        assert!(matches!(kind("DESC t"), Ok(Statement::Show(_))));
        assert!(matches!(kind("EXPLAIN RESTORE TABLE a.b TO c"), Ok(Statement::Restore { explain: true, .. })));
        for sql in ["INSERT INTO t VALUES (1)", "drop table t", "ANALYZE TABLE t", "CALL p()", "TRUNCATE t"] {
            assert_eq!(kind(sql), Err(Kind::ReadOnly), "{sql}");
        }
        for sql in
            ["SELECT 1; SELECT 2", "DO 1", "PREPARE s FROM 'x'", "EXPLAIN FORMAT=JSON SELECT 1", "CHECKSUM TABLE t"]
        {
            assert_eq!(kind(sql), Err(Kind::Unsupported), "{sql}");
        }
        for sql in ["FOO", "'x'", "USE", "START", "CANCEL JOB x"] {
            assert_eq!(kind(sql), Err(Kind::Syntax), "{sql}");
        }
    }

    fn restored(sql: &str) -> Result<RestoreStatement> {
        let tokens = tokenize(sql, LexMode::default())?.list;
        let constants =
            Constants { sql, zone: TimeZone::System, now: Micros(0), parameters: None, variable: &|_| Value::Null };
        let split = |name: &str| DatabaseName::parse(name, &["prod".to_string()], TimeZone::System);
        restore(&tokens, &constants, Some("shop"), &split)
    }

    #[test]
    fn restore_in_every_form() {
        let r =
            restored("RESTORE TABLE orders, `prod/x@1970-01-01`.t WHERE a > (1) AND b = 'TO' TO 'mysql://h/'").unwrap();
        assert_eq!(r.what, RestoreWhat::Tables(vec![TableName::new("shop", "orders"), TableName::new("x", "t")]));
        assert_eq!(r.predicate.as_deref(), Some("a > (1) AND b = 'TO'"));
        assert_eq!((r.cluster.as_deref(), r.moment), (Some("prod"), Some(MomentSpec::At(Micros(0)))));
        assert_eq!(r.target, "mysql://h/");
        let r = restored("RESTORE DATABASE a, b AS OF GTID '0-1-2' TO backup WITH (replace = true, Jobs = 4)").unwrap();
        assert_eq!(r.what, RestoreWhat::Databases(vec!["a".into(), "b".into()]));
        assert_eq!(r.moment, Some(MomentSpec::Gtid("0-1-2".into())));
        assert_eq!(r.options, [("replace".to_string(), "true".to_string()), ("jobs".into(), "4".into())]);
        let r = restored("RESTORE CLUSTER prod AS OF LATEST TO 'mysql://u:secret@h/'").unwrap();
        assert_eq!(r.what, RestoreWhat::Cluster("prod".into()));
        assert!(!format!("{r:?}").contains("secret"));
        for sql in
            ["RESTORE", "RESTORE TABLE", "RESTORE TABLE a.b", "RESTORE TABLE a.b TO", "RESTORE DATABASE a TO b WITH ()"]
        {
            assert_eq!(restored(sql).unwrap_err().kind, Kind::Syntax, "{sql}");
        }
    }
}
