//! The events of a binary log, cut out of their bytes. The same for a server's stream and for files.
//!
//! Sources of the formats: MariaDB's log_event.cc and log_event.h, and the MariaDB Knowledge Base's "Replication
//! Protocol" pages.

use crate::model::quote_name;
use std::io::Read;

/// Bytes of a header.
pub const HEADER: usize = 19;
/// The magic at the beginning of a file.
pub const MAGIC: &[u8; 4] = b"\xfebin";

/// Event types.
pub mod kind {
    pub const QUERY: u8 = 2;
    pub const STOP: u8 = 3;
    pub const ROTATE: u8 = 4;
    pub const INTVAR: u8 = 5;
    pub const APPEND_BLOCK: u8 = 9;
    pub const DELETE_FILE: u8 = 11;
    pub const RAND: u8 = 13;
    pub const USER_VAR: u8 = 14;
    pub const FORMAT_DESCRIPTION: u8 = 15;
    pub const XID: u8 = 16;
    pub const BEGIN_LOAD_QUERY: u8 = 17;
    pub const EXECUTE_LOAD_QUERY: u8 = 18;
    pub const TABLE_MAP: u8 = 19;
    pub const INCIDENT: u8 = 26;
    pub const HEARTBEAT: u8 = 27;
    pub const IGNORABLE: u8 = 28;
    pub const ROWS_QUERY: u8 = 29;
    pub const MYSQL_GTID: u8 = 33;
    pub const ANONYMOUS_GTID: u8 = 34;
    pub const PREVIOUS_GTIDS: u8 = 35;
    pub const TRANSACTION_CONTEXT: u8 = 36;
    pub const VIEW_CHANGE: u8 = 37;
    pub const XA_PREPARE: u8 = 38;
    pub const PARTIAL_UPDATE_ROWS: u8 = 39;
    pub const TRANSACTION_PAYLOAD: u8 = 40;
    pub const HEARTBEAT_V2: u8 = 41;
    pub const TAGGED_GTID: u8 = 42;
    pub const ANNOTATE_ROWS: u8 = 160;
    pub const BINLOG_CHECKPOINT: u8 = 161;
    pub const GTID: u8 = 162;
    pub const GTID_LIST: u8 = 163;
    pub const START_ENCRYPTION: u8 = 164;
    pub const QUERY_COMPRESSED: u8 = 165;
}

/// Whoever does not know such an event may skip it.
pub const IGNORABLE_FLAG: u16 = 0x80;
/// The event stands in no file: the server made it up for its reader.
pub const ARTIFICIAL_FLAG: u16 = 0x20;
/// A QUERY that means something only within its session: it uses temporary tables.
pub const THREAD_SPECIFIC_FLAG: u16 = 0x4;
/// The file is being written. Not part of the checksum.
const IN_USE_FLAG: u16 = 0x1;

/// Why bytes are no event; it fits behind "because".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage(pub String);

pub type Cut<T> = std::result::Result<T, Damage>;

/// The beginning of an event, as a file is read: how long is it, and does it end the file?
#[derive(Debug, Clone, Copy)]
pub struct EventHeader {
    /// Seconds since 1970 UTC.
    pub timestamp: u32,
    pub kind: u8,
    /// Of the whole event, in bytes.
    pub size: u32,
    flags: u16,
}

impl EventHeader {
    pub const SIZE: usize = HEADER;

    /// `None`: there are fewer bytes than a header has.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut c = Cursor(bytes);
        let (timestamp, kind) = (c.u32().ok()?, c.u8().ok()?);
        let (_, size, _, flags) = (c.u32().ok()?, c.u32().ok()?, c.u32().ok()?, c.u16().ok()?);
        Some(Self { timestamp, kind, size, flags })
    }

    /// It says how the events after it are written: the first of a file.
    pub fn describes(&self) -> bool {
        self.kind == kind::FORMAT_DESCRIPTION
    }

    /// Of a FORMAT_DESCRIPTION: the server had not closed the file.
    pub fn in_use(&self) -> bool {
        self.flags & IN_USE_FLAG != 0
    }

    /// Nothing follows it in its file.
    pub fn closes_file(&self) -> bool {
        matches!(self.kind, kind::ROTATE | kind::STOP)
    }
}

/// An event: its header, and its body without the checksum.
#[derive(Debug, Clone, Copy)]
pub struct RawEvent<'a> {
    /// Seconds since 1970 UTC.
    pub timestamp: u32,
    pub kind: u8,
    pub server_id: u32,
    /// Of the whole event with header and checksum, in bytes.
    pub size: u32,
    /// Where the next event begins in the file, modulo 2^32; 0: the event stands in no file.
    pub end: u32,
    pub flags: u16,
    pub body: &'a [u8],
}

