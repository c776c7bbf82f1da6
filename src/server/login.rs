//! The connection phase: greeting and authentication. Everything before the first command, and COM_CHANGE_USER.

use super::errno::SqlError;
use super::packet::{self, Raw};
use mysql_common::constants::{CapabilityFlags as Caps, StatusFlags};
use mysql_common::io::ParseBuf;
use mysql_common::misc::raw::RawBytes;
use mysql_common::misc::raw::bytes::{NullBytes, U8Bytes};
use mysql_common::packets::{AuthMoreData, AuthSwitchRequest, HandshakePacket, HandshakeResponse};
use mysql_common::proto::{MyDeserialize, MySerialize};
use std::io;

const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

/// What the server can do. LONG_PASSWORD must be there: without it MariaDB's clients expect MariaDB's own capabilities.
/// Absent on purpose, and so never to be parsed: SSL, COMPRESS, LOCAL_FILES, SESSION_TRACK, QUERY_ATTRIBUTES,
/// OPTIONAL_RESULTSET_METADATA, MULTI_STATEMENTS.
fn offered() -> Caps {
    Caps::CLIENT_LONG_PASSWORD
        | Caps::CLIENT_FOUND_ROWS
        | Caps::CLIENT_LONG_FLAG
        | Caps::CLIENT_CONNECT_WITH_DB
        | Caps::CLIENT_IGNORE_SPACE
        | Caps::CLIENT_PROTOCOL_41
        | Caps::CLIENT_INTERACTIVE
        | Caps::CLIENT_TRANSACTIONS
        | Caps::CLIENT_RESERVED
        | Caps::CLIENT_SECURE_CONNECTION
        | Caps::CLIENT_MULTI_RESULTS
        | Caps::CLIENT_PS_MULTI_RESULTS
        | Caps::CLIENT_PLUGIN_AUTH
        | Caps::CLIENT_CONNECT_ATTRS
        | Caps::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
        | Caps::CLIENT_DEPRECATE_EOF
}

/// What a client says of itself.
#[derive(Debug)]
pub struct Login {
    pub user: String,
    pub database: Option<String>,
    /// What both sides can do.
    pub caps: Caps,
    /// The client's collation id, low byte only: the rest of it arrives with SET NAMES.
    pub collation: u8,
    salt: [u8; 20],
    answer: Vec<u8>,
    plugin: Option<String>,
}

pub enum Refused {
    /// Tell the client, then close.
    Sql(SqlError),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(e: io::Error) -> Self {
        Refused::Io(e)
    }
}

impl From<SqlError> for Refused {
    fn from(e: SqlError) -> Self {
        Refused::Sql(e)
    }
}

/// Whether `user`, who answered `salt` with `answer`, is let in. The one place where accounts are to be asked: as
/// long as there are none, whoever reaches the loopback address may read.
fn admitted(_user: &str, _plugin: &str, _salt: &[u8; 20], _answer: &[u8]) -> bool {
    true
}

/// Printable salt without NUL and '$', as MySQL makes it.
fn salt() -> io::Result<[u8; 20]> {
    let mut salt = [0; 20];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    Ok(salt.map(|b| match b & 0x7f {
        b @ (0 | b'$') => b + 1,
        b => b,
    }))
}

fn bytes(p: impl MySerialize) -> Vec<u8> {
    let mut out = Vec::new();
    p.serialize(&mut out);
    out
}

/// Greets as connection `id`, and reads what the client says.
pub async fn greet(raw: &mut Raw, id: u32, version: &str, collation: u16) -> Result<Login, Refused> {
    let salt = salt()?;
    let (first, second) = salt.split_first_chunk::<8>().expect("20 bytes");
    // MariaDB before 11 puts 5.5.5 in front, and its clients take it away again; the others then hold the server for
    // a MySQL 5.5, and not for one later than 8, of which they would ask collations and tables that MariaDB has not.
    let greeting = HandshakePacket::new(
        10,
        format!("5.5.5-{version}").into_bytes(),
        id,
        *first,
        Some([second, &[0]].concat()),
        offered(),
        collation as u8,
        StatusFlags::SERVER_STATUS_AUTOCOMMIT,
        // Named also to clients that know only caching_sha2_password, which get a switch: MariaDB's send nothing at
        // all when the greeting names what they do not know.
        Some([NATIVE.as_bytes(), b"\0"].concat()),
    );
    raw.write(&bytes(greeting)).await?;

    let bad = |_| SqlError::bad_handshake();
    let p = raw.read().await?;
    if p.len() < 32 {
        return Err(SqlError::bad_handshake().into());
    }
    let r = HandshakeResponse::deserialize((), &mut ParseBuf(&p)).map_err(bad)?;
    if !r.capabilities().contains(Caps::CLIENT_PROTOCOL_41) {
        return Err(SqlError::bad_handshake().into());
    }
    let utf8 = |b: &[u8]| String::from_utf8(b.to_vec()).map_err(|_| SqlError::bad_handshake());
    Ok(Login {
        user: utf8(r.user())?,
        database: r.db_name().filter(|d| !d.is_empty()).map(utf8).transpose()?,
        caps: r.capabilities() & offered(),
        collation: r.collation(),
        salt,
        answer: r.scramble_buf().to_vec(),
        plugin: r.auth_plugin().map(|a| String::from_utf8_lossy(a.as_bytes()).into_owned()),
    })
}

