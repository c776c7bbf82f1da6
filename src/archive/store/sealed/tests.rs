//! Objects that are encrypted: every range, every damage, every key.

use super::*;
use crate::archive::keys::{Ask, generate};
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutMode};

struct Pair {
    recipients: Recipients,
    identities: Identities,
}

fn pair() -> Pair {
    let (text, public) = generate(None, "now").expect("made");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let nobody: Ask = Arc::new(|_| None);
    let identities = Identities::read(&[file.path().to_path_buf()], &nobody).expect("read");
    Pair { recipients: Recipients::parse(&[public]).expect("a key"), identities }
}

fn store(inner: &Arc<dyn ObjectStore>, pair: &Pair) -> AgeStore {
    AgeStore::new(inner.clone(), pair.recipients.clone(), Some(pair.identities.clone()))
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 65_536) as u8).collect()
}

#[tokio::test]
async fn every_range_of_every_length_comes_back() {
    let (inner, pair): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), pair());
    let mut random = fastrand::Rng::with_seed(1);
    for length in [0, 1, 15, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000] {
        let (path, plain) = (Path::from(format!("n{length}")), bytes(length));
        store(&inner, &pair).put(&path, plain.clone().into()).await.expect("put");
        let reader = store(&inner, &pair);
        assert_eq!(reader.head(&path).await.expect("a size").size, length as u64);
        assert_eq!(reader.get(&path).await.expect("there").bytes().await.expect("read"), plain);
        let blind = AgeStore::new(inner.clone(), pair.recipients.clone(), None);
        assert_eq!(blind.head(&path).await.expect("a size, without a secret").size, length as u64);
        for _ in 0..if length > 1 { 100 } else { 0 } {
            let start = random.usize(0..length);
            let end = random.usize(start + 1..=length);
            let fresh = store(&inner, &pair);
            let found = fresh.get_range(&path, start as u64..end as u64).await.expect("a range");
            assert!(found == plain[start..end], "{start}..{end} of {length}");
            let options = GetOptions { range: Some(GetRange::Suffix((length - start) as u64)), ..Default::default() };
            let tail = reader.get_opts(&path, options).await.expect("a suffix").bytes().await.expect("read");
            assert!(tail == plain[start..], "the last {} of {length}", length - start);
        }
    }
}

#[tokio::test]
async fn an_upload_in_parts_is_one_age_file() {
    let (inner, pair): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), pair());
    let (store, path, plain) = (store(&inner, &pair), Path::from("x"), bytes(20 << 20));
    let mut upload = store.put_multipart(&path).await.expect("begun");
    for part in plain.chunks(3_000_001) {
        upload.put_part(part.to_vec().into()).await.expect("a part");
    }
    upload.complete().await.expect("completed");
    assert_eq!(store.get(&path).await.expect("there").bytes().await.expect("read"), plain);
}

#[tokio::test]
async fn no_flipped_byte_and_no_cut_is_read() {
    let (inner, pair): (Arc<dyn ObjectStore>, _) = (Arc::new(InMemory::new()), pair());
    let path = Path::from("x");
    for length in [100, 2 * 65_536, 150_000] {
        store(&inner, &pair).put(&path, bytes(length).into()).await.expect("put");
        let whole = inner.get(&path).await.expect("there").bytes().await.expect("read").to_vec();
        let places = (0..whole.len().min(700)).chain((700..whole.len()).step_by(4_099));
        for place in places {
            let mut bad = whole.clone();
            bad[place] ^= 1;
            for bad in [bad, whole[..place].to_vec()] {
                inner.put(&path, bad.into()).await.expect("put");
                let found = match store(&inner, &pair).get(&path).await {
                    Ok(found) => found.bytes().await,
                    Err(e) => Err(e),
                };
                assert!(found.is_err(), "byte {place} of {length}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_has_no_key_reads_nothing_and_is_told_why() {
    let (inner, ours, theirs): (Arc<dyn ObjectStore>, _, _) = (Arc::new(InMemory::new()), pair(), pair());
    let path = Path::from("x");
    store(&inner, &ours).put_opts(&path, "secret".into(), PutMode::Create.into()).await.expect("put");
    let blind = AgeStore::new(inner.clone(), ours.recipients.clone(), None);
    let say = |e: Error| super::super::failed("x", e).to_string();
    assert!(say(blind.get(&path).await.expect_err("no identity")).contains("--identity"));
    assert!(say(store(&inner, &theirs).get(&path).await.expect_err("another's")).contains("other keys"));
    let sealed = inner.get(&path).await.expect("there").bytes().await.expect("read");
    assert!(!sealed.windows(6).any(|w| w == b"secret"));
}

#[tokio::test]
async fn an_object_that_was_encrypted_anew_is_opened_anew() {
    let (inner, old, new): (Arc<dyn ObjectStore>, _, _) = (Arc::new(InMemory::new()), pair(), pair());
    let (path, plain) = (Path::from("x"), bytes(200_000));
    store(&inner, &old).put(&path, plain.clone().into()).await.expect("put");
    let both = Recipients::parse(&[old.recipients.texts(), new.recipients.texts()].concat()).expect("keys");
    let reader = store(&inner, &old);
    assert_eq!(reader.get_range(&path, 0..10).await.expect("read"), plain[0..10]);
    AgeStore::new(inner.clone(), both, None).put(&path, plain.clone().into()).await.expect("put");
    assert_eq!(reader.get_range(&path, 100_000..200_000).await.expect("read"), plain[100_000..]);
    assert_eq!(store(&inner, &new).get_range(&path, 1..5).await.expect("read"), plain[1..5]);
}