impl<'a> RawEvent<'a> {
    /// Cuts one event out of exactly its bytes. `checksum`: a CRC-32 stands at its end (a FORMAT_DESCRIPTION says so
    /// of itself). Errors: the length or the checksum is wrong.
    pub fn parse(bytes: &'a [u8], checksum: bool) -> Cut<Self> {
        let mut c = Cursor(bytes);
        let timestamp = c.u32()?;
        let kind = c.u8()?;
        let (server_id, size, end, flags) = (c.u32()?, c.u32()?, c.u32()?, c.u16()?);
        if size as usize != bytes.len() {
            return Err(Damage(format!("an event of {} bytes says that it has {size}", bytes.len())));
        }
        let mut event = Self { timestamp, kind, server_id, size, end, flags, body: c.0 };
        let checksum = match kind {
            kind::FORMAT_DESCRIPTION => {
                let described = FormatDescription::parse(event.body)?;
                event.body = described.rest;
                described.trailer
            }
            _ => checksum,
        };
        if !checksum {
            return Ok(event);
        }
        let split = bytes.len().checked_sub(4).filter(|at| *at >= HEADER);
        let (covered, stored) = bytes.split_at(split.ok_or_else(|| Damage("an event is too short".into()))?);
        let mut crc = crc32fast::Hasher::new();
        let mut header: [u8; HEADER] = covered[..HEADER].try_into().expect("it is as long as a header");
        if kind == kind::FORMAT_DESCRIPTION {
            header[17] &= !(IN_USE_FLAG as u8);
        }
        crc.update(&header);
        crc.update(&covered[HEADER..]);
        if crc.finalize().to_le_bytes() != stored {
            return Err(Damage("an event's checksum is wrong".into()));
        }
        if kind != kind::FORMAT_DESCRIPTION {
            event.body = &covered[HEADER..];
        }
        Ok(event)
    }

    pub fn artificial(&self) -> bool {
        self.end == 0 || self.flags & ARTIFICIAL_FLAG != 0
    }
}

/// An event, if it is as it was written. `checksum`: whether events carry one, as the last FORMAT_DESCRIPTION said.
pub fn intact<'a>(bytes: &'a [u8], checksum: &mut bool) -> Cut<RawEvent<'a>> {
    let event = RawEvent::parse(bytes, *checksum)?;
    if event.kind == kind::FORMAT_DESCRIPTION {
        *checksum = FormatDescription::parse(event.body)?.checksum;
    }
    Ok(event)
}

/// What a file says of itself.
pub struct FormatDescription<'a> {
    /// `10.11.18-MariaDB-log`
    pub server: String,
    /// The events after it carry a CRC-32.
    pub checksum: bool,
    /// It is the first one after the server started: no session is older.
    pub started: bool,
    /// It carries one itself.
    trailer: bool,
    rest: &'a [u8],
}

impl<'a> FormatDescription<'a> {
    /// `body`: with or without its own checksum.
    pub fn parse(body: &'a [u8]) -> Cut<Self> {
        let mut c = Cursor(body);
        let version = c.u16()?;
        if version != 4 {
            return Err(Damage(format!("its format is version {version}, not 4")));
        }
        let server = c.take(50)?;
        let server = String::from_utf8_lossy(server.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        let started = c.u32()? != 0;
        if usize::from(c.u8()?) != HEADER {
            return Err(Damage("its event headers are not of 19 bytes".into()));
        }
        // lengths of post-headers, then the algorithm, then (always, since there are algorithms) a CRC-32
        let algorithm = body.len().checked_sub(5).and_then(|at| body.get(at)).copied();
        match algorithm {
            // the place of the CRC-32 is there, but a server that sends the event changes it and leaves that as it was
            Some(0) => Ok(Self { server, checksum: false, started, trailer: false, rest: body }),
            Some(1) => Ok(Self { server, checksum: true, started, trailer: true, rest: body }),
            _ => Err(Damage("its checksum algorithm is not known".into())),
        }
    }
}

/// Reads little-endian fields one after the other.
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, n: usize) -> Cut<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n).ok_or_else(|| Damage("an event is too short".into()))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Cut<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take gives as many as asked for"))
    }

    pub fn u8(&mut self) -> Cut<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Cut<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Cut<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Cut<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// `n` bytes, at most 8, as a number.
    pub fn little(&mut self, n: usize) -> Cut<u64> {
        Ok(self.take(n)?.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    /// The same, the most significant first.
    pub fn big(&mut self, n: usize) -> Cut<u64> {
        Ok(self.take(n)?.iter().fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    /// A length-encoded integer of the MySQL protocol.
    pub fn length(&mut self) -> Cut<usize> {
        let v = match self.u8()? {
            0xfc => self.little(2)?,
            0xfd => self.little(3)?,
            0xfe => self.u64()?,
            0xfb | 0xff => return Err(Damage("a length is malformed".into())),
            n => u64::from(n),
        };
        usize::try_from(v).map_err(|_| Damage("a length is too large".into()))
    }

    /// A length of one byte, then so many bytes, then a zero.
    pub fn name(&mut self) -> Cut<String> {
        let n = usize::from(self.u8()?);
        let name = utf8(self.take(n)?)?;
        self.take(1)?;
        Ok(name)
    }
}

pub fn utf8(bytes: &[u8]) -> Cut<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Damage("a name is not UTF-8".into()))
}

/// MariaDB's GTID event: what follows is one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GtidEvent {
    pub domain: u32,
    pub sequence: u64,
    /// One statement follows, without an end of its own.
    pub standalone: bool,
    /// The transaction is prepared (XA PREPARE), and committed or rolled back by a later one.
    pub prepared: Option<Vec<u8>>,
    /// It decides about a prepared one.
    pub completed: Option<Vec<u8>>,
    /// An ALTER TABLE that has begun: nothing happened yet.
    pub alter_started: bool,
    /// An ALTER TABLE that had begun came to nothing.
    pub alter_failed: bool,
}

