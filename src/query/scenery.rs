//! What do SHOW and information_schema see? The archive's clusters at the statement's moment.

use super::bind::Place;
use super::moments::DatabaseName;
use super::plan::Context;
use super::system::{ClusterScene, INFORMATION_SCHEMA, Scene, Visible};
use crate::error::{Kind, Result};
use crate::model::{Column, ColumnId, MomentSpec, ObjectKind, quote_name};
use crate::timeline::Timeline;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of which views the columns are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Views {
    None,
    All,
}

impl Context<'_> {
    /// `moment`: the statement's own. `named`: a database that it names, perhaps with a moment.
    /// Errors: `OutOfRange` when the current cluster has no such moment; `BadValue`.
    pub async fn scene(&self, moment: Option<&MomentSpec>, named: Option<&str>, views: Views) -> Result<Scene> {
        let current = self.place.cluster().ok().map(str::to_string);
        let mut clusters = Vec::new();
        for name in &self.place.clusters {
            let is_current = current.as_ref() == Some(name);
            match self.cluster_scene(name, moment).await {
                Ok(cluster) => clusters.push(cluster),
                // another cluster that has not begun yet, or not by then, is not to be seen
                Err(e) if e.kind == Kind::OutOfRange && !is_current => {}
                Err(e) => return Err(e),
            }
        }
        let mut scene = Scene {
            user: self.user.to_string(),
            connection: self.connection,
            now: self.now,
            database: self.database.map(str::to_string),
            cluster: current,
            clusters,
            named: Vec::new(),
            between: None,
            variables: self.variables.clone(),
            warnings: self.warnings.to_vec(),
            views: BTreeMap::new(),
            proofs: BTreeMap::new(),
        };
        for name in [self.database, named].into_iter().flatten() {
            scene.named.extend(self.named(name, moment).await?);
        }
        if views == Views::All {
            for visible in scene.visible() {
                let keys = visible.catalog.objects.keys();
                let of_database = keys.filter(|k| k.kind == ObjectKind::View && k.database == visible.database);
                for view in of_database {
                    // a view that cannot be read has no columns to tell
                    if let Ok(columns) = self.view_columns(&visible, &view.name).await {
                        scene.views.insert((visible.name.clone(), view.name.clone()), columns);
                    }
                }
            }
        }
        Ok(scene)
    }

    async fn cluster_scene(&self, name: &str, moment: Option<&MomentSpec>) -> Result<ClusterScene> {
        let timeline = self.service.timeline(name).await?;
        let moment = match moment.or(self.place.moment.as_ref()) {
            Some(spec) => timeline.resolve(spec)?,
            None => self.place.pinned.get(name).copied().unwrap_or_else(|| timeline.latest()),
        };
        let catalog = timeline.catalog_at(moment.seq)?;
        Ok(ClusterScene { name: name.to_string(), timeline, moment, catalog })
    }

    /// A database that is named with a moment or a cluster.
    async fn named(&self, name: &str, moment: Option<&MomentSpec>) -> Result<Option<Visible>> {
        let parsed = DatabaseName::parse(name, &self.place.clusters, self.variables.time_zone())?;
        if parsed.database == name || parsed.database.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            return Ok(None);
        }
        let cluster = match parsed.cluster {
            Some(cluster) => cluster,
            None => self.place.cluster()?.to_string(),
        };
        let timeline = self.service.timeline(&cluster).await?;
        // a moment that is written with the name wins over the session's, but not over the statement's
        let spec = moment.or(parsed.moment.as_ref()).or(self.place.moment.as_ref());
        let moment = match spec {
            Some(spec) => timeline.resolve(spec)?,
            None => self.place.pinned.get(&cluster).copied().unwrap_or_else(|| timeline.latest()),
        };
        let catalog = timeline.catalog_at(moment.seq)?;
        let known = catalog.databases.contains_key(&parsed.database);
        let visible = Visible { name: name.to_string(), database: parsed.database, cluster, moment, catalog };
        Ok(known.then_some(visible))
    }

    /// The columns of a view at the moment at which its database is visible.
    pub async fn view_columns(&self, visible: &Visible, view: &str) -> Result<Vec<Column>> {
        let database = DatabaseName {
            cluster: Some(visible.cluster.clone()),
            database: visible.database.clone(),
            moment: Some(MomentSpec::Seq(visible.moment.seq)),
        };
        let place = Place { clusters: self.place.clusters.clone(), database: Some(database), ..Place::default() };
        let context = Context { place, parameters: Some(&[]), ..*self };
        let plan = context.plan_text(&format!("SELECT * FROM {}", quote_name(view))).await?;
        let column = |(c, id): (super::ResultColumn, u32)| Column {
            id: ColumnId(id),
            name: c.name,
            kind: c.kind,
            nullable: c.nullable,
            collation: c.collation,
            missing: None,
            default: c.default,
            extra: String::new(),
            comment: String::new(),
            invisible: false,
            generated: None,
        };
        Ok(plan.columns.into_iter().zip(0..).map(column).collect())
    }

    /// The history of the current cluster. Errors: `NoDatabase` when it is not clear which.
    pub async fn current_timeline(&self) -> Result<Arc<Timeline>> {
        self.service.timeline(self.place.cluster()?).await
    }
}
