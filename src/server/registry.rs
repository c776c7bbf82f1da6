//! Who is connected, what runs, and how is it stopped? (SHOW PROCESSLIST, KILL)

use super::errno::SqlError;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A connection, as the others see it.
#[derive(Clone)]
pub struct Process {
    /// Empty until it is let in.
    pub user: String,
    pub host: String,
    pub database: Option<String>,
    /// Since when it runs what it runs, or waits.
    pub since: Instant,
    /// The running statement, without passwords.
    pub statement: Option<String>,
    query: CancellationToken,
    connection: CancellationToken,
}

/// All connections of a server.
pub struct Registry {
    inner: Mutex<Inner>,
    started: Instant,
    shutdown: CancellationToken,
}

#[derive(Default)]
struct Inner {
    last: u32,
    processes: BTreeMap<u32, Process>,
    questions: u64,
}

/// A connection's entry; gone when dropped.
pub struct Seat {
    pub id: u32,
    /// Cancelled: the connection is to end.
    pub connection: CancellationToken,
    registry: Arc<Registry>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.registry.lock().processes.remove(&self.id);
    }
}

impl Registry {
    /// Cancelling `shutdown` ends every connection.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { inner: Mutex::default(), started: Instant::now(), shutdown }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn seat(self: &Arc<Self>, host: String) -> Seat {
        let connection = self.shutdown.child_token();
        let mut inner = self.lock();
        inner.last = inner.last.wrapping_add(1).max(1);
        while inner.processes.contains_key(&inner.last) {
            inner.last = inner.last.wrapping_add(1).max(1);
        }
        let id = inner.last;
        let process = Process {
            user: String::new(),
            host,
            database: None,
            since: Instant::now(),
            statement: None,
            query: connection.child_token(),
            connection: connection.clone(),
        };
        inner.processes.insert(id, process);
        Seat { id, connection, registry: self.clone() }
    }

    pub fn list(&self) -> Vec<(u32, Process)> {
        self.lock().processes.iter().map(|(id, p)| (*id, p.clone())).collect()
    }

    /// Ends what connection `id` runs, or the whole connection.
    pub fn kill(&self, id: u32, connection: bool) -> Result<(), SqlError> {
        let inner = self.lock();
        let process = inner.processes.get(&id).ok_or_else(|| SqlError::unknown_thread(id))?;
        if connection {
            process.connection.cancel()
        } else {
            process.query.cancel()
        }
        Ok(())
    }

    /// What COM_STATISTICS tells: time up, connections, statements so far.
    pub fn statistics(&self) -> (Duration, usize, u64) {
        let inner = self.lock();
        (self.started.elapsed(), inner.processes.len(), inner.questions)
    }
}

impl Seat {
    fn with(&self, f: impl FnOnce(&mut Process)) {
        if let Some(process) = self.registry.lock().processes.get_mut(&self.id) {
            f(process)
        }
    }

    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    pub fn enter(&self, user: &str) {
        self.with(|p| p.user = user.into());
    }

    /// A new token for a new command: a KILL QUERY that came too late must not stop the next one.
    pub fn begin(&self, statement: Option<String>) -> CancellationToken {
        let query = self.connection.child_token();
        self.registry.lock().questions += u64::from(statement.is_some());
        self.with(|p| (p.query, p.statement, p.since) = (query.clone(), statement, Instant::now()));
        query
    }

    pub fn end(&self, database: Option<String>) {
        self.with(|p| (p.statement, p.database, p.since) = (None, database, Instant::now()));
    }
}

/// A statement without the passwords of its URLs, for logs and for SHOW PROCESSLIST.
pub fn masked(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        // What a password holds is not known (quotes, spaces): up to the last @ all may be one.
        let end = after.rfind('@').unwrap_or(0);
        let (credentials, tail) = after.split_at(end);
        match credentials.split_once(':') {
            Some((user, _)) => {
                out.push_str(user);
                out.push_str(":***");
            }
            None => out.push_str(credentials),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let sql = "RESTORE TABLE a.b TO 'mysql://root:it''s a @ secret@db:3306/' WITH (replace = true)";
        assert_eq!(masked(sql), "RESTORE TABLE a.b TO 'mysql://root:***@db:3306/' WITH (replace = true)");
        for sql in ["SELECT 'http://example.org/a:b'", "SELECT 1", "RESTORE TABLE a.b TO 'mysql://root@db/'", "é://é"]
        {
            assert_eq!(masked(sql), sql);
        }
    }

    #[test]
    fn a_kill_that_comes_late_does_not_stop_the_next_command() {
        let registry = Arc::new(Registry::new(CancellationToken::new()));
        let seat = registry.seat("localhost".into());
        let first = seat.begin(Some("SELECT 1".into()));
        seat.end(None);
        registry.kill(seat.id, false).expect("it is connected");
        let second = seat.begin(Some("SELECT 2".into()));
        assert!(first.is_cancelled() && !second.is_cancelled());
        registry.kill(seat.id, true).expect("it is connected");
        assert!(second.is_cancelled() && seat.connection.is_cancelled());
        let id = seat.id;
        drop(seat);
        assert_eq!(registry.kill(id, true).expect_err("gone").code, 1094);
    }
}
