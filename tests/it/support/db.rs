//! Private servers of every kind that pcloud knows. The first use of a kind fetches its programs into a cache; a failure
//! fails the test.

use mysql_async::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// `~/.cache/pcloud`, unless PCLOUD_TEST_CACHE says otherwise.
pub fn cache() -> PathBuf {
    std::env::var_os("PCLOUD_TEST_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/pcloud"),
        PathBuf::from,
    )
}

pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers")
}

pub fn run(command: &mut Command) -> String {
    let out = command.stdin(Stdio::null()).output().expect("the script starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{command:?} failed:\n{text}\n{}", String::from_utf8_lossy(&out.stderr));
    text
}

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    MariaDb1011,
    MariaDb118,
    MySql9,
}

impl Product {
    pub const ALL: [Product; 3] = [Product::MariaDb1011, Product::MariaDb118, Product::MySql9];

    pub fn is_mysql(self) -> bool {
        self == Product::MySql9
    }

    /// Its unpacked programs: `bin/mariadbd`, `bin/mariadb`, `bin/mariadb-dump`, …; `bin/mysqld`, `bin/mysql`, …
    pub fn tree(self) -> &'static Path {
        static TREES: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
        let (script, suite, dir) = match self {
            Product::MariaDb1011 => ("get-mariadb.sh", Some("bookworm"), "mariadb-bookworm"),
            Product::MariaDb118 => ("get-mariadb.sh", Some("trixie"), "mariadb-trixie"),
            Product::MySql9 => ("get-mysql9.sh", None, "mysql9"),
        };
        TREES[self as usize].get_or_init(|| {
            let dir = cache().join(dir);
            let mut c = Command::new(scripts().join(script));
            c.arg("-d").arg(&dir);
            if let Some(suite) = suite {
                c.args(["-s", suite]);
            }
            run(&mut c);
            dir
        })
    }

    /// Its command-line client.
    pub fn client(self) -> &'static str {
        if self.is_mysql() { "mysql" } else { "mariadb" }
    }
}

/// The unpacked MariaDB 10.11: `bin/mariadbd`, `bin/mariadb`, `bin/mariadb-dump`, …
pub fn tree() -> &'static Path {
    Product::MariaDb1011.tree()
}

/// A TCP port that nobody listens on, and that no other test gets: below the ports that the system gives to clients,
/// and locked for as long as this process runs.
pub fn free_port() -> u16 {
    static LOCKS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let dir = std::env::temp_dir().join("pcloud-test-ports");
    std::fs::create_dir_all(&dir).expect("a directory for locks");
    loop {
        let port = fastrand::u16(20_000..32_000);
        let lock = File::create(dir.join(port.to_string())).expect("a lock file");
        if lock.try_lock().is_ok() && std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            LOCKS.lock().expect("no test panics here").push(lock);
            return port;
        }
    }
}

/// A running server; stopped and removed when dropped. Log in as `root` without a password over its socket, or as
/// `pcloud` with password `secret` over TCP (all privileges).
pub struct Db {
    pub product: Product,
    pub dir: tempfile::TempDir,
    pub port: u16,
    tree: PathBuf,
    options: Vec<String>,
}

/// Most tests ask for `MariaDb::start`: a MariaDB 10.11.
pub type MariaDb = Db;

impl Db {
    /// Starts a MariaDB 10.11.
    pub fn start(options: &[&str]) -> Self {
        Self::of(Product::MariaDb1011, options)
    }

    /// Starts a server with the binary log as pcloud needs it, and these options more.
    pub fn of(product: Product, options: &[&str]) -> Self {
        Self::of_tree(product, product.tree(), options)
    }

    /// As `of`, with the programs of another tree.
    pub fn of_tree(product: Product, tree: &Path, options: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("pcloud-db-").tempdir().expect("a temporary directory");
        // the server runs as another account when the tests run as root
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        std::fs::set_permissions(dir.path(), mode).expect("own directory");
        let options = options.iter().map(|o| o.to_string()).collect();
        let this = Self { product, dir, port: free_port(), tree: tree.to_path_buf(), options };
        this.start_again();
        this.sql("CREATE USER IF NOT EXISTS pcloud@'%' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO pcloud@'%' WITH GRANT OPTION");
        this
    }

    /// Starts a server that was stopped, with its data.
    pub fn start_again(&self) {
        let mut c = Command::new(scripts().join("start-db.sh"));
        c.arg("-t").arg(&self.tree).arg("-d").arg(self.instance()).arg("-p").arg(self.port.to_string()).arg("--");
        if !self.product.is_mysql() {
            c.args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"]);
        }
        c.args(&self.options);
        run(&mut c);
    }

    pub fn instance(&self) -> PathBuf {
        self.dir.path().join("i")
    }

    /// Stops it; `crash`: as `kill -9` would.
    pub fn stop(&self, crash: bool) {
        let mut c = Command::new(scripts().join("stop-db.sh"));
        c.arg("-d").arg(self.instance());
        if crash {
            c.arg("-k");
        }
        run(&mut c);
    }

    /// A program of the tree (`mariadb`, `mariadb-dump`, …) that logs in as root over the socket.
    pub fn program(&self, name: &str) -> Command {
        let mut c = Command::new(self.tree.join("bin").join(name));
        c.arg(format!("--defaults-file={}", self.instance().join("my.cnf").display()));
        c
    }

    /// Runs statements with the server's own client; returns what it printed (tab-separated, without headings).
    pub fn sql(&self, statements: &str) -> String {
        run(self.program(self.product.client()).args(["-N", "-B", "--default-character-set=utf8mb4", "-e", statements]))
    }

    /// `mysql://pcloud:secret@127.0.0.1:port/`
    pub fn url(&self) -> String {
        format!("mysql://pcloud:secret@127.0.0.1:{}/", self.port)
    }

    pub async fn connect(&self) -> mysql_async::Conn {
        let opts = mysql_async::Opts::from_url(&self.url()).expect("a URL");
        let mut conn = mysql_async::Conn::new(opts).await.expect("the server takes connections");
        conn.query_drop("SET NAMES utf8mb4").await.expect("SET NAMES");
        conn
    }

    /// Directory of the data and of the binary logs (`binlog.000001`, …).
    pub fn data(&self) -> PathBuf {
        self.instance().join("data")
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let _ = Command::new(scripts().join("stop-db.sh")).arg("-k").arg("-d").arg(self.instance()).status();
    }
}

#[test]
fn every_server_starts_and_answers() {
    for product in Product::ALL {
        let db = Db::of(product, &[]);
        let answer = db.sql("SELECT @@binlog_format, @@binlog_row_image, @@binlog_row_metadata");
        assert_eq!(answer.trim(), "ROW\tFULL\tFULL", "{product:?}");
    }
}
