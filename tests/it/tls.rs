//! Are connections to servers encrypted as their URLs ask, and who may stand in for a server?

use crate::support::archive::{pcloud, succeeded, text};
use crate::support::certs::Authority;
use crate::support::db::{Db, Product};
use pcloud::error::{Error, Kind};
use pcloud::model::ServerUrl;
use pcloud::source::Filter;
use pcloud::source::mysql::preflight::check;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What `pcloud check` says of the connection.
async fn connection(db: &Db, options: &str) -> Result<String, Error> {
    let url = ServerUrl::parse_with_secret(&format!("{}?{options}", db.url()))?;
    let report = check(&url, &Filter::default(), false).await?;
    let line = report.lines.into_iter().find(|l| l.name == "connection").expect("it says");
    assert!(line.ok);
    Ok(line.found)
}

/// Each option with words of what must be said then; `!` before the words of an error.
async fn say(db: &Db, cases: &[(&str, &[&str])]) {
    for (options, words) in cases {
        let (found, wrong) = match (connection(db, options).await, words[0].starts_with('!')) {
            (Ok(said), false) => (said, false),
            (Err(error), true) => {
                assert!(error.hint.is_some(), "{error} names no fix");
                (error.to_string(), error.kind == Kind::Internal)
            }
            (Ok(said), true) => (said, true),
            (Err(error), false) => (error.to_string(), true),
        };
        let all = words.iter().all(|w| found.contains(w.trim_start_matches('!')));
        assert!(!wrong && all, "{:?} ?{options}: {found}", db.product);
    }
}

const PLAIN: &[&str] = &["in the clear"];
const TLS: &[&str] = &["encrypted (TLSv1.3, TLS_"];

