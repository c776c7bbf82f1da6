//! KILL, clients that go away, limits, panics, shutdown.

use super::client::{Answer, framed};
use super::*;
use crate::error::Kind;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

#[tokio::test]
async fn kill_query_ends_the_statement_and_kill_the_connection() {
    let server = Server::start().await;
    for sql in ["select sleep", "select deaf", "select slowly 100000"] {
        let mut c = server.connect().await;
        c.command(3, sql.as_bytes()).await;
        server.wait_until("it runs", |running| running == [sql]).await;
        let mut k = server.connect().await;
        assert!(matches!(k.query(&format!("kill query {}", c.id)).await, Answer::Ok));
        assert_eq!(c.answer().await.code(), 1317, "{sql}");
        assert_eq!(c.query("select 1").await.rows(), ["1"]);

        c.command(3, sql.as_bytes()).await;
        server.wait_until("it runs", |running| running == [sql]).await;
        k.command(0x0c, &c.id.to_le_bytes()).await;
        assert!(matches!(k.answer().await, Answer::Ok));
        assert_eq!(c.answer().await.code(), 1317, "{sql}");
        assert!(c.packet().await.is_none());
    }
    server.lives().await;
}

#[tokio::test]
async fn a_killed_fetch_closes_its_cursor() {
    let server = Server::start().await;
    let mut c = server.connect().await;
    let id = c.prepare("select slowly 100000").await;
    c.send(&Client::execute(id, 1, &[]), 0).await;
    for _ in 0..3 {
        c.packet().await.expect("count, definition, end");
    }
    c.send(&[&[0x1c][..], &id.to_le_bytes(), &100_000u32.to_le_bytes()].concat(), 0).await;
    server.wait_until("it runs", |running| running == ["select slowly 100000"]).await;
    let mut k = server.connect().await;
    k.query(&format!("kill query {}", c.id)).await;
    assert_eq!(c.answer().await.code(), 1317);
    c.send(&[&[0x1c][..], &id.to_le_bytes(), &1u32.to_le_bytes()].concat(), 0).await;
    assert_eq!(c.answer().await.code(), 1421);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_statement() {
    let server = Server::start().await;
    for sql in ["select sleep", "select slowly 100000", "select count 100000000"] {
        for reset in [false, true] {
            let mut c = server.connect().await;
            c.command(3, sql.as_bytes()).await;
            server.wait_until("it runs", |running| running == [sql]).await;
            if reset {
                c.io.set_zero_linger().expect("a socket");
            }
            drop(c);
            server.wait_until("it is gone", |running| running.is_empty()).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection() {
    let patience = Duration::from_millis(300);
    let server = Server::with(Settings { write_timeout: patience, ..Settings::default() }).await;
    let mut c = server.connect().await;
    c.command(3, b"select count 100000000").await;
    server.wait_until("it runs", |running| running.len() == 1).await;
    server.wait_until("it was given up", |running| running.is_empty()).await;
    drop(c);
}

#[tokio::test]
async fn a_panic_ends_one_connection() {
    let server = Server::start().await;
    let mut other = server.connect().await;
    let mut c = server.connect().await;
    assert_eq!(c.query("select panic").await.code(), 1105);
    assert!(c.packet().await.is_none());
    let mut c = server.connect().await;
    c.command(3, b"select panic later").await;
    while c.packet().await.is_some() {}
    assert_eq!(other.query("select 1").await.rows(), ["1"]);
    server.wait_until("its places are free", |running| running.is_empty()).await;
}

#[tokio::test]
async fn connections_are_counted() {
    let server = Server::with(Settings { connections: 2, ..Settings::default() }).await;
    let (first, mut second) = (server.connect().await, server.connect().await);
    let (_, refused) = Client::greeted(server.address).await;
    assert_eq!((refused[0], u16::from_le_bytes([refused[1], refused[2]])), (0xff, 1040));
    first.quit().await;
    assert_eq!(second.query("select 1").await.rows(), ["1"]);
    let start = Instant::now();
    loop {
        let (_, p) = Client::greeted(server.address).await;
        if p[0] == 10 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "the place stays taken");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let server = Server::with(Settings { max_allowed_packet: 1 << 20, ..Settings::default() }).await;
    let mut c = server.connect().await;
    c.send(&vec![b'z'; 1 << 20], 0).await; // as large as may be: an unknown command
    assert_eq!(c.answer().await.code(), 1047);
    c.raw(&framed(&vec![3; (1 << 20) + 1], 0)[..(1 << 20)]).await;
    assert_eq!(c.answer().await.code(), 1153);
    assert!(c.packet().await.is_none());

    // before login: 32 KiB
    let (mut c, _) = Client::greeted(server.address).await;
    c.raw(&[0xff, 0xff, 0xff, 1]).await;
    assert!(c.packet().await.is_none());
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for() {
    let short = Duration::from_millis(200);
    let settings = Settings { login_timeout: short, wait_timeout: short, ..Settings::default() };
    let server = Server::with(settings).await;
    let (mut silent, _) = Client::greeted(server.address).await;
    assert!(silent.packet().await.is_none());
    let mut c = server.connect().await;
    assert_eq!(c.query("select 1").await.rows(), ["1"]);
    assert!(c.packet().await.is_none());
}

#[tokio::test]
async fn shutdown_ends_what_runs() {
    let mut server = Server::start().await;
    let mut c = server.connect().await;
    c.command(3, b"select sleep").await;
    server.wait_until("it runs", |running| running.len() == 1).await;
    server.shutdown.cancel();
    assert_eq!(c.answer().await.code(), 1317);
    timeout(Duration::from_secs(5), &mut server.ended).await.expect("in time").expect("no panic").expect("no error");
    assert!(tokio::net::TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn other_machines_are_kept_out_until_there_are_users() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let shutdown = CancellationToken::new();
    let ended = super::super::serve(listener, Settings::default(), shutdown, |registry, id| {
        Box::new(script::Script::new(registry.clone(), id))
    });
    let e = ended.await.expect_err("refused");
    assert!(e.kind == Kind::Usage && e.hint.is_some(), "{e}");
}

#[tokio::test]
async fn half_a_command_and_then_nothing_is_the_end() {
    let server = Server::start().await;
    let mut c = server.connect().await;
    c.raw(&[200, 0, 0, 0, 3]).await;
    c.io.shutdown().await.expect("closed");
    assert!(c.packet().await.is_none());
    server.lives().await;
}
