//! A connection of our own to a server, for what the driver does not give: a log's events exactly as they are sent.
//!
//! Only what that takes: login, statements without a result, and packets one after the other. Source: "Client/Server
//! Protocol" in MySQL's documentation of its source.

use super::event::{Cursor, Cut, Damage};
use crate::dial;
use crate::model::{ServerUrl, TlsMode};
use bytes::BytesMut;
use mysql_async::{Error as DriverError, ServerError};
use mysql_common::scramble::{scramble_native, scramble_sha256};
use std::io;
use std::panic::catch_unwind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A packet of this length goes on in the next one.
const FULL: usize = 0xff_ffff;
/// No server sends more in one piece.
const MAX_PACKET: usize = (1 << 30) + (1 << 26);

/// What this client can do: long passwords, all flags of columns, protocol 4.1, transactions, salted passwords, plugins.
const CAPABILITIES: u32 = 0x1 | 0x4 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
/// What follows is encrypted.
const TLS: u32 = 0x800;
/// utf8mb4_general_ci
const CHARSET: u8 = 45;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that is logged in.
pub struct Wire {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    /// What has arrived of a packet that goes on.
    begun: Vec<u8>,
    sequence: u8,
    encrypted: bool,
    url: ServerUrl,
}

/// Why the server does not go on, in the driver's words, so that it is told as for every other connection.
type Said<T> = std::result::Result<T, DriverError>;

impl Wire {
    /// Logs in.
    pub async fn open(url: &ServerUrl) -> Said<Self> {
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
        stream.set_nodelay(true)?;
        let (stream, buffer) = (Box::new(stream), BytesMut::new());
        let mut this = Self { stream, buffer, begun: Vec::new(), sequence: 0, encrypted: false, url: url.clone() };
        this.log_in().await?;
        Ok(this)
    }

    /// Runs a statement that has no result.
    pub async fn run(&mut self, statement: &str) -> Said<()> {
        self.command(&[&[3], statement.as_bytes()].concat()).await?;
        self.done().await
    }

    /// Sends a command.
    pub async fn command(&mut self, packet: &[u8]) -> Said<()> {
        self.sequence = 0;
        self.send(packet).await
    }

