//! `pcloud compact` and `pcloud retain` as a user types them.

use crate::support::archive::{pcloud, succeeded, text};
use crate::support::made::{Made, int, row, table, varchar};
use pcloud::archive::Folder;
use pcloud::model::Change;

#[tokio::test]
async fn a_user_sees_what_would_go_before_it_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let t = table(1, "t", &[(0, "id", int()), (1, "v", varchar())], 1);
    let mut made = Made::begin(dir.path(), &[(t.clone(), vec![row(0, "base")])]).await;
    for n in 1..=40 {
        made.commit(n as f64 * 600.0, &[], &[(t.clone(), Change::Insert(row(n, "x")))]).await;
    }
    let said = |args: &[&str]| text(&succeeded(pcloud(dir.path()).args(args)).stdout);
    assert!(said(&["compact"]).contains("40 parts of the log became 1 pack"));
    assert!(said(&["compact", "--grace", "0m"]).contains("objects deleted"), "they are deleted");
    assert_eq!(made.cluster.objects(Folder::Segments).await.expect("listed").len(), 1);
    let policy = ["retain", "--every", "1h", "--hourly", "4h"];
    let told = said(&policy);
    assert!(told.contains("3 single states") && told.contains("Nothing was changed"), "{told}");
    assert_eq!(made.timeline().await.first().seq.0, 0);
    let done = said(&[&policy[..], &["--apply"]].concat());
    assert!(done.contains("3 new states"), "{done}");
    let timeline = made.timeline().await;
    assert_eq!(timeline.first().seq.0, 33, "{:?}", timeline.first());
    assert_eq!(timeline.coverage().expect("known").kept.iter().map(|m| m.seq.0).collect::<Vec<_>>(), [18, 24, 30]);
    assert!(said(&["ls"]).contains("2026-11-22 19:30:00"));
    let wrong = pcloud(dir.path()).args(["retain", "--every", "soon"]).output().expect("it runs");
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("30d"), "{}", text(&wrong.stderr));
    let unsaid = pcloud(dir.path()).args(["retain"]).output().expect("it runs");
    assert!(text(&unsaid.stderr).contains("--every"), "{}", text(&unsaid.stderr));
}
