//! One connection after login: reads commands, answers what needs no rows, hands the rest to a `Responder`.

use super::Settings;
use super::column::{self, Charset};
use super::engine::{Shared, State};
use super::errno::SqlError;
use super::login::{ChangeUser, Exchange, Refused};
use super::packet::{self, Broken, Inbound};
use super::registry::{Seat, masked};
use super::statement::Statement;
use crate::model::Value;
use mysql_common::constants::Command as Com;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What a responder answers.
pub enum Command {
    Query(Arc<str>),
    /// With the new statement's id.
    Prepare(u32, Arc<str>),
    /// `cursor`: the client wants to fetch the rows.
    Execute {
        id: u32,
        sql: Arc<str>,
        parameters: Vec<Value>,
        cursor: bool,
    },
    Close(u32),
    InitDb(String),
}

/// Who puts answers on the wire. It keeps opensrv, which is one of the two ways to do it that were built, to one
/// small folder.
pub trait Responder: Send {
    /// Answers one command, the first packet with `seq`. Of a prepared statement: returns the number of parameters.
    fn run(
        &mut self,
        seq: u8,
        command: Command,
        cancel: CancellationToken,
    ) -> impl Future<Output = io::Result<Option<usize>>> + Send;
    /// Answers COM_STMT_FETCH: the next `n` rows of statement `id`.
    fn fetch(
        &mut self,
        seq: u8,
        id: u32,
        n: usize,
        cancel: CancellationToken,
    ) -> impl Future<Output = io::Result<()>> + Send;
    /// Sends packets made elsewhere; returns the next sequence number.
    fn send(&mut self, seq: u8, packets: &[Vec<u8>]) -> impl Future<Output = io::Result<u8>> + Send;
    /// Whether a part of the last command's answer was given.
    fn started(&self) -> bool;
    fn close_cursor(&mut self, id: u32);
    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

pub struct Session<R> {
    pub inbound: Inbound,
    pub responder: R,
    pub engine: Shared,
    pub seat: Seat,
    pub settings: Arc<Settings>,
    pub deprecate_eof: bool,
    statements: HashMap<u32, Statement>,
    last_statement: u32,
}

/// What a cancelled command has left to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// mysql_common's `Command` cannot be made from a byte.
mod com {
    use super::Com;
    pub const CHANGE_USER: u8 = Com::COM_CHANGE_USER as u8;
    pub const FIELD_LIST: u8 = Com::COM_FIELD_LIST as u8;
    pub const INIT_DB: u8 = Com::COM_INIT_DB as u8;
    pub const PING: u8 = Com::COM_PING as u8;
    pub const PROCESS_KILL: u8 = Com::COM_PROCESS_KILL as u8;
    pub const QUERY: u8 = Com::COM_QUERY as u8;
    pub const QUIT: u8 = Com::COM_QUIT as u8;
    pub const RESET_CONNECTION: u8 = Com::COM_RESET_CONNECTION as u8;
    pub const SET_OPTION: u8 = Com::COM_SET_OPTION as u8;
    pub const STATISTICS: u8 = Com::COM_STATISTICS as u8;
    pub const STMT_CLOSE: u8 = Com::COM_STMT_CLOSE as u8;
    pub const STMT_EXECUTE: u8 = Com::COM_STMT_EXECUTE as u8;
    pub const STMT_FETCH: u8 = Com::COM_STMT_FETCH as u8;
    pub const STMT_PREPARE: u8 = Com::COM_STMT_PREPARE as u8;
    pub const STMT_RESET: u8 = Com::COM_STMT_RESET as u8;
    pub const STMT_SEND_LONG_DATA: u8 = Com::COM_STMT_SEND_LONG_DATA as u8;
}

enum Answer {
    Packets(Vec<Vec<u8>>),
    Run(Command),
    Fetch(u32, usize),
    Nothing,
    Quit,
}

impl<R: Responder> Session<R> {
    pub fn new(
        inbound: Inbound,
        responder: R,
        engine: Shared,
        seat: Seat,
        settings: Arc<Settings>,
        deprecate_eof: bool,
    ) -> Self {
        let (statements, last_statement) = (HashMap::new(), 0);
        Self { inbound, responder, engine, seat, settings, deprecate_eof, statements, last_statement }
    }