    /// Waits for OK.
    pub async fn done(&mut self) -> Said<()> {
        match self.packet().await?.split_first() {
            Some((0, _)) => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    /// The next packet, whole. Errors: the server's own, and what comes over the network. Cancel-safe.
    pub async fn packet(&mut self) -> Said<Vec<u8>> {
        loop {
            while let Some(part) = self.part()? {
                let goes_on = part.len() == FULL;
                self.begun.extend_from_slice(&part);
                if self.begun.len() > MAX_PACKET {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet of more than 1 GiB").into());
                }
                if !goes_on {
                    let packet = std::mem::take(&mut self.begun);
                    return match packet.split_first() {
                        Some((0xff, error)) => Err(refusal(error)),
                        _ => Ok(packet),
                    };
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Takes a part of a packet from what has arrived.
    fn part(&mut self) -> Said<Option<BytesMut>> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        let sequence = head[3];
        if self.buffer.len() < 4 + length {
            self.buffer.reserve(4 + length - self.buffer.len());
            return Ok(None);
        }
        self.sequence = sequence.wrapping_add(1);
        let mut part = self.buffer.split_to(4 + length);
        Ok(Some(part.split_off(4)))
    }

    async fn send(&mut self, packet: &[u8]) -> Said<()> {
        // no command of ours is as long as a packet may be
        let mut bytes = (packet.len() as u32).to_le_bytes()[..3].to_vec();
        bytes.push(self.sequence);
        bytes.extend(packet);
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn log_in(&mut self) -> Said<()> {
        let packet = self.packet().await?;
        let greeting = greeting(&packet).map_err(malformed)?;
        match self.url.tls.mode {
            TlsMode::Disabled => {}
            _ if greeting.tls => self.encrypt().await?,
            TlsMode::Preferred => {}
            _ => return Err(dial::none_offered(&self.url)),
        }
        let plugin = greeting.plugin.clone();
        let proof = self.proof(&plugin, &greeting.salt).unwrap_or_default();
        let mut response = self.head();
        response.extend(self.url.user.as_bytes());
        response.extend([0, proof.len() as u8]);
        response.extend(&proof);
        response.extend(plugin.as_bytes());
        response.push(0);
        self.send(&response).await?;
        self.prove(greeting.salt).await
    }

    /// What a login begins with, and all that is said before TLS.
    fn head(&self) -> Vec<u8> {
        let tls = if self.encrypted { TLS } else { 0 };
        let mut head = (CAPABILITIES | tls).to_le_bytes().to_vec();
        head.extend((MAX_PACKET as u32).to_le_bytes());
        head.push(CHARSET);
        head.extend([0; 23]);
        head
    }

    async fn encrypt(&mut self) -> Said<()> {
        self.encrypted = true;
        let request = self.head();
        self.send(&request).await?;
        self.sequence = self.sequence.wrapping_add(1);
        if !self.buffer.is_empty() {
            // what came in the clear must not pass for what came over TLS
            return Err(malformed(Damage("the server said more than its greeting".into())));
        }
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        self.stream = Box::new(dial::secure(&self.url, plain).await?);
        Ok(())
    }

    /// Answers whatever the server asks until it lets us in.
    async fn prove(&mut self, mut salt: Vec<u8>) -> Said<()> {
        loop {
            let packet = self.packet().await?;
            match packet.split_first() {
                Some((0, _)) => return Ok(()),
                Some((0xfe, switch)) => {
                    let (plugin, rest) = until_zero(switch);
                    salt = rest.strip_suffix(&[0]).unwrap_or(rest).to_vec();
                    let proof = self.proof(&plugin, &salt).ok_or_else(|| cannot(&plugin))?;
                    self.send(&proof).await?;
                }
                // caching_sha2_password: the server knows the account's password, or wants all of it
                Some((1, [3])) => {}
                Some((1, [4])) => self.whole_password(&salt).await?,
                other => return Err(unexpected(other)),
            }
        }
    }

    /// What shows that the password is known. `None`: by this plugin it cannot be shown.
    fn proof(&self, plugin: &str, salt: &[u8]) -> Option<Vec<u8>> {
        let password = self.url.password.as_deref().unwrap_or_default().as_bytes();
        match plugin {
            "mysql_native_password" => Some(scramble_native(salt, password).map(Vec::from).unwrap_or_default()),
            "caching_sha2_password" => Some(scramble_sha256(salt, password).map(Vec::from).unwrap_or_default()),
            _ => None,
        }
    }

    /// Over TLS, or under the server's public key.
    async fn whole_password(&mut self, salt: &[u8]) -> Said<()> {
        let mut password = self.url.password.clone().unwrap_or_default().into_bytes();
        password.push(0);
        if self.encrypted {
            return self.send(&password).await;
        }
        self.send(&[2]).await?;
        let packet = self.packet().await?;
        let key = match packet.split_first() {
            Some((1, key)) => key.to_vec(),
            other => return Err(unexpected(other)),
        };
        for (byte, salt) in password.iter_mut().zip(salt.iter().cycle()) {
            *byte ^= salt;
        }
        // the driver's reader of keys relies on their form
        let sealed = catch_unwind(|| mysql_common::crypto::encrypt(&password, &key));
        let sealed = sealed.map_err(|_| malformed(Damage("the server's public key is malformed".into())))?;
        self.send(&sealed).await
    }
}

/// What a server says first.
struct Greeting {
    salt: Vec<u8>,
    plugin: String,
    /// It offers TLS.
    tls: bool,
}

fn greeting(packet: &[u8]) -> Cut<Greeting> {
    let mut c = Cursor(packet);
    let version = c.u8()?;
    if version != 10 {
        return Err(Damage(format!("the server speaks version {version} of the protocol")));
    }
    c.0 = until_zero(c.0).1;
    c.take(4)?;
    let mut salt = c.take(8)?.to_vec();
    c.take(1)?;
    let tls = u32::from(c.u16()?) & TLS != 0;
    c.take(1 + 2 + 2)?;
    let length = usize::from(c.u8()?);
    c.take(10)?;
    let rest = c.take(length.saturating_sub(8).max(13))?;
    salt.extend(rest.strip_suffix(&[0]).unwrap_or(rest));
    Ok(Greeting { salt, plugin: until_zero(c.0).0, tls })
}

/// Text up to a zero, and what stands behind it.
fn until_zero(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes.get(end + 1..).unwrap_or_default())
}

/// An error of the server: number, `#` and state, message.
fn refusal(packet: &[u8]) -> DriverError {
    let (code, rest) = packet.split_first_chunk::<2>().map_or((0, packet), |(c, r)| (u16::from_le_bytes(*c), r));
    let (state, message) = match rest.split_first() {
        Some((b'#', rest)) if rest.len() >= 5 => rest.split_at(5),
        _ => (&b"HY000"[..], rest),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    DriverError::Server(ServerError { code, message: text(message), state: text(state) })
}

fn malformed(damage: Damage) -> DriverError {
    io::Error::new(io::ErrorKind::InvalidData, damage.0).into()
}

fn unexpected(packet: Option<(&u8, &[u8])>) -> DriverError {
    malformed(Damage(format!("an unexpected packet ({:?})", packet.map(|(first, _)| first))))
}

fn cannot(plugin: &str) -> DriverError {
    let text = format!("the account logs in by {plugin}, which pcloud does not know");
    DriverError::Other(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    fn wire(stream: impl Stream + 'static) -> Wire {
        let url = ServerUrl::parse("mysql://u:p@h/").expect("a URL");
        Wire {
            stream: Box::new(stream),
            buffer: BytesMut::new(),
            begun: Vec::new(),
            sequence: 0,
            encrypted: false,
            url,
        }
    }

    #[tokio::test]
    async fn packets_are_put_together_and_a_reader_may_give_up_in_between() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut wire = wire(ours);
        let long = vec![7u8; FULL + 3];
        let parts = [&[0xff, 0xff, 0xff, 0][..], &long[..FULL], &[3, 0, 0, 1], &long[FULL..], &[0, 0, 0, 0]].concat();
        let sent = tokio::spawn(async move {
            for piece in parts.chunks(100_000) {
                theirs.write_all(piece).await.expect("sent");
                tokio::task::yield_now().await;
            }
        });
        let mut polls = 0;
        let packet = loop {
            polls += 1;
            tokio::select! {
                biased;
                packet = wire.packet() => break packet,
                () = tokio::task::yield_now() => {}
            }
        };
        assert!(packet.expect("a packet") == long && polls > 1);
        assert_eq!(wire.packet().await.expect("an empty one"), Vec::<u8>::new());
        sent.await.expect("sent");
        assert!(matches!(wire.packet().await, Err(DriverError::Io(_))), "the end is no packet");
    }

    #[tokio::test]
    async fn the_servers_own_errors_are_told_and_lies_do_no_harm() {
        let (ours, mut theirs) = duplex(1 << 10);
        let mut wire = wire(ours);
        theirs.write_all(&[10, 0, 0, 0, 0xff, 0xd4, 4, b'#', b'4', b'2', b'0', b'0', b'0', b'x']).await.expect("sent");
        assert!(matches!(wire.packet().await, Err(DriverError::Server(e)) if e.code == 1236 && e.message == "x"));
        for bytes in [&[][..], &[9, 0], &[10, b'x', 0, 1, 2], &[10; 40]] {
            let _ = greeting(bytes);
        }
        assert!(matches!(refusal(&[1]), DriverError::Server(_)));
    }
}
