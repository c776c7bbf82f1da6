//! What is kept answers alike; the rest is refused by name, and really gone.

use super::answers::{moment, same};
use super::random::Random;
use super::shared::{compact, eager, later, retain, seconds};
use crate::support::history::seed;
use pcloud::archive::Cluster;
use pcloud::error::Kind;
use pcloud::model::{Micros, MomentSpec, Seq};
use pcloud::timeline::Timeline;
use pcloud::upkeep::Policy;

/// A moment says what it said. The reasons for refusals may name times that are no longer kept.
pub async fn alike(before: &Timeline, after: &Timeline, seq: Seq, what: &str) {
    let plain = |lines: Vec<String>| {
        let cut = |l: String| match l.find("Uncertain ") {
            Some(at) if !l.contains("Catalog") => l[..at + 9].to_string(),
            _ => l,
        };
        lines.into_iter().map(cut).collect::<Vec<_>>()
    };
    let (old, new) = (plain(moment(before, seq).await), plain(moment(after, seq).await));
    same(&new, &old, &format!("{what}, seq {seq}"));
}

const HOUR: i64 = 3600 * Micros::SECOND;

#[tokio::test]
async fn what_is_kept_answers_alike_and_the_rest_is_refused_by_name() {
    let seed = seed();
    for n in 0..6 {
        let dir = tempfile::tempdir().expect("a directory");
        let mut rng = fastrand::Rng::with_seed(seed + n);
        let mut random = Random::begin(dir.path(), seed + n).await;
        random.pace = 1500.0;
        let mut unkept = None; // before anything was let go
        for round in 0..3 {
            random.steps(rng.usize(10..25)).await;
            let before = random.made.timeline().await;
            if rng.bool() {
                compact(&random.made.cluster, &eager(&mut rng)).await.expect("compacted");
            }
            let span = (before.until().0 - before.first().time.0) as f64 / 1e6;
            let policy = Policy {
                every: seconds(span * rng.f64()),
                hourly: Some(seconds(span * 2.0)),
                daily: rng.bool().then(|| seconds(span * 5.0)),
                monthly: None,
            };
            let what = format!("PCLOUD_SEED={}, round {round}", seed + n);
            let run = retain(&random.made.cluster, &policy, &eager(&mut rng)).await;
            let (plan, report) = run.unwrap_or_else(|e| panic!("{what}: {e}"));
            let what = format!("{what}, {} states, {}", plan.states.len(), report.summary());
            let after = random.made.timeline().await;
            assert_eq!(after.first(), plan.start, "{what}");
            hours(&before, &after, &what);
            for seq in (0..=after.latest().seq.0).map(Seq) {
                let kept = seq >= plan.start.seq || plan.states.iter().any(|s| s.moment.seq == seq);
                match after.moment(seq) {
                    Ok(_) => {
                        assert!(kept, "{what}: seq {seq} is not in the plan");
                        alike(&before, &after, seq, &what).await;
                    }
                    Err(e) => {
                        assert!(!kept && e.kind == Kind::OutOfRange, "{what}: seq {seq}: {e}");
                        let hint = e.hint.unwrap_or_default();
                        assert!(hint.contains("nearest"), "{what}: {hint}");
                    }
                }
            }
            unkept.get_or_insert(before);
        }
    }
}

/// Every whole hour before the start means what it meant; in between only what stood then is told.
fn hours(before: &Timeline, after: &Timeline, what: &str) {
    let (first, start) = (before.first().time, after.first());
    let mut at = Micros(first.0.div_euclid(HOUR) * HOUR);
    while at < start.time {
        let (old, new) = (before.resolve(&MomentSpec::At(at)), after.resolve(&MomentSpec::At(at)));
        match (old, new) {
            (Ok(old), Ok(new)) => assert_eq!(old, new, "{what}: {at}"),
            (Err(_), Err(_)) => {}
            (old, new) => panic!("{what}: {at} meant {old:?}, now {new:?}"),
        }
        // half an hour later: the same answer, or none
        let between = later(at, 1800.0);
        if let (Ok(old), Ok(new)) = (before.resolve(&MomentSpec::At(between)), after.resolve(&MomentSpec::At(between)))
        {
            assert_eq!(old, new, "{what}: {between}");
        }
        at = Micros(at.0 + HOUR);
    }
}