    /// Serves commands until the client goes away or the connection is killed.
    pub async fn run(mut self) -> io::Result<()> {
        let connection = self.seat.connection.clone();
        loop {
            let next = tokio::select! {
                _ = connection.cancelled() => break,
                next = timeout(self.settings.wait_timeout, self.inbound.packet(0)) => next,
            };
            let (p, seq) = match next {
                Ok(Ok(Some(next))) => next,
                Ok(Ok(None)) | Err(_) => break,
                Ok(Err(Broken::Io(e))) => return Err(e),
                Ok(Err(why)) => {
                    let e = match why {
                        Broken::TooLarge => {
                            SqlError::new(1153, "08S01", "Got a packet bigger than 'max_allowed_packet' bytes")
                        }
                        _ => SqlError::new(1156, "08S01", "Got packets out of order"),
                    };
                    self.responder.send(1, &[packet::err(&e)]).await?;
                    break;
                }
            };
            let answer = self.answer(p, seq).await.unwrap_or_else(|e| Answer::Packets(vec![packet::err(&e)]));
            match answer {
                Answer::Nothing => {}
                Answer::Quit => break,
                Answer::Packets(packets) => drop(self.responder.send(seq, &packets).await?),
                Answer::Run(command) => self.run_command(seq, command).await?,
                Answer::Fetch(id, n) => self.run_fetch(seq, id, n).await?,
            }
        }
        self.responder.shutdown().await
    }

    async fn run_command(&mut self, seq: u8, command: Command) -> io::Result<()> {
        let sql = match &command {
            Command::Query(sql) | Command::Prepare(_, sql) | Command::Execute { sql, .. } => Some(sql.clone()),
            Command::Close(_) | Command::InitDb(_) => None,
        };
        let id = match &command {
            Command::Prepare(id, _) => Some(*id),
            _ => None,
        };
        let shown = sql.as_deref().map(masked);
        if let Some(statement) = &shown {
            tracing::debug!(connection = self.seat.id, statement, "statement");
        }
        let cancel = self.seat.begin(shown);
        let work = self.responder.run(seq, command, cancel.clone());
        let done = watched(&mut self.inbound, &self.seat.connection, cancel, work).await?;
        let parameters = self.settle(seq, done).await?;
        let database = self.engine.lock().await.database();
        self.seat.end(database);
        if let (Some(id), Some(sql), Some(parameters)) = (id, sql, parameters) {
            self.statements.insert(id, Statement::new(sql, parameters));
        }
        Ok(())
    }

    async fn run_fetch(&mut self, seq: u8, id: u32, n: usize) -> io::Result<()> {
        let sql = self.statements.get(&id).map(|s| masked(&s.sql));
        let cancel = self.seat.begin(sql);
        let work = self.responder.fetch(seq, id, n, cancel.clone());
        let done = watched(&mut self.inbound, &self.seat.connection, cancel, work).await?;
        self.settle(seq, done).await?;
        let database = self.engine.lock().await.database();
        self.seat.end(database);
        Ok(())
    }

    /// What broke an answer ends the connection; a client that has seen nothing of the answer yet is told first.
    async fn settle<T>(&mut self, seq: u8, done: io::Result<T>) -> io::Result<T> {
        let Err(error) = &done else { return done };
        tracing::error!(connection = self.seat.id, %error, "an answer broke off");
        if !self.responder.started() {
            self.responder.send(seq, &[packet::err(&SqlError::failed())]).await?;
        }
        done
    }

    async fn state(&mut self) -> State {
        self.engine.lock().await.state()
    }

    fn statement(&mut self, id: u32, by: &str) -> Result<&mut Statement, SqlError> {
        self.statements.get_mut(&id).ok_or_else(|| SqlError::unknown_statement(id, by))
    }

