//! The store itself: object_store's own suite, and what pcloud asks of it beyond that.

use crate::support::proxy::{Fate, Proxy};
use crate::support::s3::{S3, has_keys, url};
use futures::{StreamExt, TryStreamExt};
use object_store::integration::*;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use pcloud::archive::{Access, Archive};
use pcloud::clock::SystemClock;
use pcloud::error::Kind;
use std::sync::Arc;

async fn plain(s3: &S3, prefix: &str) -> Archive {
    let access = Access { plain: true, ..Access::default() };
    Archive::create_with(&s3.url(prefix), &access, &SystemClock).await.expect("made")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_of_object_store_passes() {
    if !has_keys("s3::store::the_suite_of_object_store_passes") {
        return;
    }
    let s3 = S3::start().await;
    let store = plain(&s3, "a/prefix").await.object_store();
    store.delete(&Path::from("pcloud.json")).await.expect("the suite wants an empty store");
    // each wants an empty store, and few leave one
    put_get_delete_list(&store).await;
    empty(&store).await;
    stream_get(&store).await;
    empty(&store).await;
    put_get_attributes(&store).await;
    empty(&store).await;
    get_opts(&store).await;
    empty(&store).await;
    put_opts(&store, true).await;
    empty(&store).await;
    list_uses_directories_correctly(&store).await;
    empty(&store).await;
    list_with_delimiter(&store).await;
    empty(&store).await;
    list_with_offset_exclusivity(&store).await;
    empty(&store).await;
    rename_and_copy(&store).await;
    empty(&store).await;
    copy_if_not_exists(&store).await;
    empty(&store).await;
    copy_rename_nonexistent_object(&store).await;
    multipart_race_condition(&store, true).await;
    empty(&store).await;
    multipart_out_of_order(&store).await;
    assert!(get_nonexistent_object(&store, None).await.is_err());
}

async fn empty(store: &Arc<dyn ObjectStore>) {
    let all = store.list(None).map_ok(|meta| meta.location).boxed();
    store.delete_stream(all).try_collect::<Vec<_>>().await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_one_name_one_wins() {
    if !has_keys("s3::store::of_many_writers_of_one_name_one_wins") {
        return;
    }
    let s3 = S3::start().await;
    let store = plain(&s3, "race").await.object_store();
    for round in 0..20 {
        let path = Path::from(format!("c/log/{round}"));
        let writers = (0..8u8).map(|n| {
            let (store, path) = (store.clone(), path.clone());
            tokio::spawn(async move { store.put_opts(&path, vec![n; 1000].into(), PutMode::Create.into()).await })
        });
        let mut won = 0;
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.expect("no panic") {
                Ok(_) => won += 1,
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(e) => panic!("{e}"),
            }
        }
        assert_eq!(won, 1, "round {round}");
    }
    assert!(plain(&s3, "race").await.requests().expect("a server").puts > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_allowed_is_said() {
    if !has_keys("s3::store::what_is_not_there_or_not_allowed_is_said") {
        return;
    }
    let s3 = S3::start().await;
    let none = Archive::open(&s3.url("none")).await.expect_err("no archive");
    assert_eq!(none.kind, Kind::Usage);
    assert!(none.message.contains("there is no archive at s3://pcloud/none"), "{none}");
    let bucket = Archive::open(&s3.url("x").replace("//pcloud", "//nobody")).await.expect_err("no bucket");
    assert!(bucket.message.contains("NoSuchBucket"), "{bucket}");
    let unencrypted = Archive::create(&s3.url("plain"), &SystemClock).await.expect_err("not said to be plain");
    assert!(unencrypted.hint.expect("a hint").contains("--recipient"));
    let nobody = Archive::open("s3://pcloud/x?endpoint=http://127.0.0.1:9").await.expect_err("nobody there");
    assert!(nobody.message.contains("not reached"), "{nobody}");
}

/// Servers that take the condition and do not keep it, and such that refuse it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_conditional_writes_is_not_written_to() {
    if !has_keys("s3::store::a_server_without_conditional_writes_is_not_written_to") {
        return;
    }
    let s3 = S3::start().await;
    drop(plain(&s3, "conditions").await);
    let proxy = Proxy::before(s3.port).await;
    for (status, code) in [(200, "OK"), (501, "NotImplemented")] {
        proxy.judge(move |r| if r.method == "PUT" { Fate::Refuse(status, code) } else { Fate::Pass });
        let access = Access { plain: true, ..Access::default() };
        let error = Archive::create_with(&url(proxy.port, "conditions"), &access, &SystemClock).await;
        let error = error.expect_err("it would overwrite");
        assert_eq!(error.kind, Kind::Unsupported, "{status}: {error}");
        assert!(error.to_string().contains("If-None-Match"), "{status}: {error}");
        // reading is no harm
        Archive::open_with(&url(proxy.port, "conditions"), &access).await.expect("it can be read");
    }
}
