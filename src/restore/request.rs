//! What is wanted?

use super::across::Collations;
use crate::error::{Error, Kind, Result};
use crate::model::{MomentSpec, Seq, ServerUrl, TableName, TableSchema};
use arrow::array::RecordBatch;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::fmt;
use std::sync::Arc;

/// A RESTORE, as somebody asks for it.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The cluster whose past it is; the timeline that is handed to `plan` must be this cluster's.
    pub cluster: String,
    pub what: What,
    pub moment: MomentSpec,
    pub target: ServerUrl,
    pub options: Options,
    /// Of one table, only these rows.
    pub rows: Option<Chosen>,
}

/// Rows in a table's columns and types.
pub type ChosenRows = BoxStream<'static, Result<RecordBatch>>;
type Choose = dyn Fn(Arc<TableSchema>, Seq) -> BoxFuture<'static, Result<ChosenRows>> + Send + Sync;

/// `WHERE predicate`, with what evaluates it: this folder cannot.
#[derive(Clone)]
pub struct Chosen {
    pub predicate: String,
    choose: Arc<Choose>,
}

impl Chosen {
    /// `choose`: gives the rows of a table after commit `seq` for which the predicate is true, the same each time.
    pub fn new(
        predicate: String,
        choose: impl Fn(Arc<TableSchema>, Seq) -> BoxFuture<'static, Result<ChosenRows>> + Send + Sync + 'static,
    ) -> Self {
        Self { predicate, choose: Arc::new(choose) }
    }

    pub(super) async fn rows(&self, table: &Arc<TableSchema>, seq: Seq) -> Result<ChosenRows> {
        (self.choose)(table.clone(), seq).await
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chosen").field(&self.predicate).finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Every database of the cluster. Grants are not restored.
    Cluster,
    /// Tables, views, triggers, routines and events.
    Databases(Vec<String>),
    /// Tables and their triggers.
    Tables(Vec<TableName>),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Cluster => f.write_str("CLUSTER"),
            What::Databases(names) => write!(f, "DATABASE {}", names.join(", ")),
            What::Tables(names) => {
                let names: Vec<_> = names.iter().map(TableName::to_string).collect();
                write!(f, "TABLE {}", names.join(", "))
            }
        }
    }
}

/// `WITH (option = value, …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Put what is restored in the place of what stands there. Otherwise nothing that exists is touched.
    pub replace: bool,
    /// Let the target write the restore to its binary log, so that its replicas follow. On unless switched off.
    pub log_bin: bool,
    /// How many tables are loaded at once.
    pub parallel: usize,
    /// How long to wait for somebody else's lock on the target, in seconds.
    pub lock_wait_seconds: u32,
    pub views: bool,
    pub triggers: bool,
    pub routines: bool,
    pub events: bool,
    /// What stands in for collations that the target does not have.
    pub collation: Collations,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            replace: false,
            log_bin: true,
            parallel: 4,
            lock_wait_seconds: 60,
            views: true,
            triggers: true,
            routines: true,
            events: true,
            collation: Collations::Same,
        }
    }
}

impl Options {
    /// Names and meanings, for messages.
    const NAMES: &str = "replace, log_bin, views, triggers, routines, events (true or false), parallel (1 to 16), \
                         lock_wait_seconds (1 to 86400), collation (nearest, or a collation's name)";

    /// Reads `name = value` pairs; names and values without regard to case.
    /// Errors: `Usage` for an unknown name, a name said twice or a value that the option does not take.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self> {
        let mut this = Self::default();
        let mut seen = Vec::new();
        for (name, value) in pairs {
            let name = name.to_ascii_lowercase();
            let value = value.trim().trim_matches('\'').to_ascii_lowercase();
            if seen.contains(&name) {
                return Err(Error::new(Kind::Usage, format!("RESTORE option {name} is given twice")));
            }
            match name.as_str() {
                "replace" => this.replace = truth(&name, &value)?,
                "log_bin" => this.log_bin = truth(&name, &value)?,
                "views" => this.views = truth(&name, &value)?,
                "triggers" => this.triggers = truth(&name, &value)?,
                "routines" => this.routines = truth(&name, &value)?,
                "events" => this.events = truth(&name, &value)?,
                "collation" => {
                    this.collation = match value.as_str() {
                        "same" => Collations::Same,
                        "nearest" => Collations::Nearest,
                        _ => Collations::Named(value.clone()),
                    }
                }
                "parallel" => this.parallel = number(&name, &value, 16)? as usize,
                "lock_wait_seconds" => this.lock_wait_seconds = number(&name, &value, 86_400)?,
                _ => {
                    return Err(Error::new(Kind::Usage, format!("RESTORE has no option {name}"))
                        .hint(format!("Its options are {}.", Self::NAMES)));
                }
            }
            seen.push(name);
        }
        Ok(this)
    }
}

fn truth(name: &str, value: &str) -> Result<bool> {
    match value {
        "true" | "on" | "1" | "yes" => Ok(true),
        "false" | "off" | "0" | "no" => Ok(false),
        _ => Err(Error::new(Kind::Usage, format!("RESTORE option {name} is true or false, not {value}"))),
    }
}

fn number(name: &str, value: &str, max: u32) -> Result<u32> {
    value
        .parse()
        .ok()
        .filter(|n| (1..=max).contains(n))
        .ok_or_else(|| Error::new(Kind::Usage, format!("RESTORE option {name} is from 1 to {max}, not {value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Options> {
        Options::parse(&pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_others_refused_by_name() {
        let options = parse(&[("REPLACE", "TRUE"), ("parallel", "2"), ("log_bin", "0")]).expect("good options");
        assert_eq!(options, Options { replace: true, parallel: 2, log_bin: false, ..Options::default() });
        for (pairs, named) in [
            (&[("replce", "true")][..], "replce"),
            (&[("replace", "maybe")], "maybe"),
            (&[("parallel", "0")], "parallel"),
            (&[("parallel", "17")], "parallel"),
            (&[("replace", "true"), ("Replace", "false")], "twice"),
        ] {
            let error = parse(pairs).expect_err(named);
            assert_eq!(error.kind, Kind::Usage);
            assert!(error.message.contains(named), "{error}");
        }
    }
}
