//! What do table maps and row events of the log mean? Changes of the tables that are kept.

use super::super::ddl;
use super::super::event::{Cut, Damage, RawEvent};
use super::super::rows::Layout;
use super::super::shape;
use super::unchecked::Rows;
use super::{LogReader, Mapped};
use crate::model::{SourceEvent, TableName, TableSchema};
use std::sync::Arc;

impl LogReader {
    pub(super) fn table_map(&mut self, e: &RawEvent<'_>) -> Cut<()> {
        let id = shape::table_id(e.body)?;
        let (database, table) = shape::table_map_names(e.body)?;
        let name = TableName::new(database, table);
        let mapped = match self.names.get(&name).cloned() {
            _ if !self.filter.table(&name) => Mapped::LeftOut,
            Some(schema) if self.catalog.uncertain.contains_key(&schema.id) => Mapped::Uncertain(schema.id),
            Some(schema) => self.layout(schema, e)?,
            None => {
                if !self.catalog.refused.contains_key(&name) {
                    let why = "rows of it are in the log, and its CREATE TABLE is not";
                    self.emit_schema(ddl::unseen(&self.catalog, &name, why).into());
                }
                Mapped::LeftOut
            }
        };
        self.maps.insert(id, mapped);
        Ok(())
    }

    fn layout(&mut self, schema: Arc<TableSchema>, e: &RawEvent<'_>) -> Cut<Mapped> {
        // all but the number, which is another after each restart
        let shape = e.body.get(6..).unwrap_or_default();
        if let Some((known, layout)) = self.layouts.get(&schema.id)
            && known == shape
            && Arc::ptr_eq(&layout.schema, &schema)
        {
            return Ok(Mapped::Kept(layout.clone()));
        }
        let map = shape::table_map(e.body)?;
        let id = schema.id;
        match Layout::new(schema, &map) {
            Ok(layout) => {
                let layout = Arc::new(layout);
                self.layouts.insert(id, (shape.to_vec(), layout.clone()));
                Ok(Mapped::Kept(layout))
            }
            Err(why) => {
                self.doubt(&[id], &why);
                Ok(Mapped::Uncertain(id))
            }
        }
    }

    pub(super) fn rows(&mut self, e: &RawEvent<'_>) -> Cut<()> {
        self.risk(e)?;
        let id = shape::table_id(e.body)?;
        // MySQL ends some statements with a row event of no table
        if id == 0x00ff_ffff && !self.maps.contains_key(&id) {
            return Ok(());
        }
        let event = shape::rows(e)?;
        self.digest.update(&event.images);
        let layout = match self.maps.get(&id) {
            Some(Mapped::Kept(layout)) => layout.clone(),
            Some(Mapped::LeftOut) => return Ok(()),
            Some(Mapped::Uncertain(table)) => {
                let table = *table;
                if let Some(held) = self.transaction.as_mut().and_then(|t| t.held.as_mut()) {
                    held.unread.insert(table);
                }
                return self.mark_unread(e, table);
            }
            None => return Err(Damage(format!("it changes rows of table number {id}, which was not described"))),
        };
        let table = layout.schema.id;
        let flags = Rows::of(e)?;
        match layout.changes(&event) {
            Ok(changes) => {
                self.transaction.get_or_insert_default().tables.insert(table);
                self.mark(&layout.schema, &changes, flags);
                let rows = SourceEvent::Rows { table: layout.schema.clone(), changes, cascades: flags.cascades };
                self.emit(rows);
            }
            Err(why) => {
                self.maps.insert(id, Mapped::Uncertain(table));
                self.mark_unread(e, table)?;
                self.doubt(&[table], &why);
            }
        }
        Ok(())
    }

    /// The log has parts of JSON values, whose wholes it does not have.
    pub(super) fn partial_rows(&mut self, e: &RawEvent<'_>) -> Cut<()> {
        if shape::rows_cascade(e)? {
            self.doubt_at_risk();
        }
        let id = shape::table_id(e.body)?;
        let table = match self.maps.get(&id) {
            Some(Mapped::Kept(layout)) => layout.schema.id,
            Some(Mapped::Uncertain(table)) => {
                let table = *table;
                return self.mark_unread(e, table);
            }
            _ => return Ok(()),
        };
        self.mark_unread(e, table)?;
        self.maps.insert(id, Mapped::Uncertain(table));
        self.doubt(
            &[table],
            "the log has only the changed parts of JSON values (binlog_row_value_options=PARTIAL_JSON)",
        );
        Ok(())
    }
}
