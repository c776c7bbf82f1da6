//! Keys of an age plugin: the post-quantum ones of the stock age.

use crate::support::archive::{pcloud, succeeded, text};
use crate::support::db::{cache, run, scripts};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where age and its plugins are.
fn age() -> &'static PathBuf {
    static AGE: OnceLock<PathBuf> = OnceLock::new();
    AGE.get_or_init(|| {
        let dir = cache().join("age-sid");
        run(Command::new(scripts().join("get-age.sh")).args(["-s", "sid", "-d"]).arg(&dir));
        dir.join("bin")
    })
}

fn with_plugins(command: &mut Command) -> &mut Command {
    let path = std::env::var("PATH").expect("a PATH");
    command.env("PATH", format!("{}:{path}", age().display()))
}

fn sample(archive: &Path, name: &str) -> Command {
    let mut import = pcloud(archive);
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    import.args(["import", "--name", name]).arg(shop.join("shop.sql")).arg(shop.join("binlog.000001"));
    import
}

fn refused(command: &mut Command) -> String {
    let out = command.output().expect("pcloud starts");
    assert!(!out.status.success(), "{}", text(&out.stdout));
    text(&out.stderr)
}

#[test]
fn an_archive_is_encrypted_to_a_plugins_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let (native, identity, archive) = (at("native.txt"), at("identity.txt"), at("archive"));
    run(Command::new(age().join("age-keygen")).arg("-pq").arg("-o").arg(&native));
    run(Command::new(age().join("age-plugin-pq")).args(["-identity", "-o"]).arg(&identity).arg(&native));
    let key = std::fs::read_to_string(&native).expect("read");
    let key = key.lines().find_map(|l| l.strip_prefix("# public key: ")).expect("a public key").to_string();

    succeeded(with_plugins(sample(&archive, "shop").args(["--recipient", &key])));
    let proof = ["verify", "--depth", "restorable", "--no-record", "--identity"];
    let verify = || {
        let mut verify = pcloud(&archive);
        verify.args(proof);
        verify
    };
    let said = succeeded(with_plugins(verify().arg(&identity)));
    assert!(text(&said.stdout).contains("nothing is wrong"), "{}", text(&said.stdout));
    let manifest = archive.join("shop/manifest/00000000000000000001.json");
    let opened = succeeded(Command::new(age().join("age")).arg("-d").arg("-i").arg(&native).arg(manifest));
    assert!(text(&opened.stdout).starts_with("{\"number\":1"), "{}", text(&opened.stdout));

    // what cannot be, and what is missing, is said
    let said = refused(with_plugins(verify().arg(&native)));
    assert!(said.contains("age-plugin-pq -identity"), "age's own form: {said}");
    let said = refused(verify().arg(&identity));
    assert!(said.contains("age-plugin-pq") && said.contains("PATH"), "not installed: {said}");
    let said = refused(&mut sample(&archive, "again"));
    assert!(said.contains("age-plugin-pq") && said.contains("PATH"), "not installed: {said}");
    assert!(said.len() < 1000, "not the whole key: {said}");
    // looking needs no plugin
    succeeded(pcloud(&archive).args(["recipients", "list"]));

    // post-quantum keys and others do not go together, which is said before anything is made
    let plain = text(&succeeded(pcloud(&archive).arg("keygen")).stdout);
    std::fs::write(at("x25519.txt"), &plain).expect("written");
    let other = plain.lines().find_map(|l| l.strip_prefix("# public key: ")).expect("a public key");
    let said = refused(with_plugins(sample(&at("mixed"), "shop").args(["--recipient", &key, "--recipient", other])));
    assert!(said.contains("postquantum"), "{said}");
    assert!(!at("mixed/pcloud.json").exists());
    let add = ["recipients", "add", other, "--identity"];
    let said = refused(with_plugins(pcloud(&archive).args(add).arg(&identity)));
    assert!(said.contains("postquantum"), "{said}");

    // but one kind can follow the other
    succeeded(pcloud(&archive).args(["recipients", "set", other]));
    succeeded(with_plugins(pcloud(&archive).args(["recipients", "rewrap", "--identity"]).arg(&identity)));
    let said = succeeded(verify().arg(at("x25519.txt")));
    assert!(text(&said.stdout).contains("nothing is wrong"), "{}", text(&said.stdout));
    let said = refused(with_plugins(verify().arg(&identity)));
    assert!(said.contains("other keys"), "{said}");
}
