//! What do the databases, tables and columns of the moment look like in information_schema?

use super::scene::Scene;
use crate::model::Row;

pub(super) fn schemata(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn tables(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn columns(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn statistics(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn key_column_usage(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn table_constraints(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn referential_constraints(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn check_constraints(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}

pub(super) fn partitions(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}
