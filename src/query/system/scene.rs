//! From where is the question asked? The session and the archive as a system statement sees them.

use super::INFORMATION_SCHEMA;
use super::variables::Variables;
use crate::archive::Proof;
use crate::error::{Error, Kind, Result};
use crate::model::{Catalog, Column, Micros, Moment, Seq};
use crate::query::Warning;
use crate::timeline::Timeline;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that a system table or a SHOW may tell.
#[derive(Clone)]
pub struct Scene {
    /// As logged in.
    pub user: String,
    pub connection: u32,
    pub now: Micros,
    /// The default database as it was named: `shop`, `shop@2026-11-22 14:05:00`, `c/shop`.
    pub database: Option<String>,
    /// The current cluster: its databases are named without a prefix.
    pub cluster: Option<String>,
    /// Every cluster of the archive, at the statement's moment.
    pub clusters: Vec<ClusterScene>,
    /// Databases that are named with a moment of their own (`shop@…`) by the session or the statement.
    pub named: Vec<Visible>,
    /// Of SHOW TRANSACTIONS: the two moments.
    pub between: Option<(Micros, Micros)>,
    pub variables: Variables,
    /// Of the statement before.
    pub warnings: Vec<Warning>,
    /// What columns views have, by the database's name as in `Visible` and the view's: needed for SHOW COLUMNS and
    /// information_schema.COLUMNS; a view that is not here has none there.
    pub views: BTreeMap<(String, String), Vec<Column>>,
    /// Of SHOW BACKUPS: what was proven of each cluster.
    pub proofs: BTreeMap<String, Result<Option<Proof>, Error>>,
}

/// A cluster at a moment.
#[derive(Clone)]
pub struct ClusterScene {
    pub name: String,
    pub timeline: Arc<Timeline>,
    pub moment: Moment,
    pub catalog: Arc<Catalog>,
}

/// A database as the session can name it.
#[derive(Debug, Clone)]
pub struct Visible {
    /// How the session names it.
    pub name: String,
    /// Its own name, in the catalog.
    pub database: String,
    pub cluster: String,
    pub moment: Moment,
    pub catalog: Arc<Catalog>,
}

impl Scene {
    /// Every database that can be named here, in the order of the names.
    pub fn visible(&self) -> Vec<Visible> {
        let mut all: BTreeMap<String, Visible> = BTreeMap::new();
        for cluster in &self.clusters {
            for database in cluster.catalog.databases.keys() {
                let bare = self.clusters.len() == 1 || self.cluster.as_ref() == Some(&cluster.name);
                let name = if bare { database.clone() } else { format!("{}/{database}", cluster.name) };
                let visible = Visible {
                    name: name.clone(),
                    database: database.clone(),
                    cluster: cluster.name.clone(),
                    moment: cluster.moment,
                    catalog: cluster.catalog.clone(),
                };
                all.insert(name, visible);
            }
        }
        all.extend(self.named.iter().map(|v| (v.name.clone(), v.clone())));
        all.into_values().collect()
    }

    /// The database that a statement names, or the default one.
    /// Errors: `NoDatabase`, `UnknownDatabase`.
    pub fn find(&self, name: Option<&str>) -> Result<Visible> {
        let Some(name) = name.or(self.database.as_deref()) else {
            return Err(Error::new(Kind::NoDatabase, "No database selected").hint("Choose one: USE db"));
        };
        if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            // its tables are in no catalog, and the same at every moment
            return Ok(Visible {
                name: INFORMATION_SCHEMA.to_string(),
                database: INFORMATION_SCHEMA.to_string(),
                cluster: String::new(),
                moment: Moment { seq: Seq::ZERO, time: Micros(0) },
                catalog: Arc::default(),
            });
        }
        self.visible().into_iter().find(|v| v.name == name).ok_or_else(|| {
            Error::new(Kind::UnknownDatabase, format!("Unknown database '{name}' at that moment"))
                .hint("SHOW DATABASES lists those that there are.")
        })
    }

    /// The current cluster, or the archive's only one.
    /// Errors: `Usage` when it is not clear which.
    pub fn current(&self) -> Result<&ClusterScene> {
        let named = self.cluster.as_ref();
        let found = self.clusters.iter().find(|c| Some(&c.name) == named);
        found.or(self.clusters.first().filter(|_| self.clusters.len() == 1)).ok_or_else(|| {
            Error::new(Kind::Usage, "it is not clear of which cluster: the archive holds several, or none")
                .hint("Choose a database of one: USE `cluster/db`. SHOW CLUSTERS lists them.")
        })
    }
}