pub fn gtid(body: &[u8]) -> Cut<GtidEvent> {
    let mut c = Cursor(body);
    let (sequence, domain, flags) = (c.u64()?, c.u32()?, c.u8()?);
    let standalone = flags & 1 != 0;
    if flags & 2 != 0 {
        c.u64()?; // the group commit's id
    }
    let (prepared, completed) = (flags & 64 != 0, flags & 128 != 0);
    let mut xid = None;
    if prepared || completed {
        let format = c.take(4)?;
        let (gtrid, bqual) = (c.u8()?, c.u8()?);
        let mut id = format.to_vec();
        id.extend([gtrid, bqual]);
        id.extend(c.take(usize::from(gtrid) + usize::from(bqual))?);
        xid = Some(id);
    }
    // zeros may fill the event up
    let extra = c.u8().unwrap_or(0);
    Ok(GtidEvent {
        domain,
        sequence,
        standalone,
        prepared: xid.clone().filter(|_| prepared),
        completed: xid.filter(|_| completed),
        alter_started: extra & 2 != 0,
        alter_failed: extra & 8 != 0,
    })
}

/// The newest transaction of each domain before this place: (domain, server, sequence).
pub fn gtid_list(body: &[u8]) -> Cut<Vec<(u32, u32, u64)>> {
    let mut c = Cursor(body);
    let count = c.u32()? & 0x0fff_ffff;
    (0..count).map(|_| Ok((c.u32()?, c.u32()?, c.u64()?))).collect()
}

/// Next position and file.
pub fn rotate(body: &[u8]) -> Cut<(u64, String)> {
    let mut c = Cursor(body);
    Ok((c.u64()?, utf8(c.0)?))
}

/// A statement that was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryEvent {
    /// Of the session.
    pub thread: u32,
    /// The error with which the statement ended; 0: none.
    pub error: u16,
    pub database: String,
    /// As the client sent it.
    pub statement: Vec<u8>,
    pub sql_mode: u64,
    /// Collation numbers: the client's and the server's.
    pub client: Option<u16>,
    pub server: Option<u16>,
    /// `` `user`@`host` ``, where the statement's meaning depends on it.
    pub invoker: Option<String>,
    /// Collation numbers: what the session gives to charsets that are named without a collation.
    pub collations: Vec<u16>,
}

/// `load`: EXECUTE_LOAD_QUERY. `compressed`: QUERY_COMPRESSED.
pub fn query(body: &[u8], load: bool, compressed: bool) -> Cut<QueryEvent> {
    let mut c = Cursor(body);
    let thread = c.u32()?;
    c.take(4)?;
    let name = usize::from(c.u8()?);
    let error = c.u16()?;
    let status = usize::from(c.u16()?);
    if load {
        c.take(13)?;
    }
    let mut event = QueryEvent {
        thread,
        error,
        database: String::new(),
        statement: Vec::new(),
        sql_mode: 0,
        client: None,
        server: None,
        invoker: None,
        collations: Vec::new(),
    };
    // variables of which the length is not known end the reading; those that count come first
    let _ = status_variables(&mut event, c.take(status)?);
    event.database = utf8(c.take(name)?)?;
    c.take(1)?;
    event.statement = if compressed { inflate(c.0)? } else { c.0.to_vec() };
    Ok(event)
}

