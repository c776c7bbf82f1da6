//! A proxy before an S3 server that does what networks and servers do on bad days.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Pass,
    Delay(Duration),
    /// The connection breaks before the server heard of it.
    Drop,
    /// The server does it, and the connection breaks before the answer.
    DropAnswer,
    /// Half of the answer comes.
    Truncate,
    /// Answered with this status and code; the server does not hear of it.
    Refuse(u16, &'static str),
    /// The server does it, and this is answered.
    RefuseAfter(u16, &'static str),
    /// Nothing more happens to it, whether (`true`) or not the server does it.
    Stall(bool),
}

/// What is known of a request: `PUT`, `/bucket/key?query`.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
}

impl Request {
    /// Whether it changes what the server holds.
    pub fn writes(&self) -> bool {
        matches!(self.method.as_str(), "PUT" | "POST" | "DELETE")
    }
}

type Judge = Box<dyn FnMut(&Request) -> Fate + Send>;

/// Listens until it is dropped.
pub struct Proxy {
    pub port: u16,
    judge: Arc<Mutex<Judge>>,
    seen: Arc<Mutex<Vec<(Request, Fate)>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let judge: Arc<Mutex<Judge>> = Arc::new(Mutex::new(Box::new(|_| Fate::Pass)));
        let seen: Arc<Mutex<Vec<(Request, Fate)>>> = Arc::default();
        let (judges, sees) = (judge.clone(), seen.clone());
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                let (judge, seen) = (judges.clone(), sees.clone());
                // a broken connection is what it is for
                tokio::spawn(async move { drop(serve(client, server, judge, seen).await) });
            }
        });
        Self { port, judge, seen, task }
    }

    /// From now on each request's fate is what this says.
    pub fn judge(&self, judge: impl FnMut(&Request) -> Fate + Send + 'static) {
        *self.judge.lock().expect("no panic") = Box::new(judge);
    }

    /// The requests since the last time this was asked.
    pub fn seen(&self) -> Vec<(Request, Fate)> {
        std::mem::take(&mut self.seen.lock().expect("no panic"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    server: u16,
    judge: Arc<Mutex<Judge>>,
    seen: Arc<Mutex<Vec<(Request, Fate)>>>,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let header = |name: &str| {
        let lines = head.lines().filter_map(|l| l.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_string()).next()
    };
    assert!(header("transfer-encoding").is_none(), "bodies have a length: {head}");
    let length: usize = header("content-length").map_or(0, |l| l.parse().expect("a number"));
    if header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while bytes.len() < end + length {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let mut first = head.split(' ');
    let mut word = || first.next().unwrap_or_default().to_string();
    let request = Request { method: word(), path: word() };
    let fate = (judge.lock().expect("no panic"))(&request);
    seen.lock().expect("no panic").push((request, fate));
    match fate {
        Fate::Drop => return Ok(()),
        Fate::Refuse(status, code) => return refuse(&mut client, status, code).await,
        Fate::Stall(false) => return std::future::pending().await,
        Fate::Delay(pause) => tokio::time::sleep(pause).await,
        _ => {}
    }
    let kept: String = head
        .trim_end()
        .lines()
        .filter(|l| {
            !l.to_ascii_lowercase().starts_with("connection:") && !l.to_ascii_lowercase().starts_with("expect:")
        })
        .map(|l| format!("{l}\r\n"))
        .collect();
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).await?;
    upstream.write_all(format!("{kept}Connection: close\r\n\r\n").as_bytes()).await?;
    upstream.write_all(&bytes[end..]).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    match fate {
        Fate::DropAnswer => Ok(()),
        Fate::RefuseAfter(status, code) => refuse(&mut client, status, code).await,
        Fate::Stall(true) => std::future::pending().await,
        Fate::Truncate => client.write_all(&answer[..answer.len() / 2]).await,
        _ => client.write_all(&answer).await,
    }
}

async fn refuse(client: &mut TcpStream, status: u16, code: &str) -> std::io::Result<()> {
    let error = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>on purpose</Message></Error>");
    let body = if status < 300 { String::new() } else { error };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n");
    client.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await
}
