//! Does the tree still show the architecture? The import law, the doors to foreign crates, and the house's limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder to the folders that it may import, beside `error`, `clock` and `model`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("dial", &[]),
    ("source", &["dial"]),
    ("archive", &[]),
    ("capture", &["source", "archive"]),
    ("timeline", &["archive"]),
    ("query", &["timeline", "archive"]),
    ("restore", &["dial", "timeline", "archive"]),
    ("verify", &["source", "timeline", "archive"]),
    ("upkeep", &["timeline", "archive"]),
    ("server", &["query", "restore", "timeline", "verify", "upkeep"]),
    ("cli", &["source", "archive", "capture", "timeline", "query", "restore", "verify", "upkeep", "server"]),
];

/// Foreign crate to the places that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("datafusion", &["query"]),
    ("sqlparser", &["query"]),
    ("object_store", &["archive"]),
    ("parquet", &["archive"]),
    ("aws_config", &["archive/store/s3"]),
    ("aws_sdk_s3", &["archive/store/s3"]),
    ("aws_smithy_http_client", &["archive/store/s3"]),
    ("age", &["archive/keys", "archive/store/sealed"]),
    ("age_core", &["archive/store/sealed"]),
    ("zstd", &["archive", "source"]),
    ("flate2", &["source"]),
    ("mysql_async", &["dial", "source/mysql", "restore/sink"]),
    ("mysql_common", &["source/mysql", "restore/sink", "server"]),
    ("opensrv_mysql", &["server"]),
    ("tokio_rustls", &["dial"]),
    ("webpki_roots", &["dial"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("rpassword", &["cli"]),
    ("toml", &["cli"]),
    ("tracing_subscriber", &["cli"]),
];

/// Lines of a file before its tests.
const MAX_LINES: usize = 500;

struct Source {
    /// Relative to `src`: `query/table.rs`.
    path: String,
    text: String,
}

impl Source {
    fn folder(&self) -> &str {
        self.path.split('/').next().expect("split gives one part")
    }
    /// Its lines before `#[cfg(test)]`, without comments. What is named `tests` is all tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        let lines = self.text.lines().filter(move |_| !tests).enumerate().map(|(i, l)| (i + 1, l));
        lines.take_while(|(_, l)| !l.starts_with("#[cfg(test)]")).filter(|(_, l)| !l.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let read = |p: PathBuf| Source {
        path: p.strip_prefix(&root).expect("below src").to_string_lossy().into_owned(),
        text: fs::read_to_string(&p).expect("text"),
    };
    paths.into_iter().map(read).collect()
}

/// Every `word::` in a line that follows no other path segment, and every `use word`.
fn crates_named(line: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for (at, _) in line.match_indices("::") {
        let head = &line[..at];
        let start = head.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |i| i + 1);
        if !head[..start].ends_with("::") && !head[..start].ends_with(['"', '`']) {
            out.push(&head[start..]);
        }
    }
    out
}

#[test]
fn folders_import_only_what_the_law_allows() {
    let law: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut broken = Vec::new();
    for source in sources().iter().filter(|s| s.path.contains('/')) {
        let allowed =
            law.get(source.folder()).unwrap_or_else(|| panic!("src/{} is in no law: add it", source.folder()));
        let own = source.folder();
        for (n, line) in source.code() {
            for (at, _) in line.match_indices("crate::") {
                let target =
                    line[at + 7..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                let targets = if target.is_empty() { nested(&line[at + 7..]) } else { vec![target] };
                for target in targets {
                    if law.contains_key(target) && target != own && target != "model" && !allowed.contains(&target) {
                        broken.push(format!("src/{}:{n}: {own} may not import {target}", source.path));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The first words in `{a::b, c}`.
fn nested(braces: &str) -> Vec<&str> {
    let words = braces.trim_start_matches('{').split([',', '}']);
    words.filter_map(|w| w.trim().split("::").next()).filter(|w| !w.is_empty()).collect()
}

#[test]
fn each_foreign_crate_has_one_door() {
    let mut broken = Vec::new();
    for source in sources() {
        for (n, line) in source.code() {
            for named in crates_named(line) {
                let Some((name, doors)) = DOORS.iter().find(|(name, _)| *name == named) else { continue };
                if !doors.iter().any(|d| source.path.starts_with(&format!("{d}/")) || source.path == format!("{d}.rs"))
                {
                    broken.push(format!("src/{}:{n}: {name} is named outside {}", source.path, doors.join(", ")));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_are_short_and_folders_say_what_they_answer() {
    let mut broken = Vec::new();
    for source in sources() {
        let lines = source.text.lines().take_while(|l| !l.starts_with("#[cfg(test)]")).count();
        if lines > MAX_LINES {
            broken.push(format!("src/{}: {lines} lines before its tests; split it by an idea", source.path));
        }
        if !source.text.starts_with("//!") {
            broken.push(format!("src/{}: does not open with what it is for", source.path));
        }
        let top = source.path.ends_with("/mod.rs") && source.path.matches('/').count() == 1;
        let head: Vec<_> = source.text.lines().take_while(|l| l.starts_with("//!")).collect();
        if top && !(head.first().is_some_and(|l| l.contains('?')) && head.iter().any(|l| l.contains("nows "))) {
            broken.push(format!(
                "src/{}: says not which question the folder answers and what it must not know",
                source.path
            ));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn nothing_panics_on_purpose_or_prints_outside_the_cli() {
    let banned = [
        ".unwrap()",
        "panic!(",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        "TODO",
        "FIXME",
        "#[ignore",
        "SystemTime::now",
        "Utc::now",
    ];
    let mut broken = Vec::new();
    for source in sources() {
        for (n, line) in source.code() {
            let printing = ["println!(", "print!("].iter().any(|p| line.contains(p)) && source.folder() != "cli";
            let clock = source.path == "clock.rs";
            for word in banned.iter().filter(|w| line.contains(*w) && !(clock && w.contains("now"))) {
                broken.push(format!("src/{}:{n}: {word}", source.path));
            }
            if printing {
                broken.push(format!("src/{}:{n}: prints", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_rules_see_what_they_forbid() {
    assert_eq!(crates_named("use datafusion::prelude::*;"), ["datafusion"]);
    assert_eq!(crates_named("    let x: Vec<parquet::file::X> = crate::archive::y();"), ["parquet", "crate"]);
    assert_eq!(nested("{archive::Base, model}"), ["archive", "model"]);
}