/// Source: Query_log_event's constructor in MariaDB's log_event.cc.
fn status_variables(event: &mut QueryEvent, bytes: &[u8]) -> Cut<()> {
    let mut c = Cursor(bytes);
    while !c.0.is_empty() {
        match c.u8()? {
            0 => drop(c.take(4)?),
            1 => event.sql_mode = c.u64()?,
            2 => {
                let n = usize::from(c.u8()?);
                c.take(n + 1)?;
            }
            3 => drop(c.take(4)?),
            4 => {
                event.client = Some(c.u16()?);
                c.u16()?;
                event.server = Some(c.u16()?);
            }
            5 | 6 => {
                let n = usize::from(c.u8()?);
                c.take(n)?;
            }
            7 | 8 => drop(c.take(2)?),
            9 | 17 => drop(c.take(8)?),
            10 => drop(c.take(4)?),
            11 => {
                let mut part = || {
                    let n = usize::from(c.u8()?);
                    Ok(quote_name(&utf8(c.take(n)?)?))
                };
                let (user, host) = (part()?, part()?);
                event.invoker = Some(format!("{user}@{host}"));
            }
            // MySQL: databases that are concerned, each with a zero behind it; 254: too many
            12 => {
                let n = c.u8()?;
                for _ in 0..if n == 254 { 0 } else { n } {
                    while c.u8()? != 0 {}
                }
            }
            13 => drop(c.take(3)?),
            16 | 19 | 20 => drop(c.u8()?),
            // MySQL: default_collation_for_utf8mb4
            18 => event.collations.push(c.u16()?),
            128 => drop(c.take(3)?),
            129 => drop(c.take(8)?),
            // MariaDB: character_set_collations, each with the charset's own before it
            131 => {
                for _ in 0..c.u8()? {
                    c.u16()?;
                    event.collations.push(c.u16()?);
                }
            }
            _ => return Ok(()),
        }
    }
    Ok(())
}

/// MariaDB's compressed data: a byte with the algorithm (0: zlib) and the length's length, the length (the most
/// significant byte first), the data. Source: binlog_buf_uncompress in MariaDB's log_event.cc.
pub fn inflate(bytes: &[u8]) -> Cut<Vec<u8>> {
    let mut c = Cursor(bytes);
    let first = c.u8()?;
    let algorithm = first >> 4 & 7;
    if first & 0x80 == 0 || algorithm != 0 {
        return Err(Damage(format!("its compression (algorithm {algorithm}) is not known")));
    }
    let length = c.big(usize::from(first & 7).min(8))?;
    let mut out = Vec::with_capacity(usize::try_from(length).unwrap_or(0).min(1 << 24));
    let read = flate2::read::ZlibDecoder::new(c.0).take(length.saturating_add(1)).read_to_end(&mut out);
    match read {
        Ok(n) if n as u64 == length => Ok(out),
        _ => Err(Damage("its compressed data cannot be unpacked".into())),
    }
}

/// A charset by one of its collations' numbers, as far as it matters here. Source: the ids in MariaDB's ctype files.
pub fn charset_by_id(id: u16) -> Option<&'static str> {
    Some(match id & !1024 {
        33 | 76 | 83 | 192..=215 | 223 => "utf8mb3",
        45 | 46 | 224..=247 | 255..=323 => "utf8mb4",
        11 | 65 => "ascii",
        63 => "binary",
        5 | 8 | 15 | 31 | 47 | 48 | 49 | 94 => "latin1",
        2048..=2303 => "utf8mb3",
        2304..=2559 => "utf8mb4",
        _ => return None,
    })
}

/// The name of a server's default collation, for the usual ones.
pub fn collation_by_id(id: u16) -> Option<&'static str> {
    Some(match id {
        8 => "latin1_swedish_ci",
        11 => "ascii_general_ci",
        33 => "utf8mb3_general_ci",
        45 => "utf8mb4_general_ci",
        46 => "utf8mb4_bin",
        63 => "binary",
        65 => "ascii_bin",
        83 => "utf8mb3_bin",
        192 => "utf8mb3_unicode_ci",
        224 => "utf8mb4_unicode_ci",
        246 => "utf8mb4_unicode_520_ci",
        255 => "utf8mb4_0900_ai_ci",
        2048 => "utf8mb3_uca1400_ai_ci",
        2304 => "utf8mb4_uca1400_ai_ci",
        2560 => "ucs2_uca1400_ai_ci",
        2816 => "utf16_uca1400_ai_ci",
        3072 => "utf32_uca1400_ai_ci",
        _ => return None,
    })
}
