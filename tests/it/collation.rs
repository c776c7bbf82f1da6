//! Collations: what real servers take for equal, how they sort, and what they find LIKE another, of every code point
//! and of random texts.

use crate::support::db::{Db, Product};
use crate::support::history::seed;
use mysql_async::Conn;
use mysql_async::prelude::*;
use pcloud::query::meaning::{is_like, sort_key};
use std::collections::HashMap;

const BOTH: &[&str] = &[
    "utf8mb4_bin",
    "utf8mb4_general_ci",
    "utf8mb4_unicode_ci",
    "utf8mb4_unicode_520_ci",
    "latin1_swedish_ci",
    "latin1_german1_ci",
    "latin1_danish_ci",
    "latin1_spanish_ci",
    "latin1_general_ci",
    "latin1_general_cs",
    "latin1_bin",
    "ascii_general_ci",
    "ascii_bin",
];
const MYSQL: &[&str] = &["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin"];
const MARIADB: &[&str] = &[
    "utf8mb4_uca1400_ai_ci",
    "utf8mb4_uca1400_ai_cs",
    "utf8mb4_uca1400_as_ci",
    "utf8mb4_uca1400_as_cs",
    "utf8mb4_uca1400_nopad_ai_ci",
    "utf8mb4_uca1400_nopad_ai_cs",
    "utf8mb4_uca1400_nopad_as_ci",
    "utf8mb4_uca1400_nopad_as_cs",
    "utf8mb4_unicode_nopad_ci",
    "utf8mb4_unicode_520_nopad_ci",
    "utf8mb4_general_nopad_ci",
    "utf8mb4_nopad_bin",
    "latin1_swedish_nopad_ci",
    "latin1_nopad_bin",
    "ascii_general_nopad_ci",
    "ascii_nopad_bin",
];

/// What random texts are made of: letters, cases and accents; spaces and what sorts below them; ignorables, marks,
/// contractions, Hangul in both forms, ideographs, emoji, unassigned code points.
const ALPHABET: &str = "aAbBeEéÉèlLsSßẞzZ·æÆåÅøØñÑ  \t!-_%'0129½²①Ⅳﬀǅ\u{0}\u{7}\u{1f}\u{200b}\u{feff}\u{ad}\u{301}\u{308}\u{306}\
    иИйЙαΆς\u{345}\u{5d0}\u{5b0}ئ\u{64b}กเแาำ\u{e48}ກເ\u{fb2}\u{f71}\u{f80}\u{fb3}\u{9c7}\u{9be}\u{9d7}\u{cc6}\u{cc2}\u{cd5}\u{dd9}\u{dcf}\
    \u{dca}\u{1100}\u{1161}\u{11a8}가각힣中文㐀\u{9fff}ㄅあアｱゞー😀🙂👍🏽\u{1d7ce}\u{20000}\u{2ceb0}\u{30000}\u{17000}\u{18b00}\u{1b170}\u{11099}\u{110ba}\
    \u{e000}\u{e0101}\u{378}\u{fffd}\u{ffff}\u{10ffff}\u{f900}\u{2f800}ȺȾ";
const LATIN1: &str = "aAbBeEéÉèsSßyYüÜÿzZæÆåÅøØñÑöÖþðµ¼²  \t!-_%'09€Šž\u{81}\u{a0}";

fn has(collation: &str, c: char) -> bool {
    // under these MariaDB's ORDER BY, unlike its `<`, takes NUL characters at the end for nothing
    if c == '\0' && collation.contains("nopad") && !collation.contains("uca1400") {
        return false;
    }
    match collation.split('_').next() {
        Some("ascii") => c.is_ascii(),
        Some("latin1") => c.is_ascii() || LATIN1.contains(c),
        _ => true,
    }
}

/// Texts of a collation's character set.
fn texts(random: &mut fastrand::Rng, collation: &str, count: usize) -> Vec<String> {
    let alphabet: Vec<char> = match collation.starts_with("latin1") {
        true => LATIN1.chars().collect(),
        false => ALPHABET.chars().filter(|c| has(collation, *c)).collect(),
    };
    let text = |random: &mut fastrand::Rng| {
        let length = random.usize(0..7);
        (0..length).map(|_| alphabet[random.usize(..alphabet.len())]).collect()
    };
    (0..count).map(|_| text(random)).collect()
}

