//! What does one connection remember between its statements?

use super::answer::{Answer, Prepared, ResultColumn, Warning};
use super::service::Service;
use crate::error::{Error, Kind, Result};
use crate::model::Value;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// One per connection.
pub struct Session {
    service: Arc<Service>,
    id: u32,
    user: String,
    database: Option<String>,
    warnings: Vec<Warning>,
}

impl Session {
    pub fn new(service: Arc<Service>, id: u32, user: String) -> Session {
        Session { service, id, user, database: None, warnings: Vec::new() }
    }

    /// Makes `` `db` ``, `` `db@moment` ``, `` `cluster/db` `` or `` `cluster/db@moment` `` the default database.
    /// Errors: `UnknownDatabase`, `OutOfRange`, `BadValue`.
    pub async fn use_database(&mut self, name: &str) -> Result<()> {
        self.database = Some(name.to_string());
        Err(Error::new(Kind::Unsupported, "not built yet"))
    }

    /// The default database as it was named, with its moment.
    pub fn database(&self) -> Option<String> {
        self.database.clone()
    }

    /// Checks a statement that may hold `?` and tells what it needs and gives. Nothing is run.
    pub async fn prepare(&mut self, _sql: &str) -> Result<Prepared> {
        Err(Error::new(Kind::Unsupported, "not built yet"))
    }

    /// Answers one statement. `parameters` stand for its `?`, in order. Once `cancel` is cancelled the statement
    /// or the stream of its rows ends with `Cancelled`.
    pub async fn run(&mut self, _sql: &str, _parameters: &[Value], _cancel: CancellationToken) -> Result<Answer> {
        let _ = (&self.service.clock, &self.service.limits, self.id, &self.user);
        Err(Error::new(Kind::Unsupported, "not built yet"))
    }

    /// The columns of a table of the default database (COM_FIELD_LIST).
    pub async fn fields(&mut self, _table: &str) -> Result<Vec<ResultColumn>> {
        Err(Error::new(Kind::Unsupported, "not built yet"))
    }

    /// Forgets everything but who is connected (COM_RESET_CONNECTION).
    pub fn reset(&mut self) {
        self.database = None;
        self.warnings.clear();
    }

    pub fn in_transaction(&self) -> bool {
        false
    }

    pub fn autocommit(&self) -> bool {
        true
    }

    /// Of the statement before.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}