#[tokio::test(flavor = "multi_thread")]
async fn servers_as_they_are_installed_are_spoken_to_as_the_url_asks() {
    let mysql = Db::of(Product::MySql9, &[]);
    let own = |name: &str| mysql.data().join(name).display().to_string();
    let other = Authority::new();
    let verified = format!("ssl-ca={}", own("ca.pem"));
    let stranger = format!("ssl-ca={}", other.ca());
    let clients = format!("ssl-mode=REQUIRED&ssl-cert={}&ssl-key={}", own("client-cert.pem"), own("client-key.pem"));
    say(
        &mysql,
        &[
            ("", TLS),
            ("ssl-mode=PREFERRED", TLS),
            ("ssl-mode=REQUIRED", TLS),
            ("ssl-mode=DISABLED", &["in the clear, as ssl-mode=DISABLED asks"]),
            (&clients, TLS),
            // MySQL's own certificates name no host
            (&verified, &["!the certificate of the server", "subjectAltName"]),
            (&stranger, &["!not signed by a CA of", "ssl-ca=PATH"]),
            ("ssl-mode=VERIFY_IDENTITY", &["!not signed by a public CA"]),
        ],
    )
    .await;
    mysql.sql("SET GLOBAL require_secure_transport = ON");
    say(&mysql, &[("", TLS), ("ssl-mode=DISABLED", &["!secure", "ssl-mode"])]).await;

    let new = Db::of(Product::MariaDb118, &[]);
    let identity = &["!not signed by a public CA", "A MariaDB without ssl_cert signs itself"][..];
    say(&new, &[("", TLS), ("ssl-mode=REQUIRED", TLS), ("ssl-mode=VERIFY_IDENTITY", identity)]).await;

    let old = Db::of(Product::MariaDb1011, &[]);
    let refused = &["!offers no TLS, and ssl-mode=REQUIRED asks for it", "ssl_cert"][..];
    say(&old, &[("", PLAIN), ("ssl-mode=DISABLED", PLAIN), ("ssl-mode=REQUIRED", refused)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_looked_at_on_both_sides() {
    let (ours, other) = (Authority::new(), Authority::new());
    for (name, identity) in [
        ("IP:127.0.0.1", &["the server is the one of this name"][..]),
        ("DNS:db.example", &["!is not for 127.0.0.1", "db.example", "VERIFY_CA"]),
        ("DNS:*.db.example", &["!is not for 127.0.0.1"]),
    ] {
        let (cert, key) = ours.sign("server", name);
        let options = [format!("--ssl-cert={cert}"), format!("--ssl-key={key}"), format!("--ssl-ca={}", ours.ca())];
        let db = Db::start(&options.each_ref().map(String::as_str));
        let by = |options: &str, ca: &Authority| format!("{options}ssl-ca={}", ca.ca());
        let (verified, stranger) = (by("", &ours), by("", &other));
        let (identified, unknown) = (by("ssl-mode=VERIFY_IDENTITY&", &ours), by("ssl-mode=VERIFY_IDENTITY&", &other));
        say(
            &db,
            &[
                ("", TLS),
                (&verified, &["encrypted (", "its certificate is signed by the CA"]),
                (&identified, identity),
                (&stranger, &["!not signed by a CA of"]),
                (&unknown, &["!not signed by a CA of"]),
            ],
        )
        .await;
        // a client that must show who it is
        db.sql("ALTER USER pcloud@'%' REQUIRE X509");
        let with = |(cert, key): (String, String)| format!("{verified}&ssl-cert={cert}&ssl-key={key}");
        let (known, unknown) = (with(ours.sign("client", "DNS:client")), with(other.sign("client", "DNS:client")));
        say(&db, &[(&known, &["encrypted"]), (&verified, &["!1045", "TLS"]), (&unknown, &["!"])]).await;
    }
    let gone = connection(&Db::start(&[]), "ssl-ca=/no/such.pem").await.expect_err("no file");
    assert!(gone.kind == Kind::Io && gone.message.contains("ssl-ca /no/such.pem"), "{gone}");
}

/// The whole program against servers that take nothing in the clear.
fn all_is_encrypted(product: Product, options: &[&str], tls: &str) {
    let db = Db::of(product, options);
    db.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1); SET GLOBAL require_secure_transport = ON");
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("{}?{tls}", db.url());
    let protect =
        |url: &str| pcloud(dir.path()).args(["protect", url, "--name", "c", "--once"]).output().expect("pcloud starts");
    let refused = protect(&format!("{}?ssl-mode=DISABLED", db.url()));
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("ssl-mode=REQUIRED"),
        "{}",
        text(&refused.stderr)
    );
    for seq in ["seq 0", "seq 1"] {
        let out = protect(&url);
        assert!(text(&out.stdout).contains(seq), "{product:?}: {}{}", text(&out.stdout), text(&out.stderr));
        if seq == "seq 0" {
            db.sql("INSERT INTO shop.t VALUES (2)");
        }
    }
    db.sql("FLUSH BINARY LOGS");
    succeeded(pcloud(dir.path()).args(["verify", "--against", &url]));
    succeeded(pcloud(dir.path()).args(["restore", "--table", "shop.t", "--as-of", "seq:0", "--replace", "--to", &url]));
    assert_eq!(db.sql("SELECT * FROM shop.t").trim(), "1");
}

#[test]
fn each_connection_to_mysql_is_encrypted() {
    all_is_encrypted(Product::MySql9, &[], "ssl-mode=REQUIRED");
}

#[test]
fn each_connection_to_mariadb_11_8_is_encrypted() {
    all_is_encrypted(Product::MariaDb118, &[], "");
}

#[test]
fn each_connection_is_encrypted_and_verified() {
    let ca = Authority::new();
    for (name, mode) in [("IP:127.0.0.1", "VERIFY_IDENTITY"), ("DNS:elsewhere", "VERIFY_CA")] {
        let (cert, key) = ca.sign("server", name);
        let options = [format!("--ssl-cert={cert}"), format!("--ssl-key={key}")];
        let tls = format!("ssl-mode={mode}&ssl-ca={}", ca.ca());
        all_is_encrypted(Product::MariaDb1011, &options.each_ref().map(String::as_str), &tls);
    }
}

/// Passes on to a server what comes, and keeps what clients say. Before each connection the server forgets whom it knows,
/// so that each has to send its whole password.
struct Relay {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    async fn start(db: Arc<Db>) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let keep = heard.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let forgetful = db.clone();
                let flushed = tokio::task::spawn_blocking(move || drop(forgetful.sql("FLUSH PRIVILEGES")));
                flushed.await.expect("it forgets");
                let server = TcpStream::connect(("127.0.0.1", db.port)).await.expect("the server");
                let (keep, (mut from, mut back)) = (keep.clone(), client.into_split());
                let (mut answers, mut to) = server.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
                tokio::spawn(async move {
                    let mut bytes = vec![0; 1 << 16];
                    while let Ok(n @ 1..) = from.read(&mut bytes).await {
                        keep.lock().expect("no panic").extend(&bytes[..n]);
                        if to.write_all(&bytes[..n]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Relay { port, heard }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_password_is_never_heard() {
    let db = Arc::new(Db::of(Product::MySql9, &[]));
    db.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1);
         CREATE USER full@'%' IDENTIFIED BY 'never in the clear'; GRANT ALL ON *.* TO full@'%'",
    );
    let relay = Relay::start(db.clone()).await;
    let dir = tempfile::tempdir().expect("a directory");
    for (round, mode) in ["DISABLED", "PREFERRED"].into_iter().enumerate() {
        db.sql(&format!("INSERT INTO shop.t VALUES ({})", round + 2));
        let url = format!("mysql://full:never%20in%20the%20clear@127.0.0.1:{}/?ssl-mode={mode}", relay.port);
        let archive = dir.path().to_path_buf();
        let protect = move || succeeded(pcloud(&archive).args(["protect", &url, "--name", "c", "--once"]));
        tokio::task::spawn_blocking(protect).await.expect("it is captured");
        let heard = std::mem::take(&mut *relay.heard.lock().expect("no panic"));
        let hears = |what: &[u8]| heard.windows(what.len()).any(|w| w == what);
        assert!(!hears(b"never in the clear"), "the password was sent in the clear, ssl-mode={mode}");
        assert_eq!(hears(b"SHOW CREATE TABLE"), mode == "DISABLED", "statements, ssl-mode={mode}");
    }
    let refused = pcloud(dir.path())
        .args(["check", &format!("mysql://full:wrong@127.0.0.1:{}/", relay.port)])
        .output()
        .expect("pcloud starts");
    assert!(text(&refused.stderr).contains("Access denied"), "{}", text(&refused.stderr));
}