/// Every code point below U+30000 and the marks of plane 14, and some of the rest.
fn points(random: &mut fastrand::Rng, collation: &str) -> Vec<String> {
    let rest: Vec<u32> = (0..2000).map(|_| random.u32(0x3_0000..0x11_0000)).collect();
    let all = (0..0x3_0000).chain(0xE_0000..0xE_0200).chain(rest);
    all.filter_map(char::from_u32).filter(|c| has(collation, *c)).map(String::from).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

fn shown(text: &str) -> String {
    format!("'{}'", text.escape_unicode())
}

async fn fill(conn: &mut Conn, texts: &[String]) {
    let table = "DROP TABLE IF EXISTS c.t; CREATE TABLE c.t (id INT PRIMARY KEY, s VARCHAR(20)) CHARSET utf8mb4 COLLATE utf8mb4_bin";
    conn.query_drop(table).await.expect("a table");
    for (i, part) in texts.chunks(5000).enumerate() {
        let rows: Vec<String> =
            part.iter().enumerate().map(|(j, s)| format!("({},x'{}')", i * 5000 + j, hex(s))).collect();
        conn.query_drop(format!("INSERT INTO c.t VALUES {}", rows.join(","))).await.expect("rows");
    }
}

fn under(collation: &str, value: &str) -> String {
    match collation.split('_').next() {
        Some("utf8mb4") | None => format!("{value} COLLATE {collation}"),
        Some(charset) => format!("CONVERT({value} USING {charset}) COLLATE {collation}"),
    }
}

/// The server's ranks of the texts are those of their keys: equal where the keys are equal, in the same order.
async fn ranks_are_the_servers(conn: &mut Conn, collation: &str, texts: &[String]) {
    fill(conn, texts).await;
    let rank = format!("SELECT id, DENSE_RANK() OVER (ORDER BY {}) FROM c.t", under(collation, "s"));
    let theirs: Vec<(usize, usize)> = conn.query(rank).await.expect("ranks");
    assert_eq!(theirs.len(), texts.len());
    let keys: Vec<Vec<u8>> = texts.iter().map(|t| sort_key(collation, t).expect("a key")).collect();
    let mut sorted: Vec<&Vec<u8>> = keys.iter().collect();
    sorted.sort();
    sorted.dedup();
    let ours: HashMap<&Vec<u8>, usize> = sorted.iter().enumerate().map(|(i, k)| (*k, i + 1)).collect();
    let mut wrong: Vec<String> = Vec::new();
    // by their order: the first that differs says where
    let mut order = theirs;
    order.sort_by_key(|(id, rank)| (*rank, *id));
    for pair in order.windows(2) {
        let ((a, x), (b, y)) = (pair[0], pair[1]);
        let (p, q) = (ours[&keys[a]], ours[&keys[b]]);
        if (y - x).min(1) != q.saturating_sub(p).min(1) || q < p {
            let sign = if x == y { "=" } else { "<" };
            wrong.push(format!(
                "{} {sign} {}, not by {:?} and {:?}",
                shown(&texts[a]),
                shown(&texts[b]),
                keys[a],
                keys[b]
            ));
        }
    }
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{collation}: the server says\n{}", wrong.join("\n"));
}

/// LIKE says of these pairs what the server says.
async fn likes_are_the_servers(conn: &mut Conn, collation: &str, pairs: &[(String, String)]) {
    let table = "DROP TABLE IF EXISTS c.l; CREATE TABLE c.l (id INT PRIMARY KEY, s VARCHAR(20), p VARCHAR(20)) CHARSET utf8mb4 COLLATE utf8mb4_bin";
    conn.query_drop(table).await.expect("a table");
    for (i, part) in pairs.chunks(5000).enumerate() {
        let rows: Vec<String> = part
            .iter()
            .enumerate()
            .map(|(j, (s, p))| format!("({},x'{}',x'{}')", i * 5000 + j, hex(s), hex(p)))
            .collect();
        conn.query_drop(format!("INSERT INTO c.l VALUES {}", rows.join(","))).await.expect("rows");
    }
    let like = format!("SELECT id, {} LIKE {} FROM c.l", under(collation, "s"), under(collation, "p"));
    let mut wrong = Vec::new();
    for (id, theirs) in conn.query::<(usize, bool), _>(like).await.expect("answers") {
        let (text, pattern) = &pairs[id];
        if is_like(collation, text, pattern).expect("an answer") != theirs {
            wrong.push(format!("{} LIKE {}: {theirs}", shown(text), shown(pattern)));
        }
    }
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{collation}: the server says\n{}", wrong.join("\n"));
}

/// Neighbours in the order of the keys: the equal ones are among them.
fn neighbours(collation: &str, points: &[String]) -> Vec<(String, String)> {
    let special = |s: &String| matches!(s.as_str(), "%" | "_" | "\\");
    let mut keyed: Vec<(Vec<u8>, &String)> =
        points.iter().filter(|p| !special(p)).map(|p| (sort_key(collation, p).expect("a key"), p)).collect();
    keyed.sort();
    keyed.windows(2).map(|w| (w[0].1.clone(), w[1].1.clone())).collect()
}

/// A text and a pattern made of it: characters replaced by those of other texts, by `_` and by `%`.
fn patterns(random: &mut fastrand::Rng, texts: &[String]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for text in texts {
        let other: Vec<char> = texts[random.usize(..texts.len())].chars().collect();
        let mut pattern = String::new();
        for c in text.chars() {
            match random.u8(..8) {
                0 => pattern.push('_'),
                1 => pattern.push('%'),
                2 => pattern.extend(other.first()),
                3 => pattern.extend(c.to_uppercase()),
                4 => pattern.extend([c, ' ']),
                _ => pattern.push(c),
            }
        }
        pairs.push((text.clone(), pattern));
    }
    pairs
}

async fn collations_are_the_servers(product: Product, more: &[&str]) {
    let db = Db::of(product, &[]);
    let mut conn = db.connect().await;
    conn.query_drop("CREATE DATABASE c").await.expect("a database");
    let mut random = fastrand::Rng::with_seed(seed());
    for collation in BOTH.iter().chain(more) {
        let texts = texts(&mut random, collation, 20_000);
        ranks_are_the_servers(&mut conn, collation, &texts).await;
        let patterns: Vec<_> = patterns(&mut random, &texts)
            .into_iter()
            .map(|(t, p)| (t, p.chars().filter(|c| has(collation, *c)).collect()))
            .collect();
        likes_are_the_servers(&mut conn, collation, &patterns).await;
        let points = points(&mut random, collation);
        ranks_are_the_servers(&mut conn, collation, &points).await;
        likes_are_the_servers(&mut conn, collation, &neighbours(collation, &points)).await;
    }
}

#[tokio::test]
async fn mysql_sorts_and_compares_so() {
    collations_are_the_servers(Product::MySql9, MYSQL).await;
}

#[tokio::test]
async fn mariadb_sorts_and_compares_so() {
    collations_are_the_servers(Product::MariaDb118, MARIADB).await;
}