/// What the authentication is spoken over: the raw connection, or a session that changes its user.
pub trait Exchange: Send {
    fn send(&mut self, payload: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    fn receive(&mut self) -> impl Future<Output = io::Result<Vec<u8>>> + Send;
}

impl Exchange for Raw {
    async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write(payload).await
    }
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        self.read().await
    }
}

/// Decides whether a client that has just been greeted is let in. Sends no final OK or ERR.
pub async fn enter(raw: &mut Raw, login: &Login) -> Result<(), Refused> {
    // A client from before CLIENT_PLUGIN_AUTH names no plugin and means the native one.
    if matches!(login.plugin.as_deref(), None | Some(NATIVE)) {
        return verdict(&login.user, NATIVE, &login.salt, &login.answer);
    }
    switch(raw, &login.user, login.plugin.as_deref()).await
}

/// Authenticates with a fresh salt, by the plugin that the client names if we have it.
async fn switch(x: &mut impl Exchange, user: &str, plugin: Option<&str>) -> Result<(), Refused> {
    let plugin = if plugin == Some(NATIVE) { NATIVE } else { SHA2 };
    let salt = salt()?;
    x.send(&bytes(AuthSwitchRequest::new(plugin.as_bytes(), [&salt[..], &[0]].concat()))).await?;
    let answer = x.receive().await?;
    verdict(user, plugin, &salt, &answer)?;
    if plugin == SHA2 && !matches!(answer[..], [] | [0]) {
        // "fast authentication done": the client waits for this unless its password is empty
        x.send(&bytes(AuthMoreData::new(&[3][..]))).await?;
    }
    Ok(())
}

fn verdict(user: &str, plugin: &str, salt: &[u8; 20], answer: &[u8]) -> Result<(), Refused> {
    if admitted(user, plugin, salt, answer) {
        return Ok(());
    }
    let using = if matches!(answer, [] | [0]) { "NO" } else { "YES" };
    let text = format!("Access denied for user '{user}'@'localhost' (using password: {using})");
    Err(SqlError::new(1045, "28000", text).into())
}

/// COM_CHANGE_USER's fields. (mysql_common's `ComChangeUser` can be parsed but has no accessors.)
pub struct ChangeUser {
    pub user: String,
    pub database: Option<String>,
    pub collation: Option<u16>,
    plugin: Option<String>,
}

impl ChangeUser {
    /// `p`: the payload with the command's byte.
    pub fn parse(p: &[u8]) -> Option<Self> {
        let mut b = ParseBuf(p.get(1..)?);
        let utf8 = |r: RawBytes<'_, NullBytes>| String::from_utf8(r.as_bytes().to_vec()).ok();
        let user = utf8(b.parse(()).ok()?)?;
        // made with an earlier salt, nobody knows which: it is asked for again
        b.parse::<RawBytes<'_, U8Bytes>>(()).ok()?;
        let database = Some(utf8(b.parse(()).ok()?)?).filter(|d| !d.is_empty());
        let collation = b.checked_eat_u16_le();
        let plugin = if b.is_empty() { None } else { Some(String::from_utf8_lossy(b.eat_null_str()).into_owned()) };
        Some(Self { user, database, collation, plugin })
    }

    /// Decides whether the client may become this user. Sends no final OK or ERR.
    pub async fn enter(&self, x: &mut impl Exchange) -> Result<(), Refused> {
        switch(x, &self.user, Some(self.plugin.as_deref().unwrap_or(NATIVE))).await
    }
}

/// Ends the login of a client that is not let in. A client that does not take the error in goes without it.
pub async fn refuse(raw: &mut Raw, e: &SqlError) {
    let packet = if raw.seq == 0 { packet::early_err(e) } else { packet::err(e) };
    let _ = raw.write(&packet).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut raw.io).await;
}
