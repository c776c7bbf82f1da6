//! An identity under a passphrase: asked for on a terminal, as people have one.

use crate::support::archive::{succeeded, text};
use crate::support::db::MariaDb;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a shell command on a terminal of its own, and answers each prompt for a passphrase with the next of these.
const ON_A_TERMINAL: &str = r"
import os, pty, sys, termios, time
command, answers = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp('sh', ['sh', '-c', command])
said, asked = b'', 0
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if not more:
        break
    said += more
    if said.lower().count(b'passphrase') > asked and said.rstrip(b' ').endswith(b':') and answers:
        asked = said.lower().count(b'passphrase')
        while termios.tcgetattr(terminal)[3] & termios.ECHO:  # nobody types that fast
            time.sleep(0.005)
        os.write(terminal, answers.pop(0).encode() + b'\n')
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

fn on_a_terminal(archive: &Path, command: &str, answers: &[&str]) -> Output {
    let mut python = Command::new("python3");
    python.args(["-c", ON_A_TERMINAL, command]).args(answers);
    python.env("PCLOUD_ARCHIVE", archive).env("PCLOUD_STATE", archive.with_extension("state"));
    python.env("PCLOUD", env!("CARGO_BIN_EXE_pcloud")).output().expect("python starts")
}

#[test]
fn a_passphrase_is_asked_for_and_opens_the_archive() {
    let (db, dir) = (MariaDb::start(&[]), tempfile::tempdir().expect("a directory"));
    let (archive, identity) = (dir.path().join("archive"), dir.path().join("identity.age"));
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.o (id INT PRIMARY KEY); INSERT INTO shop.o VALUES (1), (2)");
    let run = |command: &str, answers: &[&str]| {
        let command = command.replace("{identity}", &identity.display().to_string());
        let out = on_a_terminal(&archive, &command, answers);
        (out.status.success(), format!("{}{}", text(&out.stdout), text(&out.stderr)))
    };
    let keygen = "$PCLOUD keygen --passphrase > {identity}";
    let (done, said) = run(keygen, &["one", "another"]);
    assert!(!done && said.contains("differ"), "{said}");
    let (done, said) = run(keygen, &["seven horses", "seven horses"]);
    assert!(done, "{said}");
    assert!(!said.contains("seven horses"), "it is not shown: {said}");
    let key = said.split_whitespace().find(|w| w.starts_with("age1")).expect("a public key").to_string();
    let mut protect = Command::new(env!("CARGO_BIN_EXE_pcloud"));
    protect.args(["protect", &db.url(), "--name", "c", "--once", "--recipient", &key]);
    succeeded(protect.env("PCLOUD_ARCHIVE", &archive).env("PCLOUD_STATE", archive.with_extension("state")));
    let verify = "$PCLOUD verify --depth restorable --identity {identity}";
    let (done, said) = run(verify, &["seven horses"]);
    assert!(done && said.contains("nothing is wrong") && said.contains("2 rows"), "{said}");
    let (done, said) = run(verify, &["eight horses"]);
    assert!(!done && said.contains("passphrase"), "{said}");
    // nobody to ask
    let mut blind = Command::new("setsid");
    blind.arg(env!("CARGO_BIN_EXE_pcloud")).arg("verify").arg("--identity").arg(&identity);
    let out = blind.env("PCLOUD_ARCHIVE", &archive).stdin(std::process::Stdio::null()).output().expect("it starts");
    assert!(!out.status.success() && text(&out.stderr).contains("passphrase"), "{}", text(&out.stderr));
}
