//! An encrypted archive in an S3 server: its keys, and what this machine remembers of it.

use super::archive::text;
use super::s3::{self, S3};
use super::serve::Serve;
use pcloud::archive::{Access, Archive, Identities};
use pcloud::timeline::Timeline;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

pub struct Sealed {
    pub dir: tempfile::TempDir,
    /// Where programs find the archive.
    pub url: String,
    pub recipient: String,
}

impl Sealed {
    /// Nothing is made but keys.
    pub fn new(url: String) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut keygen = Command::new(env!("CARGO_BIN_EXE_pcloud"));
        let out = keygen.arg("keygen").stdin(Stdio::null()).output().expect("pcloud starts");
        assert!(out.status.success(), "{}", text(&out.stderr));
        let identity = text(&out.stdout);
        let recipient = identity.lines().find_map(|l| l.strip_prefix("# public key: ")).expect("a key").to_string();
        std::fs::write(dir.path().join("identity"), identity).expect("written");
        Self { dir, url, recipient }
    }

    pub fn identity(&self) -> PathBuf {
        self.dir.path().join("identity")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The program on a machine that holds no secret.
    pub fn blind(&self, args: &[&str]) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_pcloud"));
        s3::keys(&mut c).env("PCLOUD_ARCHIVE", &self.url).env("PCLOUD_STATE", self.state()).args(args);
        c.stdin(Stdio::null());
        c
    }

    /// The program on a machine that may read. It shares this one's state.
    pub fn reading(&self, args: &[&str]) -> Command {
        let mut c = self.blind(args);
        c.arg("--identity").arg(self.identity());
        c
    }

    /// `protect` of a cluster `c`, blind.
    pub fn protect(&self, source: &str) -> Command {
        self.blind(&["protect", source, "--name", "c", "--recipient", &self.recipient])
    }

    pub fn serve(&self) -> Serve {
        Serve::start_as(self.reading(&[]))
    }

    /// As another machine sees it, in a process that has the keys of S3.
    pub async fn archive(&self, s3: &S3, prefix: &str) -> Archive {
        self.archive_at(&s3.url(prefix)).await
    }

    pub async fn archive_at(&self, url: &str) -> Archive {
        let identities = Identities::read(&[self.identity()], &(Arc::new(|_: &str| None) as _)).expect("read");
        let access = Access { identities: Some(identities), ..Access::default() };
        Archive::open_with(url, &access).await.expect("the archive opens")
    }

    pub async fn timeline(&self, url: &str) -> Timeline {
        let archive = self.archive_at(url).await;
        Timeline::load(archive.cluster("c").expect("a name")).await.expect("the timeline loads")
    }
}

/// Copies a directory with everything in it.
pub fn copy(from: &Path, to: &Path) {
    let out = Command::new("cp").arg("-a").arg(from).arg(to).output().expect("cp starts");
    assert!(out.status.success(), "{}", text(&out.stderr));
}
