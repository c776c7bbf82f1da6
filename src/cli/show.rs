//! How does a terminal show progress, rows and clusters?

use crate::archive::Archive;
use crate::capture::Progress;
use crate::error::Result;
use crate::model::value_at;
use crate::query::{ResultColumn, Rows};
use crate::timeline::Timeline;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr;

/// Rows shown of one result, at most.
const MAX_ROWS: usize = 1000;
/// How often progress is said where there is no terminal.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Progress on standard error: a bar on a terminal, a line now and then elsewhere.
pub struct Teller {
    bar: ProgressBar,
    terminal: bool,
    said: Mutex<Option<Instant>>,
}

impl Teller {
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5));
        if !terminal {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar, terminal, said: Mutex::new(None) }
    }

    /// Something that happened once.
    pub fn line(&self, text: &str) {
        if self.terminal {
            self.bar.suspend(|| eprintln!("{text}"));
        } else {
            eprintln!("{text}");
        }
    }

    /// How far something is: `total` 0 if that is not known.
    pub fn part(&self, done: u64, total: u64, text: &str) {
        if self.terminal {
            let style = if total > 0 { "{bar:30} {percent}% {msg}" } else { "{spinner} {msg}" };
            self.bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_length(total.max(1));
            self.bar.set_position(done.min(total));
            self.bar.set_message(text.to_string());
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(|e| e.into_inner());
        if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            *said = Some(Instant::now());
            eprintln!("{text}");
        }
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// What capture tells.
    pub fn capture(&self, cluster: &str, progress: &Progress) {
        match progress {
            Progress::Checking => self.part(0, 0, &format!("{cluster}: looking at the source")),
            Progress::Base { tables_done, tables, rows, rows_expected, bytes } => {
                let of = tables.map_or(String::new(), |n| format!(" of {n}"));
                let text = format!("{cluster}: base: {tables_done}{of} tables, {rows} rows, {}", size(*bytes));
                self.part(*rows, rows_expected.unwrap_or(0), &text);
            }
            Progress::BaseDone { tables, rows, bytes, took } => {
                self.line(&format!(
                    "{cluster}: base of {tables} tables, {rows} rows, {} in {:.1} s",
                    size(*bytes),
                    took.as_secs_f64()
                ));
            }
            Progress::Log { seq, time, .. } => self.part(0, 0, &format!("{cluster}: captured up to seq {seq}, {time}")),
            Progress::CaughtUp { seq } => self.line(&format!("{cluster}: caught up at seq {seq}")),
            Progress::Waiting { error, retry_in } => {
                self.line(&format!("{cluster}: {error}; trying again in {} s", retry_in.as_secs().max(1)));
            }
            Progress::Resumed => self.line(&format!("{cluster}: going on")),
            Progress::Gap { why } => self.line(&format!("{cluster}: taking a new base behind a gap: {why}")),
            Progress::Uncertain { table, why, seq } => {
                self.line(&format!("{cluster}: table {table} is uncertain from seq {seq} on: {why}"));
            }
            Progress::Spooled(waiting) => {
                let why = waiting.away.as_ref().map_or(String::new(), |(_, why)| format!(": {why}"));
                let (objects, held) = (waiting.objects, size(waiting.bytes));
                self.line(&format!(
                    "{cluster}: {objects} objects, {held}, wait in the spool and are sent when this runs again{why}"
                ));
            }
            Progress::Retaken { table, seq } => {
                self.line(&format!("{cluster}: table {table} is certain again from seq {seq} on"))
            }
        }
    }
}

/// `12.3 MiB`
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (bytes.max(1).ilog2() / 10).min(4);
    match power {
        0 => format!("{bytes} B"),
        p => format!("{:.1} {}", bytes as f64 / f64::from(1u32 << 10).powi(p as i32), units[p as usize]),
    }
}

/// Prints rows as the mysql client does; at most `MAX_ROWS`.
pub async fn rows(mut rows: Rows) -> Result<()> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut more = false;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            if lines.len() == MAX_ROWS {
                more = true;
                break;
            }
            let cells = rows.columns.iter().zip(batch.columns()).map(|(column, array)| cell(column, array, row));
            lines.push(cells.collect::<Result<_>>()?);
        }
    }
    let headings: Vec<String> = rows.columns.iter().map(|c| c.name.clone()).collect();
    let numeric: Vec<bool> = rows.columns.iter().map(|c| c.kind.is_numeric()).collect();
    table(&headings, &numeric, &lines);
    if more {
        println!("… and more");
    }
    Ok(())
}

fn cell(column: &ResultColumn, array: &dyn arrow::array::Array, row: usize) -> Result<String> {
    let value = value_at(array, row, &column.kind)?;
    Ok(value.display(&column.kind).map_or("NULL".to_string(), |text| String::from_utf8_lossy(&text).into_owned()))
}

/// Prints a table with borders. `numeric` columns are set to the right.
pub fn table(headings: &[String], numeric: &[bool], lines: &[Vec<String>]) {
    let widths: Vec<usize> = (0..headings.len())
        .map(|i| lines.iter().map(|l| l[i].width()).chain([headings[i].width()]).max().unwrap_or(0))
        .collect();
    let rule = widths.iter().map(|w| "-".repeat(w + 2)).collect::<Vec<_>>().join("+");
    let line = |cells: &[String], right: &dyn Fn(usize) -> bool| {
        let cells = cells.iter().enumerate().map(|(i, c)| {
            let pad = " ".repeat(widths[i].saturating_sub(c.width()));
            if right(i) { format!(" {pad}{c} ") } else { format!(" {c}{pad} ") }
        });
        format!("|{}|", cells.collect::<Vec<_>>().join("|"))
    };
    let mut out = format!("+{rule}+\n{}\n+{rule}+\n", line(headings, &|_| false));
    for l in lines {
        out += &line(l, &|i| numeric[i]);
        out.push('\n');
    }
    out += &format!("+{rule}+\n");
    // a pipe that was closed is no error of ours
    let _ = std::io::stdout().write_all(out.as_bytes());
}

/// `pcloud ls`
pub async fn clusters(archive: &Archive) -> Result<ExitCode> {
    let mut lines = Vec::new();
    for name in archive.clusters().await? {
        let coverage = Timeline::load(archive.cluster(&name)?).await?.coverage()?;
        let trouble = coverage.uncertain.iter().filter(|u| u.until.is_none()).count();
        lines.push(vec![
            name,
            coverage.source,
            coverage.first.time.to_string(),
            coverage.until.to_string(),
            coverage.latest.seq.to_string(),
            size(coverage.base_bytes),
            trouble.to_string(),
        ]);
    }
    let headings = ["cluster", "source", "first moment", "complete up to", "seq", "bases", "uncertain tables"];
    table(&headings.map(String::from), &[false, false, false, false, true, true, true], &lines);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!([0, 1023, 1024, 5 << 20, 3 << 40].map(size), ["0 B", "1023 B", "1.0 KiB", "5.0 MiB", "3.0 TiB"]);
    }
}
