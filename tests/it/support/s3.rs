//! A private S3 server: Ceph's RADOS gateway.

use super::db::{cache, run, scripts};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::{Builder, tls};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub const KEY: &str = "TESTACCESSKEY0000001";
pub const SECRET: &str = "testsecretkey000000000000000000000000001";
/// Ports that a server takes beside its own.
const PORTS: u16 = 25;

fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let dir = cache().join("ceph");
        run(Command::new(scripts().join("get-s3.sh")).arg("-d").arg(&dir));
        dir
    })
}

/// A running server with the bucket `pcloud`; stopped and removed when dropped.
pub struct S3 {
    dir: tempfile::TempDir,
    pub port: u16,
}

impl S3 {
    pub async fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("pcloud-s3-").tempdir().expect("a temporary directory");
        let port = free_ports();
        let mut c = Command::new(scripts().join("start-s3.sh"));
        run(c.arg("-t").arg(tree()).arg("-d").arg(dir.path()).arg("-p").arg(port.to_string()));
        let this = Self { dir, port };
        this.client().create_bucket().bucket("pcloud").send().await.expect("a bucket");
        this
    }

    /// The archive `s3://pcloud/<prefix>` of this server, or of what stands before it on another port.
    pub fn url(&self, prefix: &str) -> String {
        url(self.port, prefix)
    }

    /// The SDK itself, past everything that is pcloud's.
    pub fn client(&self) -> aws_sdk_s3::Client {
        let http =
            Builder::new().tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring)).build_https();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new("default"))
            .endpoint_url(format!("http://127.0.0.1:{}", self.port))
            .credentials_provider(Credentials::new(KEY, SECRET, None, None, "test"))
            .force_path_style(true)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// Kills the gateway; the objects stay.
    pub fn go_away(&self) {
        let pid = std::fs::read_to_string(self.dir.path().join("rgw.pid")).expect("a pid");
        run(Command::new("kill").arg("-STOP").arg(pid.trim()));
    }

    pub fn come_back(&self) {
        let pid = std::fs::read_to_string(self.dir.path().join("rgw.pid")).expect("a pid");
        run(Command::new("kill").arg("-CONT").arg(pid.trim()));
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.come_back();
        let _ = Command::new(scripts().join("stop-s3.sh")).arg("-d").arg(self.dir.path()).status();
    }
}

pub fn url(port: u16, prefix: &str) -> String {
    format!("s3://pcloud/{prefix}?endpoint=http://127.0.0.1:{port}&region=default")
}

/// The keys, for a program that is started.
pub fn keys(command: &mut Command) -> &mut Command {
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_EC2_METADATA_DISABLED", "true")
}

/// Runs the rest of a test in a process that has the keys in its environment, as the SDK looks for them there. `true`: this is it.
pub fn has_keys(test: &str) -> bool {
    if std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| key == KEY) {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    let out = keys(again.args(["--exact", test, "--nocapture"])).output().expect("it starts");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("1 passed"), "there is no test {test}: {said}");
    false
}

/// A port with so many free ones behind it, below those that the system gives to clients.
fn free_ports() -> u16 {
    let dir = std::env::temp_dir().join("pcloud-test-ports");
    std::fs::create_dir_all(&dir).expect("a directory for locks");
    loop {
        let port = 12_000 + PORTS * fastrand::u16(0..300);
        let lock = std::fs::File::create(dir.join(port.to_string())).expect("a lock file");
        let free = |p: u16| std::net::TcpListener::bind(("127.0.0.1", p)).is_ok();
        if lock.try_lock().is_ok() && (port..port + PORTS).all(free) {
            std::mem::forget(lock); // for as long as this process runs
            return port;
        }
    }
}
