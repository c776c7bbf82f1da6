//! A client that sends what it is told to, byte by byte, and checks every sequence number.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LONG_PASSWORD: u32 = 1;
const CONNECT_WITH_DB: u32 = 8;
const PROTOCOL_41: u32 = 0x200;
const TRANSACTIONS: u32 = 0x2000;
const SECURE_CONNECTION: u32 = 0x8000;
const PLUGIN_AUTH: u32 = 0x8_0000;
const DEPRECATE_EOF: u32 = 0x100_0000;
pub const MAX_PHYSICAL: usize = 0xff_ffff;

pub struct Client {
    pub io: TcpStream,
    pub id: u32,
    deprecate_eof: bool,
}

/// One whole answer.
#[derive(Debug)]
pub enum Answer {
    Ok,
    Err { code: u16 },
    Rows { columns: Vec<Vec<u8>>, rows: Vec<Vec<u8>> },
}

impl Answer {
    /// Rows of one text column.
    pub fn rows(self) -> Vec<String> {
        match self {
            Answer::Rows { rows, .. } => {
                rows.iter().map(|r| String::from_utf8_lossy(&values(r).remove(0).unwrap_or_default()).into()).collect()
            }
            other => panic!("rows expected: {other:?}"),
        }
    }

    pub fn code(&self) -> u16 {
        match self {
            Answer::Err { code, .. } => *code,
            other => panic!("an error expected: {other:?}"),
        }
    }
}

/// The values of a text row.
pub fn values(mut row: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut out = Vec::new();
    while let Some((&first, rest)) = row.split_first() {
        let (n, rest) = match first {
            0xfb => {
                out.push(None);
                row = rest;
                continue;
            }
            0xfc => (u16::from_le_bytes([rest[0], rest[1]]) as usize, &rest[2..]),
            0xfd => (u32::from_le_bytes([rest[0], rest[1], rest[2], 0]) as usize, &rest[3..]),
            0xfe => (u64::from_le_bytes(rest[..8].try_into().expect("8 bytes")) as usize, &rest[8..]),
            n => (n as usize, rest),
        };
        out.push(Some(rest[..n].to_vec()));
        row = &rest[n..];
    }
    out
}

/// A payload as physical packets.
pub fn framed(payload: &[u8], mut seq: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = payload;
    loop {
        let (chunk, tail) = rest.split_at(rest.len().min(MAX_PHYSICAL));
        out.extend((chunk.len() as u32 | u32::from(seq) << 24).to_le_bytes());
        out.extend(chunk);
        if chunk.len() < MAX_PHYSICAL {
            return out;
        }
        (rest, seq) = (tail, seq.wrapping_add(1));
    }
}

impl Client {
    /// Reads the greeting only.
    pub async fn greeted(address: SocketAddr) -> (Self, Vec<u8>) {
        let io = TcpStream::connect(address).await.expect("connected");
        io.set_nodelay(true).expect("a socket");
        let mut this = Self { io, id: 0, deprecate_eof: true };
        let (_, greeting) = this.packet().await.expect("a greeting");
        if greeting[0] == 10 {
            let end = greeting.iter().position(|b| *b == 0).expect("a version");
            this.id = u32::from_le_bytes(greeting[end + 1..end + 5].try_into().expect("4 bytes"));
        }
        (this, greeting)
    }

    pub async fn connect(address: SocketAddr, deprecate_eof: bool) -> Self {
        let (mut this, _) = Self::greeted(address).await;
        this.log_in(deprecate_eof, 45).await;
        this
    }

    pub async fn log_in(&mut self, deprecate_eof: bool, collation: u8) {
        self.deprecate_eof = deprecate_eof;
        self.send(&Self::response(deprecate_eof, "mysql_native_password", collation), 1).await;
        let (seq, ok) = self.packet().await.expect("an OK");
        assert_eq!((seq, ok[0]), (2, 0), "{ok:?}");
    }

