//! Rows and column definitions: all types, all sizes.

use super::client::{Answer, MAX_PHYSICAL, values};
use super::script::{batch, headings, types};
use super::*;
use crate::model::{ColumnType, Value};
use crate::server::column::{Charset, definition};
use crate::server::encode::{binary_row, cells};
use mysql_common::io::ParseBuf;
use mysql_common::packets::Column;
use mysql_common::value::{BinValue, Value as Wire, ValueDeserializer};

/// What mysql_common, which we did not write, must read out of a binary row.
fn expected(value: &Value, kind: &ColumnType) -> Wire {
    let text = || String::from_utf8(value.display(kind).expect("not NULL")).expect("ASCII");
    let numbers = |text: &str| -> Vec<u32> {
        text.split(['-', ' ', ':', '.']).filter(|n| !n.is_empty()).map(|n| n.parse().expect("digits")).collect()
    };
    // a fraction of three digits counts milliseconds
    let micros = |text: &str, n: u32| n * 10u32.pow(6 - text.rsplit('.').next().map_or(6, str::len) as u32);
    match value {
        Value::Null => Wire::NULL,
        Value::UInt(v) if !matches!(kind, ColumnType::Bit { .. }) => {
            i64::try_from(*v).map_or(Wire::UInt(*v), Wire::Int)
        }
        Value::Int(v) => Wire::Int(*v),
        Value::Float(v) => Wire::Float(*v),
        Value::Double(v) => Wire::Double(*v),
        Value::Date(_) => match numbers(&text())[..] {
            [y, m, d] => Wire::Date(y as u16, m as u8, d as u8, 0, 0, 0, 0),
            _ => panic!("no date: {value:?}"),
        },
        Value::DateTime(_) => match numbers(&text())[..] {
            [y, m, d, h, i, s, ref us @ ..] => {
                let us = us.first().map_or(0, |n| micros(&text(), *n));
                Wire::Date(y as u16, m as u8, d as u8, h as u8, i as u8, s as u8, us)
            }
            _ => panic!("no datetime: {value:?}"),
        },
        Value::Time(us) => match numbers(&text())[..] {
            [h, i, s, ref rest @ ..] => {
                let micros = rest.first().map_or(0, |n| micros(&text(), *n));
                Wire::Time(*us < 0, h / 24, (h % 24) as u8, i as u8, s as u8, micros)
            }
            _ => panic!("no time: {value:?}"),
        },
        _ => Wire::Bytes(value.display(kind).expect("not NULL")),
    }
}

fn read_binary(row: &[u8], columns: &[Vec<u8>]) -> Vec<Wire> {
    assert_eq!(row[0], 0);
    let bitmap = (columns.len() + 9) / 8;
    let (nulls, mut rest) = (&row[1..=bitmap], ParseBuf(&row[1 + bitmap..]));
    let read = |(i, c): (usize, &Vec<u8>)| {
        let c: Column = ParseBuf(c).parse(()).expect("a definition");
        if nulls[(i + 2) / 8] & (1 << ((i + 2) % 8)) != 0 {
            return Wire::NULL;
        }
        rest.parse::<ValueDeserializer<BinValue>>((c.column_type(), c.flags())).expect("a value").0
    };
    let values = columns.iter().enumerate().map(read).collect();
    assert!(rest.is_empty(), "bytes left over: {rest:?}");
    values
}

#[tokio::test]
async fn every_type_arrives_in_text_and_binary_in_both_eof_modes() {
    let server = Server::start().await;
    let (kinds, rows) = types();
    for mut c in [server.connect().await, server.connect_classic().await] {
        let Answer::Rows { rows: text, .. } = c.query("select types").await else { panic!("rows expected") };
        assert_eq!(text.len(), rows.len());
        for (got, want) in text.iter().zip(&rows) {
            let want: Vec<_> = want.iter().zip(&kinds).map(|(v, k)| v.display(k)).collect();
            for ((got, want), kind) in values(got).into_iter().zip(want).zip(&kinds) {
                assert_eq!(got, want, "{kind}");
            }
        }
        let id = c.prepare("select types").await;
        c.send(&Client::execute(id, 0, &[]), 0).await;
        let Answer::Rows { columns, rows: binary, .. } = c.answer().await else { panic!("rows expected") };
        for (got, want) in binary.iter().zip(&rows) {
            let got = read_binary(got, &columns);
            for ((got, want), kind) in got.into_iter().zip(want).zip(&kinds) {
                assert_eq!(got, expected(want, kind), "{kind}");
            }
        }
    }
}

