//! Packs, folded bases and retention of an encrypted archive in S3; objects under a lock.

use crate::support::archive::{succeeded, text};
use crate::support::db::MariaDb;
use crate::support::history::seed;
use crate::support::s3::{S3, has_keys};
use crate::support::sealed::Sealed;
use crate::upkeep::answers::{answers, moment, same};
use crate::upkeep::random::Random;
use crate::upkeep::shared::{compact, eager, retain, seconds};
use aws_sdk_s3::types::ObjectLockRetentionMode;
use pcloud::archive::{Access, Archive, Folder, Identities};
use pcloud::clock::SystemClock;
use pcloud::model::Seq;
use pcloud::timeline::Timeline;
use pcloud::upkeep::Policy;
use pcloud::verify::Progress;
use pcloud::verify::proof::{self, Depth, Options};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Of each moment that can be asked, all that is to be said.
async fn moments(timeline: &Timeline) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for seq in timeline.first().seq.0..=timeline.latest().seq.0 {
        all.push(moment(timeline, Seq(seq)).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_moment_answers_alike_from_an_encrypted_bucket() {
    if !has_keys("s3::upkeep::every_moment_answers_alike_from_an_encrypted_bucket") {
        return;
    }
    let (s3, seed) = (S3::start().await, seed());
    let sealed = Sealed::new(s3.url("upkeep"));
    let identities = Identities::read(&[sealed.identity()], &(Arc::new(|_: &str| None) as _)).expect("read");
    // with a cache, which must not show what is gone
    let access = Access {
        recipients: vec![sealed.recipient.clone()],
        identities: Some(identities),
        local: Some(sealed.state()),
        cache_bytes: 1 << 20,
        spool_bytes: 1 << 30,
        ..Access::default()
    };
    let archive = Archive::create_with(&sealed.url, &access, &SystemClock).await.expect("an archive");
    let mut random = Random::within(archive, seed).await;
    let options = eager(&mut fastrand::Rng::with_seed(seed));
    let mut packs = 0;
    for round in 0..2 {
        random.steps(12).await;
        let before = answers(&random.made.timeline().await, Seq::ZERO).await;
        packs += compact(&random.made.cluster, &options).await.expect("compacted").packs;
        let after = answers(&random.made.timeline().await, Seq::ZERO).await;
        same(&after, &before, &format!("PCLOUD_SEED={seed}, round {round}"));
    }
    assert!(packs > 0, "nothing was packed");
    let policy = Policy { every: seconds(random.now / 2.0), ..Policy::default() };
    // whoever reads by a list keeps what it names: nobody does while this is done
    let before = moments(&random.made.timeline().await).await;
    let (plan, _) = retain(&random.made.cluster, &policy, &options).await.expect("retained");
    let from = plan.start.seq;
    let after = random.made.timeline().await;
    assert!(before[from.0 as usize..] == moments(&after).await, "PCLOUD_SEED={seed}, from {from}");
    let needed = random.made.cluster.objects(Folder::Segments).await.expect("listed").len();
    assert!(needed <= after.log().len() + 1, "old segments are gone: {needed}");
    let (progress, cancel) = (Arc::new(Progress::default()), CancellationToken::new());
    let look = Options { depth: Depth::Restorable, ..Options::default() };
    let cluster = random.made.cluster.clone();
    let outcome = proof::run(cluster, look, Arc::new(SystemClock), progress, cancel).await.expect("looked at");
    assert!(outcome.whole() && outcome.unnamed == 0, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_under_a_lock_stay_and_are_named() {
    let (s3, db) = (S3::start().await, MariaDb::start(&[]));
    let client = s3.client();
    client.create_bucket().bucket("locked").object_lock_enabled_for_bucket(true).send().await.expect("a bucket");
    let url = s3.url("shop?lock-days=1&lock-mode=COMPLIANCE").replace("s3://pcloud/", "s3://locked/");
    let url = url.replacen("COMPLIANCE?", "COMPLIANCE&", 1);
    let sealed = Sealed::new(url);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.o (id INT PRIMARY KEY)");
    for id in 0..10 {
        db.sql(&format!("INSERT INTO shop.o VALUES ({id})"));
        succeeded(sealed.protect(&db.url()).arg("--once"));
    }
    let listed = client.list_objects_v2().bucket("locked").prefix("shop/c/log/").send().await.expect("listed");
    let keys: Vec<String> = listed.contents().iter().map(|o| o.key().expect("a key").to_string()).collect();
    assert!(keys.len() >= 9, "{keys:?}");
    for key in &keys {
        let head = client.head_object().bucket("locked").key(key).send().await.expect("there");
        assert_eq!(
            head.object_lock_mode().map(|m| m.as_str()),
            Some(ObjectLockRetentionMode::Compliance.as_str()),
            "{key}"
        );
    }
    let out = sealed.reading(&["compact", "--grace", "0m"]).output().expect("pcloud starts");
    let said = format!("{}{}", text(&out.stdout), text(&out.stderr));
    assert!(out.status.success(), "{said}");
    let versions = client.list_object_versions().bucket("locked").prefix("shop/c/log/").send().await.expect("listed");
    let kept: Vec<&str> = versions.versions().iter().filter_map(|v| v.key()).collect();
    assert!(keys.iter().all(|key| kept.contains(&key.as_str())), "{said}: {kept:?}");
    assert_eq!(sealed.serve().sql("SELECT COUNT(*), SUM(id) FROM shop.o"), "10\t45\n", "{said}");
}
