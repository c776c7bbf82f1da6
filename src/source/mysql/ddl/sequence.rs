//! Sequences: CREATE and ALTER SEQUENCE. What a sequence holds is not in these statements' log, so it is read again.

use super::apply::Steps;
use super::lex::{Parser, Read};
use super::parse_create_table;
use crate::model::{SchemaChange, TableId};
use std::sync::Arc;

/// The columns that every sequence has. Source: sequence_structure in MariaDB's sql_sequence.cc.
const COLUMNS: &str = "`next_not_cached_value` bigint(21) NOT NULL, `minimum_value` bigint(21) NOT NULL, \
    `maximum_value` bigint(21) NOT NULL, `start_value` bigint(21) NOT NULL COMMENT 'start value when sequences is created \
    or value if RESTART is used', `increment` bigint(21) NOT NULL COMMENT 'increment value', \
    `cache_size` bigint(21) unsigned NOT NULL, `cycle_option` tinyint(1) unsigned NOT NULL COMMENT '0 if no cycles are \
    allowed, 1 if the sequence should begin a new cycle when maximum_value is passed', `cycle_count` bigint(21) NOT NULL \
    COMMENT 'How many cycles have been done'";

/// After `CREATE SEQUENCE`.
pub fn created(steps: &mut Steps<'_>, p: &mut Parser<'_>, replace: bool) -> Read<()> {
    let skip = p.takes(&["IF", "NOT", "EXISTS"]);
    let name = steps.table_name(p)?;
    p.rest();
    if !steps.filter.table(&name) {
        return Ok(());
    }
    if let Some(known) = steps.known(&name) {
        if skip {
            return Ok(());
        }
        if replace {
            steps.push(SchemaChange::TableDropped { id: known.id });
        }
    }
    let create = format!("CREATE TABLE {} ({COLUMNS}) ENGINE=InnoDB SEQUENCE=1", super::quote(&name.table));
    let id = TableId(steps.catalog.next_table);
    let defaults = ("utf8mb4", "utf8mb4_general_ci");
    match parse_create_table(&create, name.clone(), id, defaults) {
        Ok(schema) => {
            steps.push(SchemaChange::Table { schema: Arc::new(schema) });
            steps.uncertain(&name, "its first values are not in the log");
        }
        Err(refusal) => steps.refuse(&name, &refusal.to_string()),
    }
    Ok(())
}

/// After `ALTER SEQUENCE`.
pub fn altered(steps: &mut Steps<'_>, p: &mut Parser<'_>) -> Read<()> {
    p.takes(&["IF", "EXISTS"]);
    let name = steps.table_name(p)?;
    p.rest();
    steps.uncertain(&name, "what it sets is not in the log");
    Ok(())
}