    /// Decides about one command. Nothing here may trust a length.
    async fn answer(&mut self, p: Vec<u8>, seq: u8) -> Result<Answer, SqlError> {
        let (&com, body) = p.split_first().ok_or_else(SqlError::malformed)?;
        let id = || body.first_chunk().map(|b| u32::from_le_bytes(*b)).ok_or_else(SqlError::malformed);
        let state = self.state().await;
        let ok = || Answer::Packets(vec![packet::ok(0, 0, state.status, 0, "")]);
        Ok(match com {
            com::QUIT => Answer::Quit,
            com::PING => ok(),
            com::QUERY => Answer::Run(Command::Query(text(body)?.into())),
            com::INIT_DB => Answer::Run(Command::InitDb(text(body)?)),
            com::STMT_PREPARE => self.prepare(body)?,
            com::STMT_EXECUTE => self.execute(id()?, body)?,
            com::STMT_SEND_LONG_DATA => {
                self.long_data(body);
                Answer::Nothing
            }
            com::STMT_CLOSE => match id() {
                Ok(id) if self.statements.remove(&id).is_some() => Answer::Run(Command::Close(id)),
                _ => Answer::Nothing,
            },
            com::STMT_RESET => {
                self.statement(id()?, "mysqld_stmt_reset")?.reset();
                self.responder.close_cursor(id()?);
                ok()
            }
            com::STMT_FETCH => {
                let n = body.get(4..).and_then(|b| b.first_chunk()).ok_or_else(SqlError::malformed)?;
                Answer::Fetch(id()?, u32::from_le_bytes(*n) as usize)
            }
            com::SET_OPTION => match body {
                [0 | 1, 0] => Answer::Packets(vec![packet::end(self.deprecate_eof, state.status, 0)]),
                _ => return Err(SqlError::unknown_command()),
            },
            com::STATISTICS => Answer::Packets(vec![self.statistics()]),
            com::PROCESS_KILL => {
                self.seat.registry().kill(id()?, true)?;
                ok()
            }
            com::FIELD_LIST => self.fields(body, state).await?,
            com::RESET_CONNECTION => {
                self.close_statements().await?;
                self.engine.lock().await.reset().await?;
                Answer::Packets(vec![packet::ok(0, 0, self.state().await.status, 0, "")])
            }
            com::CHANGE_USER => self.change_user(&p, seq).await?,
            _ => return Err(SqlError::unknown_command()),
        })
    }

    fn prepare(&mut self, body: &[u8]) -> Result<Answer, SqlError> {
        if self.statements.len() >= self.settings.prepared_statements {
            let max = self.settings.prepared_statements;
            let text = format!("Can't create more than max_prepared_stmt_count statements (current value: {max})");
            return Err(SqlError::new(1461, "42000", text));
        }
        self.last_statement = self.last_statement.wrapping_add(1);
        while self.last_statement == 0 || self.statements.contains_key(&self.last_statement) {
            self.last_statement = self.last_statement.wrapping_add(1);
        }
        Ok(Answer::Run(Command::Prepare(self.last_statement, text(body)?.into())))
    }

    fn execute(&mut self, id: u32, body: &[u8]) -> Result<Answer, SqlError> {
        // after the id: flags, and the iteration count, which is always 1
        let flags = *body.get(4).ok_or_else(SqlError::malformed)?;
        let rest = body.get(9..).ok_or_else(SqlError::malformed)?;
        let statement = self.statement(id, "mysqld_stmt_execute")?;
        let parameters = statement.parameters(rest)?;
        let sql = statement.sql.clone();
        Ok(Answer::Run(Command::Execute { id, sql, parameters, cursor: flags & 1 != 0 }))
    }

    fn long_data(&mut self, body: &[u8]) {
        let max = self.settings.max_allowed_packet;
        let Some(([a, b, c, d, i, j], data)) = body.split_first_chunk() else { return };
        if let Some(statement) = self.statements.get_mut(&u32::from_le_bytes([*a, *b, *c, *d])) {
            statement.append(u16::from_le_bytes([*i, *j]), data, max);
        }
    }