/// Every row that any object of the cluster still holds, as text.
async fn all_rows(dir: &std::path::Path) -> String {
    use pcloud::archive::{Archive, Folder, LogPart};
    let archive = Archive::open(&dir.to_string_lossy()).await.expect("opens");
    let cluster: Cluster = archive.cluster("c").expect("a name");
    let mut out = String::new();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let mut parts: Vec<LogPart> = Vec::new();
    for object in cluster.objects(Folder::Segments).await.expect("listed") {
        parts.push(Cluster::segment_number(&object.path).expect("a segment").into());
    }
    for object in cluster.objects(Folder::Packs).await.expect("listed") {
        let name = object.path.trim_start_matches("packs/").trim_end_matches(".seg");
        let words: Vec<&str> = name.split('-').collect();
        let token = u32::from_str_radix(words[2], 16).expect("a token");
        parts.push(LogPart::pack(number(words[0]), number(words[1]), token));
    }
    for part in parts {
        let footer = cluster.footer(part).await.expect("a footer");
        for section in &footer.sections {
            out += &format!("{:?}\n", cluster.section(part, section).await.expect("rows"));
        }
    }
    for object in cluster.objects(Folder::Bases).await.expect("listed") {
        let file = std::fs::File::open(dir.join("c").join(&object.path)).expect("opened");
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).expect("parquet");
        for batch in reader.build().expect("a reader") {
            out += &format!("{:?}\n", batch.expect("rows"));
        }
    }
    out
}

#[tokio::test]
async fn an_old_value_is_really_gone() {
    use crate::support::made::{Made, int, row, table, varchar};
    use pcloud::model::Change;
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(1, "erase-me-base"), row(2, "stays")])]).await;
    let update =
        |before: &str, after: &str| vec![(t.clone(), Change::Update { before: row(1, before), after: row(1, after) })];
    made.commit(10.0, &[], &update("erase-me-base", "erase-me-log")).await;
    // one segment with commits of both sides of the new beginning
    let mut w = made.writer();
    made.add(&mut w, 20.0, &[], &update("erase-me-log", "erase-me-too"));
    made.add(&mut w, 1000.0, &[], &update("erase-me-too", "new"));
    made.add(&mut w, 1001.0, &[], &update("new", "newest"));
    made.put(w, Some(1100.0), false, false).await;
    made.commit(1200.0, &[], &[]).await;
    made.commit(1300.0, &[], &[]).await;
    assert!(all_rows(dir.path()).await.contains("erase-me-too"));
    let policy = Policy { every: seconds(299.0), ..Policy::default() };
    let options = eager(&mut fastrand::Rng::with_seed(0));
    let (plan, _) = retain(&made.cluster, &policy, &options).await.expect("retained");
    assert_eq!(plan.start.seq, Seq(3), "{plan:?}");
    let left = all_rows(dir.path()).await;
    assert!(!left.contains("erase-me"), "{left}");
    assert!(left.contains("stays") && left.contains("newest"));
    let timeline = made.timeline().await;
    let old = timeline.resolve(&MomentSpec::Seq(Seq(2))).expect_err("gone");
    assert_eq!(old.kind, Kind::OutOfRange);
    assert_eq!(crate::support::archive::rows_at(&timeline, &t.name, Seq(3)).await.len(), 2);
    // capture goes on
    made.commit(1400.0, &[], &update("newest", "and on")).await;
    assert_eq!(made.timeline().await.latest().seq, Seq(7));
}

#[tokio::test]
async fn a_plan_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random::begin(dir.path(), 4).await;
    random.pace = 1000.0;
    random.steps(20).await;
    let timeline = random.made.timeline().await;
    let policy = Policy { every: seconds(1.0), hourly: Some(seconds(1e6)), ..Policy::default() };
    let plan = pcloud::upkeep::plan(&timeline, &policy, Micros(i64::MAX)).expect("a plan");
    assert!(!plan.is_empty() && !plan.states.is_empty() && plan.objects > 0, "{plan:?}");
    assert!(timeline.refreshed().await.expect("read").is_none());
    let all = Policy { every: seconds(1e9), ..Policy::default() };
    assert!(pcloud::upkeep::plan(&timeline, &all, Micros(i64::MAX)).expect("a plan").is_empty());
}
