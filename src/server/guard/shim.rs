//! opensrv's callbacks: they fetch the real command from the `Link`, ask the engine, and give rows to opensrv's writers.

use super::sink::{Link, Sink};
use crate::error::Error;
use crate::model::Value;
use crate::query::Rows;
use crate::server::column;
use crate::server::cursor::Cursor;
use crate::server::encode::{self, Cells};
use crate::server::engine::{Engine, Reply, Shared};
use crate::server::errno::SqlError;
use crate::server::packet::MAX_PHYSICAL;
use crate::server::session::Command;
use async_trait::async_trait;
use futures::StreamExt;
use opensrv_mysql::{
    AsyncMysqlShim, ColumnFlags, ColumnType, ErrorKind, InitWriter, OkResponse, ParamParser, QueryResultWriter,
    StatementMetaWriter, ToMysqlValue,
};
use std::cell::Cell as Counter;
use std::io::{self, Write};
use std::sync::LazyLock;
use tokio_util::sync::CancellationToken;

/// As MySQL's and MariaDB's own limit.
const MAX_COLUMNS: usize = 4096;

pub struct Shim {
    link: Link,
    engine: Shared,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Binary,
    Cursor(u32),
}

/// Columns for opensrv to count and write; the sink puts the real ones in their place.
static STAND_INS: LazyLock<Vec<opensrv_mysql::Column>> = LazyLock::new(|| {
    let c = opensrv_mysql::Column {
        table: String::new(),
        column: String::new(),
        coltype: ColumnType::MYSQL_TYPE_NULL,
        colflags: ColumnFlags::empty(),
    };
    vec![c; usize::from(u16::MAX)]
});

fn stand_ins(n: usize) -> io::Result<&'static [opensrv_mysql::Column]> {
    STAND_INS.get(..n).ok_or_else(|| io::Error::other("too many columns"))
}

impl Shim {
    pub fn new(link: Link, engine: Shared) -> Self {
        Self { link, engine }
    }

    fn take(&self) -> io::Result<(Command, CancellationToken)> {
        self.link.lock().input.take().ok_or_else(|| io::Error::other("opensrv called back without a command"))
    }

    /// The error that the client is to see; opensrv gets a stand-in.
    fn fail(&self, e: SqlError) -> ErrorKind {
        self.link.lock().error = Some(e);
        ErrorKind::ER_UNKNOWN_ERROR
    }

    /// Status and warnings as they are now.
    fn publish(&self, engine: &mut dyn Engine) {
        let state = engine.state();
        let mut core = self.link.lock();
        (core.status, core.warnings) = (state.status, state.warnings);
    }

    async fn answer(
        &mut self,
        sql: &str,
        parameters: &[Value],
        cancel: CancellationToken,
        kind: Kind,
        w: QueryResultWriter<'_, Sink>,
    ) -> io::Result<()> {
        let engine = self.engine.clone();
        let mut engine = engine.lock().await;
        let reply = tokio::select! {
            biased;
            reply = engine.run(sql, parameters, cancel.clone()) => reply,
            () = cancel.cancelled() => Err(SqlError::interrupted()),
        };
        self.publish(&mut **engine);
        let rows = match reply {
            Err(e) => return w.error(self.fail(e), b"").await,
            Ok(Reply::Done { affected, info }) => {
                return w.completed(OkResponse { affected_rows: affected, info, ..Default::default() }).await;
            }
            Ok(Reply::Rows(rows)) => rows,
        };
        if let Some(e) = unfit(rows.columns.len()) {
            return w.error(self.fail(e), b"").await;
        }
        let n = rows.columns.len();
        let charset = engine.state().charset;
        self.link.lock().columns = rows.columns.iter().map(|c| column::definition(c, charset)).collect();
        match kind {
            Kind::Cursor(id) => {
                self.link.lock().cursor = Some((id, Cursor::new(rows, charset, cancel)));
                w.start(stand_ins(n)?).await?.finish().await
            }
            kind => {
                let w = w.start(stand_ins(n)?).await?;
                self.rows(rows, &mut **engine, matches!(kind, Kind::Binary), cancel, w).await
            }
        }
    }

    async fn rows(
        &self,
        mut rows: Rows,
        engine: &mut dyn Engine,
        binary: bool,
        cancel: CancellationToken,
        mut w: opensrv_mysql::RowWriter<'_, Sink>,
    ) -> io::Result<()> {
        let charset = engine.state().charset;
        loop {
            let next = tokio::select! {
                biased;
                () = cancel.cancelled() => Some(Err(SqlError::interrupted())),
                next = rows.batches.next() => next.map(|n| n.map_err(SqlError::from)),
            };
            let batch = match next {
                Some(Ok(batch)) => batch,
                Some(Err(e)) => return w.finish_error(self.fail(e), &[0; 0]).await,
                None => break,
            };
            let cells = match encode::cells(&batch, &rows.columns, charset) {
                Ok(cells) => cells,
                Err(e) => return w.finish_error(self.fail(e.into()), &[0; 0]).await,
            };
            for row in 0..batch.num_rows() {
                let len = Counter::new(if binary { 1 + (cells.len() + 9) / 8 } else { 0 });
                for cell in &cells {
                    w.write_col(Written { cell, row, len: &len })?;
                }
                if len.get().is_multiple_of(MAX_PHYSICAL) {
                    self.link.lock().exact_row = Some(len.get());
                }
                w.end_row().await?;
            }
        }
        self.publish(engine);
        w.finish().await
    }
}