    /// What user `app` of database `shop` says to a greeting.
    pub fn response(deprecate_eof: bool, plugin: &str, collation: u8) -> Vec<u8> {
        let mut caps = LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH | CONNECT_WITH_DB;
        if deprecate_eof {
            caps |= DEPRECATE_EOF;
        }
        let mut p = caps.to_le_bytes().to_vec();
        p.extend((1u32 << 30).to_le_bytes());
        p.push(collation);
        p.extend([0; 23]);
        p.extend(b"app\0\0shop\0"); // without a password
        p.extend(plugin.as_bytes());
        p.push(0);
        p
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("sent");
    }

    pub async fn send(&mut self, payload: &[u8], seq: u8) {
        self.raw(&framed(payload, seq)).await;
    }

    pub async fn command(&mut self, com: u8, body: &[u8]) {
        self.send(&[&[com], body].concat(), 0).await;
    }

    /// One logical packet, with the sequence number of its last part; `None`: the server has closed.
    pub async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let mut whole = Vec::new();
            loop {
                let head = self.io.read_u32_le().await.ok()?;
                let (n, seq) = ((head & 0xff_ffff) as usize, (head >> 24) as u8);
                let at = whole.len();
                whole.resize(at + n, 0);
                self.io.read_exact(&mut whole[at..]).await.ok()?;
                if n < MAX_PHYSICAL {
                    return Some((seq, whole));
                }
            }
        };
        timeout(Duration::from_secs(30), read).await.expect("an answer in time")
    }

    /// One whole answer, of which the first packet carries `seq`.
    pub async fn answer_from(&mut self, seq: u8) -> Answer {
        let (got, p) = self.packet().await.expect("an answer");
        assert_eq!(got, seq, "{p:?}");
        match p[0] {
            0 => return Answer::Ok,
            0xff => return Self::error(&p),
            _ => {}
        }
        let mut last = seq;
        let mut columns = Vec::new();
        for _ in 0..p[0] {
            columns.push(self.next(&mut last).await);
        }
        if !self.deprecate_eof {
            let eof = self.next(&mut last).await;
            assert_eq!((eof[0], eof.len()), (0xfe, 5));
        }
        let mut rows = Vec::new();
        loop {
            let p = self.next(&mut last).await;
            let short = if self.deprecate_eof { MAX_PHYSICAL } else { 9 };
            match p[0] {
                0xff => return Self::error(&p),
                0xfe if p.len() < short => return Answer::Rows { columns, rows },
                _ => rows.push(p),
            }
        }
    }

    async fn next(&mut self, last: &mut u8) -> Vec<u8> {
        let (seq, p) = self.packet().await.expect("the rest of the answer");
        let parts = 1 + (p.len() / MAX_PHYSICAL) as u8;
        assert_eq!(seq, last.wrapping_add(parts));
        *last = seq;
        p
    }

    fn error(p: &[u8]) -> Answer {
        assert_eq!(p[3], b'#');
        Answer::Err { code: u16::from_le_bytes([p[1], p[2]]) }
    }

    pub async fn answer(&mut self) -> Answer {
        self.answer_from(1).await
    }

    pub async fn query(&mut self, sql: &str) -> Answer {
        self.command(3, sql.as_bytes()).await;
        self.answer().await
    }

    /// The statement's id; `columns` and `parameters` are read and thrown away.
    pub async fn prepare(&mut self, sql: &str) -> u32 {
        self.command(0x16, sql.as_bytes()).await;
        let (_, p) = self.packet().await.expect("an answer");
        assert_eq!(p[0], 0, "{}", String::from_utf8_lossy(&p));
        let (columns, parameters) = (u16::from_le_bytes([p[5], p[6]]), u16::from_le_bytes([p[7], p[8]]));
        for n in [parameters, columns] {
            for _ in 0..n {
                self.packet().await.expect("a definition");
            }
            if n > 0 && !self.deprecate_eof {
                assert_eq!(self.packet().await.expect("an EOF").1[0], 0xfe);
            }
        }
        u32::from_le_bytes(p[1..5].try_into().expect("4 bytes"))
    }

    /// `body` follows the flags and the iteration count.
    pub fn execute(id: u32, flags: u8, body: &[u8]) -> Vec<u8> {
        [&[0x17][..], &id.to_le_bytes(), &[flags, 1, 0, 0, 0], body].concat()
    }

    pub async fn quit(mut self) {
        self.command(1, &[]).await;
        assert!(self.packet().await.is_none());
    }
}
