//! Bytes changed, objects cut, lengthened and taken away: in a plain and in an encrypted archive with everything that
//! one may hold (segments, packs, bases of both kinds, kept states, lists, a proof).

use super::quietly;
use crate::support::history::seed;
use crate::support::sealed::Sealed;
use crate::upkeep::random::Random;
use crate::upkeep::shared::{compact, eager, retain, seconds};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use pcloud::archive::{Access, Archive, Cluster, Folder};
use pcloud::clock::SystemClock;
use pcloud::error::Kind;
use pcloud::upkeep::Policy;
use pcloud::verify::proof::{Depth, Options};
use std::path::{Path, PathBuf};

/// Bytes that are changed of each archive, about.
const FLIPS: usize = 1200;
/// Every byte of objects up to this size, in turn with the others, and the ends of all.
const ENDS: usize = 48;

/// An archive with everything. Its history begins after its first base; older states are kept.
async fn whole(dir: &Path, seed: u64) -> Cluster {
    let mut random = Random::begin(dir, seed).await;
    let mut options = eager(&mut fastrand::Rng::with_seed(seed));
    (options.pack_bytes, options.section_bytes) = (20_000, 5_000);
    random.steps(25).await;
    let cluster = random.made.cluster.clone();
    compact(&cluster, &options).await.expect("compacted");
    let policy = Policy { every: seconds(random.now / 2.0), hourly: Some(seconds(1e6)), daily: None, monthly: None };
    retain(&cluster, &policy, &options).await.expect("retained");
    random.steps(8).await;
    for _ in 0..3 {
        super::look(&cluster, Options { depth: Depth::Restorable, ..Options::default() }).await.expect("a proof");
    }
    let proofs = async || cluster.objects(Folder::Proofs).await.expect("listed").len();
    assert_eq!(proofs().await, 3);
    compact(&cluster, &options).await.expect("compacted");
    assert_eq!(proofs().await, 1, "the newest says everything");
    random.steps(4).await;
    super::look(&cluster, Options { depth: Depth::Exists, ..Options::default() }).await.expect("a proof");
    cluster
}

/// The same objects, encrypted.
async fn encrypted(plain: &Cluster, dir: &Path) -> (Sealed, Cluster) {
    let sealed = Sealed::new(dir.display().to_string());
    let access = Access { recipients: vec![sealed.recipient.clone()], ..Access::default() };
    let archive = Archive::create_with(&sealed.url, &access, &SystemClock).await.expect("an archive");
    let from = plain.archive().object_store();
    let objects: Vec<_> = from.list(None).try_collect().await.expect("listed");
    for object in objects.iter().filter(|o| o.location.as_ref() != "pcloud.json") {
        let bytes = from.get(&object.location).await.expect("there").bytes().await.expect("read");
        archive.object_store().put(&object.location, bytes.into()).await.expect("written");
    }
    let archive = sealed.archive_at(&sealed.url).await;
    let cluster = archive.cluster("c").expect("a name");
    (sealed, cluster)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// What a look says: that nothing is wrong, or what.
async fn found(cluster: &Cluster, depth: Depth) -> Result<(), String> {
    match quietly(cluster, depth).await {
        Ok(outcome) if outcome.whole() => Ok(()),
        Ok(outcome) => Err(outcome.faults.join("; ")),
        // pcloud.json itself
        Err(error) if matches!(error.kind, Kind::Corrupt | Kind::Unsupported) => Err(error.to_string()),
        // its only manifest is gone
        Err(error) if error.kind == Kind::OutOfRange => Err(error.to_string()),
        // what nobody's key opens
        Err(error) if error.kind == Kind::Usage => Err(error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

async fn sweep(cluster: &Cluster, dir: &Path, seed: u64) -> (usize, usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    found(cluster, Depth::Restorable).await.unwrap_or_else(|e| panic!("whole at first: {e}"));
    let unnamed = quietly(cluster, Depth::Exists).await.expect("listed").unnamed;
    assert_eq!(unnamed, 0, "nothing in it that nobody names");
    let (all, list) = (files(dir), cluster.upkeep().await.expect("a list"));
    let step = all.iter().map(|f| std::fs::metadata(f).expect("there").len() as usize).sum::<usize>() / FLIPS + 1;
    let mut flips = 0;
    for file in &all {
        let (name, bytes) = (file.display(), std::fs::read(file).expect("read"));
        let ends = [0, bytes.len().saturating_sub(ENDS)].map(|from| from + rng.usize(..ENDS.min(bytes.len())));
        for at in (rng.usize(..step)..bytes.len()).step_by(step).chain(ends) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << rng.u8(..8);
            std::fs::write(file, &bad).expect("written");
            flips += 1;
            assert!(
                found(cluster, Depth::Intact).await.is_err(),
                "PCLOUD_SEED={seed}: {name}, byte {at} of {}",
                bytes.len()
            );
        }
        let longer = [bytes.as_slice(), b"x"].concat();
        for (how, other) in [("cut", &bytes[..bytes.len() - 1]), ("longer", &longer), ("empty", &[])] {
            std::fs::write(file, other).expect("written");
            assert!(found(cluster, Depth::Intact).await.is_err(), "{name} is {how}");
        }
        std::fs::write(file, &bytes).expect("written");
    }
    for file in &all {
        let bytes = std::fs::read(file).expect("read");
        std::fs::remove_file(file).expect("removed");
        let gone = found(cluster, Depth::Exists).await;
        std::fs::write(file, &bytes).expect("written");
        let within = |folder: &str| file.parent().is_some_and(|p| p.ends_with(folder));
        // older lists and what is in packs are not needed; that there were newer segments and manifests the proof knows
        let packed = within("log") && Cluster::segment_number(&file.to_string_lossy()).is_some_and(|n| list.covers(n));
        let needed = !within("upkeep") && !within("proofs") && !packed;
        assert!(gone.is_err() || !needed, "{} is missing", file.display());
    }
    found(cluster, Depth::Restorable).await.unwrap_or_else(|e| panic!("whole in the end: {e}"));
    (all.len(), flips)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changed_byte_is_found() {
    let (seed, dir) = (seed(), tempfile::tempdir().expect("a directory"));
    let cluster = whole(&dir.path().join("plain"), seed).await;
    let (_keys, sealed) = encrypted(&cluster, &dir.path().join("sealed")).await;
    let (objects, plain) = sweep(&cluster, &dir.path().join("plain"), seed).await;
    let (again, encrypted) = sweep(&sealed, &dir.path().join("sealed"), seed).await;
    assert!(objects == again && objects > 20, "{objects} objects");
    println!("{plain} bytes of {objects} plain objects changed, {encrypted} of encrypted ones: all found");
}
