//! The archive's unit tests, which use a directory when they run alone, once more on a real S3 server.

use crate::support::archive::text;
use crate::support::s3::{S3, keys};
use std::path::PathBuf;
use std::process::Command;

/// The library's test program, which `cargo test` has built beside this one.
fn unit_tests() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--lib", "--no-run", "--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let out = cargo.output().expect("cargo starts");
    assert!(out.status.success(), "{}", text(&out.stderr));
    let said = text(&out.stdout);
    let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let built = messages.filter_map(|m| Some(PathBuf::from(m.get("executable")?.as_str()?))).next_back();
    built.expect("a program")
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
