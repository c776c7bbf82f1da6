//! Everything that can be asked of a history, as lines of text.

use crate::support::archive::rows_at;
use futures::TryStreamExt;
use pcloud::model::{Micros, Moment, MomentSpec, Seq};
use pcloud::timeline::{Period, Timeline};

/// Of each moment from `from` on: its time, GTID and catalog, and every table's rows or why they are refused; then
/// what each table's history says of the whole time.
pub async fn answers(timeline: &Timeline, from: Seq) -> Vec<String> {
    let mut said = Vec::new();
    for seq in (from.0..=timeline.latest().seq.0).map(Seq) {
        said.extend(moment(timeline, seq).await);
    }
    let period = Period { from, to: timeline.latest().seq };
    for name in ["t", "bag", "parent", "child"].map(|t| pcloud::model::TableName::new("d", t)) {
        let mut lines = match timeline.history(&name, period).await {
            Err(e) => vec![format!("{:?} {}", e.kind, e.message)],
            Ok((schema, _, versions)) => {
                let batches: Vec<_> = versions.try_collect().await.expect("versions");
                let shown = |b: &arrow::array::RecordBatch, row: usize| {
                    let cells = b.columns().iter().map(|c| arrow::util::display::array_value_to_string(c, row));
                    cells.map(|c| c.expect("text")).collect::<Vec<_>>().join(" ")
                };
                let rows = batches.iter().flat_map(|b| (0..b.num_rows()).map(move |row| shown(b, row)));
                rows.map(|row| format!("{} had {row}", schema.name)).collect()
            }
        };
        lines.sort();
        said.extend(lines);
    }
    said.push(format!("gaps {:?}", timeline.gaps()));
    said.push(format!("uncertain {:?}", timeline.uncertain_intervals()));
    said.push(format!("latest {:?} until {:?}", timeline.latest(), timeline.until()));
    said
}

/// All that is to be said of one moment.
pub async fn moment(timeline: &Timeline, seq: Seq) -> Vec<String> {
    let Moment { time, .. } = timeline.moment(seq).expect("a moment");
    let catalog = timeline.catalog_at(seq).expect("a catalog");
    let mut said = vec![format!("{seq} at {time}, {:?}: {catalog:?}", timeline.gtid_at(seq))];
    for table in catalog.tables.values() {
        let rows = match timeline.table(&table.name, seq) {
            Err(e) => format!("{:?} {}", e.kind, e.message),
            Ok(schema) => match timeline.snapshot(schema.id, seq).await {
                Err(e) => format!("{:?} {}", e.kind, e.message),
                Ok(snapshot) => {
                    let rows = rows_at(timeline, &schema.name, seq).await;
                    assert_eq!(snapshot.rows, rows.len() as u64, "the count of {} at {seq}", schema.name);
                    format!("{rows:?}")
                }
            },
        };
        said.push(format!("{seq} {}: {rows}", table.name));
    }
    said
}

/// Which seq each of these times means.
pub fn located(timeline: &Timeline, times: &[Micros]) -> Vec<String> {
    let at = |t: &Micros| match timeline.resolve(&MomentSpec::At(*t)) {
        Ok(m) => format!("{t}: {}", m.seq),
        Err(e) => format!("{t}: {:?} {}", e.kind, e.message),
    };
    times.iter().map(at).collect()
}

/// Panics with the first line that differs.
pub fn same(found: &[String], expected: &[String], what: &str) {
    for (n, (a, b)) in found.iter().zip(expected).enumerate() {
        assert_eq!(a, b, "{what}: line {n}");
    }
    assert_eq!(found.len(), expected.len(), "{what}: how much is said");
}
