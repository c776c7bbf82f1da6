//! Which views, triggers, routines and events are there? Read from the statements that make them.

use super::scene::Scene;
use crate::model::Row;

pub(super) fn views(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}
pub(super) fn triggers(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}
pub(super) fn routines(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}
pub(super) fn events(_scene: &Scene) -> Vec<Row> {
    Vec::new()
}