    /// Two spaces: clients look for them.
    fn statistics(&self) -> Vec<u8> {
        let (up, threads, questions) = self.seat.registry().statistics();
        let up = up.as_secs();
        let rate = questions as f64 / up.max(1) as f64;
        format!(
            "Uptime: {up}  Threads: {threads}  Questions: {questions}  Slow queries: 0  Opens: 0  Flush tables: 0  \
             Open tables: 0  Queries per second avg: {rate:.3}"
        )
        .into_bytes()
    }

    async fn fields(&mut self, body: &[u8], state: State) -> Result<Answer, SqlError> {
        let table = text(body.split(|b| *b == 0).next().unwrap_or_default())?;
        let columns = self.engine.lock().await.fields(&table).await?;
        let mut packets: Vec<_> = columns.iter().map(|c| column::field_definition(c, state.charset)).collect();
        packets.push(packet::end(self.deprecate_eof, state.status, 0));
        Ok(Answer::Packets(packets))
    }

    async fn close_statements(&mut self) -> Result<(), SqlError> {
        for id in std::mem::take(&mut self.statements).into_keys() {
            self.run_command(0, Command::Close(id)).await.map_err(|_| SqlError::failed())?;
        }
        Ok(())
    }

    /// A failed change of user ends the connection, as MySQL does it.
    async fn change_user(&mut self, p: &[u8], seq: u8) -> Result<Answer, SqlError> {
        let change = ChangeUser::parse(p).ok_or_else(SqlError::malformed)?;
        let mut x = Conversation { session: self, seq };
        let entered = change.enter(&mut x).await;
        let seq = x.seq;
        let verdict = match entered {
            Ok(()) => self.become_user(change).await,
            Err(Refused::Sql(e)) => Err(e),
            Err(Refused::Io(_)) => return Ok(Answer::Quit),
        };
        let (packet, after) = match verdict {
            Ok(()) => (packet::ok(0, 0, self.state().await.status, 0, ""), Answer::Nothing),
            Err(e) => (packet::err(&e), Answer::Quit),
        };
        match self.responder.send(seq, &[packet]).await {
            Ok(_) => Ok(after),
            Err(_) => Ok(Answer::Quit),
        }
    }

    async fn become_user(&mut self, change: ChangeUser) -> Result<(), SqlError> {
        self.close_statements().await?;
        let mut engine = self.engine.lock().await;
        engine.enter(&change.user, change.collation.map(Charset::by_collation).unwrap_or_default()).await?;
        self.seat.enter(&change.user);
        if let Some(database) = &change.database {
            engine.use_database(database).await?;
        }
        self.seat.end(engine.database());
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<String, SqlError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| SqlError::new(1300, "HY000", "Invalid utf8mb4 character string"))
}

/// Runs `work` while the client and the connection's token are watched. The outer error: there is nobody left to be
/// answered.
async fn watched<T>(
    inbound: &mut Inbound,
    connection: &CancellationToken,
    cancel: CancellationToken,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<io::Result<T>> {
    let mut work = pin!(caught(work));
    tokio::select! {
        done = &mut work => Ok(done),
        _ = inbound.gone() => {
            cancel.cancel();
            // the answer has no reader; what matters is that the work ends
            let _ = timeout(GRACE, work).await;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        _ = connection.cancelled() => {
            timeout(GRACE, work).await.map_err(|_| io::ErrorKind::ConnectionAborted.into())
        }
    }
}

/// A panic ends the connection, not the process, and in order: what was sent stays sent.
async fn caught<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(io::Error::other("it panicked"))))
    })
    .await
}

struct Conversation<'a, R> {
    session: &'a mut Session<R>,
    seq: u8,
}

impl<R: Responder> Exchange for Conversation<'_, R> {
    async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.seq = self.session.responder.send(self.seq, &[payload.to_vec()]).await?;
        Ok(())
    }
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let patience = self.session.settings.login_timeout;
        let next = timeout(patience, self.session.inbound.packet(self.seq)).await?;
        let (p, seq) = next.ok().flatten().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.seq = seq;
        Ok(p)
    }
}
