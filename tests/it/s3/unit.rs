//! The archive's unit tests, which use a directory when they run alone, once more on a real S3 server.

use crate::support::archive::text;
use crate::support::s3::{S3, keys};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library's test program, which `cargo test` has built beside this one: the newest that has these tests.
fn unit_tests() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_pcloud"));
    let all = std::fs::read_dir(program.with_file_name("deps")).expect("a directory");
    let programs = all.map(|entry| entry.expect("an entry").path()).filter(|path| {
        path.extension().is_none() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pcloud-"))
    });
    let mut programs: Vec<_> = programs.map(|path| (path.metadata().and_then(|m| m.modified()).ok(), path)).collect();
    programs.sort();
    let has_them = |path: &PathBuf| {
        let list = Command::new(path).arg("--list").output();
        list.is_ok_and(|out| text(&out.stdout).contains("archive::tests::bases::"))
    };
    let newest = programs.into_iter().rev().map(|(_, path)| path).find(has_them);
    newest.expect("cargo test builds the library's tests, too")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archives_own_tests_pass() {
    let s3 = S3::start().await;
    let mut tests = Command::new(unit_tests());
    let out = keys(tests.arg("archive::tests").env("PCLOUD_TEST_ARCHIVE", s3.url("{}"))).output().expect("it starts");
    let said = text(&out.stdout);
    assert!(out.status.success(), "{said}\n{}", text(&out.stderr));
    let passed = said.split(" passed").next().and_then(|s| s.rsplit(' ').next()).and_then(|n| n.parse::<u32>().ok());
    assert!(passed.is_some_and(|n| n >= 15), "{said}");
    let clusters = s3.client().list_objects_v2().bucket("pcloud").delimiter("/").send().await.expect("a listing");
    assert!(clusters.common_prefixes().len() >= 10, "they wrote there: {clusters:?}");
}