/// The fast ways past `Value::display` write what it writes, for any value.
#[test]
fn text_is_what_display_says() {
    let mut r = fastrand::Rng::with_seed(7);
    for (kind, range) in [
        (ColumnType::Date, 2_932_896 - (-719_528)),
        (ColumnType::DateTime { fsp: 0 }, 1),
        (ColumnType::DateTime { fsp: 6 }, 1),
        (ColumnType::Time { fsp: 4 }, 1),
        (ColumnType::Decimal { precision: 38, scale: 19, unsigned: false, zerofill: false }, 1),
        (ColumnType::Decimal { precision: 60, scale: 30, unsigned: false, zerofill: false }, 1),
        (ColumnType::Decimal { precision: 20, scale: 0, unsigned: true, zerofill: true }, 1),
    ] {
        let value = |r: &mut fastrand::Rng| match &kind {
            ColumnType::Date => Value::Date(r.i32(0..range) - 719_528),
            ColumnType::DateTime { .. } => Value::DateTime(r.i64(-62_167_219_200_000_000..253_402_300_799_999_999)),
            ColumnType::Time { .. } => Value::Time(r.i64(-3_020_399_999_999..3_020_399_999_999)),
            ColumnType::Decimal { zerofill: true, .. } => {
                Value::Decimal(arrow::datatypes::i256::from_i128((r.u128(..) >> r.u32(64..127)) as i128))
            }
            _ => Value::Decimal(arrow::datatypes::i256::from_i128(r.i128(..) >> r.u32(3..127))),
        };
        let rows: Vec<_> = (0..500).map(|_| vec![value(&mut r)]).collect();
        let kinds = [kind.clone()];
        let (batch, columns) = (batch(&kinds, &rows), headings(&kinds));
        let cells = cells(&batch, &columns, Charset::default()).expect("they fit");
        for (i, row) in rows.iter().enumerate() {
            let mut text = Vec::new();
            cells[0].write_text(i, &mut text).expect("written");
            assert_eq!(values(&text), [row[0].display(&kind)], "{kind} {row:?}");
            let mut binary = Vec::new();
            binary_row(&cells, i, &mut binary).expect("written");
            let definition = definition(&columns[0], Charset::default());
            let want = match &row[0] {
                // what the text form cuts, the binary form keeps
                Value::Time(us) => expected(&Value::Time(*us), &ColumnType::Time { fsp: 6 }),
                Value::DateTime(us) => expected(&Value::DateTime(*us), &ColumnType::DateTime { fsp: 6 }),
                other => expected(other, &kind),
            };
            assert_eq!(read_binary(&binary, &[definition]), [want], "{kind}");
        }
    }
}

#[tokio::test]
async fn rows_around_a_packets_largest_size_arrive_whole() {
    let server = Server::start().await;
    // a length takes 4 bytes up to 2^24-1, then 9
    for n in [100, MAX_PHYSICAL - 5, MAX_PHYSICAL - 4, MAX_PHYSICAL - 3, MAX_PHYSICAL, 2 * MAX_PHYSICAL - 9, 40_000_000]
    {
        for mut c in [server.connect().await, server.connect_classic().await] {
            let rows = c.query(&format!("select repeat {n}")).await.rows();
            assert!(rows.len() == 1 && rows[0].len() == n && rows[0].bytes().all(|b| b == b'y'), "{n}");
            assert_eq!(c.query("select 1").await.rows(), ["1"], "after {n}");
        }
    }
}

#[tokio::test]
async fn binary_rows_around_a_packets_largest_size_arrive_whole() {
    let server = Server::start().await;
    let mut c = server.connect().await;
    for n in [MAX_PHYSICAL - 7, MAX_PHYSICAL - 6, MAX_PHYSICAL - 5, 20_000_000] {
        let id = c.prepare(&format!("select repeat {n}")).await;
        c.send(&Client::execute(id, 0, &[]), 0).await;
        let Answer::Rows { rows, .. } = c.answer().await else { panic!("rows expected") };
        // header, bitmap, length
        let length = if n > MAX_PHYSICAL { 9 } else { 4 };
        assert_eq!((rows.len(), rows[0].len()), (1, 2 + length + n));
    }
}

#[tokio::test]
async fn parameters_of_many_megabytes_are_taken() {
    let server = Server::start().await;
    let mut c = server.connect().await;
    let id = c.prepare("select length ?").await;
    // id, flags, count, bitmap, types, a length of 9 bytes: the whole command is exactly 2^24-1 bytes for the second
    for n in [20_000_000, MAX_PHYSICAL - (10 + 1 + 1 + 2 + 9), 40_000_000] {
        let length = [&[0xfe][..], &(n as u64).to_le_bytes()].concat();
        let body = [&[0, 1, 0xfc, 0][..], &length, &vec![b'y'; n]].concat();
        let p = Client::execute(id, 0, &body);
        c.send(&p, 0).await;
        let Answer::Rows { rows, .. } = c.answer_from((p.len() / MAX_PHYSICAL) as u8 + 1).await else {
            panic!("rows expected")
        };
        assert_eq!(rows[0][2..], (n as i64).to_le_bytes());
    }
}

#[tokio::test]
async fn many_rows_arrive_in_order_and_none_is_a_result_too() {
    let server = Server::start().await;
    for mut c in [server.connect().await, server.connect_classic().await] {
        let rows = c.query("select count 100000").await.rows();
        assert!(rows.iter().enumerate().all(|(i, r)| *r == i.to_string()) && rows.len() == 100_000);
        assert!(c.query("select nothing").await.rows().is_empty());
    }
}

#[tokio::test]
async fn a_result_that_fails_midway_ends_with_the_error_and_the_connection_lives() {
    let server = Server::start().await;
    for mut c in [server.connect().await, server.connect_classic().await] {
        assert_eq!(c.query("select failing").await.code(), 1034);
        assert_eq!(c.query("select liar").await.code(), 1105);
        assert_eq!(c.query("select 1").await.rows(), ["1"]);
    }
}

#[tokio::test]
async fn the_clients_character_set_decides_what_it_gets() {
    let server = Server::start().await;
    for (collation, labelled, crab) in [(33u8, 33u16, "?"), (45, 45, "🦀"), (8, 45, "🦀"), (255, 255, "🦀")] {
        let (mut c, _) = Client::greeted(server.address).await;
        c.send(&Client::response(true, "mysql_native_password", collation), 1).await;
        assert_eq!(c.packet().await.expect("an OK").1[0], 0);
        let Answer::Rows { columns, rows, .. } = c.query("select crab").await else { panic!("rows expected") };
        let column: Column = ParseBuf(&columns[0]).parse(()).expect("a definition");
        assert_eq!((column.character_set(), values(&rows[0])), (labelled, vec![Some(crab.as_bytes().to_vec())]));
    }
}
