//! Every command, and what is none.

use super::client::{Answer, framed};
use super::*;

#[tokio::test]
async fn commands_sent_together_are_answered_in_order() {
    let server = Server::start().await;
    let mut c = server.connect().await;
    for round in 0i64..100 {
        let id = c.prepare("select ?").await;
        let body = [&[0, 1, 8, 0][..], &round.to_le_bytes()].concat();
        let close = [&[0x19][..], &id.to_le_bytes()].concat();
        let packets = [
            framed(&Client::execute(id, 0, &body), 0),
            framed(&close, 0),
            framed(b"\x03select 1", 0),
            framed(b"\x0e", 0),
            framed(b"\x03select types", 0),
        ];
        c.raw(&packets.concat()).await;
        let Answer::Rows { rows, .. } = c.answer().await else { panic!("rows expected") };
        assert_eq!(rows[0][2..], round.to_le_bytes());
        assert_eq!(c.answer().await.rows(), ["1"]);
        assert!(matches!(c.answer().await, Answer::Ok));
        assert_eq!(c.answer().await.rows().len(), 3);
    }
}

#[tokio::test]
async fn commands_that_come_byte_by_byte_are_put_together() {
    let server = Server::start().await;
    let mut c = server.connect().await;
    for b in [framed(b"\x03select types", 0), framed(b"\x03select 1", 0)].concat() {
        c.raw(&[b]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(c.answer().await.rows().len(), 3);
    assert_eq!(c.answer().await.rows(), ["1"]);
}

/// `Err`: the error's number; `Ok`: the answer's first byte.
#[tokio::test]
async fn every_command_is_answered_or_refused_and_the_connection_goes_on() {
    let server = Server::start().await;
    for (name, payload, want) in [
        ("PING", &b"\x0e"[..], Ok(0)),
        ("STATISTICS", b"\x09", Ok(b'U')),
        ("SET_OPTION", b"\x1b\0\0", Ok(0xfe)),
        ("SET_OPTION, bad", b"\x1b\x07\0", Err(1047)),
        ("PROCESS_KILL, none", b"\x0c\xff\xff\0\0", Err(1094)),
        ("PROCESS_KILL, short", b"\x0c\xff", Err(1835)),
        ("RESET_CONNECTION", b"\x1f", Ok(0)),
        ("INIT_DB", b"\x02toy", Ok(0)),
        ("INIT_DB, none", b"\x02nope", Err(1049)),
        ("FIELD_LIST, none", b"\x04zzz\0", Err(1146)),
        ("STMT_FETCH, none", b"\x1c\x01\0\0\0\x01\0\0\0", Err(1421)),
        ("STMT_RESET, none", b"\x1a\x01\0\0\0", Err(1243)),
        ("STMT_EXECUTE, none", b"\x17\x63\0\0\0\0\x01\0\0\0", Err(1243)),
        ("STMT_EXECUTE, short", b"\x17\x01", Err(1835)),
        ("CHANGE_USER, short", b"\x11app", Err(1835)),
        ("DEBUG", b"\x0d", Err(1047)),
        ("REFRESH", b"\x07\x01", Err(1047)),
        ("BINLOG_DUMP", b"\x12\0\0\0\0\0\0\0\0\0\0", Err(1047)),
        ("SHUTDOWN", b"\x08\0", Err(1047)),
        ("200", b"\xc8", Err(1047)),
        ("nothing", b"", Err(1835)),
        ("text that is no UTF-8", b"\x03select \xff", Err(1300)),
        ("no statement", b"\x03", Err(1064)),
    ] {
        for mut c in [server.connect().await, server.connect_classic().await] {
            c.send(payload, 0).await;
            let (seq, p) = c.packet().await.expect("an answer");
            let got = if p[0] == 0xff { Err(u16::from_le_bytes([p[1], p[2]])) } else { Ok(p[0]) };
            assert_eq!((seq, got), (1, want), "{name}");
            assert_eq!(c.query("select 1").await.rows(), ["1"], "after {name}");
        }
    }
}

#[tokio::test]
async fn sequence_numbers_that_are_wrong_end_the_connection() {
    let server = Server::start().await;
    for seq in [5, 255] {
        let mut c = server.connect().await;
        c.send(b"\x0e", seq).await;
        assert_eq!(c.answer().await.code(), 1156);
        assert!(c.packet().await.is_none());
    }
}

#[tokio::test]
async fn a_field_list_has_defaults_and_an_end() {
    let server = Server::start().await;
    for (mut c, end) in [(server.connect().await, 7), (server.connect_classic().await, 5)] {
        c.send(b"\x04types\0", 0).await;
        let mut columns = 0;
        loop {
            let (_, p) = c.packet().await.expect("a packet");
            if p[0] == 0xfe {
                assert_eq!(p.len(), end);
                break;
            }
            assert_eq!(p.last(), Some(&0xfb), "the default is NULL");
            columns += 1;
        }
        assert_eq!(columns, super::script::types().0.len());
    }
}

#[tokio::test]
async fn long_data_is_taken_in_pieces_and_forgotten_on_reset() {
    let server = Server::with(Settings { max_allowed_packet: 10_000_000, ..Settings::default() }).await;
    let mut c = server.connect().await;
    let id = c.prepare("select length ?").await;
    let piece = |data: &[u8]| [&[0x18][..], &id.to_le_bytes(), &[0, 0], data].concat();
    let types = [0, 1, 0xfc, 0];
    for _ in 0..9 {
        c.send(&piece(&[b'a'; 1_000_000]), 0).await;
    }
    c.send(&Client::execute(id, 0, &types), 0).await;
    let Answer::Rows { rows, .. } = c.answer().await else { panic!("rows expected") };
    assert_eq!(rows[0][2..], 9_000_000i64.to_le_bytes());
    c.send(&piece(b"aaaa"), 0).await;
    c.send(&[&[0x1a][..], &id.to_le_bytes()].concat(), 0).await;
    assert!(matches!(c.answer().await, Answer::Ok));
    c.send(&Client::execute(id, 0, &[&types[..], b"\x03abc"].concat()), 0).await;
    let Answer::Rows { rows, .. } = c.answer().await else { panic!("rows expected") };
    assert_eq!(rows[0][2..], 3i64.to_le_bytes());
    // more than is taken: never cut
    for _ in 0..11 {
        c.send(&piece(&[b'a'; 1_000_000]), 0).await;
    }
    c.send(&Client::execute(id, 0, &types), 0).await;
    assert_eq!(c.answer().await.code(), 1153);
}

#[tokio::test]
async fn a_cursor_gives_its_rows_piece_by_piece() {
    let server = Server::start().await;
    for mut c in [server.connect().await, server.connect_classic().await] {
        let id = c.prepare("select count 2500").await;
        let fetch = |n: u32| [&[0x1c][..], &id.to_le_bytes(), &n.to_le_bytes()].concat();
        c.send(&Client::execute(id, 1, &[]), 0).await;
        assert_eq!(c.packet().await.expect("a count").1, [1]);
        c.packet().await.expect("a definition");
        let (_, end) = c.packet().await.expect("an end");
        assert!(end[0] == 0xfe && end[3] & 0x40 != 0, "a cursor exists: {end:?}");
        let mut pieces = Vec::new();
        loop {
            c.send(&fetch(1000), 0).await;
            let mut rows = 0;
            let end = loop {
                let (_, p) = c.packet().await.expect("a packet");
                if p[0] == 0xfe {
                    break p;
                }
                rows += 1;
            };
            pieces.push(rows);
            if end[3] & 0x80 != 0 {
                break; // the last row was sent
            }
        }
        assert_eq!(pieces, [1000, 1000, 500]);
        c.send(&fetch(1), 0).await;
        assert_eq!(c.answer().await.code(), 1421);
        assert_eq!(c.query("select 1").await.rows(), ["1"]);
    }
}

#[tokio::test]
async fn change_user_asks_again_and_forgets_statements() {
    let server = Server::start().await;
    let mut c = server.connect().await;
    let id = c.prepare("select 1").await;
    for (plugin, fast) in [("mysql_native_password", false), ("caching_sha2_password", true)] {
        c.send(format!("\x11eve\0\x01xtoy\0\x2d\0{plugin}\0").as_bytes(), 0).await;
        let (seq, switch) = c.packet().await.expect("a switch");
        assert!(seq == 1 && switch[0] == 0xfe && switch[1..].starts_with(plugin.as_bytes()));
        c.send(&[7; 32], 2).await;
        if fast {
            assert_eq!(c.packet().await, Some((3, vec![1, 3])));
        }
        let (seq, ok) = c.packet().await.expect("an OK");
        assert_eq!((seq, ok[0]), (3 + u8::from(fast), 0));
    }
    assert_eq!(c.query("select user").await.rows(), ["eve"]);
    assert_eq!(c.query("select database").await.rows(), ["toy"]);
    c.send(&Client::execute(id, 0, &[]), 0).await;
    assert_eq!(c.answer().await.code(), 1243);
    c.send(b"\x11eve\0\x01xnope\0\x2d\0mysql_native_password\0", 0).await;
    c.packet().await.expect("a switch");
    c.send(&[7; 20], 2).await;
    assert_eq!(c.answer_from(3).await.code(), 1049);
    assert!(c.packet().await.is_none());
}

#[tokio::test]
async fn a_client_of_caching_sha2_is_let_in_with_and_without_a_password() {
    let server = Server::start().await;
    for (answer, fast) in [(&[9u8; 32][..], true), (&[0], false), (&[], false)] {
        let (mut c, greeting) = Client::greeted(server.address).await;
        assert!(greeting.ends_with(b"mysql_native_password\0"));
        let end = greeting.iter().position(|b| *b == 0).expect("a version");
        // thread id, salt, filler, then the lower capabilities
        let caps = u16::from_le_bytes([greeting[end + 14], greeting[end + 15]]);
        assert_eq!(caps & 0x800, 0, "no TLS is offered");
        c.send(&Client::response(true, "caching_sha2_password", 255), 1).await;
        let (seq, switch) = c.packet().await.expect("a switch");
        assert!(seq == 2 && switch[1..].starts_with(b"caching_sha2_password\0"));
        c.send(answer, 3).await;
        if fast {
            assert_eq!(c.packet().await, Some((4, vec![1, 3])));
        }
        assert_eq!(c.packet().await.expect("an OK").1[0], 0);
        assert_eq!(c.query("select 1").await.rows(), ["1"]);
        assert_eq!(c.query("select database").await.rows(), ["shop"]);
    }
}

#[tokio::test]
async fn prepared_statements_are_counted() {
    let server = Server::with(Settings { prepared_statements: 3, ..Settings::default() }).await;
    let mut c = server.connect().await;
    let first = c.prepare("select 1").await;
    c.prepare("select 1").await;
    c.prepare("select 1").await;
    c.command(0x16, b"select 1").await;
    assert_eq!(c.answer().await.code(), 1461);
    c.command(0x19, &first.to_le_bytes()).await;
    c.prepare("select 1").await;
}
