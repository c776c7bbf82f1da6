//! Thousands of damaged packets: the server takes none of them badly.

use super::client::framed;
use super::*;
use fastrand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const SEED: u64 = 0x5eed;
const CONNECTIONS: usize = 400;

fn damaged(r: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut b = bytes.to_vec();
    for _ in 0..r.usize(0..4) {
        let at = r.usize(0..=b.len());
        match r.u8(0..6) {
            0 if at < b.len() => b[at] = r.u8(..),
            1 => b.truncate(at),
            2 => drop(b.splice(at..at, (0..r.usize(1..12)).map(|_| r.u8(..)).collect::<Vec<_>>())),
            3 => {
                let lengths: [&[u8]; 5] = [&[0xfe], &[0xfd, 0xff, 0xff, 0xff], &[0xfe; 9], &[0xfb], &[0]];
                drop(b.splice(at..at, r.choice(lengths).expect("five").to_vec()));
            }
            _ => b.extend((0..r.usize(1..40)).map(|_| r.u8(..))),
        }
    }
    b
}

fn commands(id: u32) -> Vec<Vec<u8>> {
    let id = id.to_le_bytes();
    let with = |com: u8, rest: &[u8]| [&[com][..], &id, rest].concat();
    vec![
        b"\x03select 1".to_vec(),
        b"\x03select types".to_vec(),
        with(0x17, b"\0\x01\0\0\0\0\x01\x08\0\xfc\0\x0c\0\x07\x07\x07\x07\x07\x07\x07\x07\x03abc\x0b\xea\x07\x0b\x17\x01\x02\x03\x04\0\0\0"),
        with(0x17, b"\x01\x01\0\0\0\0\x01\x08\0\x0b\0\x0c\0\x07\x07\x07\x07\x07\x07\x07\x07\x08\x01\x01\0\0\0\x01\x02\x03\0"),
        with(0x17, b"\0\x01\0\0\0\x07"),
        with(0x18, b"\x01\0abc"),
        with(0x19, b""),
        with(0x1a, b""),
        with(0x1c, b"\x05\0\0\0"),
        b"\x11app\0\x14aaaaaaaaaaaaaaaaaaaatoy\0\x2d\0mysql_native_password\0".to_vec(),
        b"\x1f".to_vec(),
        b"\x1b\0\0".to_vec(),
        b"\x0e".to_vec(),
        b"\x09".to_vec(),
        b"\x04types\0".to_vec(),
        b"\x02toy".to_vec(),
        b"\x16select ?".to_vec(),
    ]
}

/// Errors of the socket are the server's answer to nonsense; a hang or a dead server is not.
async fn nonsense(server: &Server, seed: u64) {
    let mut r = Rng::with_seed(seed);
    let (mut c, _) = Client::greeted(server.address).await;
    let plugin = if r.bool() { "mysql_native_password" } else { "caching_sha2_password" };
    let response = Client::response(r.bool(), plugin, r.u8(..));
    if r.u8(0..3) == 0 {
        let _ = c.io.write_all(&framed(&damaged(&mut r, &response), 1)).await;
        let _ = c.io.write_all(&framed(&damaged(&mut r, &[b'a'; 30]), 3)).await;
        drain(&mut c).await;
        return;
    }
    drop(c);
    let mut c = if r.bool() { server.connect().await } else { server.connect_classic().await };
    let id = c.prepare("select ?, ?, ?").await;
    let base = commands(id);
    for _ in 0..r.usize(1..25) {
        let command = &base[r.usize(0..base.len())];
        let command = damaged(&mut r, command);
        let seq = if r.u8(0..50) == 0 { r.u8(..) } else { 0 };
        if c.io.write_all(&framed(&command, seq)).await.is_err() {
            break;
        }
    }
    drain(&mut c).await;
}

async fn drain(c: &mut Client) {
    let mut buffer = vec![0; 1 << 16];
    while matches!(timeout(Duration::from_millis(5), c.io.read(&mut buffer)).await, Ok(Ok(1..))) {}
}

/// Panics in threads of this name, in this process.
fn count_panics(thread: &'static str) -> Arc<AtomicUsize> {
    let panics = Arc::new(AtomicUsize::new(0));
    let (count, before) = (panics.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        count.fetch_add(usize::from(std::thread::current().name() == Some(thread)), Ordering::SeqCst);
        before(info);
    }));
    panics
}

#[test]
fn damaged_packets_end_at_most_their_connection() {
    let panics = count_panics("damage");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("damage").enable_all().build();
    let runtime = runtime.expect("a runtime");
    let work = runtime.spawn(async {
        let server = Server::start().await;
        for n in 0..CONNECTIONS as u64 {
            nonsense(&server, SEED + n).await;
            if n % 20 == 0 {
                server.lives().await;
            }
        }
        server.lives().await;
        server.wait_until("nothing is left running", |running| running.is_empty()).await;
    });
    runtime.block_on(work).expect("no assertion failed");
    assert_eq!(panics.load(Ordering::SeqCst), 0);
}