fn unfit(columns: usize) -> Option<SqlError> {
    match columns {
        0 => Some(Error::internal("a result without columns").into()),
        n if n > MAX_COLUMNS => Some(SqlError::new(1117, "HY000", "Too many columns")),
        _ => None,
    }
}

/// A cell on its way into opensrv's row, counting its bytes.
struct Written<'a> {
    cell: &'a Cells<'a>,
    row: usize,
    len: &'a Counter<usize>,
}

struct Count<'a, W>(&'a mut W, &'a Counter<usize>);

impl<W: Write> Write for Count<'_, W> {
    fn write(&mut self, b: &[u8]) -> io::Result<usize> {
        self.0.write_all(b)?;
        self.1.set(self.1.get() + b.len());
        Ok(b.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ToMysqlValue for Written<'_> {
    fn to_mysql_text<W: Write>(&self, w: &mut W) -> io::Result<()> {
        self.cell.write_text(self.row, &mut Count(w, self.len))
    }
    fn to_mysql_bin<W: Write>(&self, w: &mut W, _: &opensrv_mysql::Column) -> io::Result<()> {
        self.cell.write_binary(self.row, &mut Count(w, self.len))
    }
    fn is_null(&self) -> bool {
        self.cell.is_null(self.row)
    }
}

#[async_trait]
impl AsyncMysqlShim<Sink> for Shim {
    type Error = io::Error;

    async fn on_query<'a>(&'a mut self, _: &'a str, w: QueryResultWriter<'a, Sink>) -> io::Result<()> {
        let (Command::Query(sql), cancel) = self.take()? else { return Err(io::Error::other("not a query")) };
        self.answer(&sql, &[], cancel, Kind::Text, w).await
    }

    async fn on_execute<'a>(
        &'a mut self,
        _: u32,
        _: ParamParser<'a>,
        w: QueryResultWriter<'a, Sink>,
    ) -> io::Result<()> {
        let (Command::Execute { id, sql, parameters, cursor }, cancel) = self.take()? else {
            return Err(io::Error::other("not an execute"));
        };
        let kind = if cursor { Kind::Cursor(id) } else { Kind::Binary };
        self.answer(&sql, &parameters, cancel, kind, w).await
    }

    async fn on_prepare<'a>(&'a mut self, _: &'a str, w: StatementMetaWriter<'a, Sink>) -> io::Result<()> {
        let (Command::Prepare(id, sql), cancel) = self.take()? else { return Err(io::Error::other("not a prepare")) };
        let engine = self.engine.clone();
        let mut engine = engine.lock().await;
        let prepared = tokio::select! {
            biased;
            prepared = engine.prepare(&sql) => prepared,
            () = cancel.cancelled() => Err(SqlError::interrupted()),
        };
        self.publish(&mut **engine);
        let prepared = prepared.and_then(|p| match (p.parameters, p.columns.len()) {
            (n, _) if n > usize::from(u16::MAX) => {
                Err(SqlError::new(1390, "HY000", "Prepared statement contains too many placeholders"))
            }
            (_, n) if n > MAX_COLUMNS => Err(SqlError::new(1117, "HY000", "Too many columns")),
            _ => Ok(p),
        });
        match prepared {
            Err(e) => w.error(self.fail(e), b"").await,
            Ok(p) => {
                let charset = engine.state().charset;
                {
                    let mut core = self.link.lock();
                    core.parameters = vec![column::parameter(); p.parameters];
                    core.columns = p.columns.iter().map(|c| column::definition(c, charset)).collect();
                }
                w.reply(id, stand_ins(p.parameters)?, stand_ins(p.columns.len())?).await
            }
        }
    }

    async fn on_close<'a>(&'a mut self, _: u32)
    where
        Sink: 'async_trait,
    {
    }

    async fn on_init<'a>(&'a mut self, _: &'a str, w: InitWriter<'a, Sink>) -> io::Result<()> {
        let (Command::InitDb(name), _) = self.take()? else { return Err(io::Error::other("not an init")) };
        let engine = self.engine.clone();
        let mut engine = engine.lock().await;
        let done = engine.use_database(&name).await;
        self.publish(&mut **engine);
        match done {
            Ok(()) => w.ok().await,
            Err(e) => w.error(self.fail(e), b"").await,
        }
    }
}
